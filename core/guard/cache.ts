// The fallback cache: last good answers, bounded in entries and bytes, in memory to be fast and on disk to outlive us (DESIGN §7).
import { LRUCache } from 'lru-cache'
import type { Log, Reply } from '../api.ts'
import { openCacheDisk } from './cache-disk.ts'
import type { CacheDisk } from './cache-disk.ts'
import type { CacheBatch, CacheRow } from './cache-rows.ts'

export interface Found {
  readonly reply: Reply
  /** When the call began that brought it: milliseconds since the epoch. */
  readonly asOf: number
  readonly ageMs: number
  /** False: a write came after it, it may only serve while the business system is down. */
  readonly current: boolean
}

/** Taken before a call begins: what it brings is kept only if nothing was invalidated meanwhile. */
export interface Ticket {
  readonly place: string
  readonly era: number
  readonly asOf: number
  readonly since: number
}

export interface Place {
  readonly backend: string
  readonly operation: string
}

export interface CacheFigures extends Place {
  readonly entries: number
  readonly bytes: number
  /** Of the oldest answer. */
  readonly oldestAgeMs: number
}

/** Nothing here throws but for a value that is no plain data; the file's faults are logged and cost no call. */
export interface FallbackCache extends AsyncDisposable {
  begin(place: Place): Ticket
  get(key: string): Found | undefined
  put(ticket: Ticket, entry: { readonly key: string; readonly params: string; readonly reply: Reply }): void
  drop(key: string): void
  /**
   * Forgets an operation's answers, or those of one set of parameters for whomever they were; with `keepStale` they may still serve
   * while the business system is down. What calls that run now bring is not kept. Resolves how many, when the file has it too or
   * after 100 ms.
   */
  invalidate(
    place: Place,
    options?: { readonly params?: string; readonly keepStale?: boolean },
  ): Promise<number>
  figures(): readonly CacheFigures[]
  /** From now on these bounds; what is too much goes, used longest ago first. */
  resize(bounds: CacheBounds): void
}

export interface CacheBounds {
  readonly maxEntries: number
  /** Of keys and answers as JSON text. */
  readonly maxBytes: number
}

