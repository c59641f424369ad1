import { connect as tcp } from 'node:net'

import type { Delivery } from 'dragoman'
import { testHost, testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'

import { until } from '../../../support/gateway.ts'
import { connectPacket, identify, openWorld, publishPacket, raw, subscribePacket } from './world.ts'

const CONNACK = 0x20
const PUBACK = 0x40
const SUBACK = 0x90

async function connack(port: number, bytes: readonly number[]): Promise<Buffer> {
  using connection = await raw(port)
  connection.write(bytes)
  await Promise.race([connection.closed, until(() => (connection.received().length >= 4 ? true : undefined))])
  return connection.received()
}

test('MQTT 3.1.1 and 3.1 are taken, 5 is refused with return code 1 (§3.2.2.3), another name not at all', async () => {
  await using world = await openWorld()
  expect([...(await connack(world.port, connectPacket('a')))]).toEqual([CONNACK, 2, 0, 0])
  expect([...(await connack(world.port, connectPacket('b', { level: 3, name: 'MQIsdp' })))]).toEqual([
    CONNACK,
    2,
    0,
    0,
  ])
  expect([...(await connack(world.port, connectPacket('c', { level: 5 })))]).toEqual([CONNACK, 2, 0, 1])
  expect([...(await connack(world.port, connectPacket('d', { name: 'hj' })))]).toEqual([])
})

test('an empty client id needs a clean session [MQTT-3.1.3-8]', async () => {
  await using world = await openWorld()
  expect([...(await connack(world.port, connectPacket('', { flags: 2 })))]).toEqual([CONNACK, 2, 0, 0])
  expect([...(await connack(world.port, connectPacket('', { flags: 0 })))]).toEqual([CONNACK, 2, 0, 2])
})

test('a session is clean, whatever is asked for: SessionPresent is 0 (§3.2.2.2)', async () => {
  await using world = await openWorld()
  for (const _ of [1, 2]) {
    const client = await world.client({ clientId: 'stays', clean: false, reconnectPeriod: 0 })
    await client.subscribeAsync('shop/7/display', { qos: 1 })
    await client.endAsync()
  }
  expect([...(await connack(world.port, connectPacket('stays', { flags: 0 })))]).toEqual([CONNACK, 2, 0, 0])
})

test('a wrong password is return code 4, a stranger 5 (§3.2.2.3)', async () => {
  await using world = await openWorld()
  await expect(world.client({ username: 'a', password: 'wrong' })).rejects.toMatchObject({ code: 4 })
})

test('a PUBLISH before CONNECT ends the connection [MQTT-3.1.0-1], as does a second CONNECT [MQTT-3.1.0-2]', async () => {
  await using world = await openWorld()
  using early = await raw(world.port)
  early.write(publishPacket('shop/7/alarm', '{}'))
  await early.closed
  using twice = await raw(world.port)
  twice.write(connectPacket('twice'))
  await until(() => (twice.received().length >= 4 ? true : undefined))
  twice.write(connectPacket('twice'))
  await twice.closed
  expect(world.drafts).toEqual([])
})

test('16 kB before CONNACK, 256 kB after: a packet that says it is larger is refused before it comes', async () => {
  await using world = await openWorld()
  using stranger = await raw(world.port)
  stranger.write([0x10, 0xff, 0xff, 0xff, 0x7f])
  await stranger.closed
  expect(stranger.received()).toHaveLength(0)

  using known = await raw(world.port)
  known.write(connectPacket('known'))
  await until(() => (known.received().length >= 4 ? true : undefined))
  known.write([0x30, 0x80, 0x80, 0x80, 0x01]) // 2 MB
  await known.closed

  const client = await world.client()
  await client.publishAsync('shop/7/say', 'x'.repeat(200_000), { qos: 1 })
  expect(world.drafts).toHaveLength(1)
})

test('nothing that one client publishes reaches another, retained or not, and the same topic neither', async () => {
  await using world = await openWorld()
  const [one, other] = await Promise.all([world.client(), world.client()])
  const seen: string[] = []
  other.on('message', (topic) => seen.push(topic))
  await other.subscribeAsync('shop/7/display', { qos: 1 })
  await one.publishAsync('shop/7/alarm', '{"n":1}', { qos: 1, retain: true })
  await other.subscribeAsync('shop/7/display', { qos: 0 })
  await other.publishAsync('shop/7/alarm', '{"n":2}', { qos: 1 })
  expect(world.drafts).toHaveLength(2)
  expect(seen).toEqual([])
})

test.each([
  '#',
  '+/+/display',
  '$SYS/#',
  '$share/g/shop/7/display',
  'dragoman/v1/other/down',
  'dragoman/#',
  'shop/+/alarm',
  'shop/7/#',
])('a subscription to %s is refused with 0x80 (§3.9.3)', async (filter) => {
  await using world = await openWorld()
  const client = await world.client({ clientId: 'me' })
  const [granted] = await client.subscribeAsync(filter, { qos: 1 }).catch(() => [{ qos: 128 }])
  expect(granted?.qos).toBe(128)
})

test.each(['dragoman/v1/other/up', '$SYS/x', 'shop/7', 'elsewhere', 'shop/a\u0001b/alarm', 'a/'.repeat(40)])(
  'a publish to a foreign topic, %j, holds up nothing: acknowledged, counted, told, not handed in',
  async (topic) => {
    const refused: unknown[] = []
    const warned: unknown[] = []
    const scope = testScope({ id: 'foreign' })
    await using world = await openWorld({
      scope: {
        metrics: { ...scope.metrics, count: (name, labels) => refused.push([name, labels]) },
        log: { ...scope.log, warn: (...line) => warned.push(line) },
      },
    })
    const client = await world.client({ clientId: 'me', reconnectPeriod: 50 })
    const told: unknown[] = []
    client.on('message', (_topic, payload) => told.push(JSON.parse(payload.toString())))
    let closes = 0
    client.on('close', () => (closes += 1))
    await client.subscribeAsync('dragoman/v1/me/error')
    for (const qos of [1, 2, 0] as const) await client.publishAsync(topic, '{"id":"z1"}', { qos })
    await client.publishAsync('shop/7/alarm', '{"id":"z2"}', { qos: 1 })
    expect(world.drafts).toMatchObject([{ externalId: 'z2' }])
    expect(refused).toEqual(Array.from({ length: 3 }, () => ['mqtt_refused', { reason: 'topic' }]))
    const refusal = { error: { code: 'FORBIDDEN', retry: false }, topic }
    await until(() => (told.length >= 3 ? true : undefined))
    expect(told).toMatchObject([refusal, refusal, refusal])
    expect(warned).toEqual([['a topic was refused', { client: 'me', topic }]])
    expect(closes).toBe(0)
  },
)

test('a topic that is no text ends the connection [MQTT-1.5.3-2]', async () => {
  await using world = await openWorld()
  using connection = await raw(world.port)
  connection.write(connectPacket('no-text'))
  connection.write(publishPacket('shop/a\u0000b/alarm', '{}', { qos: 1 }))
  await connection.closed
  expect(connection.received().includes(PUBACK)).toBe(false)
  expect(world.drafts).toEqual([])
})

test('another identity cannot take a client id that is in use; its owner can [MQTT-3.1.4-2]', async () => {
  await using world = await openWorld()
  const ann = await world.client({ clientId: 'phone', username: 'u', password: 'ann' })
  let closed = false
  ann.on('close', () => (closed = true))
  await expect(world.client({ clientId: 'phone', username: 'u', password: 'bob' })).rejects.toMatchObject({
    code: 2,
  })
  expect(closed).toBe(false)
  const again = await world.client({ clientId: 'phone', username: 'u', password: 'ann' })
  await until(() => (closed ? true : undefined))
  expect(again.connected).toBe(true)
})

test('publishes of one client are taken one at a time, in order; those of others beside them', async () => {
  let running = 0
  let most = 0
  const order: unknown[] = []
  await using world = await openWorld({
    host: {
      async accept(draft) {
        running += 1
        most = Math.max(most, running)
        await new Promise((resolve) => setImmediate(resolve))
        order.push(draft.data)
        running -= 1
        return { id: 'm', conversation: 'c', sequence: 1, duplicate: false }
      },
    },
  })
  const client = await world.client()
  await Promise.all(
    Array.from({ length: 50 }, (_, n) =>
      client.publishAsync('shop/7/alarm', JSON.stringify({ n }), { qos: 1 }),
    ),
  )
  expect(order).toEqual(Array.from({ length: 50 }, (_, n) => ({ n })))
  expect(most).toBe(1)
})

test('QoS 2 is stored once: a repeat before PUBREL is answered again and hands nothing in [MQTT-4.3.3-2]', async () => {
  await using world = await openWorld()
  const client = await world.client()
  await client.publishAsync('shop/7/alarm', '{}', { qos: 2 })
  using connection = await raw(world.port)
  connection.write(connectPacket('two'))
  connection.write(publishPacket('shop/8/alarm', '{}', { qos: 2, id: 7 }))
  connection.write(publishPacket('shop/8/alarm', '{}', { qos: 2, id: 7, dup: true }))
  await until(() => (connection.received().length >= 12 ? true : undefined))
  expect(connection.received().subarray(4).toString('hex')).toBe('5002000750020007')
  expect(world.drafts).toHaveLength(2)
})

test('a will is authorised at CONNECT, sent when the connection breaks, and not after DISCONNECT (§3.1.2.5)', async () => {
  await using world = await openWorld()
  const foreign = {
    topic: 'dragoman/v1/other/up',
    payload: Buffer.from('{}'),
    qos: 1 as const,
    retain: false,
  }
  await expect(world.client({ will: foreign })).rejects.toMatchObject({ code: 5 })
  const own = { topic: 'shop/7/alarm', payload: Buffer.from('{"will":true}'), qos: 1 as const, retain: false }
  const orderly = await world.client({ will: own })
  await orderly.endAsync()
  const broken = await world.client({ will: own })
  broken.stream.destroy()
  await until(() => (world.drafts.length > 0 ? true : undefined))
  expect(world.drafts).toMatchObject([{ data: { will: true } }])
})

test('the gateway ends: no will is sent for it', async () => {
  const world = await openWorld()
  const own = { topic: 'shop/7/alarm', payload: Buffer.from('{"will":true}'), qos: 1 as const, retain: false }
  const client = await world.client({ will: own })
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  await world[Symbol.asyncDispose]()
  await closed
  expect(world.drafts).toEqual([])
})

test('keep-alive is clamped: a client without one is cut as well [MQTT-3.1.2-24]', async () => {
  await using world = await openWorld({ config: { maxKeepAlive: 1 } })
  using silent = await raw(world.port)
  const begun = performance.now()
  silent.write(connectPacket('silent', { keepAlive: 0 }))
  await silent.closed
  expect(performance.now() - begun).toBeLessThan(20_000)
})

test('frames go through the link of the customer and his device, and PUBACK follows the answer (SEMANTICS 43)', async () => {
  await using world = await openWorld()
  const client = await world.client({ clientId: 'phone-1', username: 'u', password: 'ann' })
  const came: string[] = []
  client.on('packetreceive', (packet) => {
    if (packet.cmd === 'publish') came.push(JSON.parse(String(packet.payload)).code)
    if (packet.cmd === 'puback') came.push('puback')
  })
  await client.subscribeAsync('dragoman/v1/phone-1/down', { qos: 0 })
  await client.publishAsync('dragoman/v1/phone-1/up', '{"t":"ping"}', { qos: 1 })
  await until(() => (came.length === 2 ? true : undefined))
  expect(came.toSorted()).toEqual(['ann phone-1', 'puback'])
})

test('frames that were answered before the SUBSCRIBE wait for it', async () => {
  await using world = await openWorld()
  using connection = await raw(world.port)
  connection.write(connectPacket('phone-2', { flags: 2 }))
  await until(() => (connection.received().length >= 4 ? true : undefined))
  const client = await world.client({ clientId: 'phone-3', username: 'u', password: 'ann' })
  const came: string[] = []
  client.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).code))
  await client.publishAsync('dragoman/v1/phone-3/up', '{"t":"ping"}', { qos: 1 })
  expect(came).toEqual([])
  await client.subscribeAsync('dragoman/v1/phone-3/down', { qos: 0 })
  await until(() => (came.length === 1 ? true : undefined))
})

