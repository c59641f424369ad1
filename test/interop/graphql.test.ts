// Clients nobody here wrote (graphql-request, urql, graphql-ws, curl) before the gateway, a graphql-yoga server nobody here set up behind it.
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { get } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'

import { Client, cacheExchange, fetchExchange, subscriptionExchange } from '@urql/core'
import { GraphQLClient } from 'graphql-request'
import { createClient } from 'graphql-ws'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { startBot } from '../support/bot.ts'
import type { Bot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { IDENTITY_YAML, tokenOf } from '../support/token.ts'

const schema = /* GraphQL */ `
  scalar Long
  type Line {
    sku: ID!
    quantity: Int!
  }
  type Order {
    orderNo: ID!
    id: Long
    total: Float
    customer: String
    lines: [Line!]
  }
  input LineInput {
    sku: ID!
    quantity: Int!
    price: Float
  }
  type Ticket {
    id: ID!
    reply: Reply
  }
  type Reply {
    text: String
  }
  type Query {
    order(no: ID!): Order
    points(no: ID!): Order
    slow: String
  }
  type Mutation {
    create(customer: String!, lines: [LineInput!]!): Order
    ask(customer: ID!, text: String!): Ticket
  }
`

const yaml = (): string => `
channels:
  app: { adapter: graphql }
  shop:
    adapter: graphql
    path: /shop/graphql
    schema: ./shop.graphql
    operations:
      order: { kind: request }
      points: { kind: request }
      slow: { kind: request }
      create: { kind: request }
      ask: { kind: message, sender: customer, text: text }
backends:
  business:
    adapter: graphql
    url: ${url}
    timeout: 10s
    operations:
      order:
        document: |
          query($no: ID!) { order(no: $no) { orderNo id total customer lines { sku quantity } } }
        result: order
        faults: [NO_SUCH_ORDER]
      points: { document: "query($no: ID!) { order(no: $no) { orderNo points } }", result: order, errors: partial }
      slow: { document: "{ slow }", result: slow, timeout: 1s }
      create:
        document: "mutation($customer: String!, $lines: [LineInput!]!) { create(customer: $customer, lines: $lines) { orderNo id total customer lines { sku quantity } } }"
        result: create
agents:
  bot: { adapter: webhook, url: ${bot.url} }
routes:
  - { when: "kind = 'request'", backend: business }
  - { agent: bot }
`

let business: ChildProcess
let gateway: GatewayProcess
let url = ''
let bot: Bot
beforeAll(async () => {
  bot = await startBot(() => ({ body: { text: 'Thank you.' } }))
  business = spawn(process.execPath, [join(import.meta.dirname, 'graphql-server.ts')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const { stdout } = business
  if (stdout === null) throw new TypeError('stdout is a pipe')
  const port = await new Promise<string>((told) => createInterface({ input: stdout }).once('line', told))
  url = `http://127.0.0.1:${port}/graphql`
  gateway = await startGateway({ yaml: yaml(), files: { 'shop.graphql': schema } })
})
afterAll(async () => {
  business.kill('SIGTERM')
  await bot[Symbol.asyncDispose]()
  await gateway[Symbol.asyncDispose]()
})

const order = {
  orderNo: '000777',
  id: '9007199254740993',
  total: 1.1,
  customer: '王小明 <&>',
  lines: [
    { sku: '0012', quantity: 1 },
    { sku: '1e5', quantity: 10 },
  ],
}
const ORDER = 'query Order($no: ID!) { order(no: $no) { orderNo id total customer lines { sku quantity } } }'

describe('graphql-request', () => {
  test('an existing client keeps its query: schema first, through to a GraphQL server and back', async () => {
    const client = new GraphQLClient(`${gateway.base}/shop/graphql`)
    expect(await client.request(ORDER, { no: '000777' })).toEqual({ order })
  })

  test('the digits are those the business system wrote, number or text', async () => {
    let text = ''
    const client = new GraphQLClient(`${gateway.base}/shop/graphql`, {
      responseMiddleware: (response) => {
        if ('body' in response && typeof response.body === 'string') text = response.body
      },
    })
    await client.request(ORDER, { no: '000777' })
    expect(text).toContain('"id":"9007199254740993","total":1.10,')
  })

  test('a mutation with input objects is executed once per key', async () => {
    const client = new GraphQLClient(`${gateway.base}/shop/graphql`, {
      headers: { 'idempotency-key': 'order-1' },
    })
    const create =
      'mutation($l: [LineInput!]!) { create(customer: "ann", lines: $l) { orderNo id lines { sku quantity } } }'
    const first = await client.request(create, { l: [{ sku: '0012', quantity: 2, price: 1.5 }] })
    const again = await client.request(create, { l: [{ sku: '0012', quantity: 2, price: 1.5 }] })
    expect(first).toEqual({
      create: { orderNo: '001', id: '9223372036854775808', lines: [{ sku: '0012', quantity: 2 }] },
    })
    expect(again).toEqual(first)
  })

  test('a business fault, partial data and a time-out are what they are', async () => {
    const client = new GraphQLClient(`${gateway.base}/shop/graphql`, { errorPolicy: 'all' })
    const fault = await client.rawRequest(ORDER, { no: '1' })
    expect(fault.errors).toMatchObject([
      {
        message: 'there is no order 1',
        extensions: { code: 'NO_SUCH_ORDER', fault: { detail: { no: '1' } } },
      },
    ])
    const partial = await client.rawRequest('{ points(no: "000777") { orderNo } }')
    expect(partial.data).toEqual({ points: { orderNo: '000777' } })
    expect(JSON.stringify(partial.extensions)).toContain('POINTS_AWAY')
    const slow = await client.rawRequest('{ slow }')
    expect(slow.errors).toMatchObject([{ extensions: { code: 'DEADLINE_EXCEEDED', retryable: true } }])
  })

  test('a message is answered by the route, in the schema’s own words', async () => {
    const client = new GraphQLClient(`${gateway.base}/shop/graphql`)
    const asked = await client.request(
      'mutation { ask(customer: "ann", text: "hello") { id reply { text } } }',
    )
    expect(asked).toEqual({ ask: { id: expect.any(String), reply: { text: 'Thank you.' } } })
  })

  test('a batch is answered in its order', async () => {
    const client = new GraphQLClient(`${gateway.base}/graphql`)
    const [one, two] = await client.batchRequests([
      { document: '{ __typename }' },
      {
        document: 'query($p: JSON) { request(operation: "order", params: $p) { data } }',
        variables: { p: { no: '000777' } },
      },
    ])
    expect([one, two]).toMatchObject([
      { data: { __typename: 'Query' } },
      { data: { request: { data: { orderNo: '000777', total: '1.10' } } } },
    ])
  })
})

const SAY =
  'mutation($text: String, $c: ID) { sendMessage(sender: {id: "ann"}, text: $text, conversation: $c) { id sequence } }'
const FOLLOW =
  'subscription($c: ID!, $after: Int) { messages(conversation: $c, after: $after) { sequence direction text } }'

interface Event {
  readonly messages: { readonly sequence: number; readonly direction: string; readonly text: string }
}

test('a document that the server’s own schema does not know is refused at the start', async () => {
  const misspelt = yaml().replaceAll('customer lines {', 'custmer lines {')
  await expect(startGateway({ yaml: misspelt, files: { 'shop.graphql': schema } })).rejects.toThrow(
    /operation \\*"order\\*": Cannot query field \\*"custmer\\*" on type \\*"Order\\*"/u,
  )
})

describe('urql', () => {
  test('queries, mutations and subscriptions over graphql-ws, with its own client and cache', async () => {
    const sockets = createClient({ url: `${gateway.base.replace('http', 'ws')}/graphql` })
    const client = new Client({
      url: `${gateway.base}/graphql`,
      preferGetMethod: false,
      exchanges: [
        cacheExchange,
        fetchExchange,
        subscriptionExchange({
          forwardSubscription: ({ query = '', variables }) => ({
            subscribe: (sink) => ({
              unsubscribe: sockets.subscribe(
                { query, variables: variables ?? {} },
                {
                  next: ({ data }) => sink.next({ data: data ?? null }),
                  error: (error) => sink.error(error),
                  complete: () => sink.complete(),
                },
              ),
            }),
          }),
        }),
      ],
    })
    const c = `urql-${crypto.randomUUID()}`
    const said = await client.mutation(SAY, { text: 'one', c }).toPromise()
    expect(said.error).toBeUndefined()
    const seen: Event['messages'][] = []
    const following = client.subscription<Event>(FOLLOW, { c }).subscribe(({ data }) => {
      if (data !== undefined) seen.push(data.messages)
    })
    await until(() => (seen.length === 2 ? true : undefined))
    await client.mutation(SAY, { text: 'two', c }).toPromise()
    await until(() => (seen.length === 4 ? true : undefined))
    following.unsubscribe()
    expect(seen.map(({ sequence, text }) => `${sequence} ${text}`)).toEqual([
      '1 one',
      '2 Thank you.',
      '3 two',
      '4 Thank you.',
    ])
    const log = await client
      .query(`{ conversation(id: "${c}", after: 2) { next messages { text } } }`, {})
      .toPromise()
    expect(log.data).toMatchObject({ conversation: { next: 4, messages: [{ text: 'two' }, {}] } })
    await sockets.dispose()
  })
})

describe('graphql-ws, where callers are identified', () => {
  let guarded: GatewayProcess
  beforeAll(async () => {
    guarded = await startGateway({
      yaml: `
${IDENTITY_YAML}
channels: { app: { adapter: graphql }, desk: { adapter: graphql, path: /desk, access: { basic: { user: u, password: p } } } }
agents: { bot: { adapter: webhook, url: ${bot.url} } }
routes: [ { agent: bot } ]
`,
    })
    const headers = { authorization: `Bearer ${await tokenOf('ann')}` }
    await new GraphQLClient(`${guarded.base}/graphql`, { headers }).request(
      'mutation { sendMessage(text: "hello") { conversation } }',
    )
  })
  afterAll(() => guarded[Symbol.asyncDispose]())

  /** Gives the first event's text, or the code that the socket is closed with. */
  async function follow(connectionParams?: Record<string, unknown>): Promise<string | number> {
    const client = createClient({
      url: `${guarded.base.replace('http', 'ws')}/graphql`,
      retryAttempts: 0,
      ...(connectionParams !== undefined && { connectionParams }),
    })
    try {
      const events = client.iterate<Event>({ query: FOLLOW, variables: { c: 'link:ann' } })
      for await (const { data, errors } of events)
        return data?.messages.text ?? String(errors?.[0]?.extensions?.['code'])
      return 'nothing'
    } catch (error) {
      return (error as CloseEvent).code // what graphql-ws throws
    } finally {
      await client.dispose()
    }
  }

  test('a token in connectionParams is all it takes, as browsers need it', async () => {
    expect(await follow({ authorization: `Bearer ${await tokenOf('ann')}` })).toBe('hello')
  })

  test("another's token does not read her conversation", async () => {
    expect(await follow({ authorization: `Bearer ${await tokenOf('bob')}` })).toBe('FORBIDDEN')
  })

  test.each([
    ['a wrong token', { authorization: 'Bearer wrong' }],
    ['another word', { authorization: 'Basic dTpw' }],
    ['no token', {}],
    ['no connectionParams', undefined],
  ])('%s is closed with 4403 Forbidden (graphql-transport-ws, ConnectionInit)', async (_what, params) => {
    expect(await follow(params)).toBe(4403)
  })

  test('who says nothing is closed with 4408 soon, and who subscribes before he is known with 4401', async () => {
    const address = `${guarded.base.replace('http', 'ws')}/graphql`
    const closed = async (first?: string): Promise<unknown> => {
      const socket = new WebSocket(address, 'graphql-transport-ws')
      socket.addEventListener('open', () => first !== undefined && socket.send(first))
      const { promise, resolve } = Promise.withResolvers<number>()
      socket.addEventListener('close', ({ code }) => resolve(code))
      return promise
    }
    const subscribe = JSON.stringify({ id: '1', type: 'subscribe', payload: { query: '{ __typename }' } })
    expect(await Promise.all([closed(), closed(subscribe)])).toEqual([4408, 4401])
  })

  test.each([
    ['a wrong credential in the handshake', '/graphql', { authorization: 'Bearer wrong' }],
    ['none, where access wants a name and a password', '/desk', {}],
  ])('%s is 401 before the upgrade', async (_what, path, headers) => {
    const response = await fetch(`${guarded.base}${path}`, { headers })
    expect(response.status).toBe(401)
    const status = await new Promise((resolve) => {
      const asked = get(`${guarded.base}${path}`, {
        headers: {
          ...headers,
          connection: 'Upgrade',
          upgrade: 'websocket',
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          'sec-websocket-version': '13',
        },
      })
      asked.on('response', ({ statusCode }) => resolve(statusCode))
      asked.on('upgrade', (_response, socket) => {
        socket.destroy()
        resolve(101)
      })
    })
    expect(status).toBe(401)
  })
})

describe('curl', () => {
  const curl = async (...args: readonly string[]): Promise<string> =>
    (await promisify(execFile)('curl', ['-sS', ...args], { timeout: 15_000 })).stdout

  test('a query by GET and one by POST', async () => {
    const asked = `${gateway.base}/shop/graphql?query=${encodeURIComponent('{ order(no: "000777") { total } }')}`
    expect(await curl(asked)).toBe('{"data":{"order":{"total":1.10}}}')
    const body = JSON.stringify({ query: '{ __typename }' })
    expect(await curl(`${gateway.base}/graphql`, '-H', 'content-type: application/json', '-d', body)).toBe(
      '{"data":{"__typename":"Query"}}',
    )
  })

  test('a subscription by GET as an event stream, which ends when curl does', async () => {
    await new GraphQLClient(`${gateway.base}/graphql`).request(SAY, { text: 'hello', c: 'curl' })
    const query = new URLSearchParams({ query: FOLLOW, variables: '{"c":"curl"}' })
    const child = spawn('curl', [
      '-sSN',
      '-H',
      'accept: text/event-stream',
      `${gateway.base}/graphql?${query}`,
    ])
    let text = ''
    child.stdout.on('data', (piece) => (text += String(piece)))
    await until(() => (text.includes('Thank you') ? true : undefined))
    child.kill('SIGTERM')
    expect(text).toContain(
      'event: next\ndata: {"data":{"messages":{"sequence":1,"direction":"inbound","text":"hello"}}}',
    )
  })

  test('a form and a mutation by GET are refused', async () => {
    expect(await curl(`${gateway.base}/graphql`, '-d', 'query={__typename}')).toContain('UNSUPPORTED_MEDIA')
    const query = encodeURIComponent('mutation { publishEvent(type: "a") { id } }')
    expect(await curl(`${gateway.base}/graphql?query=${query}`, '-w', '%{http_code}')).toMatch(
      /METHOD_NOT_ALLOWED.*405$/u,
    )
  })
})
