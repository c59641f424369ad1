// How the breakers stand, over restarts, generations and instances: kept in one small value of the store (SEMANTICS 34).
import { randomUUID } from 'node:crypto'
import { GatewayError } from '../api.ts'
import type { Json, Log } from '../api.ts'
import type { BreakerSnapshot } from './breaker.ts'
import { readAtHints } from '../store/hints.ts'
import type { Store, ValueResult } from '../store/store.ts'
import { WriteBehind } from './write-behind.ts'

export interface BreakerMemory extends Disposable {
  /** How it stood when it was last heard of; undefined: ACTIVE. `operation` may have been put out with all of its owner. */
  saved(owner: string, operation: string): BreakerSnapshot | undefined
  /**
   * Undefined: ACTIVE. Written behind, and told to the other instances; a store that cannot be written is tried again after a second. An OPEN
   * takes no OFF's place before its time is over.
   */
  keep(owner: string, operation: string, snapshot: BreakerSnapshot | undefined): void
  /** All of an owner are ACTIVE, also those that have no breaker in this life. */
  forget(owner: string): void
  /** Resolves when what was kept so far is stored (true), or could not be. */
  flushed(): Promise<boolean>
}

const KEY = 'core/breakers'
/** Beside the operations, whose names have a dot: a random text, the same for as long as it is the same data. Earlier versions leave it out. */
const MADE = 'made'
/** A value of the store holds 64 kB. What is OFF by hand is kept beyond it. */
const MOST = 150
const REASON_CHARS = 200

/** Stands for every operation of an owner, also those nobody has called yet. */
export const ALL_OPERATIONS = '*'

export interface BreakersOptions {
  readonly store: Pick<Store, 'value' | 'watch'>
  readonly log: Log
  /** How those that `isMeant` names stand on another instance by now; undefined: they were put on again there. */
  readonly onOther: (
    owner: string,
    isMeant: (operation: string) => boolean,
    snapshot: BreakerSnapshot | undefined,
  ) => void
}

/**
 * What is stored of one: with the time it had left, because clocks differ (SEMANTICS 34). ON: ACTIVE again while all of its owner are
 * OFF, with the moments of that OFF.
 */
interface Stored extends Omit<BreakerSnapshot, 'state'> {
  readonly state: BreakerSnapshot['state'] | 'ON'
  readonly leftMs?: number
}

/** Others may write at the same moment. */
const TRIES = 16

