// The one row that every group writes: ids, fences, the ledger and the clock, changed in memory and written before the commit.
import type { DatabaseSync } from 'node:sqlite'
import { query } from './database.ts'
import type { Query } from './database.ts'
import type { SavedClock, StoreClock } from './clock.ts'

type MetaRow = readonly [
  incarnation: string,
  next: number,
  counter: number,
  storeMs: number,
  wallMs: number,
  accepted: number,
  settled: number,
  expired: number,
  dead: number,
  inDoubt: number,
]

export class Counters {
  readonly incarnation: string
  readonly saved: SavedClock
  accepted: number
  settled: number
  expired: number
  dead: number
  inDoubt: number
  #next: number
  #counter: number
  readonly #write: Query

  /** Undefined: the file is new and has no row yet. */
  static read(db: DatabaseSync): Counters | undefined {
    const row = query<MetaRow>(
      db,
      'SELECT incarnation, next, counter, store_ms, wall_ms, accepted, settled, expired, dead, in_doubt FROM meta',
    ).get()
    return row === undefined ? undefined : new Counters(db, row)
  }

  static create(db: DatabaseSync, incarnation: string, clock: SavedClock): Counters {
    query(db, 'INSERT INTO meta VALUES (1, ?, 1, 0, ?, ?, 0, 0, 0, 0, 0)').run(
      incarnation,
      clock.storeMs,
      clock.wallMs,
    )
    return new Counters(db, [incarnation, 1, 0, clock.storeMs, clock.wallMs, 0, 0, 0, 0, 0])
  }

  private constructor(db: DatabaseSync, row: MetaRow) {
    this.incarnation = row[0]
    this.#next = row[1]
    this.#counter = row[2]
    this.saved = { storeMs: row[3], wallMs: row[4] }
    this.accepted = row[5]
    this.settled = row[6]
    this.expired = row[7]
    this.dead = row[8]
    this.inDoubt = row[9]
    this.#write = query(
      db,
      'UPDATE meta SET next = ?, counter = ?, store_ms = ?, wall_ms = ?, accepted = ?, settled = ?, expired = ?, dead = ?, in_doubt = ?',
    )
  }

  get next(): number {
    return this.#next
  }

  /** The id of the next row. */
  newId(): number {
    return this.#next++
  }

  /** A fence's counter or a value's version: never the same twice in a store's life. */
  newCounter(): number {
    return ++this.#counter
  }

  /** After a group that failed: what it had given out stays used, lest a lease of it meets its own number again. */
  notBelow(other: Counters): void {
    this.#counter = Math.max(this.#counter, other.#counter)
  }

  write(clock: StoreClock): void {
    this.#write.run(
      this.#next,
      this.#counter,
      clock.now,
      clock.wall,
      this.accepted,
      this.settled,
      this.expired,
      this.dead,
      this.inDoubt,
    )
  }
}
