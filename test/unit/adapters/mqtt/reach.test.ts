// Two channels of one name, as on two instances: what one tells the other hears.
import { GatewayError } from 'dragoman'
import type { ChannelHost, Delivery, Json, Message } from 'dragoman'
import { testHost } from 'dragoman/testing'
import { expect, test, vi } from 'vitest'

import { until } from '../../../support/gateway.ts'
import { connectPacket, identify, openWorld, raw, subscribePacket } from './world.ts'
import type { World } from './world.ts'

const TOPIC = 'shop/7/display'
const DAY_MS = 86_400_000
const reply = (topic = TOPIC): Message =>
  ({
    id: 'm',
    channel: 'devices',
    parts: [{ kind: 'text', text: 'hi' }],
    conversation: 'c',
    replyContext: { v: 1, topic, qos: 1 },
  }) as never // all that send looks at here

interface Pair extends AsyncDisposable {
  readonly a: World
  readonly b: World
  /** What goes from one to the other; it may be kept back. */
  readonly line: { isOpen: boolean; readonly kept: (() => void)[] }
}

async function openPair(config: Readonly<Record<string, unknown>> = {}): Promise<Pair> {
  const line: Pair['line'] = { isOpen: true, kept: [] }
  const hosts = [testHost(), testHost()] as const
  const toOther =
    (from: 0 | 1): ChannelHost['tell'] =>
    async (said) => {
      const go = (): void => hosts[from === 0 ? 1 : 0].hear(said)
      if (line.isOpen) go()
      else line.kept.push(go)
      return true
    }
  const open = (n: 0 | 1): Promise<World> => {
    const own = hosts[n]
    return openWorld({
      config,
      host: {
        identify,
        arrived: (key) => own.arrived(key),
        onTold: (handler) => own.onTold(handler),
        tell: toOther(n),
      },
    })
  }
  const [a, b] = [await open(0), await open(1)]
  return {
    a: { ...a, host: hosts[0] },
    b: { ...b, host: hosts[1] },
    line,
    async [Symbol.asyncDispose]() {
      await Promise.all([a[Symbol.asyncDispose](), b[Symbol.asyncDispose]()])
    },
  }
}

async function send(world: World, key = 'k', topic = TOPIC): Promise<Delivery | undefined> {
  return world.channel.send?.(reply(topic), key, AbortSignal.timeout(15_000))
}

test('a reply made on one instance reaches the device on another, and counts as sent with its PUBACK', async () => {
  await using pair = await openPair()
  const device = await pair.b.client()
  const came: string[] = []
  device.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).id))
  await device.subscribeAsync(TOPIC, { qos: 1 })
  expect(await send(pair.a)).toEqual({ status: 'sent' })
  expect(came).toEqual(['k'])
})

test('two that subscribe to one topic, each on its instance, both have the reply once', async () => {
  await using pair = await openPair()
  const came: string[] = []
  for (const [name, world] of [
    ['a', pair.a],
    ['b', pair.b],
  ] as const) {
    const device = await world.client()
    device.on('message', () => came.push(name))
    await device.subscribeAsync(TOPIC, { qos: 1 })
  }
  expect(await send(pair.a)).toEqual({ status: 'sent' })
  await until(() => came.length >= 2)
  expect(came.toSorted((a, b) => a.localeCompare(b))).toEqual(['a', 'b'])
})

test('the one here does not acknowledge, the one on another instance does: that is enough, and neither has it twice', async () => {
  await using pair = await openPair()
  using silent = await raw(pair.a.port)
  silent.write(connectPacket('silent'))
  silent.write(subscribePacket(TOPIC, { qos: 1 }))
  await until(() => silent.received().includes(0x90) || undefined)
  const device = await pair.b.client()
  await device.subscribeAsync(TOPIC, { qos: 1 })
  // It never aborts: who waits for the silent one waits for ever.
  expect(await pair.a.channel.send?.(reply(), 'k', new AbortController().signal)).toEqual({ status: 'sent' })

  // The acknowledgement comes too late for the try, and in time for the next one.
  pair.line.isOpen = false
  const ending = new AbortController()
  const sending = pair.a.channel.send?.(reply(), 'late', ending.signal)
  await until(() => silent.received().includes('"id":"late"') || undefined)
  ending.abort()
  expect(await sending).toMatchObject({ status: 'unknown' })
  for (const go of pair.line.kept.splice(0)) go()
  await until(() => pair.line.kept.length >= 2 || undefined)
  for (const go of pair.line.kept.splice(0)) go()
  expect(await send(pair.a, 'late')).toEqual({ status: 'sent' })
  expect(silent.received().toString('latin1').split('"id":"late"')).toHaveLength(2)
})

