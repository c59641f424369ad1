// The fallback cache: bounds, invalidation, and the file that outlives the process (DESIGN §7, SEMANTICS 32).
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { openFallbackCache } from '../../../../core/guard/cache.ts'
import type { CacheOptions, FallbackCache } from '../../../../core/guard/cache.ts'
import { temporaryDirectory } from '../../../support/gateway.ts'
import { recorded } from './servers.ts'

const place = { backend: 'orders', operation: 'GetOrder' }
const open = (more: Partial<CacheOptions> = {}): Promise<FallbackCache> =>
  openFallbackCache({ maxEntries: 100, maxBytes: 1e6, log: recorded().log, now: Date.now, ...more })
const reply = (data: string) => ({ data, origin: 'backend' }) as const

function keep(cache: FallbackCache, key: string, data = key, params = key): void {
  cache.put(cache.begin(place), { key, params, reply: reply(data) })
}

test('what was put is found again, with the moment its call began', async () => {
  await using cache = await open({ now: () => 1000 })
  keep(cache, 'a', 'one')
  expect(cache.get('a')).toMatchObject({
    reply: { data: 'one', origin: 'backend' },
    asOf: 1000,
    current: true,
  })
  expect(cache.get('b')).toBeUndefined()
})

test('each reader gets an answer of his own: what one does to it no other sees', async () => {
  await using cache = await open()
  keep(cache, 'a')
  expect(cache.get('a')?.reply).not.toBe(cache.get('a')?.reply)
})

test('with narrower bounds those go that were used longest ago, from the file too; with wider ones there is room', async () => {
  const file = join(await temporaryDirectory(), 'cache.db')
  const left = (cache: FallbackCache): string[] => ['a', 'b', 'c', 'd'].filter((key) => cache.get(key))
  {
    await using cache = await open({ file, maxEntries: 3 })
    for (const key of ['a', 'b', 'c']) keep(cache, key)
    cache.get('a')
    cache.resize({ maxEntries: 2, maxBytes: 1e6 })
    expect(left(cache)).toEqual(['a', 'c'])
    expect(cache.figures()).toMatchObject([{ entries: 2 }])
    cache.resize({ maxEntries: 3, maxBytes: 1e6 })
    keep(cache, 'd', 'x'.repeat(5000))
    expect(left(cache)).toEqual(['a', 'c', 'd'])
    cache.resize({ maxEntries: 3, maxBytes: 4000 })
    expect(left(cache)).toEqual(['a', 'c'])
    keep(cache, 'd', 'x'.repeat(5000))
    expect(left(cache)).toEqual(['a', 'c'])
  }
  await using again = await open({ file })
  expect(left(again)).toEqual(['a', 'c'])
})

test('SEMANTICS 32: a put is refused if its operation was invalidated since its call began', async () => {
  await using cache = await open()
  const ticket = cache.begin(place)
  await cache.invalidate(place)
  cache.put(ticket, { key: 'a', params: 'a', reply: reply('old') })
  expect(cache.get('a')).toBeUndefined()
  const other = { backend: 'orders', operation: 'Other' }
  const untouched = cache.begin(other)
  await cache.invalidate(place)
  cache.put(untouched, { key: 'o', params: 'o', reply: reply('kept') })
  expect(cache.get('o')?.reply.data).toBe('kept')
})

test('SEMANTICS 32: invalidated answers are purged, or only serve a system that is down where staleAfterWrite says so', async () => {
  await using cache = await open()
  keep(cache, 'a')
  expect(await cache.invalidate(place, { keepStale: true })).toBe(1)
  expect(cache.get('a')).toMatchObject({ current: false })
  keep(cache, 'a', 'new')
  expect(cache.get('a')).toMatchObject({ current: true, reply: { data: 'new' } })
  expect(await cache.invalidate(place)).toBe(1)
  expect(cache.get('a')).toBeUndefined()
})

test('one set of parameters is invalidated for everybody, and nothing beside it', async () => {
  await using cache = await open()
  keep(cache, 'ann-7', 'x', '7')
  keep(cache, 'bob-7', 'x', '7')
  keep(cache, 'ann-8', 'x', '8')
  expect(await cache.invalidate(place, { params: '7' })).toBe(2)
  expect(cache.get('ann-7')).toBeUndefined()
  expect(cache.get('bob-7')).toBeUndefined()
  expect(cache.get('ann-8')).toMatchObject({ current: true })
})

test('it never holds more entries or bytes than it may, and an answer beyond the bound is not kept', async () => {
  const step = fc.record({ key: fc.integer({ min: 0, max: 30 }), size: fc.integer({ min: 0, max: 3000 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60, size: 'max' }), async (steps) => {
      await using cache = await open({ maxEntries: 5, maxBytes: 4000 })
      for (const { key, size } of steps) {
        keep(cache, `k${key}`, 'x'.repeat(size))
        const [figures] = cache.figures()
        expect(figures?.entries ?? 0).toBeLessThanOrEqual(5)
        expect(figures?.bytes ?? 0).toBeLessThanOrEqual(4000)
      }
      keep(cache, 'huge', 'x'.repeat(5000))
      expect(cache.get('huge')).toBeUndefined()
    }),
    { numRuns: 50 },
  )
})

