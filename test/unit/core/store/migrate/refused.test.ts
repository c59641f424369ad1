// Who may not move a store: while a gateway uses it, to where something is, twice, or with a difference; and what a moved one says.
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { migrate } from '../../../../../core/store/migrate/migrate.ts'
import { openRedisEnd, reclaimRedis } from '../../../../../core/store/migrate/redis-end.ts'
import { reclaimDirectory } from '../../../../../core/store/migrate/sqlite-end.ts'
import type { MovedTotals } from '../../../../../core/store/migrate/rows.ts'
import { openRedisStore } from '../../../../../core/store/redis.ts'
import type { Store } from '../../../../../core/store/store.ts'
import { accept, answering, dedupe, message, settle, working } from '../../../../conformance/store/world.ts'
import { until } from '../../../../support/gateway.ts'
import { RedisCluster } from '../../../../support/redis-cluster.ts'
import { HOUR } from './filling.ts'
import { isRedis, move, moveUntil, openEnd, openStore, places } from './moving.ts'

const at = places()

describe.each([
  { way: 'a folder to Redis', ends: () => [at.folder('a'), at.redis] as const },
  { way: 'Redis to a folder', ends: () => [at.redis, at.folder('b')] as const },
])('from $way', ({ ends }) => {
  test(
    'the source is marked: it is refused in words, and used all the same it has a new incarnation (SEMANTICS 12)',
    { timeout: 60_000 },
    async () => {
      const [from, to] = ends()
      let incarnation: string
      {
        await using store = await openStore(from)
        await store.accept(accept('a'))
        incarnation = store.incarnation
      }
      await move(from, to)
      await expect(openStore(from)).rejects.toMatchObject({
        code: 'STORE_UNAVAILABLE',
        message: expect.stringMatching(/was moved to .* at .*--use-moved-store/u),
      })
      await expect(move(from, at.folder('elsewhere'))).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
      if (isRedis(from)) await reclaimRedis({ url: from })
      else reclaimDirectory(from)
      await using old = await openStore(from)
      expect(old.incarnation).not.toBe(incarnation)
      expect(await old.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
      await using moved = await openStore(to)
      expect(moved.incarnation).toBe(incarnation)
    },
  )

  test(
    'back into the same place it goes where that was emptied, and until then is told what to empty',
    { timeout: 60_000 },
    async () => {
      const [from, to] = ends()
      {
        await using store = await openStore(from)
        await store.accept(accept('a', dedupe('a')))
      }
      await move(from, to)
      const words = `${from} still holds what was moved to ${to}: empty it (remove the folder's files dragoman.*, on Redis the keys dragoman:*) or name another place`
      await expect(move(to, from)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', message: words })
      if (isRedis(from)) await at.server.empty()
      else
        for (const name of await readdir(from)) if (name.startsWith('dragoman.')) await rm(join(from, name))
      await move(to, from)
      await using store = await openStore(from)
      expect(await store.accept(accept('b', dedupe('a')))).toMatchObject({ status: 'duplicate', id: 'a' })
    },
  )

  test(
    'killed between the last two marks neither side can be used, and the same command ends it',
    { timeout: 60_000 },
    async () => {
      const [from, to] = ends()
      {
        await using store = await openStore(from)
        for (const id of ['a', 'b']) await store.accept(accept(id, dedupe(id)))
      }
      for (const step of ['seal', 'release'] as const) {
        await using source = await openEnd(from)
        await using target = await openEnd(to, true)
        const seal = target.seal.bind(target)
        target[step] = async (totals?: MovedTotals) => {
          if (totals !== undefined) await seal(totals)
          throw new Error('as if killed')
        }
        await expect(migrate({ source, target })).rejects.toThrow('as if killed')
      }
      await expect(openStore(from)).rejects.toMatchObject({
        message: expect.stringContaining('was moved to'),
      })
      await expect(openStore(to)).rejects.toMatchObject({
        message: expect.stringContaining('unfinished migration'),
      })
      await move(from, to)
      {
        await using store = await openStore(to)
        expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 2 }])
        expect(await store.accept(accept('c', dedupe('a')))).toMatchObject({ status: 'duplicate', id: 'a' })
      }
      await expect(move(from, to)).rejects.toMatchObject({ message: expect.stringContaining('was moved to') })
    },
  )

  test(
    'begun anew to another place, what was begun first is void: one store never becomes two (SEMANTICS 2, 12)',
    { timeout: 60_000 },
    async () => {
      const [from, wrong, right] = [...ends(), at.folder('right')]
      {
        await using store = await openStore(from)
        await store.accept(accept('a', dedupe('a')))
      }
      expect((await moveUntil(from, wrong, 1)).isKilled).toBe(true)
      expect((await moveUntil(from, right, 1)).isKilled).toBe(true)
      await expect(move(from, wrong)).rejects.toMatchObject({
        message: expect.stringContaining(`${wrong} holds another unfinished migration`),
      })
      await move(from, right)
      await expect(move(from, wrong)).rejects.toMatchObject({
        message: expect.stringContaining(`was moved to ${right}`),
      })
      await expect(openStore(wrong)).rejects.toMatchObject({
        message: expect.stringContaining('unfinished migration'),
      })
      await using store = await openStore(right)
      expect(await store.accept(accept('b', dedupe('a')))).toMatchObject({ status: 'duplicate', id: 'a' })
    },
  )

  test(
    'refused while a gateway uses either side, and into what is not empty; then nothing has changed',
    { timeout: 60_000 },
    async () => {
      const [from, to] = ends()
      const use = async (place: string): Promise<Store> => {
        const store = await openStore(place)
        await store.lease({ name: 'partition/0', owner: 'a gateway', ttlMs: HOUR })
        return store
      }
      for (const used of [from, to]) {
        {
          await using store = await openStore(from)
          await store.accept(accept(`while ${used === from ? 'the source' : 'the target'} is used`))
        }
        await using gateway = await use(used)
        await expect(move(from, to)).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
        expect(await gateway.accept(accept('it goes on'))).toMatchObject({ status: 'accepted' })
      }
      // The target has a message now.
      await expect(move(from, to)).rejects.toMatchObject({ message: expect.stringContaining('not empty') })
      await using source = await openStore(from)
      await using target = await openStore(to)
      expect(await source.find({ by: 'ledger' })).toMatchObject([{ accepted: 3 }])
      expect(await target.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
    },
  )
})

