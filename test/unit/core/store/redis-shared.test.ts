// What instances share on Redis beside the store: counts that end with their time, answers that are bounded together.
import { Redis } from 'ioredis'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Log } from '../../../../core/api.ts'
import { createState } from '../../../../core/components/state.ts'
import { partitionLease } from '../../../../core/store/figures.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import { Bus } from '../../../../core/store/redis/bus.ts'
import type { Store } from '../../../../core/store/store.ts'
import { answering, expectStatus, working } from '../../../conformance/store/world.ts'
import { until } from '../../../support/gateway.ts'
import { RedisServer } from '../../../support/redis-server.ts'

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

test('two instances count together, from the first for so long', async () => {
  await using a = await openRedisStore({ url: server.url })
  await using b = await openRedisStore({ url: server.url })
  expect((await a.shared.counter.add('few:ann', 1, 2000))[0]).toBe(1)
  const [count, leftMs] = await b.shared.counter.add('few:ann', 2, 2000)
  expect(count).toBe(3)
  expect(leftMs).toBeLessThanOrEqual(2000)
  expect((await b.shared.counter.add('few:bob', 1, 2000))[0]).toBe(1)
  await until(async () => ((await a.shared.counter.add('few:ann', 1, 2000))[0] === 1 ? true : undefined))
})

test('answers come back with their age; what was put first goes where they are too many or too large', async () => {
  await using a = await openRedisStore({ url: server.url })
  await using b = await openRedisStore({ url: server.url })
  const { answers } = a.shared
  const few = { maxEntries: 3, maxBytes: 10_000 }
  expect(await answers.get('none')).toBeUndefined()
  for (const key of ['k1', 'k2', 'k3', 'k4']) {
    await answers.put(key, { value: `{"of":"${key}"}`, ageMs: 5000, ...few })
    // Which was first is told by the server's clock.
    await new Promise((turn) => setTimeout(turn, 2))
  }
  expect(await b.shared.answers.get('k1')).toBeUndefined()
  const found = await b.shared.answers.get('k4')
  expect(found?.value).toBe('{"of":"k4"}')
  expect(found?.ageMs).toBeGreaterThanOrEqual(5000)
  await answers.put('large', { value: 'x'.repeat(9000), ageMs: 0, ...few })
  await answers.put('larger', { value: 'y'.repeat(9500), ageMs: 0, ...few })
  expect(await answers.get('large')).toBeUndefined()
  expect((await answers.get('larger'))?.value).toHaveLength(9500)
  await answers.put('larger', { value: 'z', ageMs: 0, ...few })
  expect((await answers.get('larger'))?.value).toBe('z')
})

test('what adapters keep is kept for all instances: a token is fetched by one, a nonce is used once, a cursor is moved once', async () => {
  await using a = await openRedisStore({ url: server.url })
  await using b = await openRedisStore({ url: server.url })
  const prefix = 'channel/wechat/'
  const here = createState({ store: a, prefix, owner: 'a' })
  const there = createState({ store: b, prefix, owner: 'b' })
  const fetching = await here.lease('token/fetch', 10_000)
  expect(fetching).toBeDefined()
  expect(await there.lease('token/fetch', 10_000)).toBeUndefined()
  await here.put('token', { token: 't1' }, { ttlMs: 60_000 })
  await fetching?.release()
  expect((await there.get('token'))?.value).toEqual({ token: 't1' })
  expect(await there.lease('token/fetch', 10_000)).toBeDefined()
  const nonces = Array.from({ length: 20 }, (_, n) =>
    (n % 2 === 0 ? here : there).compareAndSet('nonce/x', undefined, n, { ttlMs: 60_000 }),
  )
  expect((await Promise.all(nonces)).filter(Boolean)).toHaveLength(1)
  await here.put('cursor', 'c1')
  const version = (await there.get('cursor'))?.version
  expect(await there.compareAndSet('cursor', version, 'c2')).toBe(true)
  expect(await here.compareAndSet('cursor', version, 'c3')).toBe(false)
})

test('what one tells all others hear, in the order it was told, and it does not hear itself; nonsense is nothing', async () => {
  await using a = await openRedisStore({ url: server.url })
  await using b = await openRedisStore({ url: server.url })
  await using elsewhere = await openRedisStore({ url: server.url, prefix: 'other:' })
  const heard: unknown[] = []
  for (const [who, { shared }] of Object.entries({ a, b, elsewhere }))
    shared.broadcast.hear((name, said) => void heard.push([who, name, said]))
  const client = new Redis(server.url)
  const isUp = async (): Promise<true | undefined> =>
    (await client.publish('dragoman:told', 'null')) === 2 ? true : undefined
  await until(isUp)
  for (const nonsense of ['', '{', '7', '{"0":1}', '[null,"x"]', '["x",[1,2],["name"],null]'])
    await client.publish('dragoman:told', nonsense)
  a.shared.broadcast.tell('devices', { n: 1, __proto__: null })
  a.shared.broadcast.tell('devices', [2, 'two'])
  await until(() => heard.length === 2 || undefined)
  a.shared.broadcast.tell('till', null)
  await until(() => heard.length === 3 || undefined)
  expect(heard).toEqual([
    ['b', 'devices', { n: 1 }],
    ['b', 'devices', [2, 'two']],
    ['b', 'till', null],
  ])
  expect(() => a.shared.broadcast.tell('devices', 'x'.repeat(1_100_000))).toThrow('1048576')
  client.disconnect()
})