test('the other instances are told of a subscription once, however often it is made anew', async () => {
  const told: Json[] = []
  await using world = await openWorld({
    host: {
      async tell(said) {
        told.push(said)
        return true
      },
    },
  })
  const device = await world.client()
  for (const qos of [1, 1, 0] as const) await device.subscribeAsync(TOPIC, { qos })
  expect(told).toMatchObject([{ t: 'here', filter: TOPIC }])
  await device.unsubscribeAsync(TOPIC)
  await device.subscribeAsync(TOPIC, { qos: 1 })
  expect(told).toHaveLength(2)
})

test('a device that takes a reply on another instance and never acknowledges it: nobody knows', async () => {
  await using pair = await openPair()
  const silent = await raw(pair.b.port)
  silent.write(connectPacket('silent'))
  silent.write(subscribePacket(TOPIC, { qos: 1 }))
  await until(() => silent.received().includes(0x90) || undefined)
  const sending = send(pair.a)
  await until(() => silent.received().includes('"id":"k"') || undefined)
  // Its connection breaks before PUBACK: it is kept for the time when it is back.
  silent.socket.destroy()
  expect(await sending).toEqual({
    status: 'unknown',
    keepMs: DAY_MS,
    reason: `the connection ended before PUBACK from ${TOPIC}`,
  })
})

test('away from all instances: absent, for as long as the config says; a subscription on either says that it has come', async () => {
  await using pair = await openPair({ keepReplies: 60, subscribe: ['shop/+/display', 'shop/+/more/#'] })
  const absent = { status: 'absent', keepMs: 60_000, reason: `nobody subscribes to ${TOPIC}` }
  expect(await send(pair.a)).toEqual(absent)
  expect(await send(pair.b, 'other', 'shop/7/more/x')).toMatchObject({ status: 'absent' })
  const device = await pair.b.client()
  await device.subscribeAsync('shop/8/display')
  expect([...pair.a.host.arrivals, ...pair.b.host.arrivals]).toEqual([])
  await device.subscribeAsync(['shop/7/display', 'shop/+/more/#'])
  await until(() => pair.a.host.arrivals.length > 0 || undefined)
  expect(pair.a.host.arrivals).toEqual(['k'])
  expect(pair.b.host.arrivals).toEqual(['other'])
})

test('an acknowledgement that comes later than it was waited for counts: the reply is not sent a second time', async () => {
  await using pair = await openPair()
  const device = await pair.b.client()
  const came: string[] = []
  device.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).id))
  await device.subscribeAsync(TOPIC, { qos: 1 })
  pair.line.isOpen = false
  expect(await send(pair.a)).toMatchObject({ status: 'absent' })
  for (const go of pair.line.kept.splice(0)) go()
  await until(() => came.length > 0 || undefined)
  // "begun" and "sent" of the other come back.
  await until(() => pair.line.kept.length >= 2 || undefined)
  for (const go of pair.line.kept.splice(0)) go()
  expect(pair.a.host.arrivals).toEqual(['k'])
  expect(await send(pair.a)).toEqual({ status: 'sent' })
  expect(came).toEqual(['k'])
})

