// The fallback cache's second level: last good answers of all instances; what a write makes untrue on one is so on all (SEMANTICS 32).
import { randomInt } from 'node:crypto'
import { GatewayError } from '../api.ts'
import type { Json, Log, Reply } from '../api.ts'
import { readAtHints } from '../store/hints.ts'
import type { Store } from '../store/store.ts'
import { WriteBehind } from './write-behind.ts'
import type { FallbackCache, Found, Place } from './cache.ts'

/** Where the instances put them: bounded, and free to forget. Both reject where it cannot be asked. */
export interface AnswerStore {
  get(key: string): Promise<{ readonly value: string; readonly ageMs: number } | undefined>
  put(key: string, answer: { readonly value: string; readonly ageMs: number } & AnswerBounds): Promise<void>
}

export interface AnswerBounds {
  readonly maxEntries: number
  readonly maxBytes: number
}

/** Taken before a call begins; what it brings is of no use to anybody if a write came in between. */
export type Era = number

/** Nothing here rejects, and nothing takes long: it can only help. */
export interface SharedAnswers extends Disposable {
  /** Undefined: not to be put, others are still to be told of a write. */
  eraOf(place: Place): Era | undefined
  get(place: Place, key: string): Promise<Found | undefined>
  put(
    place: Place,
    entry: { readonly key: string; readonly reply: Reply; readonly era: Era; readonly ageMs: number },
  ): void
  drop(key: string): void
  /** For all instances; said again until they have heard. */
  invalidate(place: Place, options: { readonly keepStale?: boolean }): Promise<void>
  /** Of all instances' answers together, from now on. */
  resize(bounds: AnswerBounds): void
}

export interface SharedAnswersOptions extends AnswerBounds {
  readonly answers: AnswerStore
  readonly store: Pick<Store, 'value' | 'watch'>
  /** This instance's own, which is looked at first. */
  readonly cache: Pick<FallbackCache, 'invalidate' | 'figures'>
  readonly log: Log
}

/** [era, the era before which nothing may stand in] */
type Eras = ReadonlyMap<string, readonly [era: number, purged: number]>

const KEY = 'core/answers'
const SEPARATOR = '\u001F'
const WITHIN_MS = 100
const TRIES = 16
const MOST_BYTES = 256 * 1024
const MOST_BEGINNING = 2 ** 47
/** Its era is the one all begin with, by chance: after a loss of the data it is another one, and what was learnt before says nothing. */
const BEGINNING = ''
/** Older than every era. */
const NOTHING = JSON.stringify({ era: -1 })

