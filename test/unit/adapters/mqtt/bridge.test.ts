import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'

import { Aedes } from 'aedes'
import { GatewayError } from 'dragoman'
import type { Channel, ChannelHost, Draft, Message, Scope } from 'dragoman'
import { testHost, testMessage, testScope } from 'dragoman/testing'
import { connectAsync } from 'mqtt'
import type { MqttClient } from 'mqtt'
import { afterAll, expect, test } from 'vitest'

import adapter from '../../../../adapters/mqtt/index.ts'
import { until } from '../../../support/gateway.ts'
import { startMosquitto } from './mosquitto.ts'
import { TOPICS, named } from './world.ts'
import { createFrom } from '../../../support/create-from.ts'

const mosquitto = await startMosquitto()
afterAll(() => mosquitto[Symbol.asyncDispose]())

let bridges = 0

async function openBridge(
  host: Partial<ChannelHost> = {},
  scope?: Scope,
  url = mosquitto.url,
  topics: object = TOPICS,
): Promise<Channel & { readonly scope: Scope }> {
  bridges += 1
  const used = scope ?? testScope({ id: `bridge-${bridges}` })
  const channel = createFrom(adapter.channel, { url, topics }, used)
  await channel.start(Object.assign(testHost(), host), new AbortController().signal)
  return Object.assign(channel, { scope: used })
}

async function other(): Promise<MqttClient> {
  const client = await connectAsync(mosquitto.url, { reconnectPeriod: 50 })
  client.on('error', () => undefined)
  return client
}

/** Collects what is accepted, after refusing what it is told to. */
function collector(refuse: (draft: Draft, seen: number) => boolean = () => false): {
  readonly ids: string[]
  readonly accept: ChannelHost['accept']
} {
  const ids: string[] = []
  let seen = 0
  return {
    ids,
    async accept(draft) {
      seen += 1
      if (refuse(draft, seen)) throw new GatewayError('STORE_UNAVAILABLE', 'the disk is full')
      ids.push(draft.externalId ?? '')
      return { id: `m${ids.length}`, conversation: 'c', sequence: ids.length, duplicate: false }
    },
  }
}

/** Filters are asked for in the order of the config: the others are granted when the last is. */
async function subscribed(
  client: MqttClient,
  stored: readonly string[],
  topic = 'shop/0/alarm',
): Promise<void> {
  let turn = 0
  await until(async () => {
    turn += 1
    await client.publishAsync(topic, `{"id":"probe-${turn}"}`, { qos: 1 })
    return stored.length > 0 ? true : undefined
  })
}
const numbered = (ids: readonly string[]): readonly string[] => ids.filter((id) => !id.startsWith('probe'))

test('a message that cannot be stored now is not acknowledged: it and all behind it come again, in order', async () => {
  let refused = false
  const { ids, accept } = collector((draft) => {
    if (draft.externalId !== '3' || refused) return false
    refused = true
    return true
  })
  await using _bridge = await openBridge({ accept })
  const client = await other()
  await subscribed(client, ids)
  for (const id of [1, 2, 3, 4, 5]) await client.publishAsync('shop/7/alarm', `{"id":"${id}"}`, { qos: 1 })
  await until(() => (numbered(ids).includes('5') ? true : undefined))
  expect(refused).toBe(true)
  expect(numbered(ids)).toEqual(['1', '2', '3', '4', '5'])
  await client.endAsync()
})

test('what comes while the bridge is away waits in the other broker', async () => {
  const scope = testScope({ id: 'away' })
  const first = collector()
  const bridge = await openBridge({ accept: first.accept }, scope)
  const client = await other()
  await subscribed(client, first.ids)
  await bridge[Symbol.asyncDispose]()
  for (const id of ['a', 'b', 'c']) await client.publishAsync('shop/7/alarm', `{"id":"${id}"}`, { qos: 1 })
  const second = collector()
  await using _again = await openBridge({ accept: second.accept }, scope)
  await until(() => (numbered(second.ids).length === 3 ? true : undefined))
  expect(numbered(second.ids)).toEqual(['a', 'b', 'c'])
  await client.endAsync()
})

test('a retained message is no news', async () => {
  const client = await other()
  await client.publishAsync('shop/9/alarm', '{"id":"old"}', { qos: 1, retain: true })
  const { ids, accept } = collector()
  await using _bridge = await openBridge({ accept })
  await subscribed(client, ids)
  expect(ids).not.toContain('old')
  await client.publishAsync('shop/9/alarm', '', { retain: true })
  await client.endAsync()
})

