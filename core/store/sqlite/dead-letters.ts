// Dead letters: the message, its raw bytes and every attempt, kept until an operator drops or replays them.
import type { WorkKind } from '../store.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'

export interface NewDeadLetter {
  readonly ref: string
  /** The row it was; its raw bytes, if any, stay under this id. */
  readonly id: number
  readonly kind: WorkKind
  readonly failure: string
  readonly attempts: string | null
}

export class DeadLetters {
  readonly #clock
  readonly #sql

  constructor({ db, clock }: Ground) {
    this.#clock = clock
    // A copy of the body, so that the conversation's log can be cut while the dead letter stays.
    const bury = (from: string) =>
      query(db, `INSERT OR IGNORE INTO dead SELECT ?2, ?1, ?3, ${from} WHERE id = ?1`)
    this.#sql = {
      bury: {
        message: bury('sequence, body, ?4, ?5 FROM log'),
        claim: bury('0, body, ?4, ?5 FROM begun'),
        push: query(
          db,
          `INSERT OR IGNORE INTO dead SELECT ?2, ?1, ?3, l.sequence, l.body, ?4, ?5
           FROM push p JOIN log l ON l.id = p.log WHERE p.id = ?1`,
        ),
        timer: query(
          db,
          `INSERT OR IGNORE INTO dead SELECT ?2, ?1, ?3, l.sequence, l.body, ?4, ?5
           FROM timer t JOIN log l ON l.id = t.log WHERE t.id = ?1`,
        ),
      },
      exists: query<readonly [id: number]>(db, 'SELECT id FROM dead WHERE ref = ?'),
      drop: query(db, 'DELETE FROM dead WHERE ref = ?'),
      dropRaw: query(db, 'DELETE FROM raw WHERE id = ?'),
    }
  }

  bury({ ref, id, kind, failure, attempts }: NewDeadLetter): void {
    this.#sql.bury[kind].run(id, ref, this.#clock.wall, failure, attempts)
  }

  /** False: there is none of that name. */
  drop(ref: string): boolean {
    const row = this.#sql.exists.get(ref)
    if (row === undefined) return false
    this.#sql.drop.run(ref)
    this.#sql.dropRaw.run(row[0])
    return true
  }

  has(ref: string): boolean {
    return this.#sql.exists.get(ref) !== undefined
  }
}
