import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import type { HttpRequest, Socket, SocketHandler, SocketOptions } from '../../../../core/api.ts'
import type { Access, EdgeOptions, ListenerConfig, Mount } from '../../../../core/http/edge.ts'
import type { IdentityConfig } from '../../../../core/http/identity.ts'
import { exchange, running, wire, type Running } from './raw-client.ts'

interface Ear extends Running {
  readonly sockets: Socket[]
  readonly requests: HttpRequest[]
  readonly ws: string
  /** A client that has been let in. */
  client(path?: string, protocols?: string | string[], options?: WebSocket.ClientOptions): Promise<WebSocket>
}
interface EarOptions {
  readonly http?: Partial<ListenerConfig>
  readonly edge?: Partial<EdgeOptions>
  readonly identity?: IdentityConfig
  readonly access?: Access
  readonly options?: SocketOptions
  readonly handler?: SocketHandler
  readonly mounts?: readonly Mount[]
}

/** An edge that takes WebSockets at `/ws`; by default each message comes back. */
async function listening(given: EarOptions = {}): Promise<Ear> {
  const sockets: Socket[] = []
  const requests: HttpRequest[] = []
  const handler: SocketHandler = (socket, request) => {
    sockets.push(socket)
    requests.push(request)
    if (given.handler === undefined) socket.onMessage(async (data) => void (await socket.send(data)))
    else given.handler(socket, request)
  }
  const { access, options = {} } = given
  const edge = await running({
    ...(given.http !== undefined && { http: given.http }),
    ...(given.edge !== undefined && { edge: given.edge }),
    ...(given.identity !== undefined && { identity: given.identity }),
    ...(given.mounts !== undefined && { mounts: given.mounts }),
    sockets: [{ path: '/ws', channel: 'web', handler, options, open: new Set(), ...(access && { access }) }],
  })
  const ws = edge.origin.replace('http', 'ws')
  return {
    ...edge,
    sockets,
    requests,
    ws,
    async client(path = '/ws', protocols = [], clientOptions = {}) {
      const client = new WebSocket(`${ws}${path}`, protocols, clientOptions)
      client.on('error', () => undefined)
      await once(client, 'open')
      return client
    },
  }
}

/** What a handshake is refused with, in plain HTTP. */
async function refusal(
  url: string,
  protocols: string | string[] = [],
  options: WebSocket.ClientOptions = {},
): Promise<{ status: number | undefined; headers: Record<string, unknown>; body: string }> {
  const client = new WebSocket(url, protocols, options)
  client.on('error', () => undefined)
  return new Promise((resolve, reject) => {
    client.on('open', () => reject(new Error('it was let in')))
    client.on('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', (piece) => (body += String(piece)))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
    })
  })
}

async function next(client: WebSocket): Promise<string> {
  const [data] = await once(client, 'message')
  return String(data)
}

const HEAD = [
  'GET /ws HTTP/1.1',
  'Host: a',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
]
const head = (...more: readonly string[]): string => `${[...HEAD, ...more].join('\r\n')}\r\n\r\n`

test('a handshake is answered, messages go both ways as they were sent: text as text, bytes as bytes of their own', async () => {
  const heard: unknown[] = []
  await using ear = await listening({
    handler: (socket) =>
      socket.onMessage(async (data) => {
        heard.push(data)
        await socket.send(data)
      }),
  })
  const client = await ear.client('/ws?a=1')
  client.send('hé 王')
  expect(await next(client)).toBe('hé 王')
  client.send(Buffer.from([1, 2, 255]))
  const [data, isBinary] = await once(client, 'message')
  expect([[...data], isBinary]).toEqual([[1, 2, 255], true])
  expect(heard).toEqual(['hé 王', new Uint8Array([1, 2, 255])])
  expect(heard[1]).toHaveProperty('buffer.byteLength', 3) // not a view on the socket's buffer
  expect(ear.requests[0]).toMatchObject({ method: 'GET', path: '/ws', query: 'a=1', origin: ear.origin })
  expect(ear.edge.webSockets).toBe(1)
  client.close(1000)
  await once(client, 'close')
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(0))
})

