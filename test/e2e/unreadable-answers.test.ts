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
const page = (response: ServerResponse): void =>
  void response.writeHead(200, { 'content-type': 'text/html' }).end('<html>login</html>')
const encoded = (coding: string, body: Uint8Array) => (response: ServerResponse) =>
  void response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': coding }).end(body)

const WSDL = new URL('../fixtures/soap/wsdl/orders.wsdl', import.meta.url).pathname
const SETTINGS = 'responseLimit: 64kb, retry: { first: 5ms }, breaker: { minimumCalls: 1000 }'
const WRITE = 'idempotent: true, onFailure: queue, queueKey: ticketId'
/** Over REST, SOAP and GraphQL. */
const READS = ['Look', 'WhoAmI', 'Peek']
const WRITES = ['Order', 'GetTicket', 'Put']

async function world() {
  const system = { answer: down, calls: 0 }
  const server = createServer((request, response) => {
    system.calls += 1
    request.resume().on('end', () => system.answer(response))
  }).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  const house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
backends:
  orders: { adapter: rest, url: "http://127.0.0.1:${port}", ${SETTINGS}, operations: { Look: { method: GET, path: /look }, Order: { path: /order, ${WRITE} } } }
  crm: { adapter: soap, wsdl: ${WSDL}, endpoint: "http://127.0.0.1:${port}", ${SETTINGS}, operations: { WhoAmI: { safe: true }, GetTicket: { ${WRITE} } } }
  shop: { adapter: graphql, url: "http://127.0.0.1:${port}", introspection: false, ${SETTINGS}, operations: { Peek: { document: "{ a }" }, Put: { document: "mutation { put }", ${WRITE} } } }
routes:
  - { when: "type in ['Look','Order']", backend: orders }
  - { when: "type in ['WhoAmI','GetTicket']", backend: crm }
  - { backend: shop }
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
  ['a page', page],
])(
  '%s halts the key of a queued write and is asked for once, whatever the backend speaks',
  async (_what, answer) => {
    await using it = await world()
    const { house, system } = it
    const ask = async (operation: string): Promise<number> =>
      (await post(`${house.base}/v1/requests/${operation}`, { ticketId: '7' })).status
    expect(await Promise.all(WRITES.map(ask))).toEqual([202, 202, 202])
    system.answer = answer
    const letters = await until(async () => {
      const dead = await house.dead()
      return dead.length < WRITES.length ? undefined : dead
    })
    const halted = { halts: true, failure: { code: 'BACKEND_FAILED' } }
    expect(letters).toMatchObject([halted, halted, halted])

    const before = system.calls
    expect(await Promise.all(READS.map(ask))).toEqual([502, 502, 502])
    expect(system.calls).toBe(before + READS.length)
  },
)
