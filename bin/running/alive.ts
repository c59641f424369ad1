// Whether the gateway of a data folder lives: it holds a lock beside its address, which the system releases with the process.
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../core/api.ts'
import { ownFile, refusedTo } from '../../core/own-file.ts'
import { plantedAmong } from '../../core/planted-file.ts'
import { TAKE_LOCK, sqliteCode } from '../../core/store/sqlite/database.ts'

const LOCK = 'gateway.lock'
const BUSY = 5
/** A command that looks at the same moment holds it as long. */
const LOOK_MS = 5
const TAKE_MS = 1000

const held = new Map<string, DatabaseSync>()

/** Until `release`, or the end of the process, however it ends. Several gateways on one Redis may share the folder: the lock is a shared one. */
export function hold(dataDirectory: string): void {
  if (held.has(dataDirectory)) return
  const file = join(dataDirectory, LOCK)
  ownFile(file)
  const lock = new DatabaseSync(file, { timeout: TAKE_MS })
  lock.exec('BEGIN; SELECT count(*) FROM sqlite_schema')
  held.set(dataDirectory, lock)
}

export function release(dataDirectory: string): void {
  held.get(dataDirectory)?.close()
  held.delete(dataDirectory)
}

/**
 * False: whatever listens at the address left in the folder, it is not its gateway; nor is there one where the disk can only be read, by
 * this mount. Throws `FORBIDDEN` where we may not look, or another user may hold the lock in its place.
 */
export function isAlive(dataDirectory: string): boolean {
  const file = join(dataDirectory, LOCK)
  try {
    accessSync(file, constants.R_OK | constants.W_OK)
  } catch (error) {
    if (error instanceof Error && 'code' in error && ['ENOENT', 'EROFS'].includes(String(error.code)))
      return false
    const why = refusedTo([file])
    throw why === undefined ? error : new GatewayError('FORBIDDEN', why, { cause: error })
  }
  const planted = plantedAmong([file])
  if (planted !== undefined) throw new GatewayError('FORBIDDEN', planted)
  const lock = new DatabaseSync(file, { timeout: LOOK_MS })
  try {
    lock.exec(TAKE_LOCK)
    return false
  } catch (error) {
    if (sqliteCode(error) === BUSY) return true
    throw error
  } finally {
    lock.close()
  }
}
