// Where the guarded fetch goes on other people's word: redirects, credentials, private addresses.
import { readFile } from 'node:fs/promises'
import { createServer as createSecureServer } from 'node:https'
import { afterEach, expect, test } from 'vitest'
import { createFetch } from '../../../../core/guard/fetch.ts'
import type { GuardedFetch, TlsOptions } from '../../../../core/guard/fetch.ts'
import { makeCertificate } from '../../../support/certificate.ts'
import { recorded, serve } from './servers.ts'

const made: GuardedFetch[] = []
afterEach(async () => {
  await Promise.all(made.splice(0).map((guarded) => guarded.dispose()))
})

function guardedFetch(allow: readonly string[], log = recorded().log, tls?: TlsOptions): typeof fetch {
  const guarded = createFetch({ allow, tls, connections: 5, responseLimitBytes: 10_000, log })
  made.push(guarded)
  return guarded.fetch
}

test.each([
  ['an address', '127.0.0.1'],
  ['a name', 'localhost'],
  ['a short form', '127.1'],
  ['a decimal', '2130706433'],
  ['a hexadecimal', '0x7f000001'],
  ['an octal', '0177.0.0.1'],
  ['the unspecified address', '0.0.0.0'],
  ['IPv6', '[::1]'],
  ['IPv4 in IPv6', '[::ffff:127.0.0.1]'],
  ['IPv4 in IPv6, in hexadecimal', '[::ffff:7f00:1]'],
])('an unlisted host that is private is FORBIDDEN and not connected to: %s, %s', async (_what, host) => {
  await using server = await serve((response) => response.end('secret'))
  const { log, lines } = recorded()
  await expect(guardedFetch(['orders.test'], log)(`http://${host}:${server.port}/`)).rejects.toMatchObject({
    code: 'FORBIDDEN',
    notExecuted: true,
  })
  expect(server.connections()).toBe(0)
  expect(lines).toEqual(['warn refused to connect'])
})

test('a host written with its port is allowed on that port alone', async () => {
  await using one = await serve((response) => response.end('one'))
  await using two = await serve((response) => response.end('two'))
  const get = guardedFetch([`127.0.0.1:${one.port}`])
  expect(await (await get(one.origin)).text()).toBe('one')
  await expect(get(two.origin)).rejects.toMatchObject({ code: 'FORBIDDEN' })
  expect(two.connections()).toBe(0)
})

test('hosts are compared as the URL standard writes them', async () => {
  await using server = await serve((response) => response.end('ok'))
  const get = guardedFetch([`LOCALHOST:${server.port}`])
  expect(await (await get(`http://localhost:${server.port}/`)).text()).toBe('ok')
})

test.each([
  'http://169.254.169.254/latest/meta-data',
  'http://localhost:PORT/',
  'http://[::1]:PORT/',
  'http://0x7f.1:PORT/',
])('an allowed host that redirects to %s gets nobody there', async (target) => {
  await using inner = await serve((response) => response.end('secret'))
  await using outer = await serve((response) =>
    response.writeHead(302, { location: target.replace('PORT', String(inner.port)) }).end(),
  )
  const answer = guardedFetch([`127.0.0.1:${outer.port}`])(outer.origin)
  // The first host was asked: nothing is proven about what it did.
  await expect(answer).rejects.toMatchObject({ code: 'FORBIDDEN', notExecuted: false })
  expect(inner.connections()).toBe(0)
})

test('each hop is looked at, not only the first', async () => {
  await using inner = await serve((response) => response.end('secret'))
  await using hops = await serve((response, { path }) => {
    const step = Number(path.slice(1))
    const location = step < 3 ? `/${step + 1}` : `http://localhost:${inner.port}/`
    response.writeHead(307, { location }).end()
  })
  await expect(guardedFetch([`127.0.0.1:${hops.port}`])(`${hops.origin}/0`)).rejects.toMatchObject({
    code: 'FORBIDDEN',
  })
  expect(hops.seen).toHaveLength(4)
  expect(inner.connections()).toBe(0)
})

test.each(['file:///etc/passwd', 'http://user:pass@127.0.0.1/', 'http://', 'gopher://x/'])(
  'a redirect to %s is BACKEND_FAILED',
  async (location) => {
    await using server = await serve((response) => response.writeHead(302, { location }).end())
    await expect(guardedFetch(['127.0.0.1'])(server.origin)).rejects.toMatchObject({ code: 'BACKEND_FAILED' })
  },
)