export async function openSharedAnswers(options: SharedAnswersOptions): Promise<SharedAnswers> {
  const { answers, store, cache, log } = options
  let bounds: AnswerBounds = options
  // Before the first look: nothing falls in between.
  const watch = store.watch([`value:${KEY}`])
  const first = await store.value({ key: KEY })
  let eras = erasIn(first.value)
  let version: number | 'absent' = first.version ?? 'absent'
  /** What the others have not been told. */
  const unsaid = new Map<string, { readonly keepStale: boolean }>()
  const behind = new WriteBehind({
    write: say,
    isLeft: () => unsaid.size > 0,
    onFailure: (error) =>
      log.warn('the other instances could not be told what a write made untrue', {
        error: GatewayError.from(error).message,
      }),
  })
  await begin()
  // What an earlier life has kept: nobody told it what was written since. The others have what still holds.
  await Promise.all(cache.figures().map((place) => cache.invalidate(place)))
  void readAtHints(
    watch,
    async () => learn(await store.value({ key: KEY })),
    (error) =>
      log.warn('what writes made untrue on other instances could not be read', {
        error: GatewayError.from(error).message,
      }),
  )

  const eraOf = (place: string): Era | undefined =>
    unsaid.has(place) ? undefined : (eras.get(place)?.[0] ?? beginningOf(eras))

  /** Before anything is put, or the first write would take the freshness of all answers with it. */
  async function begin(): Promise<void> {
    if (eras.has(BEGINNING)) return
    try {
      const next = new Map(eras).set(BEGINNING, [randomInt(1, MOST_BEGINNING), 0])
      const result = await store.value({ key: KEY, expect: version, put: jsonOf(next), announce: true })
      version = result.version ?? 'absent'
      if (result.status === 'conflict') learn(result)
      else eras = next
    } catch (error) {
      log.warn('the beginning of the shared answers could not be written; the first write does it', {
        error: GatewayError.from(error).message,
      })
    }
  }

  function learn(found: { readonly value?: Json }): void {
    const before = eras
    const said = erasIn(found.value)
    if (before.size > 0 && beginningOf(before) !== beginningOf(said)) {
      // Who has lost the data has lost, too, what others wrote there a moment before.
      eras = said
      for (const place of cache.figures()) void cache.invalidate(place)
      return
    }
    const next = new Map(before)
    // Eras only rise: what was read a moment ago may be older than what was written since.
    for (const [place, [era, purged]] of said) {
      const [known, knownPurged] = before.get(place) ?? [0, 0]
      next.set(place, [Math.max(era, known), Math.max(purged, knownPurged)])
    }
    eras = next
    for (const [place, [era, purged]] of eras)
      if (place !== BEGINNING && (before.get(place)?.[0] ?? 0) !== era)
        void cache.invalidate(placeIn(place), { keepStale: purged <= (before.get(place)?.[1] ?? 0) })
  }

  async function say(): Promise<void> {
    for (let tries = 0; unsaid.size > 0 && tries < TRIES; tries++) {
      const told = new Map(unsaid)
      const next = new Map(eras)
      if (!next.has(BEGINNING)) next.set(BEGINNING, [randomInt(1, MOST_BEGINNING), 0])
      const beginning = beginningOf(next)
      for (const [place, { keepStale }] of told) {
        const [era, purged] = next.get(place) ?? [beginning, 0]
        next.set(place, [era + 1, keepStale ? purged : era + 1])
      }
      const result = await store.value({ key: KEY, expect: version, put: jsonOf(next), announce: true })
      version = result.version ?? 'absent'
      if (result.status === 'conflict') {
        learn(result)
        continue
      }
      eras = next
      // What came while it was written is said next.
      for (const [place, one] of told) {
        if (unsaid.get(place) === one) unsaid.delete(place)
      }
    }
  }

  return {
    eraOf: ({ backend, operation }) => eraOf(nameOf(backend, operation)),

    async get({ backend, operation }, key) {
      const place = nameOf(backend, operation)
      if (unsaid.has(place)) return undefined
      try {
        const answer = await within(WITHIN_MS, answers.get(key))
        return answer === undefined ? undefined : foundIn(answer, eras.get(place) ?? [beginningOf(eras), 0])
      } catch {
        return undefined // the store says by itself that it is away
      }
    },

    put({ backend, operation }, { key, reply, era, ageMs }) {
      const place = nameOf(backend, operation)
      if (eraOf(place) !== era) return
      const value = JSON.stringify({ era, reply })
      const { maxEntries, maxBytes } = bounds
      if (Buffer.byteLength(value) > Math.min(MOST_BYTES, maxBytes)) return
      answers.put(key, { value, ageMs, maxEntries, maxBytes }).catch(() => undefined) // as above
    },

    drop(key) {
      const { maxEntries, maxBytes } = bounds
      answers.put(key, { value: NOTHING, ageMs: 0, maxEntries, maxBytes }).catch(() => undefined) // as above
    },

    async invalidate({ backend, operation }, { keepStale = false }) {
      const place = nameOf(backend, operation)
      unsaid.set(place, { keepStale: keepStale && unsaid.get(place)?.keepStale !== false })
      await within(WITHIN_MS, behind.begin()).catch(() => undefined) // it goes on behind
    },

    resize(next) {
      bounds = next
    },

    [Symbol.dispose]() {
      behind[Symbol.dispose]()
      watch.close()
    },
  }
}

function beginningOf(eras: Eras): Era {
  return eras.get(BEGINNING)?.[0] ?? 0
}

function jsonOf(eras: Eras): Json {
  return Object.fromEntries([...eras].map(([place, marks]) => [place, [...marks]]))
}

/** Anything else than what an instance writes is nothing. */
function erasIn(value: Json | undefined): Eras {
  const eras = new Map<string, readonly [number, number]>()
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return eras
  for (const [place, marks] of Object.entries(value)) {
    if (!Array.isArray(marks)) continue
    const [era, purged] = marks as readonly unknown[] // looked at in the next line
    if (typeof era === 'number' && typeof purged === 'number') eras.set(place, [era, purged])
  }
  return eras
}

function foundIn(
  { value, ageMs }: { readonly value: string; readonly ageMs: number },
  [era, purged]: readonly [number, number],
): Found | undefined {
  const stored = JSON.parse(value) as { readonly era: number; readonly reply: Reply } // `put` made it
  if (stored.era < purged) return undefined
  return { reply: stored.reply, ageMs, asOf: Date.now() - ageMs, current: stored.era === era }
}

function nameOf(backend: string, operation: string): string {
  return `${backend}${SEPARATOR}${operation}`
}

function placeIn(name: string): Place {
  const [backend = '', operation = ''] = name.split(SEPARATOR)
  return { backend, operation }
}

/** Rejects after `ms`; what is waited for goes on. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  const { promise: over, reject } = Promise.withResolvers<never>()
  const timer = setTimeout(() => reject(new GatewayError('DEADLINE_EXCEEDED', 'it took too long')), ms)
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
