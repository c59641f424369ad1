// How much of the file retention may not remove: dead letters, and open work with what it is about (SEMANTICS 23).
import { query } from './database.ts'
import type { Ground } from './ground.ts'

const SLICE = 100
/** What stands around the contents of a row: its names, its places in the trees. */
const ROW_BYTES = 300
/** Longer than this a figure does not count: dead letters come at any time. */
const FRESH_MS = 10_000

type Row = readonly [id: number, bytes: number]

export interface Kept {
  /** Goes on with the weighing, a slice at least. Bytes, or undefined where the budget ended first. */
  weigh(isOver: () => boolean): number | undefined
  /** The next one is weighed anew. */
  forget(): void
}

/** Lengths alone are read, so large contents cost nothing here. */
export function keptBytes({ db, clock }: Ground): Kept {
  const tables = [
    query<Row>(
      db,
      `SELECT rowid, octet_length(body) + octet_length(failure) + coalesce(octet_length(attempts), 0) + coalesce(octet_length(raw), 0)
       FROM dead WHERE rowid > ? ORDER BY rowid LIMIT ${SLICE}`,
    ),
    // The parts of a reply are pushes of one row of the log.
    query<Row>(
      db,
      `SELECT w.id, coalesce(octet_length(w.attempts), 0) + coalesce(octet_length(w.raw), 0) + coalesce(octet_length(l.body), 0)
         + coalesce(octet_length(b.body), 0)
       FROM work w LEFT JOIN push p ON p.id = w.id AND p.part <= 0 LEFT JOIN timer t ON t.id = w.id
         LEFT JOIN begun b ON b.id = w.id LEFT JOIN log l ON l.id = coalesce(p.log, t.log, w.id)
       WHERE w.id > ? ORDER BY w.id LIMIT ${SLICE}`,
    ),
  ]
  let table = 0
  let from = 0
  let bytes = 0
  let weighedAt = -Infinity

  function restart(): void {
    table = 0
    from = 0
    bytes = 0
    weighedAt = -Infinity
  }

  return {
    weigh(isOver) {
      if (table === tables.length && clock.now - weighedAt >= FRESH_MS) restart()
      for (let current = tables[table]; current !== undefined; current = tables[table]) {
        const rows = current.all(from)
        for (const [id, own] of rows) {
          from = id
          bytes += own + ROW_BYTES
        }
        if (rows.length < SLICE) {
          table++
          from = 0
          weighedAt = clock.now
        }
        if (table < tables.length && isOver()) return undefined
      }
      return bytes
    },
    forget: restart,
  }
}
