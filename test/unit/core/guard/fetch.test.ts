// The guarded fetch against real servers: whole answers, honest failures, nobody else's pools.
import { once } from 'node:events'
import net from 'node:net'
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { withDeadline } from '../../../../core/guard/deadline.ts'
import { createFetch } from '../../../../core/guard/fetch.ts'
import type { FetchOptions, GuardedFetch, OwnAddresses } from '../../../../core/guard/fetch.ts'
import { recorded, serve, serveRaw } from './servers.ts'

const made: GuardedFetch[] = []
afterEach(async () => {
  await Promise.all(made.splice(0).map((guarded) => guarded.dispose()))
})

function guardedFetch(options: Partial<FetchOptions> = {}): typeof fetch {
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    connections: 10,
    responseLimitBytes: 10_000,
    log: recorded().log,
    ...options,
  })
  made.push(guarded)
  return guarded.fetch
}

test('an answer of any status resolves, with its headers, body and address', async () => {
  await using server = await serve((response, request) => {
    response.writeHead(Number(request.path.slice(1)), { 'set-cookie': ['a=1', 'b=2'], 'x-text': 'ä' })
    response.end(`${request.method} ${request.body}`)
  })
  const get = guardedFetch()
  for (const status of [200, 201, 302, 404, 429, 500, 503, 599]) {
    const response = await get(`${server.origin}/${status}`, {
      method: 'POST',
      body: '王',
      redirect: 'manual',
    })
    expect(response.status).toBe(status)
    expect(response.url).toBe(`${server.origin}/${status}`)
    expect(response.headers.getSetCookie()).toEqual(['a=1', 'b=2'])
    expect(response.headers.get('x-text')).toBe('ä')
    expect(await response.text()).toBe('POST 王')
  }
})

test('an address of our own is asked in this process, and no other, whatever path leads there', async () => {
  await using server = await serve((response) => response.end('over the network'))
  const asked: string[] = []
  const own: OwnAddresses = {
    base: () => `${server.origin}/v1/callbacks/`,
    ask: async ({ url, method }) => {
      asked.push(`${method} ${url.pathname}`)
      return { status: 200, statusText: 'OK', headers: { 'x-own': '1' }, body: Buffer.from('here') }
    },
  }
  const get = guardedFetch({ allow: [], own })
  const response = await get(`${server.origin}/v1/callbacks/abc`, { method: 'POST' })
  expect([await response.text(), response.headers.get('x-own')]).toEqual(['here', '1'])
  for (const path of ['/admin/v1/status', '/v1/callbacks/../../admin/v1/status', '/v1/callbacks/%2e%2e/x'])
    await expect(get(`${server.origin}${path}`)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect([asked, server.seen]).toEqual([['POST /v1/callbacks/abc'], []])
})

test('HEAD, 204 and 304 have no body, whatever length they announce', async () => {
  await using server = await serve((response, { path }) => {
    response.writeHead(Number(path.slice(1)), path === '/200' ? { 'content-length': '99999' } : {}).end()
  })
  const get = guardedFetch()
  expect((await get(`${server.origin}/200`, { method: 'HEAD' })).body).toBeNull()
  expect((await get(`${server.origin}/204`)).body).toBeNull()
  expect((await get(`${server.origin}/304`)).body).toBeNull()
})

test('connections are kept and reused, and never more than allowed', async () => {
  const held: (() => void)[] = []
  let most = 0
  await using server = await serve((response) => {
    held.push(() => response.end('ok'))
    most = Math.max(most, held.length)
    if (held.length === 3) setImmediate(() => held.splice(0).forEach((release) => release()))
  })
  const get = guardedFetch({ connections: 3 })
  const texts = await Promise.all(Array.from({ length: 60 }, async () => (await get(server.origin)).text()))
  expect(texts).toHaveLength(60)
  expect(most).toBe(3)
  expect(server.connections()).toBe(3)
})

test('an answer as large as the limit is read, one byte more is BACKEND_FAILED', async () => {
  await using server = await serve((response, { path }) => {
    const body = Buffer.alloc(Number(path.slice(2)), 'x')
    if (path[1] === 'l') response.writeHead(200, { 'content-length': body.length })
    response.write(body.subarray(0, 10))
    response.end(body.subarray(10))
  })
  const get = guardedFetch({ responseLimitBytes: 500 })
  for (const framing of ['l', 'c']) {
    expect((await (await get(`${server.origin}/${framing}500`)).text()).length).toBe(500)
    await expect(get(`${server.origin}/${framing}501`)).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      notExecuted: false,
      message: expect.stringContaining('larger than 500 bytes'),
      detail: { status: 200 },
    })
  }
})

