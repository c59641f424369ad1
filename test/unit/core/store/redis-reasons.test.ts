// Why Redis cannot be reached: health, log and callers are told what Redis and the network say, never what the client says of itself.
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from '../../../../core/api.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import { metaKey } from '../../../../core/store/redis/partitions.ts'
import type { Store } from '../../../../core/store/store.ts'
import { accept } from '../../../conformance/store/world.ts'
import { faultProxy } from '../../../support/fault-proxy.ts'
import { until } from '../../../support/gateway.ts'
import { RedisServer } from '../../../support/redis-server.ts'

const ONE = { home: 'web/u1', conversation: 'web:u1' }
const CLIENTS_WORDS = /max retries|enableOfflineQueue|Command timed out|Connection is closed/u

let server: RedisServer
let said: string[] = []
const at = (): Log['info'] => (message, fields) => void said.push(`${message}: ${String(fields?.['reason'])}`)
const log: Log = { debug: at(), info: at(), warn: at(), error: at() }

beforeEach(async () => {
  said = []
  server = await RedisServer.start()
})
afterEach(() => server[Symbol.asyncDispose]())

const open = (url = server.url): Promise<Store> => openRedisStore({ url, log })

/** Undefined while it can be written. */
function reasonOf(store: Store): string | undefined {
  const health = store.health()
  return health.writable ? undefined : health.reason
}

/** Also that it stays so over several looks, and is told once. */
async function expectReason(store: Store, words: string): Promise<void> {
  await expect.poll(() => reasonOf(store), { timeout: 20_000 }).toContain(words)
  const end = performance.now() + 2500
  while (performance.now() < end) {
    expect(reasonOf(store)).toContain(words)
    await new Promise((again) => setTimeout(again, 50))
  }
  expect(said.filter((line) => line.includes(words))).toHaveLength(1)
  expect(said.filter((line) => CLIENTS_WORDS.test(line))).toEqual([])
}

async function expectBack(store: Store): Promise<void> {
  await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
}

test('a password that was changed, clients that are too many, nobody who listens: each is told by its name, once', async () => {
  const user = (): unknown => server.cli('ACL', 'SETUSER', 'one', 'on', '>secret', '~*', '&*', '+@all')
  user()
  const admin = new Redis(server.url)
  await using store = await open(`redis://one:secret@127.0.0.1:${server.port}`)
  const cut = (): Promise<unknown> => admin.call('CLIENT', 'KILL', 'USER', 'one')

  await admin.call('ACL', 'SETUSER', 'one', 'resetpass', '>other')
  await cut()
  await expectReason(store, 'WRONGPASS')
  await admin.call('ACL', 'SETUSER', 'one', 'resetpass', '>secret')
  await expectBack(store)

  await admin.config('SET', 'maxclients', '2')
  await cut()
  await expectReason(store, 'max number of clients reached')
  await admin.config('SET', 'maxclients', '1000')
  await expectBack(store)

  admin.disconnect()
  await server.end('SIGKILL')
  await expectReason(store, 'ECONNREFUSED')
  await server.begin()
  user()
  await expectBack(store)
}, 60_000)

test('a Redis that refuses every write: not ready in its words, told once, until a write succeeds, and no start meanwhile', async () => {
  await using own = await RedisServer.start(['--appendonly', 'no', '--save', '3600 1'])
  const rights = (...words: readonly string[]): unknown => own.cli('ACL', 'SETUSER', 'one', ...words)
  rights('on', '>secret', '~*', '&*', '+@all')
  const [, directory = ''] = own.cli('CONFIG', 'GET', 'dir').split('\n')
  const dump = join(directory, 'dump.rdb')
  const save = async (status: string): Promise<void> => {
    own.cli('BGSAVE')
    await until(
      () => own.cli('INFO', 'persistence').includes(`rdb_last_bgsave_status:${status}`) || undefined,
    )
  }
  const troubles: readonly (readonly [words: string, begin: () => unknown, end: () => unknown])[] = [
    [
      'MISCONF',
      async () => {
        await mkdir(dump) // the snapshot cannot take its name
        await save('err')
      },
      async () => {
        await rmdir(dump)
        await save('ok')
      },
    ],
    [
      'NOREPLICAS',
      () => own.set({ 'min-replicas-to-write': '1' }),
      () => own.set({ 'min-replicas-to-write': '0' }),
    ],
    ['NOPERM its ACL user may not', () => rights('-@write'), () => rights('+@all')],
    ['NOPERM', () => rights('-evalsha', '-eval'), () => rights('+@all')],
  ]
  const url = `redis://one:secret@127.0.0.1:${own.port}`
  await using store = await open(url)
  // As a gateway does: what finds out that writes are taken again.
  const renew = (): Promise<unknown> =>
    store.lease({ name: 'partition/1', owner: 'a', ttlMs: 5000 }).catch(() => undefined)
  const renewing = setInterval(() => void renew(), 100)
  await using _ending = { [Symbol.asyncDispose]: async () => clearInterval(renewing) }
  for (const [words, begin, end] of troubles) {
    said = []
    await begin()
    await expect(store.accept(accept(words, ONE))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      notExecuted: true,
      message: expect.stringContaining(words),
    })
    await expectReason(store, words)
    await expect(open(url)).rejects.toMatchObject({ message: expect.stringContaining(words) })
    await end()
    await expectBack(store)
    expect(await store.accept(accept(words, ONE))).toMatchObject({ status: 'accepted' })
  }
}, 60_000)

