// The fallback cache over several instances: local first, then what the others have; a write on one is a write for all (SEMANTICS 32).
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Json, Log, Reply } from '../../../../core/api.ts'
import { openFallbackCache } from '../../../../core/guard/cache.ts'
import { createFallback } from '../../../../core/guard/fallback.ts'
import type { Served } from '../../../../core/guard/fallback.ts'
import { openSharedAnswers } from '../../../../core/guard/shared-answers.ts'
import type { AnswerStore } from '../../../../core/guard/shared-answers.ts'
import { Hints } from '../../../../core/store/hints.ts'
import type { Store, ValueOp, ValueResult } from '../../../../core/store/store.ts'
import { until } from '../../../support/gateway.ts'

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }
const place = { backend: 'orders', operation: 'GetOrder' }
const policy = { freshMs: 60_000, revalidateMs: 60_000, staleMs: 600_000 }
const bounds = { maxEntries: 100, maxBytes: 1e6 }
const reply = (data: Json): Reply => ({ data, origin: 'backend' })
const down = new GatewayError('BACKEND_FAILED', 'connection refused')

/** What the instances share; `isDown`: nobody reaches it; `isFull`: it takes no writes. */
function common() {
  const hints: Hints[] = []
  const kept = new Map<string, { value: string; at: number }>()
  let value: Json | undefined
  let version = 0
  function lose(): void {
    kept.clear()
    value = undefined
    version = 0
  }
  const state = { isDown: false, isFull: false, kept, store, answers, lose }
  function requireUp(): void {
    if (state.isDown) throw new GatewayError('STORE_UNAVAILABLE', 'away')
  }
  const found = (): { value?: Json; version?: number } => (value === undefined ? {} : { value, version })
  function store(): Pick<Store, 'value' | 'watch'> {
    const own = new Hints()
    hints.push(own)
    return {
      watch: (names) => own.watch(names),
      async value({ key, expect: wanted, put, announce }: ValueOp): Promise<ValueResult> {
        requireUp()
        if (put === undefined) return { status: 'ok', ...found() }
        if (state.isFull) throw new GatewayError('STORE_UNAVAILABLE', 'its memory is full')
        if (wanted !== (version === 0 ? 'absent' : version)) return { status: 'conflict', ...found() }
        value = put
        version++
        if (announce === true) for (const one of hints) one.hint(`value:${key}`)
        return { status: 'ok', ...found() }
      },
    }
  }
  function answers(): AnswerStore {
    return {
      async get(key) {
        requireUp()
        const one = kept.get(key)
        return one && { value: one.value, ageMs: Date.now() - one.at }
      },
      async put(key, { value: text, ageMs }) {
        requireUp()
        kept.set(key, { value: text, at: Date.now() - ageMs })
      },
    }
  }
  return state
}

/** `before`: what it has kept in an earlier life. */
async function instance(of: ReturnType<typeof common>, before?: Json) {
  const cache = await openFallbackCache({ ...bounds, log, now: Date.now })
  if (before !== undefined) cache.put(cache.begin(place), { key: 'k', params: 'k', reply: reply(before) })
  const shared = await openSharedAnswers({ answers: of.answers(), store: of.store(), cache, log, ...bounds })
  const served: Served[] = []
  let calls = 0
  const fallback = createFallback({
    ...place,
    policy,
    cache,
    shared,
    log,
    onServed: (from) => served.push(from),
  })
  const ask = (system: () => Promise<Reply>, key = 'k'): Promise<Reply> =>
    fallback.run({ key, params: key, ms: 1000 }, async () => {
      calls++
      return system()
    })
  const write = async (keepStale = false): Promise<void> => {
    await cache.invalidate(place, { keepStale })
    await shared.invalidate(place, { keepStale })
  }
  return { cache, shared, served, ask, write, calls: () => calls }
}

const fails = async (): Promise<Reply> => {
  throw down
}

test('what one instance was told another gives: fresh without a call, then from its own cache, and while the system is down', async () => {
  const of = common()
  const [a, b] = [await instance(of), await instance(of)]
  await a.ask(async () => reply('one'))
  await until(() => of.kept.size === 1 || undefined)
  expect(await b.ask(fails)).toMatchObject({ data: 'one', origin: 'cache' })
  expect(b.calls()).toBe(0)
  of.isDown = true
  expect(await b.ask(fails)).toMatchObject({ data: 'one' })
  expect([...a.served, ...b.served]).toEqual(['call', 'fresh', 'fresh'])
})

