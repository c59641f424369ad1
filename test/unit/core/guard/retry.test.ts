// Retries: only what can help, full jitter, within deadline and budget, and never a lie about what was done (DESIGN §7, SEMANTICS 3).
import * as fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { createRetryBudget, withRetry } from '../../../../core/guard/retry.ts'
import type { RetryOptions } from '../../../../core/guard/retry.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.restoreAllMocks()
  vi.useRealTimers()
})

const policy = { attempts: 3, firstMs: 100, longestMs: 2000 }
const reset = new GatewayError('BACKEND_FAILED', 'reset')
const answered = (status: number, more: object = {}): GatewayError =>
  new GatewayError('BACKEND_FAILED', `answered ${status}`, { detail: { status }, ...more })

/** Runs it to its end; each error in turn, then 'ok'. */
async function run(errors: readonly unknown[], more: Partial<RetryOptions> = {}) {
  const begun = performance.now()
  const at: number[] = []
  const left: number[] = []
  const told: string[] = []
  const rest = [...errors]
  const options = {
    policy,
    budget: createRetryBudget(100),
    ms: 10_000,
    onRetry: (how: string) => told.push(how),
  }
  const result = withRetry({ ...options, ...more }, async (_attempt, ms) => {
    at.push(performance.now() - begun)
    left.push(ms)
    if (rest.length > 0) throw rest.shift()
    return 'ok'
  }).then(
    (value) => ({ value }),
    (error: unknown) => ({ error }),
  )
  await vi.runAllTimersAsync()
  return { end: await result, at, left, told }
}

test('a broken line is tried again, with what is left of the time', async () => {
  const { end, at, left, told } = await run([reset, answered(503)])
  expect(end).toEqual({ value: 'ok' })
  expect(at).toHaveLength(3)
  expect(left.map((ms, index) => Math.round(ms + (at[index] ?? 0)))).toEqual([10_000, 10_000, 10_000])
  expect(told).toEqual(['made', 'made'])
})

test.each([
  ['a refusal of the request', answered(400)],
  ['a wrong credential', answered(401)],
  ['not implemented', answered(501)],
  ['an open breaker', new GatewayError('BREAKER_OPEN', 'x', { notExecuted: true })],
  ['the deadline', new GatewayError('DEADLINE_EXCEEDED', 'x')],
  ['our own mistake', new GatewayError('INTERNAL', 'x')],
  ['a caller who has gone', new DOMException('gone', 'AbortError')],
  ['a SOAP fault about how we spoke', answered(500, { detail: { status: 500, soapCode: 'MustUnderstand' } })],
])('%s is not tried again', async (_what, error) => {
  const { end, at } = await run([error])
  expect(end).toEqual({ error })
  expect(at).toHaveLength(1)
})

test('the attempts are counted, the first included; what comes out is the last error', async () => {
  const last = answered(502)
  expect(await run([reset, reset, last])).toMatchObject({ end: { error: last }, at: { length: 3 } })
  expect(await run([reset], { policy: { ...policy, attempts: 1 } })).toMatchObject({ at: { length: 1 } })
})

test('full jitter: each pause anywhere below a bound that doubles, never above the longest', async () => {
  const many = { attempts: 8, firstMs: 100, longestMs: 400 }
  vi.spyOn(Math, 'random').mockReturnValue(0.999_999)
  const { at } = await run(
    Array.from({ length: 7 }, () => reset),
    { policy: many },
  )
  const pauses = at.slice(1).map((moment, index) => Math.round(moment - (at[index] ?? 0)))
  expect(pauses).toEqual([99, 199, 399, 399, 399, 399, 399]) // a timer takes whole milliseconds
  vi.spyOn(Math, 'random').mockReturnValue(0)
  const none = await run(
    Array.from({ length: 7 }, () => reset),
    { policy: many },
  )
  expect(none.at.at(-1)).toBeLessThan(20)
})

test('a throttled system is asked again no sooner than it said, and not at all where the time ends before', async () => {
  const { at } = await run([answered(429, { retryAfterMs: 3000 })])
  expect(at[1]).toBeGreaterThanOrEqual(3000)
  const late = answered(503, { retryAfterMs: 3000 })
  expect(await run([late], { ms: 2000 })).toMatchObject({ end: { error: late }, at: { length: 1 } })
})

test('SEMANTICS 37: a caller who goes ends the pause', async () => {
  const gone = new AbortController()
  vi.spyOn(Math, 'random').mockReturnValue(0.9)
  const calls: number[] = []
  const result = withRetry(
    { policy, budget: createRetryBudget(100), ms: 10_000, signal: gone.signal, onRetry: () => undefined },
    async (attempt) => {
      calls.push(attempt)
      throw reset
    },
  )
  const end = result.catch((error: unknown) => error)
  await vi.advanceTimersByTimeAsync(10)
  gone.abort()
  expect(await end).toBe(reset)
  expect(calls).toEqual([1])
})

test('SEMANTICS 3: a later attempt that was not made proves nothing about an earlier one that was', async () => {
  const refused = new GatewayError('BREAKER_OPEN', 'open', { notExecuted: true })
  expect((await run([reset, refused])).end).toEqual({ error: reset })
  const connect = new GatewayError('BACKEND_FAILED', 'refused', { notExecuted: true })
  expect((await run([connect, refused])).end).toEqual({ error: refused })
  expect((await run([connect, reset, refused])).end).toEqual({ error: reset })
})

test('the budget: retries are at most a fifth of the calls and a small reserve, over any traffic', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('call', 'retry'), { maxLength: 2000, size: 'max' }), (steps) => {
      const budget = createRetryBudget(20)
      let calls = 0
      let retries = 0
      for (const step of steps) {
        if (step === 'call') {
          calls += 1
          budget.called()
        } else if (budget.take()) retries += 1
      }
      expect(retries).toBeLessThanOrEqual(10 + calls * 0.2 + 1e-6)
    }),
  )
})

test('a used-up budget ends the retries and is told; it fills again with calls and with time', async () => {
  const budget = createRetryBudget(20)
  while (budget.take());
  expect(await run([reset], { budget })).toMatchObject({ end: { error: reset }, told: ['refused'] })
  for (let n = 0; n < 5; n++) budget.called()
  expect(budget.take()).toBe(true)
  while (budget.take());
  vi.advanceTimersByTime(5000)
  expect(budget.take()).toBe(true)
  expect(createRetryBudget(0).take()).toBe(false)
})
