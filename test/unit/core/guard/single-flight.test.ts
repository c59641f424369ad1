// Single flight (DESIGN §7): one call for all who ask the same. It can only save work, never fail a call or share a rejection.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Reply } from '../../../../core/api.ts'
import { createBreaker } from '../../../../core/guard/breaker.ts'
import { openFallbackCache } from '../../../../core/guard/cache.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'
import { createFallback } from '../../../../core/guard/fallback.ts'
import type { CachePolicy } from '../../../../core/guard/fallback.ts'
import { recorded } from './servers.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const place = { backend: 'orders', operation: 'GetOrder' }
const policy = { freshMs: 1, revalidateMs: 1, staleMs: 60_000 }
const reset = new GatewayError('BACKEND_FAILED', 'reset')

/** An operation as the gateway wires it, whose n-th call ends as `system` says. */
async function world(
  system: (n: number, signal: AbortSignal) => Promise<Reply>,
  { minimumCalls = 2, ...more }: Partial<CachePolicy> & { minimumCalls?: number } = {},
) {
  const { log } = recorded()
  const cache = await openFallbackCache({ maxEntries: 100, maxBytes: 1e6, log, now: Date.now })
  const fallback = createFallback({
    ...place,
    policy: { ...policy, ...more },
    cache,
    log,
    onServed: () => undefined,
  })
  const breaker = createBreaker('orders.GetOrder', {
    errorRate: 50,
    minimumCalls,
    windowMs: 60_000,
    openForMs: 60_000,
  })
  const made = {
    cache,
    breaker,
    calls: 0,
    aborted: 0,
    ask: (ms = 3000, signal?: AbortSignal) =>
      fallback.run({ key: 'k', params: 'k', ms, signal }, (options) =>
        breaker.run(() =>
          withDeadline({ ...options, what: 'orders' }, (inner) => {
            inner.addEventListener('abort', () => (made.aborted += 1))
            return system((made.calls += 1), inner)
          }),
        ),
      ),
  }
  return made
}

const after = async (ms: number, data: string): Promise<Reply> => {
  await new Promise((resolve) => setTimeout(resolve, ms))
  return { data, origin: 'backend' }
}
const never = (): Promise<never> => new Promise(() => undefined)

/** Undefined while it is open. */
function watched(asked: Promise<Reply>): { said?: unknown } {
  const seen: { said?: unknown } = {}
  asked.then(
    ({ data }) => (seen.said = data),
    (error: unknown) => (seen.said = GatewayError.from(error).code),
  )
  return seen
}

test('a system that needs most of the time answers all with one call and a second that is taken back', async () => {
  const it = await world((n) => after(2000, `answer ${n}`))
  const all = [watched(it.ask())]
  await vi.advanceTimersByTimeAsync(300)
  for (let n = 0; n < 14; n++) {
    all.push(watched(it.ask()))
    await vi.advanceTimersByTimeAsync(10)
  }
  await vi.advanceTimersByTimeAsync(1560) // 2,000 ms since the first
  expect(all.map(({ said }) => said)).toEqual(all.map(() => 'answer 1'))
  expect([it.calls, it.aborted, it.breaker.state]).toEqual([2, 1, 'ACTIVE'])
})

test('where the first call hangs, the second is for all who gave up, and a newcomer joins that', async () => {
  const it = await world((n) => (n === 1 ? never() : after(1000, `answer ${n}`)))
  const all = [watched(it.ask())]
  for (let n = 0; n < 5; n++) all.push(watched(it.ask()))
  await vi.advanceTimersByTimeAsync(1600)
  all.push(watched(it.ask()))
  await vi.advanceTimersByTimeAsync(900)
  expect(all.slice(1).map(({ said }) => said)).toEqual(all.slice(1).map(() => 'answer 2'))
  await vi.advanceTimersByTimeAsync(500)
  expect(all[0]?.said).toBe('answer 2') // his own call has failed, and the cache stands in
  expect(it.calls).toBe(2)
})

test('a call that was too slow counts as no failure of the system while one that was waited for may still answer', async () => {
  const it = await world(never)
  const first = watched(it.ask())
  const second = watched(it.ask(1000))
  await vi.advanceTimersByTimeAsync(1010)
  expect([first.said, second.said, it.calls]).toEqual([undefined, 'DEADLINE_EXCEEDED', 2])
  await vi.advanceTimersByTimeAsync(2000)
  expect([first.said, it.breaker.state]).toEqual(['DEADLINE_EXCEEDED', 'ACTIVE']) // two failures of two would have opened it
  void watched(it.ask())
  await vi.advanceTimersByTimeAsync(3000)
  expect(it.breaker.state).toBe('OPEN')
})

test('no call is begun with next to nothing left, and what is left of a caller’s time counts as no failure', async () => {
  const it = await world(never, { minimumCalls: 3 })
  const all = [watched(it.ask()), watched(it.ask())]
  for (const gap of [50, 950]) {
    await vi.advanceTimersByTimeAsync(gap)
    all.push(watched(it.ask()))
  }
  await vi.advanceTimersByTimeAsync(2010)
  expect(all.map(({ said }) => said === undefined)).toEqual([false, false, false, true])
  await vi.advanceTimersByTimeAsync(1000)
  expect(all.map(({ said }) => said)).toEqual(all.map(() => 'DEADLINE_EXCEEDED'))
  expect([it.calls, it.breaker.state]).toEqual([3, 'ACTIVE'])
})

