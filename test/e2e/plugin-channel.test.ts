// DESIGN §9: the same interface, carried by messages: everything a channel may do, a channel in a worker does.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { encodeTold } from '../../core/components/broadcast.ts'
import type { Broadcast, Ear } from '../../core/components/broadcast.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent } from '../support/parts.ts'
import { everything } from '../support/plugin-channel.ts'
import { say } from '../support/rest.ts'

const pushed: string[] = []
const upstream = createServer((request, response) => {
  let body = ''
  request.on('data', (piece) => (body += String(piece)))
  request.on('end', () => {
    if (request.url === '/pushed') pushed.push(body)
    response.writeHead(201, { 'x-up': request.headers['x-a'] ?? '' }).end(`${body} pong`)
  })
})
const broadcasts: unknown[] = []
let hear: Ear = () => undefined
const broadcast: Broadcast = {
  tell: (name, said) => void broadcasts.push(JSON.parse(encodeTold(name, said))),
  hear: (ear) => void (hear = ear),
}
let slow = Promise.withResolvers<void>()
let said = Promise.withResolvers<void>()
const bot = handAgent('bot', async (message) => {
  if (message.parts?.[0]?.text === 'slow') {
    await slow.promise
    return { parts: ['echo slow', 'more'].map((text) => ({ kind: 'text', text })) }
  }
  if (message.parts?.[0]?.text === 'he is away') await said.promise
  return echo(message)
})
let house: House
let yaml = ''
const base = (): string => `${house.base}/demo`

beforeAll(async () => {
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const { port } = upstream.address() as AddressInfo // it listens on TCP
  yaml = `
channels:
  web: { adapter: rest }
  demo:
    adapter: everything
    path: /demo
    upstream: http://127.0.0.1:${port}
    operations: { Order: { kind: event, type: "'order.' & state", sender: customer } }
agents: { bot: { adapter: bot } }
limits: { rare: { operation: order.rare, calls: 1, per: 1h } }
routes: [{ agent: bot }]
`
  const plugins = { 'everything.ts': everything }
  house = await openHouse({ yaml, adapters: [bot.adapter], plugins, broadcast })
})
afterAll(async () => {
  await house[Symbol.asyncDispose]()
  upstream.closeAllConnections()
  upstream.close()
})

async function post(action: string, body: BodyInit = '', init: RequestInit = {}): Promise<Response> {
  return fetch(`${base()}/${action}`, { method: 'POST', body, ...init })
}
async function answer(action: string, body?: BodyInit): Promise<unknown> {
  return (await post(action, body)).json()
}
const state = (key: string): Promise<unknown> => answer(`state?${key}`)

