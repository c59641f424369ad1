// The embedded store as an end of a migration: its folder is locked, its file open, its mark beside it.
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../api.ts'
import type { Json } from '../../api.ts'
import {
  FILE,
  dropWitness,
  incarnationOf,
  lockDirectory,
  openFile,
  query,
  writeWitness,
} from '../sqlite/database.ts'
import { dropMark, readMark, writeMark } from '../sqlite/mark.ts'
import { nameCopy } from '../sqlite/restored.ts'
import type { Large, Mark, Position, Sourced, Target } from './ends.ts'
import type { MovedRow, MovedTotals, Phase } from './rows.ts'
import { sqliteRows } from './sqlite-rows.ts'
import { SqliteWriter } from './sqlite-writer.ts'

/** Everything a store keeps rows in; `meta` is one row and no content. */
const TABLES = [
  'place',
  'log',
  'claim',
  'work',
  'push',
  'timer',
  'outcome',
  'dead',
  'device',
  'value',
] as const

/** Sizes alone are read, not the texts. */
const LARGER = `
  SELECT 'message', message, octet_length(body) AS size FROM log WHERE size > ?1
  UNION ALL SELECT 'open message', coalesce(l.message, c.message, w.id), octet_length(w.raw) AS size
    FROM work w LEFT JOIN log l ON l.id = w.id LEFT JOIN claim c ON c.id = w.id WHERE size > ?1
  UNION ALL SELECT 'the answer to', coalesce(l.message, c.message, o.id), octet_length(o.reply) AS size
    FROM outcome o LEFT JOIN log l ON l.id = o.id LEFT JOIN claim c ON c.id = o.id WHERE size > ?1
  UNION ALL SELECT 'call', c.message, octet_length(b.body) AS size FROM begun b JOIN claim c ON c.id = b.id WHERE size > ?1
  UNION ALL SELECT 'dead letter', ref, max(octet_length(body), coalesce(octet_length(raw), 0)) AS size FROM dead WHERE size > ?1`

type MetaCells = readonly [
  incarnation: string,
  next: number,
  counter: number,
  wall: number,
  accepted: number,
  settled: number,
  expired: number,
  dead: number,
  inDoubt: number,
]

export interface SqliteEndOptions {
  readonly directory: string
  /** A target is made where there is none. */
  readonly create: boolean
}

/** Throws `STORE_UNAVAILABLE` where a gateway uses the folder, or there is no store in it and none is to be made. */
export function openSqliteEnd({ directory, create }: SqliteEndOptions): Target {
  const path = resolve(directory)
  if (!create && !existsSync(join(path, FILE)))
    throw new GatewayError('STORE_UNAVAILABLE', `there is no store in "${directory}"`)
  const lock = lockDirectory(path)
  try {
    return new SqliteEnd(path, lock)
  } catch (error) {
    lock[Symbol.dispose]()
    throw error
  }
}

class SqliteEnd implements Target {
  /** SQLite itself ends at a billion, which no message gets to. */
  readonly textBytes = Infinity
  readonly name: string
  readonly #directory: string
  readonly #lock: Disposable
  #db: DatabaseSync | undefined
  #writer: SqliteWriter | undefined

  constructor(directory: string, lock: Disposable) {
    this.name = directory
    this.#directory = directory
    this.#lock = lock
  }

  /** The lock of the folder has answered that. */
  users(): Promise<undefined> {
    return Promise.resolve(undefined)
  }