test('a user who lacks one right of many: not ready until he has it, nothing is begun meanwhile that would be half written, and no start', async () => {
  const rights = (...words: readonly string[]): unknown => server.cli('ACL', 'SETUSER', 'one', ...words)
  rights('on', '>secret', '~*', '&*', '+@all')
  const url = `redis://one:secret@127.0.0.1:${server.port}`
  await using store = await open(url)
  // What he may do says nothing of what he may not.
  const renew = (): Promise<unknown> =>
    store.lease({ name: 'partition/1', owner: 'a', ttlMs: 5000 }).catch(() => undefined)
  const renewing = setInterval(() => void renew(), 100)
  await using _ending = { [Symbol.asyncDispose]: async () => clearInterval(renewing) }
  rights('-xadd')
  const refused = { code: 'STORE_UNAVAILABLE', notExecuted: true, message: expect.stringContaining('NOPERM') }
  await expect(store.accept(accept('a', ONE))).rejects.toMatchObject(refused)
  await expectReason(store, 'NOPERM its ACL user may not')
  const key = metaKey('dragoman:', store.partitionOf(ONE.home))
  const number = server.cli('HGET', key, 'next')
  await expect(store.accept(accept('b', ONE))).rejects.toMatchObject(refused)
  expect(server.cli('HGET', key, 'next')).toBe(number)
  await expect(open(url)).rejects.toMatchObject({ message: expect.stringContaining('NOPERM') })
  expect(server.cli('KEYS', '*rights*')).toBe('')
  rights('+xadd')
  await expectBack(store)
  expect(said.filter((line) => line.startsWith('Redis takes writes again'))).toHaveLength(1)
  for (const id of ['a', 'b'])
    expect(await store.accept(accept(id, ONE))).toMatchObject({ status: 'accepted' })

  // Retention, which is refused in the middle of a message: it goes on there, counts it once, and begins no other.
  const two = { home: 'web/u2', conversation: 'web:u2' }
  const partition = store.partitionOf(two.home)
  const meta = metaKey('dragoman:', partition)
  const trim = (): Promise<unknown> => store.trim({ partition, olderThanMs: -1, maxBytes: 1e9, budgetMs: 20 })
  for (const right of ['hincrby', 'xdel', 'zrem']) {
    for (const id of ['1', '2']) await store.accept(accept(right + id, two))
    rights(`-${right}`)
    await expect(trim()).rejects.toMatchObject(refused)
    const left = server.cli('HGET', meta, 'bytes')
    await expect(trim()).rejects.toMatchObject(refused)
    await expect(store.lease({ name: 'x', owner: 'a', ttlMs: 5000 })).rejects.toMatchObject(refused)
    expect(server.cli('HGET', meta, 'bytes')).toBe(left)
    rights(`+${right}`)
    await expectBack(store)
    await trim()
    expect(server.cli('HGET', meta, 'bytes')).toBe('0')
    expect(server.cli('ZCARD', meta.replace('meta', 'rows'))).toBe('0')
  }
}, 30_000)

test('a start without one right of many is refused for that, each time, and the first with it is none', async () => {
  const rights = (...words: readonly string[]): unknown => server.cli('ACL', 'SETUSER', 'one', ...words)
  rights('on', '>secret', '~*', '&*', '+@all')
  const url = `redis://one:secret@127.0.0.1:${server.port}`
  for (const right of ['del', 'xdel', 'zpopmin', 'pexpire']) {
    rights(`-${right}`)
    for (const _ of [1, 2])
      await expect(open(url)).rejects.toMatchObject({ message: expect.stringContaining('NOPERM') })
    expect(server.cli('KEYS', '*rights*')).toBe('')
    rights(`+${right}`)
    await using store = await open(url)
    expect(store.health()).toEqual({ writable: true })
  }
})

test('an answer that is lost, and one that does not come: the caller is told that, and the client’s words are the cause', async () => {
  await using proxy = await faultProxy({ target: server.port, seed: 7 })
  await using store = await open(`redis://127.0.0.1:${proxy.port}`)
  await expect
    .poll(
      async () => {
        proxy.set({ ackLoss: 1 }) // a line is some time old before its answers get lost
        const failure: unknown = await store.accept(accept('a', ONE)).catch((error: unknown) => error)
        proxy.set({})
        return failure
      },
      { timeout: 20_000 },
    )
    .toMatchObject({
      notExecuted: false,
      message: 'the store cannot be used: the line broke before its answer',
      cause: { message: expect.stringContaining('max retries') },
    })
  await expectBack(store)
  process.kill(server.pid, 'SIGSTOP')
  await expect(store.accept(accept('b', ONE))).rejects.toMatchObject({
    notExecuted: false,
    message: 'the store cannot be used: no answer within a second',
    cause: { message: 'Command timed out' },
  })
  await expect.poll(() => reasonOf(store), { timeout: 20_000 }).toBe('it does not answer')
  process.kill(server.pid, 'SIGCONT')
  await expectBack(store)
})