test('a message is stored with its bytes, waited for, and its reply carried back', async () => {
  const accepted = (await answer('say', 'hello')) as { id: string; reply?: { parts?: { text: string }[] } } // Accepted
  expect(accepted.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(await answer('say', 'x'.repeat(100_000))).toMatchObject({ duplicate: false })
})

test('what is not answered in time is pushed, whole where the channel says so, with the stable key', async () => {
  slow = Promise.withResolvers()
  const before = pushed.length
  expect(await answer('say?50', 'slow')).not.toHaveProperty('reply')
  slow.resolve()
  const mine = (): readonly string[] => pushed.slice(before).filter((each) => each.includes('echo slow'))
  await until(() => mine()[0])
  expect(mine()).toEqual([expect.stringContaining('echo slow and more')])
})

test('a request that its channel acknowledges before the end is stored, answered in time or by push', async () => {
  expect(await answer('ask', 'hello')).toMatchObject({ reply: { parts: [{ text: 'echo hello' }] } })
  slow = Promise.withResolvers()
  const before = pushed.length
  const accepted = await answer('ask?50', 'slow')
  expect(accepted).not.toHaveProperty('reply')
  expect(accepted).toMatchObject({ sequence: expect.toSatisfy((sequence: number) => sequence > 0) })
  slow.resolve()
  const mine = (): readonly string[] => pushed.slice(before).filter((each) => each.includes('echo slow'))
  await until(() => mine()[0])
  expect(mine()).toHaveLength(1)
})

test('a limit for all holds for a channel that pushes and says that who is refused comes again', async () => {
  expect((await post('event?order.rare')).status).toBe(200)
  expect((await post('event?order.rare')).status).toBe(429)
})

test('drafts by the operations of the config, the log, and whom a credential names', async () => {
  expect(await answer('drafted', '{"state":"shipped","customer":"ann"}')).toMatchObject([
    { kind: 'event', type: 'order.shipped', sender: { id: 'ann' } },
    { Order: { kind: 'event' } },
  ])
  expect(await answer('log')).toHaveProperty('messages')
  expect(await answer('identify')).toMatchObject({ id: 'ann' })
})

test('an error of the gateway crosses with its code and status, without a word of our insides', async () => {
  const refused = await post('agentLink')
  expect(refused.status).toBe(403)
  expect(await refused.text()).toContain("a link is one customer's own")
  const bug = await post('noSuchAction')
  expect(bug.status).toBe(500)
  expect(await bug.text()).not.toMatch(/everything\.ts|actions|worker/)
})

test('what is refused is said in the words of the channel, or as a problem where it has none', async () => {
  const own = await fetch(`${house.base}/demo-own`)
  expect([own.status, own.headers.get('content-type')]).toEqual([403, 'text/x-own'])
  expect(await own.text()).toBe('FORBIDDEN|403|not for GET|')
  const large = await fetch(`${house.base}/demo-own`, { method: 'POST', body: 'x'.repeat(1024 * 1024 + 1) })
  expect([large.status, (await large.text()).split('|')[0]]).toEqual([413, 'TOO_LARGE'])
  const none = await fetch(`${house.base}/demo-own`, { method: 'DELETE' })
  expect([none.status, none.headers.get('content-type')]).toEqual([403, 'application/problem+json'])
  expect(await none.text()).not.toContain('no words')
})

test('bodies: bytes of a shared buffer alone, and streams piece by piece, until the caller goes', async () => {
  expect(await (await post('echo', 'abc')).text()).toBe('bc')
  expect(await (await post('stream')).text()).toBe('abcd')
  const controller = new AbortController()
  const endless = await post('endless', '', { signal: controller.signal })
  const reader = endless.body?.getReader()
  await reader?.read()
  controller.abort()
  await until(async () => ((await state('returned')) as { value?: boolean } | null)?.value)
})

test('a caller who goes ends the signal of the handler', async () => {
  const controller = new AbortController()
  const asked = post('gone', '', { signal: controller.signal }).catch(() => undefined)
  await until(async () => ((await state('begun')) as { value?: boolean } | null)?.value)
  controller.abort()
  await asked
  await until(async () => ((await state('gone')) as { value?: boolean } | null)?.value)
})

test('state, leases, the guarded fetch, the log and figures', async () => {
  expect(await answer('lease')).toEqual([true, true, false])
  expect(await answer('fetch')).toEqual([201, 'b', 'ping pong', true, 'FORBIDDEN', true])
  expect(await answer('talk')).toEqual({ env: [], argv: [] })
  await until(() => (house.log().includes('a stray line') ? true : undefined))
  const line = house
    .log()
    .split('\n')
    .find((each) => each.includes('said in a worker'))
  expect(JSON.parse(line ?? '{}')).toMatchObject({
    level: 'warn',
    n: 1,
    error: { message: 'an inner reason' },
  })
  const metrics = await (await fetch(`${house.base}/metrics`)).text()
  expect(metrics).toMatch(/dragoman_plugin_seen_total\{component="demo",kind="text"\} [1-9]/)
  expect(house.gateway.hints()).toContainEqual({ channel: 'demo', command: `curl ${house.base}/demo/say` })
})

test('what the channel tells the other instances, and what they tell it, is plain data', async () => {
  broadcasts.length = 0
  expect(await answer('tell', '{"here":["x",1.5,null]}')).toBe(true)
  expect(broadcasts).toEqual([['demo', { here: ['x', 1.5, null] }]])
  expect(await answer('tell', JSON.stringify('x'.repeat(1024 * 1024 - 2)))).toBe('TOO_LARGE')
  hear('another', { not: 'for it' })
  hear('demo', { from: 'there' })
  await until(async () => (JSON.stringify(await state('told')).includes('there') ? true : undefined))
})

test('a push whose receiver is away waits, and goes out when the channel says that he has come', async () => {
  said = Promise.withResolvers()
  await post('away')
  const before = pushed.length
  await post('say?1', 'he is away')
  said.resolve()
  await until(async () => (JSON.stringify(await state('away')).includes('/-1') ? true : undefined))
  expect(pushed).toHaveLength(before)
  await post('arrived')
  const push = await until(() => pushed[before])
  expect(JSON.parse(push)).toMatchObject({ text: 'echo he is away' })
})

test('the client protocol of a customer: frames up and down', async () => {
  const hello = { t: 'hello', v: 1, device: 'd1', boot: 'b1', first: 1, epoch: '', offset: 0 }
  const frames = await answer('link', JSON.stringify([hello, { t: 'ping' }]))
  expect(frames).toMatchObject([{ t: 'welcome', next: 1 }, { t: 'pong' }])
})

interface Talk {
  readonly socket: WebSocket
  next(): Promise<unknown>
}
async function connect(query: string): Promise<Talk> {
  const socket = new WebSocket(`${base().replace('http', 'ws')}/ws?${query}`, ['demo.1'])
  const heard: unknown[] = []
  socket.on('message', (data, isBinary) => heard.push(isBinary ? data : (data as Buffer).toString())) // ws gives buffers
  await new Promise((resolve, reject) => {
    socket.once('open', resolve)
    socket.once('error', reject)
  })
  return { socket, next: () => until(() => heard.shift()) }
}
const closed = (socket: WebSocket): Promise<number> => new Promise((resolve) => socket.once('close', resolve))

test('WebSockets: admitted or refused, text and bytes in order, a throw closes with 1011', async () => {
  await expect(connect('now')).rejects.toThrow('403')
  const talk = await connect('please')
  const { socket } = talk
  expect(socket.protocol).toBe('demo.1')
  for (let n = 0; n < 5; n++) socket.send(`m${n}`)
  for (let n = 0; n < 5; n++) expect(await talk.next()).toBe(`heard m${n}`)
  socket.send(Buffer.from([1, 2, 3]))
  expect(await talk.next()).toEqual(Buffer.from([2, 3]))
  socket.send('fail')
  expect(await closed(socket)).toBe(1011)
  await until(async () => ((await state('closed')) as { value?: number } | null)?.value)
})

test('a new version: sockets are told to connect again, callers notice nothing', async () => {
  const { socket } = await connect('please')
  const told = closed(socket)
  await house.drop('everything.ts', `${everything}\n// another version`)
  await house.reload(yaml)
  expect(await told).toBe(1012)
  const again = await connect('please')
  again.socket.send('there?')
  expect(await again.next()).toBe('heard there?')
  again.socket.close()
})

test('its worker dies: what a handler has begun is in doubt, sockets are closed, a stream is cut, and all of it is served again', async () => {
  const { socket } = await connect('please')
  const told = closed(socket)
  const stream = await post('endless')
  const cut = await post('die')
  expect([cut.status, cut.headers.get('retry-after')]).toEqual([502, null])
  expect(await cut.json()).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false })
  expect(await told).toBe(1012)
  await expect(stream.text()).rejects.toThrow('terminated')
  await until(async () => ((await post('echo', 'abc')).status === 200 ? true : undefined))
  const again = await connect('please')
  again.socket.send('back?')
  expect(await again.next()).toBe('heard back?')
  again.socket.close()
})

