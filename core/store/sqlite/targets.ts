// Which open or ended row an id means, for each kind of work.
import type { WorkKind } from '../store.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import { nameOf } from './place-key.ts'

/** What a settle, a trace or a dead letter is about. */
export interface Target {
  readonly id: number
  /** Its name. Absent: a call that is in no log, or a log row already cut. */
  readonly conversation: string | null
  /** The log row of the message the work is for. */
  readonly origin: number
  readonly open: OpenWork | undefined
  /** The name of its conversation's home, where that is known without a look. */
  readonly home?: string
}

export interface OpenWork {
  readonly lane: string
  readonly attempt: number
  readonly waitUntil: number | null
  readonly attempts: string | null
}

type TargetRow = readonly [
  id: number,
  conversation: string | null,
  origin: number,
  lane: string | null,
  attempt: number | null,
  waitUntil: number | null,
  attempts: string | null,
]

const WORK = 'w.lane, w.attempt, w.wait_until, w.attempts'

export class Targets {
  readonly #flights
  readonly #sql

  constructor({ db, flights }: Ground) {
    this.#flights = flights
    const prepared = (text: string) => query<TargetRow>(db, text)
    this.#sql = {
      message: prepared(
        `SELECT l.id, l.conversation, l.id, ${WORK} FROM log l LEFT JOIN work w ON w.id = l.id WHERE l.message = ?`,
      ),
      push: prepared(
        `SELECT p.id, l.conversation, p.origin, ${WORK} FROM push p LEFT JOIN log l ON l.id = p.log
         LEFT JOIN work w ON w.id = p.id WHERE p.key = ?`,
      ),
      timer: prepared(
        `SELECT t.id, l.conversation, t.log, ${WORK} FROM timer t LEFT JOIN log l ON l.id = t.log
         LEFT JOIN work w ON w.id = t.id WHERE t.ref = ?`,
      ),
      claim: prepared(
        `SELECT c.id, NULL, c.id, ${WORK} FROM claim c LEFT JOIN work w ON w.id = c.id WHERE c.message = ? AND c.call = 1`,
      ),
    }
  }

  find(kind: WorkKind, id: string): Target | undefined {
    const flight = kind === 'message' ? this.#flights.of(id) : undefined
    if (flight !== undefined) return flight
    const row = this.#sql[kind].get(id)
    if (row === undefined) return undefined
    const [number, conversation, origin, lane, attempt, waitUntil, attempts] = row
    const open = lane === null ? undefined : { lane, attempt: attempt ?? 0, waitUntil, attempts }
    return { id: number, conversation: conversation === null ? null : nameOf(conversation), origin, open }
  }
}
