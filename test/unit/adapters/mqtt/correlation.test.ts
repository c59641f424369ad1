import { randomUUID } from 'node:crypto'

import { testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'

import { createCorrelation } from '../../../../adapters/mqtt/correlation.ts'
import { createHub } from '../../../../adapters/mqtt/hub.ts'
import { classify, mayServeStale } from '../../../../core/guard/verdict.ts'

test('an answer longer than `responseLimit` is not read: its call is told, whether the topic says which or what it holds', async () => {
  const correlation = createCorrelation([], testScope({ responseLimitBytes: 100 }))
  const { signal } = new AbortController()
  using waiting = correlation.wait('c-3', 'meter/7/c-3', signal)
  const id = randomUUID()
  const shared = correlation.wait(id, 'meter/all', signal)
  const long = Buffer.from(JSON.stringify({ correlationid: id, text: 'x'.repeat(100) }))
  expect(correlation.arrived('meter/7/c-3', long)).toBeUndefined()
  await expect(waiting.answer).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    message: 'the answer is larger than 100 bytes',
    detail: { status: 200 },
    notExecuted: false,
  })
  expect(correlation.arrived('meter/all', long)).toBeUndefined()
  await expect(shared.answer).rejects.toMatchObject({ message: 'the answer is larger than 100 bytes' })
  shared[Symbol.dispose]()
  expect(correlation.arrived('meter/all', long)).toBe('ended')
  const hub = createHub()
  hub.open({ out: [], in: ['meter/#'], to: correlation })
  // taken: `topics` of a bridge that cover it make no customer's message of it
  expect(hub.deliver('meter/all', long, { isAnswer: false })).toBe(true)
  using other = correlation.wait('c-4', 'meter/none', signal)
  expect(correlation.arrived('meter/none', long)).toBe('too_large')
  expect(correlation.arrived('meter/none', Buffer.from('{"correlationid":"c-4","a":1}'))).toBeUndefined()
  expect(await other.answer).toEqual({ correlationid: 'c-4', a: 1 })
})

test('an answer on the topic of its call that is not JSON came, and would come again: it is no broken line', async () => {
  const correlation = createCorrelation([], testScope())
  using waiting = correlation.wait('c-1', 'meter/7/c-1', new AbortController().signal)
  expect(correlation.arrived('meter/7/c-1', Buffer.from('{"level":'))).toBeUndefined()
  const failure: unknown = await waiting.answer.catch((error: unknown) => error)
  expect(failure).toMatchObject({
    code: 'BACKEND_FAILED',
    message: 'the answer is not JSON',
    notExecuted: false,
  })
  expect([classify(failure), mayServeStale(failure)]).toEqual(['permanent', true])
})
