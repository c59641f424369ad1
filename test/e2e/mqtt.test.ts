import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'

import { connectAsync } from 'mqtt'
import type { IClientOptions, MqttClient } from 'mqtt'
import { afterAll, expect, test } from 'vitest'

import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { blocksOf, read } from './documents.ts'

const bot = createServer((request, response) => {
  request.resume().once('end', () => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end('{"text":"Heard"}')
  })
})
bot.listen(0, '127.0.0.1')
await once(bot, 'listening')
const { port: botPort } = bot.address() as AddressInfo // a TCP server has one
afterAll(() => {
  bot.closeAllConnections()
  bot.close()
})

const yaml = (port: number, more = ''): string => `
channels:
  web: { adapter: rest }
  devices:
    adapter: mqtt
    port: ${port}
    websocket: /mqtt
    subscribe: ['shop/+/display']
    topics:
      'shop/+/alarm': { kind: event, type: "'device.alarm'", sender: "topic[1]" }
      'shop/+/say': { kind: message, sender: "topic[1]", reply: "'shop/' & topic[1] & '/display'" }
${more}
routes:
  - { when: "kind = 'event'", reply: "Noted: {{data.level}}" }
  - { agent: bot }
agents:
  bot: { adapter: webhook, url: "http://127.0.0.1:${botPort}/" }
`

interface Row {
  readonly sender: { readonly id: string }
  readonly externalId?: string
  readonly direction: string
  readonly parts?: readonly { readonly text: string }[]
}

async function log(gateway: GatewayProcess, conversation: string): Promise<readonly Row[]> {
  const rows: Row[] = []
  for (let after = 0; ;) {
    const path = `/v1/conversations/${encodeURIComponent(conversation)}/messages?after=${after}`
    const response = await fetch(`${gateway.base}${path}`)
    if (response.status === 404) return rows
    // DESIGN §16, the log
    const { messages, next } = (await response.json()) as { messages: readonly Row[]; next: number }
    rows.push(...messages)
    if (messages.length === 0) return rows
    after = next
  }
}

async function client(url: string, options: IClientOptions = {}): Promise<MqttClient> {
  const made = await connectAsync(url, { reconnectPeriod: 200, ...options })
  made.on('error', () => undefined)
  return made
}

test('every PUBACK outlives kill -9, once each, in order, with a client that never heard of us', async () => {
  const directory = await temporaryDirectory()
  const port = await freePort()
  const start = (): Promise<GatewayProcess> => startGateway({ yaml: yaml(port), directory })
  let gateway = await start()
  const device = await client(`mqtt://127.0.0.1:${port}`)
  const acknowledged: number[] = []
  const publishing = (async () => {
    for (let n = 1; n <= 300; n += 1) {
      await device.publishAsync('shop/7/alarm', `{"id":"a${n}","level":${n}}`, { qos: 1 })
      acknowledged.push(n)
    }
  })()
  for (const at of [80, 180]) {
    await until(() => (acknowledged.length >= at ? true : undefined))
    await gateway.kill()
    gateway = await start()
  }
  await publishing
  const rows = await log(gateway, 'devices:7')
  const ids = rows.filter(({ direction }) => direction === 'inbound').map(({ externalId }) => externalId)
  expect(ids).toEqual(acknowledged.map((n) => `a${n}`))
  await device.endAsync(true)
  await gateway[Symbol.asyncDispose]()
})

test('the YAML of adapters/mqtt/README.md starts, and what it shows is stored', async () => {
  const [readme = ''] = blocksOf(read('adapters/mqtt/README.md'), 'yaml')
  await using gateway = await startGateway({ yaml: readme.replace('port: 1883', 'port: 0') })
  const { mqtt } = JSON.parse(gateway.output().split('\n')[0] ?? '') as { mqtt: number } // DESIGN §10, the ready line
  const device = await client(`mqtt://127.0.0.1:${mqtt}`)
  await device.publishAsync('shop/7/alarm', '{"id":"a-1","level":3}', { qos: 1 })
  // A PUBACK says that it is stored; the answer comes behind.
  const rows = await until(async () => {
    const now = await log(gateway, 'devices:7')
    return now.length > 1 ? now : undefined
  })
  expect(rows).toMatchObject([{ externalId: 'a-1' }, { parts: [{ text: 'Noted' }] }])
  await device.endAsync(true)
})

