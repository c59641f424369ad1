import { GatewayError } from 'dragoman'
import type { ChannelHost, Delivery, Message } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import { expect, test } from 'vitest'

import { until } from '../../../support/gateway.ts'
import { TOPICS, openWorld } from './world.ts'

test('a mapped topic becomes a draft by its expressions, and PUBACK comes after it is stored (SEMANTICS 43)', async () => {
  const { promise: stored, resolve: store } = Promise.withResolvers<void>()
  await using world = await openWorld({
    host: {
      async accept(draft) {
        await stored
        return { id: 'm1', conversation: 'c', sequence: 1, duplicate: draft.externalId === 'again' }
      },
    },
  })
  const client = await world.client()
  let acknowledged = false
  const publishing = client.publishAsync('shop/7/alarm', '{"id":"a1","level":2}', { qos: 1 })
  client.on('packetreceive', ({ cmd }) => (acknowledged ||= cmd === 'puback'))
  // A later packet of the client comes back: the broker has read the first one long ago.
  await client.subscribeAsync('shop/7/display', { qos: 1 })
  expect(acknowledged).toBe(false)
  store()
  await publishing
  expect(acknowledged).toBe(true)
})

test('what a draft says: kind, type, sender, id, data, topic', async () => {
  await using world = await openWorld()
  const client = await world.client()
  await client.publishAsync('shop/7/alarm', '{"id":"a1","level":1.10,"big":12345678901234567890}', { qos: 1 })
  await client.publishAsync('shop/8/say', 'it is 21.5 C', { qos: 1 })
  expect(world.drafts).toMatchObject([
    {
      kind: 'event',
      type: 'device.alarm',
      sender: { id: '7', role: 'customer' },
      externalId: 'a1',
      data: { id: 'a1', level: '1.10', big: '12345678901234567890' },
      metadata: { 'mqtt:topic': 'shop/7/alarm' },
    },
    {
      kind: 'message',
      type: 'text',
      sender: { id: '8', role: 'customer' },
      parts: [{ kind: 'text', text: 'it is 21.5 C' }],
      replyContext: { v: 1, topic: 'shop/8/display', qos: 1 },
    },
  ])
  expect(world.drafts[1]).not.toHaveProperty('externalId')
  const event = { specversion: '1.0', id: 'e1', source: '/phone', type: 'chat', data: 'where is my order?' }
  await client.publishAsync('shop/8/say', JSON.stringify(event), { qos: 1 })
  expect(world.drafts[2]).toMatchObject({
    type: 'chat',
    parts: [{ kind: 'text', text: 'where is my order?' }],
  })
  expect(world.drafts[2]).not.toHaveProperty('data')
})

/** Takes everything but the first. */
function refusingOnce(why: GatewayError) {
  let hasRefused = false
  const accepted: (string | undefined)[] = []
  const accept: ChannelHost['accept'] = async ({ externalId }) => {
    if (!hasRefused) {
      hasRefused = true
      throw why
    }
    accepted.push(externalId)
    return { id: 'm1', conversation: 'c', sequence: 1, duplicate: false }
  }
  return { accepted, host: { accept } }
}

test('a temporary refusal is not acknowledged: the connection closes, and MQTT.js sends it again', async () => {
  const { host, accepted } = refusingOnce(new GatewayError('STORE_UNAVAILABLE', 'the disk is full'))
  await using world = await openWorld({ host })
  const client = await world.client({ reconnectPeriod: 50 })
  let closes = 0
  client.on('close', () => (closes += 1))
  await client.publishAsync('shop/7/alarm', '{"id":"a1"}', { qos: 1 })
  expect(accepted).toEqual(['a1'])
  expect(closes).toBe(1)
})

test('a client is cut at most once a second (SEMANTICS 43)', async () => {
  await using world = await openWorld({
    host: {
      accept: async () => {
        throw new GatewayError('STORE_UNAVAILABLE', 'the disk is full')
      },
    },
  })
  const client = await world.client({ clientId: 'loop', reconnectPeriod: 10 })
  let closes = 0
  client.on('close', () => (closes += 1))
  const begun = performance.now()
  client.publish('shop/7/alarm', '{"id":"a1"}', { qos: 1 })
  await until(() => (closes >= 3 ? true : undefined))
  expect(performance.now() - begun).toBeGreaterThan(1900)
})

test('what was published behind something that is not taken does not overtake it: both come again, in order [MQTT-4.6.0-1]', async () => {
  const { host, accepted } = refusingOnce(new GatewayError('OVERLOADED', 'the lane is full'))
  await using world = await openWorld({ host })
  const client = await world.client({ reconnectPeriod: 10 })
  const names = Array.from({ length: 20 }, (_, n) => `a${n}`)
  await Promise.all(
    names.map((id) => client.publishAsync('shop/7/alarm', JSON.stringify({ id }), { qos: 1 })),
  )
  expect(accepted).toEqual(names)
})

