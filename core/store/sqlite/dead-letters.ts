// Dead letters: the message, its raw bytes and every attempt, kept until an operator drops or replays them.
import type { WorkKind } from '../store.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'

export interface NewDeadLetter {
  readonly ref: string
  /** The row of work it is, still open: its raw bytes come along. */
  readonly id: number
  readonly kind: WorkKind
  readonly home: string
  readonly failure: string
  readonly attempts: string | null
}

export class DeadLetters {
  readonly #clock
  readonly #sql

  constructor({ db, clock }: Ground) {
    this.#clock = clock
    // A copy of the body, so that the conversation's log can be cut while the dead letter stays.
    const bury = (sequence: string, body: string, from: string, push = 'NULL, NULL') =>
      query(
        db,
        `INSERT OR IGNORE INTO dead SELECT ?2, ?3, ${sequence}, ${body}, ?4, ?5, w.media_type, w.raw, w.kind, ?6, ${push}
         FROM work w ${from} WHERE w.id = ?1`,
      )
    this.#sql = {
      bury: {
        message: bury('l.sequence', 'l.body', 'JOIN log l ON l.id = w.id'),
        claim: bury('0', 'b.body', 'JOIN begun b ON b.id = w.id'),
        push: bury(
          'l.sequence',
          'l.body',
          'JOIN push p ON p.id = w.id JOIN log l ON l.id = p.log',
          'p.part, p.channel',
        ),
        timer: bury('l.sequence', 'l.body', 'JOIN timer t ON t.id = w.id JOIN log l ON l.id = t.log'),
      },
      has: query(db, 'SELECT 1 FROM dead WHERE ref = ?'),
      drop: query(db, 'DELETE FROM dead WHERE ref = ?'),
    }
  }

  /** Before the work ends. */
  bury({ ref, id, kind, home, failure, attempts }: NewDeadLetter): void {
    this.#sql.bury[kind].run(id, ref, this.#clock.wall, failure, attempts, home)
  }

  has(ref: string): boolean {
    return this.#sql.has.get(ref) !== undefined
  }

  /** False: there is none of that name. */
  drop(ref: string): boolean {
    return this.#sql.drop.run(ref).changes > 0
  }
}