test('the outbox keeps replies while the broker is away, and sends them in order when it is back', async () => {
  const { ids, accept } = collector()
  const bridge = await openBridge({ accept })
  const probe = await other()
  await subscribed(probe, ids)
  await probe.endAsync()
  await mosquitto.stop()
  const reply = (n: number): Message => ({
    ...testMessage({ parts: [{ kind: 'text', text: `reply ${n}` }] }),
    replyContext: { v: 1, topic: 'shop/7/display', qos: 1 },
  })
  for (let n = 1; n <= 50; n += 1)
    expect(await bridge.send?.(reply(n), `key-${n}`, AbortSignal.timeout(30_000))).toEqual({ status: 'sent' })
  // The process ends; its outbox is in the store.
  await bridge[Symbol.asyncDispose]()
  await mosquitto.start()
  const client = await other()
  const came: string[] = []
  client.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).id))
  await client.subscribeAsync('shop/7/display', { qos: 1 })
  await using _again = await openBridge({ accept }, bridge.scope)
  await until(() => (new Set(came).size === 50 ? true : undefined))
  expect([...new Set(came)]).toEqual(Array.from({ length: 50 }, (_, n) => `key-${n + 1}`))
  await client.endAsync()
})

test('a bridge that replaces another of its name takes over at once, and the old one leaves', async () => {
  const scope = testScope({ id: 'replaced' })
  const [one, two] = [collector(), collector()]
  const first = await openBridge({ accept: one.accept }, scope)
  const client = await other()
  await subscribed(client, one.ids)
  await using _second = await openBridge({ accept: two.accept }, scope)
  await subscribed(client, two.ids)
  const before = one.ids.length
  await client.publishAsync('shop/7/alarm', '{"id":"after"}', { qos: 1 })
  await until(() => (two.ids.includes('after') ? true : undefined))
  expect(one.ids).toHaveLength(before)
  await first[Symbol.asyncDispose]()
  await client.endAsync()
})

async function listening(
  onConnection: (socket: Socket) => void,
): Promise<{ readonly server: Server; readonly url: string }> {
  const server = createServer(onConnection).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // a TCP server has one
  return { server, url: `mqtt://127.0.0.1:${port}` }
}

test('a bridge whose first SUBSCRIBE was cut off subscribes on its next connection, though the broker knows its session (DESIGN §12)', async () => {
  let connections = 0
  const sockets = new Set<Socket>()
  const { server, url } = await listening((socket) => {
    connections += 1
    const upstream = connect(mosquitto.port, '127.0.0.1')
    const isFirst = connections === 1
    let pieces = 0
    for (const one of [socket, upstream]) {
      sockets.add(one)
      one.on('error', () => undefined)
    }
    socket.on('data', (piece) => {
      pieces += 1
      // CONNECT passes, and the broker makes a session; what comes then is the first SUBSCRIBE.
      if (!isFirst || pieces === 1) return upstream.write(piece)
      upstream.destroy()
      return socket.destroy()
    })
    upstream.on('data', (piece) => socket.write(piece))
    upstream.on('close', () => socket.destroy())
    socket.on('close', () => upstream.destroy())
  })
  const { ids, accept } = collector()
  await using _bridge = await openBridge({ accept }, undefined, url)
  const client = await other()
  await subscribed(client, ids)
  expect(connections).toBe(2)
  await client.endAsync()
  for (const socket of sockets) socket.destroy()
  server.close()
})

test('what the other broker refuses is asked for again, and said once', async () => {
  const asked: string[] = []
  const broker = await Aedes.createBroker({
    authorizeSubscribe(_client, subscription, done) {
      asked.push(subscription.topic)
      const again = asked.filter((topic) => topic === subscription.topic).length
      done(null, subscription.topic === 'shop/+/alarm' && again <= 2 ? null : subscription) // null: SUBACK 0x80
    },
  })
  const { server, url } = await listening((socket) => broker.handle(socket))
  const scope = testScope({ id: 'refused' })
  const said: unknown[] = []
  const log = { ...scope.log, error: (_text: string, fields?: object) => void said.push(fields) }
  // Held as long as the bridge runs: who loses it connects anew, and asks for everything by that.
  const state = { ...scope.state, lease: async () => ({ release: async () => undefined }) }
  const { ids, accept } = collector()
  await using _bridge = await openBridge({ accept }, { ...scope, log, state }, url)
  const client = await connectAsync(url)
  await subscribed(client, ids)
  expect(asked.toSorted()).toEqual([...Array(3).fill('shop/+/alarm'), 'shop/+/ask', 'shop/+/say'])
  expect(said).toEqual([{ filter: 'shop/+/alarm' }])
  await client.endAsync(true)
  broker.close()
  server.close()
})

