// Looking into a store that no gateway holds, without changing a byte of it.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { GatewayError } from '../../api.ts'
import type { Find, Row } from '../store.ts'
import { StoreClock } from './clock.ts'
import { Counters } from './counters.ts'
import { FILE } from './database.ts'
import { rowOf } from '../codec/decode.ts'
import { findOperation } from './find.ts'
import { layGround } from './ground.ts'
import { Leases } from './leases.ts'
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

/** Opens the file read-only. Throws `STORE_UNAVAILABLE` where there is none, or where another version has written it. */
export function openStoreReader(directory: string): StoreReader {
  const file = join(directory, FILE)
  if (!existsSync(file)) throw noStore(directory)
  const db = new DatabaseSync(file, { readOnly: true, timeout: 5000 })
  try {
    const version = pragma(db, 'user_version')
    if (version !== MIGRATIONS.length)
      throw new GatewayError(
        'STORE_UNAVAILABLE',
        `the store in "${directory}" has schema ${version} and this gateway knows ${MIGRATIONS.length}: start the gateway that fits it`,
      )
    const counters = Counters.read(db)
    if (counters === undefined)
      throw new GatewayError('STORE_UNAVAILABLE', `the store in "${directory}" is empty`)
    const stamp = { wall: Date.now(), monotonic: performance.now() }
    const clock = new StoreClock(counters.saved, stamp)
    const find = findOperation(
      layGround({ db, clock, leases: new Leases(), counters, isPressed: () => false }),
    )
    return { find: (request) => find(request).map(rowOf), [Symbol.dispose]: () => db.close() }
  } catch (error) {
    db.close()
    throw error
  }
}