/** Reads what an earlier life left behind, and hears of the other instances. A value that cannot be understood is as if there were none. */
export async function loadBreakers({ store, log, onOther }: BreakersOptions): Promise<BreakerMemory> {
  // Before the first look: nothing falls in between.
  const watch = store.watch([`value:${KEY}`])
  const first = await store.value({ key: KEY })
  let version: number | 'absent' = first.version ?? 'absent'
  let known = snapshotsIn(first.value)
  let made = madeIn(first.value)
  /** What this process has to say; undefined: ACTIVE. */
  let changes = new Map<string, Stored | undefined>()
  let written = 0
  const behind = new WriteBehind({
    write,
    isLeft: () => changes.size > 0,
    onFailure: (error) =>
      log.warn('how the breakers stand could not be stored: it is tried again', {
        error: GatewayError.from(error).message,
      }),
  })
  let hasToldFull = false
  void readAtHints(
    watch,
    async () => {
      const found = await newest()
      // This process' own; in data that begins anew versions come again.
      if ((found.version ?? 'absent') === version && madeIn(found.value) === made) return
      heard(found)
      if (changes.size > 0) void behind.begin()
    },
    (error) =>
      log.warn('how the breakers of the other instances stand could not be read', {
        error: GatewayError.from(error).message,
      }),
  )

  /** What is in it no more went with the data it was in, where that is another by now: nobody has put it on by that. */
  function heard({ version: theirs, value }: ValueResult): void {
    const isGone = theirs === undefined && version !== 'absent'
    const theirMade = madeIn(value)
    const isOther = isGone || (made !== undefined && theirMade !== undefined && theirMade !== made)
    version = theirs ?? 'absent'
    made = isGone ? undefined : (theirMade ?? made)
    if (isOther) sayAgain(snapshotsIn(value))
    if (!isGone) learn(value)
  }

  /** What stood in the data that is gone, with the time it has left, unless another instance has said as much of it there. */
  function sayAgain(theirs: ReadonlyMap<string, Stored>): void {
    for (const [name, stored] of known) {
      const there = theirs.get(name)
      if (there !== undefined && (there.state !== 'OPEN' || stored.state === 'OPEN')) continue
      const { until } = clamped(stored)
      const leftMs = until - Date.now()
      if (leftMs > 0 && !changes.has(name)) changes.set(name, { ...stored, until, leftMs })
    }
    known = new Map()
  }

  /** What others have written meanwhile is theirs to say. */
  function learn(value: Json | undefined): void {
    const before = known
    known = snapshotsIn(value)
    for (const name of new Set([...before.keys(), ...known.keys()])) {
      const theirs = known.get(name)
      if (isSame(before.get(name), theirs)) continue
      // What this process has found out by itself, and could not say yet, does not undo what was put OFF by hand meanwhile.
      if (theirs?.state === 'OFF' && changes.get(name)?.state !== 'OFF') changes.delete(name)
      if (!changes.has(name)) tell(name, theirs)
    }
  }

  function tell(name: string, theirs: Stored | undefined): void {
    const dot = name.indexOf('.')
    const owner = name.slice(0, dot)
    const operation = name.slice(dot + 1)
    const snapshot = theirs && snapshotOf(theirs)
    const until = Date.now() + Math.max(0, theirs?.leftMs ?? 0)
    const adopted = snapshot === undefined || theirs?.leftMs === undefined ? snapshot : { ...snapshot, until }
    if (operation === ALL_OPERATIONS) {
      const isApart = (one: Stored | undefined): boolean => one !== undefined && !counts(theirs, one)
      onOther(owner, (each) => !isApart(own(owner, each)), adopted)
      // Else it stands as all of its owner do, and that was told.
    } else if (!counts(offOf(owner), theirs)) onOther(owner, (each) => each === operation, adopted)
  }

  /** Read while nothing of this process was written: else it may be older than what is known. */
  async function newest(): Promise<ValueResult> {
    for (;;) {
      await behind.underWay
      const before = written
      const found = await store.value({ key: KEY })
      if (written === before && behind.underWay === undefined) return found
    }
  }

  async function write(): Promise<void> {
    for (let tries = 0; changes.size > 0 && tries < TRIES; tries++) {
      const said = new Map(changes)
      const next = new Map(known)
      for (const [name, snapshot] of said) {
        next.delete(name)
        if (snapshot !== undefined) next.set(name, snapshot)
      }
      dropOver(next)
      const kept = keptOf(next)
      if (kept.length < next.size && !hasToldFull) {
        hasToldFull = true
        log.warn(
          'more breakers are open than are remembered; those that try again soonest begin ACTIVE in the next life',
          {
            open: next.size,
            remembered: kept.length,
          },
        )
      }
      const under = made ?? randomUUID()
      const put = { ...Object.fromEntries(kept), [MADE]: under } as unknown as Json // snapshots are plain data
      const result = await store.value({ key: KEY, expect: version, put, announce: true })
      written++
      if (result.status === 'conflict') {
        heard(result)
        continue
      }
      version = result.version ?? 'absent'
      made = under
      known = next
      changes = new Map(
        [...changes].filter(([name, snapshot]) => said.get(name) !== snapshot || !said.has(name)),
      )
      tries = 0
    }
  }

  function changed(name: string, snapshot: Stored | undefined): void {
    changes.delete(name)
    changes.set(name, snapshot)
    void behind.begin()
  }

  function standing(name: string): Stored | undefined {
    return changes.has(name) ? changes.get(name) : known.get(name)
  }

  /** SEMANTICS 25: no later from now than it was when it was stored, whatever the clock says by now. */
  function clamped(stored: Stored): Stored {
    if (stored.leftMs === undefined) return stored
    return { ...stored, until: Math.min(stored.until, Date.now() + stored.leftMs) }
  }

  function own(owner: string, operation: string): Stored | undefined {
    const stored = standing(nameOf(owner, operation))
    return stored && clamped(stored)
  }

  /** All of an owner are OFF, and their time is not over. */
  function offOf(owner: string): Stored | undefined {
    const all = own(owner, ALL_OPERATIONS)
    return all !== undefined && all.until > Date.now() ? all : undefined
  }

  /** What this process decides comes after all it knows, also where another's clock is ahead of its own. */
  function madeNow(owner: string, operation: string, snapshot: BreakerSnapshot): Stored {
    const isAll = operation === ALL_OPERATIONS
    const before = [...known, ...changes].flatMap(([name, stored]) =>
      isAll && name.startsWith(`${owner}.`) && stored !== undefined ? [stored.openedAt + 1] : [],
    )
    const openedAt = Math.max(snapshot.openedAt, offOf(owner)?.openedAt ?? 0, ...before)
    const reason = snapshot.reason.slice(0, REASON_CHARS)
    return { ...snapshot, openedAt, reason, leftMs: snapshot.until - Date.now() }
  }

  function exceptionTo(all: Stored): Stored {
    return { ...all, state: 'ON', reason: '', leftMs: all.until - Date.now() }
  }

  function saved(owner: string, operation: string): BreakerSnapshot | undefined {
    const one = own(owner, operation)
    const all = offOf(owner)
    const last = counts(all, one) ? all : one
    return last && snapshotOf(last)
  }

  return {
    saved,
    keep(owner, operation, snapshot) {
      const stands = saved(owner, operation)
      if (snapshot?.state === 'OPEN' && stands?.state === 'OFF' && stands.until > Date.now()) return
      const name = nameOf(owner, operation)
      const all = offOf(owner)
      const next = snapshot === undefined ? all && exceptionTo(all) : madeNow(owner, operation, snapshot)
      // That its time is over by now was known.
      if (!isSame(standing(name), next)) changed(name, next)
    },
    forget(owner) {
      for (const name of new Set([...known.keys(), ...changes.keys()]))
        if (name.startsWith(`${owner}.`)) changed(name, undefined)
    },
    async flushed() {
      await behind.underWay
      return changes.size === 0
    },
    [Symbol.dispose]() {
      behind[Symbol.dispose]()
      watch.close()
    },
  }
}

