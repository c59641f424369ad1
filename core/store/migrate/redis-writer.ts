// Neutral rows as the commands that put them into partitions on Redis (`import.lua` carries them out).
import { customerOf } from '../homes.ts'
import { deviceName } from '../redis/arguments.ts'
import { partitionOf, registryOf } from '../redis/partitions.ts'
import type { Word } from './redis-client.ts'
import type {
  MovedClaim,
  MovedConversation,
  MovedDead,
  MovedDevice,
  MovedEnd,
  MovedMessage,
  MovedPush,
  MovedRow,
  MovedTimer,
  MovedWork,
} from './rows.ts'

/** A command without the partition's prefix. */
type Write = readonly [name: string, key: string, ...words: Word[]]
type Written = readonly (readonly [partition: number, words: readonly Word[]])[]

const STATES = { waiting: 0, flight: 1, handed: 2 } as const
/** What a message takes beside its text, as `append` counts it (rows.lua). */
const MESSAGE_BYTES = 300

/** What a row is in its partition; a conversation's name may be kept in another one as well. */
export function writesOf(row: MovedRow, partitions: number): Written {
  const at = (home: string): number => partitionOf(home, partitions)
  const always = (partition: number, writes: readonly Write[]): Written => [
    [partition, group('', '', writes)],
  ]
  switch (row.row) {
    case 'home': {
      const { home, epoch, top, oldest } = row
      return always(at(home), [['HSET', `home:${home}`, 'epoch', epoch, 'top', top, 'oldest', oldest]])
    }
    case 'conversation': {
      const { conversation, home } = row
      const own = always(at(home), conversationWrites(row))
      const registry = registryOf(conversation, partitions)
      if (registry === at(home)) return own
      return [...own, ...always(registry, [['HSET', 'bound', conversation, home]])]
    }
    case 'device':
      return always(at(row.home), deviceWrites(row))
    case 'value': {
      const { key, value, version, expires } = row
      const timed: readonly Write[] =
        expires === null
          ? []
          : [
              ['HSET', `value:${key}`, 'x', expires],
              ['ZADD', 'values', expires, key],
            ]
      return always(at(key), [['HSET', `value:${key}`, 'v', value, 'ver', version], ...timed])
    }
    case 'message':
      return [[at(row.home), group(`r:m:${row.id}`, 's', messageWrites(row))]]
    case 'claim':
      return claimWrites(row, at(row.home ?? row.key))
    case 'push':
      return [[at(row.home), group(`r:p:${row.key}`, 'n', pushWrites(row))]]
    case 'timer':
      return [[at(row.home), group(`r:t:${row.id}`, 'n', timerWrites(row))]]
    case 'dead':
      return always(at(row.home), deadWrites(row))
  }
}

/** One row for `import.lua`: nothing of it is done if the field is there already. */
function group(key: string, field: string, writes: readonly Write[]): readonly Word[] {
  return [
    key,
    field,
    writes.length,
    ...writes.flatMap(([name, target, ...words]) => [name, target, words.length, ...words]),
  ]
}

/** Names and values, without those that are not there. */
function cells(values: Readonly<Record<string, Word | null>>): readonly Word[] {
  return Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [name, value]))
}

function conversationWrites(row: MovedConversation): readonly Write[] {
  const { conversation, home, channel, epoch, top, oldest, agent, ticket, last } = row
  const customer = customerOf(home)
  const known = cells({ home, top, oldest, epoch, channel, customer, agent, ticket, last })
  return [
    ['HSET', `conv:${conversation}`, ...known],
    ['SADD', `customer:${customer}`, conversation],
  ]
}

function deviceWrites(row: MovedDevice): readonly Write[] {
  const name = deviceName(row)
  const { last, cursor, used, refused } = row
  return [
    ['HSET', `device:${name}`, 'last', last, 'cursor', cursor, 'used', used],
    ['ZADD', 'devices', used, name],
    ...refused.map(([n, id, code]): Write => ['HSET', `refused:${name}`, n, code, `${n}i`, id]),
  ]
}

function messageWrites(row: MovedMessage): readonly Write[] {
  const { id, number, conversation, home, sequence, offset, isEntered, at, body, caused, work, end } = row
  const key = `r:m:${id}`
  const size = Buffer.byteLength(body) + MESSAGE_BYTES
  const place = { n: number, c: conversation, s: sequence, o: offset, at, z: size }
  const entry: readonly Write[] = isEntered
    ? [['XADD', `inbox:${home}`, `${offset}-0`, 'c', conversation, 's', sequence]]
    : []
  return [
    ['HSET', key, ...cells(place), ...stateCells(work, end, number)],
    ['ZADD', 'rows', number, id],
    ['XADD', `log:${conversation}`, `${sequence}-0`, 'i', id, 'b', body, 'n', '0'],
    ...entry,
    ['HINCRBY', 'meta', 'bytes', size],
    ...caused.map((effect, index): Write => ['ZADD', `caused:${id}`, index + 1, effect]),
    ...lane(`m:${id}`, work),
  ]
}

