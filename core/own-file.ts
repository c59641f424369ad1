// Files that hold what customers said: whoever may enter the folder, they are the gateway's user's alone.
import { accessSync, chmodSync, closeSync, constants, openSync, statSync } from 'node:fs'

const OWNER_ONLY = 0o600
const OTHERS = 0o007

/**
 * Makes a file for its owner alone where there is none, and closes one to everybody that an earlier version left open to everybody;
 * what a group was given stays. Never opens one that is there: to close it would end the locks of this process on it (POSIX, fcntl).
 */
export function ownFile(file: string): void {
  try {
    closeSync(openSync(file, 'wx', OWNER_ONLY))
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error
    if (isOpen(file)) shut(file)
  }
}

/** The same for the two that SQLite keeps beside a database; it makes them with the mode of the database. */
export function ownDatabase(file: string): void {
  ownFile(file)
  for (const beside of [`${file}-wal`, `${file}-shm`]) if (isOpen(beside)) shut(beside)
}

/**
 * Of the first of these files or folders that this process may not read and write: whose it is, and what to do. Undefined where it may
 * use all that are there. `mode`: as of `access`.
 */
export function refusedTo(
  paths: readonly string[],
  mode = constants.R_OK | constants.W_OK,
): string | undefined {
  for (const path of paths) {
    try {
      accessSync(path, mode)
    } catch (error) {
      if (['EACCES', 'EPERM'].includes(codeOf(error))) return ownership(path)
    }
  }
  return undefined
}

function ownership(path: string): string {
  const own = process.getuid?.()
  try {
    const { uid, mode } = statSync(path)
    const bits = (mode & 0o777).toString(8).padStart(4, '0')
    if (own === undefined || own === uid)
      return `${path} has the mode ${bits}, and this process may not read and write it: chmod u+rwX ${path}`
    return `${path} belongs to user ${uid} (mode ${bits}) and this process runs as user ${own}: chown it`
  } catch {
    return `a folder above ${path} may not be entered by this process` // nor is it told whose the file is
  }
}

function isOpen(file: string): boolean {
  const found = statSync(file, { throwIfNoEntry: false })
  return found !== undefined && (found.mode & OTHERS) !== 0
}

function shut(file: string): void {
  try {
    chmodSync(file, OWNER_ONLY)
  } catch (error) {
    // Another user's that we may write, or a disk that can only be read: who may read it was somebody else's decision.
    if (!['EPERM', 'EROFS'].includes(codeOf(error))) throw error
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
