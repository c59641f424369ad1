// Frames for a client that says them before it has subscribed to what goes down.
import { setImmediate } from 'node:timers/promises'

import type { ChannelHost, DownFrame, MsgFrame } from 'dragoman'
import { testHost, testMessage } from 'dragoman/testing'
import type { TestLink } from 'dragoman/testing'
import { connectAsync } from 'mqtt'
import type { MqttClient } from 'mqtt'
import { expect, test } from 'vitest'

import mqtt from '../../../../adapters/mqtt/index.ts'
import { freePort } from '../../../../bin/demo/free-port.ts'
import { until } from '../../../support/gateway.ts'
import { openHouse } from '../../../support/house.ts'
import { echo, handAgent } from '../../../support/parts.ts'
import { post } from '../../../support/rest.ts'
import { identify, openWorld } from './world.ts'

const UP = 'dragoman/v1/phone/up'
const DOWN = 'dragoman/v1/phone/down'

interface Linked extends AsyncDisposable {
  /** Has said a frame, and has not subscribed. */
  readonly client: MqttClient
  /** The core's end of its link. */
  readonly link: TestLink
  readonly refused: readonly string[]
}

async function linked(): Promise<Linked> {
  const core = testHost()
  const refused: string[] = []
  const world = await openWorld({
    host: { identify, link: (...given: Parameters<ChannelHost['link']>) => core.link(...given) },
    scope: { metrics: { count: (_name, labels) => void refused.push(labels?.['reason'] ?? ''), gauge() {} } },
  })
  const client = await world.client({ clientId: 'phone', username: 'u', password: 'ann' })
  await client.publishAsync(UP, '{"t":"ping"}', { qos: 1 })
  const [link] = core.links
  if (link === undefined) throw new Error('no link')
  return { client, link, refused, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() }
}

const msg = (offset: number): MsgFrame => ({ t: 'msg', epoch: 'e', offset, message: testMessage() })

test('a message of the inbox waits for the SUBSCRIBE and is taken then, in its place among the answers', async () => {
  await using open = await linked()
  const { client, link } = open
  const came: string[] = []
  client.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).t))
  const pong: DownFrame = { t: 'pong' }
  await link.send(pong)
  let isTaken = false
  const taking = Promise.resolve(link.send(msg(1))).then((taken) => {
    isTaken = true
    return taken
  })
  await link.send({ t: 'gap', next: 1 })
  expect(isTaken).toBe(false)
  await client.subscribeAsync(DOWN, { qos: 0 })
  expect(await taking).toBe(true)
  await until(() => came.length === 3 || undefined)
  expect(came).toEqual(['pong', 'msg', 'gap'])
})

test('a message that waits for a SUBSCRIBE is not taken when the connection ends', async () => {
  await using open = await linked()
  const { client, link } = open
  const taking = link.send(msg(1))
  client.stream.destroy()
  expect(await taking).toBe(false)
})

test('more than 64 answers that nobody subscribes to end the connection: none of them is dropped behind a PUBACK', async () => {
  await using open = await linked()
  const { client, link, refused } = open
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  for (let n = 0; n < 64; n += 1) await link.send({ t: 'pong' })
  expect(client.connected).toBe(true)
  expect(await link.send({ t: 'pong' })).toBe(false)
  await closed
  expect(refused).toEqual(['not subscribed'])
  await until(() => link.isClosed || undefined)
})

test('a kick ends the connection also of a client that has not subscribed', async () => {
  await using open = await linked()
  const { client, link } = open
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  await link.send({ t: 'kick', code: 'moved', after: 0 })
  await closed
})

test('who is no customer is cut also where he has not subscribed, and it is counted', async () => {
  const refused: string[] = []
  await using world = await openWorld({
    scope: { metrics: { count: (_name, labels) => void refused.push(labels?.['reason'] ?? ''), gauge() {} } },
  })
  const client = await world.client({ clientId: 'prog' })
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  for (let n = 0; n < 20; n += 1) client.publish('dragoman/v1/prog/up', '{"t":"ping"}', { qos: 1 })
  await closed
  // Once, however much he has sent by then.
  expect(refused).toEqual(['no customer'])
})

test('an app that says hello before it subscribes gets all of its inbox, however much waits there', async () => {
  const helper = handAgent('helper', echo)
  const port = await freePort()
  const yaml = `
channels: { web: { adapter: rest }, devices: { adapter: mqtt, port: ${port} } }
agents: { helper: { adapter: helper } }
routes: [{ agent: helper }]
`
  await using house = await openHouse({ yaml, adapters: [helper.adapter, mqtt] })
  for (let n = 1; n <= 40; n += 1)
    await post(`${house.base}/v1/messages`, { text: `m${n}` }, { headers: { authorization: 'Bearer ann' } })
  const client = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    clientId: 'phone',
    username: 'u',
    password: 'ann',
  })
  const offsets: number[] = []
  client.on('message', (_topic, payload) => {
    const { t, epoch, offset } = JSON.parse(payload.toString())
    if (t !== 'msg') return
    offsets.push(offset)
    client.publish(UP, JSON.stringify({ t: 'ack', epoch, offset }), { qos: 1 })
  })
  const hello = { t: 'hello', v: 1, device: 'phone', boot: 'b', first: 1, epoch: '', offset: 0 }
  await client.publishAsync(UP, JSON.stringify(hello), { qos: 1 })
  // What is pushed meanwhile has nowhere to go yet.
  for (let n = 0; n < 20; n += 1) await client.publishAsync(UP, '{"t":"ping"}', { qos: 1 })
  await client.subscribeAsync(DOWN, { qos: 0 })
  await until(() => offsets.length >= 80 || undefined)
  expect(offsets).toEqual(Array.from({ length: 80 }, (_, n) => n + 1))
  await client.endAsync(true)
})

test('what follows a message that is larger than the bound for slow readers does not cut its reader', async () => {
  await using open = await linked()
  const { client, link } = open
  const came: string[] = []
  let isClosed = false
  client.on('close', () => (isClosed = true))
  client.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).t))
  await client.subscribeAsync(DOWN, { qos: 0 })
  client.stream.pause()
  const text = 'x'.repeat(24_000_000) // more than the buffers of the system hold
  void link.send({ ...msg(1), message: testMessage({ parts: [{ kind: 'text', text }] }) })
  void link.send({ t: 'pong' })
  for (let turn = 0; turn < 50; turn++) await setImmediate() // it is being written
  void link.send({ t: 'pong' })
  client.stream.resume()
  await until(() => came.length === 3 || isClosed || undefined)
  expect([came, isClosed]).toEqual([['msg', 'pong', 'pong'], false])
})
