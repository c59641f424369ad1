import type { Json } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import { expect, test } from 'vitest'

import { compileRequest } from '../../../../adapters/mqtt/request.ts'
import { classify, mayServeStale } from '../../../../core/guard/verdict.ts'

const topics = { topic: 'svc/orders', replyTopic: 'svc/answers', qos: 1 } as const
const read = (payload: Json, result?: string): Promise<unknown> => {
  const message = testMessage({ kind: 'request' })
  const call = { operation: 'any', params: {}, message, key: message.id, attempt: 1 }
  const operation = result === undefined ? topics : { ...topics, result }
  return compileRequest(operation, 'orders').read(payload, call)
}
const answer = (fault: Json): Json => ({ correlationid: 'c', data: 1, fault })

test.each<[Json, object]>([
  ['broken', { code: 'FAULT', message: 'broken' }],
  [
    { code: 7, message: 'broken' },
    { code: '7', message: 'broken' },
  ],
  [
    { message: 'broken', detail: 1 },
    { code: 'FAULT', message: 'broken', detail: 1 },
  ],
  [{ code: 'Gone' }, { code: 'Gone', message: 'Gone' }],
  [['a', 'b'], { code: 'FAULT', message: 'FAULT', detail: ['a', 'b'] }],
  [7, { code: 'FAULT', message: 'FAULT', detail: 7 }],
  [true, { code: 'FAULT', message: 'FAULT', detail: true }],
])('a fault of any shape is a fault, never an answer, with and without `result`: %j', async (said, fault) => {
  expect(await read(answer(said))).toEqual({ fault })
  expect(await read(answer(said), 'data.rows')).toEqual({ fault })
})

test.each<[Json]>([
  [null],
  [false],
  [0],
  [''],
  [[]],
  [{}],
  [{ code: 0, message: 'OK' }],
  [{ code: '0', message: '' }],
])('a device says that nothing failed by a fault of %j', async (none) => {
  expect(await read(answer(none))).toEqual({ data: 1 })
  expect(await read(answer(none), 'data')).toEqual({ data: 1 })
})

test('a `result` that mentions `fault` says itself what a fault is', async () => {
  expect(await read(answer('none'), '{ "value": data, "said": fault }')).toEqual({
    data: { value: 1, said: 'none' },
  })
  expect(await read(answer('broken'), 'data.defaults')).toEqual({
    fault: { code: 'FAULT', message: 'broken' },
  })
})

test('an answer that `result` cannot read came, and would come again: it is no broken line', async () => {
  const failure: unknown = await read({}, '$number("x")').catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: false })
  expect([classify(failure), mayServeStale(failure)]).toEqual(['permanent', true])
})

test('a `fault` without an envelope is data like any other, which `result` may read', async () => {
  const plain = { fault: 'E7', value: 1 }
  expect(await read(plain)).toEqual({ data: plain })
  expect(await read(plain, 'value')).toEqual({ data: 1 })
})

const event = { specversion: '1.0', correlationid: 'c' }

test.each<[object, Json]>([
  [{ datacontenttype: 'application/json', data_base64: 'eyJhIjoxfQ==' }, { a: 1 }],
  [{ datacontenttype: 'text/plain', data_base64: 'QQ==' }, 'A'],
  [{ data_base64: 'QQ==' }, { data_base64: 'QQ==' }],
  [{ data: null }, null],
])(
  'an answer that is a CloudEvent gives what its data or data_base64 holds (§3.1): %j',
  async (said, data) => {
    expect(await read({ ...event, ...said })).toEqual({ data })
  },
)

test.each<[object]>([
  [{ data_base64: '!!' }],
  [{ data: 1, data_base64: 'QQ==' }],
  [{ datacontenttype: 'application/json', data_base64: 'QQ==' }],
])('a CloudEvent whose data cannot be read is no answer: %j', async (said) => {
  const failure: unknown = await read({ ...event, ...said }).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'BACKEND_FAILED', detail: { status: 200 } })
})
