import { once } from 'node:events'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'

import { Aedes } from 'aedes'
import type { Backend, BackendCall, Json, Log, Metrics, Scope } from 'dragoman'
import { testBackend, testHost, testMessage, testScope } from 'dragoman/testing'
import { connectAsync } from 'mqtt'
import { afterAll, expect, test } from 'vitest'

import adapter from '../../../../adapters/mqtt/index.ts'
import { until } from '../../../support/gateway.ts'
import { startMosquitto } from './mosquitto.ts'
import { TOPICS, named, openWorld } from './world.ts'
import { createFrom } from '../../../support/create-from.ts'

const mosquitto = await startMosquitto()
const service = await connectAsync(mosquitto.url)
/** A business system behind mosquitto: it echoes what it needs to. */
service.on('message', (topic, payload) => {
  const request = JSON.parse(payload.toString())
  if (topic === 'svc/orders') {
    const found = request.data.orderNo === '000777'
    const said = found
      ? { data: { orderNo: '000777', total: '1.10' } }
      : { fault: { code: 'OrderNotFound', message: 'no such order' } }
    service.publish(request.replyto, JSON.stringify({ correlationid: request.correlationid, ...said }), {
      qos: 1,
    })
  } else if (topic.startsWith('old/') && topic.endsWith('/get')) {
    const [, shop, correlation] = topic.split('/')
    service.publish(`old/${shop}/${correlation}/answer`, '{"level":12345678901234567890}')
  }
})
await service.subscribeAsync(['svc/orders', 'svc/silent', 'old/+/+/get'], { qos: 1 })
afterAll(async () => {
  await service.endAsync()
  await mosquitto[Symbol.asyncDispose]()
})

const OPERATIONS = {
  GetOrder: { topic: 'svc/orders', replyTopic: 'svc/answers' },
  GetLevel: {
    topic: 'old/{shop}/{correlation}/get',
    replyTopic: 'old/{shop}/{correlation}/answer',
    body: '{ "q": shop }',
    result: 'level',
  },
  Notify: { topic: 'svc/silent' },
  Silent: { topic: 'svc/silent', replyTopic: 'svc/answers' },
}

testBackend('mqtt', {
  adapter,
  config: { url: mosquitto.url, operations: OPERATIONS },
  calls: [
    {
      operation: 'GetOrder',
      params: { orderNo: '000777' },
      answer: { data: { orderNo: '000777', total: '1.10' } },
    },
    {
      operation: 'GetOrder',
      params: { orderNo: '1' },
      answer: { fault: { code: 'OrderNotFound', message: 'no such order' } },
    },
    { operation: 'GetLevel', params: { shop: 7 }, answer: { data: '12345678901234567890' } },
    { operation: 'Notify', params: { any: 'thing' }, answer: {} },
  ],
})

function create(
  config: Readonly<Record<string, unknown>>,
  observed: Partial<Pick<Scope, 'log' | 'metrics'>> = {},
): Backend {
  return createFrom(adapter.backend, config, { ...testScope({ id: 'orders' }), ...observed })
}

function call(operation: string, params: Json): BackendCall {
  const message = testMessage({ kind: 'request', type: operation, data: params })
  return { operation, params, message, key: message.id, attempt: 1 }
}

test('100 calls at once get each its own answer', async () => {
  await using backend = create({ url: mosquitto.url, operations: OPERATIONS })
  await backend.start?.(AbortSignal.timeout(30_000))
  const answers = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      backend.call(call('GetOrder', { orderNo: n % 2 === 0 ? '000777' : 'x' }), AbortSignal.timeout(30_000)),
    ),
  )
  for (const [n, answer] of answers.entries()) expect(answer.fault === undefined).toBe(n % 2 === 0)
})

test('without an answer the call ends with its deadline, and a late one harms nobody', async () => {
  await using backend = create({ url: mosquitto.url, operations: OPERATIONS })
  await backend.start?.(AbortSignal.timeout(30_000))
  await expect(backend.call(call('Silent', {}), AbortSignal.timeout(200))).rejects.toMatchObject({
    name: 'TimeoutError',
  })
  await service.publishAsync('svc/answers', '{"correlationid":"nobody"}')
  await service.publishAsync('svc/answers', 'no json')
  const answer = await backend.call(call('GetOrder', { orderNo: '000777' }), AbortSignal.timeout(30_000))
  expect(answer.data).toMatchObject({ total: '1.10' })
})

