// `dragoman trace` and `dragoman dead` where no gateway runs: they read the store the config names and change nothing of it.
import { spawnSync } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { partitionLease } from '../../core/store/figures.ts'
import { openSqliteStore } from '../../core/store/sqlite.ts'
import { dropMark, writeMark } from '../../core/store/sqlite/mark.ts'
import { openRedisStore } from '../../core/store/redis.ts'
import type { Store } from '../../core/store/store.ts'
import { HOME, LEASE_MS, expectStatus, settle, working } from '../conformance/store/world.ts'
import { temporaryDirectory } from '../support/gateway.ts'
import { RedisServer } from '../support/redis-server.ts'
import { smallDisk } from '../support/small-disk.ts'

const SLOWLY_MS = 120_000
const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const LOOKING = [
  ['trace', 'a'],
  ['dead', 'list'],
  ['dead', 'show', 'a'],
] as const

async function folder(store = '', at?: string) {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const config = join(directory, 'gateway.yaml')
  await writeFile(config, `channels: { web: { adapter: rest } }\n${store}\n`)
  const data = at ?? join(directory, 'data')
  const dragoman = (...words: readonly string[]) => {
    const args = [BIN, ...words, '--config', config, '--data', data]
    const { status, stdout, stderr } = spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: SLOWLY_MS,
    })
    return { status, stdout, stderr }
  }
  return { data, dragoman }
}

/** One message that could not be delivered. */
async function bury(store: Store): Promise<void> {
  const name = partitionLease(store.partitionOf(HOME))
  const { fence } = expectStatus(await store.lease({ name, owner: 'test', ttlMs: LEASE_MS }), 'held')
  expect(await store.accept(working('a', { fence }))).toMatchObject({ attempt: 1 })
  const dead = { code: 'AGENT_FAILED', message: 'nobody answers' } as const
  await store.settle(settle('a', { fence, outcome: 'failed', failure: dead, dead }))
}

function setSchema(data: string, version: number): void {
  using db = new DatabaseSync(join(data, 'dragoman.db'))
  db.exec(`PRAGMA user_version = ${version}`)
}

function shows(dragoman: Awaited<ReturnType<typeof folder>>['dragoman']): void {
  for (const words of LOOKING)
    expect(dragoman(...words)).toMatchObject({ status: 0, stdout: expect.stringContaining('nobody answers') })
}

test('those in a file', { timeout: SLOWLY_MS }, async () => {
  const { data, dragoman } = await folder()
  expect(dragoman('dead', 'list').stderr).toContain('there is no store in')
  {
    await using store = await openSqliteStore({ directory: data })
    await bury(store)
  }
  shows(dragoman)
  const moved = { id: 'm1', other: 'redis://127.0.0.1:1', since: '2026-01-31T09:00:00Z', incarnation: 'i' }
  writeMark(data, { state: 'moved', ...moved })
  for (const words of LOOKING)
    expect(dragoman(...words)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('was moved to redis://127.0.0.1:1'),
    })
  dropMark(data)
  setSchema(data, 1)
  expect(dragoman('dead', 'list').stderr).toMatch(
    /has schema 1 and this gateway knows \d+: an older gateway wrote it; start this one once/u,
  )
  setSchema(data, 99)
  expect(dragoman('dead', 'list').stderr).toContain('start the newer gateway that wrote it')
})

test(
  'those on a disk that is full, or that can only be read; a backup to the full one is told why it is none',
  { timeout: SLOWLY_MS },
  async (context) => {
    await using disk = await smallDisk(80)
    if (disk === undefined) return context.skip('no file system of its own can be mounted here')
    const data = join(disk.path, 'data')
    const { dragoman } = await folder('', data)
    {
      await using store = await openSqliteStore({ directory: data })
      await bury(store)
    }
    // As a gateway leaves it that was killed.
    await writeFile(join(data, 'gateway.url'), 'http://127.0.0.1:1\n')
    await writeFile(join(data, 'gateway.lock'), '')
    const copy = join(disk.path, 'copy')
    await mkdir(copy)
    const full = `the copy in "${copy}" cannot be made: the disk that holds it is full: free some space`
    await disk.fillTo(32 * 1024) // what readers share (-shm) takes
    shows(dragoman)
    expect(dragoman('backup', copy)).toMatchObject({ status: 1, stderr: `dragoman: ${full}\n` })
    disk.readOnly()
    shows(dragoman)
  },
)

test(
  'those on Redis: an empty one stays empty, and is told as one without a store',
  { timeout: SLOWLY_MS },
  async () => {
    await using redis = await RedisServer.start()
    const { dragoman } = await folder(`store: { url: "${redis.url}" }`)
    for (const words of LOOKING)
      expect(dragoman(...words)).toMatchObject({
        status: 1,
        stderr: expect.stringContaining('there is no store on this Redis'),
      })
    expect(redis.cli('DBSIZE')).toBe('0')
    {
      await using store = await openRedisStore({ url: redis.url })
      await bury(store)
    }
    const changes = (): string | undefined =>
      /rdb_changes_since_last_save:(?<count>\d+)/u.exec(redis.cli('INFO', 'persistence'))?.groups?.['count']
    const before = changes()
    shows(dragoman)
    expect(dragoman('trace', 'nobody').stderr).toContain(
      'the store on Redis knows nothing of nobody, or store.retention has removed it: wanted is the id of a message',
    )
    expect(Number(before)).toBeGreaterThan(0)
    expect(changes()).toBe(before)
    await redis.end()
    expect(dragoman('dead', 'list')).toMatchObject({ status: 1, stderr: expect.stringContaining('Redis: ') })
  },
)

test('a trace without an id is refused by the command', { timeout: SLOWLY_MS }, async () => {
  const { dragoman } = await folder()
  expect(dragoman('trace', '')).toMatchObject({
    status: 1,
    stderr: 'dragoman: name a message: its id is empty\n',
  })
})
