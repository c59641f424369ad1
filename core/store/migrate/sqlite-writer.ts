// Writes neutral rows into an empty store file: each batch and how far it came in one transaction, so that each row is there once.
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../api.ts'
import { customerOf } from '../homes.ts'
import { query } from '../sqlite/database.ts'
import { keyOf, keysOf } from '../sqlite/place-key.ts'
import type { WorkKind } from '../store.ts'
import type { Position } from './ends.ts'
import type {
  MovedClaim,
  MovedConversation,
  MovedDead,
  MovedDevice,
  MovedHome,
  MovedMessage,
  MovedPush,
  MovedRow,
  MovedState,
  MovedTimer,
  MovedTotals,
  MovedValue,
} from './rows.ts'

const STATES = { waiting: 0, flight: 1, handed: 2 } as const

export class SqliteWriter {
  readonly #db: DatabaseSync
  readonly #sql
  readonly #wall: number
  #next: number

  constructor(db: DatabaseSync, { incarnation, wall }: MovedTotals) {
    this.#db = db
    this.#wall = wall
    db.exec(`
      CREATE TABLE IF NOT EXISTS moving (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL, position TEXT) STRICT;
      CREATE TABLE IF NOT EXISTS moving_cause (message TEXT PRIMARY KEY, cause INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      INSERT OR IGNORE INTO moving VALUES (1, 1, NULL);
    `)
    query(db, 'INSERT OR IGNORE INTO meta VALUES (1, ?, 1, 0, ?, ?, 0, 0, 0, 0, 0)').run(
      incarnation,
      wall,
      wall,
    )
    this.#next = query<readonly [number]>(db, 'SELECT next FROM moving').get()?.[0] ?? 1
    this.#sql = statements(db)
  }

  position(): Position | undefined {
    const text = query<readonly [string | null]>(this.#db, 'SELECT position FROM moving').get()?.[0]
    return text === null || text === undefined ? undefined : (JSON.parse(text) as Position) // written below
  }

  write(rows: readonly MovedRow[], position: Position): void {
    const db = this.#db
    const before = this.#next
    db.exec('BEGIN IMMEDIATE')
    try {
      for (const row of rows) this.#put(row)
      query(db, 'UPDATE moving SET next = ?, position = ?').run(this.#next, JSON.stringify(position))
      db.exec('COMMIT')
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK')
      this.#next = before
      throw error
    }
  }

  seal({ incarnation, wall, counter, accepted, settled, expired, dead, inDoubt }: MovedTotals): void {
    query(
      this.#db,
      `UPDATE meta SET incarnation = ?, next = ?, counter = ?, store_ms = ?, wall_ms = ?, accepted = ?, settled = ?, expired = ?, dead = ?,
         in_doubt = ?`,
    ).run(incarnation, this.#next, counter, wall, wall, accepted, settled, expired, dead, inDoubt)
  }

  /** Leaves nothing of the migration behind. */
  clear(): void {
    this.#db.exec('BEGIN IMMEDIATE; DROP TABLE moving; DROP TABLE moving_cause; COMMIT')
  }

  #put(row: MovedRow): void {
    switch (row.row) {
      case 'home':
        return this.#home(row)
      case 'conversation':
        return this.#conversation(row)
      case 'device':
        return this.#device(row)
      case 'value':
        return this.#value(row)
      case 'message':
        return this.#message(row)
      case 'claim':
        return this.#claim(row)
      case 'push':
        return this.#push(row)
      case 'timer':
        return this.#timer(row)
      case 'dead':
        return this.#dead(row)
    }
  }

  #home({ home, epoch, top, oldest }: MovedHome): void {
    this.#homeId(home)
    this.#sql.head.run(epoch, top, oldest, keyOf(home))
  }

  #conversation(row: MovedConversation): void {
    const { home, conversation, channel, epoch, top, oldest, agent, ticket, last } = row
    const key = keyOf(conversation)
    const customer = customerOf(home)
    const named = key.startsWith(keysOf(customer)[0]) ? null : customer
    const owner = this.#homeId(home)
    const known = this.#sql.place.get(key)?.[0]
    const id = known ?? this.#next++
    this.#sql.putPlace.run(key, id, epoch, top, oldest, owner, home, named, channel, agent, ticket, last)
  }