/** What a backend counts, with its reason, and what it warns of. */
function observer() {
  const counted: unknown[] = []
  const warned: unknown[] = []
  const log: Log = { ...testScope().log, warn: (_text, fields) => void warned.push(fields) }
  const metrics: Metrics = {
    ...testScope().metrics,
    count: (name, labels) => void counted.push([name, labels?.['reason']]),
  }
  return { counted, warned, observed: { log, metrics } }
}

test('an answer that is no call’s is counted, and said once for each reason', async () => {
  const { counted, warned, observed } = observer()
  await using backend = create({ url: mosquitto.url, operations: OPERATIONS }, observed)
  await backend.start?.(AbortSignal.timeout(30_000))
  for (const said of ['OK', '{"v":1}', '{"correlationid":"foreign"}', '{"v":2}'])
    await service.publishAsync('svc/answers', said, { qos: 1 })
  await until(() => counted.length === 4 || undefined)
  expect(counted).toEqual(
    ['not_json', 'no_correlation', 'nobody_waits', 'no_correlation'].map((reason) => [
      'mqtt_answers_unmatched',
      reason,
    ]),
  )
  expect(warned).toEqual(
    ['JSON', 'has no correlationid', 'no call waits'].map((reason) => ({
      filter: 'svc/answers',
      topic: 'svc/answers',
      reason: expect.stringContaining(reason),
    })),
  )
})

test('a question of ours that comes where answers do is no answer without a call', async () => {
  const { counted, warned, observed } = observer()
  const GetLevel = { ...OPERATIONS.GetLevel, replyTopic: 'old/{shop}/{correlation}/{kind}' }
  await using backend = create({ url: mosquitto.url, operations: { GetLevel } }, observed)
  await backend.start?.(AbortSignal.timeout(30_000))
  const params = { shop: 7, kind: 'answer' }
  for (const _ of [1, 2])
    expect(await backend.call(call('GetLevel', params), AbortSignal.timeout(10_000))).toHaveProperty('data')
  await service.publishAsync('old/7/x/other', '{"correlationid":"foreign"}', { qos: 1 })
  await until(() => warned.length > 0 || undefined)
  expect(counted).toEqual([['mqtt_answers_unmatched', 'nobody_waits']])
})

test('a broker that is away: the gateway starts, and the call says that nothing was done', async () => {
  await using backend = create({ url: 'mqtt://127.0.0.1:1', operations: OPERATIONS })
  await backend.start?.(AbortSignal.timeout(100))
  const failure = await backend
    .call(call('GetOrder', {}), AbortSignal.timeout(1000))
    .catch((error: unknown) => error)
  expect(failure).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: true })
})

test.each(['a/b', '+', '#', '', 'x\u0000'])(
  'a parameter %j that would leave its level of the topic is refused',
  async (shop) => {
    await using backend = create({ url: mosquitto.url, operations: OPERATIONS })
    await backend.start?.(AbortSignal.timeout(30_000))
    await expect(backend.call(call('GetLevel', { shop }), AbortSignal.timeout(1000))).rejects.toMatchObject({
      code: 'DECODE_FAILED',
      notExecuted: true,
    })
  },
)

test('where the question comes back to who asks, its topic is not that of the answer', async () => {
  const url = 'mqtt://127.0.0.1:1'
  const same = { topic: 'switch/{no}', replyTopic: 'switch/{no}' }
  const bridge = named('bridge', { url })
  for (const way of [{ url }, { channel: bridge }])
    expect(() => create({ ...way, operations: { same } })).toThrow(
      '"switch/{no}" is the topic of the question',
    )
  await using _devices = create({ channel: named('devices'), operations: { same } })

  const pair = { topic: 'switch/{from}', replyTopic: 'switch/{to}' }
  await using backend = create({ url: mosquitto.url, operations: { pair } })
  await backend.start?.(AbortSignal.timeout(30_000))
  await expect(
    backend.call(call('pair', { from: 7, to: 7 }), AbortSignal.timeout(10_000)),
  ).rejects.toMatchObject({ code: 'DECODE_FAILED', notExecuted: true })
})

