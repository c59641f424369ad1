// Each measured trap of opossum, and that the breaker does not fall into it.
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'
import { bad, down, good, open, options, outcome, rampMs } from './breaker-calls.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('it opens at the error rate, but never below the minimum of calls (TRAPS opossum: volumeThreshold 0)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  for (const call of [bad, bad, good]) await outcome(breaker, call)
  expect(breaker.state).toBe('ACTIVE')
  await outcome(breaker, bad)
  expect(breaker.state).toBe('OPEN')
})

test('half-open admits one probe: 1,000 callers, 1 call (TRAPS opossum)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  const answer = Promise.withResolvers<string>()
  let calls = 0
  const callers = Array.from({ length: 1_000 }, () =>
    outcome(breaker, () => {
      calls += 1
      return answer.promise
    }),
  )
  answer.resolve('back again')
  const ended = await Promise.all(callers)
  expect(calls).toBe(1)
  expect(ended.filter((end) => end === 'BREAKER_OPEN')).toHaveLength(999)
  await vi.advanceTimersByTimeAsync(rampMs)
  expect(breaker.state).toBe('ACTIVE')
})

test('a probe that never settles cannot hold it: the deadline is inside (TRAPS opossum: timeout false)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  const probe = outcome(breaker, () =>
    withDeadline({ ms: 2_000, what: 'orders.GetOrder' }, () => new Promise(() => {})),
  )
  await vi.advanceTimersByTimeAsync(2_000)
  expect(await probe).toBe('DEADLINE_EXCEEDED')
  expect(breaker.state).toBe('OPEN')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(await outcome(breaker, good)).toBe('ok')
  await vi.advanceTimersByTimeAsync(rampMs)
  expect(breaker.state).toBe('ACTIVE')
})

test.each([
  ['our own refusal', new GatewayError('FORBIDDEN', 'private address')],
  ['a caller who has gone', new DOMException('gone', 'AbortError')],
])(
  'a probe that ends with %s neither closes nor reopens it; the next call is the probe (TRAPS opossum: errorFilter)',
  async (_name, thrown) => {
    const breaker = createBreaker('orders.GetOrder', options)
    await open(breaker)
    await vi.advanceTimersByTimeAsync(5_000)
    await outcome(breaker, () => Promise.reject(thrown))
    expect(breaker.state).toBe('HALF-OPEN')
    expect(await outcome(breaker, good)).toBe('ok')
    await vi.advanceTimersByTimeAsync(rampMs)
    expect(breaker.state).toBe('ACTIVE')
  },
)

test('a late success of a call begun before the opening does not close it (TRAPS opossum)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  const slow = Promise.withResolvers<string>()
  const late = outcome(breaker, () => slow.promise)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(breaker.state).toBe('HALF-OPEN')
  slow.resolve('late')
  expect(await late).toBe('late')
  expect(breaker.state).toBe('HALF-OPEN')
})

test('a late failure of a call begun before the opening neither reopens it nor spends the probe', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  const slow = Promise.withResolvers<never>()
  const late = outcome(breaker, () => slow.promise)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  slow.reject(down)
  expect(await late).toBe('BACKEND_FAILED')
  expect(breaker.state).toBe('HALF-OPEN')
  expect(await outcome(breaker, good)).toBe('ok')
})

test('no answer is ever replayed: two calls are two calls, and an open breaker gives none (TRAPS opossum: cache)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  let calls = 0
  const count = async (): Promise<number> => (calls += 1)
  expect([await breaker.run(count), await breaker.run(count)]).toEqual([1, 2])
  for (let i = 0; i < 6; i += 1) await outcome(breaker, bad)
  expect(await outcome(breaker, count)).toBe('BREAKER_OPEN')
})

test('two breakers made from one options object share nothing (TRAPS opossum: the options object is mutated)', async () => {
  const shared = Object.freeze({ ...options })
  const a = createBreaker('a', shared)
  const b = createBreaker('b', shared)
  await open(a)
  expect(b.state).toBe('ACTIVE')
  expect(await a.run(good).catch(() => 'a refuses')).toBe('a refuses')
  expect(await b.run(() => Promise.resolve('of b'))).toBe('of b')
})

