// What only the embedded store promises of its file: one process, known files only, another incarnation for a copy, disk given back.
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, readFile, rename, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { openSqliteStore } from '../../../../core/store/sqlite.ts'
import { migrate, pragma } from '../../../../core/store/sqlite/schema.ts'
import { accept, answering, message, pushTo, settle, working } from '../../../conformance/store/world.ts'
import { SqliteHarness, worldOn } from './sqlite-harness.ts'
import { stopwatch } from '../../../support/processor.ts'

const HOLDER = fileURLToPath(new URL('holder-child.ts', import.meta.url))
const make = () => SqliteHarness.make()

test('a second store on the same file is refused at once, in this process too', async () => {
  await using harness = await make()
  await using first = await harness.open()
  const watch = stopwatch()
  await expect(harness.open()).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('in use by another process'),
  })
  expect(watch()).toBeLessThan(3000)
  expect(first.health()).toEqual({ writable: true })
})

test('a process that was killed leaves the file free, its leases void', { timeout: 30_000 }, async () => {
  await using harness = await make()
  const child = fork(HOLDER, [harness.data], { stdio: 'inherit' })
  const [held] = (await once(child, 'message')) as [{ counter: number }]
  await expect(harness.open()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  child.kill('SIGKILL')
  await once(child, 'exit')
  await using store = await harness.open()
  const lease = await store.lease({ name: 'partition/0', owner: 'other', ttlMs: 1000 })
  expect(lease).toMatchObject({ status: 'held' })
  if (lease.status === 'held') expect(lease.fence.counter).toBeGreaterThan(held.counter)
})

test('a file of a newer gateway is refused and not touched', async () => {
  await using harness = await make()
  await (await harness.open())[Symbol.asyncDispose]()
  const file = join(harness.data, 'dragoman.db')
  const db = new DatabaseSync(file)
  db.exec('PRAGMA user_version = 99')
  db.close()
  const before = await readFile(file)
  await expect(harness.open()).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('has schema 99 and this gateway knows 2'),
  })
  expect(await readFile(file)).toEqual(before)
})

test('another program’s database and a file that is none are refused', async () => {
  await using harness = await make()
  await (await harness.open())[Symbol.asyncDispose]()
  const file = join(harness.data, 'dragoman.db')
  await rm(file)
  const db = new DatabaseSync(file)
  db.exec('CREATE TABLE theirs (x)')
  db.close()
  await expect(harness.open()).rejects.toMatchObject({ message: expect.stringContaining('another program') })
  await writeFile(file, 'no database at all, but long enough to be looked at'.repeat(100))
  await expect(harness.open()).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('cannot be opened'),
  })
})

test('a migration is whole or not at all, and is not repeated', () => {
  const db = new DatabaseSync(':memory:')
  migrate(db, ['CREATE TABLE a (x)'])
  expect(() =>
    migrate(db, ['CREATE TABLE a (x)', 'CREATE TABLE b (x); INSERT INTO nowhere VALUES (1)']),
  ).toThrow('nowhere')
  expect(pragma(db, 'user_version')).toBe(1)
  expect(db.prepare("SELECT name FROM sqlite_schema WHERE name = 'b'").all()).toEqual([])
  migrate(db, ['CREATE TABLE a (x)', 'CREATE TABLE b (x)'])
  migrate(db, ['CREATE TABLE a (x)', 'CREATE TABLE b (x)'])
  expect(pragma(db, 'user_version')).toBe(2)
})

test('a file of schema 1: its dead letters learn what they were and whose', async () => {
  const made = await worldOn()
  const { world, harness } = made
  await using _ = harness
  const dead = { code: 'AGENT_FAILED', message: 'x' }
  await world.begin('m')
  await world.settle(settle('m', { outcome: 'failed', dead }))
  await world.begin('p')
  await world.settle(answering('p', pushTo('p')))
  await world.begin('t')
  const timer = { id: 'callback:t:0', delayMs: 0, target: 'agent helper' }
  await world.settle(settle('t', { outcome: 'taken', timer }))
  await world.takeWork()
  await world.settle(settle('p-push', { kind: 'push', outcome: 'failed', dead }))
  await world.settle(settle('callback:t:0', { kind: 'timer', outcome: 'failed', dead }))
  await world.store.claim(world.claim('c'))
  await world.settle(settle('c', { kind: 'claim', outcome: 'unknown', dead }))
  const before = await world.dead()
  expect(before.map(({ kind }) => kind).toSorted((a, b) => a.localeCompare(b))).toEqual([
    'claim',
    'message',
    'push',
    'timer',
  ])
  await world.close()
  const db = new DatabaseSync(join(harness.data, 'dragoman.db'))
  for (const column of ['kind', 'home', 'part', 'target']) db.exec(`ALTER TABLE dead DROP COLUMN ${column}`)
  db.exec('PRAGMA user_version = 1')
  db.close()
  await using store = await harness.open()
  expect(await store.find({ by: 'dead', limit: 10 })).toEqual(before)
})

