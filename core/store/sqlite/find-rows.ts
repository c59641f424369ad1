// The rows of `find`, each by its number or name, and all that belong to one id.
import type { Outcome, WorkKind } from '../store.ts'
import { Claims } from './claims.ts'
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import { HANDED, WAITING } from './lanes.ts'
import type { State } from './lanes.ts'
import { Rights } from './rights.ts'
import { Targets } from './targets.ts'
import type { RowAnswer } from '../codec/answers.ts'

export interface Finders {
  work(id: number): readonly RowAnswer[]
  dead(ref: string, brief?: boolean): readonly RowAnswer[]
  /** The number of a row of any kind; 0 if there is none of that name. */
  numberOf(id: string): number
  /** The message, what it caused, its claim, its work, how that ended, its dead letter. */
  everythingOf(id: string): readonly RowAnswer[]
}

type WorkCells = readonly [
  kind: WorkKind,
  lane: string,
  state: State,
  attempt: number,
  due: number,
  attempts: string | null,
  ref: string,
  home: string,
]
type DeadCells = readonly [
  at: number,
  sequence: number,
  body: string,
  failure: string,
  attempts: string | null,
  mediaType: string | null,
  raw: Uint8Array | null,
  kind: WorkKind,
  home: string,
  part: number | null,
  target: string | null,
  halts: number,
]
type OutcomeCells = readonly [
  outcome: Outcome,
  at: number,
  attempts: string | null,
  reply: string | null,
  failure: string | null,
]
type MessageCells = readonly [id: number, sequence: number, body: string]

const KINDS: readonly WorkKind[] = ['message', 'claim', 'push', 'timer']
const CAUSED = 100

export function finders(ground: Ground): Finders {
  const { db, clock } = ground
  const claims = new Claims(ground)
  const rights = new Rights(ground)
  const targets = new Targets(ground)
  const sql = {
    work: query<WorkCells>(
      db,
      `SELECT kind, lane, state, attempt, due, attempts, coalesce(
         (SELECT message FROM log WHERE id = work.id), (SELECT key FROM push WHERE id = work.id),
         (SELECT ref FROM timer WHERE id = work.id), (SELECT message FROM claim WHERE id = work.id)),
       coalesce(
         (SELECT c.home_name FROM log l JOIN place c ON c.key = l.conversation AND c.kind = 1 WHERE l.id = coalesce(
            (SELECT log FROM push WHERE id = work.id), (SELECT log FROM timer WHERE id = work.id), work.id)),
         (SELECT home FROM begun WHERE id = work.id), '')
       FROM work WHERE id = ?`,
    ),
    dead: query<DeadCells>(
      db,
      `SELECT at, sequence, body, failure, attempts, media_type, CASE WHEN ?2 THEN NULL ELSE raw END, kind, home, part, target,
         EXISTS (SELECT 1 FROM log l JOIN work w ON w.id = l.id WHERE l.message = ?1)
       FROM dead WHERE ref = ?1`,
    ),
    message: query<MessageCells>(db, 'SELECT id, sequence, body FROM log WHERE message = ?'),
    // What its settles said, and what was accepted with it as its cause.
    caused: query<MessageCells>(
      db,
      `SELECT l.id, l.sequence, l.body FROM outcome o, json_each(o.replies) said JOIN log l ON l.message = said.value
       WHERE o.id = ?1 OR o.id IN (SELECT id FROM timer WHERE log = ?1)
       UNION SELECT id, sequence, body FROM log WHERE cause = ?1 ORDER BY 1 LIMIT ${CAUSED}`,
    ),
    claim: query<readonly [key: string, message: string, call: number]>(
      db,
      'SELECT key, message, call FROM claim WHERE id = ?',
    ),
    outcome: query<OutcomeCells>(
      db,
      'SELECT outcome, at, attempts, reply, failure FROM outcome WHERE id = ?',
    ),
    pushes: query<readonly [id: number, key: string]>(
      db,
      `SELECT id, key FROM push WHERE origin = ?1 OR log = ?1 ORDER BY id LIMIT ${CAUSED}`,
    ),
    timers: query<readonly [id: number, ref: string]>(
      db,
      `SELECT id, ref FROM timer WHERE log = ? ORDER BY id LIMIT ${CAUSED}`,
    ),
  }

  function work(id: number): readonly RowAnswer[] {
    const row = sql.work.get(id)
    if (row === undefined) return []
    const [kind, lane, state, attempt, due, attempts, ref, home] = row
    return [
      {
        row: 'work',
        kind,
        id: ref,
        home,
        lane,
        state: state === WAITING ? 'waiting' : state === HANDED ? 'handed' : 'flight',
        attempt,
        dueMs: Math.max(0, due - clock.now),
        attempts,
      },
    ]
  }

  function dead(ref: string, brief = false): readonly RowAnswer[] {
    const row = sql.dead.get(ref, brief ? 1 : 0)
    if (row === undefined) return []
    const [at, sequence, body, failure, attempts, mediaType, bytes, kind, home, part, target, halts] = row
    const raw = mediaType === null || bytes === null ? null : { mediaType, bytes }
    const about = { kind, home, part, target, halts: halts === 1 }
    return [{ row: 'dead', id: ref, at, sequence, body, raw, failure, attempts, ...about }]
  }

  function settled(id: number, ref: string): readonly RowAnswer[] {
    const row = sql.outcome.get(id)
    if (row === undefined) return []
    const [outcome, at, attempts, reply, failure] = row
    return [{ row: 'settled', id: ref, outcome, at, attempts, reply, failure }]
  }

  function claimOf(id: number): readonly RowAnswer[] {
    const row = sql.claim.get(id)
    if (row === undefined) return []
    const [key, message, call] = row
    const { state, reply, failure } = claims.standing(id, call === 1)
    return [{ row: 'claim', key, id: message, state, reply, failure, handed: rights.handed(id) }]
  }

  function numberOf(id: string): number {
    for (const kind of KINDS) {
      const target = targets.find(kind, id)
      if (target !== undefined) return target.id
    }
    return 0
  }

  function everythingOf(ref: string): readonly RowAnswer[] {
    const id = numberOf(ref)
    if (id === 0) return dead(ref)
    const own = sql.message.all(ref)
    const messages = own.length === 0 ? [] : [...own, ...sql.caused.all(id)]
    const owed = own.length === 0 ? [] : [...sql.pushes.all(id), ...sql.timers.all(id)]
    return [
      ...messages.map(([, sequence, body]): RowAnswer => ({ row: 'message', sequence, body })),
      ...claimOf(id),
      ...work(id),
      ...settled(id, ref),
      ...owed.flatMap(([number, name]) => [...work(number), ...settled(number, name), ...dead(name)]),
      ...dead(ref),
    ]
  }

  return { work, dead, numberOf, everythingOf }
}
