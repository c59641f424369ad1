import type { Json } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import { expect, test } from 'vitest'

import { compileRequest } from '../../../../adapters/mqtt/request.ts'
import { classify, mayServeStale } from '../../../../core/guard/verdict.ts'

const request = compileRequest({ topic: 'svc/orders', replyTopic: 'svc/answers', qos: 1 }, 'orders')
const told = (fault: Json): Promise<unknown> => {
  const message = testMessage({ kind: 'request' })
  const call = { operation: 'any', params: {}, message, key: message.id, attempt: 1 }
  return request.read({ correlationid: 'c', data: 1, fault }, call)
}

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
])('a fault of any shape is a fault, never an answer: %j', async (said, fault) => {
  expect(await told(said)).toEqual({ fault })
})

test.each<[Json]>([[null], [false], [0], [''], [[]], [{}], [{ code: 0, message: '' }]])(
  'a device says that nothing failed by a fault of %j',
  async (none) => {
    expect(await told(none)).toEqual({ data: 1 })
  },
)

test('an answer that `result` cannot read came, and would come again: it is no broken line', async () => {
  const unfit = compileRequest({ topic: 'a', replyTopic: 'b', qos: 1, result: '$number("x")' }, 'orders')
  const message = testMessage({ kind: 'request' })
  const call = { operation: 'any', params: {}, message, key: message.id, attempt: 1 }
  const failure: unknown = await unfit.read({}, call).catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: false })
  expect([classify(failure), mayServeStale(failure)]).toEqual(['permanent', true])
})
