// The embedded store as the source of a migration: its rows in neutral words, in the order of their ids.
import type { DatabaseSync } from 'node:sqlite'
import { LRUCache } from 'lru-cache'
import type { Json } from '../../api.ts'
import { homeOfKey } from '../homes.ts'
import { query } from '../sqlite/database.ts'
import { keyOf, nameOf } from '../sqlite/place-key.ts'
import type { Outcome, WorkKind } from '../store.ts'
import type { Sourced } from './ends.ts'
import type { MovedRow, MovedState, Phase } from './rows.ts'

const STATES = ['waiting', 'flight', 'handed'] as const
const HOMES_KNOWN = 20_000
const WORK = `w.lane, w.priority, w.due, w.state, w.attempt, w.unended, w.fence, w.first, w.began, w.wait_until, w.attempts,
  w.media_type, w.raw`
const END = `o.outcome, o.not_owner, o.at, o.clock, o.attempt, o.replies, o.wait_until, o.reply, o.failure, o.attempts`
const STATE_JOINS = (id: string) => `LEFT JOIN work w ON w.id = ${id} LEFT JOIN outcome o ON o.id = ${id}`

type StateCells = readonly [
  lane: string | null,
  priority: number,
  due: number,
  state: number,
  attempt: number,
  unended: number,
  fence: number,
  first: number | null,
  began: number | null,
  waitUntil: number | null,
  attempts: string | null,
  mediaType: string | null,
  raw: Uint8Array | null,
  outcome: Outcome | null,
  notOwner: number,
  at: number,
  clock: number,
  endAttempt: number,
  replies: string | null,
  endWaitUntil: number | null,
  reply: string | null,
  failure: string | null,
  endAttempts: string | null,
]

