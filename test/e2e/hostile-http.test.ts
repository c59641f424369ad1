// Bad paths, heads, framing, methods and credentials at every endpoint, on the wire: refused, counted, nothing touched.
import { connect } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import {
  ADMIN,
  BODY_LIMIT,
  CRM,
  JSON_TYPE,
  XML_TYPE,
  expectLine,
  expectNoLeak,
  expectProblem,
  expectUntouched,
  send,
  sendRaw,
  startWorld,
  stateOf,
} from './hostile-world.ts'
import type { Answer, Headers, Sent, State, World } from './hostile-world.ts'

let world: World
let before: State
beforeAll(async () => {
  world = await startWorld()
  before = await stateOf(world)
})
afterAll(() => world[Symbol.asyncDispose]())
afterEach(() => expectUntouched(world, before))

async function ask(sent: Sent): Promise<Answer> {
  const answer = await send(world.gateway, sent)
  expectNoLeak(world, answer)
  return answer
}

const MESSAGE = '{"sender":{"id":"ann"},"text":"hello"}'

/** Everything that is served, by what follows which hostile segments are put. */
const places: readonly string[] = [
  '/v1/requests/',
  '/v1/events/',
  '/v1/callbacks/',
  '/v1/conversations/web:ann/messages/',
  '/admin/v1/trace/',
  '/healthz/',
  '/readyz/',
  '/metrics/',
  '/openapi.json/',
  `${CRM}/`,
  '/orders/',
]

describe.each(places)('a path below %s is refused', (place) => {
  test.each([
    ['with NUL', 'a%00b'],
    ['with an encoded slash', 'a%2fb'],
    ['with an encoded backslash', 'a%5Cb'],
    ['with a backslash', String.raw`a\b`],
    ['with a line end', 'a%0d%0ab'],
    ['with DEL', 'a%7Fb'],
    ['with dot segments', '../../etc/passwd'],
    ['with encoded dot segments', '%2e%2E/x'],
    ['with a half-encoded dot segment', '.%2e/x'],
    ['that is no percent-encoding', 'a%zz'],
    ['that ends in a percent sign', 'a%'],
    ['that is no UTF-8', 'a%ff'],
    ['with an overlong slash', 'a%c0%af'],
    ['with raw bytes beyond ASCII', 'a\u00e9'],
  ])('%s (RFC 3986 §3.3)', async (_, segment) => {
    const headers = { ...ADMIN, ...JSON_TYPE }
    for (const method of ['GET', 'POST'])
      expectProblem(await ask({ method, path: place + segment, headers, body: '{}' }), 400, 'DECODE_FAILED')
  })
})

test.each([
  ['/', 404],
  ['/v1', 404],
  ['/v1/', 404],
  ['/v1/nope', 404],
  ['/__proto__', 404],
  ['/constructor/prototype', 404],
  ['/healthz/deep', 404],
  ['/console.map', 404],
  ['/.git/config', 404],
  ['/admin.token', 404],
  [`/${'a/'.repeat(4000)}`, 404],
  [`/${'a'.repeat(20_000)}`, 431],
])('nothing is at %.40s', async (path, status) => {
  expectProblem(await ask({ method: 'GET', path }), status, status === 404 ? 'NOT_FOUND' : 'TOO_LARGE')
})

/** What each address takes; every other method is 405 and says so (RFC 9110 §15.5.6). */
describe.each<readonly [string, string, Headers]>([
  ['/v1/messages', 'POST', {}],
  ['/v1/events', 'POST', {}],
  ['/v1/events/order.shipped', 'POST', {}],
  ['/v1/requests/GetOrder', 'POST', {}],
  ['/v1/conversations/web:ann/messages', 'GET, HEAD', {}],
  ['/openapi.json', 'GET, HEAD', {}],
  ['/healthz', 'GET, HEAD', {}],
  ['/readyz', 'GET, HEAD', {}],
  ['/metrics', 'GET, HEAD', {}],
  ['/admin/v1/status', 'GET, HEAD', ADMIN],
  ['/admin/v1/ledger', 'GET, HEAD', ADMIN],
  ['/admin/v1/trace/x', 'GET, HEAD', ADMIN],
  ['/admin/v1/dead-letters', 'GET, HEAD', ADMIN],
  ['/admin/v1/dead-letters/replay', 'POST', ADMIN],
  ['/admin/v1/dead-letters/replay-all', 'POST', ADMIN],
  ['/admin/v1/dead-letters/drop', 'POST', ADMIN],
  ['/admin/v1/reload', 'POST', ADMIN],
])('%s takes %s and nothing else', (path, allow, headers) => {
  const others = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'M-SEARCH', 'QUERY']
  test.each(others.filter((method) => !allow.includes(method)))('%s', async (method) => {
    const answer = await ask({ method, path, headers: { ...JSON_TYPE, ...headers }, body: '{}' })
    expectProblem(answer, 405, 'METHOD_NOT_ALLOWED')
    expect(answer.headers.get('allow')).toBe(allow)
  })
})

