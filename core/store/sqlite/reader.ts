// Looking into a store that no gateway holds, without changing a byte of it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../api.ts'
import type { Find, Row } from '../store.ts'
import { StoreClock } from './clock.ts'
import { Counters } from './counters.ts'
import { FILE } from './database.ts'
import { rowOf } from '../codec/decode.ts'
import { findOperation } from './find.ts'
import { layGround } from './ground.ts'
import { Leases } from './leases.ts'
import { refuseMarked } from './mark.ts'
import { cannotOpen, openToRead } from './open-read.ts'
import { MIGRATIONS, pragma } from './schema.ts'

export function noStore(directory: string): GatewayError {
  return new GatewayError(
    'STORE_UNAVAILABLE',
    `there is no store in "${directory}": no gateway has run there (--data names another folder)`,
  )
}

export interface StoreReader extends Disposable {
  find(find: Find): readonly Row[]
}

/**
 * Opens the file read-only. Throws `STORE_UNAVAILABLE` where there is none, where it cannot be read, another version has written it, or it
 * is being moved or was moved away: what it says is no longer so.
 */
export function openStoreReader(directory: string): StoreReader {
  const file = join(directory, FILE)
  if (!existsSync(file)) throw noStore(directory)
  let db: DatabaseSync | undefined
  try {
    refuseMarked(directory)
    db = openToRead(file)
    requireOwnSchema(directory, pragma(db, 'user_version'))
    const counters = Counters.read(db)
    if (counters === undefined)
      throw new GatewayError('STORE_UNAVAILABLE', `the store in "${directory}" is empty`)
    const stamp = { wall: Date.now(), monotonic: performance.now() }
    const clock = new StoreClock(counters.saved, stamp)
    const find = findOperation(
      layGround({ db, clock, leases: new Leases(), counters, isPressed: () => false }),
    )
    const opened = db
    return { find: (request) => find(request).map(rowOf), [Symbol.dispose]: () => opened.close() }
  } catch (error) {
    db?.close()
    throw cannotOpen(directory, error)
  }
}

function requireOwnSchema(directory: string, version: number): void {
  if (version === MIGRATIONS.length) return
  const what = `the store in "${directory}" has schema ${version} and this gateway knows ${MIGRATIONS.length}`
  const advice =
    version < MIGRATIONS.length
      ? 'an older gateway wrote it; start this one once, which brings it up to date (`dragoman backup` first)'
      : 'start the newer gateway that wrote it'
  throw new GatewayError('STORE_UNAVAILABLE', `${what}: ${advice}`)
}
