// fresh → call → last good answer, marked → fixed answer → error (DESIGN §7), and one call for all who ask the same.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Reply } from '../../../../core/api.ts'
import { openFallbackCache } from '../../../../core/guard/cache.ts'
import type { FallbackCache } from '../../../../core/guard/cache.ts'
import { createFallback } from '../../../../core/guard/fallback.ts'
import type { Fallback, FallbackOptions, MakeCall, Served } from '../../../../core/guard/fallback.ts'
import { recorded } from './servers.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const policy = { freshMs: 1000, revalidateMs: 5000, staleMs: 60_000 }
const place = { backend: 'orders', operation: 'GetOrder' }
const down = new GatewayError('BACKEND_FAILED', 'connection refused')

interface World {
  readonly fallback: Fallback
  readonly cache: FallbackCache
  readonly served: Served[]
  readonly calls: string[]
  /** The system answers with it, throws it, or does as it says. */
  system: Reply | Error | MakeCall
  ask(key?: string, more?: { ms?: number; signal?: AbortSignal }): Promise<Reply>
}

async function world(more: Partial<FallbackOptions> = {}): Promise<World> {
  const cache =
    more.cache ??
    (await openFallbackCache({ maxEntries: 100, maxBytes: 1e6, log: recorded().log, now: Date.now }))
  const served: Served[] = []
  const made: World = {
    cache,
    served,
    calls: [],
    system: { data: 'one', origin: 'backend' },
    fallback: createFallback({
      ...place,
      policy,
      cache,
      log: recorded().log,
      onServed: (from) => served.push(from),
      ...more,
    }),
    ask: (key = 'k', { ms = 1000, signal } = {}) =>
      made.fallback.run({ key, params: key, ms, signal }, async (options) => {
        made.calls.push(key)
        if (typeof made.system === 'function') return made.system(options)
        if (made.system instanceof Error) throw made.system
        return made.system
      }),
  }
  return made
}

test('a fresh answer needs no call and is not stale, an older one is asked for again', async () => {
  const it = await world({ policy: { ...policy, revalidateMs: 1000 } })
  expect(await it.ask()).toEqual({ data: 'one', origin: 'backend' })
  vi.advanceTimersByTime(999)
  const hit = await it.ask()
  expect(hit).toMatchObject({ data: 'one', origin: 'cache' })
  expect(hit.stale).toBeUndefined()
  expect(Date.now() - Date.parse(hit.asOf ?? '')).toBe(999)
  vi.advanceTimersByTime(1)
  it.system = { data: 'two', origin: 'backend' }
  expect(await it.ask()).toEqual({ data: 'two', origin: 'backend' })
  expect(it.calls).toHaveLength(2)
  expect(it.served).toEqual(['call', 'fresh', 'call'])
})

test('SEMANTICS 25: the moment of an answer follows its age, however the clock was set meanwhile', async () => {
  for (const byMs of [7_200_000, -7_200_000]) {
    const it = await world()
    await it.ask()
    vi.setSystemTime(Date.now() + byMs)
    vi.advanceTimersByTime(500)
    expect(Date.now() - Date.parse((await it.ask()).asOf ?? '')).toBe(500)
  }
})

test('while it is renewed an old answer is given at once, marked, and the next one is new (DESIGN §16, Config)', async () => {
  const it = await world()
  await it.ask()
  vi.advanceTimersByTime(2000)
  it.system = { data: 'two', origin: 'backend' }
  const first = it.ask()
  expect(await first).toMatchObject({ data: 'one', origin: 'cache', stale: true })
  await vi.advanceTimersByTimeAsync(0)
  expect(await it.ask()).toMatchObject({ data: 'two', origin: 'cache' })
  expect(it.served).toEqual(['call', 'revalidating', 'fresh'])
})

test('a renewal that fails is nobody’s failure', async () => {
  const it = await world()
  await it.ask()
  vi.advanceTimersByTime(2000)
  it.system = down
  for (let n = 0; n < 3; n++) {
    expect(await it.ask()).toMatchObject({ data: 'one', stale: true })
    await vi.advanceTimersByTimeAsync(0)
  }
  expect(it.calls).toHaveLength(4)
})

test('while the system is down the last good answer stands in, marked with its moment, up to its age', async () => {
  const it = await world()
  const at = new Date().toISOString()
  await it.ask()
  it.system = down
  vi.advanceTimersByTime(59_999)
  expect(await it.ask()).toEqual({ data: 'one', origin: 'cache', stale: true, asOf: at })
  vi.advanceTimersByTime(1)
  await expect(it.ask()).rejects.toBe(down)
  expect(it.served).toEqual(['call', 'stale'])
})

test.each([
  new GatewayError('BREAKER_OPEN', 'x', { notExecuted: true }),
  new GatewayError('DEADLINE_EXCEEDED', 'x'),
  new GatewayError('BACKEND_FAILED', 'x', { detail: { status: 503 } }),
  new GatewayError('BACKEND_FAILED', 'x', { detail: { status: 429 } }),
])('SEMANTICS 32: stale for breaker, timeout, transport, 5xx, 429: %s', async (error) => {
  const it = await world()
  await it.ask()
  vi.advanceTimersByTime(10_000)
  it.system = error
  expect(await it.ask()).toMatchObject({ stale: true })
})