test.each(['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'])(
  'a SOAP path takes no %s (WS-I BP 1.1 R1114)',
  async (method) => {
    const answer = await ask({ method, path: CRM, headers: XML_TYPE })
    expectLine(answer, 405)
    expect(answer.headers.get('allow')).toBe('POST')
  },
)

test.each(['TRACE', 'CONNECT'])('%s is served nowhere', async (method) => {
  for (const path of ['/v1/messages', CRM, '/admin/v1/status', '/healthz'])
    expectProblem(await ask({ method, path: method === 'CONNECT' ? 'x:1' : path }), 405, 'METHOD_NOT_ALLOWED')
})

describe('a query is refused', () => {
  const log = '/v1/conversations/web:ann/messages'
  test.each([
    [`${log}?after=-1`],
    [`${log}?after=99999999999999999999`],
    [`${log}?after=1e3`],
    [`${log}?after=0x10`],
    [`${log}?after=1&after=2`],
    [`${log}?after=%ff`],
    [`${log}?limit=0`],
    [`${log}?limit=1001`],
    [`${log}?__proto__=1`],
    [`${log}?constructor[prototype]=1`],
  ])('%s', async (path) => {
    expectProblem(await ask({ method: 'GET', path }), 400, 'DECODE_FAILED')
  })

  test.each(['limit=0', 'limit=501', 'limit=abc', 'limit=__proto__', '__proto__=1', 'kind=stone', 'nope=1'])(
    '/admin/v1/dead-letters?%s',
    async (query) => {
      const path = `/admin/v1/dead-letters?${query}`
      expectProblem(await ask({ method: 'GET', path, headers: ADMIN }), 400, 'DECODE_FAILED')
    },
  )

  test.each(['wsdl=../../../etc/passwd', 'xsd=__proto__', 'wsdl=%00', 'xsd=file:///etc/passwd'])(
    'a SOAP path?%s',
    async (query) => {
      expectLine(await ask({ method: 'GET', path: `${CRM}?${query}` }), 404)
    },
  )
})

describe('a header is refused', () => {
  const post = (headers: Headers): Promise<Answer> =>
    ask({ method: 'POST', path: '/v1/messages', headers: { ...JSON_TYPE, ...headers }, body: MESSAGE })
  test.each<readonly [string, Headers]>([
    ['an empty key', { 'idempotency-key': '""' }],
    ['a key of 600 characters', { 'idempotency-key': 'k'.repeat(600) }],
    ['two keys', { 'idempotency-key': 'a, b' }],
    ['a key with a tab', { 'idempotency-key': 'a\tb' }],
  ])('%s', async (_, headers) => {
    expectProblem(await post(headers), 400, 'DECODE_FAILED')
  })

  test('a cursor that is none', async () => {
    const headers = { accept: 'text/event-stream', 'last-event-id': '__proto__' }
    const answer = await ask({ method: 'GET', path: '/v1/conversations/web:ann/messages', headers })
    expectProblem(answer, 400, 'DECODE_FAILED')
  })

  test('one of 20,000 characters, and 300 of them', async () => {
    expectProblem(await post({ x: 'x'.repeat(20_000) }), 431, 'TOO_LARGE')
    const many = Array.from({ length: 300 }, (_, index) => [`x${index}`, '1'] as const)
    expectProblem(await post(Object.fromEntries(many)), 431, 'TOO_LARGE')
  })
})

