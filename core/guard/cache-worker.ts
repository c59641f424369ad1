// The fallback cache's thread: one SQLite file of its own. A file that cannot be read is thrown away: it is only a cache.
import { mkdirSync, rmSync } from 'node:fs'
import { dirname } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { ownDatabase } from '../own-file.ts'
import type { CacheBatch, CacheRow, CacheWorkerData, FromCacheWorker, ToCacheWorker } from './cache-rows.ts'

if (parentPort === null) throw new Error('the cache worker is started by the cache')
const port = parentPort
const { file } = workerData as CacheWorkerData // handed over by `openCacheDisk` alone

const VERSION = 1
const CHUNK = 500
const tell = (message: FromCacheWorker): void => port.postMessage(message)

try {
  serve(open())
} catch (error) {
  tell({ kind: 'failed', problem: messageOf(error) })
  port.close()
}

function open(): DatabaseSync {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  try {
    return load()
  } catch {
    // Torn, of another version or no database: the next answers fill a new one. What stands in the way of that is told.
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true })
    return load()
  }
}

function load(): DatabaseSync {
  ownDatabase(file)
  const db = new DatabaseSync(file, { timeout: 5000 })
  try {
    // NORMAL: a power failure may lose the last answers, never more; nobody was promised them.
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA journal_size_limit = 8388608;')
    const version = db.prepare('PRAGMA user_version').get()?.['user_version']
    if (version === 0)
      db.exec(
        `CREATE TABLE answer (key TEXT PRIMARY KEY, place TEXT NOT NULL, params TEXT NOT NULL, at INTEGER NOT NULL,
           current INTEGER NOT NULL, value TEXT NOT NULL) STRICT;
         CREATE INDEX answer_place ON answer (place);
         PRAGMA user_version = ${VERSION};`,
      )
    else if (version !== VERSION) throw new Error(`the cache file has version ${String(version)}`)
    let rows: CacheRow[] = []
    for (const row of db
      .prepare('SELECT key, place, params, at, current, value FROM answer ORDER BY at')
      .iterate()) {
      rows.push({
        key: String(row['key']),
        place: String(row['place']),
        params: String(row['params']),
        at: Number(row['at']),
        current: row['current'] === 1,
        value: String(row['value']),
      })
      if (rows.length < CHUNK) continue
      tell({ kind: 'rows', rows })
      rows = []
    }
    tell({ kind: 'rows', rows })
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function serve(db: DatabaseSync): void {
  const sql = {
    begin: db.prepare('BEGIN IMMEDIATE'),
    commit: db.prepare('COMMIT'),
    rollback: db.prepare('ROLLBACK'),
    outdate: db.prepare('UPDATE answer SET current = 0 WHERE place = ?'),
    remove: db.prepare('DELETE FROM answer WHERE key = ?'),
    put: db.prepare('INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?, ?)'),
  }
  const write = ({ outdated, deleted, put }: CacheBatch): void => {
    sql.begin.run()
    try {
      for (const place of outdated) sql.outdate.run(place)
      for (const key of deleted) sql.remove.run(key)
      for (const { key, place, params, at, current, value } of put)
        sql.put.run(key, place, params, at, current ? 1 : 0, value)
      sql.commit.run()
    } catch (error) {
      if (db.isTransaction) sql.rollback.run()
      throw error
    }
  }
  port.on('message', (message: ToCacheWorker) => {
    if (message === 'close') {
      db.close()
      port.close()
      return
    }
    try {
      write(message.batch)
      tell({ kind: 'done', id: message.id })
    } catch (error) {
      tell({ kind: 'done', id: message.id, problem: messageOf(error) })
    }
  })
  tell({ kind: 'open' })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