/** Whether what was said of all of an owner counts for an operation: nothing was said later of that one. */
function counts(all: Stored | undefined, one: Stored | undefined): boolean {
  return all !== undefined && (one === undefined || all.openedAt > one.openedAt)
}

function isSame(one: Stored | undefined, other: Stored | undefined): boolean {
  return one?.openedAt === other?.openedAt && one?.state === other?.state
}

/** Undefined: ACTIVE. */
function snapshotOf({ state, ...rest }: Stored): BreakerSnapshot | undefined {
  return state === 'ON' ? undefined : { ...rest, state }
}

/** Exceptions to an OFF that is over, or was followed by another. */
function dropOver(all: Map<string, Stored>): void {
  for (const [name, { state, openedAt, until }] of all) {
    const off = all.get(nameOf(name.slice(0, name.indexOf('.')), ALL_OPERATIONS))
    if (state === 'ON' && (off?.openedAt !== openedAt || until <= Date.now())) all.delete(name)
  }
}

/** All that are OFF, and those that are not among them, for what is missing is taken for put on again; and of those that are OPEN the ones that are so longest. */
function keptOf(all: ReadonlyMap<string, Stored>): readonly (readonly [string, Stored])[] {
  if (all.size <= MOST) return [...all]
  const off = [...all].filter(([, { state }]) => state !== 'OPEN')
  const open = [...all].filter(([, { state }]) => state === 'OPEN')
  const longest = open.toSorted(([, a], [, b]) => b.until - a.until)
  return [...off, ...longest.slice(0, Math.max(0, MOST - off.length))]
}

function snapshotsIn(value: Json | undefined): Map<string, Stored> {
  const found = new Map<string, Stored>()
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    for (const [name, snapshot] of Object.entries(value)) if (isSnapshot(snapshot)) found.set(name, snapshot)
  return found
}

function madeIn(value: Json | undefined): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  const made = (value as Readonly<Record<string, unknown>>)[MADE] // an object
  return typeof made === 'string' ? made : undefined
}

function nameOf(owner: string, operation: string): string {
  return `${owner}.${operation}`
}

function isSnapshot(value: unknown): value is Stored {
  if (typeof value !== 'object' || value === null) return false
  const { state, openedAt, until, openForMs, reason, leftMs = 0 } = value as Readonly<Record<string, unknown>> // an object
  return (
    (state === 'OPEN' || state === 'OFF' || state === 'ON') &&
    [openedAt, until, openForMs, leftMs].every(
      (number) => typeof number === 'number' && Number.isFinite(number),
    ) &&
    typeof reason === 'string'
  )
}