test(
  'a Redis that another command takes meanwhile is moved by one alone (SEMANTICS 2, 12)',
  { timeout: 60_000 },
  async () => {
    {
      await using store = await openStore(at.redis)
      await store.accept(accept('a'))
    }
    const first = at.folder('first')
    const whileMoved = async (meanwhile: () => Promise<unknown>): Promise<unknown> => {
      await using source = await openEnd(at.redis)
      await using target = await openEnd(first, true)
      const seal = target.seal.bind(target)
      target.seal = async (totals) => {
        await seal(totals)
        await meanwhile()
      }
      return await migrate({ source, target })
    }
    const taken = { message: expect.stringContaining('taken by another command meanwhile') }
    await expect(whileMoved(() => reclaimRedis({ url: at.redis }))).rejects.toMatchObject(taken)
    await rm(first, { recursive: true })
    const second = at.folder('second')
    await expect(whileMoved(() => move(at.redis, second))).rejects.toMatchObject(taken)
    await expect(openStore(first)).rejects.toMatchObject({
      message: expect.stringContaining('unfinished migration'),
    })
    await using store = await openStore(second)
    expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
  },
)

test(
  'half a store is nobody’s: not to be used, and no other migration’s target',
  { timeout: 60_000 },
  async () => {
    const [from, other] = [at.folder('a'), at.folder('other')]
    for (const place of [from, other]) {
      await using store = await openStore(place)
      await store.accept(accept('a'))
    }
    expect((await moveUntil(from, at.redis, 1)).isKilled).toBe(true)
    await expect(move(other, at.redis)).rejects.toMatchObject({
      message: expect.stringContaining('another unfinished migration'),
    })
    await expect(reclaimRedis({ url: at.redis })).rejects.toMatchObject({
      message: expect.stringContaining('half a store'),
    })
    // Given up before it was done: the source has lost nothing, and goes on as what it was.
    reclaimDirectory(from)
    await using store = await openStore(from)
    expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
  },
)

