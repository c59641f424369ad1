// Group commit (SEMANTICS 39): what has queued up goes in one transaction, what fails in it fails alone, and nothing is answered
// before it is committed.
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../api.ts'
import { sqliteCode } from './database.ts'
import type { Operations } from './operations.ts'
import type { Answer, Request } from '../codec/wire.ts'
import type { Step } from '../crash.ts'
import type { Refused } from './wire.ts'

export type Result = Answer | Refused

export interface GroupParts {
  readonly db: DatabaseSync
  readonly operations: Operations
  /** Writes the row of counters and commits. */
  readonly commit: () => void
  /** Drops what an operation may have remembered before it failed. */
  readonly forget: () => void
  readonly step: Step | undefined
}

/** A transaction that did not come to its end. Whoever runs it must lay the ground anew before the next one. */
export class GroupFailed extends Error {
  override readonly name = 'GroupFailed'
  /** The operation that failed, if it was one. */
  readonly index: number | undefined
  /** The file could not be written; else one operation could not be carried out. */
  readonly isStorage: boolean

  constructor(cause: unknown, index: number | undefined) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.index = index
    this.isStorage = index === undefined || isStorage(cause)
  }
}

/**
 * Runs the group without a savepoint per operation: these cost a copy of every page touched. Operations look before they write, so
 * all that is left to fail is the storage, or a mistake of ours; then everything is rolled back and the caller runs the group again
 * with `isolated`, where each operation is its own savepoint and fails alone. Throws `GroupFailed`.
 */
export function runGroup(parts: GroupParts, requests: readonly Request[], isolated: boolean): Result[] {
  const { db, commit, step } = parts
  const results: Result[] = []
  let index: number | undefined = 0
  try {
    db.exec('BEGIN IMMEDIATE')
    for (const [at, request] of requests.entries()) {
      index = at
      step?.(request[0], 'begin')
      results.push(isolated ? runAlone(parts, request) : runOne(parts, request))
      step?.(request[0], 'written')
    }
    index = undefined
    commit()
  } catch (error) {
    if (db.isOpen && db.isTransaction) rollback(db)
    throw new GroupFailed(error, index)
  }
  if (step !== undefined) for (const request of requests) step(request[0], 'committed')
  return results
}

/** A refusal comes before the first write, so it needs no rollback. */
function runOne({ operations }: GroupParts, request: Request): Result {
  try {
    return operations(request)
  } catch (error) {
    if (error instanceof GatewayError) return refusal(error)
    throw error
  }
}

function runAlone(parts: GroupParts, request: Request): Result {
  const { db } = parts
  db.exec('SAVEPOINT alone')
  try {
    const result = runOne(parts, request)
    db.exec('RELEASE alone')
    return result
  } catch (error) {
    if (isStorage(error) || !db.isTransaction) throw error
    db.exec('ROLLBACK TO alone; RELEASE alone')
    parts.forget()
    return refusal(
      new GatewayError('INTERNAL', `the store could not carry out ${request[0]}: ${messageOf(error)}`, {
        cause: error,
      }),
    )
  }
}

export function refusal({ code, message, retryAfterMs, notExecuted }: GatewayError): Refused {
  return { thrown: { code, message, retryAfterMs: retryAfterMs ?? null, notExecuted } }
}

/** Outside a transaction: sees what is committed. */
export function runRead(operations: Operations, request: Request): Result {
  try {
    return operations(request)
  } catch (error) {
    if (error instanceof GatewayError) return refusal(error)
    return refusal(
      new GatewayError(
        isStorage(error) ? 'STORE_UNAVAILABLE' : 'INTERNAL',
        `the store could not ${request[0]}: ${messageOf(error)}`,
      ),
    )
  }
}

// PERM, BUSY, LOCKED, NOMEM, READONLY, INTERRUPT, IOERR, CORRUPT, FULL, CANTOPEN, PROTOCOL, NOLFS, NOTADB
const STORAGE_CODES = new Set([3, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 22, 26])
const FULL = 13

export function isStorage(error: unknown): boolean {
  const code = sqliteCode(error)
  return code !== undefined && STORAGE_CODES.has(code)
}

export function isFull(error: unknown): boolean {
  return sqliteCode(error) === FULL
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function rollback(db: DatabaseSync): void {
  try {
    db.exec('ROLLBACK')
  } catch (error) {
    // SQLite may have rolled back by itself (SQLITE_FULL, SQLITE_IOERR); anything else shows when the file is opened again.
    if (db.isTransaction) throw error
  }
}
