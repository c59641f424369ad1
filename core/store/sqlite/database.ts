// The store's file: the lock that keeps a second process out, opening and reopening, and which incarnation it is.
import { randomUUID } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { SQLInputValue, StatementResultingChanges } from 'node:sqlite'
import { GatewayError } from '../../api.ts'
import { ownDatabase, ownFile, refusedTo } from '../../own-file.ts'
import { checkFile, migrate, pragma } from './schema.ts'

export const FILE = 'dragoman.db'
const LOCK = 'dragoman.lock'
const WITNESS = 'dragoman.witness'

// A small group touches a dozen trees and writes a page of each: small pages, and a log long enough that hot ones are copied once.
// 16 MB of pages in memory: a commit that has split pages walks all of them, and 64 MB cost more there than the reads they saved.
// fullfsync: on macOS fsync alone leaves the drive's cache.
const PRAGMAS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA fullfsync = ON;
  PRAGMA wal_autocheckpoint = 2000;
  PRAGMA journal_size_limit = 33554432;
  PRAGMA cache_size = -16384;
  PRAGMA temp_store = MEMORY;
`

/** What the file itself keeps. Said again to a file that is there, the second is a write, which a full disk refuses. */
const LAYOUT = `
  PRAGMA page_size = 4096;
  PRAGMA auto_vacuum = INCREMENTAL;
