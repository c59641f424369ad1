// Redis that lost what was stored, while gateways use it: each of them says so (SEMANTICS 12).
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from '../../../../core/api.ts'
import { loadBreakers } from '../../../../core/guard/breakers.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import type { Store } from '../../../../core/store/store.ts'
import { accept } from '../../../conformance/store/world.ts'
import { until } from '../../../support/gateway.ts'
import { RedisCluster } from '../../../support/redis-cluster.ts'
import { RedisServer } from '../../../support/redis-server.ts'

const ONE = { home: 'web/u1', conversation: 'web:u1' }
const GONE = 'error Redis came back empty: what was stored is gone'
const OTHER = 'warn Redis is another one than before: cursors given out until now get a reset'

const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

let server: RedisServer
beforeEach(async () => {
  server = await RedisServer.start()
})
afterEach(() => server[Symbol.asyncDispose]())

interface Instance extends AsyncDisposable {
  readonly store: Store
  readonly said: string[]
}

async function instance(url = server.url): Promise<Instance> {
  const said: string[] = []
  const at =
    (level: string): Log['info'] =>
    (message) =>
      void said.push(`${level} ${message}`)
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const store = await openRedisStore({ url, log })
  return { store, said, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}

function watching(store: Store): Disposable & { readonly woken: Promise<unknown> } {
  const watch = store.watch(['value:core/x'])
  return { woken: watch[Symbol.asyncIterator]().next(), [Symbol.dispose]: () => watch.close() }
}

/** Of what was lost or replaced. */
const told = ({ said }: Instance): readonly string[] => said.filter((line) => [GONE, OTHER].includes(line))

const beginEmpty = async (node = server): Promise<void> => {
  const [, directory = ''] = node.cli('CONFIG', 'GET', 'dir').split('\n')
  await node.end('SIGKILL')
  rmSync(join(directory, 'appendonlydir'), { recursive: true, force: true })
  rmSync(join(directory, 'appendonly.aof'), { force: true })
  await node.begin()
}

test('started again without its file: every instance says that what was stored is gone, once, and goes on under one new incarnation', async () => {
  await using a = await instance()
  await using b = await instance()
  const { incarnation } = a.store
  await a.store.accept(accept('m1', ONE))
  await beginEmpty()
  await until(() => [a, b].every((one) => told(one).length > 0) || undefined)
  await until(() => [a, b].every(({ store }) => store.health().writable) || undefined)
  expect([told(a), told(b)]).toEqual([[GONE], [GONE]])
  expect(a.store.incarnation).toBe(b.store.incarnation)
  expect(a.store.incarnation).not.toBe(incarnation)
  expect(await a.store.accept(accept('m2', ONE))).toMatchObject({ status: 'accepted', sequence: 1 })
})

test('emptied by FLUSHDB: every instance says so once, goes on under one new incarnation, and what was OFF stays so', async () => {
  await using a = await instance()
  await using b = await instance()
  const { incarnation } = a.store
  using watch = watching(b.store)
  const remember = ({ store }: Instance) => loadBreakers({ store, log: silent, onOther: () => undefined })
  const off = {
    state: 'OFF',
    openedAt: 1,
    until: Date.now() + 60_000,
    openForMs: 60_000,
    reason: 'maintenance',
  } as const
  using before = await remember(a)
  before.keep('erp', 'Get', off)
  expect(await before.flushed()).toBe(true)
  server.cli('FLUSHDB')
  // Before anybody looks: with the version that the other value had.
  using after = await remember(b)
  after.keep('mail', 'Send', off)
  expect(await after.flushed()).toBe(true)
  await until(() => [a, b].every((one) => told(one).length > 0) || undefined)
  // What a process keeps in it beside messages is its own to look after.
  await watch.woken
  await until(() => after.saved('erp', 'Get') && before.saved('mail', 'Send'))
  // Several looks long.
  await new Promise((later) => setTimeout(later, 2500))
  expect([told(a), told(b)]).toEqual([[GONE], [GONE]])
  for (const memory of [before, after])
    expect([memory.saved('erp', 'Get'), memory.saved('mail', 'Send')]).toMatchObject([
      { state: 'OFF' },
      { state: 'OFF' },
    ])
  expect(a.store.incarnation).toBe(b.store.incarnation)
  expect(a.store.incarnation).not.toBe(incarnation)
  expect(await a.store.accept(accept('m2', ONE))).toMatchObject({ status: 'accepted', sequence: 1 })
})

test('started again with its file: every instance says that it is another one, none that it is empty', async () => {
  await using a = await instance()
  await using b = await instance()
  await a.store.accept(accept('m1', ONE))
  await server.end('SIGKILL')
  await server.begin()
  await until(() => [a, b].every((one) => told(one).length > 0) || undefined)
  expect([told(a), told(b)]).toEqual([[OTHER], [OTHER]])
  await until(() => [a, b].every(({ store }) => store.health().writable) || undefined)
  expect(a.store.incarnation).toBe(b.store.incarnation)
})

test('a master of a cluster that comes back empty, whichever it is: every instance says so once, all go on under one new incarnation, and a cursor of before gets a reset (SEMANTICS 12)', async () => {
  await using cluster = await RedisCluster.start()
  const of = (user: number) => ({ home: `web/u${user}`, conversation: `web:u${user}` })
  await using a = await instance(cluster.url)
  await using b = await instance(cluster.url)
  for (let user = 0; user < 30; user++)
    expect(await a.store.accept(accept(`m${user}`, of(user)))).toMatchObject({ status: 'accepted' })
  const keysOf = (node: RedisServer, pattern: string): readonly string[] =>
    node
      .cli('KEYS', pattern)
      .split('\n')
      .filter((key) => key !== '')
  const others = cluster.masters.filter((node) => keysOf(node, 'dragoman:{p000}:*').length === 0)
  expect(others).toHaveLength(2)
  const changed = async (before: string): Promise<void> => {
    await until(() => [a, b].every(({ store }) => store.incarnation !== before) || undefined, 20_000)
    await until(() => [a, b].every(({ store }) => store.health().writable) || undefined, 20_000)
    await new Promise((later) => setTimeout(later, 1500)) // another look
    expect([told(a), told(b)]).toEqual([[GONE], [GONE]])
    expect(a.store.incarnation).toBe(b.store.incarnation)
    for (const said of [a.said, b.said]) said.length = 0
  }

  const { incarnation: first } = a.store
  others[0]?.cli('FLUSHALL')
  await changed(first)
  for (let user = 0; user < 30; user++) {
    const log = { conversation: of(user).conversation }
    expect(
      await b.store.read({ home: of(user).home, log, after: 1, incarnation: first, limit: 9 }),
    ).toMatchObject({ status: 'reset' })
  }

  const { incarnation: second } = a.store
  if (others[1] !== undefined) await beginEmpty(others[1])
  await changed(second)

  // As an earlier version leaves it: without marks nothing is known to be gone.
  const { incarnation: third } = a.store
  for (const node of cluster.masters) {
    for (const key of keysOf(node, 'dragoman:{p*}:dataset'))
      if (key.includes('{p000}')) node.cli('HDEL', key, 'marked')
      else node.cli('DEL', key)
  }
  await using c = await instance(cluster.url)
  expect([told(c), c.store.incarnation]).toEqual([[], third])
  await a.store[Symbol.asyncDispose]()
  others[0]?.cli('FLUSHALL')
  await using d = await instance(cluster.url)
  expect(told(d)).toEqual([GONE])
  expect(d.store.incarnation).not.toBe(third)
}, 60_000)
