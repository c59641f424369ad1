// The client protocol from outside: a gateway process, raw WebSockets and fetch.
import { randomUUIDv7 } from 'node:crypto'
import { once } from 'node:events'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startBot, textOf } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { metric, post } from '../support/rest.ts'

type Frame = Readonly<Record<string, unknown>> & { readonly t: string }

let bot: Bot
let gateway: GatewayProcess
const yaml = (url: string): string => `
channels: { web: { adapter: rest } }
agents: { bot: { adapter: webhook, url: ${url} } }
routes: [ { agent: bot } ]
`

beforeAll(async () => {
  bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  gateway = await startGateway({ yaml: yaml(bot.url) })
})
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await bot[Symbol.asyncDispose]()
})

interface Line {
  readonly socket: WebSocket
  readonly frames: Frame[]
  tell(...frames: readonly object[]): void
  next(t: string, skip?: number): Promise<Frame>
  texts(): readonly string[]
}

async function connect(base: string, customer: string): Promise<Line> {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, ['dragoman.1', `bearer.${customer}`])
  const frames: Frame[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString()) as Frame)) // checked by what the test expects
  socket.on('error', () => undefined)
  await once(socket, 'open')
  return {
    socket,
    frames,
    tell: (...up) => socket.send(JSON.stringify(up.length === 1 ? up[0] : up)),
    next: (t, skip = 0) => until(() => frames.filter((frame) => frame.t === t)[skip]),
    texts: () => frames.filter(({ t }) => t === 'msg').map(textIn),
  }
}

function textIn({ message }: Frame): string {
  return (message as { parts: readonly { text: string }[] }).parts[0]?.text ?? '' // what the gateway promises
}

const hello = (more: object = {}): object => ({
  t: 'hello',
  v: 1,
  device: 'd',
  boot: 'b',
  first: 1,
  epoch: '',
  offset: 0,
  ...more,
})
const send = (n: number, text: string, id: string = randomUUIDv7()): object => ({
  t: 'send',
  n,
  id,
  message: { text },
})

async function exchange(
  customer: string,
  frames: readonly unknown[],
  more: { readonly wait?: number; readonly signal?: AbortSignal } = {},
): Promise<{ status: number; frames: readonly Frame[]; headers: Headers; body: Record<string, unknown> }> {
  const answer = await post<Record<string, unknown>>(
    `${gateway.base}/v1/link`,
    { frames },
    {
      headers: { authorization: `Bearer ${customer}` },
      ...(more.wait !== undefined && { waitSeconds: more.wait }),
      ...(more.signal !== undefined && { signal: more.signal }),
    },
  )
  const given = answer.body['frames']
  return { ...answer, frames: Array.isArray(given) ? (given as Frame[]) : [] }
}

test('over WebSocket: hello, welcome, send, ok, the message and its answer', async () => {
  const line = await connect(gateway.base, 'ws-1')
  expect(line.socket.protocol).toBe('dragoman.1')
  line.tell(hello())
  expect(await line.next('welcome')).toMatchObject({ next: 1, recovered: true, top: 0 })
  line.tell(send(1, 'hello'))
  expect(await line.next('ok')).toMatchObject({ n: 1, duplicate: false })
  await line.next('msg', 1)
  expect(line.texts()).toEqual(['hello', 'echo hello'])
  line.tell({ t: 'ping' })
  await line.next('pong')
  line.socket.close()
})

test('over HTTP: each request is complete in itself, and Prefer: wait waits for something new (RFC 7240)', async () => {
  const first = await exchange('http-1', [hello(), send(1, 'hello')])
  expect(first.frames[0]).toMatchObject({ t: 'welcome', next: 1 })
  expect(first.frames).toContainEqual(expect.objectContaining({ t: 'ok', n: 1 }))
  const epoch = first.frames[0]?.['epoch']
  const seen = first.frames.filter(({ t }) => t === 'msg')
  const offset = seen.length
  const second = await exchange('http-1', [hello({ first: 2, epoch, offset })], { wait: 10 })
  expect(second.headers.get('preference-applied')).toBe('wait=10')
  expect([...seen, ...second.frames.filter(({ t }) => t === 'msg')].map(textIn)).toEqual([
    'hello',
    'echo hello',
  ])
  const begun = performance.now()
  const third = await exchange('http-1', [
    hello({ first: 2, epoch, offset: 2 }),
    { t: 'ack', epoch, offset: 2 },
  ])
  expect(third.frames.map(({ t }) => t)).toEqual(['welcome'])
  const fourth = await exchange('http-1', [hello({ first: 2, epoch, offset: 2 })], { wait: 1 })
  expect(fourth.frames.map(({ t }) => t)).toEqual(['welcome'])
  expect(performance.now() - begun).toBeGreaterThan(900)
})

