// What a token opened ends when the token does, over every way in; who then comes with a new one goes on.
import { once } from 'node:events'

import { connect as connectApp, memoryBox } from 'dragoman/client'
import { createClient } from 'graphql-ws'
import { connectAsync } from 'mqtt'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'

import { startBot } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { IDENTITY_YAML, tokenOf } from '../support/token.ts'

const SHORT_MS = 2000

let bot: Bot
let gateway: GatewayProcess
let mqttPort: number
let ws: string
beforeAll(async () => {
  bot = await startBot(() => ({ body: { text: 'Thank you.' } }))
  gateway = await startGateway({
    yaml: `
${IDENTITY_YAML}
channels:
  web: { adapter: rest }
  app: { adapter: graphql }
  devices: { adapter: mqtt, port: 0, websocket: /mqtt, topics: { 'say/+': { kind: message } } }
agents: { bot: { adapter: webhook, url: ${bot.url} } }
routes: [ { agent: bot } ]
`,
  })
  ws = gateway.base.replace('http', 'ws')
  const ready = JSON.parse(gateway.output().split('\n')[0] ?? '') as { mqtt: number } // DESIGN §10, the ready line
  mqttPort = ready.mqtt
  await say('first')
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await bot[Symbol.asyncDispose]()
})

async function say(text: string): Promise<void> {
  const { status } = await fetch(`${gateway.base}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${await tokenOf('ann')}` },
    body: JSON.stringify({ text, conversation: 'link:ann' }),
  })
  if (status !== 202) throw new Error(`answered with ${status}`)
}

const hello = (device: string): string =>
  JSON.stringify({ t: 'hello', v: 1, device, boot: 'b', first: 1, epoch: '', offset: 0 })

test('a link over WebSocket is kicked, and may come back at once (DESIGN §12)', async () => {
  const token = await tokenOf('ann', { endsInMs: SHORT_MS })
  const socket = new WebSocket(`${ws}/v1/ws`, ['dragoman.1', `bearer.${token}`])
  const frames: { t: string }[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as { t: string })) // what the test expects
  await once(socket, 'open')
  socket.send(hello('d-ws'))
  const [code] = (await once(socket, 'close')) as [number]
  expect(frames[0]?.t).toBe('welcome')
  expect([frames.at(-1), code]).toEqual([{ t: 'kick', code: 'auth', after: 0 }, 1008])
})