test.each([
  ["one of the gateway's own pages", 'serve', '/healthz', `channel "demo" cannot serve /healthz`],
  ["a WebSocket at one of the gateway's own pages", 'socket', '/readyz', `cannot serve /readyz`],
  ['a path of another channel', 'serve', '/v1', `channels "web" and "demo" both serve /v1`],
  ['WebSockets of another channel', 'socket', '/v1/ws', `both serve WebSockets at /v1/ws`],
  ['a path with dot segments', 'serve', '/a/../b', `path "/a/../b" must be decoded`],
])(
  'DESIGN §6: served after the start, %s is refused, told of its plugin, and in the way of nobody',
  async (_, action, path, problem) => {
    expect(await answer(`${action}?${path}`)).toBe(true)
    const told = (): string | undefined =>
      house.plugins.list().find(({ name }) => name === 'everything')?.failure?.message
    await until(() => (told()?.includes(problem) === true ? true : undefined))
    expect(told()).toMatch(/^everything\.ts: after its start: /)
    const lines = house.log().split('\n')
    const logged = lines.findLast((each) => each.includes('channel \\"demo\\" cannot have what it asked for'))
    expect(JSON.parse(logged ?? '{}')).toMatchObject({
      level: 'error',
      error: { message: expect.stringContaining(problem) },
    })
    expect(logged).not.toContain('INTERNAL') // which would be a mistake of the gateway's
    await house.reload(yaml)
    expect((await fetch(`${house.base}/healthz`)).status).toBe(200)
    expect((await say(house.base, 'hello', { waitSeconds: 30 })).status).toBe(200)
  },
)

