// SEMANTICS 3, 19: what a failure means for a queued write, as a table; where it stands; who may read its status.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { GatewayErrorOptions, HttpRequest } from '../../../../core/api.ts'
import type { Row, Work } from '../../../../core/store/store.ts'
import { createWrites, failedWrite, queueOf, standingOf, writeLane } from '../../../../core/calls/writes.ts'
import type { Signer } from '../../../../core/return/callback-secret.ts'
import type { StoreHarness } from '../../../conformance/store.ts'
import { World, settle } from '../../../conformance/store/world.ts'
import { RedisServer } from '../../../support/redis-server.ts'
import { RedisHarness } from '../store/redis-harness.ts'
import { SqliteHarness } from '../store/sqlite-harness.ts'

const HOUR = 3_600_000
const secret: Signer = {
  sign: (text) => Buffer.from(text).toString('base64url'),
  isSigned: (text, mac) => mac === secret.sign(text),
}

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server[Symbol.asyncDispose]())

const message = {
  id: 'm1',
  kind: 'request',
  type: 'Order',
  sender: { id: 'ann', role: 'customer' },
  channel: 'web',
  conversation: 'web:ann',
  direction: 'inbound',
  sequence: 1,
  receivedAt: '2026-01-02T03:04:05.678Z',
  correlationId: 'm1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
} as const

const tried = { attempt: 1, target: 'backend orders', startedAt: message.receivedAt, durationMs: 1 }

function work(attempts: Work['attempts'] = []): Work {
  return {
    kind: 'message',
    id: 'm1',
    home: 'web/ann',
    lane: 'queue:orders:1',
    attempt: attempts.length + 1,
    poison: false,
    orphan: false,
    bytes: 0,
    message,
    ownerEpoch: 0,
    heldMs: 0,
    attempts,
  }
}

interface Case {
  readonly code: ConstructorParameters<typeof GatewayError>[0]
  readonly more?: GatewayErrorOptions
  readonly mayPass?: boolean
  readonly repeatable?: boolean
  readonly isAwaited?: boolean
  readonly onPoison?: 'halt' | 'skip'
  readonly attempts?: Work['attempts']
}

function verdictOf(one: Case) {
  const {
    code,
    more,
    mayPass = true,
    repeatable = false,
    isAwaited = true,
    onPoison = 'halt',
    attempts,
  } = one
  return failedWrite({
    work: work(attempts),
    queue: { onPoison },
    target: 'backend orders',
    failure: new GatewayError(code, 'why', more),
    mayPass,
    pauseMs: 10_000,
    repeatable,
    isAwaited,
  })
}

test.each<readonly [string, Case, object]>([
  [
    'nothing was done for certain: again, at most 3 s later, and the caller is told',
    { code: 'BACKEND_FAILED', more: { notExecuted: true } },
    { outcome: 'retry', delayMs: 3000, told: { outcome: 'taken' }, failure: { code: 'BACKEND_FAILED' } },
  ],
  [
    'nobody knows, but twice is once: again',
    { code: 'DEADLINE_EXCEEDED', repeatable: true },
    { outcome: 'retry', told: { outcome: 'taken' } },
  ],
  [
    'nobody knows: halted, told as unknown, never again',
    { code: 'OUTCOME_UNKNOWN', mayPass: false },
    { outcome: 'retry', delayMs: 3_155_760_000_000, dead: true, told: { outcome: 'unknown' } },
  ],
  [
    'nobody knows, and skip: a dead letter that stops nothing',
    { code: 'OUTCOME_UNKNOWN', mayPass: false, onPoison: 'skip' },
    { outcome: 'unknown', dead: true },
  ],
  [
    'refused for good, and the caller waits: his, and nobody’s dead letter',
    { code: 'ENCODE_FAILED', mayPass: false },
    { outcome: 'failed', failure: { code: 'ENCODE_FAILED' } },
  ],
  [
    'refused for good once it was promised: halted',
    { code: 'ENCODE_FAILED', mayPass: false, isAwaited: false },
    { outcome: 'retry', delayMs: 3_155_760_000_000, dead: true, told: { outcome: 'failed' } },
  ],
  [
    'an open breaker the first time: noted',
    { code: 'BREAKER_OPEN', more: { notExecuted: true } },
    { outcome: 'retry', failure: { code: 'BREAKER_OPEN' } },
  ],
  [
    'an open breaker again: nobody was asked, no attempt',
    { code: 'BREAKER_OPEN', more: { notExecuted: true }, attempts: [tried] },
    { outcome: 'retry', idle: true },
  ],
])('%s', (_what, one, expected) => {
  const verdict = verdictOf(one)
  expect(verdict).toMatchObject(expected)
  if ('dead' in expected) return
  expect(verdict).not.toHaveProperty('dead')
})

