// Open work whose message the store has no more (a damaged file, a hand in Redis) costs itself alone.
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { World, answering, dedupe, pushTo, working } from '../../../conformance/store/world.ts'
import { RedisServer } from '../../../support/redis-server.ts'
import { RedisHarness } from './redis-harness.ts'
import { SqliteHarness } from './sqlite-harness.ts'

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

interface Damaged {
  readonly world: World
  /** Takes a message, or what its own push carries, out of the log. */
  readonly lose: (id: string) => Promise<void>
}

async function onSqlite(): Promise<Damaged> {
  const harness = await SqliteHarness.make()
  const world = await World.make(() => Promise.resolve(harness))
  return {
    world,
    async lose(id) {
      await world.close()
      const db = new DatabaseSync(join(harness.data, 'dragoman.db'))
      db.prepare('DELETE FROM log WHERE message = ?').run(id)
      db.close()
      await world.openAgain('third life')
    },
  }
}

async function onRedis(): Promise<Damaged> {
  const world = await World.make(() => RedisHarness.make(server))
  return {
    world,
    async lose(id) {
      const key = server.cli('--scan', '--pattern', `*r:m:${id}`).trim()
      const [conversation = '', sequence = ''] = server.cli('HMGET', key, 'c', 's').trim().split('\n')
      server.cli('XDEL', key.replace(`r:m:${id}`, `log:${conversation}`), `${sequence}-0`)
    },
  }
}

test.each([
  ['the embedded store', onSqlite],
  ['Redis', onRedis],
] as const)(
  'on %s an open row without its message is given up, told once, and holds up nobody',
  async (_name, make) => {
    const { world, lose } = await make()
    await using _ = world
    const lane = (name: string) => ({
      conversation: name,
      work: { lane: name, priority: 1, limit: 100 },
    })
    await world.begin('asked', lane('push'))
    await world.settle(answering('asked', { conversation: 'push', ...pushTo('asked') }))
    await world.accept(working('gone', { ...lane('one'), ...dedupe('key') }))
    await world.accept(working('behind', lane('one')))
    await world.accept(working('other', lane('two')))
    await lose('gone')
    await lose('asked-reply')
    const first = await world.take()
    expect(first.work.map((row) => row.id)).toEqual(['other'])
    expect(first.lost).toEqual([
      { kind: 'message', id: 'gone' },
      { kind: 'push', id: 'asked-push' },
    ])
    expect(first.nextDueMs).toBe(0)
    const second = await world.take()
    expect(second.work.map((row) => row.id)).toEqual(['behind'])
    expect(second.lost).toBeUndefined()
    for (const [id, conversation] of [
      ['other', 'two'],
      ['behind', 'one'],
    ] as const)
      await world.settle(answering(id, { conversation }))
    expect(await world.ledger()).toMatchObject({ accepted: 4, settled: 3, dead: 1, waiting: 0 })
    expect(await world.store.accept(working('again', { ...lane('one'), ...dedupe('key') }))).toMatchObject({
      status: 'duplicate',
      state: 'failed',
      failure: { code: 'INTERNAL' },
    })
    expect(await world.take()).toMatchObject({ work: [], waiting: 0 })
  },
)
