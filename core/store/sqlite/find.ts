// Operation 12, find: the read-only index for traces, statuses, dead letters and the ledger.
import type { ConversationRow, Find, LedgerRow, WorkKind } from '../store.ts'
import { Claims } from './claims.ts'
import { query } from './database.ts'
import { finders } from './find-rows.ts'
import type { Ground } from './ground.ts'
import { customerOf } from '../homes.ts'
import { keyOf, keysOf, nameOf } from './place-key.ts'
import { Rights } from './rights.ts'
import type { RowAnswer } from '../codec/answers.ts'

type ConversationCells = readonly [
  key: string,
  home: string,
  channel: string,
  top: number,
  oldest: number,
  ownerEpoch: number,
  agent: string | null,
  last: string | null,
]

const CONVERSATION = `
  SELECT c.key, c.home_name, c.channel,
    max(c.top, coalesce((SELECT max(n) FROM entry WHERE home = c.home AND stream = c.id), 0)), c.oldest, c.epoch, c.agent,
    coalesce((SELECT json_extract(l.body, '$.receivedAt') FROM entry e JOIN log l ON l.id = e.log
              WHERE e.home = c.home AND e.stream = c.id ORDER BY e.n DESC LIMIT 1), c.last) AS active
  FROM place c`
const MOST = 1000

export function findOperation(ground: Ground): (request: Find) => readonly RowAnswer[] {
  const { db, counters, lanes } = ground
  const claims = new Claims(ground)
  const rights = new Rights(ground)
  const rows = finders(ground)
  const sql = {
    key: query<readonly [id: number, message: string, call: number]>(
      db,
      'SELECT id, message, call FROM claim WHERE key = ?',
    ),
    place: query<ConversationCells>(db, `${CONVERSATION} WHERE c.key = ? AND c.kind = 1`),
    customer: query<ConversationCells>(
      db,
      `${CONVERSATION} WHERE c.key > ? AND c.key < ? AND c.kind = 1 AND c.customer IS NULL
       UNION ALL ${CONVERSATION} WHERE c.customer = ? ORDER BY active DESC LIMIT ?`,
    ),
    deadAfter: query<readonly [string]>(db, 'SELECT ref FROM dead WHERE ref > ? ORDER BY ref LIMIT ?'),
    openAfter: query<readonly [number]>(db, 'SELECT id FROM work WHERE id > ? ORDER BY id LIMIT ?'),
    deadLetters: query<readonly [number]>(db, 'SELECT count(*) FROM dead'),
  }

  function byKey(key: string): readonly RowAnswer[] {
    const row = sql.key.get(key)
    if (row === undefined) return []
    const [id, message, call] = row
    const { state, reply, failure } = claims.standing(id, call === 1)
    return [{ row: 'claim', key, id: message, state, reply, failure, handed: rights.handed(id) }]
  }

  function byLane(lane: string, limit: number): readonly RowAnswer[] {
    const kinds: readonly WorkKind[] = ['message', 'push', 'claim', 'timer']
    const items = kinds.flatMap((kind) => lanes[kind].items(lane))
    return items.slice(0, capped(limit)).flatMap((item) => rows.work(item.id))
  }

  function ledger(): LedgerRow {
    const { accepted, settled, expired, dead, inDoubt } = counters
    const deadLetters = sql.deadLetters.get()?.[0] ?? 0
    return {
      row: 'ledger',
      accepted,
      settled,
      expired,
      dead,
      // What is in the lanes, counted on its own and not worked out of the others.
      waiting: lanes.message.open,
      deadLetters,
      inDoubt,
    }
  }

  return (request) => {
    switch (request.by) {
      case 'id':
        return rows.everythingOf(request.id)
      case 'key':
        return byKey(request.key)
      case 'conversation':
        return sql.place.all(keyOf(request.conversation)).map(conversationRow)
      case 'customer':
        return sql.customer
          .all(...keysOf(request.customer), request.customer, capped(request.limit))
          .map(conversationRow)
      case 'dead':
        return sql.deadAfter
          .all(request.after ?? '', capped(request.limit))
          .flatMap(([ref]) => rows.dead(ref, request.brief))
      case 'open': {
        const after = request.after === undefined ? 0 : rows.numberOf(request.after)
        return sql.openAfter.all(after, capped(request.limit)).flatMap(([id]) => rows.work(id))
      }
      case 'lane':
        return byLane(request.lane, request.limit)
      case 'ledger':
        return [ledger()]
    }
  }
}

function conversationRow(cells: ConversationCells): ConversationRow {
  const [key, home, channel, top, oldest, ownerEpoch, agent, last] = cells
  return {
    row: 'conversation',
    conversation: nameOf(key),
    home,
    customer: customerOf(home),
    channel,
    top,
    oldest,
    ownerEpoch,
    ...(agent !== null && { agent }),
    lastAt: last ?? '',
  }
}

function capped(limit: number): number {
  return Math.max(0, Math.min(Math.floor(limit), MOST))
}