  mark(): Promise<Mark | undefined> {
    return Promise.resolve(readMark(this.#directory))
  }

  setMark(mark: Mark): Promise<void> {
    writeMark(this.#directory, mark)
    return Promise.resolve()
  }

  dropMark(): Promise<void> {
    dropMark(this.#directory)
    return Promise.resolve()
  }

  totals(): Promise<MovedTotals> {
    const meta = this.#meta()
    if (meta === undefined)
      return Promise.reject(new GatewayError('STORE_UNAVAILABLE', `the store in "${this.name}" is empty`))
    const [named, next, counter, wall, accepted, settled, expired, dead, inDoubt] = meta
    // SEMANTICS 12: a copy is known by another name, and its open work is in doubt; the target gets both.
    const incarnation = incarnationOf(this.#directory, { incarnation: named, next })
    if (incarnation !== named) {
      nameCopy(this.#file, { incarnation, wall: Date.now() })
      writeWitness(this.#directory, { incarnation, next })
    }
    const ledger = { accepted, settled, expired, dead, inDoubt }
    return Promise.resolve({ incarnation, wall, counter, numbers: next, ...ledger })
  }

  size(): Promise<number> {
    return Promise.resolve(
      ['place', 'device', 'value', 'log', 'claim', 'push', 'timer', 'dead']
        .map((table) => query<readonly [number]>(this.#file, `SELECT count(*) FROM ${table}`).get()?.[0] ?? 0)
        .reduce((sum, count) => sum + count, 0),
    )
  }

  larger(bytes: number): Promise<readonly Large[]> {
    const found = query<readonly [what: string, id: string, size: number]>(this.#file, LARGER).all(bytes)
    return Promise.resolve(found.map(([what, id, size]) => ({ name: `${what} "${id}"`, bytes: size })))
  }

  async *rows(phase: Phase, cursor: Json): AsyncGenerator<Sourced> {
    yield* sqliteRows(this.#file)(phase, cursor)
  }

  isEmpty(): Promise<boolean> {
    if (!existsSync(join(this.#directory, FILE))) return Promise.resolve(true)
    const isBare = TABLES.every(
      (table) => query(this.#file, `SELECT 1 FROM ${table} LIMIT 1`).get() === undefined,
    )
    return Promise.resolve(isBare)
  }

  begin(_mark: Mark, totals: MovedTotals): Promise<void> {
    this.#writer = new SqliteWriter(this.#file, totals)
    return Promise.resolve()
  }

  position(): Promise<Position | undefined> {
    return Promise.resolve(this.#writer?.position())
  }

  write(rows: readonly MovedRow[], position: Position): Promise<void> {
    this.#writer?.write(rows, position)
    return Promise.resolve()
  }

  seal(totals: MovedTotals): Promise<void> {
    this.#writer?.seal(totals)
    // The note that vouches for the file: without it the next start would take it for a copy.
    writeWitness(this.#directory, { incarnation: totals.incarnation, next: this.#meta()?.[1] ?? 1 })
    return Promise.resolve()
  }

  release(): Promise<void> {
    // The mark first: without it the target is complete, and with it how far it came must still be known.
    dropMark(this.#directory)
    this.#writer?.clear()
    query(this.#file, 'PRAGMA wal_checkpoint(TRUNCATE)').get()
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#db?.close()
    this.#lock[Symbol.dispose]()
    return Promise.resolve()
  }

  get #file(): DatabaseSync {
    this.#db ??= openFile(this.#directory)
    return this.#db
  }

  #meta(): MetaCells | undefined {
    return query<MetaCells>(
      this.#file,
      'SELECT incarnation, next, counter, wall_ms, accepted, settled, expired, dead, in_doubt FROM meta',
    ).get()
  }
}

/**
 * Lets a gateway start on a folder that was moved away. What was moved and is used on both sides is two stores from here on: the next
 * start takes this one for a copy. Throws `STORE_UNAVAILABLE` for a target that is not complete.
 */
export function reclaimDirectory(directory: string): void {
  const path = resolve(directory)
  const mark = existsSync(join(path, FILE)) ? readMark(path) : undefined
  if (mark === undefined) return
  if (mark.state === 'target')
    throw new GatewayError(
      'STORE_UNAVAILABLE',
      `"${directory}" holds half a store: finish the migration from ${mark.other}, or delete the folder`,
    )
  using _lock = lockDirectory(path)
  if (mark.state === 'moved') dropWitness(path)
  dropMark(path)
}
