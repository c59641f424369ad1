// Redis that lost what was stored, while gateways use it: each of them says so (SEMANTICS 12).
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { Log } from '../../../../core/api.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import type { Store } from '../../../../core/store/store.ts'
import { accept } from '../../../conformance/store/world.ts'
import { until } from '../../../support/gateway.ts'
import { RedisServer } from '../../../support/redis-server.ts'

const ONE = { home: 'web/u1', conversation: 'web:u1' }
const GONE = 'error Redis came back empty: what was stored is gone'
const OTHER = 'warn Redis is another one than before: cursors given out until now get a reset'

let server: RedisServer
beforeEach(async () => {
  server = await RedisServer.start()
})
afterEach(() => server[Symbol.asyncDispose]())

interface Instance extends AsyncDisposable {
  readonly store: Store
  readonly said: readonly string[]
}

async function instance(): Promise<Instance> {
  const said: string[] = []
  const at =
    (level: string): Log['info'] =>
    (message) =>
      void said.push(`${level} ${message}`)
  const log: Log = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  const store = await openRedisStore({ url: server.url, log })
  return { store, said, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() }
}

/** Of what was lost or replaced. */
const told = ({ said }: Instance): readonly string[] => said.filter((line) => [GONE, OTHER].includes(line))

const beginEmpty = async (): Promise<void> => {
  const [, directory = ''] = server.cli('CONFIG', 'GET', 'dir').split('\n')
  await server.end('SIGKILL')
  rmSync(join(directory, 'appendonlydir'), { recursive: true, force: true })
  rmSync(join(directory, 'appendonly.aof'), { force: true })
  await server.begin()
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

test('emptied by FLUSHDB: every instance says so once, and goes on under one new incarnation', async () => {
  await using a = await instance()
  await using b = await instance()
  const { incarnation } = a.store
  server.cli('FLUSHDB')
  await until(() => [a, b].every((one) => told(one).length > 0) || undefined)
  // Several looks long.
  await new Promise((later) => setTimeout(later, 2500))
  expect([told(a), told(b)]).toEqual([[GONE], [GONE]])
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