test.each(['a', 'b'] as const)(
  'a PUBACK that comes when the try is long over counts, also at instance %s: the reply is not published again (SEMANTICS 6)',
  async (where) => {
    await using pair = await openPair()
    using device = await raw(pair[where].port)
    device.write(connectPacket('slow'))
    device.write(subscribePacket(TOPIC, { qos: 1 }))
    await until(() => device.received().includes(0x90) || undefined)
    // Whoever waits for PUBACK does so until now.
    const over = new AbortController()
    const waiting = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(over.signal)
    try {
      const sending = pair.a.channel.send?.(reply(), 'k', over.signal)
      await until(() => device.received().includes('"id":"k"') || undefined)
      over.abort()
      expect(await sending).toEqual({ status: 'unknown', reason: `no PUBACK from ${TOPIC}` })
    } finally {
      waiting.mockRestore()
    }
    expect(pair.a.host.arrivals).toEqual([])
    device.write([0x40, 2, 0, 1])
    await until(() => pair.a.host.arrivals.length > 0 || undefined)
    expect(pair.a.host.arrivals).toEqual(['k'])
    expect(await send(pair.a)).toEqual({ status: 'sent' })
    expect(device.received().toString('latin1').split('"id":"k"')).toHaveLength(2)
    // It was that one's: the next is published, and takes a place of its own.
    const next = send(pair.a, 'next')
    await until(() => device.received().includes('"id":"next"') || undefined)
    device.write([0x40, 2, 0, 2])
    expect(await next).toEqual({ status: 'sent' })
  },
)

test('a client that is on another instance by now loses its old connection here; another one of that name does not [MQTT-3.1.4-2]', async () => {
  await using pair = await openPair({ subscribe: ['shop/{client}/display'] })
  const options = { clientId: 'phone', username: 'u', password: 'ann' }
  const opened = performance.now()
  const old = await pair.a.client(options)
  const foreign = await pair.a.client({ clientId: 'till', username: 'u', password: 'bob' })
  await until(() => performance.now() - opened > 2500 || undefined)
  for (const clientId of ['phone', 'till']) {
    const fresh = await pair.b.client({ ...options, clientId })
    await fresh.subscribeAsync(`shop/${clientId}/display`, { qos: 1 })
  }
  await until(() => !old.connected || undefined)
  expect(foreign.connected).toBe(true)
})

test('for whom a reply is holds on other instances too: another customer there does not have it (SEMANTICS 9)', async () => {
  await using pair = await openPair({ subscribe: ['shop/{client}/display'] })
  const eve = await pair.b.client({ clientId: '7', username: 'u', password: 'eve' })
  const shown: string[] = []
  eve.on('message', (_topic, payload) => shown.push(payload.toString()))
  await eve.subscribeAsync(TOPIC, { qos: 1 })
  const owner = { role: 'customer', id: 'ann' }
  const toAnn = { ...reply(), replyContext: { v: 1, topic: TOPIC, qos: 1, owner } }
  const sendToAnn = (): Promise<Delivery> | undefined =>
    pair.a.channel.send?.(toAnn, 'k', AbortSignal.timeout(15_000))
  expect(await sendToAnn()).toMatchObject({ status: 'absent' })
  await eve.endAsync()
  expect(shown).toEqual([])
  const ann = await pair.b.client({ clientId: '7', username: 'u', password: 'ann' })
  await ann.subscribeAsync(TOPIC, { qos: 1 })
  expect(await sendToAnn()).toEqual({ status: 'sent' })
})

test('what another instance says and this one does not understand changes nothing', async () => {
  await using pair = await openPair()
  const nonsense: readonly Json[] = [
    null,
    7,
    'here',
    {},
    { t: 'here' },
    { t: 'publish', id: 1 },
    { t: '__proto__' },
  ]
  for (const said of nonsense) pair.a.host.hear(said)
  pair.a.host.hear({ t: 'published', id: 'x', to: 'y', outcome: 'sent', key: 'k' })
  expect(pair.a.host.arrivals).toEqual([])
  const device = await pair.a.client()
  await device.subscribeAsync(TOPIC, { qos: 1 })
  expect(await send(pair.a)).toEqual({ status: 'sent' })
})

test('a reply that is too large to be told to another instance is refused for good, in words', async () => {
  await using world = await openWorld()
  Object.assign(world.host, {
    tell: async () => {
      throw new GatewayError('TOO_LARGE', '2000000 bytes are too many')
    },
  })
  expect(await send(world)).toEqual({ status: 'refused', retry: false, reason: '2000000 bytes are too many' })
  // Nobody waits for it any more.
  Object.assign(world.host, { tell: async () => true })
  const device = await world.client()
  await device.subscribeAsync(TOPIC, { qos: 1 })
  expect(world.host.arrivals).toEqual([])
})