test('frames are for customers: a program is told so and its connection ends', async () => {
  await using world = await openWorld()
  const client = await world.client({ clientId: 'prog' })
  const came: unknown[] = []
  client.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString())))
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  await client.subscribeAsync('dragoman/v1/prog/down', { qos: 0 })
  client.publish('dragoman/v1/prog/up', '{"t":"ping"}', { qos: 1 })
  await closed
  expect(came).toMatchObject([{ t: 'kick', code: 'auth' }])
})

test('client ids named like members of Object are names, and odd ones have no frame topics', async () => {
  await using world = await openWorld()
  for (const clientId of ['__proto__', 'constructor', 'toString', 'a/b', '+', '#', '汉字']) {
    const client = await world.client({ clientId, username: 'u', password: 'ann' })
    await client.publishAsync('shop/7/alarm', '{"__proto__":{"polluted":true}}', { qos: 1 })
    const own = /^\w+$/.test(clientId) ? 0 : 128
    const [granted] = await client
      .subscribeAsync(`dragoman/v1/${clientId}/down`, { qos: 0 })
      .catch(() => [{ qos: 128 }])
    expect(granted?.qos, clientId).toBe(own)
    await client.endAsync()
  }
  expect({}).not.toHaveProperty('polluted')
  expect(world.drafts).toHaveLength(7)
})

