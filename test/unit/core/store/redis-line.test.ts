// The lines to Redis: answers that are lost, a server that stands still or is killed, and what arrives late.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest'
import { partitionLease } from '../../../../core/store/figures.ts'
import { openRedisStore } from '../../../../core/store/redis.ts'
import type { Store } from '../../../../core/store/store.ts'
import { accept, expectStatus, message, working } from '../../../conformance/store/world.ts'
import { startLiar } from '../../../faults/redis/liar.ts'
import { faultProxy } from '../../../support/fault-proxy.ts'
import { until } from '../../../support/gateway.ts'
import { holdingRelay } from '../../../support/holding-relay.ts'
import { stopwatch } from '../../../support/processor.ts'
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

async function open(url = server.url): Promise<Store> {
  const store = await openRedisStore({ url })
  opened.push(store)
  return store
}

const ONE = { home: 'web/u1', conversation: 'web:u1' }

test('an answer that was lost: unknown, and the same id again is one message (SEMANTICS 15)', async () => {
  await using proxy = await faultProxy({ target: server.port, seed: 7 })
  const store = await open(`redis://127.0.0.1:${proxy.port}`)
  // A connection is some time old before its answers get lost.
  proxy.set({ ackLoss: 1 })
  let sequence = 0
  for (let lost = 0; lost < 3;) {
    sequence++
    const asked = accept(`m${sequence}`, ONE)
    for (;;) {
      try {
        expect(await store.accept(asked)).toMatchObject({ status: 'accepted', sequence })
        break
      } catch (error) {
        expect(error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
        lost++
        await expect.poll(() => store.health().writable, { timeout: 20_000 }).toBe(true)
      }
    }
  }
  proxy.set({})
  const direct = await open()
  expect(await direct.find({ by: 'ledger' })).toMatchObject([{ accepted: sequence, settled: sequence }])
})

test('SEMANTICS 25: the store’s clock is that of its Redis, from the start and after this machine’s was set', async () => {
  const real = Date.now
  const here = vi.spyOn(Date, 'now')
  using _ = { [Symbol.dispose]: () => here.mockRestore() }
  here.mockImplementation(() => real() + 20 * 60_000)
  const store = await open()
  expect(Math.abs(store.now() - real())).toBeLessThan(1000)
  here.mockImplementation(() => real() - 20 * 60_000)
  await expect.poll(() => Math.abs(store.now() - real()), { timeout: 20_000 }).toBeLessThan(1000)
})

test('what is still on its way in a line that was given up is not carried out behind the new one', async () => {
  await using relay = await holdingRelay(server.port)
  const store = await open(`redis://127.0.0.1:${relay.port}`)
  const partition = store.partitionOf(ONE.home)
  const lease = await store.lease({ name: partitionLease(partition), owner: 'one', ttlMs: 60_000 })
  const { fence } = expectStatus(lease, 'held')
  await store.accept(working('m', ONE))
  relay.hold()
  const lost = store.take({ partition, fence, max: 1, kinds: ['message'] })
  await expect(lost).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', notExecuted: false })
  relay.cut()
  const rows = await until(() => store.find({ by: 'open', limit: 9 }).catch(() => undefined))
  expect(rows).toMatchObject([{ id: 'm', state: 'waiting' }])
  await relay.letGo()
  expect(await store.find({ by: 'open', limit: 9 })).toMatchObject([{ state: 'waiting', attempt: 0 }])
})

test('who may not ask for its line’s number opens the store, and after a reconnect has it again', async () => {
  const rights = ['~*', '&*', '+@all', '-client']
  server.cli('ACL', 'SETUSER', 'narrow', 'on', '>secret', ...rights)
  const store = await open(`redis://narrow:secret@127.0.0.1:${server.port}`)
  await store.accept(accept('a', ONE))
  server.cli('CLIENT', 'KILL', 'USER', 'narrow')
  await expect
    .poll(() => store.accept(accept('b', ONE)).catch(() => undefined), { timeout: 20_000 })
    .toMatchObject({ status: 'accepted', sequence: 2 })
})

test('whoever watches is woken when the store can be used again, not only while it still refuses', async () => {
  let target = server.port
  await using proxy = await faultProxy({ target: () => target, seed: 7 })
  const [near, far] = [await open(), await open(`redis://127.0.0.1:${proxy.port}`)]
  const watch = far.watch(['value:x'])
  target = 1
  for (const type of ['normal', 'pubsub']) server.cli('CLIENT', 'KILL', 'TYPE', type)
  await expect.poll(() => far.health().writable, { timeout: 20_000 }).toBe(false)
  await until(() => near.value({ key: 'x', put: 'new', announce: true }).catch(() => undefined))
  target = server.port
  let found: unknown
  for await (const _ of watch) {
    found = await far.value({ key: 'x' }).catch(() => undefined)
    if (found !== undefined) break
  }
  expect(found).toMatchObject({ value: 'new' })
})

test('a server that misses its replicas or has become one: refused as not done, in whatever words its version has', async () => {
  await using own = await RedisServer.start()
  const store = await open(own.url)
  await store.accept(accept('a', ONE))
  const refused = { code: 'STORE_UNAVAILABLE', notExecuted: true }
  own.set({ 'min-replicas-to-write': '1' })
  await expect(store.accept(accept('b', ONE))).rejects.toMatchObject({
    ...refused,
    message: expect.stringMatching(/cannot be used: NOREPLICAS [^@]*$/u),
  })
  own.set({ 'min-replicas-to-write': '0' })
  expect(await store.accept(accept('b', ONE))).toMatchObject({ status: 'accepted', sequence: 2 })
  own.cli('REPLICAOF', '127.0.0.1', '1')
  await expect(store.accept(accept('c', ONE))).rejects.toMatchObject(refused)
  own.cli('REPLICAOF', 'NO', 'ONE')
  await expect
    .poll(() => store.accept(accept('c', ONE)).catch(() => undefined), { timeout: 20_000 })
    .toMatchObject({ status: 'accepted', sequence: 3 })
})

test('a redirection from what is no cluster may stand where another answer was: unknown, so that it is looked for', async () => {
  await using liar = await startLiar(server.port, () => 0.5)
  const store = await open(`redis://127.0.0.1:${liar.port}`)
  await store.accept(accept('a', ONE))
  liar.lie('redirects')
  await expect(store.accept(accept('b', ONE))).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    notExecuted: false,
    message: 'the store cannot be used: another node has it now',
    cause: { message: expect.stringContaining('MOVED') },
  })
  liar.lie(undefined)
  await expect
    .poll(() => store.accept(accept('b', ONE)).catch(() => undefined), { timeout: 10_000 })
    .toMatchObject({ status: 'accepted', sequence: 2 })
})