test('a path served after the start is served; after one that was refused a worker that dies is replaced all the same', async () => {
  await answer('serve?/demo-late')
  const late = await until(async () => {
    const answered = await fetch(`${house.base}/demo-late`)
    return answered.status === 200 ? answered : undefined
  })
  expect(await late.text()).toBe('served late')
  await answer('serve?/healthz')
  await post('die')
  await until(async () => ((await post('echo', 'abc')).status === 200 ? true : undefined))
  // Never another path's handler, which may have its number by now.
  const away = await fetch(`${house.base}/demo-late`)
  expect([away.status, away.headers.get('retry-after')]).toEqual([503, '1'])
  await answer('serve?/demo-late')
  await until(async () => ((await fetch(`${house.base}/demo-late`)).status === 200 ? true : undefined))
})

test('a body that is still on its way while the plugin is saved reaches the version that serves the path then', async () => {
  const rest = Promise.withResolvers<void>()
  const body = new ReadableStream<Uint8Array>({
    async start(controller) {
      controller.enqueue(Buffer.from('first '))
      await rest.promise
      controller.enqueue(Buffer.from('second'))
      controller.close()
    },
  })
  const answered = post('echo', body, { duplex: 'half' } as RequestInit)
  await house.drop('everything.ts', `${everything}\n// saved`)
  await house.reload(yaml)
  rest.resolve()
  const whole = await answered
  expect([whole.status, await whole.text()]).toEqual([200, 'irst second'])
})

test('removed, its paths answer 503, never 404 and never open; back again, they are served', async () => {
  await house.drop('everything.ts', undefined)
  await house.reload(yaml)
  const refused = await post('say', 'hello')
  expect(refused.status).toBe(503)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect((await say(house.base, 'hello', { waitSeconds: 30 })).status).toBe(200)
  await house.drop('everything.ts', everything)
  await house.reload(yaml)
  expect((await post('say', 'hello')).status).toBe(200)
})

test('each reload is told: in the status, as a figure, as an event; a plugin that is gone has no state', async () => {
  const admin = async (path: string): Promise<unknown> => {
    const response = await fetch(`${house.base}/admin/v1/${path}`, {
      headers: { authorization: 'Bearer test-admin-token' },
    })
    return response.json()
  }
  const figures = async (): Promise<string> => (await fetch(`${house.base}/metrics`)).text()
  const generation = async (): Promise<number> =>
    Number(/^dragoman_generation (\d+)/m.exec(await figures())?.[1])
  const before = await generation()
  await house.drop('extra.ts', everything.replace("name: 'everything'", "name: 'extra'"))
  await house.reload(yaml)
  expect(await generation()).toBe(before + 1)
  expect(await figures()).toContain('dragoman_plugin_state{plugin="extra",state="running"} 1')
  await house.drop('extra.ts', undefined)
  await house.reload(yaml)
  expect(await figures()).not.toContain('plugin="extra"')
  await expect(house.reload('routes: [{ agent: nobody }]')).rejects.toThrow('nobody')
  expect(await generation()).toBe(before + 2)
  expect(await admin('status')).toMatchObject({ lastReload: { error: expect.stringContaining('nobody') } })
  const { events } = (await admin('events')) as { readonly events: readonly { type: string; data: object }[] } // our own admin API
  const told = events.filter(({ type }) => type === 'reload').map(({ data }) => data)
  expect(told.slice(-2)).toEqual([{ generation: before + 2 }, { refused: expect.stringContaining('nobody') }])
})