test('the file is written with WAL, and can give pages back', async () => {
  await using harness = await make()
  await (await harness.open())[Symbol.asyncDispose]()
  const db = new DatabaseSync(join(harness.data, 'dragoman.db'), { readOnly: true })
  expect(db.prepare('PRAGMA journal_mode').get()).toEqual({ journal_mode: 'wal' })
  expect(pragma(db, 'auto_vacuum')).toBe(2)
  db.close()
})

test('what trim removes becomes free disk, in slices', { timeout: 30_000 }, async () => {
  const made = await worldOn()
  await using w = made.world
  const parts = [{ kind: 'text' as const, text: 'x'.repeat(20_000) }]
  await Promise.all(
    Array.from({ length: 1000 }, (_, n) =>
      w.accept(accept(`m${n}`, { message: message(`m${n}`, { parts }) })),
    ),
  )
  w.advance(3_600_001)
  let slices = 0
  for (let more = true; more; slices++)
    more = (await w.store.trim({ partition: 0, olderThanMs: 3_600_000, maxBytes: 1e12, budgetMs: 5 })).more
  expect(slices).toBeGreaterThan(3)
  await w.close()
  expect((await stat(join(made.harness.data, 'dragoman.db'))).size).toBeLessThan(6_000_000)
  await w.openAgain()
  expect(await w.accept(accept('next'))).toMatchObject({ sequence: 1001 })
})

test('a note beside the store that cannot be read makes it no copy: it is not opened, and stays what it was (SEMANTICS 12)', async () => {
  const made = await worldOn()
  await using w = made.world
  const { incarnation } = w.store
  await w.accept(accept('a'))
  await w.close()
  const note = join(made.harness.data, 'dragoman.witness')
  await rename(note, `${note}.kept`)
  await mkdir(note) // root may read any file
  await expect(made.harness.open()).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('the note beside the store cannot be read'),
  })
  await rmdir(note)
  await rename(`${note}.kept`, note)
  await w.openAgain()
  expect(w.store.incarnation).toBe(incarnation)
})

test('a copy written over the file itself is another incarnation (SEMANTICS 12)', async () => {
  const made = await worldOn()
  await using w = made.world
  const file = join(made.harness.data, 'dragoman.db')
  await w.accept(accept('a'))
  await w.close()
  const copy = await readFile(file)
  await w.openAgain()
  const { incarnation } = w.store
  await w.accept(accept('b'))
  await w.close()
  await writeFile(file, copy)
  await w.openAgain()
  expect(w.store.incarnation).not.toBe(incarnation)
  expect((await w.log()).map((row) => row.id)).toEqual(['a'])
})

test('the ledger’s waiting is what the file holds of open messages', async () => {
  const made = await worldOn()
  await using w = made.world
  for (const id of ['a', 'b', 'c', 'd'])
    await w.accept(working(id, { work: { lane: id, priority: 1, limit: 9 } }))
  await w.takeWork()
  await w.settle(answering('a'))
  await w.settle(settle('b', { outcome: 'retry' }))
  const { waiting } = await w.ledger()
  await w.close()
  const db = new DatabaseSync(join(made.harness.data, 'dragoman.db'), { readOnly: true })
  expect(db.prepare("SELECT count(*) AS n FROM work WHERE kind = 'message'").get()).toEqual({ n: waiting })
  db.close()
  expect(waiting).toBe(3)
  await w.openAgain()
})

test.each(['under a file', 'where nothing can be made'])(
  'a directory %s is refused at once, and named',
  async (where) => {
    await using harness = await make()
    const file = join(harness.directory, 'file')
    await writeFile(file, '')
    // node:fs's recursive mkdir never ends below /proc
    const base = where === 'under a file' || process.platform !== 'linux' ? file : '/proc'
    const directory = join(base, 'nope/deeper')
    await expect(openSqliteStore({ directory })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining(`"${directory}" for the store cannot be made`),
    })
  },
)