test('--mqtt-port and the ready line, a reply on its topic, and the same over WebSocket (MQTT 3.1.1 §6)', async () => {
  await using gateway = await startGateway({ yaml: yaml(0) })
  const { mqtt } = JSON.parse(gateway.output().split('\n')[0] ?? '') as { mqtt: number } // DESIGN §10, the ready line
  for (const url of [`mqtt://127.0.0.1:${mqtt}`, `ws://127.0.0.1:${gateway.port}/mqtt`]) {
    const device = await client(url)
    const came: string[] = []
    device.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).data.parts[0].text))
    await device.subscribeAsync('shop/8/display', { qos: 1 })
    await device.publishAsync('shop/8/say', 'hello', { qos: 1 })
    await until(() => (came.length > 0 ? true : undefined))
    expect(came).toEqual(['Heard'])
    await device.endAsync()
  }
})

test('a change of the channel keeps its port, and those who are connected come back to the new one', async () => {
  const port = await freePort()
  await using gateway = await startGateway({ yaml: yaml(port) })
  const device = await client(`mqtt://127.0.0.1:${port}`)
  await device.publishAsync('shop/7/alarm', '{"id":"before"}', { qos: 1 })
  const file = join(gateway.directory, 'gateway.yaml')
  writeFileSync(
    file,
    yaml(port, `      'till/+/alarm': { kind: event, type: "'till.alarm'", sender: "topic[1]" }\n`),
  )
  await until(() => (gateway.log().includes('a new generation runs') ? true : undefined))
  const till = await client(`mqtt://127.0.0.1:${port}`)
  await till.publishAsync('till/3/alarm', '{"id":"new"}', { qos: 1 })
  await device.publishAsync('shop/7/alarm', '{"id":"after"}', { qos: 1 })
  expect((await log(gateway, 'devices:3')).map(({ externalId }) => externalId)).toContain('new')
  expect((await log(gateway, 'devices:7')).map(({ externalId }) => externalId)).toEqual(
    expect.arrayContaining(['before', 'after']),
  )
  await Promise.all([till.endAsync(), device.endAsync(true)])
})

test('TLS: a client that trusts the certificate gets in, plain text does not', async () => {
  const directory = await temporaryDirectory()
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=localhost',
      '-addext',
      'subjectAltName=DNS:localhost',
      '-keyout',
      'mqtt.key',
      '-out',
      'mqtt.crt',
    ],
    { cwd: directory, stdio: 'ignore' },
  )
  const tls = yaml(0).replace('port: 0', 'port: 0\n    tls: { cert: ./mqtt.crt, key: ./mqtt.key }')
  await using gateway = await startGateway({ yaml: tls, directory })
  const { mqtt } = JSON.parse(gateway.output().split('\n')[0] ?? '') as { mqtt: number } // DESIGN §10, the ready line
  const ca = readFileSync(join(directory, 'mqtt.crt'))
  const device = await client(`mqtts://localhost:${mqtt}`, { ca })
  await device.publishAsync('shop/7/alarm', '{"id":"secret"}', { qos: 1 })
  await device.endAsync()
  await expect(
    connectAsync(`mqtt://127.0.0.1:${mqtt}`, { reconnectPeriod: 0, connectTimeout: 3000 }, false),
  ).rejects.toThrow(/connect|close/iu)
})

test('while nobody is identified, another address than loopback is refused at the start (DESIGN §11)', async () => {
  const open = yaml(0).replace('port: 0', 'port: 0\n    host: 0.0.0.0')
  await expect(startGateway({ yaml: open })).rejects.toThrow(/while nobody is identified/u)
})

test('frames: hello, send, ok, and the same id over another link is a duplicate (DESIGN §12)', async () => {
  await using gateway = await startGateway({ yaml: yaml(0) })
  const { mqtt } = JSON.parse(gateway.output().split('\n')[0] ?? '') as { mqtt: number } // DESIGN §10, the ready line
  const connect = async (
    url: string,
  ): Promise<{ readonly app: MqttClient; readonly came: Record<string, unknown>[] }> => {
    const app = await client(url, { clientId: 'phone-1', username: 'ann', password: 'ann' })
    const came: Record<string, unknown>[] = []
    app.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString())))
    await app.subscribeAsync('dragoman/v1/phone-1/down', { qos: 0 })
    return { app, came }
  }
  const up = async (app: MqttClient, frame: object): Promise<void> =>
    void (await app.publishAsync('dragoman/v1/phone-1/up', JSON.stringify(frame), { qos: 1 }))
  const hello = { t: 'hello', v: 1, device: 'phone-1', boot: 'b1', first: 1, epoch: '', offset: 0 }
  const moment = Date.now().toString(16).padStart(12, '0') // UUIDv7: an id of today, RFC 9562 §5.7
  const id = `${moment.slice(0, 8)}-${moment.slice(8)}-7000-8000-00000000000a`
  const send = { t: 'send', n: 1, id, message: { text: 'hello' } }

  const { app, came } = await connect(`mqtt://127.0.0.1:${mqtt}`)
  await up(app, hello)
  await up(app, send)
  const ok = await until(() => came.find(({ t }) => t === 'ok'))
  expect(ok).toMatchObject({ n: 1, duplicate: false, sequence: 1 })
  const reply = await until(() =>
    came.find(({ t, message }) => t === 'msg' && JSON.stringify(message).includes('Heard')),
  )
  expect(reply).toMatchObject({ message: { direction: 'outbound' } })
  await app.endAsync()

  const second = await connect(`ws://127.0.0.1:${gateway.port}/mqtt`)
  await up(second.app, hello)
  await up(second.app, send)
  expect(await until(() => second.came.find(({ t }) => t === 'ok'))).toMatchObject({
    n: 1,
    duplicate: true,
    sequence: 1,
  })
  await second.app.endAsync()
})