test.each([
  new GatewayError('BACKEND_FAILED', 'x', { detail: { status: 401 } }),
  new GatewayError('BACKEND_FAILED', 'x', { detail: { status: 403 } }),
  new GatewayError('BACKEND_FAILED', 'x', { detail: { status: 404 } }),
  new GatewayError('BACKEND_FAILED', 'x', { detail: { status: 410 } }),
  new GatewayError('ENCODE_FAILED', 'x'),
  new GatewayError('INTERNAL', 'x'),
  new DOMException('the caller has gone', 'AbortError'),
])('SEMANTICS 32: never stale for %s', async (error) => {
  const it = await world({ fixed: 'closed' })
  await it.ask()
  vi.advanceTimersByTime(10_000)
  it.system = error
  await expect(it.ask()).rejects.toBe(error)
})

test('a business fault is given as it is, is never cached, and ends what was known before', async () => {
  const it = await world()
  await it.ask()
  vi.advanceTimersByTime(10_000)
  const fault = { fault: { code: 'GONE', message: 'no such order' }, origin: 'backend' } as const
  it.system = fault
  expect(await it.ask()).toEqual(fault)
  it.system = down
  await expect(it.ask()).rejects.toBe(down)
})

test('an answer cut off in the middle is never cached', async () => {
  const it = await world()
  it.system = { data: 'half', metadata: { incomplete: 'true' }, origin: 'backend' }
  expect((await it.ask()).data).toBe('half')
  it.system = down
  await expect(it.ask()).rejects.toBe(down)
})

test('DESIGN §7: a partial answer is given, never cached, and what is known stays', async () => {
  const it = await world()
  await it.ask()
  vi.advanceTimersByTime(10_000)
  const partial = { data: { a: '9', b: null }, partial: true, origin: 'backend' } as const
  it.system = partial
  expect(await it.ask()).toEqual(partial)
  it.system = down
  expect(await it.ask()).toMatchObject({ data: 'one', stale: true })
})

test('without a last answer the fixed one stands in, marked and without a moment; without it the error comes out', async () => {
  const it = await world({ fixed: { open: false } })
  it.system = down
  expect(await it.ask()).toEqual({ data: { open: false }, origin: 'cache', stale: true })
  const alone = await world({ policy: undefined, fixed: 0 })
  alone.system = down
  expect(await alone.ask()).toEqual({ data: 0, origin: 'cache', stale: true })
  const none = await world()
  none.system = down
  await expect(none.ask()).rejects.toBe(down)
})

test('an invalidated answer is never given without asking, and stands in only where it was kept for that', async () => {
  const it = await world()
  await it.ask()
  await it.cache.invalidate(place, { keepStale: true })
  it.system = { data: 'two', origin: 'backend' }
  expect(await it.ask()).toEqual({ data: 'two', origin: 'backend' })
  await it.cache.invalidate(place, { keepStale: true })
  it.system = down
  expect(await it.ask()).toMatchObject({ data: 'two', stale: true })
  await it.cache.invalidate(place)
  await expect(it.ask()).rejects.toBe(down)
})

test('1,000 who ask the same at once are one call; another key is another call', async () => {
  const it = await world()
  const answer = Promise.withResolvers<Reply>()
  it.system = () => answer.promise
  const all = Array.from({ length: 1000 }, () => it.ask())
  const other = it.ask('other')
  answer.resolve({ data: 'one', origin: 'backend' })
  for (const reply of await Promise.all(all)) expect(reply.data).toBe('one')
  await other
  expect(it.calls).toEqual(['k', 'other'])
})

test('no rejection is shared: who joined a call that fails makes his own', async () => {
  const it = await world()
  const first = Promise.withResolvers<Reply>()
  it.system = () => first.promise
  const leader = it.ask()
  const joiners = [it.ask(), it.ask()]
  it.system = { data: 'mine', origin: 'backend' }
  first.reject(new GatewayError('BACKEND_FAILED', 'reset'))
  await expect(leader).rejects.toMatchObject({ message: 'reset' })
  for (const reply of await Promise.all(joiners)) expect(reply.data).toBe('mine')
})

test('nobody waits for another’s call longer than half his time: the rest is for his own', async () => {
  const it = await world()
  it.system = () => new Promise(() => undefined)
  void it.ask('k', { ms: 100_000 })
  let given = 0
  const mine = it.ask('k', { ms: 1000 })
  it.system = async ({ ms }) => {
    given = ms
    return { data: 'mine', origin: 'backend' }
  }
  await vi.advanceTimersByTimeAsync(500)
  expect((await mine).data).toBe('mine')
  expect(given).toBeLessThanOrEqual(500)
  expect(given).toBeGreaterThan(400)
})

test('SEMANTICS 37: a leader who goes takes only his own call along', async () => {
  const it = await world()
  const gone = new AbortController()
  it.system = ({ signal }) =>
    new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
  const leader = it.ask('k', { signal: gone.signal })
  const joiner = it.ask('k')
  it.system = { data: 'mine', origin: 'backend' }
  gone.abort()
  await expect(leader).rejects.toMatchObject({ name: 'AbortError' })
  expect((await joiner).data).toBe('mine')
})

test('a cache that fails everywhere fails no call', async () => {
  const broken = new Proxy({} as FallbackCache, {
    get: () => () => {
      throw new Error('the cache is broken')
    },
  })
  const it = await world({ cache: broken })
  expect((await it.ask()).data).toBe('one')
  it.system = { fault: { code: 'X', message: 'x' }, origin: 'backend' }
  expect((await it.ask()).fault?.code).toBe('X')
  it.system = down
  await expect(it.ask()).rejects.toBe(down)
})