test('a Redis that stands still: refused within a second, then at once, and served again when it goes on', async () => {
  const store = await open()
  await store.accept(accept('a', ONE))
  process.kill(server.pid, 'SIGSTOP')
  try {
    const refused = await timed(() => store.accept(accept('b', ONE)))
    expect(refused.error).toMatchObject({ code: 'STORE_UNAVAILABLE' })
    expect(refused.ms).toBeLessThan(1500)
    await expect.poll(() => store.health().writable, { timeout: 20_000 }).toBe(false)
    const quick = await timed(() => store.accept(accept('c', ONE)))
    expect(quick.error).toMatchObject({ code: 'STORE_UNAVAILABLE', notExecuted: true })
    expect(quick.ms).toBeLessThan(200)
  } finally {
    process.kill(server.pid, 'SIGCONT')
  }
  await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
  // What was sent into the silence may have been carried out: the same id finds out.
  expect(await store.accept(accept('b', ONE))).toMatchObject({ status: 'accepted', sequence: 2 })
})

test('what is on its way to a Redis that stands still is bounded: beyond 64 MB nothing is sent', async () => {
  const store = await open()
  const data = { text: 'x'.repeat(1024 * 1024) }
  process.kill(server.pid, 'SIGSTOP')
  const asked = Array.from({ length: 70 }, (_, n) =>
    store.accept(accept(`m${n}`, { ...ONE, message: message(`m${n}`, { ...ONE, data }) })),
  )
  const outcomes = await Promise.allSettled(asked)
  process.kill(server.pid, 'SIGCONT')
  const refused = outcomes.map((one) => (one.status === 'rejected' ? (one.reason as unknown) : undefined))
  expect(refused[0]).toMatchObject({ code: 'STORE_UNAVAILABLE', notExecuted: false })
  expect(refused.at(-1)).toMatchObject({
    code: 'STORE_UNAVAILABLE',
    notExecuted: true,
    message: expect.stringContaining('operations are on their way'),
  })
  await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
})