export interface CacheOptions extends CacheBounds {
  /** Absent: in memory alone. */
  readonly file?: string
  readonly log: Log
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

interface Entry {
  readonly place: string
  readonly params: string
  readonly asOf: number
  /** Monotonic moment at which it was `asOf`. */
  readonly since: number
  readonly era: number
  readonly value: string
  readonly bytes: number
}

interface PlaceState {
  era: number
  readonly keys: Set<string>
}

const INVALIDATE_MS = 100
const SEPARATOR = '\u001F'
/** What a row costs beside its texts: the digest of its parameters, its moment, its place in the index. */
const ROW_BYTES = 150

/** Loads what an earlier life left behind. Never rejects for the file's sake. */
export async function openFallbackCache(options: CacheOptions): Promise<FallbackCache> {
  const { file, log, now } = options
  const places = new Map<string, PlaceState>()
  const written = new Map<string, Entry | undefined>()
  const outdated = new Set<string>()
  let disk: CacheDisk | undefined
  let loading = true

  let entries = emptyOf(options)

  function emptyOf({ maxEntries, maxBytes }: CacheBounds): LRUCache<string, Entry> {
    return new LRUCache<string, Entry>({
      max: maxEntries,
      maxSize: maxBytes,
      sizeCalculation: ({ bytes }) => bytes,
      dispose: (entry, key, reason) => {
        if (reason !== 'set') gone(key, entry)
      },
    })
  }

  function gone(key: string, { place }: Entry): void {
    places.get(place)?.keys.delete(key)
    toDisk(key, undefined)
  }

  function stateOf(place: string): PlaceState {
    const known = places.get(place)
    if (known !== undefined) return known
    const fresh = { era: 0, keys: new Set<string>() }
    places.set(place, fresh)
    return fresh
  }

  function toDisk(key: string, entry: Entry | undefined): void {
    if (disk === undefined && !loading) return
    written.delete(key)
    written.set(key, entry)
    disk?.due(collect)
  }

  function collect(): CacheBatch | undefined {
    if (written.size === 0 && outdated.size === 0) return undefined
    const put: CacheRow[] = []
    const deleted: string[] = []
    for (const [key, entry] of written) {
      if (entry === undefined) deleted.push(key)
      else {
        const { place, params, asOf, value, era } = entry
        put.push({ key, place, params, at: asOf, current: era === stateOf(place).era, value })
      }
    }
    const batch = { outdated: [...outdated], deleted, put }
    written.clear()
    outdated.clear()
    return batch
  }

  function load({ key, place, params, at, current, value }: CacheRow): void {
    const state = stateOf(place)
    // A clock that was set back must not make an answer younger than new.
    const ageMs = Math.max(0, now() - at)
    const since = performance.now() - ageMs
    const era = current ? state.era : -1
    state.keys.add(key)
    entries.set(key, { place, params, asOf: at, since, era, value, bytes: sizeOf(key, place, value) })
  }

  if (file !== undefined) disk = await openCacheDisk({ file, log, onRow: load })
  loading = false
  if (written.size > 0) disk?.due(collect) // the bounds are narrower than they were
  if (disk === undefined) written.clear()

  return {
    begin({ backend, operation }) {
      const place = placeOf(backend, operation)
      return { place, era: stateOf(place).era, asOf: now(), since: performance.now() }
    },

    get(key) {
      const entry = entries.get(key)
      if (entry === undefined) return undefined
      const { asOf, since, era, place, value } = entry
      return {
        reply: JSON.parse(value) as Reply, // `put` made it from one
        asOf,
        ageMs: Math.max(0, performance.now() - since),
        current: era === stateOf(place).era,
      }
    },

    put({ place, era, asOf, since }, { key, params, reply }) {
      const state = stateOf(place)
      if (state.era !== era) return // SEMANTICS 32
      const value = JSON.stringify(reply)
      const bytes = sizeOf(key, place, value)
      if (bytes > entries.maxSize) return void entries.delete(key)
      const entry: Entry = { place, params, asOf, since, era, value, bytes }
      state.keys.add(key)
      entries.set(key, entry)
      toDisk(key, entry)
    },

    drop: (key) => void entries.delete(key),

    async invalidate({ backend, operation }, { params, keepStale = false } = {}) {
      const place = placeOf(backend, operation)
      const state = stateOf(place)
      const before = state.era
      state.era += 1
      let count = 0
      for (const key of state.keys) {
        const entry = entries.peek(key)
        if (entry === undefined) continue
        const isMeant = params === undefined || entry.params === params
        if (isMeant) count += 1
        if (isMeant && !keepStale) entries.delete(key)
        // The others have lost nothing but the calls that are under way.
        else if (!isMeant && entry.era === before) entries.set(key, { ...entry, era: state.era })
        else if (isMeant && params !== undefined) toDisk(key, entry)
      }
      if (params === undefined && keepStale && count > 0) outdated.add(place)
      if (outdated.size > 0) disk?.due(collect)
      if (count > 0) await disk?.flushed(INVALIDATE_MS)
      return count
    },

    figures() {
      return [...places].flatMap(([place, { keys }]) => {
        const [backend = '', operation = ''] = place.split(SEPARATOR)
        const found = [...keys].flatMap((key) => {
          const entry = entries.peek(key)
          return entry === undefined ? [] : [entry]
        })
        if (found.length === 0) return []
        const bytes = found.reduce((sum, entry) => sum + entry.bytes, 0)
        const oldest = found.reduce((least, { since }) => Math.min(least, since), Infinity)
        return [{ backend, operation, entries: found.length, bytes, oldestAgeMs: performance.now() - oldest }]
      })
    },

    resize({ maxEntries, maxBytes }) {
      if (entries.max === maxEntries && entries.maxSize === maxBytes) return
      const before = entries
      entries = emptyOf({ maxEntries, maxBytes })
      for (const key of before.rkeys()) {
        const entry = before.peek(key)
        if (entry === undefined) continue
        if (entry.bytes > maxBytes) gone(key, entry)
        else entries.set(key, entry)
      }
    },

    async [Symbol.asyncDispose]() {
      await disk?.close()
    },
  }
}

function placeOf(backend: string, operation: string): string {
  return `${backend}${SEPARATOR}${operation}`
}

function sizeOf(key: string, place: string, value: string): number {
  return key.length + place.length + Buffer.byteLength(value) + ROW_BYTES
}