test('the same id over HTTP, then over WebSocket, is stored once; the conversation goes on where it was', async () => {
  const id = randomUUIDv7()
  const over = await exchange('both-1', [hello(), send(1, 'once', id)])
  const ok = over.frames.find(({ t }) => t === 'ok')
  const line = await connect(gateway.base, 'both-1')
  line.tell(hello())
  expect(await line.next('welcome')).toMatchObject({ next: 2 })
  line.tell(send(1, 'once', id), send(2, 'twice'))
  expect(await line.next('ok')).toMatchObject({ n: 1, duplicate: true, messageId: ok?.['messageId'] })
  expect(await line.next('ok', 1)).toMatchObject({ n: 2, duplicate: false })
  await line.next('msg', 3)
  expect(line.texts().filter((text) => text === 'once')).toHaveLength(1)
  line.socket.close()
})

test('a message by POST /v1/messages reaches the app that is connected', async () => {
  const line = await connect(gateway.base, 'cross-1')
  line.tell(hello())
  await line.next('welcome')
  await post(
    `${gateway.base}/v1/messages`,
    { text: 'from the web' },
    { headers: { authorization: 'Bearer cross-1' } },
  )
  await line.next('msg', 1)
  expect(line.texts()).toEqual(['from the web', 'echo from the web'])
  line.socket.close()
})

test('without a customer there is no link: 401 before the upgrade and over HTTP', async () => {
  const socket = new WebSocket(`${gateway.base.replace('http', 'ws')}/v1/ws`, ['dragoman.1'])
  socket.on('error', () => undefined)
  const [, response] = await once(socket, 'unexpected-response')
  expect(response.statusCode).toBe(401)
  response.destroy()
  const refused = await post(`${gateway.base}/v1/link`, { frames: [hello()] })
  expect([refused.status, refused.body.code]).toEqual([401, 'AUTH_FAILED'])
})

test.each([
  ['no frames', {}],
  ['no hello first', { frames: [{ t: 'ping' }] }],
  ['an empty list', { frames: [] }],
  ['a list', [hello()]],
])('%s is 400 over HTTP', async (_what, body) => {
  const refused = await post(`${gateway.base}/v1/link`, body, { headers: { authorization: 'Bearer x' } })
  expect([refused.status, refused.body.code]).toEqual([400, 'DECODE_FAILED'])
})

test('a frame that is refused does not stand in the way of the next one, over HTTP either', async () => {
  const deep = JSON.parse(`${'['.repeat(500)}${']'.repeat(500)}`) as unknown // as deep as the test says
  const { frames } = await exchange('refused-1', [
    hello(),
    { t: 'send', n: 1, id: 'r-1', message: { text: 'x', data: deep } },
    { t: 'send', n: 2, id: 'r-2', message: { text: 'x'.repeat(70_000) } },
    send(3, 'good'),
  ])
  expect(frames.filter(({ t }) => t === 'nak' || t === 'ok')).toMatchObject([
    { t: 'nak', n: 1, code: 'DECODE_FAILED', retry: false },
    { t: 'nak', n: 2, code: 'too_large', retry: false },
    { t: 'ok', n: 3 },
  ])
})

test('a frame refused over HTTP is listed in the next ok of a WebSocket that was open before (SEMANTICS 14)', async () => {
  const line = await connect(gateway.base, 'refused-2')
  line.tell(hello())
  await line.next('welcome')
  const elsewhere = await exchange('refused-2', [
    hello(),
    send(1, 'one'),
    { t: 'send', n: 2, id: 'r-2', message: { text: 'x', color: 'red' } },
  ])
  expect(elsewhere.frames.find(({ t }) => t === 'nak')).toMatchObject({ n: 2, retry: false })
  line.tell(send(3, 'three'))
  expect(await line.next('ok')).toMatchObject({ n: 3, refused: [{ n: 2, id: 'r-2', code: 'DECODE_FAILED' }] })
  line.tell(send(1, 'another'))
  expect(await line.next('nak')).toMatchObject({ n: 1, code: 'IDEMPOTENCY_MISMATCH', retry: false })
  line.socket.close()
})