test('names and keys of any kind stay data: __proto__, constructor', async () => {
  await using cache = await open()
  const odd = { backend: '__proto__', operation: 'constructor' }
  cache.put(cache.begin(odd), { key: '__proto__', params: 'toString', reply: reply('x') })
  expect(cache.get('__proto__')?.reply.data).toBe('x')
  expect(cache.get('constructor')).toBeUndefined()
  expect(cache.figures()).toMatchObject([{ ...odd, entries: 1 }])
})

test('the next life finds what this one kept, dropped and invalidated, older by the time between', async () => {
  const file = join(await temporaryDirectory(), 'cache.db')
  const first = await open({ file, now: () => 1_000_000 })
  for (const key of ['a', 'b', 'c']) keep(first, key)
  first.drop('b')
  const kept = { backend: 'orders', operation: 'Kept' }
  first.put(first.begin(kept), { key: 'k', params: 'k', reply: reply('k') })
  await first.invalidate(kept, { keepStale: true })
  await first[Symbol.asyncDispose]()
  await using next = await open({ file, now: () => 1_060_000 })
  expect(next.get('a')).toMatchObject({ asOf: 1_000_000, current: true, reply: { data: 'a' } })
  expect(next.get('a')?.ageMs).toBeGreaterThanOrEqual(60_000)
  expect(next.get('b')).toBeUndefined()
  expect(next.get('c')?.reply.data).toBe('c')
  expect(next.get('k')).toMatchObject({ current: false })
})

test('SEMANTICS 25: a clock that was set back makes no answer younger than new', async () => {
  const file = join(await temporaryDirectory(), 'cache.db')
  const first = await open({ file, now: () => 9e12 })
  keep(first, 'a')
  await first[Symbol.asyncDispose]()
  await using next = await open({ file, now: () => 1000 })
  const age = next.get('a')?.ageMs ?? -1
  expect(age).toBeGreaterThanOrEqual(0)
  expect(age).toBeLessThan(60_000)
})

test('an invalidation is in the file when it resolves: a kill a moment later brings nothing back', async () => {
  const file = join(await temporaryDirectory(), 'cache.db')
  await using cache = await open({ file })
  keep(cache, 'a')
  await cache.invalidate(place)
  const reader = new DatabaseSync(file, { readOnly: true })
  expect(reader.prepare('SELECT count(*) AS n FROM answer').get()).toEqual({ n: 0 })
  reader.close()
})

test('narrower bounds than before: the file follows', async () => {
  const file = join(await temporaryDirectory(), 'cache.db')
  const wide = await open({ file })
  for (let n = 0; n < 20; n++) keep(wide, `k${n}`)
  await wide[Symbol.asyncDispose]()
  const narrow = await open({ file, maxEntries: 3 })
  expect(narrow.figures()[0]?.entries).toBe(3)
  await narrow[Symbol.asyncDispose]()
  const reader = new DatabaseSync(file, { readOnly: true })
  expect(reader.prepare('SELECT count(*) AS n FROM answer').get()).toEqual({ n: 3 })
  reader.close()
})

test.each([
  ['no database', 'this is no database at all, but long enough to look like a file with a header of its own'],
  ['empty', ''],
])('a file that is %s is thrown away, and the cache works', async (_what, text) => {
  const file = join(await temporaryDirectory(), 'cache.db')
  await writeFile(file, text)
  const first = await open({ file })
  keep(first, 'a')
  await first[Symbol.asyncDispose]()
  await using next = await open({ file })
  expect(next.get('a')?.reply.data).toBe('a')
})

test('where no file can be made it lives in memory, and says so once', async () => {
  const directory = await temporaryDirectory()
  const file = join(directory, 'cache.db')
  await mkdir(file) // a folder stands in the way
  await writeFile(join(file, 'something'), '')
  const log = recorded()
  await using cache = await open({ file, log: log.log })
  keep(cache, 'a')
  await cache.invalidate({ ...place, operation: 'Other' })
  expect(cache.get('a')?.reply.data).toBe('a')
  expect(log.lines.filter((line) => line.includes('in memory alone'))).toHaveLength(1)
})

test('ages are monotonic: a jump of the clock changes nothing', async () => {
  vi.useFakeTimers()
  try {
    await using cache = await open()
    keep(cache, 'a')
    vi.advanceTimersByTime(5000)
    vi.setSystemTime(Date.now() + 3_600_000)
    expect(cache.get('a')?.ageMs).toBe(5000)
  } finally {
    vi.useRealTimers()
  }
})