test('a redirect within the origin keeps everything, one to another keeps only what harms nobody', async () => {
  await using other = await serve((response) => response.end('other'))
  await using first = await serve((response, { path }) => {
    const location = path === '/out' ? `${other.origin}/in` : '/here'
    if (path === '/here') response.end('here')
    else response.writeHead(307, { location }).end()
  })
  const get = guardedFetch(['127.0.0.1'])
  const headers = {
    authorization: 'Bearer geheim',
    cookie: 'sid=1',
    'x-api-key': 'geheim',
    'webhook-signature': 'v1,x',
    'content-type': 'application/json',
    accept: 'application/json',
    soapaction: '"urn:a"',
  }
  const stayed = await get(`${first.origin}/stay`, { method: 'POST', body: '{"a":1}', headers })
  expect([stayed.redirected, stayed.url]).toEqual([true, `${first.origin}/here`])
  expect(first.seen[1]).toMatchObject({ method: 'POST', body: '{"a":1}', headers })
  await get(`${first.origin}/out`, { headers })
  const seen = other.seen[0]
  expect(seen).toMatchObject({ method: 'GET', path: '/in' })
  expect(Object.keys(seen?.headers ?? {}).toSorted()).toEqual(
    ['accept', 'connection', 'content-type', 'host', 'soapaction', 'user-agent'].toSorted(),
  )
})

test.each([
  [307, 'POST'],
  [308, 'POST'],
  [301, 'PUT'],
  [302, 'PATCH'],
])('what a request holds goes to no other origin: %i of a %s is BACKEND_FAILED', async (status, method) => {
  await using other = await serve((response) => response.end('other'))
  await using first = await serve((response) =>
    response.writeHead(status, { location: `${other.origin}/in` }).end(),
  )
  await expect(guardedFetch(['127.0.0.1'])(first.origin, { method, body: 'password' })).rejects.toMatchObject(
    {
      code: 'BACKEND_FAILED',
      message: `the ${method}: redirects what it was sent to another origin, which is not followed`,
      detail: { status },
      notExecuted: false,
    },
  )
  expect([first.seen.length, other.connections()]).toEqual([1, 0])
})

test.each(['GET', 'POST'])('%s: no redirect leads from https to http', async (method) => {
  using files = makeCertificate()
  const [cert, key] = await Promise.all([readFile(files.cert), readFile(files.key)])
  await using plain = await serve((response) => response.end('read by anybody'))
  await using sealed = await serve(
    (response) => response.writeHead(302, { location: `${plain.origin}/in` }).end(),
    createSecureServer({ cert, key }),
  )
  const get = guardedFetch(['127.0.0.1'], recorded().log, { verify: false })
  await expect(get(sealed.origin.replace('http:', 'https:'), { method })).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    message: `the ${method}: redirects from https to http, which is not followed`,
    detail: { status: 302 },
  })
  expect(plain.connections()).toBe(0)
})

test.each([
  [301, 'POST', 'GET'],
  [302, 'POST', 'GET'],
  [303, 'POST', 'GET'],
  [303, 'PUT', 'GET'],
  [301, 'PUT', 'PUT'],
  [302, 'DELETE', 'DELETE'],
  [307, 'POST', 'POST'],
  [308, 'PATCH', 'PATCH'],
])('a redirect %i turns %s into %s (Fetch §4.4)', async (status, method, becomes) => {
  await using server = await serve((response, { path }) => {
    if (path === '/there') response.end()
    else response.writeHead(status, { location: 'there' }).end()
  })
  const headers = { 'content-type': 'text/x' }
  await guardedFetch(['127.0.0.1'])(`${server.origin}/`, { method, headers, body: 'b' })
  const kept = becomes === method
  expect(server.seen[1]).toMatchObject({ method: becomes, body: kept ? 'b' : '' })
  expect(server.seen[1]?.headers['content-type']).toBe(kept ? 'text/x' : undefined)
})

test('five redirects are followed, the sixth is BACKEND_FAILED', async () => {
  await using server = await serve((response, { path }) => {
    const left = Number(path.slice(1))
    if (left === 0) response.end('there')
    else response.writeHead(302, { location: `/${left - 1}` }).end()
  })
  const get = guardedFetch(['127.0.0.1'])
  expect(await (await get(`${server.origin}/5`)).text()).toBe('there')
  await expect(get(`${server.origin}/6`)).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    message: 'the GET: redirects more than 5 times, which is not followed',
  })
})

test("redirect 'manual' hands the redirect out, 'error' makes it BACKEND_FAILED, one without Location is an answer", async () => {
  await using server = await serve((response, { path }) =>
    response.writeHead(302, path === '/to' ? { location: '/x' } : {}).end('moved'),
  )
  const get = guardedFetch(['127.0.0.1'])
  const manual = await get(`${server.origin}/to`, { redirect: 'manual' })
  expect([manual.status, manual.headers.get('location'), manual.redirected]).toEqual([302, '/x', false])
  await expect(get(`${server.origin}/to`, { redirect: 'error' })).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
  })
  expect(await (await get(`${server.origin}/nowhere`)).text()).toBe('moved')
})

test('a host that does not answer after a redirect proves nothing about the first (SEMANTICS 3)', async () => {
  const gone = await serve(() => undefined)
  await gone[Symbol.asyncDispose]()
  await using server = await serve((response) => response.writeHead(307, { location: gone.origin }).end())
  const answer = guardedFetch(['127.0.0.1'])(server.origin, { method: 'DELETE' })
  await expect(answer).rejects.toMatchObject({ code: 'BACKEND_FAILED', notExecuted: false })
})
