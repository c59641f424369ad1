// The store on Redis beyond what it shares with the embedded one: 256 partitions, several processes, settings it refuses.
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { partitionLease } from '../../../../core/store/figures.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import type { RedisOptions } from '../../../../core/store/redis.ts'
import { metaKey } from '../../../../core/store/redis/partitions.ts'
import type { Fence, Row, Store } from '../../../../core/store/store.ts'
import {
  accept,
  answering,
  dedupe,
  expectStatus,
  message,
  pushTo,
  settle,
  working,
} from '../../../conformance/store/world.ts'
import { RedisServer } from '../../../support/redis-server.ts'

let server: RedisServer
let opened: Store[] = []

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(() => server.empty())
afterEach(async () => {
  for (const store of opened) await store[Symbol.asyncDispose]()
  opened = []
})

async function open(over: Partial<RedisOptions> = {}): Promise<Store> {
  const store = await openRedisStore({ url: server.url, ...over })
  opened.push(store)
  return store
}

const DAY = 86_400_000

const home = (user: number) => `web/u${user}`
const conversation = (user: number) => `web:u${user}`
const of = (user: number) => ({ home: home(user), conversation: conversation(user) })

async function hold(store: Store, user: number, owner: string, ttlMs = 60_000): Promise<Fence> {
  const name = partitionLease(store.partitionOf(home(user)))
  return expectStatus(await store.lease({ name, owner, ttlMs }), 'held').fence
}

function ids(rows: readonly Row[]): readonly string[] {
  return rows.map((row) => ('id' in row ? row.id : ''))
}

