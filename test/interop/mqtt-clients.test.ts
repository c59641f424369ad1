import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'

import { connectAsync } from 'mqtt'
import { afterAll, expect, test } from 'vitest'

import { startGateway, until } from '../support/gateway.ts'
import { pahoScript } from './mqtt-paho.ts'

const run = promisify(execFile)
const bot = createServer((request, response) => {
  request.resume().once('end', () => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"text":"Heard"}')
  })
})
bot.listen(0, '127.0.0.1')
await once(bot, 'listening')
const { port: botPort } = bot.address() as AddressInfo // a TCP server has one

const gateway = await startGateway({
  yaml: `
channels:
  web: { adapter: rest }
  devices:
    adapter: mqtt
    port: 0
    websocket: /mqtt
    subscribe: ['TopicA/display']
    topics:
      'TopicA': { kind: event, type: "'a'" }
      'TopicA/C': { kind: event, type: "'will'" }
      'TopicA/say': { kind: message, sender: from, reply: "'TopicA/display'" }
      'shop/+/alarm': { kind: event, type: "'device.alarm'", sender: "topic[1]" }
routes:
  - { when: "kind = 'event'", reply: "noted" }
  - { agent: bot }
agents:
  bot: { adapter: webhook, url: "http://127.0.0.1:${botPort}/" }
`,
})
const { mqtt: port } = JSON.parse(gateway.output().split('\n')[0] ?? '') as { mqtt: number } // DESIGN §10, the ready line
const script = join(gateway.directory, 'cases.py')
writeFileSync(script, pahoScript)
afterAll(async () => {
  bot.closeAllConnections()
  bot.close()
  await gateway[Symbol.asyncDispose]()
})

interface Result {
  readonly connack: readonly (readonly [number, number])[]
  readonly messages: readonly (readonly [string, string, number, number])[]
  readonly granted: readonly number[]
  readonly published: readonly number[]
  readonly closed: readonly number[]
}

async function paho(name: string): Promise<Result> {
  const { stdout } = await run('/usr/bin/python3', [script, String(port), name], { timeout: 30_000 })
  return JSON.parse(stdout) as Result // what the script prints
}

async function ids(conversation = 'devices:devices'): Promise<readonly string[]> {
  const response = await fetch(
    `${gateway.base}/v1/conversations/${encodeURIComponent(conversation)}/messages?after=0`,
  )
  if (!response.ok) return []
  const { messages } = (await response.json()) as { messages: readonly { externalId?: string }[] } // DESIGN §16, the log
  return messages.flatMap(({ externalId }) => externalId ?? [])
}

test('paho: testBasic — QoS 0, 1 and 2 are taken, and the session is not there before', async () => {
  const result = await paho('basic')
  expect(result.connack).toEqual([[0, 0]])
  expect(result.published).toHaveLength(3)
  expect(result.closed).toEqual([0])
  expect(await until(async () => ((await ids()).includes('qos 0') ? ids() : undefined))).toEqual([
    'qos 0',
    'qos 1',
    'qos 2',
  ])
})

test('paho: MQTT 3.1 is spoken, 5 is refused as an unsupported version', async () => {
  expect((await paho('v31')).connack).toEqual([[0, 0]])
  expect(await ids()).toContain('v31')
  expect((await paho('v5')).connack).toEqual([[0, 132]])
})

test('paho: test_subscribe_failure — 0x80 for what is not granted (§3.9.3)', async () => {
  expect((await paho('subscribe-failure')).granted).toEqual([128, 1, 128])
})

test('paho: test_keepalive — pings keep the connection', async () => {
  expect((await paho('keepalive')).closed).toEqual([0])
  expect(await ids()).toContain('still here')
})

test('paho: test_keepalive — who says nothing is cut after one and a half times it, and his will is stored (§3.1.2.10)', async () => {
  const { connack, closed } = await paho('silent')
  expect(connack).toEqual([[0, 0]])
  expect(closed[0]).toBeGreaterThanOrEqual(1000)
  await until(async () => ((await ids()).includes('keepalive expiry') ? true : undefined))
})

