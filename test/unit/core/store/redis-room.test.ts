// What the log says of Redis' memory: at the start that retention will not keep within it, and later that its reserve is reached.
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Log } from '../../../../core/api.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import type { RedisOptions } from '../../../../core/store/redis.ts'
import type { Store } from '../../../../core/store/store.ts'
import { accept } from '../../../conformance/store/world.ts'
import { RedisServer } from '../../../support/redis-server.ts'

const MB = 1_048_576

let server: RedisServer
let opened: Store[] = []
let said: string[] = []
const at =
  (level: string): Log['info'] =>
  (message, fields) =>
    void said.push(`${level} ${message} ${JSON.stringify(fields)}`)
const log: Log = { debug: () => undefined, info: at('info'), warn: at('warn'), error: at('error') }

beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())
beforeEach(async () => {
  said = []
  await server.empty()
})
afterEach(async () => {
  for (const store of opened) await store[Symbol.asyncDispose]()
  opened = []
})

async function open(over: Partial<RedisOptions> = {}): Promise<Store> {
  const store = await openRedisStore({ url: server.url, log, ...over })
  opened.push(store)
  return store
}

test('a retention that is more than a fifth of maxmemory is warned of at the start, with what would fit', async () => {
  server.cli('CONFIG', 'SET', 'maxmemory', '1gb')
  await open({ retentionBytes: 10 * 1024 * MB })
  const warned = said.filter((line) => line.startsWith('warn'))
  expect(warned).toEqual([
    expect.stringMatching(/^warn store\.retention\.size .*"retention":"10240 MB".*"fits":"204 MB"/u),
  ])
})

test('one that fits is not warned of, nor any where Redis has no limit', async () => {
  await open({ retentionBytes: 10 * 1024 * MB })
  server.cli('CONFIG', 'SET', 'maxmemory', '1gb')
  await open({ retentionBytes: 200 * MB })
  await open()
  expect(said.filter((line) => line.startsWith('warn'))).toEqual([])
})

test('the reserve of the memory: one warning when it is reached, one line when there is room again (SEMANTICS 42)', async () => {
  let usedMemory = 899
  const store = await open({
    hooks: { memory: () => ({ usedMemory, maxMemory: 1000, evictionPolicy: 'noeviction' }) },
  })
  const place = { home: 'web/u1', conversation: 'web:u1' }
  await store.accept(accept('a', place))
  said = []
  usedMemory = 901
  for (const id of ['b', 'c'])
    await expect(store.accept(accept(id, place))).rejects.toMatchObject({ code: 'OVERLOADED' })
  expect(said).toEqual([
    expect.stringMatching(/^warn the store takes nothing new.*last tenth is the reserve/u),
  ])
  usedMemory = 899
  await store.accept(accept('b', place))
  expect(said.slice(1)).toEqual([expect.stringMatching(/^info the store takes new messages again/u)])
})

test('a maxmemory-policy that evicts and comes while the gateway runs: nothing is acknowledged, one error names it, and one line says it is over', async () => {
  const store = await open()
  const place = { home: 'web/u1', conversation: 'web:u1' }
  await store.accept(accept('a', place))
  said = []
  server.cli('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  await expect
    .poll(() => store.health(), { timeout: 20_000 })
    .toMatchObject({ writable: false, reason: expect.stringContaining('"allkeys-lru"') })
  for (const id of ['b', 'c'])
    await expect(store.accept(accept(id, place))).rejects.toMatchObject({
      code: 'STORE_UNAVAILABLE',
      message: expect.stringContaining('"allkeys-lru"'),
      notExecuted: true,
    })
  server.cli('CONFIG', 'SET', 'maxmemory-policy', 'noeviction')
  await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
  expect(await store.accept(accept('b', place))).toMatchObject({ status: 'accepted' })
  expect(said).toEqual([
    expect.stringMatching(/^error Redis is written no more for its settings .*allkeys-lru/u),
    expect.stringMatching(/^info Redis has settings again that will do/u),
  ])
})