describe('256 partitions (SEMANTICS 11)', () => {
  test('each key carries one hash tag, the customers are spread, and all that is one customer’s is in one partition', async () => {
    const store = await open()
    expect(store.partitions).toBe(256)
    const users = Array.from({ length: 40 }, (_, user) => user)
    for (const user of users) {
      const fence = await hold(store, user, 'one')
      await store.accept(working(`m${user}`, { ...of(user), ...dedupe(`k${user}`), fence }))
      const device = { home: home(user), device: 'd', boot: 'b', first: 1, epoch: '', offset: 0 }
      await store.hello(device)
      await store.settle(
        answering(`m${user}`, {
          ...pushTo(`m${user}`),
          home: home(user),
          conversation: conversation(user),
          fence,
        }),
      )
    }
    const keys = server.cli('KEYS', '*').split('\n')
    const tags = new Set<string>()
    for (const key of keys) {
      expect(key).toMatch(/^dragoman:\{p\d{3}\}:/u)
      tags.add(key.slice(0, 'dragoman:{p000}'.length))
    }
    expect(tags.size).toBeGreaterThan(30)
    const one = keys.filter((key) => /[:/]u7(?::|$)/u.test(key))
    expect(one.length).toBeGreaterThan(3)
    expect(new Set(one.map((key) => key.slice(0, 'dragoman:{p000}'.length))).size).toBe(1)
  })

  test('a conversation’s name belongs to one home over all partitions, also raced for, read and answered (SEMANTICS 9)', async () => {
    const store = await open()
    const other = await open()
    const homes = Array.from({ length: 20 }, (_, user) => home(user))
    const results = await Promise.all(
      homes.map((name, user) =>
        (user % 2 === 0 ? store : other).accept(accept(`m${user}`, { home: name, conversation: 'shared' })),
      ),
    )
    expect(results.filter(({ status }) => status === 'accepted')).toHaveLength(1)
    expect(results.filter(({ status }) => status === 'forbidden')).toHaveLength(19)
    const winner = results.findIndex(({ status }) => status === 'accepted')
    for (const [user, name] of homes.entries()) {
      const read = store.read({ home: name, log: { conversation: 'shared' }, after: 0, limit: 9 })
      if (user === winner) expect(await read).toMatchObject({ rows: [{ message: { id: `m${user}` } }] })
      else await expect(read).rejects.toMatchObject({ code: 'FORBIDDEN' })
    }
    const loser = winner === 0 ? 1 : 0
    const fence = await hold(store, loser, 'one')
    await store.accept(working('q', { ...of(loser), fence }))
    const stray = answering('q', { home: home(loser), conversation: 'shared', fence })
    await expect(store.settle(stray)).rejects.toMatchObject({ code: 'FORBIDDEN' })
    expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 2, waiting: 1, settled: 1 }])
  })

  test('somebody’s usual conversation is not taken before he comes', async () => {
    const store = await open()
    expect(await store.accept(accept('a', { home: home(1), conversation: conversation(2) }))).toMatchObject({
      status: 'accepted',
    })
    expect(await store.accept(accept('b', of(2)))).toEqual({ status: 'forbidden' })
  })

  test('who sends again what waits, under a lease, has its holder look: the answer that said so may be lost (SEMANTICS 15)', async () => {
    const store = await open()
    const partition = `partition:${store.partitionOf(home(1))}`
    const fence = await hold(store, 1, 'one')
    const first = working('a', { ...of(1), fence })
    expect(await store.accept(first)).toMatchObject({ status: 'accepted', attempt: 1 })
    const waits = working('b', { ...of(1), fence })
    expect(await store.accept(waits)).not.toHaveProperty('attempt')
    const watch = store.watch([partition, `log:${conversation(2)}`])
    const hints = watch[Symbol.asyncIterator]()
    // What has begun is the holder's own.
    await store.accept(first)
    await store.accept(accept('c', of(2)))
    expect((await hints.next()).value).toBe(`log:${conversation(2)}`)
    await store.accept(waits)
    expect((await hints.next()).value).toBe(partition)
    watch.close()
  })

  test('lists go over all partitions in one order, in pages that go on', async () => {
    const store = await open()
    const failure = { code: 'AGENT_FAILED', message: 'x' }
    const names = Array.from({ length: 12 }, (_, user) => `m${String(user).padStart(2, '0')}`)
    for (const [user, id] of names.entries()) {
      const fence = await hold(store, user, 'one')
      await store.accept(working(id, { ...of(user), fence }))
      await store.accept(working(`${id}-open`, of(user)))
      await store.settle(
        settle(id, {
          home: home(user),
          conversation: conversation(user),
          outcome: 'failed',
          failure,
          dead: failure,
          fence,
        }),
      )
    }
    const dead = ids(await store.find({ by: 'dead', limit: 5 }))
    expect(dead).toEqual(names.slice(0, 5))
    expect(ids(await store.find({ by: 'dead', after: dead.at(-1) ?? '', limit: 100 }))).toEqual(
      names.slice(5),
    )
    const pages: string[] = []
    for (let after: string | undefined; ; after = pages.at(-1)) {
      const page = await store.find({ by: 'open', limit: 5, ...(after !== undefined && { after }) })
      if (page.length === 0) break
      pages.push(...ids(page))
    }
    expect(pages.toSorted()).toEqual(names.map((id) => `${id}-open`))
    const reader = await open()
    expect(await reader.find({ by: 'id', id: 'm03' })).toContainEqual(
      expect.objectContaining({ row: 'dead', id: 'm03' }),
    )
    expect(await store.find({ by: 'ledger' })).toMatchObject([
      { accepted: 24, dead: 12, waiting: 12, deadLetters: 12 },
    ])
  })

  test('a limit of size is for all of them: one busy customer keeps his own while there is room, and above it all give alike (SEMANTICS 23)', async () => {
    // Each of two gateways has half of the partitions.
    const stores = [await open(), await open()]
    const [store] = stores as [Store, Store]
    const counts = [160, 80, 8]
    const write = async (user: number, n: number): Promise<void> => {
      const filled = message(`m${user}-${n}`, { ...of(user), data: 'x'.repeat(1000) })
      await store.accept(accept(`m${user}-${n}`, { ...of(user), message: filled }))
    }
    for (const [user, count] of counts.entries()) for (let n = 0; n < count; n++) await write(user, n)
    const keyOf = (user: number, name: string): string =>
      metaKey('dragoman:', store.partitionOf(home(user))).replace(/meta$/u, name)
    const kept = (): readonly number[] =>
      counts.map((_, user) => Number(server.cli('XLEN', keyOf(user, `log:${conversation(user)}`))))
    const trimAll = async (maxBytes: number): Promise<void> => {
      for (let partition = 0; partition < store.partitions; partition++) {
        const own = stores[partition % 2] ?? store
        await own.trim({ partition, olderThanMs: DAY, maxBytes, budgetMs: 5000 })
      }
    }
    const bytes = counts.map((_, user) => Number(server.cli('HGET', keyOf(user, 'meta'), 'bytes')))
    const total = bytes.reduce((sum, size) => sum + size, 0)
    await trimAll(total + 1)
    expect(kept()).toEqual(counts)
    await trimAll(total / 2)
    const parts = kept().map((left, user) => left / (counts[user] ?? 0))
    for (const part of parts) expect(Math.abs(part - 0.5)).toBeLessThan(0.15)
    // What is newest stays, and there is nothing more to cut.
    const left = kept()
    await trimAll(total / 2 + 5000)
    expect(kept()).toEqual(left)
    expect(
      await store.read({ home: home(0), log: of(0), after: (counts[0] ?? 0) - 1, limit: 9 }),
    ).toMatchObject({
      rows: [{ message: { id: `m0-${(counts[0] ?? 0) - 1}` } }],
    })
  })

  test('what an accept that was broken off has left keeps no trim from the rows behind it, nor the same message from being accepted', async () => {
    const store = await open()
    const rows = metaKey('dragoman:', store.partitionOf(home(1))).replace(/meta$/u, 'rows')
    server.cli('ZADD', rows, '0.1', 'm1', '0.2', 'left')
    expect(await store.accept(accept('m1', of(1)))).toMatchObject({ status: 'accepted', sequence: 1 })
    await store.accept(accept('m2', of(1)))
    expect(server.cli('ZRANGE', rows, '0', '-1').split('\n')).toEqual(['left', 'm1', 'm2'])
    const partition = store.partitionOf(home(1))
    expect(await store.trim({ partition, olderThanMs: DAY, maxBytes: 1, budgetMs: 5000 })).toMatchObject({
      removed: 4, // two messages and their places in the inbox
    })
    expect(server.cli('EXISTS', rows)).toBe('0')
  })

  test('how many there are is what the data was made with', async () => {
    await open({ partitions: 16 })
    expect((await open()).partitions).toBe(16)
  })
})

