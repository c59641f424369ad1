// What the gateway believes of a folder that everybody may write: whether somebody else has put it there.
import {
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  lstatSync,
  openSync,
  readFileSync,
  statSync,
} from 'node:fs'
import type { Stats } from 'node:fs'
import { dirname } from 'node:path'
import { GatewayError } from './api.ts'

const WRITTEN_BY_ALL = 0o002
const OPEN_TO_ALL = 0o007
const OWNER_ONLY = 0o600
/** What every file has where the file system keeps no modes (a Windows disk, SMB): there it says nothing. */
const NO_MODES = 0o777

/** A folder that is not there is not. Nor is any on a system without users. */
export function isOpenToAll(directory: string): boolean {
  const folder = statSync(directory, { throwIfNoEntry: false })
  return process.getuid !== undefined && folder !== undefined && (folder.mode & WRITTEN_BY_ALL) !== 0
}

/** What to do about a folder that is open to all, so that this process can still use it. */
export function howToShut(directory: string): string {
  const shut = `chmod o-w ${directory}`
  const uid = process.getuid?.()
  if (uid === undefined || uid === 0 || statSync(directory).uid === uid) return shut
  return `chown ${uid} ${directory} && ${shut} (in Kubernetes: fsGroup)`
}

/**
 * Of the first of these files, folders or links that somebody else may have put there: whose it is, and what to do. That is one in a folder
 * that everybody may write, and neither ours nor root's nor of the folder's owner. The sticky bit does not help: it keeps others from
 * replacing what is there, not from being first.
 */
export function plantedAmong(paths: readonly string[]): string | undefined {
  for (const path of paths) {
    if (!isOpenToAll(dirname(path))) continue // it may as well be one that we may not enter
    const found = lstatSync(path, { throwIfNoEntry: false })
    const why = found && whoseElse(path, found)
    if (why !== undefined) return why
  }
  return undefined
}

/**
 * The text of a file that is believed. Throws `FORBIDDEN` where somebody else may have put it there (`plantedAmong`) or everybody may write
 * it, and the system's error where it cannot be read. With `shut`, one of ours that everybody may read is closed to all but its owner.
 */
export function readOwn(file: string, { shut = false }: { readonly shut?: boolean } = {}): string {
  const isLink = lstatSync(file).isSymbolicLink()
  refuse(plantedAmong([file]))
  // Looked at again once it is open: until then others may put another in its place, a link or a pipe that nobody ever writes.
  const follow = isLink ? 0 : constants.O_NOFOLLOW
  const open = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK | follow)
  try {
    const found = fstatSync(open)
    const bits = found.mode & 0o777
    refuse(whoseElse(file, found))
    if (!found.isFile()) refuse(`${file} is no file: delete it`)
    if (process.getuid !== undefined && (bits & WRITTEN_BY_ALL) !== 0 && bits !== NO_MODES)
      refuse(`everybody may write ${file}, so anybody may have changed it: delete it, and start again`)
    if (shut && !isLink && found.uid === process.getuid?.() && (bits & OPEN_TO_ALL) !== 0) close(open)
    return readFileSync(open, 'utf8')
  } finally {
    closeSync(open)
  }
}

function whoseElse(path: string, { uid }: Stats): string | undefined {
  const directory = dirname(path)
  const trusted = [process.getuid?.(), 0, statSync(directory).uid]
  if (!isOpenToAll(directory) || trusted.includes(uid)) return undefined
  return `${path} belongs to user ${uid}, and everybody may write ${directory}: delete it unless that is the gateway's user (then run as that one), and ${howToShut(directory)}`
}

/** What a group was given goes with it, as for every file of ours (`ownFile`). */
function close(open: number): void {
  try {
    fchmodSync(open, OWNER_ONLY)
  } catch (error) {
    // A disk that can only be read, or one that keeps no modes.
    if (!(error instanceof Error && 'code' in error && ['EPERM', 'EROFS'].includes(String(error.code))))
      throw error
  }
}

function refuse(why: string | undefined): void {
  if (why !== undefined) throw new GatewayError('FORBIDDEN', why)
}
