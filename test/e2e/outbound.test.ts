// Outbound safety on a whole gateway: whatever callers and business systems write, nothing else is reached, sent or swallowed.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { defineAdapter } from '../../core/api.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { post } from '../support/rest.ts'

interface System extends AsyncDisposable {
  readonly port: number
  readonly seen: IncomingMessage[]
}

/** A business system on a port of its own. */
async function system(answer: (request: IncomingMessage, response: ServerResponse) => void): Promise<System> {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    answer(request, response)
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
const json = (response: ServerResponse, value: unknown, headers = {}): void =>
  void response.writeHead(200, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(value))

const yaml = (port: number, operation: string, more = ''): string => `
channels: { web: { adapter: rest } }
backends:
  orders:
    adapter: rest
    url: http://127.0.0.1:${port}
    retry: { attempts: 1 }
    ${more}
    operations: { Look: ${operation} }
routes: [{ backend: orders }]
`
const look = (house: House, params: object = {}) =>
  post<{ code?: string; detail?: string }>(`${house.base}/v1/requests/Look`, params)

/** A plugin that calls whatever address it is given, with its credential. */
const fetcher = defineAdapter({
  name: 'fetcher',
  apiVersion: 1,
  backend: {
    config: z.strictObject({ hosts: z.array(z.string()).optional() }),
    create: (_config, scope) => ({
      operations: { Fetch: { safe: true } },
      async call({ params }, signal) {
        const { url } = params as { url: string } // the test sends one
        const headers = { authorization: 'Bearer of-orders', 'x-key': 'k', accept: 'text/plain' }
        const response = await scope.fetch(url, { signal, headers })
        return { data: await response.text() }
      },
      async [Symbol.asyncDispose]() {},
    }),
  },
})

test('an address that a caller computes is public or refused, however it is written', async () => {
  await using secret = await system((_request, response) => json(response, {}))
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
backends: { any: { adapter: fetcher, retry: { attempts: 1 }, breaker: { minimumCalls: 1000 } } }
routes: [{ backend: any }]
`,
    adapters: [fetcher],
  })
  const { port } = secret
  for (const url of [
    `http://127.0.0.1:${port}/`,
    `http://localhost:${port}/`,
    `http://[::1]:${port}/`,
    `http://[::ffff:127.0.0.1]:${port}/`,
    `http://2130706433:${port}/`,
    `http://0x7f.1:${port}/`,
    `http://0:${port}/`,
    'http://169.254.169.254/latest/meta-data/',
    'file:///etc/passwd',
  ]) {
    const { status, body } = await post<{ code: string }>(`${house.base}/v1/requests/Fetch`, { url })
    expect([url, status, body.code]).toEqual([url, 403, 'FORBIDDEN'])
  }
  expect(secret.seen).toEqual([])
})

test('a gzip bomb, an answer without end and one that is too long end at the limit, in words', async () => {
  const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))
  await using orders = await system((request, response) => {
    if (request.url === '/bomb')
      return void response
        .writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' })
        .end(bomb)
    response.writeHead(200, { 'content-type': 'application/json' })
    const more = (): void => {
      while (!response.destroyed && response.write('x'.repeat(65_536)));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  })
  await using house = await openHouse({
    yaml: yaml(orders.port, '{ method: GET, path: "/{what}", safe: true }', 'responseLimit: 256kb'),
  })
  const before = process.memoryUsage.rss()
  for (let n = 0; n < 5; n += 1) {
    const bombed = await look(house, { what: 'bomb' })
    expect([bombed.status, bombed.body.code]).toEqual([502, 'BACKEND_FAILED'])
    expect(bombed.body.detail).toContain('larger than 262144 bytes when decoded')
    const endless = await look(house, { what: 'endless' })
    expect(endless.body.detail).toContain('larger than 262144 bytes')
  }
  expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 1024 * 1024)
})

test('what callers write stays in its place: no header is added, no other path is reached', async () => {
  await using orders = await system((_request, response) => json(response, { ok: true }))
  await using house = await openHouse({
    yaml: yaml(orders.port, '{ method: GET, path: "/orders/{no}/lines", headers: { x-no: no }, safe: true }'),
  })
  const injected = await look(house, { no: '1\r\nX-Admin: yes' })
  expect(injected.status).toBeGreaterThanOrEqual(400)
  const climbing = await look(house, { no: '..' })
  expect([climbing.status, climbing.body.code]).toEqual([400, 'DECODE_FAILED'])
  expect(orders.seen).toEqual([])
  for (const no of ['../../admin', '%2e%2e', '1?x=y', '1#z', 'a/b']) await look(house, { no })
  expect(orders.seen.every(({ url }) => /^\/orders\/[^/?#]+\/lines$/u.test(url ?? ''))).toBe(true)
  expect(orders.seen).toHaveLength(5)
})

test('each hop of a redirect is looked at, and no credential goes along to another host', async () => {
  await using other = await system((_request, response) => json(response, { ok: true }))
  await using orders = await system((_request, response) =>
    response.writeHead(307, { location: `http://127.0.0.1:${other.port}/` }).end(),
  )
  const first = `http://127.0.0.1:${orders.port}/`
  const withHosts = (hosts: readonly string[]): string => `
channels: { web: { adapter: rest } }
backends: { any: { adapter: fetcher, retry: { attempts: 1 }, hosts: ${JSON.stringify(hosts)} } }
routes: [{ backend: any }]
`
  await using house = await openHouse({ yaml: withHosts([first]), adapters: [fetcher] })
  const fetched = () => post<{ code: string }>(`${house.base}/v1/requests/Fetch`, { url: first })
  const refused = await fetched()
  expect([refused.status, refused.body.code, other.seen.length]).toEqual([403, 'FORBIDDEN', 0])
  await house.reload(withHosts([first, `http://127.0.0.1:${other.port}/`]))
  expect((await fetched()).status).toBe(200)
  expect(orders.seen[0]?.headers.authorization).toBe('Bearer of-orders')
  const [seen] = other.seen
  expect([seen?.headers.authorization, seen?.headers['x-key'], seen?.headers.accept]).toEqual([
    undefined,
    undefined,
    'text/plain',
  ])
})
