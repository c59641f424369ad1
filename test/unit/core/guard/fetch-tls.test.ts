// TLS as the config says it, and only towards the hosts the config names.
import { once } from 'node:events'
import https from 'node:https'
import net from 'node:net'
import type { TLSSocket } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { createFetch } from '../../../../core/guard/fetch.ts'
import type { GuardedFetch, TlsOptions } from '../../../../core/guard/fetch.ts'
import { authority, clientCert, clientKey, serverCert, serverKey } from './certificates.ts'
import { recorded, serve } from './servers.ts'
import type { TestServer } from './servers.ts'

const made: GuardedFetch[] = []
afterEach(async () => {
  await Promise.all(made.splice(0).map((guarded) => guarded.dispose()))
})

async function get(server: TestServer, tls?: TlsOptions): Promise<string> {
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    tls,
    connections: 5,
    responseLimitBytes: 10_000,
    log: recorded().log,
  })
  made.push(guarded)
  const response = await guarded.fetch(`https://127.0.0.1:${server.port}/`)
  return response.text()
}

const server = (options: https.ServerOptions = {}): https.Server =>
  https.createServer({ cert: serverCert, key: serverKey, ...options })

test('a certificate of the named authority for the named server is taken', async () => {
  await using orders = await serve((response) => response.end('safe'), server())
  expect(await get(orders, { ca: authority, serverName: 'orders.test' })).toBe('safe')
})

test.each([
  ['an unknown authority', { serverName: 'orders.test' }, /self-signed$|no known authority/u, 'tls.ca'],
  ['another name', { ca: authority }, /its certificate is for another host$/u, 'tls.serverName'],
])(
  'a certificate of %s is BACKEND_FAILED before any byte of the request, in words; what to do is for the log',
  async (_what, tls, words, remedy) => {
    await using orders = await serve((response) => response.end('never'), server())
    await expect(get(orders, tls)).rejects.toMatchObject({
      code: 'BACKEND_FAILED',
      notExecuted: true,
      message: expect.stringMatching(words),
      cause: { message: expect.stringContaining(remedy) },
    })
    expect(orders.seen).toEqual([])
  },
)

test('verify: false takes any certificate', async () => {
  await using orders = await serve((response) => response.end('unchecked'), server())
  expect(await get(orders, { verify: false })).toBe('unchecked')
})

test('a server that asks who we are is shown our certificate', async () => {
  const strict = server({ ca: authority, requestCert: true, rejectUnauthorized: true })
  const names: string[] = []
  strict.on('secureConnection', (socket: TLSSocket) => {
    const name = socket.getPeerCertificate().subject?.CN
    names.push(typeof name === 'string' ? name : 'nobody')
  })
  await using orders = await serve((response) => response.end('known'), strict)
  const tls = { ca: authority, serverName: 'orders.test', cert: Buffer.from(clientCert), key: clientKey }
  expect(await get(orders, tls)).toBe('known')
  expect(names).toEqual(['client.test'])
  await expect(get(orders, { ca: authority, serverName: 'orders.test' })).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
  })
})

test('a server that refuses the handshake is BACKEND_FAILED with notExecuted, in words (RFC 5246 §7.2.2)', async () => {
  await using old = await serve(
    (response) => response.end('never'),
    server({ minVersion: 'TLSv1', maxVersion: 'TLSv1.1' }),
  )
  await expect(get(old, { ca: authority, serverName: 'orders.test' })).rejects.toMatchObject({
    notExecuted: true,
    message: 'the GET: cannot connect: it refused the TLS handshake',
    cause: { cause: { code: expect.stringContaining('ALERT') } },
  })
})

test('a server that speaks no TLS is BACKEND_FAILED with notExecuted', async () => {
  await using plain = await serve((response) => response.end('plain'))
  await expect(get(plain)).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    notExecuted: true,
    message: expect.stringContaining('it does not speak TLS there'),
  })
})

test('a server that hangs up during the handshake is BACKEND_FAILED with notExecuted', async () => {
  const rude = net
    .createServer((socket) => socket.once('data', () => socket.destroy()))
    .listen(0, '127.0.0.1')
  await once(rude, 'listening')
  const { port } = rude.address() as net.AddressInfo // it listens on TCP
  const guarded = createFetch({
    allow: ['127.0.0.1'],
    connections: 1,
    responseLimitBytes: 100,
    log: recorded().log,
  })
  made.push(guarded)
  await expect(guarded.fetch(`https://127.0.0.1:${port}/`)).rejects.toMatchObject({
    code: 'BACKEND_FAILED',
    notExecuted: true,
  })
  rude.close()
})
