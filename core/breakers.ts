// How the breakers stand, over restarts and generations: kept in one small value of the store.
import { GatewayError } from './api.ts'
import type { Json, Log } from './api.ts'
import type { BreakerSnapshot } from './guard/breaker.ts'
import type { Store } from './store/store.ts'

export interface BreakerMemory {
  /** How it stood when it was last heard of; undefined: ACTIVE. `operation` may have been put out with all of its owner. */
  saved(owner: string, operation: string): BreakerSnapshot | undefined
  /** Undefined: ACTIVE. Written behind; a store that cannot be written is tried again with the next change. */
  keep(owner: string, operation: string, snapshot: BreakerSnapshot | undefined): void
  /** All of an owner are ACTIVE, also those that have no breaker in this life. */
  forget(owner: string): void
  /** Resolves when what was kept so far is stored, or could not be. */
  flushed(): Promise<void>
}

const KEY = 'core/breakers'
/** A value of the store holds 64 kB. */
const MOST = 150
const REASON_CHARS = 200

/** Stands for every operation of an owner, also those nobody has called yet. */
export const ALL_OPERATIONS = '*'

/** Reads what an earlier life left behind. A value that cannot be understood is as if there were none. */
export async function loadBreakers(store: Store, log: Log): Promise<BreakerMemory> {
  const { value } = await store.value({ key: KEY })
  const known = new Map<string, BreakerSnapshot>()
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    for (const [name, snapshot] of Object.entries(value)) if (isSnapshot(snapshot)) known.set(name, snapshot)
  let writing: Promise<void> | undefined
  let isDirty = false

  async function write(): Promise<void> {
    while (isDirty) {
      isDirty = false
      const newest = [...known].slice(-MOST)
      try {
        await store.value({ key: KEY, put: Object.fromEntries(newest) as unknown as Json }) // snapshots are plain data
      } catch (error) {
        log.warn('how the breakers stand could not be stored', { error: GatewayError.from(error).message })
      }
    }
  }

  function changed(): void {
    isDirty = true
    writing ??= write().finally(() => (writing = undefined))
  }

  return {
    saved(owner, operation) {
      const own = known.get(nameOf(owner, operation))
      const all = known.get(nameOf(owner, ALL_OPERATIONS))
      return all !== undefined && all.until > Date.now() ? all : own
    },
    keep(owner, operation, snapshot) {
      const name = nameOf(owner, operation)
      if (snapshot === undefined && !known.has(name)) return
      known.delete(name)
      if (snapshot !== undefined)
        known.set(name, { ...snapshot, reason: snapshot.reason.slice(0, REASON_CHARS) })
      changed()
    },
    forget(owner) {
      for (const name of known.keys()) if (name.startsWith(`${owner}.`)) known.delete(name)
      changed()
    },
    flushed: async () => writing,
  }
}

function nameOf(owner: string, operation: string): string {
  return `${owner}.${operation}`
}

function isSnapshot(value: unknown): value is BreakerSnapshot {
  if (typeof value !== 'object' || value === null) return false
  const { state, openedAt, until, openForMs, reason } = value as Readonly<Record<string, unknown>> // an object
  return (
    (state === 'OPEN' || state === 'OFF') &&
    [openedAt, until, openForMs].every((number) => typeof number === 'number' && Number.isFinite(number)) &&
    typeof reason === 'string'
  )
}
