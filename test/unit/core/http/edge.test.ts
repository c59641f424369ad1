import { expect, test, vi } from 'vitest'
import { GatewayError, type HttpResponse } from '../../../../core/api.ts'
import type { Mount } from '../../../../core/http/edge.ts'
import { bodyOf, echo, exchange, running, statuses, wire } from './raw-client.ts'

const ok = (): Promise<HttpResponse> => Promise.resolve({ status: 200, body: 'ok' })

test('a handler gets the canonical path, the query as it came, plain headers, and bytes of its own', async () => {
  await using edge = await running()
  const answer = await fetch(`${edge.origin}//v1//x?a=%31`, {
    method: 'POST',
    body: '王',
    headers: { 'X-One': 'a', cookie: 'k=v' },
  })
  expect(await answer.text()).toBe('POST /v1/x?a=%31 王')
  const [request] = edge.seen
  expect(request).toMatchObject({
    method: 'POST',
    headers: { 'x-one': 'a' },
    remote: '127.0.0.1',
    origin: edge.origin,
    identity: { role: 'program', id: 'web' },
  })
  expect(request?.body.constructor).toBe(Uint8Array)
  expect(request?.body.buffer.byteLength).toBe(3) // not a view on the socket's buffer
  expect(structuredClone(request)).toBeDefined()
})

test('hostile header names are data: constructor is absent, __proto__ is what was sent', async () => {
  await using edge = await running()
  await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n__proto__: x\r\nConnection: close\r\n\r\n')
  const headers = edge.seen[0]?.headers
  expect(headers?.['constructor']).toBeUndefined()
  expect(headers?.['__proto__']).toBe('x')
})

test('repeated header fields are joined in their order (RFC 9110 §5.3)', async () => {
  await using edge = await running()
  await exchange(
    edge.port,
    'GET / HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nx-a: 2\r\nCookie: a=1\r\nCookie: b=2\r\nConnection: close\r\n\r\n',
  )
  expect(edge.seen[0]?.headers).toMatchObject({ 'x-a': '1, 2', cookie: 'a=1; b=2' })
})

test('mounting replaces everything at once, and a table that cannot be keeps the old one', async () => {
  await using edge = await running()
  edge.edge.mount([{ path: '/new', channel: 'x', handler: ok }])
  expect((await fetch(`${edge.origin}/new/below`)).status).toBe(200)
  const gone = await fetch(`${edge.origin}/old`)
  expect(gone.status).toBe(404)
  expect(await gone.json()).toMatchObject({ code: 'NOT_FOUND', status: 404 })
  const twice: Mount = { path: '/a', channel: 'x', handler: ok }
  expect(() => edge.edge.mount([twice, twice])).toThrow('twice')
  expect((await fetch(`${edge.origin}/new`)).status).toBe(200)
  expect(edge.refused).toEqual(['not_found'])
})