test('the devices of a channel can be asked; who is not there is said', async () => {
  await using world = await openWorld({ id: 'lamps' })
  const config = {
    channel: named('lamps'),
    operations: { Switch: { topic: 'lamp/{id}/do', replyTopic: 'lamp/{id}/done' } },
  }
  await using early = create({ ...config, channel: named('not yet') })
  await early.start?.(AbortSignal.timeout(30_000))
  await expect(early.call(call('Switch', { id: 7 }), AbortSignal.timeout(1000))).rejects.toThrow(
    'channel "not yet" is not connected',
  )
  await using backend = create(config)
  await backend.start?.(AbortSignal.timeout(30_000))
  const nobody = await backend
    .call(call('Switch', { id: 7 }), AbortSignal.timeout(1000))
    .catch((error: unknown) => error)
  expect(nobody).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: true })

  const lamp = await world.client({ clientId: 'lamp-7' })
  lamp.on('message', (_topic, payload) => {
    const { correlationid, data } = JSON.parse(payload.toString())
    lamp.publish('lamp/7/done', JSON.stringify({ correlationid, data: { on: data.on } }), { qos: 1 })
  })
  await lamp.subscribeAsync('lamp/7/do', { qos: 1 })
  expect(await backend.call(call('Switch', { id: 7, on: true }), AbortSignal.timeout(30_000))).toEqual({
    data: { on: true },
  })

  // A customer may neither overhear nor answer.
  const ann = await world.client({ clientId: 'ann', username: 'u', password: 'ann' })
  const [granted] = await ann.subscribeAsync('lamp/7/do', { qos: 1 }).catch(() => [{ qos: 128 }])
  expect(granted?.qos).toBe(128)
  const told = new Promise<unknown>((resolve) =>
    ann.once('message', (_topic, payload) => resolve(JSON.parse(payload.toString()))),
  )
  await ann.subscribeAsync('dragoman/v1/ann/error')
  await ann.publishAsync('lamp/7/done', '{}', { qos: 1 })
  expect(await told).toMatchObject({ error: { code: 'FORBIDDEN' }, topic: 'lamp/7/done' })
})

test('a customer answers no backend, not even where the config maps the topic of its answers', async () => {
  const topics = { 'lamp/+/done': { kind: 'event', type: "'lamp.done'" } }
  await using world = await openWorld({ id: 'mapped-lamps', config: { topics } })
  const Switch = { topic: 'lamp/{id}/do', replyTopic: 'lamp/{id}/done' }
  await using backend = create({ channel: named('mapped-lamps'), operations: { Switch } })
  await backend.start?.(AbortSignal.timeout(30_000))
  const lamp = await world.client({ clientId: 'lamp-7' })
  const asked = new Promise<string>((resolve) =>
    lamp.once('message', (_topic, payload) => resolve(JSON.parse(payload.toString()).correlationid)),
  )
  await lamp.subscribeAsync('lamp/7/do', { qos: 1 })
  const answering = backend.call(call('Switch', { id: 7 }), AbortSignal.timeout(10_000))
  const answer = (data: string): string => JSON.stringify({ correlationid, data })
  const correlationid = await asked
  const mallory = await world.client({ clientId: 'mallory', username: 'u', password: 'mallory' })
  await mallory.publishAsync('lamp/7/done', answer('forged'), { qos: 1 })
  await lamp.publishAsync('lamp/7/done', answer('real'), { qos: 1 })
  expect(await answering).toEqual({ data: 'real' })
  expect(world.drafts).toMatchObject([{ type: 'lamp.done', sender: { id: 'mallory' } }])
})

test('what a device says on a mapped topic that may also bear an answer is the answer to no call: it is taken as what it is', async () => {
  const topics = { 'meter/+/+': { kind: 'event', sender: 'topic[1]' } }
  await using world = await openWorld({ id: 'meters', config: { topics } })
  const read = { topic: 'meter/{no}', replyTopic: 'meter/{no}/{correlation}' }
  const { counted, observed } = observer()
  await using backend = create({ channel: named('meters'), operations: { read } }, observed)
  let last: [string, string] = ['', '']
  await backend.start?.(AbortSignal.timeout(30_000))
  const meter = await world.client({ clientId: 'meter-7' })
  meter.on('message', (_topic, payload) => {
    const { replyto, correlationid } = JSON.parse(payload.toString())
    last = [replyto, JSON.stringify({ correlationid, data: 1 })]
    meter.publish(...last, { qos: 1 })
  })
  await meter.subscribeAsync('meter/7', { qos: 1 })
  await meter.publishAsync('meter/7/alarm', '{"id":"a1"}', { qos: 1 })
  expect(world.drafts).toMatchObject([{ kind: 'event', externalId: 'a1' }])
  expect(await backend.call(call('read', { no: 7 }), AbortSignal.timeout(10_000))).toEqual({ data: 1 })
  // Sent again (QoS 1), when a reload has put another backend in its place.
  await using next = create({ channel: named('meters'), operations: { read } }, observed)
  await next.start?.(AbortSignal.timeout(1000))
  await backend[Symbol.asyncDispose]()
  await meter.publishAsync(...last, { qos: 1 })
  expect(world.drafts).toHaveLength(1)
  expect(counted).toEqual([['mqtt_answers_unmatched', 'ended']])
})

