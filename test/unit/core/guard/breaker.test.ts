// The breaker: what opens it, what closes it, what it never counts; each trap of opossum has its test here.
import * as fc from 'fast-check'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import type { Breaker, BreakerOptions } from '../../../../core/guard/breaker.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const options: BreakerOptions = { errorRate: 50, minimumCalls: 4, windowMs: 10_000, openForMs: 5_000 }
const down = new GatewayError('BACKEND_FAILED', 'orders answers 500')

const good = (): Promise<string> => Promise.resolve('ok')
const ours = (): Promise<never> => Promise.reject(new GatewayError('ENCODE_FAILED', 'ours'))
const bad = (): Promise<never> => Promise.reject(down)

/** Runs a call and says how it ended: its value, or the code or name of its error. */
async function outcome(breaker: Breaker, call: () => Promise<unknown>): Promise<unknown> {
  try {
    return await breaker.run(call)
  } catch (error) {
    return error instanceof GatewayError ? error.code : error
  }
}

async function open(breaker: Breaker): Promise<void> {
  for (let i = 0; i < options.minimumCalls; i += 1) await outcome(breaker, bad)
  expect(breaker.state).toBe('OPEN')
}

test('it opens at the error rate, but never below the minimum of calls (TRAPS opossum: volumeThreshold 0)', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  for (const call of [bad, bad, good]) await outcome(breaker, call)
  expect(breaker.state).toBe('ACTIVE')
  await outcome(breaker, bad)
  expect(breaker.state).toBe('OPEN')
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
  expect(breaker.state).toBe('ACTIVE')
})

test('a refused caller in half-open is told when to come back', async () => {
  const breaker = createBreaker('orders.GetOrder', options)
  await open(breaker)
  await vi.advanceTimersByTimeAsync(5_000)
  void outcome(breaker, () => new Promise(() => {}))
  await expect(breaker.run(good)).rejects.toMatchObject({ retryAfterMs: 1_000, notExecuted: true })
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

type Step = number | 'good' | 'bad' | 'ours' | 'begin' | 'endGood' | 'endBad'

test('it agrees with a small reference model over any history of calls and time', async () => {
  const steps = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom<Step[]>('good', 'bad', 'ours') },
    { weight: 1, arbitrary: fc.constantFrom<Step[]>('begin', 'endGood', 'endBad') },
    { weight: 2, arbitrary: fc.constantFrom<Step[]>(100, 999, 1_000, 2_500, 5_000, 12_000) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { maxLength: 120 }), async (history) => {
      const breaker = createBreaker('model', options)
      const model = reference()
      const waiting: { readonly call: PromiseWithResolvers<string>; readonly end: Promise<unknown> }[] = []
      const step = async (what: Step): Promise<boolean> => {
        if (typeof what === 'number') {
          await vi.advanceTimersByTimeAsync(what)
          model.pass(what)
          return true
        }
        if (what === 'endGood' || what === 'endBad') {
          const oldest = waiting.shift()
          if (oldest === undefined) return true
          if (what === 'endGood') oldest.call.resolve('ok')
          else oldest.call.reject(down)
          await oldest.end
          model.end(what === 'endGood' ? 'good' : 'bad', 'oldest')
          return true
        }
        const admitted = model.begin()
        if (what === 'begin' && admitted) {
          const call = Promise.withResolvers<string>()
          waiting.push({ call, end: outcome(breaker, () => call.promise) })
          return true
        }
        const end = await outcome(breaker, { begin: good, good, bad, ours }[what])
        if (admitted && what !== 'begin') model.end(what, 'newest')
        return (end === 'BREAKER_OPEN') === !admitted
      }
      for (const what of history) {
        expect(await step(what), `admission of ${what} in ${JSON.stringify(history)}`).toBe(true)
        expect(breaker.state).toBe(model.state())
      }
      breaker.dispose()
    }),
    { numRuns: 300 },
  )
})

/** The rules of the breaker in the plainest words: a list of counted calls, each with the tenth of the window it fell in. */
function reference() {
  let now = 0
  let state = 'ACTIVE'
  let openForMs = options.openForMs
  let until = 0
  let era = 0
  let probing = false
  let counted: { readonly bucket: number; readonly bad: boolean }[] = []
  const begun: number[] = []
  const turn = (to: string): void => {
    state = to
    era += 1
    probing = false
  }
  const openNow = (): void => {
    until = now + openForMs
    turn('OPEN')
  }
  return {
    state: () => state,
    pass(ms: number) {
      now += ms
      if (state === 'OPEN' && now >= until) turn('HALF-OPEN')
    },
    begin(): boolean {
      if (state === 'OPEN' || (state === 'HALF-OPEN' && probing)) return false
      probing = state === 'HALF-OPEN'
      begun.push(era)
      return true
    },
    end(how: 'good' | 'bad' | 'ours', which: 'oldest' | 'newest') {
      const of = which === 'oldest' ? begun.shift() : begun.pop()
      if (of !== era) return
      if (how === 'ours') {
        probing = false
      } else if (state === 'HALF-OPEN') {
        if (how === 'good') {
          openForMs = options.openForMs
          counted = []
          turn('ACTIVE')
        } else {
          openForMs = Math.min(2 * openForMs, 4 * options.openForMs)
          openNow()
        }
      } else {
        const bucket = Math.floor(now / 1_000)
        counted = [...counted.filter((call) => bucket - call.bucket < 10), { bucket, bad: how === 'bad' }]
        const failures = counted.filter((call) => call.bad).length
        const rate = (failures / counted.length) * 100
        if (how === 'bad' && counted.length >= options.minimumCalls && rate >= options.errorRate) openNow()
      }
    },
  }
}