test('messages that were read together are handed over one at a time, in order', async () => {
  let atOnce = 0
  let most = 0
  const heard: string[] = []
  await using ear = await listening({
    handler: (socket) =>
      socket.onMessage(async (data) => {
        most = Math.max(most, ++atOnce)
        await new Promise(setImmediate)
        heard.push(String(data))
        atOnce--
        if (heard.length === 500) await socket.send('done')
      }),
  })
  const client = await ear.client()
  for (let n = 1; n <= 500; n++) client.send(String(n))
  expect(await next(client)).toBe('done')
  expect(most).toBe(1)
  expect(heard).toEqual(Array.from({ length: 500 }, (_, n) => String(n + 1)))
})

test('while a handler runs the socket is not read: the sender is held up, not buffered for', async () => {
  const gate = Promise.withResolvers<void>()
  let bytes = 0
  await using ear = await listening({
    handler: (socket) =>
      socket.onMessage((data) => {
        bytes += data.length
        return gate.promise
      }),
  })
  const client = await ear.client()
  const message = 'x'.repeat(60_000)
  for (let n = 0; n < 500; n++) client.send(message) // 30 MB
  await vi.waitFor(() => expect(client.bufferedAmount).toBeGreaterThan(1_000_000))
  const held = client.bufferedAmount
  await new Promise((resolve) => setTimeout(resolve, 100)) // time in which it would have drained
  expect(client.bufferedAmount).toBe(held)
  expect(bytes).toBe(60_000)
  gate.resolve()
  await vi.waitFor(() => expect(bytes).toBe(30_000_000), 10_000)
})

test('a peer that does not read is closed with 1013 when a bound is passed (ws buffers without bound)', async () => {
  const results: Promise<boolean>[] = []
  await using ear = await listening({
    edge: { bufferedBytes: 100_000 },
    handler: (socket) =>
      socket.onMessage(() => {
        for (let n = 0; n < 1000; n++) results.push(socket.send('y'.repeat(50_000)))
      }),
  })
  const client = await ear.client()
  client.pause()
  client.send('go')
  await vi.waitFor(() => expect(results.length).toBe(1000))
  expect(ear.sockets[0]?.buffered).toBeLessThan(300_000)
  client.resume()
  const [code, reason] = await once(client, 'close')
  expect([code, String(reason)]).toEqual([1013, 'you read too slowly'])
  const sent = await Promise.all(results)
  expect(sent.filter(Boolean).length).toBeLessThan(500) // what fits into the buffers of the system
})

test('a peer that never answers our close is cut off, and what was not sent resolves false', async () => {
  await using ear = await listening({ edge: { bufferedBytes: 100_000 } })
  const stalled = wire(ear.port, head())
  await stalled.until(/101 Switching Protocols/u)
  stalled.socket.pause()
  await vi.waitFor(() => expect(ear.sockets).toHaveLength(1))
  const [socket] = ear.sockets
  const sends = Array.from({ length: 100 }, async () => socket?.send('z'.repeat(1_000_000)))
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(0), 6000)
  expect(await Promise.all(sends)).toContain(false)
  stalled.socket.destroy()
})

test('messageBytes is the longest message: 1009, also in fragments, and nothing reaches the handler', async () => {
  const heard: unknown[] = []
  await using ear = await listening({
    options: { messageBytes: 1000 },
    handler: (socket) => socket.onMessage((data) => void heard.push(data)),
  })
  const long = await ear.client()
  long.send('x'.repeat(1001))
  expect((await once(long, 'close'))[0]).toBe(1009)
  const split = await ear.client()
  split.send('x'.repeat(600), { fin: false })
  split.send('x'.repeat(600), { fin: true })
  expect((await once(split, 'close'))[0]).toBe(1009)
  const fits = await ear.client()
  fits.send('x'.repeat(1000))
  await vi.waitFor(() => expect(heard).toHaveLength(1))
})

test('64 KiB is the default limit, and a declared length alone is enough to be refused', async () => {
  await using ear = await listening()
  const client = wire(ear.port, head())
  await client.until(/101/u)
  client.send(Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x12, 0, 0, 0, 1, 2, 3, 4])) // 288 MB announced
  const answer = await client.closed()
  expect(Buffer.from(answer, 'latin1').includes(Buffer.from([0x88, 0x02, 0x03, 0xf1]))).toBe(true) // 1009
})

test('messages are not compressed, whatever the client offers', async () => {
  await using ear = await listening()
  const client = await ear.client('/ws', [], { perMessageDeflate: true })
  expect(client.extensions).toBe('')
})