test('paho: test_zero_length_clientid — taken with a clean session [MQTT-3.1.3-7]', async () => {
  expect((await paho('zero-length')).connack).toEqual([[0, 0]])
  expect(await ids()).toContain('nameless')
})

test('paho: test_overlapping_subscriptions applies in part: a reply comes once, with QoS 1 at most', async () => {
  const { granted, messages } = await paho('overlapping')
  expect(granted).toEqual([2, 128])
  expect(messages.map(([topic, , qos]) => [topic, qos])).toEqual([['TopicA/display', 1]])
})

test('paho: test_retained_messages does not apply: it is stored, and nobody is shown it', async () => {
  expect((await paho('retained')).messages).toEqual([])
  expect(await ids()).toContain('retained')
})

test('paho: will_message_test — the will of a broken connection is stored', async () => {
  await paho('will')
  await until(async () => ((await ids()).includes('client not disconnected') ? true : undefined))
})

test('paho: test_dollar_topics — a publish to one ends the connection', async () => {
  expect((await paho('dollar')).closed[0]).not.toBe(0)
})

test('paho: test_offline_message_queueing does not apply: no session is kept, and CONNACK says so', async () => {
  expect((await paho('offline')).connack).toEqual([
    [0, 0],
    [0, 0],
  ])
})

test('paho: a reply comes on its topic, with the QoS granted, and not after UNSUBSCRIBE', async () => {
  const { messages } = await paho('reply')
  expect(messages).toHaveLength(1)
  const [topic, payload, , retained] = messages[0] ?? []
  expect([topic, retained]).toEqual(['TopicA/display', 0])
  expect(JSON.parse(payload ?? '')).toMatchObject({
    specversion: '1.0',
    data: { parts: [{ text: 'Heard' }] },
  })
  expect((await paho('unsubscribe')).messages).toEqual([])
})

test('mosquitto_pub and mosquitto_sub work as they are', async () => {
  for (const version of ['mqttv31', 'mqttv311'])
    await run('mosquitto_pub', [
      '-V',
      version,
      '-p',
      `${port}`,
      '-q',
      '1',
      '-t',
      'shop/7/alarm',
      '-m',
      `{"id":"${version}"}`,
    ])
  expect(await ids('devices:7')).toEqual(['mqttv31', 'mqttv311'])
  await expect(
    run('mosquitto_pub', ['-V', 'mqttv5', '-p', `${port}`, '-q', '1', '-t', 'shop/7/alarm', '-m', '{}']),
  ).rejects.toThrow(/Unsupported Protocol Version/u)
  const listening = run('mosquitto_sub', [
    '-p',
    `${port}`,
    '-q',
    '1',
    '-t',
    'TopicA/display',
    '-C',
    '1',
    '-W',
    '20',
  ])
  let turn = 0
  const heard = await Promise.race([
    listening,
    until<never>(async () => {
      turn += 1
      await run('mosquitto_pub', [
        '-p',
        `${port}`,
        '-q',
        '1',
        '-t',
        'TopicA/say',
        '-m',
        `{"id":"m${turn}","from":"mosquitto","text":"hi"}`,
      ])
      return undefined
    }, 20_000),
  ])
  expect(JSON.parse(heard.stdout)).toMatchObject({ data: { parts: [{ text: 'Heard' }] } })
})

test('MQTT.js works as it is over TCP and WebSocket, 3.1 and 3.1.1; version 5 is told which is wrong', async () => {
  for (const url of [`mqtt://127.0.0.1:${port}`, `ws://127.0.0.1:${gateway.port}/mqtt`]) {
    for (const version of [
      { protocolVersion: 4 as const },
      { protocolVersion: 3 as const, protocolId: 'MQIsdp' as const },
    ]) {
      const client = await connectAsync(url, { ...version, clientId: 'js' })
      await client.publishAsync('shop/9/alarm', '{}', { qos: 1 })
      await client.endAsync()
    }
    await expect(connectAsync(url, { protocolVersion: 5, reconnectPeriod: 0 }, false)).rejects.toMatchObject({
      code: 1,
    })
  }
})