test('a write on one makes it untrue on all: gone, or kept to stand in while the system is down', async () => {
  const of = common()
  const [a, b, c] = [await instance(of), await instance(of), await instance(of)]
  await a.ask(async () => reply('old'))
  await until(() => of.kept.size === 1 || undefined)
  await b.ask(fails)
  await a.write(true)
  await until(() => b.cache.get('k')?.current === false || undefined)
  expect(await b.ask(fails)).toMatchObject({ data: 'old', stale: true })
  expect(await c.ask(fails)).toMatchObject({ data: 'old', stale: true })
  await a.write()
  await until(() => b.cache.get('k') === undefined || undefined)
  await until(() => c.cache.get('k') === undefined || undefined)
  for (const one of [a, b, c]) await expect(one.ask(fails)).rejects.toBe(down)
})

test('an answer of before a write on another instance is not kept (SEMANTICS 32)', async () => {
  const of = common()
  const [a, b] = [await instance(of), await instance(of)]
  const slow = Promise.withResolvers<Reply>()
  const asking = a.ask(() => slow.promise)
  await until(() => (a.calls() === 1 ? true : undefined))
  const before = a.shared.eraOf(place)
  await b.write()
  await until(() => a.shared.eraOf(place) !== before || undefined)
  slow.resolve(reply('before the write'))
  await asking
  expect(of.kept.size).toBe(0)
  expect(await b.ask(async () => reply('after it'))).toMatchObject({ data: 'after it' })
})

test('what an instance kept in an earlier life is not believed: it was not told what was written since', async () => {
  const of = common()
  const a = await instance(of)
  await a.write()
  await a.ask(async () => reply('new'))
  await until(() => of.kept.size === 1 || undefined)
  const b = await instance(of, 'old')
  expect(await b.ask(fails)).toMatchObject({ data: 'new', origin: 'cache' })
  of.kept.clear()
  const c = await instance(of, 'old')
  await expect(c.ask(fails)).rejects.toBe(down)
})

test('where the data was lost, what a new instance writes makes it untrue all the same, however much was written before', async () => {
  const all = common()
  const one = await instance(all)
  for (let writes = 0; writes < 5; writes++) await one.write()
  await one.ask(async () => reply('old'))
  expect(await one.ask(fails)).toMatchObject({ data: 'old' })
  all.lose()
  const two = await instance(all)
  await two.write()
  await until(() => (one.shared.eraOf(place) === two.shared.eraOf(place) ? true : undefined))
  expect(await one.ask(async () => reply('new'))).toMatchObject({ data: 'new' })
  expect(await two.ask(fails)).toMatchObject({ data: 'new' })
})

test('the first write of all takes the freshness of its own answers alone', async () => {
  const of = common()
  const [a, b] = [await instance(of), await instance(of)]
  const other = { backend: 'orders', operation: 'GetCustomer' }
  const era = a.shared.eraOf(other) ?? 0
  a.shared.put(other, { key: 'other', reply: reply('ann'), era, ageMs: 0 })
  await a.ask(async () => reply('one'))
  await until(() => of.kept.size === 2 || undefined)
  await b.write(true)
  for (const one of [a, b, await instance(of)]) {
    expect(await one.shared.get(other, 'other')).toMatchObject({ reply: { data: 'ann' }, current: true })
    await until(() => (one.shared.eraOf(place) === b.shared.eraOf(place) ? true : undefined))
    expect(await one.shared.get(place, 'k')).toMatchObject({ current: false })
  }
})

test('where nothing can be written they are opened all the same, and begin with the first write', async () => {
  const of = common()
  of.isFull = true
  const a = await instance(of)
  of.isFull = false
  const before = a.shared.eraOf(place)
  await a.write()
  expect(a.shared.eraOf(place)).not.toBe(before)
  expect((await instance(of)).shared.eraOf(place)).toBe(a.shared.eraOf(place))
})

test('a business fault is the last word, also for the others', async () => {
  const of = common()
  const [a, b] = [await instance(of), await instance(of)]
  await a.ask(async () => reply('one'))
  await until(() => of.kept.size === 1 || undefined)
  await a.cache.invalidate(place)
  of.kept.clear()
  await a.ask(async () => ({ fault: { code: 'GONE', message: 'no such order' }, origin: 'backend' }))
  await until(() => of.kept.size === 1 || undefined)
  await expect(b.ask(fails)).rejects.toBe(down)
})

test('while nobody can be asked each goes on by itself; what a write made untrue is told when they can', async () => {
  const of = common()
  const [a, b] = [await instance(of), await instance(of)]
  await a.ask(async () => reply('old'))
  await until(() => of.kept.size === 1 || undefined)
  await b.ask(fails)
  of.isDown = true
  await a.write()
  expect(await a.ask(async () => reply('new'))).toMatchObject({ data: 'new' })
  expect(a.shared.eraOf(place)).toBeUndefined()
  expect(await b.ask(fails)).toMatchObject({ data: 'old' })
  of.isDown = false
  await until(() => b.cache.get('k') === undefined || undefined)
  await expect(b.ask(fails)).rejects.toBe(down)
  for (const one of [a, b]) one.shared[Symbol.dispose]()
})
