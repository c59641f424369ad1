// Opening a store's file to read it alone, and what is said of one that cannot be opened.
import { accessSync, constants, existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { pathToFileURL } from 'node:url'
import { GatewayError } from '../../api.ts'
import { refusedTo } from '../../own-file.ts'
import { FILE, sqliteCode } from './database.ts'

const FULL = 13

/**
 * Changes nothing of it. A log (WAL) is read with it; where there is none and none can be made, because the disk can only be read,
 * nobody writes either, and the file alone is the store.
 */
export function openToRead(file: string): DatabaseSync {
  if (existsSync(`${file}-wal`) || !isOnReadOnlyDisk(dirname(file)))
    return new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  const alone = pathToFileURL(file)
  alone.searchParams.set('immutable', '1')
  return new DatabaseSync(alone, { readOnly: true })
}

/** `STORE_UNAVAILABLE` with the folder and the cause in words, where SQLite and the system name neither; our own errors as they are. */
export function cannotOpen(directory: string, error: unknown): GatewayError {
  if (error instanceof GatewayError) return error
  const message = `the store in "${directory}" cannot be opened: ${whyNot(directory, error)}`
  return new GatewayError('STORE_UNAVAILABLE', message, { cause: error })
}

/** What keeps a file of a store in this folder from being opened or written, and what to do where that is known. */
export function whyNot(directory: string, error: unknown): string {
  if (isFull(error)) return 'the disk that holds it is full: free some space'
  const why = error instanceof Error ? error.message : String(error)
  return refusedTo([FILE, `${FILE}-wal`, `${FILE}-shm`].map((name) => join(directory, name))) ?? why
}

function isFull(error: unknown): boolean {
  return sqliteCode(error) === FULL || (error instanceof Error && 'code' in error && error.code === 'ENOSPC')
}

function isOnReadOnlyDisk(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EROFS'
  }
}