test('a lane for each value of the key; without one the customer’s, and of nobody each write its own', async () => {
  const { queue } = queueOf({ onFailure: 'queue', queueKey: 'order.no' })
  if (queue === undefined) throw new Error('there is a queue')
  const write = { backend: 'orders', message, home: 'web/ann' }
  const lane = (params: object) => writeLane(queue, { ...write, params: params as never }) // plain data
  expect(await lane({ order: { no: '007' } })).toBe('queue:orders:007')
  expect(await lane({ order: { no: 7 } })).toBe('queue:orders:7')
  expect(await lane({ order: { no: { b: 1, a: 2 } } })).toBe('queue:orders:{"a":2,"b":1}')
  expect(await lane({})).toBe('queue:orders:web/ann')
  const system = { ...message, sender: { id: 'web', role: 'system' } } as const
  expect(await writeLane(queue, { ...write, message: system, params: {} })).toBe('queue:orders:m1')
  expect(queueOf({ queueKey: 'a' })).toEqual({})
})

test('parameters of which no key can be made are the caller’s mistake, in words', async () => {
  const { queue } = queueOf({ onFailure: 'queue', queueKey: '$number(no)' })
  if (queue === undefined) throw new Error('there is a queue')
  const write = { backend: 'orders', message, home: 'web/ann' }
  expect(await writeLane(queue, { ...write, params: { no: '7' } })).toBe('queue:orders:7')
  await expect(writeLane(queue, { ...write, params: { no: 'abc' } })).rejects.toMatchObject({
    code: 'DECODE_FAILED',
    message: expect.stringMatching(/^the key of its queue \(queueKey\) .*: .*"abc"/u),
    notExecuted: true,
  })
})

function finding(rows: readonly Row[], lane: readonly Row[] = []) {
  return { find: async ({ by }: { by: string }) => (by === 'lane' ? lane : rows) }
}

test('who stands behind a write that was tried before is told at once; behind one at work he waits', async () => {
  const row = {
    row: 'work',
    kind: 'message',
    id: 'm1',
    home: 'web/ann',
    lane: 'queue:orders:1',
    state: 'waiting',
    attempt: 0,
    dueMs: 0,
  } as const
  const head = { ...row, id: 'm0', state: 'flight', attempt: 1 } as const
  expect(
    await standingOf(finding([{ ...row, attempts: [] }], [{ ...head, attempts: [tried] }]), 'm1'),
  ).toEqual({ outcome: 'taken' })
  const waits = standingOf(finding([{ ...row, attempts: [] }], [{ ...head, attempts: [] }]), 'm1')
  expect(await Promise.race([waits, new Promise((resolve) => setImmediate(resolve, 'waits'))])).toBe('waits')
})

test.each(['', '?token=', '?token=x', `?token=${'a'.repeat(43)}`, '?token=%00'])(
  'a status without its token is nobody’s: %j',
  async (query) => {
    const writes = createWrites({ store: finding([]), secret, origin: () => 'http://x' })
    const request = { method: 'GET', path: '/v1/status/m1', query: query.slice(1) } as HttpRequest // all it reads
    await expect(writes.handle(request)).rejects.toMatchObject({ code: 'AUTH_FAILED' })
    const url = new URL(writes.statusUrl('m1'))
    const other = { ...request, path: '/v1/status/m2', query: url.search.slice(1) }
    await expect(writes.handle(other)).rejects.toMatchObject({ code: 'AUTH_FAILED' })
    const own = { ...request, path: url.pathname, query: url.search.slice(1) }
    await expect(writes.handle(own)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  },
)

describe.each([
  { store: 'the embedded store', harness: (): Promise<StoreHarness> => SqliteHarness.make() },
  { store: 'Redis', harness: (): Promise<StoreHarness> => RedisHarness.make(server) },
])('on $store', ({ harness }) => {
  test('a status lasts as long as the write is kept, not only as long as its id is remembered', async () => {
    await using world = await World.make(harness)
    await world.begin('m1', { dedupe: { key: 'k', fingerprint: 'same', ttlMs: HOUR } })
    await world.settle(settle('m1', { reply: { data: { order: 7 }, origin: 'backend' } }))
    const writes = createWrites({ store: world.store, secret, origin: () => 'http://x' })
    const url = new URL(writes.statusUrl('m1'))
    const request = { method: 'GET', path: url.pathname, query: url.search.slice(1) } as HttpRequest // all it reads
    const status = async (): Promise<unknown> => {
      const { body } = await writes.handle(request)
      return typeof body === 'string' ? JSON.parse(body) : undefined
    }
    const done = { id: 'm1', state: 'done', result: { order: 7 } }
    expect(await status()).toMatchObject(done)
    world.advance(2 * HOUR)
    const trim = { partition: 0, olderThanMs: 10 * HOUR, maxBytes: 1e12, budgetMs: 1000 }
    for (let more = true; more;) more = (await world.store.trim(trim)).more
    expect(await world.store.find({ by: 'key', key: 'k' })).toEqual([])
    expect(await status()).toMatchObject(done)
  })
})