function claimWrites(row: MovedClaim, partition: number): Written {
  const { key, id, isCall, fingerprint, conversation, sequence, expires, own, home, number } = row
  const ref = `${isCall ? 'c' : 'm'}:${id}`
  const held: readonly Write[] = [
    ['HSET', `key:${key}`, 'ref', ref, 'fp', fingerprint, 'c', conversation, 's', sequence, 'x', expires],
    ['ZADD', 'keys', expires, key],
    ['HSET', `r:${ref}`, 'k', key],
  ]
  const stands =
    own === null
      ? []
      : group(`r:${ref}`, 'n', [
          [
            'HSET',
            `r:${ref}`,
            ...cells({ n: number, h: isCall ? home : null, b: own.body }),
            ...stateCells(own.work, own.end, number),
          ],
          ...lane(ref, own.work),
        ])
  return [[partition, [...stands, ...group('', '', held)]]]
}

function pushWrites(row: MovedPush): readonly Write[] {
  const { key, number, reply, origin, part, channel, holder, isFlushed, conversation, work, end } = row
  const ref = `p:${key}`
  const own = { n: number, c: conversation, lg: reply ?? '', og: origin ?? '', part, tg: channel, holder }
  return [
    [
      'HSET',
      `r:${ref}`,
      ...cells({ ...own, flushed: isFlushed ? '1' : null }),
      ...stateCells(work, end, number),
    ],
    ...(origin === null ? [] : [['ZADD', `owed:${origin}`, number, ref] as const]),
    ...(reply === null ? [] : [['ZADD', `carry:${reply}`, number, ref] as const]),
    ...(end === null ? lane(ref, work) : [['ZADD', 'settled', end.clock, ref] as const]),
  ]
}

function timerWrites(row: MovedTimer): readonly Write[] {
  const { id, number, origin, target, conversation, work, end } = row
  const ref = `t:${id}`
  const own = { n: number, c: conversation, lg: origin, og: origin, tg: target }
  return [
    ['HSET', `r:${ref}`, ...cells(own), ...stateCells(work, end, number)],
    ['ZADD', `timers:${origin}`, number, ref],
    ...(end === null ? lane(ref, work) : [['ZADD', 'settled', end.clock, ref] as const]),
  ]
}

function deadWrites(row: MovedDead): readonly Write[] {
  const { id, kind, home, at, sequence, body, failure, attempts, mediaType, raw, part, target } = row
  const own = { kd: kind, hm: home, at, s: sequence, b: body, nt: '0', f: failure, tr: linesOf(attempts) }
  return [
    ['HSET', `dead:${id}`, ...cells({ ...own, mt: mediaType, raw, part, tg: target })],
    ['ZADD', 'dead', 0, id],
  ]
}

function lane(ref: string, work: MovedWork | null): readonly Write[] {
  return work === null ? [] : [['LANE', ref]]
}

function stateCells(work: MovedWork | null, end: MovedEnd | null, number: number): readonly Word[] {
  if (work !== null) {
    const { priority, due, state, attempt, unended, fence, first, began, waitUntil, attempts } = work
    const counts = { st: STATES[state], ln: work.lane ?? String(number), pr: priority, du: due, a: attempt }
    const begun = { un: unended, fe: fence, fi: first, be: began, wu: waitUntil, tr: linesOf(attempts) }
    return cells({ ...counts, ...begun, mt: work.mediaType, raw: work.raw })
  }
  if (end === null) return []
  const { outcome, isNote, at, clock, attempt, replies, waitUntil, reply, failure, attempts } = end
  const said = replies.map((id) => `${Buffer.byteLength(id)}:${id}`).join(',')
  const ended = { oc: outcome, no: isNote ? '1' : '0', ow: at, ok: clock, oa: attempt, wu: waitUntil }
  const told = { or: said === '' ? null : said, rp: reply, fl: failure, tr: linesOf(attempts) }
  return cells({ ...ended, ...told })
}

/** The scripts keep attempts as lines of JSON. */
function linesOf(attempts: string | null): string | null {
  if (attempts === null) return null
  const all = JSON.parse(attempts) as unknown[] // an array: both stores make it so
  return all.map((attempt) => JSON.stringify(attempt)).join('\n')
}
