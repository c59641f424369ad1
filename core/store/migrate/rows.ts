// What a store holds in words that are neither SQLite's nor Redis': the rows a migration carries over, and their check sums.
import { createHash } from 'node:crypto'
import type { Outcome, WorkKind } from '../store.ts'

/** Phases in their order: what later ones refer to by name is there already. */
export const PHASES = ['places', 'values', 'messages', 'claims', 'owed', 'dead'] as const
export type Phase = (typeof PHASES)[number]

/**
 * Open work. `lane` is null for calls and timers, whose lanes are their own number in either store. Moments of the store's clock
 * are given as the wall clock of its last write would put them, so that both sides compare.
 */
export interface MovedWork {
  readonly lane: string | null
  readonly priority: number
  readonly due: number
  readonly state: 'waiting' | 'flight' | 'handed'
  readonly attempt: number
  readonly unended: number
  /** Of the lease it is in flight under, which is void after the move; 0: it is not in flight. */
  readonly fence: number
  readonly first: number | null
  /** Wall clock. */
  readonly began: number | null
  readonly waitUntil: number | null
  /** A JSON array. */
  readonly attempts: string | null
  readonly mediaType: string | null
  readonly raw: Uint8Array | null
}

/** How work ended. */
export interface MovedEnd {
  readonly outcome: Outcome
  readonly isNote: boolean
  /** Wall clock. */
  readonly at: number
  readonly clock: number
  readonly attempt: number
  readonly replies: readonly string[]
  readonly waitUntil: number | null
  readonly reply: string | null
  readonly failure: string | null
  readonly attempts: string | null
}

export interface MovedState {
  readonly work: MovedWork | null
  readonly end: MovedEnd | null
}

export interface MovedHome {
  readonly row: 'home'
  readonly home: string
  readonly epoch: number
  readonly top: number
  readonly oldest: number
}
export interface MovedConversation {
  readonly row: 'conversation'
  readonly home: string
  readonly conversation: string
  readonly channel: string
  readonly epoch: number
  readonly top: number
  readonly oldest: number
  readonly agent: string | null
  readonly ticket: string | null
  readonly last: string | null
}
export interface MovedDevice {
  readonly row: 'device'
  readonly home: string
  readonly device: string
  readonly boot: string
  readonly last: number
  readonly cursor: number
  readonly used: number
  readonly refused: readonly (readonly [n: number, id: string, code: string])[]
}
export interface MovedValue {
  readonly row: 'value'
  readonly key: string
  readonly value: string
  readonly version: number
  readonly expires: number | null
}
export interface MovedMessage extends MovedState {
  readonly row: 'message'
  readonly home: string
  readonly id: string
  /** Where it stands among the rows of its store (of its partition on Redis). */
  readonly number: number
  readonly conversation: string
  readonly sequence: number
  /** 0: never in the inbox. */
  readonly offset: number
  /** Its inbox entry is there still. */
  readonly isEntered: boolean
  readonly at: number
  readonly body: string
  /** Messages that name it as their cause, in their order. */
  readonly caused: readonly string[]
}
/** A dedupe key. `own`: of a call, and of a message whose content is cut: how what it stands for stands. */
export interface MovedClaim {
  readonly row: 'claim'
  /** Null: the source does not know it any more; the key says it. */
  readonly home: string | null
  readonly key: string
  readonly number: number
  readonly id: string
  readonly isCall: boolean
  readonly fingerprint: string
  readonly conversation: string
  readonly sequence: number
  readonly expires: number
  readonly own: (MovedState & { readonly body: string | null }) | null
}
/** `reply` and `origin` are null where their rows are gone. */
export interface MovedPush extends MovedState {
  readonly row: 'push'
  readonly home: string
  readonly conversation: string
  readonly key: string
  readonly number: number
  readonly reply: string | null
  readonly origin: string | null
  readonly part: number
  readonly channel: string
  readonly holder: string | null
  readonly isFlushed: boolean
}
export interface MovedTimer extends MovedState {
  readonly row: 'timer'
  readonly home: string
  readonly conversation: string
  readonly id: string
  readonly number: number
  readonly origin: string
  readonly target: string
}
export interface MovedDead {
  readonly row: 'dead'
  readonly home: string
  readonly id: string
  readonly kind: WorkKind
  /** Wall clock. */
  readonly at: number
  readonly sequence: number
  readonly body: string
  readonly failure: string
  readonly attempts: string | null
  readonly mediaType: string | null
  readonly raw: Uint8Array | null
  readonly part: number | null
  readonly target: string | null
}
export type MovedRow =
  | MovedHome
  | MovedConversation
  | MovedDevice
  | MovedValue
  | MovedMessage
  | MovedClaim
  | MovedPush
  | MovedTimer
  | MovedDead

/** What is one for the whole store. */
export interface MovedTotals {
  readonly incarnation: string
  /** The wall clock of the last write. */
  readonly wall: number
  /** Above every fence and version given out. */
  readonly counter: number
  /** Above every row's number. */
  readonly numbers: number
  readonly accepted: number
  readonly settled: number
  readonly expired: number
  readonly dead: number
  readonly inDoubt: number
}

/** What must be the same on both sides; numbers and homes of rows are each store's own affair. */
function essence(row: MovedRow): unknown {
  switch (row.row) {
    case 'message': {
      const { number: _, home: _home, caused, work, end, ...rest } = row
      return [rest, caused.toSorted(), workEssence(work), end]
    }
    case 'claim': {
      const { number: _, home: _home, own, ...rest } = row
      return [rest, own === null ? null : [own.body, workEssence(own.work), own.end]]
    }
    case 'push':
    case 'timer': {
      const { number: _, home: _home, conversation: _conversation, work, end, ...rest } = row
      return [rest, workEssence(work), end]
    }
    case 'dead': {
      const { raw, ...rest } = row
      return [rest, hashOf(raw)]
    }
    default:
      return row
  }
}

function workEssence(work: MovedWork | null): unknown {
  if (work === null) return null
  const { raw, ...rest } = work
  return [rest, hashOf(raw)]
}

function hashOf(bytes: Uint8Array | null): string | null {
  return bytes === null ? null : createHash('sha256').update(bytes).digest('base64')
}

/** Members in one order, whoever made the object. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
}

export interface Sum {
  readonly rows: number
  readonly checksum: string
}

/** Counts and check sums by kind of row, whatever the order the rows come in. */
export class Sums {
  readonly #byKind = new Map<MovedRow['row'], { rows: number; low: bigint; high: bigint }>()

  add(row: MovedRow): void {
    const digest = createHash('sha256')
      .update(JSON.stringify(essence(row), inOrder))
      .digest()
    const sum = this.#byKind.get(row.row) ?? { rows: 0, low: 0n, high: 0n }
    sum.rows++
    // Sums and not exclusive or: a row that is there twice must not cancel itself out.
    sum.low = BigInt.asUintN(64, sum.low + digest.readBigUInt64LE(0))
    sum.high = BigInt.asUintN(64, sum.high + digest.readBigUInt64LE(8))
    this.#byKind.set(row.row, sum)
  }

  of(kind: MovedRow['row']): Sum {
    const { rows, low, high } = this.#byKind.get(kind) ?? { rows: 0, low: 0n, high: 0n }
    const hex = (part: bigint): string => part.toString(16).padStart(16, '0')
    return { rows, checksum: hex(high) + hex(low) }
  }
}

export const KINDS = [
  'home',
  'conversation',
  'device',
  'value',
  'message',
  'claim',
  'push',
  'timer',
  'dead',
] as const satisfies readonly MovedRow['row'][]