test('who may not publish does not start; one who may no more is told so once, and one who may not listen', async () => {
  const rights = (...words: readonly string[]): unknown => server.cli('ACL', 'SETUSER', 'mute', ...words)
  rights('on', '>secret', '~*', '&*', '+@all', '-publish')
  const url = `redis://mute:secret@127.0.0.1:${server.port}`
  await expect(openRedisStore({ url })).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(/NOPERM.*publish/u),
  })
  rights('+publish', 'resetchannels', '&elsewhere:*')
  await expect(openRedisStore({ url })).rejects.toMatchObject({
    message: expect.stringMatching(/NOPERM.*channels/u),
  })
  rights('allchannels')
  const { log, lines } = logged()
  await using store = await openRedisStore({ url, log })
  const told = (): readonly unknown[] => lines.filter((line) => JSON.stringify(line).includes('NOPERM'))
  rights('-publish')
  for (let n = 1; n <= 3; n++) {
    store.shared.broadcast.tell('devices', n)
    await store.lease({ name: 'partition/1', owner: `o${n}`, ttlMs: 1, release: true })
  }
  await until(() => told().length > 0 || undefined)
  rights('+publish', '-subscribe')
  server.cli('CLIENT', 'KILL', 'USER', 'mute', 'TYPE', 'pubsub')
  await until(() => told().length > 1 || undefined)
  expect(told()).toEqual([
    [expect.stringContaining('cannot tell'), { reason: expect.stringMatching(/NOPERM.*publish/u) }],
    [expect.stringContaining('cannot tell'), { reason: expect.stringMatching(/NOPERM.*subscribe/u) }],
  ])
})

test('two data sets on one server, each in a database of its own, do not hear each other', async () => {
  const databases = [server.url, `${server.url}/1`, `${server.url}/1`]
  await using opened = new AsyncDisposableStack()
  const stores = await Promise.all(databases.map((url) => openRedisStore({ url })))
  for (const store of stores) opened.use(store)
  const heard: unknown[] = []
  const hinted = new Set<string>()
  for (const [at, store] of stores.entries()) {
    store.shared.broadcast.hear((_name, said) => void heard.push([at, said]))
    const names = store.watch(['reply:m0', 'reply:m1'])
    opened.defer(() => names.close())
    void (async () => {
      for await (const name of names) hinted.add(`${at} ${name}`)
    })()
  }
  for (const [at, store] of stores.slice(0, 2).entries()) {
    store.shared.broadcast.tell('devices', `of ${at}`)
    await store.settle(answering(`m${at}`, await begun(store, `m${at}`)))
  }
  await until(() => heard.some((one) => JSON.stringify(one) === '[2,"of 1"]') || undefined)
  await until(() => hinted.has('2 reply:m1') || undefined)
  expect(heard).toEqual([[2, 'of 1']])
  expect(hinted).toEqual(new Set(['0 reply:m0', '1 reply:m1', '2 reply:m1']))
})

/** A message whose answer is owed, under a fence that may give it. */
async function begun(store: Store, id: string) {
  const one = { home: 'web/u1', conversation: 'web:u1' }
  const name = partitionLease(store.partitionOf(one.home))
  const { fence } = expectStatus(await store.lease({ name, owner: 'one', ttlMs: 60_000 }), 'held')
  await store.accept(working(id, { ...one, fence }))
  return { ...one, fence }
}

function logged(): { readonly log: Log; readonly lines: unknown[] } {
  const lines: unknown[] = []
  const warn = (message: string, fields: unknown): void => void lines.push([message, fields])
  return { lines, log: { debug() {}, info() {}, warn, error: warn } }
}

const DROPPED = expect.stringContaining('is dropped')

test('many large tellings of one turn go in messages of at most 1 MB; beyond 4 MB they are dropped, which is logged once', async () => {
  const { log, lines } = logged()
  await using a = await openRedisStore({ url: server.url, prefix: 'large:', log })
  await using b = await openRedisStore({ url: server.url, prefix: 'large:' })
  const heard: unknown[] = []
  b.shared.broadcast.hear((name, said) => void heard.push([name, JSON.stringify(said).length - 2]))
  const sizes: number[] = []
  const client = new Redis(server.url)
  client.on('message', (_channel, text: string) => void sizes.push(text.length))
  await client.subscribe('large:told')
  const tell = (length: number): void => a.shared.broadcast.tell('devices', 'x'.repeat(length))
  for (let n = 0; n < 4; n++) tell(300_000)
  for (let n = 0; n < 30; n++) tell(900_000)
  await until(() => heard.length === 7 || undefined)
  expect(heard).toEqual([...Array(4).fill(300_000), ...Array(3).fill(900_000)].map((n) => ['devices', n]))
  await until(() => sizes.length === 5 || undefined)
  expect(Math.max(...sizes)).toBeLessThan(1024 * 1024 + 100)
  expect(lines.filter((line) => JSON.stringify(line).includes('dropped'))).toEqual([
    [DROPPED, { dropped: 1 }],
  ])
  // What was answered for makes room.
  await until(() => {
    tell(1000)
    return heard.length > 7 || undefined
  })
  client.disconnect()
})

test('while Redis is away nothing told is kept for later', async () => {
  const { log, lines } = logged()
  const redis = new Redis(server.url, { lazyConnect: true })
  const bus = new Bus(redis, 'away:', log)
  bus.tell('devices', 1)
  bus.tell('devices', 2)
  expect(lines).toEqual([[DROPPED, { dropped: 1 }]])
  bus.close()
})
