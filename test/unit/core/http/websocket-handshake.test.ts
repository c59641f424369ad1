import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test, vi } from 'vitest'
import { exchange, wire } from './raw-client.ts'
import { HEAD, head, listening, next, refusal } from './websocket-client.ts'

// ─── Who may ─────────────────────────────────────────────────────────────────────────────────────────────────────────

test('no Origin is allowed, our own is, one of the list is; any other is 403 (DESIGN §16)', async () => {
  await using ear = await listening({ http: { origins: ['https://shop.example.com'] } })
  const from = (origin: string) => ({ headers: { origin } })
  await ear.client()
  await ear.client('/ws', [], from(ear.origin))
  await ear.client('/ws', [], from('https://Shop.example.com'))
  await ear.client('/ws', [], from('https://shop.example.com:443'))
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

test('our own pages are those of the origin of our address, without its path, with or without the port of its scheme (RFC 6454 §6.2)', async () => {
  const page = { origin: 'https://desk.example.com' }
  await using below = await listening({ http: { publicUrl: 'https://Desk.example.com/gw' } })
  const said = async (origin: string): Promise<string> => {
    const client = wire(below.port, head(`Origin: ${origin}`))
    const line = await client.until(/\r\n/u)
    client.socket.destroy()
    return line.slice(0, 12)
  }
  expect(await said(page.origin)).toBe('HTTP/1.1 101')
  expect(await said(`${page.origin}:443`)).toBe('HTTP/1.1 101')
  for (const other of [`${page.origin}/gw`, `${page.origin}:8443`, 'http://desk.example.com:443', 'null'])
    expect(await said(other), other).toBe('HTTP/1.1 403')
  await using behind = await listening({ http: { trustedProxies: ['127.0.0.1'] } })
  const from = (port: number) => ({ ...page, host: `desk.example.com:${port}`, 'x-forwarded-proto': 'https' })
  await behind.client('/ws', [], { headers: from(443) })
  await behind.client('/ws', [], { headers: { ...from(443), origin: `${page.origin}:443` } })
  expect((await refusal(`${behind.ws}/ws`, [], { headers: from(8443) })).status).toBe(403)
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
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(1), 10_000)
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

test('drain leaves a `concurrent` socket as it is until nothing is under way on it, and cuts what outlives the deadline', async () => {
  const letGo: (() => void)[] = []
  const taken: string[] = []
  await using ear = await listening({
    options: { concurrent: true },
    handler: (socket) =>
      socket.onMessage(async (data) => {
        taken.push(String(data))
        await new Promise<void>((go) => letGo.push(go))
        await socket.send(`done ${String(data)}`)
      }),
  })
  const [answered, stuck] = await Promise.all([ear.client(), ear.client()])
  const came: unknown[] = []
  answered.on('message', (data: Buffer) => came.push(data.toString()))
  answered.on('close', (code) => came.push(code))
  for (const text of ['a', 'b']) answered.send(text)
  await vi.waitFor(() => expect(taken).toEqual(['a', 'b']), 10_000)
  stuck.send('c')
  await vi.waitFor(() => expect(taken).toHaveLength(3), 10_000)
  const cut = once(stuck, 'close')
  const drained = ear.edge.drain(1500)
  answered.send('late')
  answered.ping()
  await once(answered, 'pong') // by then it has been read
  expect(taken).toEqual(['a', 'b', 'c', 'late'])
  for (const n of [1, 0, 3]) letGo[n]?.()
  await drained
  expect(came).toEqual(['done b', 'done a', 'done late', 1012])
  await cut
})

test('on a `concurrent` socket 64 messages are under way at most: no more are read before one of them is done', async () => {
  const letGo: (() => void)[] = []
  await using ear = await listening({
    options: { concurrent: true },
    handler: (socket) => socket.onMessage(() => new Promise<void>((go) => letGo.push(go))),
  })
  const client = await ear.client()
  for (let sent = 0; sent < 100; sent++) client.send(String(sent))
  await vi.waitFor(() => expect(letGo).toHaveLength(64), 10_000)
  for (const go of letGo.slice(0, 10)) go()
  await vi.waitFor(() => expect(letGo).toHaveLength(74), 10_000)
  await new Promise((later) => setTimeout(later, 100))
  expect(letGo).toHaveLength(74)
  for (const go of letGo) go()
  await vi.waitFor(() => expect(letGo).toHaveLength(100), 10_000)
})

test('1,000 half-open handshakes harm nobody', async () => {
  await using ear = await listening({
    http: { maxConnections: 2000, headerTimeoutMs: 1500, requestTimeoutMs: 1500 },
  })
  const halves = Array.from({ length: 1000 }, () => wire(ear.port, HEAD.slice(0, 4).join('\r\n')))
  const client = await ear.client()
  client.send('through')
  expect(await next(client)).toBe('through')
  await Promise.all(halves.map((half) => half.closed()))
  expect(halves[0]?.text).toMatch(/^HTTP\/1\.1 408/u)
  await vi.waitFor(() => expect(ear.edge.connections).toBe(1), 10_000)
})

test('sockets that say nothing after the handshake cost a ping, and their places are given back', async () => {
  await using ear = await listening({
    edge: { heartbeatMs: 100 },
    http: { maxSockets: 200, maxSocketsPerAddress: 200, maxConnections: 300 },
  })
  const mute = Array.from({ length: 200 }, () => wire(ear.port, head()))
  await Promise.all(mute.map((one) => one.until(/101/u)))
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(0), 10_000)
  for (const one of mute) one.socket.destroy()
})
