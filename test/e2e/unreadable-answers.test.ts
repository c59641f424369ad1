// An answer that came and cannot be read would come again: it is no broken line (SEMANTICS 3, 19).
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { post } from '../support/rest.ts'

const down = (response: ServerResponse): void => void response.writeHead(503).end()
const encoded = (coding: string, body: Uint8Array) => (response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding }).end(body)

async function world() {
  const system = { answer: down, calls: 0 }
  const server = createServer((_request, response) => {
    system.calls += 1
    system.answer(response)
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  const house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
backends:
  orders:
    adapter: rest
    url: http://127.0.0.1:${port}
    responseLimit: 64kb
    retry: { first: 5ms }
    breaker: { minimumCalls: 1000 }
    operations:
      Look: { method: GET, path: /look }
      Order: { method: POST, path: /order, onFailure: queue, queueKey: orderNo, idempotent: true }
routes: [{ backend: orders }]
`,
  })
  return {
    system,
    house,
    async [Symbol.asyncDispose]() {
      await house[Symbol.asyncDispose]()
      server.closeAllConnections()
      server.close()
    },
  }
}

test.each([
  ['a gzip bomb', encoded('gzip', gzipSync(Buffer.alloc(1_000_000)))],
  ['no gzip', encoded('gzip', Buffer.from('{"a":1}'))],
  ['an unknown coding', encoded('zip', Buffer.from('x'))],
  ['too much', encoded('identity', Buffer.alloc(100_000, ' '))],
])('%s halts the key of a queued write and is asked for once', async (_what, answer) => {
  await using it = await world()
  const { house, system } = it
  expect((await post(`${house.base}/v1/requests/Order`, { orderNo: '7' })).status).toBe(202)
  system.answer = answer
  const [letter] = await until(async () => ((await house.dead()).length > 0 ? house.dead() : undefined))
  expect(letter).toMatchObject({ halts: true, failure: { code: 'BACKEND_FAILED' } })

  const before = system.calls
  expect((await post(`${house.base}/v1/requests/Look`, {})).status).toBe(502)
  expect(system.calls).toBe(before + 1)
})
