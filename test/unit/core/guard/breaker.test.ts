// The breaker: what opens it, what closes it, what it never counts.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'
import { bad, down, good, open, options, outcome, rampMs, untold } from './breaker-calls.ts'

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

test('ten failures in a row open it, however much went well in the window before; nine, and ten with a good one among them, do not', async () => {
  const busy = { ...options, minimumCalls: 10 }
  const dead = createBreaker('dead', busy)
  for (let i = 0; i < 1_000; i += 1) await outcome(dead, good)
  for (let i = 0; i < 9; i += 1) await outcome(dead, bad)
  await outcome(dead, good)
  for (let i = 0; i < 9; i += 1) await outcome(dead, bad)
  expect(dead.state).toBe('ACTIVE')
  await outcome(dead, bad)
  expect(dead.state).toBe('OPEN')
  expect(dead.reason).toContain('10 calls in a row failed')
  const patient = createBreaker('patient', { ...options, minimumCalls: 20 })
  for (let i = 0; i < 1_000; i += 1) await outcome(patient, good)
  for (let i = 0; i < 19; i += 1) await outcome(patient, bad)
  expect(patient.state).toBe('ACTIVE')
  await outcome(patient, bad)
  expect(patient.state).toBe('OPEN')
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

test('a good probe and its ramp close it, and the failures that opened it are forgotten', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(breaker.state).toBe('HALF-OPEN')
  expect(await outcome(breaker, good)).toBe('ok')
  await vi.advanceTimersByTimeAsync(rampMs)
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

test('the open time doubles with each failed probe to 4 × openFor, and halves with each healthy openFor (DESIGN §16)', async () => {
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
  const back = async (healthyMs: number): Promise<number> => {
    await vi.advanceTimersByTimeAsync(breaker.retryAfterMs())
    await outcome(breaker, good)
    await vi.advanceTimersByTimeAsync(rampMs + healthyMs)
    await open(breaker)
    return breaker.retryAfterMs()
  }
  expect(await back(0)).toBe(20_000)
  expect(await back(5_000)).toBe(10_000)
  expect(await back(9_999)).toBe(5_000)
  expect(await back(60_000)).toBe(5_000)
})

test('the way back: one probe, then 1 %, 5 %, 25 % of the calls, each for a quarter of openFor and at least one (DESIGN §16)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  const through = async (calls: number): Promise<number> => {
    let count = 0
    for (let n = 0; n < calls; n += 1) if ((await outcome(breaker, good)) === 'ok') count += 1
    return count
  }
  expect(await through(1)).toBe(1)
  const shares: number[] = []
  for (let step = 0; step < 3; step += 1) {
    expect(breaker.state).toBe('HALF-OPEN')
    shares.push(await through(1_000))
    await vi.advanceTimersByTimeAsync(1_250)
  }
  const [one = 0, five = 0, quarter = 0] = shares
  expect(Math.abs(one - 10)).toBeLessThanOrEqual(1)
  expect(Math.abs(five - 50)).toBeLessThanOrEqual(3)
  expect(Math.abs(quarter - 250)).toBeLessThanOrEqual(51) // a share of those refused before
  expect(breaker.state).toBe('ACTIVE')
  expect(await through(100)).toBe(100)
})

test('a failure on the way back opens it again for twice as long; a caller refused there is told so', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  await outcome(breaker, good)
  await outcome(breaker, good)
  await expect(breaker.run(good)).rejects.toMatchObject({
    message: 'orders.GetOrder is coming back, the call was not made',
    retryAfterMs: 1_000,
  })
  await vi.advanceTimersByTimeAsync(1_250)
  await outcome(breaker, bad)
  expect(breaker.state).toBe('OPEN')
  expect(breaker.retryAfterMs()).toBe(10_000)
})

test('slow answers open it at their own rate, and a slow probe is a failed one; without slowMs nothing is slow', async () => {
  const slow = async (): Promise<string> => {
    await vi.advanceTimersByTimeAsync(3_000)
    return 'late'
  }
  const breaker = createBreaker('orders.GetOrder', {
    ...options,
    windowMs: 60_000,
    slowMs: 2_000,
    slowRate: 50,
  })
  for (const call of [good, slow, good]) await outcome(breaker, call)
  expect(breaker.state).toBe('ACTIVE')
  expect(await outcome(breaker, slow)).toBe('late')
  expect(breaker.state).toBe('OPEN')
  expect(breaker.reason).toBe('2 of 4 calls were slow, the last: it took 3000 ms')
  await vi.advanceTimersByTimeAsync(5_000)
  expect(await outcome(breaker, slow)).toBe('late')
  expect(breaker.state).toBe('OPEN')
  expect(breaker.reason).toBe('the probe failed: it took 3000 ms')
  const patient = createBreaker('patient', options)
  for (let n = 0; n < 20; n += 1) await outcome(patient, slow)
  expect(patient.state).toBe('ACTIVE')
})

