// The 64 KiB of a frame are for what an app sends: what it gets is a whole message, however large (core/link/README.md, Limits).
import { once } from 'node:events'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { freePort } from '../../bin/free-port.ts'
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
