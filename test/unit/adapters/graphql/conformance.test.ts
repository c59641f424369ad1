// The GraphQL adapter under the suites every adapter passes.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { createSchema, createYoga } from 'graphql-yoga'
import { afterAll } from 'vitest'

import { testBackend, testChannel } from 'dragoman/testing'

import graphql from '../../../../adapters/graphql/index.ts'

const ask = (query: string, variables: object = {}): { readonly body: Uint8Array } => ({
  body: new TextEncoder().encode(JSON.stringify({ query, variables })),
})
const json = { 'content-type': 'application/json' }

testChannel('graphql, a message', {
  adapter: graphql,
  config: { path: '/graphql' },
  request: {
    path: '/graphql',
    headers: json,
    ...ask('mutation($t: String) { sendMessage(sender: {id: "ann"}, text: $t) { id } }', { t: 'hello' }),
  },
  draft: {
    kind: 'message',
    type: 'text',
    sender: { id: 'ann', role: 'customer' },
    parts: [{ kind: 'text', text: 'hello' }],
  },
  reply: { origin: 'agent', parts: [{ kind: 'text', text: 'hi' }] },
})

testChannel('graphql, a request', {
  adapter: graphql,
  config: {},
  operations: { GetOrder: { kind: 'request' } },
  request: {
    path: '/graphql',
    headers: { ...json, 'idempotency-key': 'k-1' },
    ...ask('mutation { request(operation: "GetOrder", params: {orderNo: "000777", total: 1.10}) { data } }'),
  },
  draft: {
    kind: 'request',
    type: 'GetOrder',
    externalId: 'k-1',
    data: { orderNo: '000777', total: '1.10' },
  },
  reply: { origin: 'backend', data: { orderNo: '000777' } },
})

const yoga = createYoga({
  logging: false,
  schema: createSchema({
    typeDefs: /* GraphQL */ `
      type Query {
        order(no: ID!): Order
      }
      type Order {
        no: ID!
        total: String
      }
    `,
    resolvers: { Query: { order: (_: unknown, { no }: { no: string }) => ({ no, total: '1.10' }) } },
  }),
})
const server = createServer((request, response) => void yoga(request, response))
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
const { port } = server.address() as AddressInfo // it listens on TCP
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
})

testBackend('graphql', {
  adapter: graphql,
  config: {
    url: `http://127.0.0.1:${port}/graphql`,
    operations: {
      GetOrder: { document: 'query($orderNo: ID!) { order(no: $orderNo) { no total } }', result: 'order' },
    },
  },
  calls: [
    {
      operation: 'GetOrder',
      params: { orderNo: '000777' },
      answer: { data: { no: '000777', total: '1.10' } },
    },
  ],
})