/** Reads everything of one phase behind the cursor. Nothing else may write the file meanwhile. */
export function sqliteRows(db: DatabaseSync): (phase: Phase, cursor: Json) => Generator<Sourced> {
  const meta = query<readonly [storeMs: number, wallMs: number]>(db, 'SELECT store_ms, wall_ms FROM meta')
  const [storeMs = 0, wallMs = 0] = meta.get() ?? []
  /** From the store's clock to the wall clock as of its last write. */
  const shift = wallMs - storeMs
  const moment = <T extends number | null>(at: T): T => (at === null ? at : at + shift) as T // a number stays one
  const oldestOf = inboxes(db)

  function stateOf(cells: StateCells, hasOwnLane: boolean): MovedState {
    const [lane, priority, due, state, attempt, unended, fence, first, began, waitUntil, attempts] = cells
    const [, , , , , , , , , , , mediaType, raw, outcome, notOwner, at, clock, endAttempt] = cells
    const [replies, endWaitUntil, reply, failure, endAttempts] = cells.slice(18) as unknown as readonly [
      string | null,
      number | null,
      string | null,
      string | null,
      string | null,
    ] // the last five of StateCells
    const work =
      lane === null
        ? null
        : {
            lane: hasOwnLane ? null : lane,
            priority,
            due: moment(due),
            state: STATES[state] ?? 'flight',
            attempt,
            unended,
            fence: state === 1 ? fence : 0,
            first: moment(first),
            began,
            waitUntil: moment(waitUntil),
            attempts,
            mediaType: raw === null ? null : mediaType,
            raw: mediaType === null ? null : raw,
          }
    const end =
      outcome === null
        ? null
        : {
            outcome,
            isNote: notOwner === 1,
            at,
            clock: moment(clock),
            attempt: endAttempt,
            replies: replies === null ? [] : (JSON.parse(replies) as string[]), // replyIds wrote it
            waitUntil: moment(endWaitUntil),
            reply,
            failure,
            attempts: endAttempts,
          }
    return { work, end }
  }

  function* places(cursor: Json): Generator<Sourced> {
    type Cells = readonly [
      key: string,
      kind: number,
      id: number,
      epoch: number,
      top: number,
      oldest: number,
      home: string | null,
      channel: string | null,
      agent: string | null,
      ticket: string | null,
      last: string | null,
    ]
    const rows = query<Cells>(
      db,
      `SELECT key, kind, id, epoch, max(top, coalesce((SELECT max(n) FROM entry e WHERE e.home = CASE p.kind WHEN 0 THEN p.id ELSE p.home END
         AND e.stream = CASE p.kind WHEN 0 THEN 0 ELSE p.id END), 0)), oldest, home_name, channel, agent, ticket,
         CASE p.kind WHEN 1 THEN coalesce((SELECT json_extract(l.body, '$.receivedAt') FROM entry e JOIN log l ON l.id = e.log
           WHERE e.home = p.home AND e.stream = p.id ORDER BY e.n DESC LIMIT 1), last) END
       FROM place p WHERE (key, kind) > (?, ?) ORDER BY key, kind`,
    )
    const devices = query<
      readonly [device: string, boot: string, last: number, cursor: number, used: number]
    >(db, 'SELECT device, boot, last, cursor, used FROM device WHERE home = ? ORDER BY device, boot')
    const refusals = query<readonly [n: number, id: string, code: string]>(
      db,
      'SELECT n, id, code FROM refusal WHERE home = ? AND device = ? AND boot = ? ORDER BY n',
    )
    const [afterKey, afterKind] = Array.isArray(cursor) ? cursor : ['', -1]
    for (const cells of rows.iterate(String(afterKey), Number(afterKind))) {
      const [key, kind, id, epoch, top, oldest, home, channel, agent, ticket, last] = cells
      const name = nameOf(key)
      const behind = (): Json => [key, kind]
      if (kind === 1) {
        const heads = { epoch, top, oldest, agent, ticket, last }
        const row = {
          row: 'conversation',
          home: home ?? '',
          conversation: name,
          channel: channel ?? '',
        } as const
        yield { row: { ...row, ...heads }, cursor: behind }
        continue
      }
      // The devices first: the place behind the home is the place behind them all.
      for (const [device, boot, number, read, used] of devices.all(id)) {
        const refused = refusals.all(id, device, boot)
        const row = { row: 'device', home: name, device, boot, last: number, cursor: read, refused } as const
        yield { row: { ...row, used: moment(used) }, cursor: () => cursor }
      }
      yield { row: { row: 'home', home: name, epoch, top, oldest }, cursor: behind }
      cursor = behind()
    }
  }

  function* values(cursor: Json): Generator<Sourced> {
    type Cells = readonly [key: string, value: string, version: number, expires: number | null]
    const rows = query<Cells>(
      db,
      'SELECT key, value, version, expires FROM value WHERE ?1 IS NULL OR key > ?1 ORDER BY key',
    )
    for (const [key, value, version, expires] of rows.iterate(textOf(cursor)))
      yield { row: { row: 'value', key, value, version, expires: moment(expires) }, cursor: () => key }
  }

  function* messages(cursor: Json): Generator<Sourced> {
    type Cells = readonly [
      id: number,
      message: string,
      conversation: string,
      sequence: number,
      offset: number | null,
      at: number,
      body: string,
      home: string,
      ...StateCells,
    ]
    const rows = query<Cells>(
      db,
      `SELECT l.id, l.message, l.conversation, l.sequence, l.offset, l.at, l.body, c.home_name, ${WORK}, ${END}
       FROM log l JOIN place c ON c.key = l.conversation AND c.kind = 1 ${STATE_JOINS('l.id')} WHERE l.id > ? ORDER BY l.id`,
    )
    const caused = query<readonly [string]>(db, 'SELECT message FROM log WHERE cause = ? ORDER BY id')
    for (const cells of rows.iterate(numberOf(cursor))) {
      const [number, id, conversation, sequence, entered, at, body, home, ...state] = cells
      const offset = entered ?? 0
      const row = {
        row: 'message',
        home,
        id,
        number,
        conversation: nameOf(conversation),
        sequence,
        offset,
      } as const
      const isEntered = offset > 0 && offset >= oldestOf(home)
      const effects = caused.all(number).map(([message]) => message)
      yield {
        row: { ...row, isEntered, at: moment(at), body, caused: effects, ...stateOf(state, false) },
        cursor: () => number,
      }
    }
  }

  function* claims(cursor: Json): Generator<Sourced> {
    type Cells = readonly [
      id: number,
      key: string,
      fingerprint: string,
      message: string,
      call: number,
      conversation: string | null,
      sequence: number,
      expires: number,
      logged: number | null,
      body: string | null,
      begunBy: string | null,
      ...StateCells,
    ]
    const rows = query<Cells>(
      db,
      `SELECT c.id, c.key, c.fingerprint, c.message, c.call, c.conversation, c.sequence, c.expires, l.id, b.body, b.home, ${WORK}, ${END}
       FROM claim c LEFT JOIN log l ON l.id = c.id LEFT JOIN begun b ON b.id = c.id ${STATE_JOINS('c.id')}
       WHERE c.id > ? ORDER BY c.id`,
    )
    const homeOf = query<readonly [string]>(db, 'SELECT home_name FROM place WHERE key = ? AND kind = 1')
    for (const cells of rows.iterate(numberOf(cursor))) {
      const [number, key, fingerprint, id, call, named, sequence, expires, logged, body, begunBy, ...state] =
        cells
      const isCall = call === 1
      const conversation = named ?? ''
      const ofPlace = conversation === '' ? undefined : homeOf.get(keyOf(conversation))?.[0]
      const home = begunBy ?? ofPlace ?? homeOfKey(key)
      const own = logged === null || isCall ? { body, ...stateOf(state, true) } : null
      const row = {
        row: 'claim',
        home,
        key,
        number,
        id,
        isCall,
        fingerprint,
        conversation,
        sequence,
      } as const
      yield { row: { ...row, expires: moment(expires), own }, cursor: () => number }
    }
  }

  /** Pushes and timers, as they came. What neither a message nor a claim knows any more is left behind. */
  function* owed(cursor: Json): Generator<Sourced> {
    type Cells = readonly [
      id: number,
      ref: string,
      reply: string | null,
      origin: string | null,
      isPush: number,
      part: number,
      target: string,
      holder: string | null,
      flushed: number,
      conversation: string | null,
      ...StateCells,
    ]
    const origin = (id: string) =>
      `coalesce((SELECT message FROM log WHERE id = ${id}), (SELECT message FROM claim WHERE id = ${id}))`
    const where = (first: string, second: string) =>
      `coalesce((SELECT conversation FROM log WHERE id = ${first}), (SELECT conversation FROM log WHERE id = ${second}))`
    const pushes = query<Cells>(
      db,
      `SELECT p.id, p.key, (SELECT message FROM log WHERE id = p.log), ${origin('p.origin')}, 1, p.part, p.channel, p.holder, p.flushed,
         ${where('p.log', 'p.origin')}, ${WORK}, ${END} FROM push p ${STATE_JOINS('p.id')} WHERE p.id > ? ORDER BY p.id`,
    )
    const timers = query<Cells>(
      db,
      `SELECT t.id, t.ref, NULL, ${origin('t.log')}, 0, 0, t.target, NULL, 0, ${where('t.log', 't.log')}, ${WORK}, ${END}
       FROM timer t ${STATE_JOINS('t.id')} WHERE t.id > ? ORDER BY t.id`,
    )
    const homeOf = query<readonly [string]>(db, 'SELECT home_name FROM place WHERE key = ? AND kind = 1')
    const claimed = query<readonly [string, string | null]>(
      db,
      'SELECT key, conversation FROM claim WHERE message = ?',
    )
    const [kind, from] = Array.isArray(cursor) ? cursor : ['push', 0]
    function* both(): Generator<Cells> {
      if (kind === 'push') yield* pushes.iterate(Number(from))
      yield* timers.iterate(kind === 'timer' ? Number(from) : 0)
    }
    for (const cells of both()) {
      const [number, ref, reply, of, isPush, part, target, holder, flushed, logged, ...state] = cells
      if (reply === null && of === null) continue
      const [key, named] = (of === null ? undefined : claimed.get(of)) ?? []
      const place = logged ?? (named === undefined || named === null ? undefined : keyOf(named))
      const home = (place === undefined ? undefined : homeOf.get(place)?.[0]) ?? homeOfKey(key ?? '') ?? ''
      const conversation = place === undefined ? '' : nameOf(place)
      const common = { home, conversation, number, ...stateOf(state, isPush === 0) }
      const row: MovedRow =
        isPush === 1
          ? {
              row: 'push',
              key: ref,
              reply,
              origin: of,
              part,
              channel: target,
              holder,
              isFlushed: flushed === 1,
              ...common,
            }
          : { row: 'timer', id: ref, origin: of ?? '', target, ...common }
      yield { row, cursor: () => [isPush === 1 ? 'push' : 'timer', number] }
    }
  }

  function* dead(cursor: Json): Generator<Sourced> {
    type Cells = readonly [
      ref: string,
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
    ]
    const rows = query<Cells>(
      db,
      `SELECT ref, at, sequence, body, failure, attempts, media_type, raw, kind, home, part, target
       FROM dead WHERE ?1 IS NULL OR ref > ?1 ORDER BY ref`,
    )
    for (const cells of rows.iterate(textOf(cursor))) {
      const [id, at, sequence, body, failure, attempts, media, bytes, kind, home, part, target] = cells
      const mediaType = bytes === null ? null : media
      const raw = media === null ? null : bytes
      const row = { row: 'dead', home, id, kind, at, sequence, body, failure, attempts } as const
      yield { row: { ...row, mediaType, raw, part, target }, cursor: () => id }
    }
  }

  const all = { places, values, messages, claims, owed, dead } satisfies Record<Phase, unknown>
  return (phase, cursor) => all[phase](cursor)
}

/** From where on a home's inbox has its entries. */
function inboxes(db: DatabaseSync): (home: string) => number {
  const known = new LRUCache<string, number>({ max: HOMES_KNOWN })
  const oldest = query<readonly [number]>(db, 'SELECT oldest FROM place WHERE key = ? AND kind = 0')
  return (home) => {
    const found = known.get(home) ?? oldest.get(keyOf(home))?.[0] ?? 1
    known.set(home, found)
    return found
  }
}

function numberOf(cursor: Json): number {
  return typeof cursor === 'number' ? cursor : 0
}

function textOf(cursor: Json): string | null {
  return typeof cursor === 'string' ? cursor : null
}
