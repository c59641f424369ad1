import { testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'

import { createCorrelation } from '../../../../adapters/mqtt/correlation.ts'
import { classify, mayServeStale } from '../../../../core/guard/verdict.ts'

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
