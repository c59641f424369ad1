// plugins/_examples/nats against a real nats-server: the conformance suites through its worker, then each rule of its README.
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect, headers } from '@nats-io/transport-node'
import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Channel, Json } from 'dragoman'
import { testHost, testMessage, testPlugin, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest'

import adapter from '../../../plugins/_examples/nats/index.ts'
import { until } from '../../support/gateway.ts'
import { NatsServer } from '../../support/nats-server.ts'
import { createFrom } from '../../support/create-from.ts'

const server = await NatsServer.start()
afterAll(() => server[Symbol.asyncDispose]())
const bus = await connect({ servers: server.url })
afterAll(() => bus.close())
const manager = await jetstreamManager(bus)
const never = new AbortController().signal

bus.subscribe('shop.get.*', {
  callback: (_error, message) => {
    const orderNo = message.subject.split('.').at(-1)
    if (orderNo === '000777')
      return void message.respond('{"orderNo":"000777","total":1.10,"id":9007199254740993}')
    const marks = headers()
    marks.set('Nats-Service-Error-Code', orderNo === '503' ? '503' : '404')
    marks.set('Nats-Service-Error', 'no such order')
    message.respond(JSON.stringify({ code: 'OrderNotFound', detail: { orderNo: orderNo ?? '' } }), {
      headers: marks,
    })
  },
})

const operations = {
  GetOrder: { subject: 'shop.get.{orderNo}', headers: { 'X-Desk': 'north' } },
  Nobody: { subject: 'shop.nobody' },
  Hold: { subject: 'shop.hold' },
}
await manager.streams.add({ name: 'SHOP', subjects: ['shop.events.>'] })
const ask = async (subject: string, payload: Uint8Array | string): Promise<Msg> =>
  bus.request(subject, payload, { timeout: 10_000 })

await testPlugin('nats', {
  file: new URL('../../../plugins/_examples/nats/index.ts', import.meta.url),
  channel: {
    config: { servers: server.url, subjects: { 'desk.GetOrder': 'GetOrder' } },
    operations: { GetOrder: { kind: 'request' } },
    request: async (payload) => (await ask('desk.GetOrder', payload ?? '{"orderNo":"000777"}')).string(),
    draft: { kind: 'request', type: 'GetOrder', data: { orderNo: '000777' } },
    reply: { data: { total: '1.10' }, origin: 'backend' },
  },
  backend: {
    config: { servers: server.url, operations },
    calls: [
      {
        operation: 'GetOrder',
        params: { orderNo: '000777' },
        answer: { data: { orderNo: '000777', total: '1.10', id: '9007199254740993' } },
      },
      {
        operation: 'GetOrder',
        params: { orderNo: '1' },
        answer: { fault: { code: 'OrderNotFound', message: 'no such order', detail: { orderNo: '1' } } },
      },
    ],
  },
})

async function backend(config: object = {}): Promise<Backend> {
  const made = createFrom(
    adapter.backend,
    { servers: server.url, operations, ...config },
    testScope({ id: 'bus' }),
  )
  onTestFinished(() => made[Symbol.asyncDispose]())
  await made.start?.(never)
  return made
}

async function call(
  made: Backend,
  operation: string,
  params: Json,
  given: Partial<BackendCall> & { signal?: AbortSignal } = {},
): Promise<Answer> {
  const { signal = never, ...rest } = given
  const message = testMessage({ kind: 'request', type: operation, data: params })
  return made.call({ operation, params, message, key: 'key-1', attempt: 1, ...rest }, signal)
}

async function channel(
  config: object,
  kinds: Parameters<typeof testHost>[0] = {},
): Promise<{ host: TestHost; made: Channel }> {
  const made = createFrom(adapter.channel, { servers: server.url, ...config }, testScope({ id: 'desk' }))
  onTestFinished(() => made[Symbol.asyncDispose]())
  const host = testHost(kinds)
  await made.start(host, never)
  return { host, made }
}

const failure = async (work: Promise<unknown>): Promise<GatewayError> => {
  const error = await work.then(
    () => new Error('it did not fail'),
    (thrown: unknown) => thrown,
  )
  if (!(error instanceof GatewayError)) throw error
  return error
}

test('nobody listens: proven not executed, so a write may be queued (SEMANTICS 3)', async () => {
  const { code, notExecuted, message } = await failure(call(await backend(), 'Nobody', {}))
  expect([code, notExecuted]).toStrictEqual(['BACKEND_FAILED', true])
  expect(message).toContain('nobody answers on shop.nobody')
})

test('an answer that says 503 is a breakage of which nobody knows what was done', async () => {
  const { code, notExecuted, detail } = await failure(call(await backend(), 'GetOrder', { orderNo: '503' }))
  expect([code, notExecuted, detail]).toStrictEqual(['BACKEND_FAILED', false, { status: 503 }])
})

test('an answer that is no JSON says that it came: it is not asked for again', async () => {
  const shop = bus.subscribe('shop.hold', { callback: (_error, message) => void message.respond('not json') })
  onTestFinished(() => shop.unsubscribe())
  await bus.flush()
  const { code, detail } = await failure(call(await backend(), 'Hold', {}))
  expect([code, detail]).toStrictEqual(['BACKEND_FAILED', { status: 200 }])
})

test('the call ends with its signal, and its inbox with it', async () => {
  const held = bus.subscribe('shop.hold', { callback: () => undefined })
  onTestFinished(() => held.unsubscribe())
  await bus.flush()
  const deadline = new AbortController()
  const asked = failure(call(await backend(), 'Hold', {}, { signal: deadline.signal }))
  await until(() => (held.getReceived() > 0 ? true : undefined))
  deadline.abort(new GatewayError('DEADLINE_EXCEEDED', 'too late'))
  expect((await asked).code).toBe('DEADLINE_EXCEEDED')
})

test('headers: those of the config, the key, the trace', async () => {
  const seen: (readonly [string, string])[] = []
  const heard = bus.subscribe('shop.hold', {
    callback: (_error, message) => {
      for (const name of ['X-Desk', 'Idempotency-Key', 'traceparent'])
        seen.push([name, message.headers?.get(name) ?? ''])
      message.respond('+OK')
    },
  })
  onTestFinished(() => heard.unsubscribe())
  await bus.flush()
  const own = { Hold: { subject: 'shop.hold', headers: { 'X-Desk': 'north' }, answer: 'text' } }
  expect(await call(await backend({ operations: own }), 'Hold', {})).toStrictEqual({ data: '+OK' })
  expect(Object.fromEntries(seen)).toStrictEqual({
    'X-Desk': 'north',
    'Idempotency-Key': 'key-1',
    traceparent: testMessage().traceparent,
  })
})

test.each([['a.b'], ['*'], ['>'], ['a b'], [''], ['\n'], [null], [{}]])(
  'the parameter %j cannot make another subject of the one that was meant',
  async (orderNo) => {
    expect(await call(await backend(), 'GetOrder', { orderNo })).toMatchObject({
      fault: { code: 'InvalidParameters' },
    })
  },
)

const publishing = {
  operations: {
    Shipped: { subject: 'shop.events.{orderNo}', stream: 'SHOP' },
    Lost: { subject: 'lost.{orderNo}', stream: 'SHOP' },
  },
}

test('into a stream with the key as message id: the same call again is kept once', async () => {
  const made = await backend(publishing)
  expect({ ...made.operations }).toStrictEqual({
    Shipped: { safe: false, idempotent: true },
    Lost: { safe: false, idempotent: true },
  })
  await made.probe?.(never)
  const first = await call(made, 'Shipped', { orderNo: '7' }, { key: 'once' })
  const again = await call(made, 'Shipped', { orderNo: '7' }, { key: 'once', attempt: 2 })
  expect(first).toMatchObject({ data: { stream: 'SHOP', duplicate: false } })
  expect(again).toStrictEqual({ data: { ...(first.data as object), duplicate: true } })
})

test('a subject that no stream takes: nothing was kept; a stream that is not there: the probe says so', async () => {
  const made = await backend(publishing)
  const { notExecuted, message } = await failure(call(made, 'Lost', { orderNo: '7' }))
  expect([notExecuted, message]).toStrictEqual([true, 'no stream takes lost.7'])
  const other = await backend({ operations: { Shipped: { subject: 'x', stream: 'NONE' } } })
  await expect(other.probe?.(never)).rejects.toThrow('stream "NONE": stream not found')
})

test('names in a subject become members of the body; those of the payload cannot stand in for them', async () => {
  const { host } = await channel(
    { subjects: { 'desk.{orderNo}.get': 'GetOrder' } },
    { GetOrder: { kind: 'request' } },
  )
  host.answer({ origin: 'backend', data: { total: '1.10' }, stale: true, asOf: '2026-01-01T00:00:00Z' })
  const answer = await ask('desk.000777.get', '{"orderNo":"1","n":12345678901234567890}')
  expect(answer.json()).toStrictEqual({ total: '1.10' })
  expect(answer.headers?.get('Dragoman-Stale')).toBe('2026-01-01T00:00:00Z')
  await ask('desk.000778.get', '')
  expect(host.drafts.map(({ data }) => data)).toStrictEqual([
    { orderNo: '000777', n: '12345678901234567890' },
    { orderNo: '000778' },
  ])
})

test('errors and faults are those of NATS services: a status, a sentence, and a body (ADR-32)', async () => {
  const { host } = await channel({ subjects: { 'desk.get': 'GetOrder' } })
  host.answer(new GatewayError('OVERLOADED', 'too much\nto do', { retryAfterMs: 50 }))
  const refused = await ask('desk.get', '{}')
  expect(refused.headers?.get('Nats-Service-Error-Code')).toBe('503')
  expect(refused.headers?.get('Nats-Service-Error')).toBe('too much to do')
  expect(refused.json()).toMatchObject({ code: 'OVERLOADED', retry: true, retryAfterMs: 50 })
  host.answer({ origin: 'backend', fault: { code: 'OrderNotFound', message: '没有这个订单' } })
  const fault = await ask('desk.get', '{}')
  expect(fault.headers?.get('Nats-Service-Error-Code')).toBe('422')
  expect(fault.json()).toStrictEqual({ code: 'OrderNotFound', message: '没有这个订单' })
})

test('an answer larger than the server takes is said to be so', async () => {
  const { host } = await channel({ subjects: { 'desk.get': 'GetOrder' } })
  host.answer({ origin: 'backend', data: 'x'.repeat(2_000_000) })
  expect((await ask('desk.get', '{}')).json()).toMatchObject({ code: 'ENCODE_FAILED' })
})

test('a thousand requests of one subject are under way at once, and no more: the next is told to come again', async () => {
  const { host } = await channel({ subjects: { 'desk.slow': 'GetOrder', 'desk.get': 'GetOrder' } })
  const gate = Promise.withResolvers<void>()
  const accept = host.accept.bind(host)
  let under = 0
  host.accept = async (draft, options) => {
    if (draft.type !== 'GetOrder' || draft.metadata?.['nats:subject'] !== 'desk.slow')
      return accept(draft, options)
    under += 1
    await gate.promise
    return accept(draft, options)
  }
  host.answer({ origin: 'backend', data: { is: 'there' } })
  const asked = Array.from({ length: 1000 }, () => ask('desk.slow', '{}'))
  await until(() => under === 1000 || undefined)
  expect((await ask('desk.slow', '{}')).json()).toMatchObject({
    code: 'OVERLOADED',
    retry: true,
    retryAfterMs: 1000,
  })
  expect((await ask('desk.get', '{}')).json()).toEqual({ is: 'there' })
  gate.resolve()
  for (const answer of await Promise.all(asked)) expect(answer.json()).toEqual({ is: 'there' })
  expect(under).toBe(1000)
})

test('a queue group: of two gateways one answers each request', async () => {
  const first = await channel({ subjects: { 'desk.get': 'GetOrder' } })
  const second = await channel({ subjects: { 'desk.get': 'GetOrder' } })
  for (let n = 0; n < 40; n++) await ask('desk.get', '{}')
  const [a, b] = [first.host.drafts.length, second.host.drafts.length]
  expect(a + b).toBe(40)
  expect(Math.min(a, b)).toBeGreaterThan(0)
})

test('messages are stored in the order they came, and who asks is told where', async () => {
  const { host } = await channel({ subjects: { 'desk.say': 'Say' } }, { Say: { kind: 'message' } })
  for (let n = 0; n < 20; n++) bus.publish('desk.say', JSON.stringify({ n }))
  const told = await ask('desk.say', '{"n":20}')
  expect(told.json()).toStrictEqual({ id: 'm21', conversation: 'c', sequence: 21, duplicate: false })
  expect(host.drafts.map(({ data }) => (data as { n: number }).n)).toStrictEqual([...Array(21).keys()])
})

test('an operation that is not there, or a request in a stream, is refused at the start', async () => {
  await expect(channel({ subjects: { a: 'Nope' } }, { Get: { kind: 'request' } })).rejects.toThrow('"Nope"')
  const streams = { SHOP: { consumer: 'c', subjects: { 'shop.events.{no}': 'Get' } } }
  await expect(channel({ streams }, { Get: { kind: 'request' } })).rejects.toThrow('nobody to answer')
  const gone = { NONE: { consumer: 'c', subjects: { x: 'Note' } } }
  await expect(channel({ streams: gone }, { Note: { kind: 'event' } })).rejects.toThrow('stream not found')
})

// ─── What a stream holds ─────────────────────────────────────────────────────────────────────────────────────────────

let stream = ''
beforeEach(async ({ task }) => {
  stream = `S${task.id.replace(/\W/g, '')}`
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`] })
})
const streams = (): object => ({
  [stream]: { consumer: 'desk', subjects: { [`${stream}.{orderNo}`]: 'Note' } },
})
const note = { Note: { kind: 'event' } } as const
const publish = (connection: NatsConnection, orderNo: string, options = {}): Promise<unknown> =>
  jetstream(connection).publish(`${stream}.${orderNo}`, `{"n":"${orderNo}"}`, options)
const left = async (): Promise<number> => {
  const { num_ack_pending, num_pending } = await manager.consumers.info(stream, 'desk')
  return num_ack_pending + num_pending
}

test('a stream: acknowledged when stored, in order, each with an id that stays', async () => {
  await publish(bus, '1', { msgID: 'own' })
  await publish(bus, '2')
  const { host } = await channel({ streams: streams() }, note)
  await until(async () => (host.drafts.length === 2 && (await left()) === 0 ? true : undefined))
  expect(host.drafts).toMatchObject([
    { kind: 'event', type: 'Note', data: { n: '1', orderNo: '1' }, externalId: `${stream}/own` },
    {
      data: { n: '2', orderNo: '2' },
      externalId: expect.stringMatching(new RegExp(`^${stream}:2@\\d{19}$`)),
    },
  ])
  expect(host.drafts[1]?.metadata).toMatchObject({ 'nats:sequence': '2', 'nats:subject': `${stream}.2` })
})

test('refused for now: it comes again by the same id and is stored; refused for good: not again', async () => {
  const { host } = await channel({ streams: streams() }, note)
  host.answer(new GatewayError('STORE_UNAVAILABLE', 'not now'))
  await publish(bus, '1')
  await until(() => (host.drafts.length === 2 ? true : undefined)) // the second after a pause
  host.answer(undefined)
  await until(async () => ((await left()) === 0 ? true : undefined))
  const ids = new Set(host.drafts.map(({ externalId }) => externalId))
  expect([host.drafts.length, ids.size]).toStrictEqual([3, 1])

  host.answer(new GatewayError('IDEMPOTENCY_MISMATCH', 'never'))
  await publish(bus, '2')
  await until(async () => (host.drafts.length === 4 && (await left()) === 0 ? true : undefined))
  host.answer(undefined)
  await jetstream(bus).publish(`${stream}.3`, 'no json')
  await publish(bus, '4')
  await until(async () => ((await left()) === 0 && host.drafts.length > 4 ? true : undefined))
  expect(host.drafts.at(-1)?.data).toStrictEqual({ n: '4', orderNo: '4' })
  expect(host.drafts).toHaveLength(5)
})

test('a stream that is deleted and made anew is heard again, and its message 1 is another one', async () => {
  const { host } = await channel({ streams: streams() }, note)
  await publish(bus, '1')
  await until(() => (host.drafts.length === 1 ? true : undefined))
  await manager.streams.delete(stream)
  await manager.streams.add({ name: stream, subjects: [`${stream}.>`] })
  await publish(bus, '1')
  await until(() => (host.drafts.length === 2 ? true : undefined), 30_000)
  expect(host.drafts[0]?.externalId).not.toBe(host.drafts[1]?.externalId)
})

test('a wrong token is said at the start, with the place and without the token', async () => {
  await using locked = await NatsServer.start(['--auth', 'open-sesame'])
  const made = await backend({ servers: locked.url, token: 'open-sesame' })
  await made.probe?.(never)
  const refused = backend({ servers: locked.url, token: 'not-that-secret' })
  await expect(refused).rejects.toThrow(`${locked.url} refuses us`)
  await expect(refused).rejects.not.toThrow('not-that-secret')
})