test('an answer over HTTP holds a bounded part of the inbox, and the next request goes on', async () => {
  const line = await connect(gateway.base, 'large-1')
  line.tell(hello({ device: 'writer' }))
  await line.next('welcome')
  for (let n = 1; n <= 40; n++) {
    line.tell(send(n, 'y'.repeat(60_000)))
    await line.next('ok', n - 1)
  }
  await line.next('msg', 60)
  line.socket.close()
  let epoch = ''
  let offset = 0
  let requests = 0
  while (offset < 40) {
    const { frames } = await exchange('large-1', [hello({ epoch, offset })])
    epoch = String(frames.find(({ t }) => t === 'welcome')?.['epoch'])
    const messages = frames.filter(({ t }) => t === 'msg')
    expect(JSON.stringify(messages).length).toBeLessThan(1_300_000)
    expect(messages.map((frame) => frame['offset'])).toEqual(messages.map((_, at) => offset + at + 1))
    offset += messages.length
    requests++
  }
  expect(requests).toBeGreaterThan(2)
})

test('a plain GET of the WebSocket is told what it is; /asyncapi.json describes both', async () => {
  const plain = await fetch(`${gateway.base}/v1/ws`)
  expect([plain.status, await plain.json()]).toMatchObject([
    400,
    { detail: expect.stringContaining('RFC 6455') },
  ])
  const document = await (await fetch(`${gateway.base}/asyncapi.json`)).json()
  expect(document).toMatchObject({
    asyncapi: '3.0.0',
    channels: { web_ws: { address: '/v1/ws' }, web_http: { address: '/v1/link' } },
  })
  expect(await metric(gateway.base, 'dragoman_connections{link="websocket"}')).toBe(0)
})

test('kill -9 beside an app that sends: every ok is kept, nothing is doubled, and it goes on where it was', async () => {
  const directory = await temporaryDirectory()
  const port = await freePort()
  const options = { yaml: yaml(bot.url), directory, port }
  const oks = new Set<string>()
  const ids: string[] = []
  let epoch = ''
  let offset = 0
  let next = 1
  const shown: string[] = []
  for (let life = 0; life < 3; life++) {
    await using process = await startGateway(options)
    const line = await connect(process.base, 'killed')
    line.tell(hello({ first: next, epoch, offset }))
    const welcome = await line.next('welcome')
    expect(welcome).toMatchObject({ recovered: true })
    epoch = String(welcome['epoch'])
    next = Math.max(next, Number(welcome['next']))
    for (let n = next; n < next + 40; n++) {
      ids[n] ??= randomUUIDv7()
      line.tell(send(n, `m${n}`, ids[n]))
    }
    await line.next('ok', 15)
    const gone = once(line.socket, 'close')
    await process.kill()
    await gone
    for (const frame of line.frames) {
      if (frame.t === 'ok') oks.add(String(frame['messageId']))
      if (frame.t === 'ok') next = Math.max(next, Number(frame['n']) + 1)
      if (frame.t !== 'msg') continue
      expect(frame['offset']).toBe(offset + 1)
      offset += 1
      if ((frame['message'] as { direction: string }).direction === 'inbound') shown.push(textIn(frame))
    }
  }
  await using process = await startGateway(options)
  const line = await connect(process.base, 'killed')
  line.tell(hello({ first: next, epoch, offset }))
  const welcome = await line.next('welcome')
  const rest = Number(welcome['top']) - offset
  for (let acked = 0; acked < rest;) {
    acked = await until(() => (line.texts().length > acked ? line.texts().length : undefined))
    line.tell({ t: 'ack', epoch, offset: offset + acked })
  }
  for (const frame of line.frames)
    if (frame.t === 'msg' && (frame['message'] as { direction: string }).direction === 'inbound')
      shown.push(textIn(frame))
  expect(shown).toEqual(Array.from({ length: shown.length }, (_, at) => `m${at + 1}`))
  expect(shown.length).toBeGreaterThanOrEqual(oks.size)
  expect(oks.size).toBeGreaterThanOrEqual(48)
  line.socket.close()
})
