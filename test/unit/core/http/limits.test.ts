// Hostile and broken input on the wire, as TRAPS names it: each refused, counted once, and the next request works.
import { gzipSync, deflateSync } from 'node:zlib'
import { expect, test, vi } from 'vitest'
import { bodyOf, exchange, running, statuses, wire } from './raw-client.ts'

test.each([
  ['two Host headers', 'GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 400, 'host'],
  ['two equal Host headers', 'GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n', 400, 'host'],
  ['no Host', 'GET / HTTP/1.1\r\n\r\n', 400, 'host'],
  ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n\r\n', 400, 'host'],
  ['a Host with userinfo', 'GET / HTTP/1.1\r\nHost: a@b\r\n\r\n', 400, 'host'],
  ['a Host that is a list', 'GET / HTTP/1.1\r\nHost: a, b\r\n\r\n', 400, 'host'],
  ['a Host with a path', 'GET / HTTP/1.1\r\nHost: a/b\r\n\r\n', 400, 'host'],
  [
    'an absolute-form target',
    'GET http://evil/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n',
    400,
    'target',
  ],
  ['an encoded slash', 'GET /a%2fb HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400, 'target'],
  ['a dot segment', 'GET /a/../b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400, 'target'],
  ['bad percent-encoding', 'GET /%zz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400, 'target'],
  ['OPTIONS *', 'OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 400, 'target'],
  ['TRACE', 'TRACE / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n', 405, 'method'],
  ['CONNECT', 'CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n', 405, 'method'],
  ['a method that is none', 'FROB / HTTP/1.1\r\nHost: a\r\n\r\n', 400, 'malformed'],
  ['another expectation', 'GET / HTTP/1.1\r\nHost: a\r\nExpect: tea\r\n\r\n', 417, 'expectation'],
  ['no HTTP at all', '\u0016\u0003\u0001\u0002\u0000\u0001\r\n\r\n', 400, 'malformed'],
  [
    'another transfer coding',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n',
    501,
    'coding',
  ],
  [
    'length and chunked together',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    400,
    'malformed',
  ],
  [
    'two lengths',
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab',
    400,
    'malformed',
  ],
  ['a negative length', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n', 400, 'malformed'],
  ['a length that is a sum', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na', 400, 'malformed'],
  ['chunked in HTTP/1.0', 'POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400, 'malformed'],
  [
    'a broken chunk size',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n',
    400,
    'malformed',
  ],
  [
    'a chunk longer than it says',
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabcd\r\n0\r\n\r\n',
    400,
    'malformed',
  ],
  ['a space before the colon', 'GET / HTTP/1.1\r\nHost: a\r\nX-A : b\r\n\r\n', 400, 'malformed'],
  ['a folded header', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\r\n c\r\n\r\n', 400, 'malformed'],
  ['NUL in a header', 'GET / HTTP/1.1\r\nHost: a\r\nX-A: b\u0000c\r\n\r\n', 400, 'malformed'],
  ['lines that end in LF', 'GET / HTTP/1.1\nHost: a\n\n', 400, 'malformed'],
])(
  '%s is refused (RFC 9112), counted once, and not handed to anybody',
  async (_what, text, status, reason) => {
    await using edge = await running()
    const answer = await exchange(edge.port, text)
    expect(statuses(answer)).toEqual([status])
    expect(answer).not.toMatch(/stack|\.ts|node:/u)
    expect(answer).toContain('application/problem+json')
    expect(edge.refused).toEqual([expect.stringContaining(reason)])
    expect(edge.seen).toEqual([])
    expect((await fetch(edge.origin)).status).toBe(200)
  },
)

test('after a doubtful head nothing that was smuggled behind it is processed (RFC 9112 §9.6)', async () => {
  await using edge = await running()
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n'
  const answers = await Promise.all([
    exchange(edge.port, `GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n${smuggled}`),
    exchange(
      edge.port,
      `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    ),
    exchange(edge.port, `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`),
  ])
  expect(answers.map(statuses)).toEqual([[400], [400], [400]])
  expect(edge.seen).toEqual([])
})

test('a refusal is written after the answers still owed on its connection, never before them', async () => {
  let release: (() => void) | undefined
  await using edge = await running({
    handler: async () => {
      await new Promise<void>((resolve) => (release = resolve))
      return { status: 200, body: 'first' }
    },
  })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\nBROKEN\r\n\r\n')
  await vi.waitFor(
    () => expect([release, edge.refused]).toEqual([expect.any(Function), ['malformed']]),
    10_000,
  )
  expect(client.text).toBe('')
  release?.()
  expect(statuses(await client.closed())).toEqual([200, 400])
})

test('an ordinary refusal keeps the connection', async () => {
  await using edge = await running({ mounts: [] })
  const request = 'GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n'
  const answer = await exchange(
    edge.port,
    request + request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'),
  )
  expect(statuses(answer)).toEqual([404, 404])
})

test('header fields above the limit are 431 (RFC 6585 §5), also from a client that goes on sending', async () => {
  await using edge = await running()
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\nX-A: ')
  client.send('x'.repeat(1_000_000))
  expect(statuses(await client.closed())).toEqual([431])
  expect(edge.refused).toEqual(['headers'])
})

test('too many header fields are 431 and never dropped silently', async () => {
  await using edge = await running({ http: { maxHeaderBytes: 65_536 } })
  const answer = await exchange(
    edge.port,
    `GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${'a:\r\n'.repeat(2500)}\r\n`,
  )
  expect(statuses(answer)).toEqual([431])
  expect(edge.refused).toEqual(['headers'])
})

test('a declared length above the limit is 413 at the head, before a byte of the body', async () => {
  await using edge = await running()
  const client = wire(edge.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n')
  expect(await client.until(/"code":"TOO_LARGE"/u)).toMatch(/^HTTP\/1\.1 413 .*connection: close/su)
  expect(edge.refused).toEqual(['body web'])
})

test('an undeclared length is counted, and 413 as soon as it is too long', async () => {
  await using edge = await running()
  const client = wire(edge.port, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  client.send(`3e8\r\n${'x'.repeat(1000)}\r\n`)
  client.send('1\r\nx\r\n')
  expect(statuses(await client.until(/TOO_LARGE/u))).toEqual([413])
  expect(edge.seen).toEqual([])
})

test('a body of exactly the limit passes, and a mount may have its own, and more at one of its paths', async () => {
  const handler = () => Promise.resolve({ status: 200, body: 'ok' })
  await using edge = await running({
    mounts: [
      { path: '/', channel: 'web', handler },
      { path: '/big', channel: 'big', handler, bodyLimitBytes: 2000 },
      {
        path: '/small',
        channel: 'small',
        handler,
        bodyLimitBytes: 500,
        leastBodyBytes: (path) => (path === '/small/link' ? 1500 : 0),
      },
    ],
  })
  const post = async (path: string, bytes: number) =>
    (await fetch(edge.origin + path, { method: 'POST', body: 'x'.repeat(bytes) })).status
  expect([
    await post('/', 1000),
    await post('/', 1001),
    await post('/big', 2000),
    await post('/big', 2001),
    await post('/small', 501),
    await post('/small/link', 1500),
    await post('/small/link', 1501),
  ]).toEqual([200, 413, 200, 413, 413, 200, 413])
})

test('a refusal reaches a client that sends everything before it reads', async () => {
  await using edge = await running({ edge: { linger: { maxBytes: 4_000_000, maxMs: 5000 } } })
  const size = 3_000_000
  const client = wire(edge.port)
  client.socket.pause()
  client.send(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${size}\r\n\r\n`)
  await new Promise<void>((resolve, reject) => {
    client.socket.write('x'.repeat(size), (error) => (error ? reject(error) : resolve()))
  })
  client.socket.resume()
  expect(statuses(await client.closed())).toEqual([413])
})

test('what is dropped is bounded: a client that never stops is cut', async () => {
  await using edge = await running({ edge: { linger: { maxBytes: 100_000, maxMs: 60_000 } } })
  const client = wire(edge.port, 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n')
  const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`
  const feed = (): void => {
    if (!client.socket.destroyed && client.socket.writable) client.socket.write(piece, feed)
  }
  feed()
  expect(await client.closed()).toMatch(/413/u)
})

test('what is dropped is bounded in time too: a client that neither sends nor closes is cut', async () => {
  await using edge = await running({ edge: { linger: { maxBytes: 1_000_000, maxMs: 50 } } })
  const answer = await exchange(edge.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nx')
  expect(statuses(answer)).toEqual([413])
})

test('a caller who sent XML is refused in one line of text', async () => {
  await using edge = await running()
  const answer = await exchange(
    edge.port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/soap+xml\r\nContent-Length: 1001\r\n\r\n',
  )
  expect(answer).toMatch(/content-type: text\/plain; charset=utf-8/u)
  expect(bodyOf(answer)).toBe('TOO_LARGE: the body is larger than 1000 bytes\n')
})

test('Expect: 100-continue is answered when the head is fine (RFC 9110 §10.1.1)', async () => {
  await using edge = await running()
  const client = wire(
    edge.port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n',
  )
  await client.until(/^HTTP\/1\.1 100 Continue\r\n\r\n$/u)
  client.send('hi')
  expect(statuses(await client.closed())).toEqual([100, 200])
})

test('Expect: 100-continue gets the refusal at once, and no 100, when the limits are broken', async () => {
  await using edge = await running()
  const answer = await exchange(
    edge.port,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\nExpect: 100-continue\r\n\r\n',
  )
  expect(statuses(answer)).toEqual([413])
})

test.each([
  ['sends nothing', ''],
  ['stops within the head', 'GET / HTTP/1.1\r\nHost: a\r\nX-'],
  ['stops within the body', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc'],
  ['stops within a chunk', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nabc'],
])(
  'a client that %s is told 408 within the limit, not after 30 s (node:http checks that rarely)',
  async (_what, text) => {
    await using edge = await running({ http: { headerTimeoutMs: 150, requestTimeoutMs: 200 } })
    const start = performance.now()
    expect(statuses(await exchange(edge.port, text))).toEqual([408])
    expect(performance.now() - start).toBeLessThan(20_000)
    expect(edge.refused).toEqual([expect.stringContaining('timeout')])
    expect(edge.seen).toEqual([])
  },
)

test('a head may take no longer than its whole request, whatever its own limit is', async () => {
  await using edge = await running({ http: { headerTimeoutMs: 120_000, requestTimeoutMs: 150 } })
  expect(statuses(await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\nX-'))).toEqual([408])
})

test('one byte at a time does not stretch the limit for the head', async () => {
  await using edge = await running({ http: { headerTimeoutMs: 150, requestTimeoutMs: 5000 } })
  const client = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\nX: ')
  const drip = setInterval(() => client.socket.writable && client.send('x'), 20)
  try {
    expect(statuses(await client.closed())).toEqual([408])
  } finally {
    clearInterval(drip)
  }
})

test('an idle connection is closed after the keep-alive time', async () => {
  await using edge = await running({ http: { keepAliveTimeoutMs: 50 } })
  expect(statuses(await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'))).toEqual([200])
})

test('connections above the limit are refused and counted, and there is room again when one closes', async () => {
  await using edge = await running({ http: { maxConnections: 2 } })
  const first = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  const second = wire(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  await Promise.all([first.until(/200/u), second.until(/200/u)])
  expect(await exchange(edge.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).toBe('')
  expect(edge.refused).toEqual(['connections'])
  first.socket.destroy()
  await vi.waitFor(() => expect(edge.edge.connections).toBe(1), 10_000)
  expect((await fetch(edge.origin)).status).toBe(200)
})

test('HTTP/1.0 is answered without chunks, and without Host', async () => {
  const stream = async function* () {
    yield 'a'
    yield 'b'
  }
  await using edge = await running({
    handler: ({ path, origin }) =>
      Promise.resolve({ status: 200, body: path === '/stream' ? stream() : origin }),
  })
  const whole = await exchange(edge.port, 'GET / HTTP/1.0\r\n\r\n')
  expect(whole).toMatch(/content-length: \d+/u)
  expect(bodyOf(whole)).toBe(`http://127.0.0.1:${edge.port}`)
  const streamed = await exchange(edge.port, 'GET /stream HTTP/1.0\r\n\r\n')
  expect(streamed).not.toMatch(/transfer-encoding/iu)
  expect(bodyOf(streamed)).toBe('ab')
})

test('a chunked body with multi-byte characters split between chunks arrives whole', async () => {
  await using edge = await running()
  const [first = 0, second = 0, third = 0] = new TextEncoder().encode('王')
  const client = wire(
    edge.port,
    'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n',
  )
  for (const byte of [first, second, third]) client.send(Uint8Array.of(49, 13, 10, byte, 13, 10))
  client.send('0\r\n\r\n')
  await client.closed()
  expect(new TextDecoder().decode(edge.seen[0]?.body)).toBe('王')
})

test.each([
  ['gzip', gzipSync('hello')],
  ['X-GZIP', gzipSync('hello')],
  ['deflate', deflateSync('hello')],
  ['identity', Buffer.from('hello')],
])('a body in the coding %s is handed over decoded', async (coding, body) => {
  await using edge = await running()
  const answer = await fetch(edge.origin, { method: 'POST', body, headers: { 'content-encoding': coding } })
  expect(await answer.text()).toBe('POST / hello')
  expect(edge.seen[0]?.headers).not.toHaveProperty('content-encoding')
})

test('a decoded body may not be longer than the limit either: a bomb is 413', async () => {
  await using edge = await running()
  const bomb = gzipSync('x'.repeat(500_000))
  expect(bomb.length).toBeLessThan(1000)
  const answer = await fetch(edge.origin, {
    method: 'POST',
    body: bomb,
    headers: { 'content-encoding': 'gzip' },
  })
  expect(answer.status).toBe(413)
  expect(edge.refused).toEqual(['body web'])
})

test.each([
  ['gzip', 'not gzip', 400],
  ['gzip', gzipSync('hello').subarray(0, 15), 400],
  ['br', 'x', 415],
  ['gzip, gzip', 'x', 415],
])('a body said to be %s and not is refused, and the process lives', async (coding, body, status) => {
  await using edge = await running()
  const answer = await fetch(edge.origin, { method: 'POST', body, headers: { 'content-encoding': coding } })
  expect(answer.status).toBe(status)
  expect(edge.seen).toEqual([])
  expect((await fetch(edge.origin)).status).toBe(200)
})

test('bodies held at once are bounded: beyond it 503 with Retry-After, and room again afterwards', async () => {
  let release: (() => void) | undefined
  await using edge = await running({
    edge: { bodyBudgetBytes: 1500 },
    handler: async ({ path }) => {
      if (path === '/hold') await new Promise<void>((resolve) => (release = resolve))
      return { status: 200, body: '' }
    },
  })
  const post = (path: string) => fetch(edge.origin + path, { method: 'POST', body: 'x'.repeat(1000) })
  const held = post('/hold')
  await vi.waitFor(() => expect(release).toBeDefined(), 10_000)
  const refused = await post('/')
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
  release?.()
  expect((await held).status).toBe(200)
  expect((await post('/')).status).toBe(200)
  expect(edge.refused).toEqual(['memory web'])
})

test('a client that goes away within its body is nobody to answer, and nothing is handed over', async () => {
  await using edge = await running()
  const client = wire(edge.port, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc')
  await vi.waitFor(() => expect(edge.edge.connections).toBe(1), 10_000)
  client.socket.destroy()
  await vi.waitFor(() => expect(edge.edge.connections).toBe(0), 10_000)
  expect(edge.seen).toEqual([])
  expect(edge.lines).toEqual([])
})

test('a client that sends noise and closes his side is told, and the connection does not linger', async () => {
  await using edge = await running({ edge: { linger: { maxBytes: 1000, maxMs: 60_000 } } })
  const client = wire(edge.port, 'BROKEN')
  client.socket.end()
  expect(statuses(await client.closed())).toEqual([400])
  expect(edge.refused).toEqual(['malformed'])
})
