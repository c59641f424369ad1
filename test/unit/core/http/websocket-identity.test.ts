// Who speaks on a WebSocket: from the handshake, or from a message where the channel lets its callers identify later; and until when.
import { once } from 'node:events'
import { SignJWT } from 'jose'
import { afterEach, expect, test, vi } from 'vitest'
import type { SocketHandler } from '../../../../core/api.ts'
import { NOBODY } from '../../../../core/http/access.ts'
import { listening, refusal } from './websocket-client.ts'

const SECRET = '0123456789abcdef0123456789abcdef'
const identity = { customers: { secret: SECRET }, keys: { erp: { key: 'key-of-the-erp' } } }
const bearer = (token: string) => ({ headers: { authorization: `Bearer ${token}` } })
const later = { identifiesLater: true }

afterEach(() => {
  vi.useRealTimers()
})

function fakeClock(): void {
  vi.useFakeTimers({ toFake: ['Date', 'setInterval', 'clearInterval'] }) // the network goes on
}

/** A message is who speaks from then on, in JSON. */
const named: SocketHandler = (socket) =>
  socket.onMessage((data) => socket.identified(JSON.parse(String(data)) as never))

test('where callers identify later a handshake without a credential is answered, as nobody', async () => {
  await using ear = await listening({ identity, options: later })
  await ear.client()
  expect(ear.requests[0]?.identity).toEqual({ role: 'customer', id: '' })
  await ear.client('/ws', [], bearer('key-of-the-erp'))
  expect(ear.requests[1]?.identity).toEqual({ role: 'program', id: 'erp' })
})

test.each([
  ['a wrong token', { authorization: 'Bearer wrong' }, undefined],
  ['a name and a password', { authorization: 'Basic dTpw' }, undefined],
  ['none, where access wants a name and a password', {}, { basic: { user: 'u', password: 'p' } }],
])('%s is 401 all the same', async (_what, headers, access) => {
  await using ear = await listening({ identity, options: later, ...(access && { access }) })
  expect((await refusal(`${ear.ws}/ws`, [], { headers })).status).toBe(401)
})

test('an address that may not is 403 all the same, and where access is open nobody has to identify', async () => {
  await using closed = await listening({ identity, options: later, access: { from: ['10.0.0.0/8'] } })
  expect((await refusal(`${closed.ws}/ws`)).status).toBe(403)
  await using open = await listening({ identity, options: later, access: { open: true } })
  await open.client()
  expect(open.requests[0]?.identity).toEqual({ role: 'program', id: 'web' })
})

test('where access is asked about later too, a handshake without a credential for it is answered as nobody; one with a credential is held to access', async () => {
  const access = { basic: { user: 'u', password: 'p' } }
  await using ear = await listening({ options: { identifiesLater: 'access' }, access })
  for (const authorization of [undefined, 'Negotiate x', 'Basic YTpi', 'Basic dTpw'])
    await ear.client('/ws', [], authorization === undefined ? {} : { headers: { authorization } })
  expect(ear.requests.map((request) => request.identity)).toEqual([
    NOBODY,
    NOBODY,
    NOBODY,
    { role: 'program', id: 'u' },
  ])
  expect((await refusal(`${ear.ws}/ws`, [], bearer('made-up'))).status).toBe(401)
})

test('without identity on loopback who shows no credential is the program he is elsewhere (DESIGN §16, Callers)', async () => {
  await using ear = await listening({ options: later })
  await ear.client()
  expect(ear.requests[0]?.identity).toEqual({ role: 'program', id: 'web' })
})

test('who has not identified within 10 s is closed with 1008 and counted; who has stays', async () => {
  fakeClock()
  await using ear = await listening({ identity, options: later, handler: named })
  const mute = await ear.client()
  const known = await ear.client()
  known.send('{"role":"customer","id":"ann"}')
  await vi.waitFor(() => expect(ear.edge.webSockets).toBe(2))
  await new Promise((resolve) => known.once('pong', resolve).ping()) // the message before it was read
  const closed = once(mute, 'close')
  await vi.advanceTimersByTimeAsync(11_000)
  expect((await closed)[0]).toBe(1008)
  expect([known.readyState, ear.refused]).toEqual([known.OPEN, ['credential']])
})

test('of more than 1024 who have not identified the one who has waited longest goes', async () => {
  const http = { maxSockets: 2000, maxSocketsPerAddress: 2000, maxConnections: 2000 }
  await using ear = await listening({ identity, options: later, http, handler: named })
  const known = await ear.client()
  known.send('{"role":"customer","id":"ann"}')
  await new Promise((resolve) => known.once('pong', resolve).ping())
  // They do not answer a close at once.
  const longest = [await ear.client(), await ear.client()]
  for (const client of longest) client.pause()
  for (let n = 0; n < 8; n++) await Promise.all(Array.from({ length: 128 }, () => ear.client()))
  await vi.waitFor(() => expect(ear.refused).toEqual(['sockets', 'sockets']))
  const codes = longest.map(async (client) => {
    client.resume()
    return ((await once(client, 'close')) as [number])[0]
  })
  expect(await Promise.all(codes)).toEqual([1013, 1013])
  expect(known.readyState).toBe(known.OPEN)
})

test.each([
  ['1008', {}, 1008],
  ["the channel's own code", { expiredCode: 4403 }, 4403],
])('when its credential ends a socket is closed with %s', async (_what, options, code) => {
  fakeClock()
  await using ear = await listening({ identity, options })
  const ends = Math.ceil(Date.now() / 1000) + 60
  const token = await new SignJWT({ sub: 'ann', exp: ends })
    .setProtectedHeader({ alg: 'HS256' })
    .sign(new TextEncoder().encode(SECRET))
  const client = await ear.client('/ws', [], bearer(token))
  const forEver = await ear.client('/ws', [], bearer('key-of-the-erp'))
  const closed = once(client, 'close')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(client.readyState).toBe(client.OPEN)
  await vi.advanceTimersByTimeAsync(10_000)
  expect((await closed)[0]).toBe(code)
  expect(forEver.readyState).toBe(forEver.OPEN)
})

test('a credential that comes in a message takes the place of the one before, its end too', async () => {
  fakeClock()
  await using ear = await listening({ identity, options: later, handler: named })
  const client = await ear.client()
  const closed = once(client, 'close')
  client.send(JSON.stringify({ role: 'customer', id: 'ann', until: Date.now() + 60_000 }))
  client.send(JSON.stringify({ role: 'customer', id: 'ann', until: Date.now() + 120_000 }))
  await new Promise((resolve) => client.once('pong', resolve).ping())
  await vi.advanceTimersByTimeAsync(90_000)
  expect(client.readyState).toBe(client.OPEN)
  await vi.advanceTimersByTimeAsync(32_000)
  expect((await closed)[0]).toBe(1008)
})
