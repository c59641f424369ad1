// Redis behind Sentinels, and logins that are not needed: what is told when the master is not found, and that nothing is printed beside the log.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { freePort } from '../../../../bin/demo/free-port.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import { WatchedConnector } from '../../../../core/store/redis/connectors.ts'
import { accept } from '../../../conformance/store/world.ts'
import { RedisSentinel, SENTINEL_PASSWORD } from '../../../support/redis-sentinel.ts'
import { RedisServer } from '../../../support/redis-server.ts'

const SENTINEL = { password: SENTINEL_PASSWORD }

let server: RedisServer
let sentinel: RedisSentinel
let nobody: number
beforeAll(async () => {
  server = await RedisServer.start()
  server.cli('ACL', 'SETUSER', 'gate', 'on', '>hunter22', '~*', '&*', '+@all')
  sentinel = await RedisSentinel.start(server)
  nobody = await freePort()
})
afterAll(async () => {
  await sentinel[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** What ioredis prints by itself. */
let printed: unknown[] = []
beforeEach(() => {
  printed = []
  for (const name of ['log', 'warn', 'error'] as const)
    vi.spyOn(console, name).mockImplementation((...words: unknown[]) => void printed.push(words))
})
afterEach(() => void vi.restoreAllMocks())

const at = (master: string, login = ''): string =>
  `redis+sentinel://${login}127.0.0.1:${sentinel.port}/${master}`

test.each([
  ['a master nobody knows', () => ({ url: at('other'), sentinel: SENTINEL }), /"other".*No such master/u],
  ['no login', () => ({ url: at('main') }), /the master "main" is \(.*NOAUTH/u],
  ['a wrong password', () => ({ url: at('main'), sentinel: { password: 'no' } }), /"main".*WRONGPASS/u],
  [
    'a wrong password of the master',
    () => ({ url: at('main', 'gate:no@'), sentinel: SENTINEL }),
    /used: WRONGPASS/u,
  ],
  [
    'Sentinels that are not there',
    () => ({ url: `redis+sentinel://127.0.0.1:${nobody},localhost:${nobody}/main` }),
    /\(127\.0\.0\.1:\d+: connect ECONNREFUSED .*, localhost:\d+: connect ECONNREFUSED .*\)/u,
  ],
])('%s: the start is refused and says so', async (_what, options, message) => {
  await expect(openRedisStore(options())).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    message: expect.stringMatching(message),
  })
  expect(printed).toEqual([])
})

test('one Sentinel of two is down, and a master that needs no password gets one: used, and nothing is printed', async () => {
  const url = `redis+sentinel://:needless@127.0.0.1:${nobody},127.0.0.1:${sentinel.port}/main`
  await using store = await openRedisStore({ url, sentinel: SENTINEL })
  expect(await store.accept(accept('a', { home: 'web/u1', conversation: 'web:u1' }))).toMatchObject({
    status: 'accepted',
  })
  // The other one is tried again each half a second.
  await new Promise((later) => setTimeout(later, 700))
  expect(printed).toEqual([])
})

test.each([
  ['it is the only one', [true]],
  ['the one behind it is down', [true, false]],
  ['the one before it is down', [false, true]],
])('a Sentinel that has answered is asked again for each connection where %s', async (_what, areUp) => {
  const sentinels = areUp.map((isUp) => ({ host: '127.0.0.1', port: isUp ? sentinel.port : nobody }))
  const login = { sentinelUsername: 'default', sentinelPassword: SENTINEL_PASSWORD }
  const connector = new WatchedConnector({
    sentinels,
    name: 'main',
    ...login,
    sentinelRetryStrategy: () => null,
  })
  for (let connection = 0; connection < 3; connection++) (await connector.connect(() => undefined)).destroy()
})

test('a cluster’s first node is no cluster: the start says that, not that a node is gone', async () => {
  await expect(openRedisStore({ url: `redis+cluster://127.0.0.1:${server.port}` })).rejects.toMatchObject({
    message: expect.stringContaining('cluster support disabled'),
  })
})