  #device({ home, device, boot, last, cursor, used, refused }: MovedDevice): void {
    const owner = this.#homeId(home)
    this.#sql.device.run(owner, device, boot, last, cursor, used)
    for (const [n, id, code] of refused) this.#sql.refusal.run(owner, device, boot, n, id, code)
  }

  #value({ key, value, version, expires }: MovedValue): void {
    this.#sql.value.run(key, value, version, expires)
  }

  #message(row: MovedMessage): void {
    const { id, conversation, sequence, offset, isEntered, at, body, caused } = row
    const key = keyOf(conversation)
    const [place, home] = this.#sql.place.get(key) ?? []
    if (place === undefined || home === undefined)
      throw new GatewayError(
        'INTERNAL',
        `message "${id}" is in conversation "${conversation}", which is not there`,
      )
    const log = this.#next++
    const cause = this.#sql.cause.get(id)?.[0] ?? null
    this.#sql.log.run(log, key, sequence, id, cause, offset === 0 ? null : offset, at, body)
    this.#sql.entry.run(home, place, sequence, log)
    if (isEntered) this.#sql.entry.run(home, 0, offset, log)
    // Of one millisecond and another partition, it may have come before its cause.
    for (const effect of caused)
      if (this.#sql.setCause.run(log, effect).changes === 0) this.#sql.caused.run(effect, log)
    this.#state(log, 'message', row)
  }

  #claim({ key, id, isCall, fingerprint, conversation, sequence, expires, own, home }: MovedClaim): void {
    const number = (isCall ? undefined : this.#sql.message.get(id)?.[0]) ?? this.#next++
    const named = conversation === '' ? null : conversation
    this.#sql.claim.run(number, key, fingerprint, id, isCall ? 1 : 0, named, sequence, expires)
    if (own === null) return
    if (own.body !== null) this.#sql.begun.run(number, home ?? '', own.body)
    this.#state(number, 'claim', own)
  }

  #push(row: MovedPush): void {
    const { key, reply, origin, part, channel, holder, isFlushed, end } = row
    const id = this.#next++
    const made = end?.clock ?? this.#wall
    const log = reply === null ? 0 : (this.#sql.message.get(reply)?.[0] ?? 0)
    this.#sql.push.run(id, key, log, this.#numberOf(origin), part, channel, made, holder, isFlushed ? 1 : 0)
    this.#state(id, 'push', row)
  }

  #timer(row: MovedTimer): void {
    const id = this.#next++
    this.#sql.timer.run(id, row.id, this.#numberOf(row.origin), row.target, row.end?.clock ?? this.#wall)
    this.#state(id, 'timer', row)
  }

  #dead(row: MovedDead): void {
    const { id, at, sequence, body, failure, attempts, mediaType, raw, kind, home, part, target } = row
    this.#sql.dead.run(id, at, sequence, body, failure, attempts, mediaType, raw, kind, home, part, target)
  }

  #state(id: number, kind: WorkKind, { work, end }: MovedState): void {
    if (work !== null) {
      const { priority, due, state, attempt, unended, fence, first, began, waitUntil } = work
      const lane = work.lane ?? String(id)
      const counts = [priority, due, STATES[state], attempt, unended, fence, first, began, waitUntil] as const
      this.#sql.work.run(id, kind, lane, ...counts, work.attempts, work.mediaType, work.raw)
    }
    if (end === null) return
    const { outcome, isNote, at, clock, attempt, replies, waitUntil, reply, failure, attempts } = end
    const said = replies.length === 0 ? null : JSON.stringify(replies)
    const note = isNote ? 1 : 0
    this.#sql.outcome.run(id, outcome, note, at, clock, attempt, said, waitUntil, reply, failure, attempts)
  }

  #homeId(home: string): number {
    const key = keyOf(home)
    const known = this.#sql.home.get(key)?.[0]
    if (known !== undefined) return known
    const id = this.#next++
    this.#sql.newHome.run(key, id)
    return id
  }

  /** 0, which is nobody's, where its message is gone. */
  #numberOf(message: string | null): number {
    if (message === null) return 0
    return this.#sql.message.get(message)?.[0] ?? this.#sql.claimed.get(message)?.[0] ?? 0
  }
}

function statements(db: DatabaseSync) {
  return {
    home: query<readonly [number]>(db, 'SELECT id FROM place WHERE key = ? AND kind = 0'),
    newHome: query(db, 'INSERT INTO place (key, kind, id, epoch) VALUES (?, 0, ?, 1)'),
    head: query(db, 'UPDATE place SET epoch = ?, top = ?, oldest = ? WHERE key = ? AND kind = 0'),
    place: query<readonly [id: number, home: number]>(
      db,
      'SELECT id, home FROM place WHERE key = ? AND kind = 1',
    ),
    putPlace: query(
      db,
      `INSERT OR REPLACE INTO place (key, kind, id, epoch, top, oldest, home, home_name, customer, channel, agent, ticket, last)
       VALUES (?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    device: query(db, 'INSERT OR REPLACE INTO device VALUES (?, ?, ?, ?, ?, ?)'),
    refusal: query(db, 'INSERT OR REPLACE INTO refusal VALUES (?, ?, ?, ?, ?, ?)'),
    value: query(db, 'INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?)'),
    log: query(db, 'INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    entry: query(db, 'INSERT INTO entry VALUES (?, ?, ?, ?)'),
    cause: query<readonly [number]>(db, 'SELECT cause FROM moving_cause WHERE message = ?'),
    caused: query(db, 'INSERT OR REPLACE INTO moving_cause VALUES (?, ?)'),
    setCause: query(db, 'UPDATE log SET cause = ? WHERE message = ?'),
    message: query<readonly [number]>(db, 'SELECT id FROM log WHERE message = ?'),
    claimed: query<readonly [number]>(db, 'SELECT id FROM claim WHERE message = ?'),
    claim: query(db, 'INSERT INTO claim VALUES (?, ?, ?, ?, ?, ?, ?, ?)'),
    begun: query(db, 'INSERT INTO begun VALUES (?, ?, ?)'),
    work: query(db, 'INSERT INTO work VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    outcome: query(db, 'INSERT INTO outcome VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    push: query(db, 'INSERT INTO push VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)'),
    timer: query(db, 'INSERT INTO timer VALUES (?, ?, ?, ?, ?)'),
    dead: query(
      db,
      `INSERT INTO dead (ref, at, sequence, body, failure, attempts, media_type, raw, kind, home, part, target)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
  }
}