describe('several processes', () => {
  test('each partition has one holder; what the holder before writes late is refused (SEMANTICS 20)', async () => {
    const first = await open()
    const second = await open()
    const frozen = await hold(first, 1, 'first', 50)
    await first.accept(working('a', { ...of(1), fence: frozen }))
    const partition = first.partitionOf(home(1))
    const name = partitionLease(partition)
    await expect
      .poll(async () => (await second.lease({ name, owner: 'second', ttlMs: 60_000 })).status)
      .toBe('held')
    const fence = await hold(second, 1, 'second')
    // What it takes in late the holder of now is told of: a lease's former owner begins nothing.
    const watch = second.watch([`partition:${partition}`])
    const told = watch[Symbol.asyncIterator]().next()
    const elsewhere = { ...of(1), conversation: `${conversation(1)}:other` }
    expect(
      await first.accept(
        working('b', { ...elsewhere, fence: frozen, work: { lane: 'other', priority: 1, limit: 9 } }),
      ),
    ).not.toHaveProperty('attempt')
    expect(await told).toMatchObject({ value: `partition:${partition}` })
    watch.close()
    const late = answering('a', { home: home(1), conversation: conversation(1), fence: frozen })
    expect(await first.settle(late)).toEqual({ status: 'fenced' })
    expect(await first.take({ partition, fence: frozen, max: 9, kinds: ['message'] })).toEqual({
      status: 'fenced',
    })
    expect(await second.take({ partition, fence, max: 9, kinds: ['message'] })).toMatchObject({
      work: [
        { id: 'a', attempt: 2, orphan: true },
        { id: 'b', attempt: 1 },
      ],
    })
    expect(await second.settle({ ...late, attempt: 2, fence })).toMatchObject({
      status: 'settled',
      sequences: [2],
    })
  })

  test('64 that race through two processes for one key: one accepted', async () => {
    const [one, two] = [await open(), await open()]
    const results = await Promise.all(
      Array.from({ length: 64 }, (_, n) =>
        (n % 2 === 0 ? one : two).accept(working(`m${n}`, { ...of(1), ...dedupe('key') })),
      ),
    )
    expect(results.filter((result) => result.status === 'accepted')).toHaveLength(1)
    expect(results.filter((result) => result.status === 'duplicate')).toHaveLength(63)
  })

  test('what one stores wakes who watches at another', async () => {
    const [writer, watcher] = [await open(), await open()]
    const watch = watcher.watch([`log:${conversation(1)}`, 'reply:a'])
    const seen = new Set<string>()
    const reading = (async () => {
      for await (const hint of watch) seen.add(hint)
    })()
    const fence = await hold(writer, 1, 'writer')
    await writer.accept(working('a', { ...of(1), fence }))
    await writer.settle(answering('a', { home: home(1), conversation: conversation(1), fence }))
    await expect.poll(() => [...seen].toSorted()).toEqual([`log:${conversation(1)}`, 'reply:a'])
    server.cli('PUBLISH', 'dragoman:hints', '{"no":"list"}')
    server.cli('PUBLISH', 'dragoman:hints', 'no JSON')
    watch.close()
    await reading
  })
})