test('a handler that throws closes with 1011 and the cause stays inside', async () => {
  await using ear = await listening({
    handler: (socket) =>
      socket.onMessage(async () => {
        throw new Error('secret')
      }),
  })
  const client = await ear.client()
  client.send('x')
  const [code, reason] = await once(client, 'close')
  expect([code, String(reason)]).toEqual([1011, 'the gateway made a mistake'])
  expect(ear.lines).toMatchObject([{ level: 'error', fields: { error: { message: 'secret' } } }])
})

test('what comes before a handler is set waits for it', async () => {
  await using ear = await listening({ handler: () => undefined })
  const client = await ear.client()
  client.send('early')
  await vi.waitFor(() => expect(ear.sockets).toHaveLength(1))
  await new Promise((resolve) => setTimeout(resolve, 50))
  const heard: unknown[] = []
  ear.sockets[0]?.onMessage((data) => void heard.push(data))
  await vi.waitFor(() => expect(heard).toEqual(['early']))
})

test('broken frames and resets end the socket, never the process', async () => {
  await using ear = await listening()
  for (const bytes of [
    [0xff, 0xff],
    [0x81, 0x05, 1, 2, 3],
    [0x83, 0x80, 0, 0, 0, 0],
    [0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28],
  ]) {
    const client = wire(ear.port, head())
    await client.until(/101/u)
    client.send(Buffer.from(bytes))
    if (bytes.length === 5) client.socket.resetAndDestroy()
    else await client.closed()
  }
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(0))
  const client = await ear.client()
  client.send('still here')
  expect(await next(client)).toBe('still here')
})

test('onClose is called once with code and reason, and at once where it is closed already', async () => {
  await using ear = await listening()
  const client = await ear.client()
  const ends: unknown[] = []
  ear.sockets[0]?.onClose((code, reason) => void ends.push([code, reason]))
  client.close(4001, 'bye')
  await vi.waitFor(() => expect(ends).toEqual([[4001, 'bye']]))
  ear.sockets[0]?.onClose((code) => void ends.push(code))
  expect(ends).toEqual([[4001, 'bye'], 4001])
  expect(await ear.sockets[0]?.send('late')).toBe(false)
})

test('a reason longer than a control frame holds is cut at a character (RFC 6455 §5.5)', async () => {
  await using ear = await listening()
  const client = await ear.client()
  ear.sockets[0]?.close(1000, '王'.repeat(60))
  const [, reason] = await once(client, 'close')
  expect(String(reason)).toMatch(/^王{39,40}\uFFFD?$/u)
})

test('a peer that does not answer pings is cut off; one that does stays (black holes)', async () => {
  await using ear = await listening({ edge: { heartbeatMs: 100 } })
  const deaf = await ear.client('/ws', [], { autoPong: false })
  const well = await ear.client()
  expect((await once(deaf, 'close'))[0]).toBe(1006)
  well.send('here')
  expect(await next(well)).toBe('here')
})

test('a peer is not cut off while a handler keeps its socket from being read', async () => {
  const gate = Promise.withResolvers<void>()
  await using ear = await listening({
    edge: { heartbeatMs: 50 },
    handler: (socket) =>
      socket.onMessage(async (data) => {
        await gate.promise
        await socket.send(data)
      }),
  })
  const client = await ear.client()
  let pings = 0
  client.on('ping', () => pings++)
  client.send('slow')
  await vi.waitFor(() => expect(pings).toBeGreaterThan(3))
  gate.resolve()
  expect(await next(client)).toBe('slow')
})

// ─── Who may ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('no Origin is allowed, our own is, one of the list is; any other is 403 (DESIGN §16)', async () => {
  await using ear = await listening({ http: { origins: ['https://shop.example.com'] } })
  const from = (origin: string) => ({ headers: { origin } })
  await ear.client()
  await ear.client('/ws', [], from(ear.origin))
  await ear.client('/ws', [], from('https://Shop.example.com'))
  for (const origin of [
    'https://evil.example',
    'null',
    'https://shop.example.com.evil.example',
    'http://127.0.0.1:1',
  ]) {
    const refused = await refusal(`${ear.ws}/ws`, [], from(origin))
    expect(refused.status, origin).toBe(403)
    expect(JSON.parse(refused.body)).toMatchObject({
      code: 'FORBIDDEN',
      detail: expect.stringContaining('http.origins'),
    })
  }
  expect(ear.refused).toEqual(Array.from({ length: 4 }, () => 'origin web'))
  await using open = await listening({ http: { origins: ['*'] } })
  await open.client('/ws', [], from('https://anywhere.example'))
})

