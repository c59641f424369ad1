// Operation 11, value: compare-and-set of a small value (≤ 64 kB), with an end of its life by the store's clock.
import { query } from './database.ts'
import type { Ground } from './ground.ts'
import type { ValueAnswer } from '../codec/answers.ts'
import type { ValueWire } from '../codec/wire.ts'

type ValueRow = readonly [value: string, version: number, expires: number | null]

/** Reads where neither `put` nor `delete` is asked. Versions are never given out twice, also not after a delete. */
export function valueOperation({ db, clock, leases, counters }: Ground): (request: ValueWire) => ValueAnswer {
  const sql = {
    get: query<ValueRow>(db, 'SELECT value, version, expires FROM value WHERE key = ?'),
    put: query(db, 'INSERT OR REPLACE INTO value VALUES (?, ?, ?, ?)'),
    drop: query(db, 'DELETE FROM value WHERE key = ?'),
  }

  return ({ key, expect, put, delete: drop, ttlMs, fence }) => {
    const row = sql.get.get(key)
    const live = row !== undefined && (row[2] === null || row[2] > clock.now) ? row : undefined
    const current = { value: live?.[0] ?? null, version: live?.[1] ?? null }
    const isExpected = expect === null || (expect === 'absent' ? live === undefined : live?.[1] === expect)
    if (!isExpected || (fence !== null && !leases.knows(fence, clock)))
      return { status: 'conflict', ...current }
    if (put !== null) {
      const version = counters.newCounter()
      sql.put.run(key, put, version, ttlMs === null ? null : clock.now + ttlMs)
      return { status: 'ok', value: put, version }
    }
    if (!drop) return { status: 'ok', ...current }
    sql.drop.run(key)
    return { status: 'ok', value: null, version: null }
  }
}
