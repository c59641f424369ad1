// The return right of a reply (SEMANTICS 5), and operation 5, handOver: a waiter and a push never both answer.
import type { HandOver } from '../store.ts'
import { HANDED_MS } from '../figures.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import { HANDED, WAITING } from './lanes.ts'
import type { State } from './lanes.ts'
import { Outcomes } from './outcomes.ts'
import { WorkRows } from './work.ts'

interface Push {
  readonly id: number
  readonly holder: string | null
  readonly isFlushed: boolean
  /** Undefined: it has ended. */
  readonly state: State | undefined
  readonly attempt: number
  readonly lane: string
}

type PushRow = readonly [
  id: number,
  holder: string | null,
  flushed: number,
  state: State | null,
  attempt: number | null,
  lane: string | null,
]

export class Rights {
  readonly #sql

  constructor({ db }: Ground) {
    this.#sql = {
      pushes: query<PushRow>(
        db,
        `SELECT p.id, p.holder, p.flushed, w.state, w.attempt, w.lane
         FROM push p LEFT JOIN work w ON w.id = p.id WHERE p.origin = ? ORDER BY p.id`,
      ),
    }
  }

  /** The pushes a message's replies owe or owed. */
  pushes(origin: number): readonly Push[] {
    return this.#sql.pushes.all(origin).map(([id, holder, flushed, state, attempt, lane]) => ({
      id,
      holder,
      isFlushed: flushed === 1,
      state: state ?? undefined,
      attempt: attempt ?? 0,
      lane: lane ?? '',
    }))
  }

  /** A push has begun or a waiter holds the right. A flushed reply may be given to a duplicate once more. */
  isGone(origin: number): boolean {
    return this.pushes(origin).some((push) => isBegun(push) || push.state === HANDED)
  }

  /** How a claim's row shows it. */
  handed(origin: number): 'taken' | 'flushed' | null {
    const pushes = this.pushes(origin)
    if (pushes.some((push) => push.isFlushed)) return 'flushed'
    return pushes.some((push) => push.state === HANDED) ? 'taken' : null
  }
}

export function handOverOperation(ground: Ground): (request: HandOver) => 'ok' | 'pushed' | 'other' {
  const { db, clock, lanes } = ground
  const rights = new Rights(ground)
  const rows = new WorkRows(ground)
  const outcomes = new Outcomes(ground)
  const sql = {
    log: query<readonly [id: number, isOpen: number]>(
      db,
      'SELECT id, EXISTS (SELECT 1 FROM work WHERE id = log.id) FROM log WHERE message = ?',
    ),
    hold: query(db, 'UPDATE push SET holder = ? WHERE id = ?'),
    flush: query(db, 'UPDATE push SET flushed = 1 WHERE id = ?'),
  }

  function take(pushes: readonly Push[], by: string): 'ok' | 'pushed' | 'other' {
    if (pushes.some(isBegun)) return 'pushed'
    // Not reported in time is in doubt, and no longer anybody's to take: the push's lane decides it (SEMANTICS 6).
    if (pushes.some((push) => push.state === HANDED && push.holder !== by)) return 'other'
    const waiting = pushes.filter((push) => push.state === WAITING)
    if (waiting.some((push) => isBehind(push, pushes))) {
      moveAll(waiting, WAITING, clock.now)
      return 'pushed'
    }
    for (const push of waiting) sql.hold.run(by, push.id)
    moveAll(waiting, HANDED, clock.now + HANDED_MS)
    return 'ok'
  }

  /** An answer that was appended before it has not gone out yet. */
  function isBehind({ lane }: Push, own: readonly Push[]): boolean {
    const head = lanes.push.items(lane)[0]
    return head !== undefined && own.every((push) => push.id !== head.id)
  }

  function moveAll(pushes: readonly Push[], state: State, due: number): void {
    for (const push of pushes) rows.move(push.id, state, due)
    for (const push of pushes) lanes.push.change(push.lane, push.id, { state, due, fence: 0, now: clock.now })
  }

  function flush(pushes: readonly Push[], by: string): 'ok' | 'pushed' | 'other' {
    if (pushes.some(isBegun)) return 'pushed'
    const held = pushes.filter((push) => push.state === HANDED)
    if (held.some((push) => push.holder !== by) || pushes.some((push) => push.state === WAITING))
      return 'other'
    for (const push of held) {
      sql.flush.run(push.id)
      rows.end(push.id)
      outcomes.store({ id: push.id, outcome: 'answered' })
    }
    for (const push of held) lanes.push.remove(push.lane, push.id, clock.now)
    return 'ok'
  }

  function giveBack(pushes: readonly Push[], by: string): 'ok' | 'pushed' | 'other' {
    if (pushes.some(isBegun)) return 'pushed'
    const held = pushes.filter((push) => push.state === HANDED)
    if (held.some((push) => push.holder !== by)) return 'other'
    for (const push of held) sql.hold.run(null, push.id)
    moveAll(held, WAITING, clock.now)
    return 'ok'
  }

  return ({ replyId, by, to }) => {
    const row = sql.log.get(replyId)
    if (row === undefined) return 'ok' // a request: it is in no log and nothing is pushed
    const [origin, isOpen] = row
    if (isOpen === 1) return 'other'
    const pushes = rights.pushes(origin)
    switch (to) {
      case 'taken':
        return take(pushes, by)
      case 'flushed':
        return flush(pushes, by)
      case 'back':
        return giveBack(pushes, by)
    }
  }
}

function isBegun({ state, isFlushed, attempt }: Push): boolean {
  return (state === undefined && !isFlushed) || attempt > 0
}