test('the token comes as the subprotocol bearer.TOKEN, and the handler does not see it there (DESIGN §16)', async () => {
  await using ear = await listening({ options: { protocols: ['dragoman.1'] } })
  const client = await ear.client('/ws', ['dragoman.1', 'bearer.ann'])
  expect(client.protocol).toBe('dragoman.1')
  expect(ear.requests[0]?.identity).toEqual({ role: 'customer', id: 'ann' })
  expect(ear.requests[0]?.headers['sec-websocket-protocol']).toBe('dragoman.1')
  await ear.client('/ws', ['dragoman.1'], { headers: { authorization: 'Bearer bob' } })
  expect(ear.requests[1]?.identity).toEqual({ role: 'customer', id: 'bob' })
  const both = await refusal(`${ear.ws}/ws`, ['dragoman.1', 'bearer.a', 'bearer.b'])
  expect(both.status).toBe(400)
})

test('without a credential that is good the handshake is 401 with a challenge, in plain HTTP', async () => {
  await using ear = await listening({
    identity: { keys: { crm: { key: 'k-1' } } },
    options: { protocols: ['p'] },
  })
  for (const protocols of [['p'], ['p', 'bearer.wrong']]) {
    const refused = await refusal(`${ear.ws}/ws`, protocols)
    expect(refused.status).toBe(401)
    expect(refused.headers['www-authenticate']).toBe('Bearer realm="web"')
    expect(refused.headers['connection']).toBe('close')
    expect(JSON.parse(refused.body)).toMatchObject({ code: 'AUTH_FAILED' })
  }
  await ear.client('/ws', ['p', 'bearer.k-1'])
  expect(ear.requests[0]?.identity).toEqual({ role: 'program', id: 'crm' })
})

test("the channel's access holds for WebSockets too", async () => {
  await using ear = await listening({ identity: {}, access: { from: ['10.0.0.0/8'] } })
  expect((await refusal(`${ear.ws}/ws`)).status).toBe(403)
})

test('a client that names other subprotocols only is refused; one that names none is taken', async () => {
  await using ear = await listening({ options: { protocols: ['dragoman.1', 'dragoman.0'] } })
  const refused = await refusal(`${ear.ws}/ws`, ['mqtt'])
  expect([refused.status, JSON.parse(refused.body).detail]).toEqual([
    400,
    expect.stringContaining('dragoman.1'),
  ])
  expect((await ear.client('/ws', ['mqtt', 'dragoman.0', 'dragoman.1'])).protocol).toBe('dragoman.1')
  expect((await ear.client()).protocol).toBe('')
})

// ─── What is no handshake ────────────────────────────────────────────────────────────────────────────────────────────

test('an upgrade to anything else, or elsewhere, is an ordinary request (RFC 9110 §7.8)', async () => {
  await using ear = await listening()
  const h2c = 'Host: a\r\nUpgrade: h2c\r\nConnection: Upgrade, close\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'
  expect(await exchange(ear.port, `POST /ws HTTP/1.1\r\n${h2c}Content-Length: 2\r\n\r\nhi`)).toMatch(
    /200 OK[^]*POST \/ws hi/u,
  )
  const elsewhere = head('Connection: close').replace('/ws', '/other')
  expect(await exchange(ear.port, elsewhere)).toMatch(/^HTTP\/1\.1 200/u)
})

test('one canonical path: doubled slashes are collapsed, dots refused, a path below is not the path', async () => {
  await using ear = await listening({ mounts: [] })
  await ear.client('//ws')
  expect((await refusal(`${ear.ws}/ws/below`)).status).toBe(404)
  expect(await exchange(ear.port, head('Connection: close').replace('/ws', '/a/../ws'))).toMatch(
    /^HTTP\/1\.1 400/u,
  )
})