test('a request holds up nobody but its sender: others are called beside it, and messages are stored meanwhile', async () => {
  const { promise: answered, resolve: answer } = Promise.withResolvers<void>()
  const begun: string[] = []
  const { ids, accept } = collector()
  await using _bridge = await openBridge({
    async accept(draft, options) {
      if (draft.kind !== 'request' || draft.externalId?.startsWith('probe') === true)
        return accept(draft, options)
      begun.push(draft.externalId ?? '')
      await answered
      return { id: 'r', conversation: 'c', sequence: 0, duplicate: false }
    },
  })
  const client = await other()
  await subscribed(client, ids, 'shop/0/ask')
  for (const [shop, id] of [
    [7, 'slow'],
    [7, 'behind'],
    [8, 'beside'],
  ])
    await client.publishAsync(`shop/${shop}/ask`, JSON.stringify({ id }), { qos: 1 })
  for (const id of ['m1', 'm2', 'm3']) await client.publishAsync('shop/7/say', `{"id":"${id}"}`, { qos: 1 })
  await until(() => ids.includes('m3') || undefined)
  expect(begun).toEqual(['slow', 'beside'])
  expect(numbered(ids)).toEqual(['m1', 'm2', 'm3'])
  answer()
  await until(() => begun.includes('behind') || undefined)
  await client.endAsync()
})

test('a reply larger than the other broker takes is told and given up; those behind it arrive', async () => {
  await using small = await startMosquitto(['max_packet_size 2500'])
  const told: (object | undefined)[] = []
  const scope = testScope({ id: 'large' })
  const log = { ...scope.log, error: (_text: string, fields?: object) => void told.push(fields) }
  await using bridge = await openBridge({}, { ...scope, log }, small.url)
  const client = await connectAsync(small.url)
  const came: string[] = []
  client.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).id))
  await client.subscribeAsync('shop/7/display', { qos: 1 })
  const replyContext = { v: 1, topic: 'shop/7/display', qos: 1 }
  for (const [key, text] of [
    ['before', 'a'],
    ['large', 'x'.repeat(3000)],
    ['behind', 'b'],
  ] as const)
    await bridge.send?.(
      { ...testMessage({ parts: [{ kind: 'text', text }] }), replyContext },
      key,
      AbortSignal.timeout(30_000),
    )
  await until(() => came.includes('behind') || undefined)
  expect([...new Set(came)]).toEqual(['before', 'behind'])
  expect(told).toMatchObject([{ topic: 'shop/7/display', id: 'large' }])
  await client.endAsync(true)
})

test('where no topic has a reply, what is said of an event is refused, not taken for sent', async () => {
  const topics = { 'nr/+': { kind: 'event', sender: 'topic[1]' } }
  await using bridge = await openBridge({}, undefined, undefined, topics)
  const said = { ...testMessage(), receivedAt: '2026-01-01T00:00:00Z' }
  expect(await bridge.send?.(said, 'k', AbortSignal.timeout(1000))).toMatchObject({
    status: 'refused',
    retry: false,
    reason: expect.stringContaining('no topic is known'),
  })
})