test('a peer that does not read harms nobody and costs a bounded buffer', async () => {
  await using world = await openWorld({ host: { identify } })
  const frozen = tcp({ host: '127.0.0.1', port: world.port })
  frozen.on('error', () => undefined)
  frozen.pause()
  frozen.write(Uint8Array.from(connectPacket('frozen')))
  frozen.write(Uint8Array.from(subscribePacket('shop/9/display', { qos: 1 })))
  const reader = await world.client()
  const came: string[] = []
  reader.on('message', (topic) => came.push(topic))
  await reader.subscribeAsync('shop/7/display', { qos: 1 })
  const message = (topic: string): never =>
    ({ conversation: 'c', replyContext: { v: 1, topic, qos: 1 } }) as never // all that send looks at here
  const stuck = Array.from({ length: 200 }, (_, n) =>
    world.channel.send?.(message('shop/9/display'), `k${n}`, AbortSignal.timeout(500)),
  )
  expect(await world.channel.send?.(message('shop/7/display'), 'k', AbortSignal.timeout(30_000))).toEqual({
    status: 'sent',
  })
  expect(came).toEqual(['shop/7/display'])
  const statuses = (await Promise.all(stuck.map(async (one) => one))).map((delivery) => delivery?.status)
  // Those beyond its 64 were not sent; it is there, so that is an attempt that failed.
  expect(statuses.filter((status) => status === 'refused')).toHaveLength(136)
  expect(statuses.filter((status) => status === 'unknown')).toHaveLength(64)
  frozen.destroy()
})

