// SEMANTICS 2, 3: the same id before and after a reload that makes a call a queued write, or a queued write something else.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import type { AcceptOptions } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { handAgent, handChannel } from '../support/parts.ts'
import { OPEN, ended, refused, statusOf, world, yaml } from './writes-world.ts'

test('SEMANTICS 2: a call that came to nothing is stored under its id when its operation queues, or its route records, by then', async () => {
  const { house, write, backend } = await world('{}', { idempotent: true })
  await using _ = house
  backend.call = refused
  for (const key of ['k1', 'k2', 'k3']) expect((await write(key, { key })).body.code).toBe('BACKEND_FAILED')
  const keys = backend.calls.map(({ key }) => key)
  await house.reload(yaml())
  const queued = await write('k1', { key: 'k1' })
  expect(queued).toMatchObject({ status: 202, body: { duplicate: false } })
  expect((await statusOf(queued.body.status)).state).toMatch(OPEN)
  expect((await write('other', { key: 'k2' })).body.code).toBe('IDEMPOTENCY_MISMATCH')
  const calls = backend.calls.length
  backend.call = async ({ params }) => ({ data: { done: (params as { n: string }).n } })
  expect(await ended(queued.body.status)).toMatchObject({ state: 'done', result: { done: 'k1' } })
  expect(await write('k2', { key: 'k2' })).toMatchObject({ status: 200, body: { done: 'k2' } })
  await house.reload(yaml('{}').replace('backend: orders', 'backend: orders, record: true'))
  expect(await write('k3', { key: 'k3' })).toMatchObject({ status: 200, body: { done: 'k3' } })
  for (const key of ['k1', 'k2', 'k3'])
    expect(await write(key, { key })).toMatchObject({ status: 200, body: { done: key } })
  expect(new Set(backend.calls.slice(calls).map(({ key }) => key))).toEqual(new Set(keys))
  expect(await house.ledger()).toMatchObject({ accepted: 3, settled: 3, waiting: 0 })
})

test('202 is not said of a call that is still at work on the same id, for nothing is stored of it', async () => {
  const { house, write, backend } = await world('{}')
  await using _ = house
  const answer = Promise.withResolvers<void>()
  backend.call = async () => {
    await answer.promise
    return { data: { done: 'late' } }
  }
  const first = write('1', { key: 'k1' })
  await until(() => (backend.calls.length === 1 ? true : undefined))
  await house.reload(yaml('{ onFailure: queue, timeout: 50ms }'))
  expect(await write('1', { key: 'k1' })).toMatchObject({ status: 504, body: { code: 'DEADLINE_EXCEEDED' } })
  answer.resolve()
  expect((await first).status).toBe(200)
  expect(await write('1', { key: 'k1' })).toMatchObject({ status: 200, body: { done: 'late' } })
  expect(backend.calls).toHaveLength(1)
})

test('a repeat gets the same status also where its route queues no more, and what is refused then is a dead letter all the same', async () => {
  const refusal = Promise.withResolvers<never>()
  const agent = handAgent('desk', () => refusal.promise)
  const { house, write, backend } = await world(undefined, {
    adapters: [agent.adapter],
    more: 'agents: { desk: { adapter: desk } }',
  })
  await using _ = house
  backend.call = refused
  const queued = await write('1', { key: 'k1' })
  expect(queued.status).toBe(202)
  await house.reload(`${yaml()}agents: { desk: { adapter: desk } }`.replace('backend: orders', 'agent: desk'))
  await until(() => (agent.asked.length > 0 ? true : undefined))
  expect(await write('1', { key: 'k1' })).toMatchObject({
    status: 202,
    body: { id: queued.body.id, duplicate: true, status: queued.body.status },
  })
  expect((await write('other', { key: 'k1' })).body.code).toBe('IDEMPOTENCY_MISMATCH')
  refusal.reject(new GatewayError('ENCODE_FAILED', 'no such field', { notExecuted: true }))
  expect(await ended(queued.body.status)).toMatchObject({ state: 'halted' })
  expect(await house.dead()).toMatchObject([{ halts: true, failure: { code: 'ENCODE_FAILED' } }])
  expect((await write('1', { key: 'k1' })).body.code).toBe('ENCODE_FAILED')
  expect(agent.asked).toHaveLength(1)
})

