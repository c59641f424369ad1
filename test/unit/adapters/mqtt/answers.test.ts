// What becomes of the answers to a device's requests where they cannot be sent: none is lost without a word.
import type { Accepted, Json, Scope } from 'dragoman'
import { testMessage } from 'dragoman/testing'
import type { MqttClient } from 'mqtt'
import { expect, test } from 'vitest'

import { until } from '../../../support/gateway.ts'
import { connectPacket, openWorld, publishPacket, raw, subscribePacket } from './world.ts'

const TOPIC = 'shop/7/display'
const MB = 1024 * 1024

/** What a channel says of itself to operators. */
function watched() {
  const lost: unknown[] = []
  const warned: unknown[] = []
  const scope: Partial<Scope> = {
    metrics: { count: (name, labels) => void lost.push({ name, ...labels }), gauge() {} },
    log: { debug() {}, info() {}, error() {}, warn: (...said) => void warned.push(said) },
  }
  return { lost, warned, scope }
}

/** What the client is told on its error topic. */
async function errors(client: MqttClient): Promise<readonly Json[]> {
  const told: Json[] = []
  const { clientId } = client.options
  client.on('message', (topic, payload) => {
    if (topic.endsWith('/error')) told.push(JSON.parse(payload.toString()))
  })
  await client.subscribeAsync(`dragoman/v1/${clientId}/error`, { qos: 0 })
  return told
}

test('of requests that come in one read every answer has its turn, also the three thousandth', async () => {
  await using world = await openWorld()
  world.host.answer({ data: 1, origin: 'backend' })
  const client = await world.client({ clientId: 'asker' })
  const told: unknown[] = []
  client.on('message', (_topic, payload) => told.push(JSON.parse(payload.toString()).correlationid))
  await client.subscribeAsync(TOPIC, { qos: 1 })
  const names = Array.from({ length: 3000 }, (_, n) => `q${n}`)
  const packets = names.map((id, n) =>
    Uint8Array.from(publishPacket('shop/7/ask', JSON.stringify({ id }), { qos: 1, id: n + 1 })),
  )
  client.stream.write(Buffer.concat(packets))
  await until(() => told.length >= names.length || undefined)
  expect(told).toEqual(names)
})

test('an answer that finds too much without PUBACK is counted and logged, and who asked is told: what waits is bounded in bytes', async () => {
  const { lost, warned, scope } = watched()
  await using world = await openWorld({ scope })
  const asker = await world.client({ clientId: 'asker' })
  const told = await errors(asker)
  using display = await raw(world.port)
  display.write(connectPacket('display'))
  await until(() => display.received().byteLength >= 4 || undefined)
  display.write(subscribePacket(TOPIC, { qos: 1 }))
  await until(() => display.received().byteLength >= 9 || undefined)
  const ending = new AbortController()
  const said = { ...testMessage(), replyContext: { v: 1, topic: TOPIC, qos: 1 } }
  const pushes = Array.from({ length: 64 }, async (_, n) =>
    world.channel.send?.(said, `key-${n}`, ending.signal),
  )
  world.host.answer({ data: 'x'.repeat(5 * MB), origin: 'backend' })
  for (const id of ['waits', 'too much'])
    await asker.publishAsync('shop/7/ask', JSON.stringify({ id }), { qos: 1 })
  await until(() => told.length > 0 || undefined)
  const topic = 'shop/7/ask'
  const message = `too much waits for PUBACK at ${TOPIC}, the answer was not sent; ask again with the same id`
  expect(told).toEqual([{ error: { code: 'OVERLOADED', message, retry: true }, topic, id: 'too much' }])
  expect(lost).toEqual([{ name: 'mqtt_answers_lost', reason: 'full' }])
  expect(warned).toEqual([['an answer was not sent', { topic, id: 'too much', reason: message }]])
  ending.abort()
  await Promise.all(pushes)
})

test('an answer that nobody is there for is counted and told: asked again with its id it is the same answer, without one nobody knows', async () => {
  const { lost, scope } = watched()
  await using world = await openWorld({ scope })
  world.host.answer({ data: 1, origin: 'backend' })
  const client = await world.client({ clientId: 'asker' })
  const told = await errors(client)
  for (const payload of ['{"id":"q1"}', '{}']) await client.publishAsync('shop/7/ask', payload, { qos: 1 })
  await until(() => told.length === 2 || undefined)
  expect(told).toMatchObject([
    { error: { code: 'CHANNEL_GONE', retry: true }, topic: 'shop/7/ask', id: 'q1' },
    { error: { code: 'OUTCOME_UNKNOWN', retry: false }, topic: 'shop/7/ask' },
  ])
  expect(lost).toEqual(Array.from({ length: 2 }, () => ({ name: 'mqtt_answers_lost', reason: 'nobody' })))
})

test('the answer to a customer’s request is shown to no other who has his client id when it comes (SEMANTICS 9)', async () => {
  const { lost, scope } = watched()
  const [asked, called] = [Promise.withResolvers<void>(), Promise.withResolvers<Accepted>()]
  await using world = await openWorld({
    scope,
    config: { subscribe: ['shop/{client}/display'] },
    host: {
      accept() {
        asked.resolve()
        return called.promise
      },
    },
  })
  const ann = await world.client({ clientId: '7', username: 'u', password: 'ann' })
  ann.publish('shop/7/ask', '{"id":"q1"}', { qos: 1 })
  await asked.promise
  await ann.endAsync(true)
  const eve = await world.client({ clientId: '7', username: 'u', password: 'eve' })
  const shown: string[] = []
  eve.on('message', (_topic, payload) => shown.push(payload.toString()))
  await eve.subscribeAsync('shop/7/display', { qos: 1 })
  const reply = { data: { card: '4711' }, origin: 'backend' } as const
  called.resolve({ id: 'm1', conversation: '', sequence: 0, duplicate: false, reply })
  await until(() => lost.length > 0 || shown.length > 0 || undefined)
  expect(shown).toEqual([])
  expect(lost).toEqual([{ name: 'mqtt_answers_lost', reason: 'nobody' }])
})