test('killed and started again it has all that was acknowledged, under a new incarnation (SEMANTICS 12)', async () => {
  const store = await open()
  const { incarnation } = store
  for (let n = 0; n < 20; n++) await store.accept(accept(`m${n}`, ONE))
  await server.end('SIGKILL')
  await expect.poll(() => store.health().writable).toBe(false)
  await expect(store.accept(accept('x', ONE))).rejects.toMatchObject({
    code: 'STORE_UNAVAILABLE',
    notExecuted: true,
  })
  await server.begin()
  await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
  expect(store.incarnation).not.toBe(incarnation)
  expect(
    await store.read({
      home: ONE.home,
      log: { conversation: ONE.conversation },
      after: 5,
      incarnation,
      limit: 9,
    }),
  ).toEqual({ status: 'reset', oldest: 1, top: 20 })
  expect(await store.accept(accept('x', ONE))).toMatchObject({ status: 'accepted', sequence: 21 })
})

test('one line killed: all are made anew, no old one is left, and what was acknowledged is there', async () => {
  const store = await open()
  for (const round of [0, 1, 2, 3]) {
    const numbers = linesOf(server)
    expect(numbers).toHaveLength(4)
    server.cli('CLIENT', 'KILL', 'ID', numbers[round] ?? '')
    await expect
      .poll(() => store.accept(accept(`m${round}`, ONE)).catch(() => undefined), { timeout: 20_000 })
      .toMatchObject({ status: 'accepted', sequence: round + 1 })
    await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
    await expect.poll(() => linesOf(server).filter((one) => numbers.includes(one))).toEqual([])
  }
})

/** The server's numbers of the lines that are there, without the one that listens and the newest, which asks here. */
function linesOf(redis: RedisServer): readonly string[] {
  const all = redis.cli('CLIENT', 'LIST', 'TYPE', 'normal').split('\n')
  return all
    .map((one) => /^id=(\d+)/u.exec(one)?.[1] ?? one)
    .toSorted((a, b) => Number(a) - Number(b))
    .slice(0, -1)
}

test('lines that lead to two servers, as in the middle of a failover: none is used until all lead to one', async () => {
  await using other = await RedisServer.start()
  const targets = { even: server.port, odd: server.port }
  await using relay = await divertingRelay((nth) => (nth % 2 === 0 ? targets.even : targets.odd))
  const store = await open(`redis://127.0.0.1:${relay.port}`)
  const { incarnation } = store
  await store.accept(accept('a', ONE))
  targets.odd = other.port
  relay.cut()
  const refused = { code: 'STORE_UNAVAILABLE', notExecuted: true }
  await expect
    .poll(() => store.health(), { timeout: 20_000 })
    .toMatchObject({ writable: false, reason: expect.stringContaining('lead to different servers') })
  await expect(store.accept(accept('b', ONE))).rejects.toMatchObject(refused)
  targets.even = other.port
  await expect.poll(() => store.health(), { timeout: 20_000 }).toEqual({ writable: true })
  expect(store.incarnation).not.toBe(incarnation)
  expect(await store.accept(accept('b', ONE))).toMatchObject({ status: 'accepted', sequence: 1 })
})

interface DivertingRelay extends AsyncDisposable {
  readonly port: number
  /** All lines there are now. */
  cut(): void
}

/** TCP whose connections go where `target` says, by their number. */
async function divertingRelay(target: (nth: number) => number): Promise<DivertingRelay> {
  const sockets = new Set<Socket>()
  let count = 0
  const relay = createServer((client) => {
    const upstream = connect(target(count++), '127.0.0.1')
    for (const [one, peer] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(one)
      one.on('error', () => undefined) // cut, or closed at the other end
      one.on('close', () => {
        sockets.delete(one)
        peer.destroy()
      })
      one.pipe(peer)
    }
  })
  const cut = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  relay.listen(0, '127.0.0.1')
  await once(relay, 'listening')
  return {
    port: (relay.address() as AddressInfo).port, // it listens on TCP
    cut,
    async [Symbol.asyncDispose]() {
      cut()
      relay.close()
      await once(relay, 'close')
    },
  }
}

async function timed(
  work: () => Promise<unknown>,
): Promise<{ readonly ms: number; readonly error: unknown }> {
  const watch = stopwatch()
  try {
    await work()
    return { ms: watch(), error: undefined }
  } catch (error) {
    return { ms: watch(), error }
  }
}
