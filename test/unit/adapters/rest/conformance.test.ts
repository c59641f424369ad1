import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { testBackend, testChannel } from 'dragoman/testing'
import { afterAll } from 'vitest'

import adapter from '../../../../adapters/rest/index.ts'

const server = createServer((request, response) => {
  const found = request.url?.endsWith('/000777') ?? false
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' })
  response.end(
    found ? '{"orderNo":"000777","total":1.10}' : '{"code":"OrderNotFound","title":"no such order"}',
  )
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo // a TCP server has one
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const headers = { 'content-type': 'application/json' }

testChannel('rest, messages', {
  adapter,
  config: {},
  request: { path: '/v1/messages', headers, body: Buffer.from('{"sender":{"id":"ann"},"text":"hello"}') },
  draft: {
    kind: 'message',
    sender: { id: 'ann', role: 'customer' },
    parts: [{ kind: 'text', text: 'hello' }],
  },
  reply: { parts: [{ kind: 'text', text: 'hi' }], origin: 'agent' },
})

testChannel('rest, requests', {
  adapter,
  config: {},
  operations: { GetOrder: { kind: 'request' } },
  request: { path: '/v1/requests/GetOrder', headers, body: Buffer.from('{"orderNo":"000777"}') },
  draft: { kind: 'request', type: 'GetOrder', data: { orderNo: '000777' } },
  reply: { data: { total: '1.10' }, origin: 'backend' },
})

testBackend('rest', {
  adapter,
  config: {
    url: `http://127.0.0.1:${port}`,
    operations: { GetOrder: { method: 'GET', path: '/orders/{orderNo}' } },
  },
  calls: [
    {
      operation: 'GetOrder',
      params: { orderNo: '000777' },
      answer: { data: { orderNo: '000777', total: '1.10' } },
    },
    {
      operation: 'GetOrder',
      params: { orderNo: '1' },
      answer: { fault: { code: 'OrderNotFound', message: 'no such order' } },
    },
  ],
})
