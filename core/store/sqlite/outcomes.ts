// How open work ended: written once by the first settle, and read by every later one.
import type { Outcome } from '../store.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'

export interface StoredOutcome {
  readonly outcome: Outcome
  /** Of an earlier version: its replies were kept as notes, and ended what they were to answer. */
  readonly notOwner: boolean
  readonly attempt: number
  /** The ids of the replies, as a JSON array. */
  readonly replies: string | null
  readonly waitUntil: number | null
  readonly reply: string | null
  readonly failure: string | null
  readonly attempts: string | null
}

export type NewOutcome = Pick<StoredOutcome, 'outcome'> & Partial<StoredOutcome> & { readonly id: number }

type OutcomeRow = readonly [
  outcome: Outcome,
  notOwner: number,
  attempt: number,
  replies: string | null,
  waitUntil: number | null,
  reply: string | null,
  failure: string | null,
  attempts: string | null,
]

export class Outcomes {
  readonly #ground: Ground
  readonly #sql

  constructor(ground: Ground) {
    this.#ground = ground
    const { db } = ground
    this.#sql = {
      store: query(db, 'INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
      get: query<OutcomeRow>(
        db,
        'SELECT outcome, not_owner, attempt, replies, wait_until, reply, failure, attempts FROM outcome WHERE id = ?',
      ),
      drop: query(db, 'DELETE FROM outcome WHERE id = ?'),
      answerLater: query(
        db,
        `UPDATE outcome SET outcome = ?, reply = ?, failure = ? WHERE id = ? AND outcome = 'taken'`,
      ),
    }
  }

  get(id: number): StoredOutcome | undefined {
    const row = this.#sql.get.get(id)
    if (row === undefined) return undefined
    const [outcome, notOwner, attempt, replies, waitUntil, reply, failure, attempts] = row
    return { outcome, notOwner: notOwner === 1, attempt, replies, waitUntil, reply, failure, attempts }
  }

  store(stored: NewOutcome): void {
    const { clock } = this.#ground
    this.#sql.store.run(
      stored.id,
      stored.outcome,
      stored.notOwner === true ? 1 : 0,
      clock.wall,
      clock.now,
      stored.attempt ?? 0,
      stored.replies ?? null,
      stored.waitUntil ?? null,
      stored.reply ?? null,
      stored.failure ?? null,
      stored.attempts ?? null,
    )
  }

  /** An unknown one that an operator, or the call's own late end, makes known. */
  replace(stored: NewOutcome): void {
    this.#sql.drop.run(stored.id)
    this.store(stored)
  }

  /** What was only taken has its answer now; a duplicate gets it. False: it was not. */
  answerLater(
    id: number,
    { outcome, reply, failure }: Pick<StoredOutcome, 'outcome' | 'reply' | 'failure'>,
  ): boolean {
    return this.#sql.answerLater.run(outcome, reply, failure, id).changes === 1
  }
}