test('SEMANTICS 19: writes that 202 was said of are neither given up nor overtaken when their operation queues no more', async () => {
  const { house, write, backend, made } = await world()
  await using _ = house
  backend.call = refused
  const first = await write('1')
  const second = await write('2')
  expect([first.status, second.status]).toEqual([202, 202])
  await house.reload(yaml('{}'))
  // The third try of a message is its last.
  await until(async () => ((await statusOf(first.body.status)).attempts ?? 3) >= 3 || undefined)
  backend.call = async () => ({ data: { done: 'late' } })
  for (const { body } of [first, second])
    expect(await ended(body.status)).toMatchObject({ state: 'done', result: { done: 'late' } })
  expect([made().at(-1), new Set(made().slice(0, -1))]).toEqual(['2', new Set(['1'])])
  expect(await house.dead()).toEqual([])
})

test('SEMANTICS 1: a repeat gets the same answer or status also when its route is gone, and what is new does not', async () => {
  const chat = handChannel('chat')
  const { house, write, backend } = await world('{ onFailure: queue, queueKey: orderNo }', {
    adapters: [chat.adapter],
  })
  await using _ = house
  const routed = yaml().replace('channels:', 'channels:\n  chat: { adapter: chat }')
  await house.reload(routed)
  const asked = { kind: 'request', type: 'SubmitTicket', sender: { id: 'ann', role: 'customer' } } as const
  const bring = (externalId: string, how: AcceptOptions = { acknowledges: true, waitMs: 300 }) =>
    chat.host.accept({ ...asked, externalId, data: { n: externalId } }, how)
  await bring('c0', {})
  const ticket = { key: 'k0', operation: 'SubmitTicket' }
  expect((await write('0', ticket)).status).toBe(200)
  expect((await write('1', { key: 'k1' })).status).toBe(200)
  backend.call = refused
  const failed = { key: 'k4', operation: 'SubmitTicket' }
  expect((await write('4', failed)).body.code).toBe('BACKEND_FAILED')
  await expect(bring('c1', {})).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  expect((await write('2', { key: 'k2' })).status).toBe(202)
  const behind = await write('3', { key: 'k3' })
  expect(behind.status).toBe(202)
  await house.reload(routed.replace('backend: orders }', 'backend: orders, when: "$.type = \'Cancel\'" }'))
  const calls = backend.calls.length
  expect(await write('0', ticket)).toMatchObject({ status: 200, body: { done: '0' } })
  expect(await write('1', { key: 'k1' })).toMatchObject({ status: 200, body: { done: '1' } })
  const { id, status } = behind.body
  expect(await write('3', { key: 'k3' })).toMatchObject({
    status: 202,
    body: { id, status, duplicate: true },
  })
  for (const key of ['k1', 'k3'])
    expect((await write('other', { key })).body.code).toBe('IDEMPOTENCY_MISMATCH')
  for (const more of [failed, failed, { key: 'new' }, {}])
    expect((await write('4', more)).body.code).toBe('NO_ROUTE')
  expect(await bring('c0')).toMatchObject({ duplicate: true, reply: { data: { done: 'c0' } } })
  await expect(bring('c1')).rejects.toMatchObject({ code: 'NO_ROUTE' })
  expect(await house.dead()).toEqual([])
  expect(backend.calls).toHaveLength(calls)
  backend.call = async () => ({ data: { done: 'again' } })
  await house.reload(routed)
  expect(await write('4', failed)).toMatchObject({ status: 200, body: { done: 'again' } })
  expect(await bring('c1')).toMatchObject({ reply: { data: { done: 'again' } } })
})