describe('without the admin token', () => {
  const paths = ['status', 'ledger', 'trace/x', 'dead-letters', 'dead-letters/drop', 'nope'].map(
    (name) => `/admin/v1/${name}`,
  )
  test.each<readonly [string, Headers]>([
    ['nothing', {}],
    ['another token', { authorization: 'Bearer x' }],
    ['a name and a password', { authorization: `Basic ${Buffer.from('admin:admin').toString('base64')}` }],
    ['a scheme that is none', { authorization: 'Bearer' }],
    ['an API key', { 'x-api-key': 'admin' }],
  ])('%s opens nothing below /admin/v1', async (_, headers) => {
    for (const path of paths) {
      const answer = await ask({ method: 'GET', path, headers })
      expectProblem(answer, 401, 'AUTH_FAILED')
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer /u)
    }
    expectProblem(await ask({ method: 'POST', path: '/admin/v1/reload', headers }), 401, 'AUTH_FAILED')
  })
})

describe('what is not one HTTP request is refused', () => {
  const head = `POST /v1/messages HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n`
  const length = `Content-Length: ${MESSAGE.length}\r\n`
  test.each([
    ['two Host headers', `GET /healthz HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n`, 400],
    ['the same Host twice', `GET /healthz HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n`, 400],
    ['no Host', 'GET /healthz HTTP/1.1\r\n\r\n', 400],
    ['a Host that is none', 'GET /healthz HTTP/1.1\r\nHost: a/b@c\r\n\r\n', 400],
    ['a blank before the colon', 'GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n', 400],
    ['a folded header', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n', 400],
    ['NUL in a header', 'GET /healthz HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n', 400],
    ['the absolute form', 'GET http://evil.example/healthz HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['the asterisk form', 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', 400],
    ['a version that is none', 'GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n', 400],
    ['a TLS hello', '\u0016\u0003\u0001\u0002\u0000\u0001\u0000\u0001\u00fc\u0003\u0003\r\n\r\n', 400],
    ['an HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 400],
    ['two lengths', `${head}Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde`, 400],
    ['a negative length', `${head}Content-Length: -4\r\n\r\nabcd`, 400],
    ['a length with a sign', `${head}Content-Length: +4\r\n\r\nabcd`, 400],
    [
      'a length and chunks (RFC 9112 §6.1)',
      `${head}${length}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
      400,
    ],
    ['a chunk size that is none', `${head}Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n`, 400],
    ['a chunk longer than its size', `${head}Transfer-Encoding: chunked\r\n\r\n2\r\n{"a"\r\n0\r\n\r\n`, 400],
    ['a chunk size of 20 digits', `${head}Transfer-Encoding: chunked\r\n\r\nfffffffffffffffffffff\r\n`, 400],
    ['chunks in HTTP/1.0', 'POST /v1/messages HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n', 400],
    ['10 GB announced', `${head}Content-Length: 10737418240\r\n\r\n`, 413],
    [
      'chunks above the limit',
      `${head}Transfer-Encoding: chunked\r\n\r\n11000\r\n${' '.repeat(0x11000)}\r\n`,
      413,
    ],
    [
      'another transfer coding',
      `${head}Transfer-Encoding: gzip, chunked\r\nConnection: close\r\n\r\n0\r\n\r\n`,
      501,
    ],
    ['an expectation that is none', `${head}${length}Expect: magic\r\n\r\n${MESSAGE}`, 417],
    ['half a head (408 after its time)', 'GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-', 408],
    ['half a body (408 after its time)', `${head}${length}\r\n${MESSAGE.slice(0, 10)}`, 408],
  ])('%s', async (_, text, status) => {
    const answer = await sendRaw(world.gateway, text)
    expect(answer.status).toBe(status)
    expect(0x11000).toBeGreaterThan(BODY_LIMIT)
    expectNoLeak(world, answer)
  })

  test('a second request smuggled behind a refused one is not answered', async () => {
    const inner = `GET /admin/v1/status HTTP/1.1\r\nHost: localhost\r\nAuthorization: ${ADMIN.authorization}\r\n\r\n`
    const outer = `${head}Content-Length: ${inner.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`
    const answer = await sendRaw(world.gateway, outer, { toClose: true })
    expect(answer.status).toBe(400)
    expect(answer.body).not.toMatch(/HTTP\/1\.1 2|"generation"/u)
  })

  test('a caller who goes away in the middle leaves nothing behind', async () => {
    const left = connect(world.gateway.port, '127.0.0.1')
    left.write(`${head}Content-Length: ${MESSAGE.length}\r\n\r\n${MESSAGE.slice(0, -1)}`)
    await until(() => left.bytesWritten > head.length || undefined)
    left.resetAndDestroy()
  })
})