test('the text of an event reaches a device on its topic; where it has none a dead letter says so (DESIGN §6, §8)', async () => {
  await using gateway = await startGateway({ yaml: yaml(0) })
  const { mqtt } = JSON.parse(gateway.output().split('\n')[0] ?? '') as { mqtt: number } // DESIGN §10, the ready line
  const device = await client(`mqtt://127.0.0.1:${mqtt}`)
  const came: string[] = []
  device.on('message', (_topic, payload) => came.push(JSON.parse(payload.toString()).data.parts[0].text))
  await device.subscribeAsync('shop/8/display', { qos: 1 })
  await device.publishAsync('shop/8/say', 'hello', { qos: 1 })
  await device.publishAsync('shop/9/alarm', '{"id":"a9","level":9}', { qos: 1 }) // a topic without `reply`
  await until(() => came.includes('Heard') || undefined)
  const response = await fetch(`${gateway.base}/v1/events/order.shipped`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({
      specversion: '1.0',
      id: 'e1',
      source: '/erp',
      type: 'order.shipped',
      subject: '8',
      data: { level: 8 },
    }),
  })
  expect(response.status).toBe(202)
  await until(() => came.includes('Noted: 8') || undefined)
  // Tried for a moment more: a message that tells its topic may be on its way.
  await until(async () => {
    const metrics = await (await fetch(`${gateway.base}/metrics`)).text()
    return /^dragoman_dead_letters 1$/mu.test(metrics) || undefined
  })
  expect(gateway.log()).toContain('no topic is known for the conversation \\"devices:9\\"')
  await device.endAsync()
})

test('access holds over TCP and WebSocket alike: the address, and the name and password of CONNECT, or a key', async () => {
  const KEY = 'key-of-the-shop-0123456789'
  const password = 'secret-of-the-till-9'
  const [open, near, far] = [await freePort(), await freePort(), await freePort()]
  const only = `basic: { user: till, password: ${password} }`
  await using gateway = await startGateway({
    yaml: `
identity: { keys: { shop: { key: ${KEY} } } }
channels:
  web: { adapter: rest }
  open: { adapter: mqtt, port: ${open}, websocket: /open, access: open }
  near: { adapter: mqtt, port: ${near}, websocket: /near, access: { from: [127.0.0.1], ${only} } }
  far: { adapter: mqtt, port: ${far}, websocket: /far, access: { from: [192.0.2.0/24] } }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes: [{ agent: helper }]
`,
  })
  const credentials = [
    {},
    { username: 'till', password },
    { username: 'till', password: 'wrong' },
    { password: KEY, username: 'any' },
  ]
  const tried = async (url: string, more: object = {}): Promise<readonly boolean[]> => {
    const entries = credentials.map((credential) =>
      connectAsync(url, { reconnectPeriod: 0, connectTimeout: 5000, ...credential, ...more }, false).then(
        async (made) => (await made.endAsync(true), true),
        () => false,
      ),
    )
    return Promise.all(entries)
  }
  for (const [channel, port, outcomes] of [
    ['open', open, [true, false, false, true]],
    ['near', near, [false, true, false, true]],
    ['far', far, [false, false, false, true]],
  ] as const)
    for (const url of [`mqtt://127.0.0.1:${port}`, `ws://127.0.0.1:${gateway.port}/${channel}`])
      expect([url, ...(await tried(url))]).toEqual([url, ...outcomes])
  // DNS rebinding: who shows nothing comes by a name of this machine, who shows a key by any.
  const elsewhere = { wsOptions: { headers: { host: 'desk.example' } } }
  expect(await tried(`ws://127.0.0.1:${gateway.port}/open`, elsewhere)).toEqual([false, false, false, true])
})
