// The mark beside a store file that is moved away or being filled: while it is there, no gateway starts on the file.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { markOf, refusalOf } from '../migrate/ends.ts'
import type { Mark } from '../migrate/ends.ts'
import { syncEntries } from './database.ts'

const FILE = 'dragoman.moved'

export function readMark(directory: string): Mark | undefined {
  try {
    return markOf(readFileSync(join(directory, FILE), 'utf8'))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

/** On the disk when it returns: what is done next relies on it. */
export function writeMark(directory: string, mark: Mark): void {
  const file = join(directory, FILE)
  const open = openSync(`${file}.new`, 'w', 0o600)
  try {
    writeSync(open, JSON.stringify(mark))
    fsyncSync(open)
  } finally {
    closeSync(open)
  }
  renameSync(`${file}.new`, file)
  syncEntries(directory)
}

export function dropMark(directory: string): void {
  rmSync(join(directory, FILE), { force: true })
  syncEntries(directory)
}

/** Throws `STORE_UNAVAILABLE`. */
export function refuseMarked(directory: string): void {
  const mark = readMark(directory)
  if (mark !== undefined) throw refusalOf(mark, `the store in "${directory}"`)
}