`
const INCREMENTAL = 2

/** A prepared statement whose rows are tuples. */
export interface Query<Row extends readonly unknown[] = readonly never[]> {
  get(...values: SQLInputValue[]): Row | undefined
  all(...values: SQLInputValue[]): Row[]
  iterate(...values: SQLInputValue[]): IterableIterator<Row>
  run(...values: SQLInputValue[]): StatementResultingChanges
}

/** Prepares once; the caller names the row's shape beside the SQL that yields it. */
export function query<Row extends readonly unknown[] = readonly never[]>(
  db: DatabaseSync,
  sql: string,
): Query<Row> {
  const statement = db.prepare(sql)
  statement.setReturnArrays(true)
  return statement as unknown as Query<Row> // rows are arrays now; STRICT tables keep the columns' types
}

/** SQLite's primary result code of an error that `node:sqlite` threw; undefined for any other. */
export function sqliteCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number')
    return undefined
  return error.errcode & 0xff // extended codes carry the primary one in their low byte
}

const BUSY = 5

/**
 * Takes the directory for this process until it ends, however it ends: the lock is an open transaction on a file of its own, and
 * the system releases it with the process. Throws `STORE_UNAVAILABLE` at once if another holds it.
 */
export function lockDirectory(directory: string): Disposable {
  makeDirectory(directory)
  return lockFile(
    join(directory, LOCK),
    `the store in "${directory}" is in use by another process: stop it, or give this one its own directory`,
  )
}

/** Without a journal: that would be a file of its own, for which a full disk has no room. */
export const TAKE_LOCK = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'

/** The same with another file, and what to say where another process holds it. */
export function lockFile(file: string, inUse: string): Disposable {
  ownFile(file)
  const lock = new DatabaseSync(file, { timeout: 0 })
  try {
    lock.exec(TAKE_LOCK)
  } catch (error) {
    lock.close()
    if (sqliteCode(error) !== BUSY) throw error
    throw new GatewayError('STORE_UNAVAILABLE', inUse, { cause: error })
  }
  return { [Symbol.dispose]: () => lock.close() }
}

/**
 * Opens the file, made or migrated as needed. `mustSync`: what the log holds is copied into the file and synced there before
 * anything is believed, because after a failed fsync the system may call pages clean that never reached the disk.
 */
export function openFile(directory: string, options: { readonly mustSync?: boolean } = {}): DatabaseSync {
  ownDatabase(join(directory, FILE))
  const db = new DatabaseSync(join(directory, FILE), { timeout: 5000, enableForeignKeyConstraints: false })
  try {
    checkFile(db)
    if (pragma(db, 'auto_vacuum') !== INCREMENTAL) db.exec(LAYOUT)
    db.exec(PRAGMAS)
    const mode = query<[string]>(db, 'PRAGMA journal_mode').get()?.[0]
    if (mode !== 'wal')
      throw new GatewayError(
        'STORE_UNAVAILABLE',
        `"${directory}" cannot hold the store: its file system has no shared memory for WAL`,
      )
    if (options.mustSync === true) {
      const busy = query<[number, number, number]>(db, 'PRAGMA wal_checkpoint(TRUNCATE)').get()?.[0]
      if (busy !== 0) throw new Error('the log could not be copied into the file')
    }
    migrate(db)
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

/**
 * Makes what is missing, level by level: `recursive` never ends where a parent that is there says ENOENT, as /proc does. The
 * entry of a new directory must be on the disk before anything in it counts as stored. Throws `STORE_UNAVAILABLE`.
 */
export function makeDirectory(directory: string): void {
  const missing: string[] = []
  for (let at = resolve(directory); !existsSync(at); at = dirname(at)) missing.unshift(at)
  for (const level of missing) {
    try {
      mkdirSync(level, { mode: 0o700 })
    } catch (error) {
      if (existsSync(level)) continue // another process was faster
      throw new GatewayError(
        'STORE_UNAVAILABLE',
        `the directory "${directory}" for the store cannot be made: give one that can be written`,
        { cause: error },
      )
    }
    syncEntries(dirname(level))
  }
}

/** What was made or renamed in a directory is there after a power loss; on Windows there is nothing to sync. */
export function syncEntries(directory: string): void {
  if (process.platform === 'win32') return
  const open = openSync(directory, 'r')
  fsyncSync(open)
  closeSync(open)
}

interface Witness {
  readonly incarnation: string
  readonly next: number
  readonly inode: number
}

/**
 * The incarnation this file is to be known by (SEMANTICS 12): its own, or a new one if it is not the file that the witness beside
 * it saw last: another inode, another name, or a counter that went back. All three happen when a copy is put in its place. Throws
 * `STORE_UNAVAILABLE` where the witness is there and cannot be read.
 */
export function incarnationOf(directory: string, seen: { incarnation: string; next: number }): string {
  const witness = readWitness(directory)
  const same =
    witness !== undefined &&
    witness.incarnation === seen.incarnation &&
    witness.inode === inodeOf(directory) &&
    witness.next <= seen.next
  return same ? seen.incarnation : randomUUID()
}

/** Notes how far the file has come. Called at start, on every trim and at the end; an older note only sees less. */
export function writeWitness(directory: string, seen: { incarnation: string; next: number }): void {
  const file = join(directory, WITNESS)
  const witness: Witness = { incarnation: seen.incarnation, next: seen.next, inode: inodeOf(directory) }
  // Synced: after a power loss an empty note would make a copy of the file, whose open work is in doubt.
  writeFileSync(`${file}.new`, JSON.stringify(witness), { mode: 0o600, flush: true })
  renameSync(`${file}.new`, file)
  syncEntries(directory)
}

/** Nobody vouches for the file any more: its next start takes it for a copy. */
export function dropWitness(directory: string): void {
  rmSync(join(directory, WITNESS), { force: true })
  syncEntries(directory)
}

function readWitness(directory: string): Witness | undefined {
  const text = witnessText(join(directory, WITNESS))
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as Witness // written by writeWitness; anything else compares unequal
  } catch {
    return undefined // cut short: nothing vouches for the file
  }
}

/** Undefined where there is none. One that may not be read must not pass for none: the store would be taken for a copy. */
function witnessText(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    const why = refusedTo([file]) ?? (error instanceof Error ? error.message : String(error))
    const message = `the note beside the store cannot be read, so nobody knows whether the store is a copy: ${why}`
    throw new GatewayError('STORE_UNAVAILABLE', message, { cause: error })
  }
}

function inodeOf(directory: string): number {
  return statSync(join(directory, FILE)).ino
}