test('an endless answer ends at the limit, and its connection is closed', async () => {
  let closed = false
  await using server = await serve((response) => {
    const more = (): void => {
      for (let room = true; room && !response.destroyed;) room = response.write(Buffer.alloc(1_000))
    }
    response.on('drain', more)
    response.on('close', () => {
      closed = true
    })
    more()
  })
  await expect(guardedFetch()(server.origin)).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  await vi.waitFor(() => expect(closed).toBe(true), 10_000)
})

const text = '{"orderNo":"000777"}'
test.each([
  ['gzip', gzipSync(text)],
  ['x-gzip', gzipSync(text)],
  ['deflate', deflateSync(text)],
  ['deflate', deflateRawSync(text)],
  ['br', brotliCompressSync(text)],
  ['identity', Buffer.from(text)],
  ['GZIP', gzipSync(text)],
  ['br, gzip', gzipSync(brotliCompressSync(text))],
])('an answer encoded as %s is decoded, and no longer says that it is', async (encoding, body) => {
  await using server = await serve((response) => response.setHeader('content-encoding', encoding).end(body))
  const response = await guardedFetch()(server.origin)
  expect(await response.json()).toEqual({ orderNo: '000777' })
  expect(response.headers.get('content-encoding')).toBeNull()
  expect(response.headers.get('content-length')).toBeNull()
})

const zeros = Buffer.alloc(5_000_000)
test.each([
  ['a gzip bomb', 'gzip', gzipSync(zeros), 'larger than 10000 bytes when decoded'],
  ['a brotli bomb', 'br', brotliCompressSync(zeros), 'larger than 10000 bytes when decoded'],
  ['a bomb in a bomb', 'gzip, gzip', gzipSync(gzipSync(zeros)), 'larger than 10000 bytes when decoded'],
  ['gzip cut in the middle', 'gzip', gzipSync(text).subarray(0, 20), 'not valid gzip'],
  ['what is no brotli', 'br', Buffer.from('plain'), 'not valid br'],
  ['an unknown coding', 'zip', Buffer.from('x'), 'unknown content coding "zip"'],
  ['many codings', 'br, br, br', Buffer.from('x'), '3 content codings'],
])('%s is BACKEND_FAILED, never a short answer', async (_what, encoding, body, why) => {
  await using server = await serve((response) => response.setHeader('content-encoding', encoding).end(body))
  await expect(guardedFetch()(server.origin)).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    message: expect.stringContaining(why),
    detail: { status: 200 }, // it was answered: no broken line, which would be tried again
  })
})

test.each([
  ['fewer bytes than announced, kept alive', 'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort'],
  [
    'fewer bytes than announced, closing',
    'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 100\r\n\r\nshort',
  ],
  ['fewer bytes than announced, HTTP/1.0', 'HTTP/1.0 200 OK\r\ncontent-length: 100\r\n\r\nshort'],
  ['chunks without an end', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n'],
  [
    'chunks without an end, closing',
    'HTTP/1.1 200 OK\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n5\r\nshort\r\n',
  ],
  ['half a chunk', 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n50\r\nshort'],
  ['half a header', 'HTTP/1.1 200 OK\r\ncontent-le'],
  ['nothing at all', ''],
  ['what is no HTTP', 'SSH-2.0-OpenSSH_9.2\r\n'],
  [
    'lengths that contradict each other',
    'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nshort!',
  ],
  [
    'an upgrade nobody asked for',
    'HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n',
  ],
  ['a status beyond HTTP', 'HTTP/1.1 999 Odd\r\ncontent-length: 0\r\n\r\n'],
  ['headers without end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(40_000)}\r\n\r\n`],
])('%s is BACKEND_FAILED and not proven unexecuted (RFC 9112 §8)', async (_what, bytes) => {
  for (const then of ['end', 'reset'] as const) {
    await using server = await serveRaw(bytes, then)
    const error = await guardedFetch()(server.origin, { method: 'POST', body: '{}' }).catch(
      (thrown: unknown) => thrown,
    )
    expect(error).toBeInstanceOf(GatewayError)
    expect(error).toMatchObject({
      code: 'BACKEND_FAILED',
      notExecuted: false,
      message: expect.not.stringMatching(/HTTPParserError|HPE_|UND_ERR/u),
    })
  }
})

test('what no HTTP says is told in words: the parser is named in the cause alone', async () => {
  await using server = await serveRaw('SSH-2.0-OpenSSH_9.2\r\n', 'wait')
  await expect(guardedFetch()(server.origin)).rejects.toMatchObject({
    message:
      'the GET: the connection broke before the answer was complete: its answer breaks the rules of HTTP',
    cause: { cause: { name: 'HTTPParserError' } },
  })
})

test('an answer that ends with its connection is complete (RFC 9112 §6.3)', async () => {
  await using server = await serveRaw('HTTP/1.0 200 OK\r\n\r\nuntil the end')
  expect(await (await guardedFetch()(server.origin)).text()).toBe('until the end')
})

test('interim answers are passed over; odd header names and status texts harm nothing', async () => {
  await using server = await serveRaw(
    Buffer.from(
      'HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\nHTTP/1.1 200 \u{1F600}\r\n__proto__: p\r\nconstructor: c\r\ncontent-length: 2\r\n\r\nok',
    ),
    'wait',
  )
  const response = await guardedFetch()(server.origin)
  expect([...response.headers]).toEqual([
    ['__proto__', 'p'],
    ['constructor', 'c'],
    ['content-length', '2'],
  ])
  expect(await response.text()).toBe('ok')
})

test('a refused connection is BACKEND_FAILED with notExecuted: a write may be queued (SEMANTICS 3)', async () => {
  const server = await serve(() => undefined)
  await server[Symbol.asyncDispose]()
  await expect(
    guardedFetch()(`${server.origin}/x?token=geheim`, { method: 'POST', body: '{}' }),
  ).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    notExecuted: true,
    message: 'the POST: cannot connect: connection refused',
  })
})

test('a host that does not exist is BACKEND_FAILED with notExecuted', async () => {
  const get = guardedFetch({ allow: ['no-such-host.invalid'] })
  await expect(get('http://no-such-host.invalid/')).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    notExecuted: true,
  })
})

