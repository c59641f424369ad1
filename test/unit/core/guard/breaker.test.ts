// The breaker: what opens it, what closes it, what it never counts.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'
import { bad, down, good, open, options, outcome } from './breaker-calls.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('exactly the error rate opens it, 100 % included; anything below does not', async () => {
  const half = createBreaker('half', options)
  for (const call of [good, good, bad, bad]) await outcome(half, call)
  expect(half.state).toBe('OPEN')
  const most = createBreaker('most', { ...options, errorRate: 60 })
  for (const call of [good, good, bad, bad]) await outcome(most, call)
  expect(most.state).toBe('ACTIVE')
  const all = createBreaker('all', { ...options, errorRate: 100 })
  for (const call of [bad, bad, bad, bad]) await outcome(all, call)
  expect(all.state).toBe('OPEN')
})

test('while open nothing is called: BREAKER_OPEN, proven not executed, with the remaining time (SEMANTICS 3)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(2_000)
  let called = false
  const refused = breaker.run(async () => {
    called = true
  })
  await expect(refused).rejects.toMatchObject({
    code: 'BREAKER_OPEN',
    status: 503,
    notExecuted: true,
    retryAfterMs: 3_000,
    message: 'orders.GetOrder is failing, the call was not made',
  })
  expect(called).toBe(false)
  expect(breaker.retryAfterMs()).toBe(3_000)
})

test('what comes out of a call is untouched: the value itself, the very error', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  const value = { stale: false }
  await expect(breaker.run(() => Promise.resolve(value))).resolves.toBe(value)
  await expect(breaker.run(bad)).rejects.toBe(down)
  // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- a plugin may throw anything
  await expect(breaker.run(() => Promise.reject(undefined))).rejects.toBeUndefined()
})

test.each([
  ['AUTH_FAILED'],
  ['FORBIDDEN'],
  ['DECODE_FAILED'],
  ['ENCODE_FAILED'],
  ['INTERNAL'],
  ['OVERLOADED'],
  ['STORE_UNAVAILABLE'],
  ['BREAKER_OPEN'],
] as const)('%s is not the doing of the other side: 100 of them do not open it (DESIGN §7)', async (code) => {
  const breaker = createBreaker('orders.GetOrder', options)
  for (let i = 0; i < 100; i += 1)
    await outcome(breaker, () => Promise.reject(new GatewayError(code, 'ours')))
  expect(breaker.state).toBe('ACTIVE')
  for (const call of [good, good, good, bad, bad]) await outcome(breaker, call) // 40 %, were they counted as successes less
  expect(breaker.state).toBe('ACTIVE')
  await outcome(breaker, bad)
  expect(breaker.state).toBe('OPEN')
})

test.each(['BACKEND_FAILED', 'AGENT_FAILED', 'DEADLINE_EXCEEDED', 'OUTCOME_UNKNOWN'] as const)(
  '%s is the doing of the other side and counts',
  async (code) => {
    const breaker = createBreaker('orders.GetOrder', options)
    for (let i = 0; i < 4; i += 1)
      await outcome(breaker, () => Promise.reject(new GatewayError(code, 'theirs')))
    expect(breaker.state).toBe('OPEN')
  },
)

test('a foreign throw counts, a caller who has gone and a deadline that left no time to begin do not', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  const gone = new AbortController()
  gone.abort()
  for (let i = 0; i < 20; i += 1) {
    await outcome(breaker, () => withDeadline({ ms: 100, what: 'x', signal: gone.signal }, good))
    await outcome(breaker, () => withDeadline({ ms: 0, what: 'x' }, good))
  }
  expect(breaker.state).toBe('ACTIVE')
  for (let i = 0; i < 4; i += 1) await outcome(breaker, () => Promise.reject(new TypeError('fetch failed')))
  expect(breaker.state).toBe('OPEN')
})

test('one success closes it in half-open, and the failures that opened it are forgotten', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(breaker.state).toBe('HALF-OPEN')
  expect(await outcome(breaker, good)).toBe('ok')
  expect(breaker.state).toBe('ACTIVE')
  expect(breaker.retryAfterMs()).toBe(0)
  await outcome(breaker, bad)
  expect(breaker.state).toBe('ACTIVE')
})

test('failures leave the window with time', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  for (let i = 0; i < 3; i += 1) await outcome(breaker, bad)
  await vi.advanceTimersByTimeAsync(11_000)
  await outcome(breaker, bad)
  expect(breaker.state).toBe('ACTIVE')
})

test('the window is as long as it says, however the calls fall in it', async () => {
  const breaker = createBreaker('orders.GetOrder', { ...options, errorRate: 30 })
  for (let i = 0; i < 3; i += 1) await outcome(breaker, bad)
  for (let i = 0; i < 7; i += 1) {
    await vi.advanceTimersByTimeAsync(1_500)
    await outcome(breaker, good)
  }
  await outcome(breaker, bad) // 1 of 8 in the last 10 s; 4 of 11 in all
  expect(breaker.state).toBe('ACTIVE')
})

test('the open time doubles with each failed probe to 4 × openFor, and begins anew after a success (DESIGN §16)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  const waited: number[] = []
  for (let i = 0; i < 5; i += 1) {
    waited.push(breaker.retryAfterMs())
    await vi.advanceTimersByTimeAsync(breaker.retryAfterMs() - 1)
    expect(breaker.state).toBe('OPEN')
    await vi.advanceTimersByTimeAsync(1)
    expect(breaker.state).toBe('HALF-OPEN')
    await outcome(breaker, bad)
  }
  expect(waited).toEqual([5_000, 10_000, 20_000, 20_000, 20_000])
  await vi.advanceTimersByTimeAsync(20_000)
  await outcome(breaker, good)
  await open(breaker)
  expect(breaker.retryAfterMs()).toBe(5_000)
})

test('each change of state is told once, with a reason an operator understands', async () => {
  const told: string[] = []
  const breaker = createBreaker('orders.GetOrder', options, {
    onState: (state, reason) => void told.push(`${state}: ${reason}`),
  })
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  await outcome(breaker, bad)
  await vi.advanceTimersByTimeAsync(10_000)
  await outcome(breaker, good)
  breaker.dispose()
  expect(told).toEqual([
    'OPEN: 4 of 4 calls failed, the last: orders answers 500',
    'HALF-OPEN: it was open for 5000 ms',
    'OPEN: the probe failed: orders answers 500',
    'HALF-OPEN: it was open for 10000 ms',
    'ACTIVE: the probe succeeded',
    'OFF: it was shut down',
  ])
})

test('a refused caller in half-open is told when to come back', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  void outcome(breaker, () => new Promise(() => {}))
  await expect(breaker.run(good)).rejects.toMatchObject({ retryAfterMs: 1_000, notExecuted: true })
})

test('after dispose it refuses, and a call still under way comes out without waking it', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  const slow = Promise.withResolvers<string>()
  const under = outcome(breaker, () => slow.promise)
  breaker.dispose()
  breaker.dispose()
  expect(await outcome(breaker, good)).toBe('BREAKER_OPEN')
  slow.resolve('late')
  expect(await under).toBe('late')
  expect(breaker.state).toBe('OFF')
})