test.each([10, 25, 100, 150])(
  'a system that hangs opens its breaker where calls %i ms apart are shared',
  async (gap) => {
    const it = await world(never, { minimumCalls: 5 })
    const all: { said?: unknown }[] = []
    for (let ms = 0; ms < 1200; ms += gap) {
      all.push(watched(it.ask(400)))
      await vi.advanceTimersByTimeAsync(gap)
    }
    expect([it.breaker.state, all.at(-1)?.said]).toEqual(['OPEN', 'BREAKER_OPEN'])
  },
)

test('where the second call fails at once while the first hangs, the next begins his own', async () => {
  const it = await world(
    (n) => [never, () => Promise.reject(reset), () => after(10, 'answer 3')][n - 1]?.() ?? never(),
  )
  const all = [it.ask(), it.ask(), it.ask(), it.ask()].map(watched)
  await vi.advanceTimersByTimeAsync(1520)
  expect(all.map(({ said }) => said)).toEqual([undefined, undefined, 'answer 3', 'answer 3'])
  expect(it.calls).toBe(3)
})

test('no rejection is shared: who shared a call that failed is told of his own', async () => {
  const it = await world(async (n) => {
    await after(100, '')
    throw new GatewayError('BACKEND_FAILED', 'answers 404', { detail: { status: 404, n } })
  })
  const details: unknown[] = []
  for (let n = 0; n < 2; n++)
    it.ask().catch((error: unknown) => details.push(GatewayError.from(error).detail))
  await vi.advanceTimersByTimeAsync(100)
  expect(details).toEqual([{ status: 404, n: 1 }])
  await vi.advanceTimersByTimeAsync(100)
  expect(details).toEqual([
    { status: 404, n: 1 },
    { status: 404, n: 2 },
  ])
})

test('an own call that fails leaves the first one its chance, until the caller’s time is over', async () => {
  const it = await world((n) => (n === 1 ? after(2000, 'answer 1') : Promise.reject(reset)))
  const all = [watched(it.ask()), watched(it.ask())]
  await vi.advanceTimersByTimeAsync(2000)
  expect(all.map(({ said }) => said)).toEqual(['answer 1', 'answer 1'])
  const short = await world((n) => (n === 1 ? after(2000, 'answer 1') : Promise.reject(reset)))
  const two = [watched(short.ask()), watched(short.ask(1000))]
  await vi.advanceTimersByTimeAsync(1010)
  expect(two.map(({ said }) => said)).toEqual([undefined, 'BACKEND_FAILED'])
})

test('a caller who goes while he waits begins nothing for others', async () => {
  const it = await world((n) => after(2000, `answer ${n}`))
  const gone = new AbortController()
  const leader = watched(it.ask())
  const waiting = watched(it.ask(3000, gone.signal))
  await vi.advanceTimersByTimeAsync(100)
  gone.abort()
  await vi.advanceTimersByTimeAsync(0)
  expect([waiting.said, it.calls]).toEqual(['INTERNAL', 1])
  await vi.advanceTimersByTimeAsync(1900)
  expect(leader.said).toBe('answer 1')
})

test('SEMANTICS 32: who asks after a write is not given what was under way before it', async () => {
  const it = await world((n) => after(1000, n === 1 ? 'before' : 'after'))
  const early = watched(it.ask())
  await vi.advanceTimersByTimeAsync(500)
  await it.cache.invalidate(place)
  const late = [watched(it.ask()), watched(it.ask())]
  await vi.advanceTimersByTimeAsync(500)
  expect([early.said, ...late.map(({ said }) => said)]).toEqual(['before', undefined, undefined])
  const later = watched(it.ask()) // the end of the old one does not end the sharing of the new one
  await vi.advanceTimersByTimeAsync(500)
  expect([...late, later].map(({ said }) => said)).toEqual(['after', 'after', 'after'])
  expect(it.calls).toBe(2)
})

test('SEMANTICS 32: who gave up on a call from before a write shares a new one, and that brings nothing from before', async () => {
  const it = await world((n) => (n === 1 ? after(2500, 'before') : after(1400, 'after')))
  const early = [watched(it.ask()), watched(it.ask())]
  await vi.advanceTimersByTimeAsync(1400)
  await it.cache.invalidate(place)
  await vi.advanceTimersByTimeAsync(1000)
  const late = watched(it.ask()) // with the call of who gave up
  await vi.advanceTimersByTimeAsync(400)
  expect(early[0]?.said).toBe('before')
  await vi.advanceTimersByTimeAsync(100)
  expect([early[1]?.said, late.said, it.calls]).toEqual(['after', 'after', 2])
})

test('SEMANTICS 32: an answer is renewed though a call from before a write still runs', async () => {
  const it = await world((n) => after(n === 1 ? 2000 : 10, `answer ${n}`), {
    freshMs: 100,
    revalidateMs: 60_000,
  })
  void it.ask()
  await it.cache.invalidate(place)
  void it.ask()
  await vi.advanceTimersByTimeAsync(500)
  expect((await it.ask()).data).toBe('answer 2') // old: it is given, and renewed behind
  await vi.advanceTimersByTimeAsync(20)
  expect((await it.ask()).data).toBe('answer 3')
  expect(it.calls).toBe(3)
})