test('to a database that is refused nothing is moved, nor to another one in its place', async () => {
  const from = at.folder('a')
  {
    await using store = await openStore(from)
    await store.accept(accept('a'))
  }
  await expect(move(from, `${at.redis}/99`)).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringContaining('out of range'),
  })
  expect(at.server.cli('DBSIZE')).toBe('0')
  await using store = await openStore(from)
  expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
})

test('to a Redis that gives less than `durability: strict` nothing is moved: no gateway would start there', async () => {
  const strict = { url: at.redis, durability: 'strict' } as const
  const weak = {
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/^durability is "strict" and Redis gives less: .*appendfsync everysec/u),
  }
  await expect(openRedisEnd(strict)).rejects.toMatchObject(weak)
  await expect(openRedisStore(strict)).rejects.toMatchObject(weak)
  at.server.set({ appendfsync: 'always' })
  await (await openRedisEnd(strict))[Symbol.asyncDispose]()
  const replicas = {
    message: expect.stringContaining('1 replicas are to acknowledge each write and 0 follow'),
  }
  await expect(openRedisEnd({ ...strict, replicas: 1 })).rejects.toMatchObject(replicas)
  at.server.set({ appendfsync: 'everysec' })
})

test(
  'texts that Redis does not keep are named before anything is marked, wherever they stand',
  { timeout: 60_000 },
  async () => {
    const from = at.folder('a')
    const long = 'x'.repeat(17 * 1024 * 1024)
    const raw = { mediaType: 'text/plain', bytes: new Uint8Array(17 * 1024 * 1024) }
    const failure = { code: 'AGENT_FAILED', message: 'x' } as const
    {
      await using store = await openStore(from)
      const held = await store.lease({ name: 'partition/0', owner: 'a gateway', ttlMs: HOUR })
      const fence = held.status === 'held' ? held.fence : { counter: 0, random: '' }
      await store.accept(accept('m', { message: message('m', { data: long }) }))
      await store.accept(working('dead', { raw, fence }))
      await store.settle(settle('dead', { outcome: 'failed', failure, dead: failure, fence }))
      await store.accept(working('answered', { fence }))
      await store.settle(answering('answered', { reply: { data: long, origin: 'backend' }, fence }))
      await store.accept(working('open', { raw, fence }))
      await store.lease({ name: 'partition/0', owner: 'a gateway', ttlMs: 0, release: true })
    }
    await expect(move(from, at.redis)).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: expect.stringMatching(
        /more than 16777216 bytes.* has 4: message "m" \(178\d{5} bytes\), open message "open" \(17825792 bytes\), the answer to "answered" \(.*\), dead letter "dead" \(17825792 bytes\)\. Nothing is moved/u,
      ),
    })
    expect(at.server.cli('DBSIZE')).toBe('0')
    await using store = await openStore(from)
    expect(await store.find({ by: 'ledger' })).toMatchObject([{ accepted: 4 }])
  },
)

test('a difference is found, named and releases neither side', { timeout: 60_000 }, async () => {
  const from = at.folder('a')
  {
    await using store = await openStore(from)
    for (const id of ['a', 'b']) await store.accept(accept(id, dedupe(id)))
  }
  await using source = await openEnd(from)
  await using target = await openEnd(at.redis, true)
  const seal = target.seal.bind(target)
  target.seal = async (totals) => {
    await seal(totals)
    const [key] = at.server.cli('KEYS', '*key:a').split('\n')
    at.server.cli('HSET', key ?? '', 'fp', 'another print')
  }
  await expect(migrate({ source, target })).rejects.toMatchObject({
    message: expect.stringMatching(/neither side is released.*claim: 2 rows/u),
  })
  await expect(openStore(at.redis)).rejects.toMatchObject({
    message: expect.stringContaining('unfinished migration'),
  })
})

