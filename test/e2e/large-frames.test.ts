// The 64 KiB of a frame are for what an app sends, on all links and whatever `bodyLimit` says; what it gets is a whole message, however large (core/link/README.md, Limits).
import { once } from 'node:events'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { connect, memoryBox } from 'dragoman/client'
import { freePort } from '../../bin/demo/free-port.ts'
import { openLine } from '../support/app-line.ts'
import type { Frame } from '../support/app-line.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { handAgent } from '../support/parts.ts'
import { post } from '../support/rest.ts'

const ANSWER = 2_000_000

let house: House
let port: number

beforeAll(async () => {
  port = await freePort()
  const bot = handAgent('bot', async ({ parts }) => ({ text: 'x'.repeat(Number(parts?.[0]?.text ?? 0)) }))
  house = await openHouse({
    yaml: `
http: { bodyLimit: 4kb }
channels: { web: { adapter: rest }, devices: { adapter: mqtt, port: ${port} } }
agents: { bot: { adapter: bot } }
routes: [ { agent: bot } ]
`,
    adapters: [bot.adapter],
  })
})
afterAll(() => house[Symbol.asyncDispose]())

const hello = { t: 'hello', v: 1, device: 'd', boot: 'b', first: 1, epoch: '', offset: 0 }
const ask = (bytes: number): object => ({ t: 'send', n: 1, id: 'a-1', message: { text: `${bytes}` } })

function lengthOf(frames: readonly Frame[]): number | undefined {
  const answer = frames.filter(({ t }) => t === 'msg')[1]?.['message']
  return (answer as { parts: readonly { text: string }[] } | undefined)?.parts[0]?.text.length // what the gateway promises
}

test('an answer of 2 MB arrives over a WebSocket', async () => {
  const app = await openLine(house.base, { customer: 'ws', device: 'd' })
  app.tell(ask(ANSWER))
  expect(await until(() => lengthOf(app.frames))).toBe(ANSWER)
  app.socket.close()
})

test('an answer of 2 MB arrives over POST /v1/link', async () => {
  const exchange = (...frames: readonly object[]): ReturnType<typeof post<{ frames: readonly Frame[] }>> =>
    post(
      `${house.base}/v1/link`,
      { frames: [hello, ...frames] },
      { headers: { authorization: 'Bearer http' } },
    )
  await exchange(ask(ANSWER))
  expect(await until(async () => lengthOf((await exchange()).body.frames))).toBe(ANSWER)
})

test('over HTTP a frame of 64 KiB is taken and a longer one gets nak too_large, also where bodyLimit is less (DESIGN §16)', async () => {
  const up = (n: number, text: string): object => ({ t: 'send', n, id: `long-${n}`, message: { text } })
  const room = 64 * 1024 - JSON.stringify(up(1, '')).length
  const headers = { authorization: 'Bearer long' }
  const texts = [up(1, '0'.repeat(room)), up(2, '0'.repeat(room + 1)), up(3, '0'.repeat(room))]
  const { status, body } = await post<{ frames: readonly Frame[] }>(
    `${house.base}/v1/link`,
    { frames: [hello, ...texts] },
    { headers },
  )
  expect(status).toBe(200)
  expect(body.frames).toContainEqual(expect.objectContaining({ t: 'nak', n: 2, code: 'too_large' }))
  expect(body.frames).toContainEqual(expect.objectContaining({ t: 'ok', n: 3 }))
  expect((await post(`${house.base}/v1/messages`, { text: '0'.repeat(5000) }, { headers })).status).toBe(413)
  const many = { frames: [hello, ...Array.from({ length: 5 }, (_, at) => up(at + 4, '0'.repeat(room)))] }
  expect((await post(`${house.base}/v1/link`, many, { headers })).status).toBe(413)
})

test('what dragoman/client has to say gets through over HTTP too: much at once, and as long as a frame may be', async () => {
  await using client = connect({ url: house.base, token: 'out', box: memoryBox(), links: ['http'] })
  const stored = new Set<string>()
  client.onState((event) => {
    if (event.what === 'mark' && event.mark === 'stored') stored.add(event.id)
  })
  for (let n = 0; n < 30; n += 1) void client.send('0'.repeat(4000))
  for (const text of ['0'.repeat(65_300), '😀'.repeat(16_000), 'x']) await client.send(text)
  await until(() => (stored.size === 33 ? true : undefined))
})

test('an answer of 2 MB arrives over MQTT', async () => {
  const app = await connectAsync(`mqtt://127.0.0.1:${port}`, {
    clientId: 'd',
    username: 'any',
    password: 'mqtt',
    reconnectPeriod: 0,
  })
  const frames: Frame[] = []
  app.on('message', (_topic, payload) => frames.push(JSON.parse(payload.toString()) as Frame)) // checked below
  await app.subscribeAsync('dragoman/v1/d/down')
  await app.publishAsync('dragoman/v1/d/up', JSON.stringify([hello, ask(ANSWER)]), { qos: 1 })
  expect(await until(() => lengthOf(frames))).toBe(ANSWER)
  await app.endAsync()
})

test('an app whose library takes less closes with 1009: the log says so, with the size, once for each device', async () => {
  const writer = await openLine(house.base, { customer: 'small', device: 'writer' })
  writer.tell(ask(ANSWER))
  await until(() => lengthOf(writer.frames))
  writer.socket.close()
  for (const device of ['d-1', 'd-1', 'd-2']) {
    const socket = new WebSocket(
      `${house.base.replace('http', 'ws')}/v1/ws`,
      ['dragoman.1', 'bearer.small'],
      { maxPayload: 1024 * 1024 },
    )
    socket.on('error', () => undefined) // it is too large for it
    await once(socket, 'open')
    socket.send(JSON.stringify([{ ...hello, device }]))
    await new Promise((resolve) => socket.once('close', () => resolve(undefined)))
  }
  const warnings = (): readonly { device: string; customer: string; bytes: number }[] =>
    house
      .log()
      .split('\n')
      .filter((line) => line.includes('gets no further'))
      .map((line) => JSON.parse(line)) // a line of the log
  await until(() => warnings().some(({ device }) => device === 'd-2') || undefined)
  expect(warnings()).toMatchObject([
    { level: 'warn', customer: 'small', device: 'd-1', msg: expect.stringContaining('max_size') },
    { level: 'warn', customer: 'small', device: 'd-2' },
  ])
  expect(warnings()[0]?.bytes).toBeGreaterThan(ANSWER)
})
