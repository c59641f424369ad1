// The rows of open work: opening one, and the moves of its attempt.
import type { Raw, WorkKind } from '../store.ts'
import { ATTEMPTS_KEPT } from '../figures.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import { IN_FLIGHT, WAITING } from './lanes.ts'
import type { State } from './lanes.ts'

export interface NewWork {
  readonly id: number
  readonly kind: WorkKind
  readonly lane: string
  readonly priority: number
  readonly due: number
  /** Counter of the lease attempt 1 begins under, in the step that opens the row; 0: it waits. */
  readonly begunUnder: number
  readonly waitUntil: number | null
  readonly raw: Raw | null
}

export interface Begun {
  readonly attempt: number
  readonly unended: number
  readonly first: number
  readonly attempts: string | null
  readonly raw: Raw | null
  /** Its caller's time is not over. */
  readonly awaited: boolean
}

type BegunRow = readonly [
  attempt: number,
  unended: number,
  first: number,
  attempts: string | null,
  mediaType: string | null,
  raw: Uint8Array | null,
  waitUntil: number | null,
]

export class WorkRows {
  readonly #ground: Ground
  readonly #sql

  constructor(ground: Ground) {
    this.#ground = ground
    const { db } = ground
    this.#sql = {
      open: query(db, 'INSERT INTO work VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?)'),
      // SEMANTICS 19: under another fence goes on what was held when it was last begun or due, not what has passed since.
      begin: query<BegunRow>(
        db,
        `UPDATE work SET state = 1, attempt = attempt + 1, unended = unended + 1, fence = ?1,
           first = CASE fence WHEN ?1 THEN coalesce(first, ?2) ELSE ?2 - max(0, due - coalesce(first, due)) END,
           due = ?2, began = ?3
         WHERE id = ?4 RETURNING attempt, unended, first, attempts, media_type, raw, wait_until`,
      ),
      lost: query<readonly [attempt: number, began: number, attempts: string | null]>(
        db,
        'SELECT attempt, began, attempts FROM work WHERE id = ?',
      ),
      note: query(db, 'UPDATE work SET attempts = ? WHERE id = ?'),
      move: query(db, 'UPDATE work SET state = ?, due = ? WHERE id = ?'),
      waitLonger: query(db, 'UPDATE work SET wait_until = ?1 WHERE id = ?2 AND coalesce(wait_until, 0) < ?1'),
      end: query(db, 'DELETE FROM work WHERE id = ?'),
      retry: query(
        db,
        'UPDATE work SET state = 0, due = ?, unended = max(0, unended - 1), attempts = ? WHERE id = ?',
      ),
    }
  }

  /** Rows only; the lane in memory follows with `show`, after the operation's last statement. */
  open({ id, kind, lane, priority, due, begunUnder, waitUntil, raw }: NewWork): void {
    const begun = begunUnder === 0 ? 0 : 1
    const { clock } = this.#ground
    this.#sql.open.run(
      id,
      kind,
      lane,
      priority,
      due,
      begun,
      begun,
      begun,
      begunUnder,
      begun === 1 ? clock.now : null,
      begun === 1 ? clock.wall : null,
      waitUntil,
      raw?.mediaType ?? null,
      raw?.bytes ?? null,
    )
  }

  show({ id, kind, lane, priority, due, begunUnder }: NewWork): void {
    const state: State = begunUnder === 0 ? WAITING : IN_FLIGHT
    this.#ground.lanes[kind].add(
      { id, lane, priority, due, state, fence: begunUnder },
      this.#ground.clock.now,
    )
  }

  /** Raises the attempt durably before any outward call (SEMANTICS 16). */
  begin(id: number, fence: number): Begun | undefined {
    const { clock, flights } = this.#ground
    flights.touched(id)
    const row = this.#sql.begin.get(fence, clock.now, clock.wall, id)
    if (row === undefined) return undefined
    const [attempt, unended, first, attempts, mediaType, bytes, waitUntil] = row
    const raw = mediaType === null || bytes === null ? null : { mediaType, bytes }
    return { attempt, unended, first, attempts, raw, awaited: waitUntil !== null && waitUntil > clock.now }
  }

  /** Notes an attempt that began and whose end nobody saw, so that trace and dead letter show it. All attempts, with that one. */
  noteLost(id: number): string | null {
    this.#ground.flights.touched(id)
    const row = this.#sql.lost.get(id)
    if (row === undefined) return null
    const [attempt, began, attempts] = row
    const failure = { code: 'OUTCOME_UNKNOWN', message: 'begun, and its owner was gone before it ended' }
    const lost = { attempt, target: '', startedAt: new Date(began).toISOString(), durationMs: 0, failure }
    const noted = withAttempt(attempts, JSON.stringify(lost))
    this.#sql.note.run(noted, id)
    return noted
  }

  /** Ends the flight only. The attempt ended, so it counts no longer towards poison. */
  retry(id: number, due: number, attempts: string | null): void {
    this.#ground.flights.touched(id)
    this.#sql.retry.run(due, attempts, id)
  }

  move(id: number, state: State, due: number): void {
    this.#ground.flights.touched(id)
    this.#sql.move.run(state, due, id)
  }

  /** Somebody waits for its end until then, if not longer already. */
  waitLonger(id: number, until: number): void {
    this.#ground.flights.touched(id)
    this.#sql.waitLonger.run(until, id)
  }

  end(id: number): void {
    this.#ground.flights.touched(id)
    this.#sql.end.run(id)
  }
}

/** Appends to the JSON array of attempts one, or more with commas between. A row that is retried for days keeps the last ones. */
export function withAttempt(attempts: string | null, attempt: string | null): string | null {
  if (attempt === null) return attempts
  if (attempts === null) return `[${attempt}]`
  const longer = `${attempts.slice(0, -1)},${attempt}]`
  if (longer.length < ATTEMPTS_KEPT * 64) return longer
  const all = JSON.parse(longer) as unknown[] // an array: every text made here is
  return all.length <= ATTEMPTS_KEPT ? longer : JSON.stringify(all.slice(-ATTEMPTS_KEPT))
}