test.each([
  ['two Host headers', head('Host: b'), 400],
  ['another version', head().replace('Version: 13', 'Version: 8'), 426],
  ['a key that is none', head().replace('dGhlIHNhbXBsZSBub25jZQ==', 'short'), 400],
  ['no key', head().replace(/Sec-WebSocket-Key.*\r\n/u, ''), 400],
  ['a body', head('Content-Length: 5'), 400],
])('%s is refused in plain HTTP', async (_what, text, status) => {
  await using ear = await listening()
  const answer = await exchange(ear.port, text)
  expect(answer).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `, 'u'))
  if (status === 426) expect(answer).toMatch(/sec-websocket-version: 13/iu) // RFC 6455 §4.4
  expect(ear.sockets).toHaveLength(0)
  expect(ear.refused).toHaveLength(1)
})

test('a handshake behind a request that is not answered yet ends the connection', async () => {
  const gate = Promise.withResolvers<void>()
  await using ear = await listening({
    mounts: [
      {
        path: '/slow',
        channel: 'web',
        handler: async () => {
          await gate.promise
          return { status: 200, body: 'slow' }
        },
      },
    ],
  })
  const client = wire(ear.port, `GET /slow HTTP/1.1\r\nHost: a\r\n\r\n${head()}`)
  await client.closed()
  expect(ear.refused).toEqual(['pipeline'])
  expect(ear.sockets).toHaveLength(0)
  gate.resolve()
})

test('a handshake after an answered request on the same connection is taken', async () => {
  await using ear = await listening()
  const client = wire(ear.port, 'GET /first HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/GET \/first/u)
  client.send(head())
  await client.until(/101 Switching/u)
})

// ─── Limits, drain ───────────────────────────────────────────────────────────────────────────────────────────────────

test('the listener and each address have a limit, and a place is free again when one leaves', async () => {
  await using ear = await listening({ http: { maxSockets: 3, maxSocketsPerAddress: 2 } })
  const first = await ear.client()
  await ear.client()
  const refused = await refusal(`${ear.ws}/ws`)
  expect([refused.status, refused.headers['retry-after']]).toEqual([429, '1'])
  first.close()
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(1))
  await ear.client()
  await using small = await listening({ http: { maxSockets: 1 } })
  await small.client()
  expect((await refusal(`${small.ws}/ws`)).status).toBe(503)
  expect(small.refused).toEqual(['sockets web'])
})

test('behind a trusted proxy the address is the one it names; of IPv6 the /64 counts', async () => {
  await using ear = await listening({ http: { trustedProxies: ['127.0.0.1'], maxSocketsPerAddress: 1 } })
  const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })
  await ear.client('/ws', [], from('203.0.113.7'))
  await ear.client('/ws', [], from('203.0.113.8'))
  expect((await refusal(`${ear.ws}/ws`, [], from('203.0.113.7'))).status).toBe(429)
  await ear.client('/ws', [], from('2001:db8:1:2::1'))
  expect((await refusal(`${ear.ws}/ws`, [], from('2001:db8:1:2:ffff::9'))).status).toBe(429)
  await ear.client('/ws', [], from('2001:db8:1:3::1'))
})

test('drain closes every WebSocket with 1012, takes no new one, and ends', async () => {
  await using ear = await listening()
  const clients = await Promise.all([ear.client(), ear.client()])
  const codes = Promise.all(clients.map(async (client) => (await once(client, 'close'))[0]))
  const silent = connect(ear.port)
  silent.on('error', () => undefined)
  await ear.edge.drain(2000)
  expect(await codes).toEqual([1012, 1012])
})

test('1,000 half-open handshakes harm nobody', async () => {
  await using ear = await listening({
    http: { maxConnections: 2000, headerTimeoutMs: 500, requestTimeoutMs: 500 },
  })
  const halves = Array.from({ length: 1000 }, () => wire(ear.port, HEAD.slice(0, 4).join('\r\n')))
  const client = await ear.client()
  client.send('through')
  expect(await next(client)).toBe('through')
  await Promise.all(halves.map((half) => half.closed()))
  expect(halves[0]?.text).toMatch(/^HTTP\/1\.1 408/u)
  await vi.waitFor(() => expect(ear.edge.connections).toBe(1))
})

test('sockets that say nothing after the handshake cost a ping, and their places are given back', async () => {
  await using ear = await listening({
    edge: { heartbeatMs: 100 },
    http: { maxSockets: 200, maxSocketsPerAddress: 200, maxConnections: 300 },
  })
  const mute = Array.from({ length: 200 }, () => wire(ear.port, head()))
  await Promise.all(mute.map((one) => one.until(/101/u)))
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(0), 3000)
  for (const one of mute) one.socket.destroy()
})
