// A whole copy of a store, taken beside the gateway that writes to it. Copying its files does not give one: they change meanwhile.
import { randomUUID } from 'node:crypto'
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../api.ts'
import { ownFile } from '../../own-file.ts'
import { FILE, lockFile, makeDirectory, query, syncEntries } from './database.ts'
import { refuseMarked } from './mark.ts'
import { openToRead, whyNot } from './open-read.ts'
import { noStore } from './reader.ts'

export interface Backup {
  readonly file: string
  readonly bytes: number
}

/**
 * Copies the store of one folder, as it is at this moment, into another that has none, and reads the copy whole before it gets its
 * name. Blocks this thread, not the gateway's. Throws `STORE_UNAVAILABLE` where there is no store, where there is one already or
 * another backup makes one, where the folder cannot be made, where the copy is damaged, or where the
 * disk has no room for it.
 */
export function backUp(from: string, to: string): Backup {
  const source = join(from, FILE)
  const file = join(to, FILE)
  if (!existsSync(source)) throw noStore(from)
  refuseMarked(from)
  refuseMarked(to)
  makeDirectory(to)
  const part = `${file}.part`
  const taken = `${part}.lock`
  // Only who holds it touches the part; what a killed one left is in nobody's hands.
  using _lock = lockFile(taken, `another backup into "${to}" is under way: name another folder`)
  try {
    if (existsSync(file))
      throw new GatewayError('STORE_UNAVAILABLE', `"${to}" holds a store already: name a new folder`)
    copyWhole(source, part)
    renameSync(part, file)
    syncEntries(to)
  } catch (error) {
    if (error instanceof GatewayError) throw error
    const message = `the copy in "${to}" cannot be made: ${whyNot(from, error)}`
    throw new GatewayError('STORE_UNAVAILABLE', message, { cause: error })
  } finally {
    rmSync(part, { force: true })
    rmSync(taken, { force: true })
  }
  return { file, bytes: statSync(file).size }
}

/** On the disk when it returns, in the place of what is there. */
function copyWhole(source: string, part: string): void {
  rmSync(part, { force: true })
  ownFile(part)
  {
    using db = openToRead(source)
    db.prepare('VACUUM INTO ?').run(part) // one read transaction: the state of one moment, without free pages
  }
  {
    using db = new DatabaseSync(part)
    // The note beside a store vouches for none of another name: the copy is known as one wherever it is put.
    query(db, 'UPDATE meta SET incarnation = ?').run(randomUUID())
  }
  checkWhole(part)
  const open = openSync(part, 'r+')
  fsyncSync(open)
  closeSync(open)
}

function checkWhole(file: string): void {
  using db = new DatabaseSync(file, { readOnly: true })
  const problem = damageIn(db)
  if (problem !== undefined)
    throw new GatewayError('STORE_UNAVAILABLE', `the copy is damaged, and so is the store: ${problem}`)
}

/** Undefined: every page is where it belongs. Reads the whole file. */
export function damageIn(db: DatabaseSync): string | undefined {
  const [said] = query<[string]>(db, 'PRAGMA quick_check(1)').get() ?? []
  return said === 'ok' ? undefined : String(said).replaceAll(/\s+/gu, ' ')
}
