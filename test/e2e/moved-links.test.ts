// DESIGN §12: an app hears that its link is about to close, and when to come back, also where a change of the config ends its channel.
import { once } from 'node:events'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { freePort } from '../../bin/demo/free-port.ts'
import { openLine } from '../support/app-line.ts'
import type { Frame } from '../support/app-line.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { changed } from '../support/link.ts'
import { post } from '../support/rest.ts'

const MOVED = { t: 'kick', code: 'moved', after: expect.any(Number) }
const hello = (device: string): object => ({
  t: 'hello',
  v: 1,
  device,
  boot: 'b',
  first: 1,
  epoch: '',
  offset: 0,
})

let port: number
let house: House
let changes = 0
/** Whose inboxes were read: that follows the welcome. */
const read: string[] = []

beforeAll(async () => {
  port = await freePort()
  house = await openHouse({
    yaml: yaml(),
    around: (store) =>
      changed(store, {
        read(page) {
          read.push(page.home)
          return store.read(page)
        },
      }),
  })
})
afterAll(() => house[Symbol.asyncDispose]())

function yaml(): string {
  const type = `till${changes}`
  return `
channels:
  web: { adapter: rest, heartbeatMs: ${1000 + changes} }
  devices:
    adapter: mqtt
    port: ${port}
    websocket: /mqtt
    topics: { 'shop/+/alarm': { kind: event, type: "'${type}'", sender: "topic[1]" } }
routes: [ { when: "kind = 'event'", reply: "Heard" } ]
`
}

/** Both channels are replaced. */
async function change(): Promise<void> {
  changes += 1
  await house.reload(yaml())
}

test('a WebSocket whose channel a reload replaces gets kick moved before its end, and comes back to the new one', async () => {
  const apps = await Promise.all(
    Array.from({ length: 20 }, (_, n) => openLine(house.base, { customer: `ws-${n}`, device: 'd' })),
  )
  const ends = apps.map(async ({ socket }) => (await once(socket, 'close')) as [number, Buffer])
  await change()
  for (const [code] of await Promise.all(ends)) expect(code).toBe(1012)
  for (const { frames } of apps) expect(frames.at(-1)).toEqual(MOVED)
  expect(new Set(apps.map(({ frames }) => frames.at(-1)?.['after'])).size).toBeGreaterThan(10)
  const again = await openLine(house.base, { customer: 'ws-0', device: 'd' })
  again.tell({ t: 'ping' })
  await until(() => again.frames.find(({ t }) => t === 'pong'))
  again.socket.close()
})

test('a POST /v1/link that waits while a reload replaces its channel is answered with kick moved', async () => {
  const headers = { authorization: 'Bearer http-1' }
  const waiting = post<{ frames: readonly Frame[] }>(
    `${house.base}/v1/link`,
    { frames: [hello('d')] },
    { headers, waitSeconds: 25 },
  )
  await until(() => read.includes('link/http-1') || undefined)
  await change()
  const { status, body } = await waiting
  expect([status, body.frames.map(({ t }) => t)]).toEqual([200, ['welcome', 'kick']])
  expect(body.frames[1]).toEqual(MOVED)
})

test.each(['TCP', 'WebSocket'])(
  'an app over MQTT (%s) gets kick moved when a reload replaces its channel, and comes back to the new one',
  async (over) => {
    const url = over === 'TCP' ? `mqtt://127.0.0.1:${port}` : `${house.base.replace('http', 'ws')}/mqtt`
    const connect = async (): Promise<Awaited<ReturnType<typeof connectAsync>>> =>
      connectAsync(url, {
        clientId: `d-${over}`,
        username: 'any',
        password: `mqtt-${over}`,
        reconnectPeriod: 0,
      })
    const app = await connect()
    const frames: Frame[] = []
    app.on('message', (_topic, payload) => frames.push(JSON.parse(payload.toString()) as Frame)) // checked below
    await app.subscribeAsync(`dragoman/v1/d-${over}/down`)
    await app.publishAsync(`dragoman/v1/d-${over}/up`, JSON.stringify(hello(`d-${over}`)), { qos: 1 })
    await until(() => frames.find(({ t }) => t === 'welcome'))
    const end = new Promise((resolve) => app.once('close', () => resolve(undefined)))
    await change()
    await end
    expect(frames.at(-1)).toEqual(MOVED)
    const again = await connect()
    await again.publishAsync('shop/7/alarm', '{"id":"a"}', { qos: 1 })
    await again.endAsync()
  },
)

const WORDS = `
import { defineAdapter } from 'dragoman'
import { z } from 'zod'
export default defineAdapter({
  name: 'words',
  apiVersion: 1,
  channel: {
    config: z.strictObject({}),
    create: () => ({
      async start(host) {
        host.socket('/words', (socket, { identity }) => {
          const link = host.link(identity, (frame) => socket.send(JSON.stringify(frame)))
          socket.onClose(() => link.close())
          socket.onMessage((message) => link.receive(message))
        })
      },
      async [Symbol.asyncDispose]() {},
    }),
  },
})
`

test('an app of a plugin’s channel gets kick moved when another version of the plugin takes its place', async () => {
  await using own = await openHouse({
    yaml: `
channels: { words: { adapter: words } }
routes: [ { when: "kind = 'event'", reply: "Heard" } ]
`,
    plugins: { 'words.ts': WORDS },
  })
  const socket = new WebSocket(`${own.base.replace('http', 'ws')}/words`, {
    headers: { authorization: 'Bearer ann' },
  })
  const frames: Frame[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame)) // checked below
  await once(socket, 'open')
  socket.send(JSON.stringify(hello('d')))
  await until(() => frames.find(({ t }) => t === 'welcome'))
  const end = once(socket, 'close')
  await own.drop('words.ts', `${WORDS}// another version`)
  await own.gateway.reload()
  await end
  expect(frames.at(-1)).toEqual(MOVED)
})
