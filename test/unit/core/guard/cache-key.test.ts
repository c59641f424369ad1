// SEMANTICS 32: the key of a cached answer holds everything a rendered request can depend on, and for whom it is.
import { expect, test } from 'vitest'
import type { Message } from '../../../../core/api.ts'
import { cacheKey, paramsDigest } from '../../../../core/guard/cache-key.ts'
import type { CacheQuestion } from '../../../../core/guard/cache-key.ts'

const message: Message = {
  id: '1',
  kind: 'request',
  type: 'GetOrder',
  sender: { id: 'ann', role: 'customer' },
  channel: 'web',
  conversation: 'web:ann',
  direction: 'inbound',
  data: { orderNo: '000777' },
  sequence: 0,
  receivedAt: '2026-01-01T00:00:00.000Z',
  correlationId: '1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  metadata: { 'soap:Tenant': '"north"', traceparent: 'x' },
}
const question: CacheQuestion = {
  backend: 'orders',
  definition: 'v1',
  operation: 'GetOrder',
  isPublic: false,
  params: { orderNo: '000777', lines: [1, 2] },
  message,
  readsMessage: true,
  caller: 'program/crm/web/ann',
}
const asked = (more: Partial<CacheQuestion>, said: Partial<Message> = {}): string =>
  cacheKey({ ...question, ...more, message: { ...message, ...said } })

test('what is new in each call changes nothing: ids, moments, the trace', () => {
  const again = asked(
    {},
    {
      id: '2',
      correlationId: '2',
      externalId: 'k9',
      receivedAt: '2026-01-02T00:00:00.000Z',
      traceparent: '00-1af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      metadata: { traceparent: 'y', 'soap:Tenant': '"north"', tracestate: 'z' },
    },
  )
  expect(again).toBe(cacheKey(question))
})

test('members in another order are the same parameters', () => {
  expect(asked({ params: { lines: [1, 2], orderNo: '000777' } })).toBe(cacheKey(question))
  expect(paramsDigest({ a: 1, b: 2 })).toBe(paramsDigest({ b: 2, a: 1 }))
})

const others: readonly (readonly [string, Partial<CacheQuestion>, Partial<Message>?])[] = [
  ['the parameters', { params: { orderNo: '000778', lines: [1, 2] } }],
  ['their types', { params: { orderNo: 777, lines: [1, 2] } }],
  ['the order of a list', { params: { orderNo: '000777', lines: [2, 1] } }],
  ['the definition', { definition: 'v2' }],
  ['the operation', { operation: 'GetOrders' }],
  ['the backend', { backend: 'archive' }],
  ['the credential', { caller: 'program/pos/web/ann' }],
  ['the sender', {}, { sender: { id: 'bob', role: 'customer' } }],
  ['the standing of the sender', {}, { sender: { id: 'ann', role: 'customer', tier: 'vip' } }],
  ['a header that goes along', {}, { metadata: { 'soap:Tenant': '"south"' } }],
]
test('what makes it another question makes it another key', () => {
  const keys = others.map(([, more, said]) => asked(more, said))
  for (const [at, [what]] of others.entries()) expect(keys[at], what).not.toBe(cacheKey(question))
  expect(new Set(keys).size).toBe(others.length)
})

test('public: the same answer for everybody and every channel, but for each set of parameters its own', () => {
  const forAll = asked({ isPublic: true })
  const bob = { sender: { id: 'bob', role: 'customer' }, channel: 'crm', conversation: 'crm:bob' } as const
  expect(asked({ isPublic: true, caller: 'x' }, bob)).toBe(forAll)
  expect(asked({ isPublic: true, params: { orderNo: '000778' } })).not.toBe(forAll)
  expect(forAll).not.toBe(cacheKey(question))
})

test('in other words it is another question only where the operation reads the message', () => {
  const said = { kind: 'message', type: 'text', parts: [{ kind: 'text', text: 'and order 7?' }] } as const
  expect(asked({}, said)).not.toBe(cacheKey(question))
  expect(asked({ readsMessage: false }, said)).toBe(asked({ readsMessage: false }))
  for (const [at, [what, more, other]] of others.entries())
    expect(asked({ readsMessage: false, ...more }, other), `${at} ${what}`).not.toBe(
      asked({ readsMessage: false }),
    )
})
