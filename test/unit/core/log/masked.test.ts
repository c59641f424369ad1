import { afterEach, expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { deliveryOf } from '../../../../core/deliver/delivery-shape.ts'
import { hide, masked, maskedError } from '../../../../core/log/masked.ts'

afterEach(() => hide([]))

test('a secret is masked as it is, within JSON and in a URL; one of less than four characters would blank out too much', () => {
  hide(['p"s s', 'abc'])
  expect(masked('p"s s p\\"s s p%22s%20s abc')).toBe('*** *** *** abc')
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