test('an answer carries its length, 204 and HEAD no body (RFC 9110 §8.6)', async () => {
  await using edge = await running({
    handler: ({ path }) =>
      Promise.resolve({ status: path === '/none' ? 204 : 200, body: path === '/none' ? '' : '王' }),
  })
  const get = await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(get).toMatch(/content-length: 3\r\n/u)
  expect(get).not.toMatch(/transfer-encoding/iu)
  const none = await exchange(edge.port, 'GET /none HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(none).not.toMatch(/content-length|transfer-encoding/iu)
  const head = await exchange(edge.port, 'HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(head).toMatch(/content-length: 3\r\n/u)
  expect(bodyOf(head)).toBe('')
})

test("framing is the edge's: what an adapter says of it is left out", async () => {
  await using edge = await running({
    handler: () =>
      Promise.resolve({
        status: 200,
        headers: {
          'Content-Length': '999',
          'Transfer-Encoding': 'chunked',
          Connection: 'upgrade',
          'x-mine': '1',
        },
        body: 'abc',
      }),
  })
  const answer = await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(answer).toMatch(/content-length: 3\r\n/u)
  expect(answer).toMatch(/x-mine: 1/u)
  expect(answer).not.toMatch(/999|chunked|upgrade/iu)
})

test('what a handler throws is answered without details and logged once', async () => {
  await using edge = await running({
    handler: ({ path }) => {
      if (path === '/known') throw new GatewayError('NO_ROUTE', 'no route takes it')
      throw new Error('secret: /srv/app.ts')
    },
  })
  const unknown = await fetch(`${edge.origin}/x`)
  expect(unknown.status).toBe(500)
  const text = await unknown.text()
  expect(JSON.parse(text)).toMatchObject({ code: 'INTERNAL', retryable: false })
  expect(text).not.toMatch(/secret|srv/u)
  const known = await fetch(`${edge.origin}/known`)
  expect([known.status, await known.json()]).toMatchObject([
    404,
    { code: 'NO_ROUTE', detail: 'no route takes it' },
  ])
  expect(edge.lines).toMatchObject([
    { level: 'error', fields: { channel: 'web', error: { message: 'secret: /srv/app.ts' } } },
  ])
})

test('what was refused is said in the words of the channel, and plainly where a header cannot hold their type (RFC 9110 §5.5)', async () => {
  const handler = (): never => {
    throw new GatewayError('FORBIDDEN', 'not for you')
  }
  const saying = (contentType: string): Pick<Mount, 'handler' | 'refused'> => ({
    handler,
    refused: () => ({ contentType, body: 'own' }),
  })
  await using edge = await running({
    mounts: [
      { path: '/own', channel: 'own', ...saying('text/x-own') },
      { path: '/split', channel: 'split', ...saying('text/plain\r\nSet-Cookie: a=b') },
      { path: '/wide', channel: 'wide', ...saying('文本') },
    ],
  })
  const said = async (path: string) => {
    const answer = await fetch(`${edge.origin}${path}`)
    return [answer.status, answer.headers.get('content-type'), (await answer.text()).includes('own')]
  }
  expect(await said('/own')).toEqual([403, 'text/x-own', true])
  expect(await said('/split')).toEqual([403, 'application/problem+json', false])
  expect(await said('/wide')).toEqual([403, 'application/problem+json', false])
  expect(edge.lines).toMatchObject([
    { level: 'warn', fields: { channel: 'split' } },
    { level: 'warn', fields: { channel: 'wide' } },
  ])
})

test('a refusal that cannot be written is logged and cuts the connection, and the next request works', async () => {
  await using edge = await running({
    handler: async ({ path }) => {
      if (path === '/next') return ok()
      throw new GatewayError('METHOD_NOT_ALLOWED', 'not so', { detail: { allow: 'GET\r\nSet-Cookie: a=b' } })
    },
  })
  const answer = await exchange(edge.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n')
  expect(answer).toBe('')
  expect(edge.lines).toMatchObject([
    { level: 'error', fields: { channel: 'web', error: { code: 'ERR_INVALID_CHAR' } } },
  ])
  expect((await fetch(`${edge.origin}/next`)).status).toBe(200)
})

test.each([
  ['a status that is none', { status: 42 }],
  ['a header that would split the answer', { status: 200, headers: { 'x-a': 'b\r\nSet-Cookie: c' } }],
  ['a header name that is none', { status: 200, headers: { 'x a': 'b' } }],
])('%s is INTERNAL, and nothing of it is written', async (_what, response) => {
  await using edge = await running({ handler: () => Promise.resolve({ ...response, body: 'body' }) })
  const answer = await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  expect(statuses(answer)).toEqual([500])
  expect(answer).not.toMatch(/cookie|x-a/iu)
  expect(edge.lines).toHaveLength(1)
})

test('pipelined requests are handled one after the other and answered in order (RFC 9112 §9.3.2)', async () => {
  const events: string[] = []
  let release: (() => void) | undefined
  await using edge = await running({
    handler: async (request) => {
      events.push(`begin ${request.path}`)
      if (request.path === '/1') await new Promise<void>((resolve) => (release = resolve))
      events.push(`end ${request.path}`)
      return echo(request)
    },
  })
  const client = wire(
    edge.port,
    'POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nxGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
  )
  await vi.waitFor(() => expect(release).toBeDefined(), 10_000)
  expect(events).toEqual(['begin /1'])
  release?.()
  expect((await client.closed()).match(/(?:GET|POST) \/\d/gu)).toEqual(['POST /1', 'GET /2', 'GET /3'])
  expect(events).toEqual(['begin /1', 'end /1', 'begin /2', 'end /2', 'begin /3', 'end /3'])
})

test('a request that ends before its body does is told so (RFC 9112 §8)', async () => {
  await using edge = await running()
  const client = wire(edge.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf')
  client.socket.end()
  const answer = await client.closed()
  expect(answer).toMatch(/^HTTP\/1\.1 400 /u)
  expect(answer).toContain('closed for sending before the request was whole')
  expect(edge.seen).toEqual([])
})

test('a connection that piles up requests without bound is cut', async () => {
  await using edge = await running({ handler: () => new Promise(() => undefined) })
  await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(150))
  expect(edge.refused).toEqual(['pipeline'])
})

test('the signal ends when the caller goes, and not when he stays', async () => {
  const signals: AbortSignal[] = []
  await using edge = await running({
    handler: (request, signal) => {
      signals.push(signal)
      return request.path === '/wait' ? new Promise(() => undefined) : ok()
    },
  })
  await (await fetch(edge.origin)).text()
  const client = wire(edge.port, 'GET /wait HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitFor(() => expect(signals).toHaveLength(2), 10_000)
  expect(signals.map((signal) => signal.aborted)).toEqual([false, false])
  client.socket.destroy()
  await vi.waitFor(() => expect(signals[1]?.aborted).toBe(true), 10_000)
  expect(signals[0]?.aborted).toBe(false)
})

test('a reply that reached the socket is flushed, one whose caller had gone goes back (SEMANTICS 5)', async () => {
  const told: string[] = []
  let answerNow: ((response: HttpResponse) => void) | undefined
  const mount: Mount = {
    path: '/',
    channel: 'web',
    handler: (request) =>
      request.path === '/late'
        ? new Promise((resolve) => (answerNow = resolve))
        : Promise.resolve({ status: 200, body: 'x', carries: 'r1' }),
    onCarried: (id, how) => told.push(`${id} ${how}`),
  }
  await using edge = await running({ mounts: [mount] })
  await (await fetch(edge.origin)).text()
  await vi.waitFor(() => expect(told).toEqual(['r1 flushed']), 10_000)
  const client = wire(edge.port, 'GET /late HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitFor(() => expect(answerNow).toBeDefined(), 10_000)
  const open = edge.edge.connections
  client.socket.destroy()
  await vi.waitFor(() => expect(edge.edge.connections).toBe(open - 1), 10_000)
  answerNow?.({ status: 200, body: 'y', carries: 'r2' })
  await vi.waitFor(() => expect(told).toEqual(['r1 flushed', 'r2 back']), 10_000)
})

test('of a reply that is owed to nobody else nothing is told (SEMANTICS 5)', async () => {
  const told: string[] = []
  const mount: Mount = {
    path: '/',
    channel: 'web',
    handler: (request) => Promise.resolve({ status: 200, body: 'x', carries: request.path.slice(1) }),
    onCarried: (id, how) => told.push(`${id} ${how}`),
    owes: (id) => id === 'owed',
  }
  await using edge = await running({ mounts: [mount] })
  await (await fetch(`${edge.origin}/mine`)).text()
  await (await fetch(`${edge.origin}/owed`)).text()
  await vi.waitFor(() => expect(told).toEqual(['owed flushed']), 10_000)
})

test('a reply cut off while it is being written goes back (SEMANTICS 5)', async () => {
  const told: string[] = []
  const mount: Mount = {
    path: '/',
    channel: 'web',
    handler: () => Promise.resolve({ status: 200, body: new Uint8Array(30_000_000), carries: 'r' }),
    onCarried: (id, how) => told.push(`${id} ${how}`),
  }
  await using edge = await running({ mounts: [mount] })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await client.until(/200 OK/u)
  client.socket.destroy()
  await vi.waitFor(() => expect(told).toEqual(['r back']), 10_000)
})

test('behind a trusted proxy address, scheme and host are the ones it saw; from anybody else they are not believed', async () => {
  const forwarded =
    'X-Forwarded-For: 6.6.6.6, 198.51.100.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: desk.example.com\r\n'
  const request = `GET / HTTP/1.1\r\nHost: inside:1\r\n${forwarded}Connection: close\r\n\r\n`
  await using behind = await running({ http: { trustedProxies: ['127.0.0.0/8'] } })
  await exchange(behind.port, request)
  expect(behind.seen[0]).toMatchObject({ remote: '198.51.100.1', origin: 'https://desk.example.com' })
  await using direct = await running({ http: { trustedProxies: ['192.0.2.1'] } })
  await exchange(direct.port, request)
  expect(direct.seen[0]).toMatchObject({ remote: '127.0.0.1', origin: 'http://inside:1' })
})

test('on one connection through a proxy every request has its own caller', async () => {
  await using edge = await running({ http: { trustedProxies: ['127.0.0.1'] } })
  const from = (address: string, last: string) =>
    `GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: ${address}\r\n${last}\r\n`
  await exchange(edge.port, from('198.51.100.1', '') + from('198.51.100.2', 'Connection: close\r\n'))
  expect(edge.seen.map((request) => request.remote)).toEqual(['198.51.100.1', '198.51.100.2'])
})

test('publicUrl is the address given out, whatever the Host header says', async () => {
  await using edge = await running({ http: { publicUrl: 'https://desk.example.com/gw' } })
  expect(edge.origin).toBe('https://desk.example.com/gw')
  await fetch(`http://127.0.0.1:${edge.port}/`)
  expect(edge.seen[0]?.origin).toBe('https://desk.example.com/gw')
})

test('a port in use is said with the port', async () => {
  await using edge = await running()
  await expect(running({ http: { port: edge.port } })).rejects.toThrow(
    `127.0.0.1:${edge.port}: the port is in use`,
  )
})

test('a peer that does not read its answer is cut off', async () => {
  let asked = 0
  await using edge = await running({
    edge: { stallMs: 100 },
    handler: () => {
      asked += 1
      return Promise.resolve({ status: 200, body: new Uint8Array(50_000_000) })
    },
  })
  const client = wire(edge.port)
  client.socket.pause()
  client.send('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitFor(() => expect([asked, edge.edge.connections]).toEqual([1, 0]), 10_000)
})

test('a caller who closes his side counts as gone, as with most servers', async () => {
  let signal: AbortSignal | undefined
  await using edge = await running({
    handler: (_request, given) => {
      signal = given
      return new Promise(() => undefined)
    },
  })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await vi.waitFor(() => expect(signal).toBeDefined(), 10_000)
  client.socket.end()
  expect(await client.closed()).toBe('')
  await vi.waitFor(() => expect(signal?.aborted).toBe(true), 10_000)
})

test('an upgrade nobody offers is ignored, and the request answered (RFC 9110 §7.8)', async () => {
  await using edge = await running()
  const upgrade =
    'Connection: Upgrade, close\r\nUpgrade: h2c, websocket\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n'
  const answer = await exchange(edge.port, `GET /x HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`)
  expect(statuses(answer)).toEqual([200])
})