test('the connection breaks while an answer is waited for: the answer after the reconnect still counts', async () => {
  await using backend = create({ url: mosquitto.url, operations: OPERATIONS })
  await backend.start?.(AbortSignal.timeout(30_000))
  let asked: { replyto: string; correlationid: string } | undefined
  service.on('message', (topic, payload) => {
    if (topic === 'svc/silent') asked = JSON.parse(payload.toString())
  })
  const answering = backend.call(call('Silent', {}), AbortSignal.timeout(10_000))
  const request = await until(() => asked)
  await mosquitto.stop()
  await mosquitto.start()
  let answer: unknown
  void answering.then((given) => (answer = given))
  await until(() => {
    const said = JSON.stringify({ correlationid: request.correlationid, data: 1 })
    if (service.connected) service.publish(request.replyto, said)
    return answer
  })
  expect(answer).toEqual({ data: 1 })
})

/** A broker that does with SUBSCRIBE as told and takes note of what is published. */
async function brokerThat(authorizeSubscribe: Aedes['authorizeSubscribe']) {
  const asked: string[] = []
  const broker = await Aedes.createBroker({
    authorizeSubscribe,
    authorizePublish(_client, { topic }, done) {
      asked.push(topic)
      done(null)
    },
  })
  const server = createServer((socket) => void broker.handle(socket)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP server has one
  return {
    asked,
    url: `mqtt://127.0.0.1:${port}`,
    [Symbol.dispose]() {
      broker.close()
      server.close()
    },
  }
}

test('a broker that does not let us hear answers is asked nothing that wants one, until it does', async () => {
  let isDeaf = true
  using broker = await brokerThat((_client, subscription, done) => done(null, isDeaf ? null : subscription)) // null: SUBACK 0x80
  const { asked, url } = broker
  await using backend = create({ url, operations: OPERATIONS })
  await backend.start?.(AbortSignal.timeout(500))
  const message = expect.stringMatching(/hear answers on .*svc\/answers/u)
  const expected = { code: 'BACKEND_FAILED', notExecuted: true, message }
  await expect(backend.call(call('GetOrder', {}), AbortSignal.timeout(1000))).rejects.toMatchObject(expected)
  await expect(backend.probe?.(AbortSignal.timeout(1000))).rejects.toMatchObject(expected)
  await backend.call(call('Notify', {}), AbortSignal.timeout(1000)) // nobody answers that
  expect(asked).toEqual(['svc/silent'])
  isDeaf = false
  await until(() => {
    const probing = backend.probe?.(AbortSignal.timeout(1000))
    return probing?.then(
      () => true,
      () => undefined,
    )
  })
})

/** A backend through a bridge to such a broker. */
async function bridged(authorizeSubscribe: Aedes['authorizeSubscribe']) {
  const broker = await brokerThat(authorizeSubscribe)
  const { asked, url } = broker
  const channel = createFrom(adapter.channel, { url, topics: TOPICS }, testScope({ id: 'bridge' }))
  await channel.start(testHost(), new AbortController().signal)
  const backend = create({ channel: named('bridge'), operations: OPERATIONS })
  await backend.start?.(AbortSignal.timeout(500))
  return {
    asked,
    backend,
    async [Symbol.asyncDispose]() {
      await backend[Symbol.asyncDispose]()
      await channel[Symbol.asyncDispose]()
      broker[Symbol.dispose]()
    },
  }
}

test('through a bridge whose broker does not let us hear answers nothing is asked either', async () => {
  await using bridge = await bridged((_client, subscription, done) =>
    done(null, subscription.topic.startsWith('svc/') ? null : subscription),
  )
  const { asked, backend } = bridge
  await until(() =>
    backend.call(call('Notify', {}), AbortSignal.timeout(1000)).then(
      () => true,
      () => undefined,
    ),
  )
  await expect(backend.call(call('GetOrder', {}), AbortSignal.timeout(1000))).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    notExecuted: true,
  })
  expect(new Set(asked)).toEqual(new Set(['svc/silent']))
})

test('a call right after the start of a bridge whose broker has not answered SUBSCRIBE yet is made', async () => {
  await using bridge = await bridged(() => {}) // it takes its time
  const { asked, backend } = bridge
  const reasons = new Set<string>()
  await until(() => {
    const calling = backend.call(call('Silent', {}), AbortSignal.timeout(100))
    return calling.catch((error: unknown) => {
      reasons.add(error instanceof Error ? error.message : '')
      return asked.length > 0 || undefined
    })
  })
  expect([...reasons].filter((reason) => reason.includes('hear answers'))).toEqual([])
})