test('who was connected before it began reads and writes nothing more, in any partition', async () => {
  const from = at.folder('a')
  {
    await using store = await openStore(from)
    await store.accept(accept('a'))
  }
  await using early = await openStore(at.redis)
  // Opening it has made the data, and so does who is connected when it finds them gone: empty it is a target again.
  await until(async () => {
    await at.server.empty()
    return (await moveUntil(from, at.redis, 1)).isKilled || undefined
  }, 60_000)
  const held = {
    code: 'STORE_UNAVAILABLE',
    notExecuted: true,
    message: expect.stringContaining('unfinished migration'),
  }
  for (let user = 0; user < 8; user++) {
    const of = { home: `web/u${user}`, conversation: `web:u${user}` }
    await expect(early.accept(accept(`m${user}`, of))).rejects.toMatchObject(held)
    await expect(
      early.read({ home: of.home, log: { inbox: true }, after: 0, limit: 1 }),
    ).rejects.toMatchObject(held)
    const name = `partition/${early.partitionOf(of.home)}`
    await expect(early.lease({ name, owner: 'early', ttlMs: HOUR })).rejects.toMatchObject(held)
  }
  await move(from, at.redis)
  expect(await early.find({ by: 'ledger' })).toMatchObject([{ accepted: 1 }])
})

test(
  'to a cluster of three masters and back; one that is away is told as such, also at the start',
  { timeout: 120_000 },
  async () => {
    await using cluster = await RedisCluster.start()
    const from = at.folder('a')
    const users = Array.from({ length: 30 }, (_, user) => ({
      home: `web/u${user}`,
      conversation: `web:u${user}`,
    }))
    {
      await using store = await openStore(from)
      for (const [user, of] of users.entries())
        await store.accept(accept(`m${user}`, { ...of, ...dedupe(`k${user}`) }))
    }
    await move(from, cluster.url)
    await move(cluster.url, at.folder('b'))
    await using store = await openStore(at.folder('b'))
    for (const [user, of] of users.entries())
      expect(await store.accept(accept('again', { ...of, ...dedupe(`k${user}`) }))).toMatchObject({
        status: 'duplicate',
        id: `m${user}`,
        sequence: 1,
      })
    await using end = await openEnd(cluster.url)
    await cluster.masters[1]?.end('SIGKILL')
    const told = (error: Error): string => error.message
    // What was under way as it went is told of its line.
    await expect
      .poll(() => end.users().then(String, told))
      .toMatch(
        /^Redis: the master of the cluster that has partition \d+ is away: run the same command again when it is back$/u,
      )
    const [first] = cluster.masters
    await until(() => first?.cli('CLUSTER', 'INFO').includes('cluster_state:fail') || undefined, 10_000)
    const away = {
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('master of the cluster is away'),
    }
    await expect(openEnd(cluster.url)).rejects.toMatchObject(away)
    await expect(openStore(cluster.url)).rejects.toMatchObject(away)
  },
)

test('a Redis that is not reached is told by its cause', async () => {
  at.server.cli('ACL', 'SETUSER', 'mover', 'on', '>hunter22', '~*', '&*', '+@all')
  const login = at.redis.replace('//', '//mover:wrong@')
  await expect(openEnd(login)).rejects.toMatchObject({ message: expect.stringMatching(/^Redis: WRONGPASS/u) })
  await expect(openEnd('redis://127.0.0.1:1')).rejects.toMatchObject({
    message: 'Redis: connect ECONNREFUSED 127.0.0.1:1',
  })
  const tls = at.redis.replace('redis:', 'rediss:')
  await expect(openEnd(tls)).rejects.toMatchObject({ message: expect.stringContaining('speak TLS?') })
})
