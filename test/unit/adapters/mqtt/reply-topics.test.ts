// What is said in a conversation without a question of its own (the text of an event's route) finds the device all the same.
import { GatewayError } from 'dragoman'
import type { ChannelHost, Delivery, Draft, Message, Scope, State } from 'dragoman'
import { testMessage, testScope } from 'dragoman/testing'
import { expect, test } from 'vitest'

import adapter from '../../../../adapters/mqtt/index.ts'
import { until } from '../../../support/gateway.ts'
import { openWorld } from './world.ts'
import type { World } from './world.ts'

const ID = 'devices'
const accept: ChannelHost['accept'] = async ({ sender, kind }) => {
  if (sender.id === 'foreign') throw new GatewayError('FORBIDDEN', 'the conversation is another customer’s')
  return {
    id: 'm1',
    conversation: kind === 'request' ? '' : `${ID}:${sender.id}`,
    sequence: 1,
    duplicate: false,
  }
}

const open = (scope: Partial<Scope> = {}): Promise<World> => openWorld({ id: ID, host: { accept }, scope })

/** As an event's effect: nothing but the conversation says for whom. */
const said = (conversation: string, receivedAt = '2026-01-01T00:00:00.000Z'): Message => ({
  ...testMessage({ parts: [{ kind: 'text', text: 'It has shipped' }] }),
  conversation,
  direction: 'outbound',
  receivedAt,
})

const send = ({ channel }: Pick<World, 'channel'>, message: Message): Promise<Delivery> | undefined =>
  channel.send?.(message, 'k', AbortSignal.timeout(5000))

test('it goes to the topic that the conversation was last answered on, also after a restart (DESIGN §8)', async () => {
  const { state } = testScope()
  {
    await using world = await open({ state })
    const client = await world.client()
    await client.publishAsync('shop/7/say', 'hello', { qos: 1 })
  }
  await using world = await open({ state })
  const client = await world.client()
  const came: string[] = []
  client.on('message', (topic, payload) => came.push(`${topic} ${JSON.parse(payload.toString()).id}`))
  await client.subscribeAsync('shop/7/display', { qos: 1 })
  expect(await send(world, said(`${ID}:7`))).toEqual({ status: 'sent' })
  await until(() => came.length > 0 || undefined)
  expect(came).toEqual(['shop/7/display k'])
})

test('where no topic is known and no frames reach the customer it is refused for good, never counted as sent (DESIGN §6)', async () => {
  await using world = await open()
  const client = await world.client()
  await client.publishAsync('shop/7/alarm', '{"id":"a1"}', { qos: 1 }) // a topic without `reply`
  const delivery = await send(world, said(`${ID}:7`))
  expect(delivery).toMatchObject({ status: 'refused', retry: false })
  expect(delivery).toHaveProperty('reason', expect.stringContaining(`"${ID}:7"`))
})

test('what is young is tried again: the message that tells the topic may have been taken this very moment', async () => {
  await using world = await open()
  const now = new Date().toISOString()
  expect(await send(world, said(`${ID}:7`, now))).toMatchObject({ status: 'refused', retry: true })
})

test('a customer with a credential has it in his inbox, by frames; the answer to a message from a topic without reply is in the log', async () => {
  await using world = await open()
  expect(await send(world, said('link:ann'))).toEqual({ status: 'sent' })
  expect(await send(world, { ...said(`${ID}:7`), inReplyTo: 'm1' })).toEqual({ status: 'sent' })
})

test('a message that is refused says nothing about where a conversation is heard', async () => {
  await using world = await open()
  const client = await world.client()
  await client.publishAsync('shop/foreign/say', 'hello', { qos: 1 })
  expect(await send(world, said(`${ID}:foreign`))).toMatchObject({ status: 'refused', retry: false })
})

test('a store that cannot be read is no doubt about what was sent: it is tried again', async () => {
  const get: State['get'] = async () => {
    throw new GatewayError('STORE_UNAVAILABLE', 'the store is away')
  }
  await using world = await open({ state: { ...testScope().state, get } })
  expect(await send(world, said(`${ID}:7`))).toMatchObject({ status: 'refused', retry: true })
})

test('what is said to a customer goes to no other who has his client id by now, and waits for him (SEMANTICS 9)', async () => {
  const config = { subscribe: ['shop/{client}/display'] }
  const drafts: Draft[] = []
  const host: Partial<ChannelHost> = {
    async accept(draft) {
      drafts.push(draft)
      return { id: 'm1', conversation: 'link:ann', sequence: 1, duplicate: false }
    },
  }
  await using world = await openWorld({ id: ID, config, host })
  const ann = await world.client({ clientId: '7', username: 'u', password: 'ann' })
  await ann.publishAsync('shop/7/say', 'my PIN is 4711', { qos: 1 })
  await ann.endAsync()
  const eve = await world.client({ clientId: '7', username: 'u', password: 'eve' })
  const shown: string[] = []
  eve.on('message', (_topic, payload) => shown.push(payload.toString()))
  await eve.subscribeAsync('shop/7/display', { qos: 1 })

  const answer = { ...said('link:ann'), inReplyTo: 'm1', replyContext: drafts[0]?.replyContext ?? null }
  const absent = { status: 'absent', keepMs: 86_400_000, reason: 'nobody subscribes to shop/7/display' }
  const old = { ...answer, replyContext: { v: 1, topic: 'shop/7/display', qos: 1 } } // an earlier version named no owner
  expect(await send(world, answer)).toEqual(absent)
  expect(await send(world, old)).toEqual(absent)
  expect(await send(world, said('link:ann'))).toEqual(absent)
  await eve.endAsync()
  expect(shown).toEqual([])

  const back = await world.client({ clientId: '7', username: 'u', password: 'ann' })
  await back.subscribeAsync('shop/7/display', { qos: 1 })
  expect(await send(world, answer)).toEqual({ status: 'sent' })
  expect(await send(world, old)).toEqual({ status: 'sent' })
  expect(await send(world, said('link:ann'))).toEqual({ status: 'sent' })
})

test('a bridge has no frames: what has no topic is refused, whoever the conversation belongs to', async () => {
  const config = {
    url: 'mqtt://127.0.0.1:9',
    topics: { 'shop/+/say': { kind: 'message', reply: "'shop/display'" } },
  }
  const checked = adapter.channel?.config['~standard'].validate(config)
  if (checked === undefined || checked instanceof Promise || checked.issues !== undefined)
    throw new Error(JSON.stringify(checked))
  const channel = adapter.channel?.create(checked.value, testScope({ id: 'bridge' }))
  if (channel === undefined) throw new Error('no channel')
  expect(await send({ channel }, said('order-5'))).toMatchObject({ status: 'refused', retry: false })
})