test('OFF by hand: refused with its reason until its time is over or it is put back', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  breaker.off('maintenance until noon', 60_000)
  expect(breaker.state).toBe('OFF')
  await expect(breaker.run(good)).rejects.toMatchObject({
    code: 'BREAKER_OPEN',
    notExecuted: true,
    retryAfterMs: 60_000,
    message: 'orders.GetOrder is out of service (maintenance until noon), the call was not made',
  })
  await vi.advanceTimersByTimeAsync(59_999)
  expect(breaker.state).toBe('OFF')
  await vi.advanceTimersByTimeAsync(1)
  expect(breaker.state).toBe('ACTIVE')
  await open(breaker)
  breaker.off('again', 60_000)
  await vi.advanceTimersByTimeAsync(30_000)
  expect(breaker.state).toBe('OFF') // the end of the open time is not the end of this
  breaker.on()
  expect(breaker.state).toBe('ACTIVE')
  expect(await outcome(breaker, good)).toBe('ok')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(breaker.state).toBe('ACTIVE')
})

test('a restored OPEN keeps its remaining time and how often it had doubled, a restored OFF its end (DESIGN §16)', async () => {
  const first = createBreaker('a', options)
  await open(first)
  await vi.advanceTimersByTimeAsync(5_000)
  await outcome(first, bad)
  const openedAt = first.openedAt
  await vi.advanceTimersByTimeAsync(4_000)
  const saved = first.snapshot()
  first.dispose()
  await vi.advanceTimersByTimeAsync(1_000)
  const next = createBreaker('a', options, { saved })
  expect([next.state, next.retryAfterMs(), next.openedAt]).toEqual(['OPEN', 5_000, openedAt])
  await vi.advanceTimersByTimeAsync(5_000)
  expect(next.state).toBe('HALF-OPEN')
  const late = createBreaker('a', options, { saved: next.snapshot() })
  await vi.advanceTimersByTimeAsync(1)
  expect(late.state).toBe('HALF-OPEN')
  await outcome(late, bad)
  expect(late.retryAfterMs()).toBe(20_000)
  late.off('by hand', 10_000)
  const off = createBreaker('a', options, { saved: late.snapshot() })
  expect([off.state, off.reason, off.retryAfterMs()]).toEqual(['OFF', 'by hand', 10_000])
  const put = off.snapshot()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(createBreaker('a', options, { saved: put }).state).toBe('ACTIVE')
  expect(createBreaker('a', options).snapshot()).toBeUndefined()
})

test('SEMANTICS 25: a stored moment is never later than its longest from now', () => {
  const far = Date.now() + 1e12
  const saved = { state: 'OPEN', openedAt: far, until: far, openForMs: 1e12, reason: 'x' } as const
  const breaker = createBreaker('a', options, { saved })
  expect(breaker.retryAfterMs()).toBe(20_000)
  expect(breaker.openedAt).toBe(Date.now())
})

test('no time is too long for a timer: 2^31 ms are 24.8 days, and what is beyond fires at once', async () => {
  const day = 86_400_000
  const breaker = createBreaker('a', options)
  breaker.off('by hand', 60 * day)
  await vi.advanceTimersByTimeAsync(60 * day - 1)
  expect([breaker.state, breaker.snapshot()?.until]).toEqual(['OFF', Date.now() + 1])
  await vi.advanceTimersByTimeAsync(1)
  expect(breaker.state).toBe('ACTIVE')

  const patient = createBreaker('b', { ...options, openForMs: 30 * day })
  await open(patient)
  await vi.advanceTimersByTimeAsync(24 * day)
  expect(patient.state).toBe('OPEN')
})

test('SEMANTICS 25: a clock that is set moves no end of an OFF', async () => {
  const breaker = createBreaker('a', options)
  breaker.off('by hand', 60_000)
  vi.setSystemTime(Date.now() + 7_200_000)
  expect([breaker.retryAfterMs(), breaker.snapshot()?.until]).toEqual([60_000, Date.now() + 60_000])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(breaker.state).toBe('ACTIVE')
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
  await vi.advanceTimersByTimeAsync(rampMs)
  breaker.dispose()
  expect(told).toEqual([
    'OPEN: 4 of 4 calls failed, the last: orders answers 500',
    'HALF-OPEN: it was open for 5000 ms',
    'OPEN: the probe failed: orders answers 500',
    'HALF-OPEN: it was open for 10000 ms',
    'HALF-OPEN: the probe succeeded: a growing share of the calls goes through',
    'ACTIVE: it has been well on its way back',
  ])
})

test('a refused caller in half-open is told when to come back', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  void outcome(breaker, () => new Promise(() => {}))
  await expect(breaker.run(good)).rejects.toMatchObject({ retryAfterMs: 1_000, notExecuted: true })
})

test('half-open, calls that may prove nothing are one probe in each open time, whatever was before it; one refused for that is told so', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  const short = (): Promise<unknown> => outcome(breaker, untold, true)
  await short()
  const now = Date.now()
  breaker.adopt({ state: 'OPEN', openedAt: now, until: now + 1_000, openForMs: 20_000, reason: 'it fails' })
  await vi.advanceTimersByTimeAsync(1_000)
  expect(await short()).toBe('DEADLINE_EXCEEDED')
  await vi.advanceTimersByTimeAsync(19_999)
  await expect(breaker.run(good, { isShort: true })).rejects.toMatchObject({
    message: 'orders.GetOrder waits for a call with time to probe it, the call was not made',
    retryAfterMs: 1_000,
  })
  await vi.advanceTimersByTimeAsync(1)
  expect([await short(), await short()]).toEqual(['DEADLINE_EXCEEDED', 'BREAKER_OPEN'])
  expect([await outcome(breaker, good), breaker.state]).toEqual(['ok', 'HALF-OPEN'])
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