test('300 refused calls while open do not dilute the next count (TRAPS opossum: rejects count as fires)', async () => {
  const breaker = createBreaker('orders.GetOrder', { ...options, openForMs: 100 })
  await open(breaker)
  for (let i = 0; i < 300; i += 1) await outcome(breaker, good)
  await vi.advanceTimersByTimeAsync(100)
  await outcome(breaker, good)
  await vi.advanceTimersByTimeAsync(100)
  await open(breaker)
  expect(breaker.openedAt).toBe(Date.now())
})

test('slow calls under way do not dilute the count either: only settled ones are counted', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  for (let i = 0; i < 100; i += 1) void outcome(breaker, () => new Promise(() => {}))
  await open(breaker)
  expect(breaker.openedAt).toBe(Date.now())
})

test('any number of calls run at once: there is no capacity in it (TRAPS opossum: capacity)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  const answer = Promise.withResolvers<string>()
  let running = 0
  const calls = Array.from({ length: 500 }, () =>
    outcome(breaker, () => {
      running += 1
      return answer.promise
    }),
  )
  expect(running).toBe(500)
  answer.resolve('ok')
  expect(new Set(await Promise.all(calls))).toEqual(new Set(['ok']))
})

test('a business fault is a value and closes it (TRAPS opossum: errorFilter)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  const fault = { fault: { code: 'NotFound', message: 'no such order' } }
  for (let i = 0; i < 100; i += 1) expect(await outcome(breaker, () => Promise.resolve(fault))).toBe(fault)
  expect(breaker.state).toBe('ACTIVE')
  await open(createBreaker('other', options))
  const failing = createBreaker('failing', options)
  await open(failing)
  await vi.advanceTimersByTimeAsync(5_000)
  await outcome(failing, () => Promise.resolve(fault))
  await vi.advanceTimersByTimeAsync(rampMs)
  expect(failing.state).toBe('ACTIVE')
})

test('three tries outside it are three calls: nothing inside hides a failure (TRAPS opossum: fallback inside a retry)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  let calls = 0
  const retried = async (): Promise<unknown> => {
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      const end = await outcome(breaker, () => {
        calls += 1
        return bad()
      })
      if (end === 'ok') return end
    }
    return 'failed'
  }
  expect(await retried()).toBe('failed')
  expect(calls).toBe(3)
})

test('openedAt is the moment it opened, not the moment it was made (TRAPS opossum: lastTimerAt)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  expect(breaker.openedAt).toBeUndefined()
  await vi.advanceTimersByTimeAsync(60_000)
  await open(breaker)
  expect(breaker.openedAt).toBe(Date.now())
  await vi.advanceTimersByTimeAsync(5_000)
  expect(breaker.openedAt).toBe(Date.now() - 5_000)
  await outcome(breaker, good)
  await vi.advanceTimersByTimeAsync(rampMs)
  expect(breaker.openedAt).toBeUndefined()
})

test('it has no timer but the one that ends an open time, and none after dispose (TRAPS opossum: snapshots, shutdown)', async () => {
  const breakers = Array.from({ length: 50 }, (_, i) => createBreaker(`b${i}`, options))
  for (const breaker of breakers) await outcome(breaker, good)
  expect(vi.getTimerCount()).toBe(0)
  for (const breaker of breakers) await open(breaker)
  expect(vi.getTimerCount()).toBe(50)
  for (const breaker of breakers) breaker.dispose()
  expect(vi.getTimerCount()).toBe(0)
  expect(breakers.map((breaker) => breaker.state)).toEqual(breakers.map(() => 'OFF'))
})

test('what opossum must never be used for is not used (TRAPS opossum: cache, abortController, healthCheck, …)', () => {
  const source = readFileSync(new URL('../../../../core/guard/breaker.ts', import.meta.url), 'utf8')
  for (const feature of [
    'cache',
    'abortController',
    'capacity',
    'errorFilter',
    'healthCheck',
    'coalesce',
    '.fallback(',
  ])
    expect(source).not.toContain(feature)
  for (const setting of [
    'rollingPercentilesEnabled: false',
    'enableSnapshots: false',
    'volumeThreshold:',
    'circuit.shutdown()',
  ])
    expect(source).toContain(setting)
})
