// A box in Node: one SQLite file, held by one process at a time.
import { DatabaseSync } from 'node:sqlite'
import type { Box } from './box.ts'
import type { Kept } from './types.ts'

/** A box in this file, made if it is not there. Opening throws where another process has it. */
export function fileBox(path: string): Box {
  let db: DatabaseSync | undefined
  const opened = (): DatabaseSync => {
    if (db === undefined) throw new Error('the box is not open')
    return db
  }
  return {
    async open() {
      db = new DatabaseSync(path)
      // EXCLUSIVE: two processes with one outbox would give one number to two messages. FULL: a kill or a power cut loses nothing.
      db.exec(`
        PRAGMA locking_mode = EXCLUSIVE;
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        CREATE TABLE IF NOT EXISTS box (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
        BEGIN IMMEDIATE; COMMIT`)
      const rows = db.prepare('SELECT key, value FROM box').all()
      return new Map(rows.map(({ key, value }) => [String(key), JSON.parse(String(value)) as Kept])) // as `write` has put it
    },
    async write(changes) {
      const put = opened().prepare('INSERT OR REPLACE INTO box VALUES (?, ?)')
      const remove = opened().prepare('DELETE FROM box WHERE key = ?')
      opened().exec('BEGIN')
      try {
        for (const [key, value] of changes)
          if (value === undefined) remove.run(key)
          else put.run(key, JSON.stringify(value))
        opened().exec('COMMIT')
      } catch (error) {
        if (opened().isTransaction) opened().exec('ROLLBACK')
        throw error
      }
    },
    async close() {
      db?.close()
      db = undefined
    },
  }
}
