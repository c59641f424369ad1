// The two ends of a migration: one that is read and one that is written, and the mark each carries so that no gateway uses it meanwhile.
import { GatewayError } from '../../api.ts'
import type { Json } from '../../api.ts'
import type { MovedRow, MovedTotals, Phase } from './rows.ts'

/**
 * What is written on both sides before the first row is copied. `source`: it is being moved away, `target`: it is being filled,
 * `moved`: it is elsewhere now.
 */
export interface Mark {
  readonly state: 'source' | 'target' | 'moved'
  /** Of this migration: only the same one goes on with what is there. */
  readonly id: string
  /** The other side, without its password. */
  readonly other: string
  /** RFC 3339. */
  readonly since: string
  /** What both sides are known by when it is done (SEMANTICS 12). */
  readonly incarnation: string
}

/** How far a migration has come: everything up to here is in the target, durably. */
export interface Position {
  readonly phase: Phase
  /** In the source's words; null: the phase begins. */
  readonly cursor: Json
  /** Rows in the target. */
  readonly done: number
}

export interface Sourced {
  readonly row: MovedRow
  /** The place behind it, for a position. */
  readonly cursor: () => Json
}

/** A text that a target may not hold, as an operator knows it: `message "m1"`. */
export interface Large {
  readonly name: string
  readonly bytes: number
}

/** A folder is held while it is open. On Redis nothing is: who uses it is asked for, and a mark that another command has set is seen. */
export interface Source extends AsyncDisposable {
  /** As an operator knows it, without a password. */
  readonly name: string
  /** Who uses it, in words; undefined: nobody does. */
  users(): Promise<string | undefined>
  mark(): Promise<Mark | undefined>
  /** In the place of `before`. Rejects with `STORE_UNAVAILABLE` where another one, or none, stands there now. */
  setMark(mark: Mark, before: Mark | undefined): Promise<void>
  /** Lifts this one. On Redis another one stays, and rejects with `STORE_UNAVAILABLE`. */
  dropMark(mark: Mark): Promise<void>
  totals(): Promise<MovedTotals>
  /** About how many rows there are. */
  size(): Promise<number>
  /** Rows with a text of more bytes than that. */
  larger(bytes: number): Promise<readonly Large[]>
  /** `merged`: messages of all partitions in the order of their age; else partition by partition. */
  rows(phase: Phase, cursor: Json, options: { readonly merged: boolean }): AsyncIterable<Sourced>
}

export interface Target extends Source {
  /** The longest text it keeps. */
  readonly textBytes: number
  /** Whether nothing of a store is in it. */
  isEmpty(): Promise<boolean>
  /** Makes it ready for the first row. Called again by who goes on. */
  begin(mark: Mark, totals: MovedTotals): Promise<void>
  /** Undefined: no row is in it. */
  position(): Promise<Position | undefined>
  /** Each row once, also when the same ones come again; durable when it resolves. */
  write(rows: readonly MovedRow[], position: Position): Promise<void>
  /** Writes the totals: it is complete, and marked still. */
  seal(totals: MovedTotals): Promise<void>
  /** Lifts the mark: a gateway may use it. */
  release(): Promise<void>
}

/** Why a gateway does not start on what carries this mark. */
export function refusalOf(mark: Mark, what: string): GatewayError {
  const { state, other, since } = mark
  const why = {
    source: `${what} is being moved to ${other} since ${since}: run the same \`dragoman migrate\` again to finish, or \`dragoman start --use-moved-store\` to give that up`,
    target: `${what} holds an unfinished migration from ${other}: run the same \`dragoman migrate\` again to finish it`,
    moved: `${what} was moved to ${other} at ${since}: start with that one. To go on with what is here all the same, without anything stored there since, \`dragoman start --use-moved-store\``,
  }[state]
  return new GatewayError('STORE_UNAVAILABLE', why, { notExecuted: true })
}

/** Undefined for a text that is no mark. */
export function markOf(text: string): Mark | undefined {
  try {
    const mark = JSON.parse(text) as Mark // written by setMark; what else stands there has no state
    return ['source', 'target', 'moved'].includes(mark.state) ? mark : undefined
  } catch {
    return undefined // cut short by a power loss: setMark writes it anew before it is relied on
  }
}