test('many that are not taken at once are one cut: the next comes a second later, not one for each of them (SEMANTICS 43)', async () => {
  await using world = await openWorld({
    host: {
      accept: async () => {
        throw new GatewayError('STORE_UNAVAILABLE', 'the disk is full')
      },
    },
  })
  const client = await world.client({ clientId: 'many', reconnectPeriod: 10 })
  let closes = 0
  client.on('close', () => (closes += 1))
  for (let n = 0; n < 60; n += 1) client.publish('shop/7/alarm', JSON.stringify({ id: `a${n}` }), { qos: 1 })
  const begun = performance.now()
  await until(() => closes >= 3 || undefined)
  const took = performance.now() - begun
  expect(took).toBeGreaterThan(1900)
  expect(took).toBeLessThan(30_000) // sixty cuts would be a minute
})

test('what is refused for good is acknowledged, so that no client loops, and told on the error topic', async () => {
  await using world = await openWorld()
  const client = await world.client({ clientId: 'phone-1' })
  const told: unknown[] = []
  client.on('message', (_topic, payload) => told.push(JSON.parse(payload.toString())))
  await client.subscribeAsync('dragoman/v1/phone-1/error', { qos: 0 })
  await client.publishAsync('shop/7/alarm', '{"id":', { qos: 1 })
  await until(() => (told.length > 0 ? true : undefined))
  expect(told).toEqual([
    {
      error: { code: 'DECODE_FAILED', message: expect.stringContaining('not JSON'), retry: false },
      topic: 'shop/7/alarm',
    },
  ])
  expect(client.connected).toBe(true)
  expect(world.drafts).toEqual([])
})

test('PUBACK of a request says that it is stored: it does not wait until somebody has the answer, up to 16 of them', async () => {
  const { promise: told, resolve: tell } = Promise.withResolvers<boolean>()
  await using world = await openWorld({ host: { tell: () => told } })
  world.host.answer({ data: 1, origin: 'backend' })
  const client = await world.client()
  for (let n = 0; n < 16; n += 1) await client.publishAsync('shop/7/ask', `{"id":"q${n}"}`, { qos: 1 })
  let acknowledged = false
  const publishing = client.publishAsync('shop/7/ask', '{"id":"q16"}', { qos: 1 })
  client.on('packetreceive', ({ cmd }) => (acknowledged ||= cmd === 'puback'))
  await until(() => world.drafts.length === 17 || undefined)
  await client.unsubscribeAsync('shop/7/display')
  expect(acknowledged).toBe(false)
  tell(false)
  await publishing
})

test('of requests that come together none but the last waits for answers: what acknowledges them is read only behind all', async () => {
  const { promise: told, resolve: tell } = Promise.withResolvers<boolean>()
  await using world = await openWorld({ host: { tell: () => told } })
  world.host.answer({ data: 1, origin: 'backend' })
  const client = await world.client()
  const started = performance.now()
  let acknowledged = 0
  const all = Array.from({ length: 60 }, async (_, n) => {
    await client.publishAsync('shop/7/ask', `{"id":"q${n}"}`, { qos: 1 })
    acknowledged += 1
  })
  await until(() => acknowledged === 59 || undefined)
  expect(performance.now() - started).toBeLessThan(10_000) // as long as one answer is waited for
  tell(false)
  await Promise.all(all)
})

test('a reply topic that the payload names is none of the gateway’s own, and none that cannot be published to', async () => {
  const topics = { 'shop/+/ask': { kind: 'message', sender: 'topic[1]', reply: 'replyto' } }
  await using world = await openWorld({ config: { topics } })
  const client = await world.client({ clientId: 'asker' })
  const told: string[] = []
  client.on('message', (_topic, payload) => told.push(JSON.parse(payload.toString()).error.code))
  await client.subscribeAsync('dragoman/v1/asker/error', { qos: 0 })
  for (const replyto of ['dragoman/v1/victim/down', 'shop/#', 'a\u0000b', 'shop/7/display'])
    await client.publishAsync('shop/7/ask', JSON.stringify({ replyto, text: 'hi' }), { qos: 1 })
  await until(() => told.length >= 3 || undefined)
  expect(told).toEqual(['DECODE_FAILED', 'DECODE_FAILED', 'DECODE_FAILED'])
  expect(world.drafts).toMatchObject([{ replyContext: { topic: 'shop/7/display' } }])
})