test('a bridge whose filter covers the topics of its replies takes none of them for a message, also after a restart', async () => {
  const reply = "'shop/' & topic[1] & '/display'"
  const topics = {
    'shop/+/ask': { kind: 'request', sender: 'topic[1]', reply },
    'shop/#': { kind: 'message', sender: 'topic[1]', reply },
  }
  const scope = testScope({ id: 'echo' })
  const warned: unknown[] = []
  let own = 0
  const observed: Scope = {
    ...scope,
    log: { ...scope.log, warn: (text, fields) => void (text.includes('hears') && warned.push(fields)) },
    metrics: { ...scope.metrics, count: (name) => void (own += name === 'mqtt_own' ? 1 : 0) },
  }
  const ids: string[] = []
  let bridge: Channel | undefined
  /** As the core with a bot that answers whatever comes. */
  const accept: ChannelHost['accept'] = async (draft) => {
    ids.push(draft.externalId ?? '')
    const accepted = { id: `m${ids.length}`, conversation: 'c', sequence: ids.length, duplicate: false }
    if (draft.externalId === 'unknown') throw new GatewayError('NO_ROUTE', 'no route takes this')
    if (draft.kind === 'request') return { ...accepted, reply: { data: 1, origin: 'backend' } }
    const said = { ...testMessage(), replyContext: draft.replyContext ?? null }
    await bridge?.send?.(said, `${accepted.id}/0`, AbortSignal.timeout(10_000))
    return accepted
  }
  const open = async (): Promise<void> =>
    void (bridge = await openBridge({ accept }, observed, undefined, topics))
  await open()
  const client = await other()
  const shown: Buffer[] = []
  client.on('message', (_topic, payload) => shown.push(payload))
  await client.subscribeAsync('shop/7/display', { qos: 1 })
  await subscribed(client, ids, 'shop/7/say')
  const tell = async (topic: string, id: string): Promise<unknown> =>
    client.publishAsync(topic, JSON.stringify({ id }), { qos: 1 })
  await tell('shop/7/ask', 'asked')
  await tell('shop/7/ask', 'unknown')
  await tell('shop/7/say', 'said')
  await until(
    () => (numbered(ids).length >= 3 && shown.length >= ids.length && own >= ids.length) || undefined,
  )
  expect(numbered(ids)).toEqual(['asked', 'unknown', 'said'])
  expect(own).toBe(shown.length)
  expect(warned).toEqual([{ topic: 'shop/7/display' }])

  await bridge?.[Symbol.asyncDispose]()
  const before = own
  // What the broker kept for it.
  for (const payload of shown.slice(0, 3)) await client.publishAsync('shop/7/display', payload, { qos: 1 })
  await tell('shop/7/display', 'of another')
  await open()
  await until(() => ids.includes('of another') || undefined)
  expect(own - before).toBe(3)
  expect(numbered(ids).slice(3)).toEqual(['of another'])
  await bridge?.[Symbol.asyncDispose]()
  await client.endAsync()
})

test('what waited in the outbox is known as the bridge’s own by the filters of the time when it is published', async () => {
  const topics = { 'shop/#': { kind: 'message', sender: 'topic[1]' } }
  const scope = testScope({ id: 'widened' })
  const before = await openBridge({}, scope, 'mqtt://127.0.0.1:1', { 'nr/+': { kind: 'event' } })
  const said = { ...testMessage(), replyContext: { v: 1, topic: 'shop/7/display', qos: 1 } }
  for (const key of ['w1', 'w2']) await before.send?.(said, key, AbortSignal.timeout(10_000))
  const client = await other()
  const shown: string[] = []
  client.on('message', (_topic, payload) => shown.push(JSON.parse(payload.toString()).id))
  await client.subscribeAsync('shop/7/display', { qos: 1 })
  const heard = collector()
  // Its session is subscribed to before it publishes.
  await (await openBridge({}, testScope({ id: 'widened' }), undefined, topics))[Symbol.asyncDispose]()
  await before[Symbol.asyncDispose]()
  await using _wide = await openBridge({ accept: heard.accept }, scope, undefined, topics)
  await until(() => shown.length >= 2 || undefined)
  await subscribed(client, heard.ids, 'shop/7/say')
  expect([...new Set(shown)]).toEqual(['w1', 'w2'])
  expect(numbered(heard.ids)).toEqual([])
  await client.endAsync()
})

test('what comes on a mapped topic on which a backend waits for answers is taken where it answers no call', async () => {
  const topics = { 'meter/+/alarm': { kind: 'event', sender: 'topic[1]' } }
  const scope = testScope({ id: 'metering' })
  const operations = { read: { topic: 'meter/{no}', replyTopic: 'meter/{no}/{correlation}' } }
  await using backend = createFrom(adapter.backend, { channel: named(scope.id), operations }, testScope())
  await backend.start?.(AbortSignal.timeout(1000))
  const { ids, accept } = collector()
  await using _bridge = await openBridge({ accept }, scope, undefined, topics)
  const client = await other()
  await subscribed(client, ids, 'meter/7/alarm')
  await client.endAsync()
})
