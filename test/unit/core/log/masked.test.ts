import { afterEach, expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { deliveryOf } from '../../../../core/deliver/delivery-shape.ts'
import { fieldsFor } from '../../../../core/log/log-fields.ts'
import { hide, masked, maskedError } from '../../../../core/log/masked.ts'

afterEach(() => hide([]))

test('a secret is masked as it is, within JSON and in a URL; one of less than four characters would blank out too much', () => {
  hide(['p"s s', 'abc'])
  expect(masked('p"s s p\\"s s p%22s%20s abc')).toBe('*** *** *** abc')
})

test('a short secret, and one of digits alone, is masked where it stands by itself: it may be a word or a number of ordinary texts', () => {
  hide(['order', '2026', '1000', '4711004711', 'Pa$$', 'geheim12', '钥匙口令'])
  expect(masked('order 10000 of 2026-11-23 was reordered, /order/lines')).toBe(
    '*** 10000 of ***-11-23 was reordered, /***/lines',
  )
  expect(masked('xPa$$ Pa$$y "Pa$$" xgeheim12y 14711004711 4711004711')).toBe(
    'xPa$$ ***y "***" x***y 14711004711 ***',
  )
  expect(masked('密码钥匙口令错误 {\\"a\\":\\"x\\norder\\"} ?a=%2Forder order2')).toBe(
    '密码***错误 {\\"a\\":\\"x\\n***\\"} ?a=%2F*** ***2',
  )
})

test('the names in a detail are texts too, and so are those in a line of the log', () => {
  hide(['s3cret-word'])
  const error = new GatewayError('BACKEND_FAILED', 'no', {
    detail: { 's3cret-word': 'order', a: [{ 'x s3cret-word': 1 }] },
  })
  expect(maskedError(error).detail).toEqual({ '***': 'order', a: [{ 'x ***': 1 }] })
  expect(fieldsFor({ 's3cret-word': { 's3cret-word': 1 } }, masked)).toEqual({ '***': { '***': 1 } })
})

test('an error without secrets is the very same; of one with secrets all but its texts stays', () => {
  hide(['123456'])
  const plain = new GatewayError('BACKEND_FAILED', 'no', { detail: { a: [1, { b: 'x' }] } })
  expect(maskedError(plain)).toBe(plain)
  const cause = new Error('inner')
  const error = new GatewayError('BACKEND_FAILED', 'no 123456', {
    cause,
    status: 503,
    retryAfterMs: 7,
    notExecuted: true,
    detail: { a: ['x123456', 1_234_567] },
  })
  const clean = maskedError(error)
  expect(clean).toMatchObject({
    code: 'BACKEND_FAILED',
    message: 'no ***',
    cause,
    status: 503,
    retryAfterMs: 7,
    notExecuted: true,
    detail: { a: ['x***', 1_234_567] },
  })
  expect(error.message).toBe('no 123456')
})

test('what a channel says of a message that it could not send shows none either', () => {
  hide(['123456'])
  expect(deliveryOf({ status: 'refused', retry: false, reason: 'no 123456' }, 'web')).toEqual({
    status: 'refused',
    retry: false,
    reason: 'no ***',
  })
})