test('the log as an event stream says why it ends, and asked again it is 401', async () => {
  const headers = {
    accept: 'text/event-stream',
    authorization: `Bearer ${await tokenOf('ann', { endsInMs: SHORT_MS })}`,
  }
  const address = `${gateway.base}/v1/conversations/link%3Aann/messages`
  const text = await (await fetch(address, { headers })).text()
  expect(text).toMatch(/"text":"first"[^]*event: problem\ndata: \{[^\n]*"AUTH_FAILED"[^\n]*\n\n$/u)
  expect((await fetch(address, { headers })).status).toBe(401)
})

const FOLLOW =
  'subscription($after: Int) { messages(conversation: "link:ann", after: $after) { sequence text } }'

test('a GraphQL subscription over WebSocket is closed with 4403; graphql-ws subscribes anew with a new token', async () => {
  const closes: number[] = []
  let given = 0
  const client = createClient({
    url: `${ws}/graphql`,
    connectionParams: async () => ({
      authorization: `Bearer ${await tokenOf('ann', given++ === 0 ? { endsInMs: SHORT_MS } : {})}`,
    }),
    shouldRetry: () => true,
    retryWait: () => Promise.resolve(),
    on: { closed: (event) => closes.push((event as CloseEvent).code) },
  })
  const heard: string[] = []
  const failures: unknown[] = []
  let isOver = false
  client.subscribe<{ messages: { text: string } }>(
    { query: FOLLOW, variables: { after: 2 } },
    {
      next: ({ data }) => heard.push(data?.messages.text ?? ''),
      error: (error) => failures.push(error),
      complete: () => (isOver = true),
    },
  )
  await until(() => (given === 2 ? true : undefined))
  await say('after the first token')
  await until(() => (heard.includes('after the first token') ? true : undefined))
  expect([closes, failures, isOver]).toEqual([[4403], [], false])
  await client.dispose()
})

test('a GraphQL subscription as an event stream ends without saying that it is complete', async () => {
  const query = new URLSearchParams({ query: FOLLOW })
  const response = await fetch(`${gateway.base}/graphql?${query}`, {
    headers: {
      accept: 'text/event-stream',
      authorization: `Bearer ${await tokenOf('ann', { endsInMs: SHORT_MS })}`,
    },
  })
  const text = await response.text()
  expect(text).toContain('"text":"first"')
  expect(text).not.toContain('event: complete')
})

const connect = (url: string, device: string, password: string): Promise<MqttClient> =>
  connectAsync(url, { clientId: device, username: 'bearer', password, reconnectPeriod: 0 })

const closed = (client: MqttClient): Promise<void> =>
  new Promise((resolve) => client.once('close', () => resolve()))

test.each(['websocket', 'http'] as const)(
  'an app with our client over %s comes back with a new token before anybody notices',
  async (link) => {
    let given = 0
    const states: string[] = []
    const app = connectApp({
      url: gateway.base,
      links: [link],
      box: memoryBox(),
      token: () => tokenOf('ann', given++ === 0 ? { endsInMs: SHORT_MS } : {}),
    })
    app.onState((event) => event.what === 'link' && states.push(event.status))
    await until(() => (given === 2 && states.at(-1) === 'online' ? true : undefined), SHORT_MS + 10_000)
    expect(states).not.toContain('refused')
    await app.close()
  },
)

test.each([
  ['TCP', () => `mqtt://127.0.0.1:${mqttPort}`],
  ['WebSocket, with no credential but the password', () => `${ws}/mqtt`],
])('MQTT over %s: who speaks frames is kicked, and the connection ends', async (how, url) => {
  const device = `d-${how.length}`
  const client = await connect(url(), device, await tokenOf('ann', { endsInMs: SHORT_MS }))
  const frames: unknown[] = []
  client.on('message', (_topic, payload) => frames.push(JSON.parse(payload.toString())))
  await client.subscribeAsync(`dragoman/v1/${device}/down`)
  await client.publishAsync(`dragoman/v1/${device}/up`, hello(device), { qos: 1 })
  await closed(client)
  expect(frames.at(-1)).toEqual({ t: 'kick', code: 'auth', after: 0 })
})

test.each([
  ['TCP', () => `mqtt://127.0.0.1:${mqttPort}`],
  ['WebSocket', () => `${ws}/mqtt`],
])('MQTT over %s: who speaks no frames is disconnected', async (_how, url) => {
  const began = performance.now()
  const client = await connect(url(), 'mute', await tokenOf('ann', { endsInMs: SHORT_MS }))
  await closed(client)
  expect(performance.now() - began).toBeLessThan(SHORT_MS + 8000)
})

test('MQTT over WebSocket: neither a password nor a wrong one gets in', async () => {
  await expect(connectAsync(`${ws}/mqtt`, { reconnectPeriod: 0 })).rejects.toMatchObject({ code: 5 })
  await expect(connect(`${ws}/mqtt`, 'd-wrong', 'wrong')).rejects.toMatchObject({ code: 4 })
})

test('an app whose token is no good is told so over MQTT too, with what CONNACK says (MQTT 3.1.1 §3.2.2.3)', async () => {
  const token = await tokenOf('ann', { endsInMs: -60_000 })
  const app = connectApp({ url: gateway.base, token, box: memoryBox(), links: ['mqtt'] })
  const reasons: string[] = []
  app.onState((event) => {
    if (event.what === 'link' && event.status === 'refused') reasons.push(event.reason ?? '')
  })
  await until(() => (reasons.length > 0 ? true : undefined))
  expect(reasons).toEqual(['Connection refused: Bad username or password'])
  await app.close()
})
