// What a store that is a copy does not know: what became of its open work after the copy was made (SEMANTICS 2, 12).
import type { DatabaseSync } from 'node:sqlite'
import { query } from './database.ts'
import { withAttempt } from './work.ts'

type OpenRow = readonly [id: number, attempt: number, attempts: string | null]

/** Attempts whose last one ended so were noted before. */
const MAY_BE_DONE = {
  code: 'OUTCOME_UNKNOWN',
  message: 'the store was restored, and it may have been done since the copy was made',
}

/**
 * Gives a copy its own incarnation, and notes at each message and push that waits an attempt that nobody saw end: whoever made the copy
 * may have gone on with it. What may be repeated is made again; the rest is for an operator. Not noted are those that no one makes
 * by himself: halted writes (they have a dead letter) and released calls; and timers, which only fire. An attempt that was in flight
 * is known as lost already. It counts towards no poison, and a copy of a copy notes
 * nothing twice. One transaction. Gives how many wait. `wall`: epoch milliseconds.
 */
export function nameCopy(
  db: DatabaseSync,
  { incarnation, wall }: { readonly incarnation: string; readonly wall: number },
): number {
  const waiting = query<OpenRow>(
    db,
    `SELECT id, attempt, attempts FROM work WHERE state = 0 AND kind IN ('message', 'push')
       AND NOT EXISTS (SELECT 1 FROM log l JOIN dead d ON d.ref = l.message WHERE l.id = work.id)`,
  )
  const note = query(db, 'UPDATE work SET attempt = ?, began = ?, attempts = ? WHERE id = ?')
  const startedAt = new Date(wall).toISOString()
  db.exec('BEGIN IMMEDIATE')
  try {
    query(db, 'UPDATE meta SET incarnation = ?').run(incarnation)
    const rows = waiting.all()
    for (const [id, last, attempts] of rows) {
      if (isNoted(attempts)) continue
      const attempt = last + 1
      const lost = { attempt, target: '', startedAt, durationMs: 0, failure: MAY_BE_DONE }
      note.run(attempt, wall, withAttempt(attempts, JSON.stringify(lost)), id)
    }
    db.exec('COMMIT')
    return rows.length
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK')
    throw error
  }
}

function isNoted(attempts: string | null): boolean {
  const noted = JSON.parse(attempts ?? '[]') as readonly {
    readonly failure?: { readonly message?: string }
  }[] // withAttempt wrote it
  return noted.at(-1)?.failure?.message === MAY_BE_DONE.message
}