test('a request is answered on its reply topic, and a stale answer keeps its mark', async () => {
  await using world = await openWorld()
  world.host.answer({ data: { status: 'shipped' }, origin: 'cache', stale: true })
  const client = await world.client()
  const told: unknown[] = []
  client.on('message', (_topic, payload) => told.push(JSON.parse(payload.toString())))
  await client.subscribeAsync('shop/7/display', { qos: 1 })
  await client.publishAsync('shop/7/ask', '{"id":"q1","orderNo":"000777"}', { qos: 1 })
  await until(() => (told.length > 0 ? true : undefined))
  expect(told).toMatchObject([
    {
      specversion: '1.0',
      type: 'reply.GetOrder',
      correlationid: 'q1',
      data: { data: { status: 'shipped' }, stale: true },
    },
  ])
})

test.each([
  ['of a later version', { v: 2, topic: 'shop/7/display', qos: 1 }],
  ['of another adapter', { user: 'ann' }],
  ['that is no object', 'shop/7/display'],
  ['of an owner that is nobody', { v: 1, topic: 'shop/7/display', qos: 1, owner: 'ann' }],
])('a reply context %s is refused, never taken for sent (SEMANTICS 21)', async (_, replyContext) => {
  await using world = await openWorld()
  const send = (message: Message): Promise<Delivery> | undefined =>
    world.channel.send?.(message, 'k', AbortSignal.timeout(1000))
  expect(await send({ ...testMessage(), replyContext })).toMatchObject({ status: 'refused', retry: false })
})

test('a reply that waits for its device goes on waiting after a reload that takes `reply` out of its topic, and leaves one elsewhere (SEMANTICS 21)', async () => {
  const topics = {
    'shop/+/say': { kind: 'message', sender: 'topic[1]' },
    'desk/say': { kind: 'event', reply: "'desk/screen'" },
  }
  await using world = await openWorld({ config: { topics } })
  const reply = { ...testMessage(), replyContext: { v: 1, topic: 'shop/7/display', qos: 1 } }
  const send = (): Promise<Delivery> | undefined =>
    world.channel.send?.(reply, 'k', AbortSignal.timeout(10_000))
  expect(await send()).toMatchObject({ status: 'absent', keepMs: 86_400_000 })
  const display = await world.client()
  await display.subscribeAsync('shop/7/display', { qos: 1 })
  expect(await send()).toEqual({ status: 'sent' })
})

test('only a channel where a topic has a `reply` is a platform: a reload that takes all of them takes `send` with them, one that brings them back sends what waited', async () => {
  const of = (topics: object) => openWorld({ config: { topics } })
  const reply = { ...testMessage(), replyContext: { v: 1, topic: 'shop/7/display', qos: 1 } }
  {
    await using none = await of({ 'shop/+/say': { kind: 'message', sender: 'topic[1]' } })
    expect(none.channel).not.toHaveProperty('send')
  }
  await using back = await of(TOPICS)
  const display = await back.client()
  await display.subscribeAsync('shop/7/display', { qos: 1 })
  expect(await back.channel.send?.(reply, 'k', AbortSignal.timeout(10_000))).toEqual({ status: 'sent' })
})

test('no customer has the answers to his own words shown where another listens: that is refused before it is stored', async () => {
  const topics = {
    'shop/+/say': { kind: 'message', reply: "'shop/' & topic[1] & '/display'" },
    'shop/+/ask': { kind: 'request', type: "'GetOrder'", reply: "'shop/' & topic[1] & '/display'" },
    'desk/say': { kind: 'message', reply: "'desk/screen'" },
  }
  const subscribe = ['shop/{client}/display', 'desk/screen']
  await using world = await openWorld({ config: { topics, subscribe } })
  const victim = await world.client({ clientId: '7', username: 'u', password: 'ann' })
  const shown: string[] = []
  victim.on('message', (_topic, payload) => shown.push(payload.toString()))
  await victim.subscribeAsync('shop/7/display', { qos: 1 })
  const eve = await world.client({ clientId: '8', username: 'u', password: 'eve' })
  const told: unknown[] = []
  eve.on('message', (_topic, payload) => told.push(JSON.parse(payload.toString())))
  await eve.subscribeAsync('dragoman/v1/8/error')
  for (const topic of ['shop/7/say', 'shop/7/ask', 'shop/8/say', 'desk/say'])
    await eve.publishAsync(topic, `{"id":"${topic}"}`, { qos: 1 })
  await until(() => told.length === 2 || undefined)
  expect(told).toMatchObject([
    { error: { code: 'FORBIDDEN' }, topic: 'shop/7/say', id: 'shop/7/say' },
    { error: { code: 'FORBIDDEN' }, topic: 'shop/7/ask' },
  ])
  // What is nobody's own is for programs, and a program speaks for whom it likes.
  expect(world.drafts.map(({ externalId }) => externalId)).toEqual(['shop/8/say', 'desk/say'])
  const program = await world.client({ clientId: 'till' })
  await program.publishAsync('shop/7/say', '{"id":"till"}', { qos: 1 })
  expect(world.drafts.at(-1)).toMatchObject({ externalId: 'till' })
  expect(shown).toEqual([])
})