describe('what it refuses and what it says', () => {
  const said: string[] = []
  const say = (text: string): number => said.push(text)
  const log = { debug: say, info: say, warn: say, error: say, child: () => log }

  afterEach(() => {
    server.set({ appendfsync: 'always', appendonly: 'yes', 'maxmemory-policy': 'noeviction' })
    said.length = 0
  })

  test('a policy that evicts: never started with, and seen while it runs', async () => {
    const store = await open()
    server.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
    await expect(open()).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('maxmemory-policy is "allkeys-lru"'),
    })
    await expect.poll(() => store.health(), { timeout: 20_000 }).toMatchObject({ writable: false })
  })

  test.each([
    ['always', 'yes', 'a power loss costs nothing that was acknowledged', true],
    ['everysec', 'yes', 'a power loss may cost about the last second', false],
    ['no', 'yes', 'a power loss may cost about the last half minute', false],
    ['always', 'no', 'everything since its last snapshot', false],
  ])(
    'appendfsync %s, appendonly %s: it says what a power loss costs; strict starts: %s',
    async (fsync, aof, words, isStrict) => {
      server.set({ appendfsync: fsync, appendonly: aof })
      await open({ log })
      expect(said.join('\n')).toContain(words)
      if (isStrict) await open({ durability: 'strict' })
      else
        await expect(open({ durability: 'strict' })).rejects.toMatchObject({
          message: expect.stringContaining(words),
        })
    },
  )

  test('what would be too long to be read again is not stored', async () => {
    const store = await open()
    const large = (bytes: number) => message('a', { ...of(1), data: { text: 'x'.repeat(bytes) } })
    const asked = accept('a', { ...of(1), message: large(33 * 1024 * 1024) })
    await expect(store.accept(asked)).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await store.accept(accept('a', { ...of(1), message: large(4 * 1024 * 1024) }))
    const read = { home: home(1), log: { conversation: conversation(1) }, after: 0, limit: 1 }
    expect(await store.read(read)).toMatchObject({ rows: [{ message: { id: 'a' } }] })
  })

  test('nobody there: refused with the reason, and no password in it', async () => {
    await expect(openRedisStore({ url: 'redis://user:hunter22@127.0.0.1:1' })).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.not.stringContaining('hunter22'),
    })
  })

  test('a message of hostile names stays one message: braces, colons, line breaks, half a surrogate', async () => {
    const store = await open()
    const names = ['a}b{c', '{p001}', 'x\ny', 'm:1', '__proto__', '\u{1F600}']
    for (const name of names) {
      const place = { home: `web/${name}`, conversation: `web:${name}` }
      const asked = accept(name, { ...place, message: message(name, { ...place, data: { half: '\uD800' } }) })
      expect(await store.accept(asked)).toMatchObject({ status: 'accepted', sequence: 1 })
      expect(await store.read({ home: place.home, log: place, after: 0, limit: 1 })).toMatchObject({
        rows: [{ message: { id: name, data: { half: '\uD800' } } }],
      })
    }
  })
})