test('beyond 64 without PUBACK the next ones wait their turn; who ends the connection before it is away', async () => {
  await using world = await openWorld()
  using device = await raw(world.port)
  device.write(connectPacket('slow'))
  device.write(subscribePacket('shop/9/display', { qos: 1 }))
  await until(() => device.received().includes(SUBACK) || undefined)
  const send = (n: number, signal = AbortSignal.timeout(15_000)): Promise<Delivery> | undefined =>
    world.channel.send?.(
      { conversation: 'c', replyContext: { v: 1, topic: 'shop/9/display', qos: 1 } } as never,
      `k${n}.`,
      signal,
    ) // all that send looks at here
  const came = (): readonly (string | undefined)[] =>
    [
      ...device
        .received()
        .toString('latin1')
        .matchAll(/"id":"k(\d+)\."/gu),
    ].map(([, n]) => n)
  const sending = Array.from({ length: 67 }, (_, n) => send(n))
  await until(() => came().length === 64 || undefined)
  expect(await send(67, AbortSignal.timeout(50))).toMatchObject({ status: 'refused', retry: true })
  device.write([PUBACK, 2, 0, 2])
  await until(() => came().length === 65 || undefined)
  device.write([PUBACK, 2, 0, 1])
  await until(() => came().length === 66 || undefined)
  expect(came()).toEqual(Array.from({ length: 66 }, (_, n) => `${n}`))
  expect(await Promise.all([sending[0], sending[1]])).toEqual([{ status: 'sent' }, { status: 'sent' }])
  device.socket.destroy()
  expect(await sending[65]).toMatchObject({ status: 'unknown' })
  expect(await sending[66]).toMatchObject({ status: 'absent' })
})

test('a frame that waits behind another publish while the connection closes opens no link', async () => {
  const { promise: stored, resolve: store } = Promise.withResolvers<void>()
  const core = testHost()
  await using world = await openWorld({
    host: {
      link: (...open) => core.link(...open),
      async accept() {
        await stored
        return { id: 'm', conversation: 'c', sequence: 1, duplicate: false }
      },
    },
  })
  const options = { clientId: 'phone', username: 'u' }
  const client = await world.client({ ...options, password: 'ann' })
  client.publish('shop/7/alarm', '{}', { qos: 1 })
  client.publish('dragoman/v1/phone/up', '{"t":"ping"}', { qos: 0 })
  await client.subscribeAsync('dragoman/v1/phone/down', { qos: 0 })
  client.stream.destroy()
  // Another may have the client id when the connection has gone.
  const other = await until(() => world.client({ ...options, password: 'bob' }).catch(() => undefined))
  store()
  await other.publishAsync('shop/7/alarm', '{}', { qos: 1 })
  expect(core.links).toEqual([])
})

test('SUBACK comes for a granted topic and its messages are delivered with QoS 1', async () => {
  await using world = await openWorld()
  using connection = await raw(world.port)
  connection.write(connectPacket('s'))
  connection.write(subscribePacket('shop/7/display', { qos: 1, id: 9 }))
  await until(() => (connection.received().length >= 9 ? true : undefined))
  expect([...connection.received().subarray(4)]).toEqual([SUBACK, 3, 0, 9, 1])
})