test("an abort ends the request with the signal's reason, and its connection", async () => {
  let closed = false
  await using server = await serve((response) => response.on('close', () => (closed = true)))
  const abort = new AbortController()
  const answer = guardedFetch()(server.origin, { signal: abort.signal })
  await vi.waitFor(() => expect(server.seen).toHaveLength(1), 10_000)
  const reason = new GatewayError('DEADLINE_EXCEEDED', 'too late')
  abort.abort(reason)
  await expect(answer).rejects.toBe(reason)
  await vi.waitFor(() => expect(closed).toBe(true), 10_000)
})

test('an abort before the request sends nothing', async () => {
  await using server = await serve((response) => response.end())
  await expect(guardedFetch()(server.origin, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    name: 'AbortError',
  })
  expect(server.connections()).toBe(0)
})

test('a request aborted while it waits for a connection is never sent, and the next one is', async () => {
  const held: (() => void)[] = []
  await using server = await serve((response, { path }) => {
    if (path === '/slow') held.push(() => response.end('slow'))
    else response.end('fast')
  })
  const get = guardedFetch({ connections: 1 })
  const slow = get(`${server.origin}/slow`)
  await vi.waitFor(() => expect(held).toHaveLength(1), 10_000)
  const abort = new AbortController()
  const waiting = get(`${server.origin}/waiting`, { method: 'POST', body: 'x', signal: abort.signal })
  const ended = waiting.catch((reason: unknown) => reason)
  await new Promise((resolve) => setImmediate(resolve)) // it is in the queue now
  abort.abort('gone')
  expect(await ended).toBe('gone')
  const next = get(`${server.origin}/next`)
  for (const release of held) release()
  expect(await (await slow).text()).toBe('slow')
  expect(await (await next).text()).toBe('fast')
  expect(server.seen.map(({ path }) => path)).toEqual(['/slow', '/next'])
})

test('under a deadline a silent server is DEADLINE_EXCEEDED (DESIGN §7)', async () => {
  await using server = await serve(() => undefined)
  const get = guardedFetch()
  const answer = withDeadline({ ms: 30, what: 'orders' }, (signal) => get(server.origin, { signal }))
  await expect(answer).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED', notExecuted: false })
})

test('dispose fails what is under way and refuses what comes after it', async () => {
  await using server = await serve(() => undefined)
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    connections: 1,
    responseLimitBytes: 100,
    log: recorded().log,
  })
  const under = guarded.fetch(server.origin).catch((error: unknown) => error)
  await vi.waitFor(() => expect(server.seen).toHaveLength(1), 10_000)
  await guarded.dispose()
  expect(await under).toMatchObject({ code: 'BACKEND_FAILED', notExecuted: false })
  await expect(guarded.fetch(server.origin)).rejects.toMatchObject({ code: 'INTERNAL', notExecuted: true })
})

test('each component has its own connections', async () => {
  await using server = await serve((response) => response.end('ok'))
  await guardedFetch()(server.origin)
  await guardedFetch()(server.origin)
  expect(server.connections()).toBe(2)
})

test('no message carries the path, the query or a stack', async () => {
  const closed = net.createServer().listen(0, '127.0.0.1')
  await once(closed, 'listening')
  const { port } = closed.address() as net.AddressInfo // it listens on TCP
  closed.close()
  const error = await guardedFetch()(`http://127.0.0.1:${port}/customers/u1?key=geheim`).catch(String)
  expect(error).not.toMatch(/customers|geheim|\.ts|node:/)
})
