// The backend against a server by hand that answers byte for byte, so that every digit and every status can be seen.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { buildSchema, graphqlSync } from 'graphql'
import type { Answer, Backend, GatewayError, Json } from 'dragoman'
import { testMessage, testScope } from 'dragoman/testing'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import graphql from '../../../../adapters/graphql/index.ts'

const schema = buildSchema(/* GraphQL */ `
  scalar Decimal
  input LineInput {
    sku: ID!
    count: Int!
    price: Float
    gift: Boolean
  }
  type Order {
    no: ID!
  }
  type Query {
    order(no: ID!): Order
    price(amount: Float, count: Int, exact: Decimal, on: Boolean, name: String): String
  }
  type Mutation {
    create(lines: [LineInput!]!): Order
  }
`)
interface Arrived {
  readonly headers: IncomingHttpHeaders
  readonly text: string
}
let arrived: Arrived[] = []
let next: { status?: number; headers?: Record<string, string | string[]>; text: string } = {
  text: '{"data":{}}',
}
let tellsSchema = true
let isUp = true
let introspected: IncomingHttpHeaders[] = []
let hangs = false
const server = createServer((request, response) => {
  void (async () => {
    const text = (await request.setEncoding('utf8').toArray()).join('')
    if (text.includes('IntrospectionQuery')) {
      introspected.push(request.headers)
      if (!isUp) {
        response.writeHead(503).end()
        return
      }
      const { query } = JSON.parse(text) as { query: string }
      response.writeHead(200, { 'content-type': 'application/json' })
      const told = tellsSchema
        ? graphqlSync({ schema, source: query })
        : { errors: [{ message: 'no introspection' }] }
      response.end(JSON.stringify(told))
      return
    }
    arrived.push({ headers: request.headers, text })
    if (hangs) return
    response.writeHead(next.status ?? 200, { 'content-type': 'application/json', ...next.headers })
    response.end(next.text)
  })()
})
let url = ''
let directory = ''
beforeAll(async () => {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/graphql` // it listens on TCP
  directory = await mkdtemp(join(tmpdir(), 'dragoman-graphql-'))
})
afterAll(async () => {
  server.closeAllConnections()
  await new Promise((resolve) => server.close(resolve))
  await rm(directory, { recursive: true })
})
beforeEach(() => {
  arrived = []
  next = { text: '{"data":{}}' }
  tellsSchema = true
  isUp = true
  introspected = []
  hangs = false
})

const GetOrder = { document: 'query Get($no: ID!) { order(no: $no) { no } }' }

async function start(operations: object, more: object = {}, now = Date.now): Promise<Backend> {
  const component = graphql.backend
  const checked = component?.config['~standard'].validate({ url, operations, ...more })
  if (
    component === undefined ||
    checked === undefined ||
    checked instanceof Promise ||
    checked.issues !== undefined
  )
    throw new Error(JSON.stringify(checked))
  const backend = component.create(checked.value, testScope({ id: 'shop', now }))
  await backend.start?.(new AbortController().signal)
  return backend
}

async function call(
  backend: Backend,
  operation: string,
  params: Json,
  signal = new AbortController().signal,
): Promise<Answer> {
  const message = testMessage({ kind: 'request', type: operation, data: params })
  return backend.call({ operation, params, message, key: 'key-1', attempt: 1 }, signal)
}

const failure = async (answer: Promise<Answer>): Promise<GatewayError> =>
  answer.then(
    () => {
      throw new Error('it was answered')
    },
    (error: unknown) => error as GatewayError, // the contract of Backend.call
  )

describe('what is sent', () => {
  test('only the document’s variables, the trace, and for a mutation the key that stays over retries', async () => {
    await using backend = await start({
      GetOrder,
      Create: { document: 'mutation($lines: [LineInput!]!) { create(lines: $lines) { no } }' },
    })
    expect({ ...backend.operations }).toEqual({
      GetOrder: { safe: true, readsMessage: false },
      Create: { safe: false, readsMessage: false },
    })
    await call(backend, 'GetOrder', { no: '000777', more: 1 })
    await call(backend, 'Create', { lines: [] })
    const [query, mutation] = arrived
    expect(JSON.parse(query?.text ?? '')).toEqual({
      query: GetOrder.document,
      variables: { no: '000777' },
      operationName: 'Get',
    })
    expect(query?.headers['traceparent']).toBe(testMessage().traceparent)
    expect([query?.headers['idempotency-key'], mutation?.headers['idempotency-key']]).toEqual([
      undefined,
      'key-1',
    ])
  })

  test('numerals become the very number they are where the type is Int or Float; other scalars keep their text', async () => {
    await using backend = await start({
      Price: {
        document:
          'query($amount: Float, $count: Int, $exact: Decimal, $on: Boolean, $name: String) { price(amount: $amount, count: $count, exact: $exact, on: $on, name: $name) }',
      },
    })
    await call(backend, 'Price', { amount: '1.10', count: '42', exact: '1.10', on: 'true', name: 7 })
    expect(arrived[0]?.text).toContain(
      '"variables":{"amount":1.10,"count":42,"exact":"1.10","on":true,"name":"7"}',
    )
  })

  test('the fields of input objects are typed by the schema the server tells', async () => {
    await using backend = await start({
      Create: { document: 'mutation($lines: [LineInput!]!) { create(lines: $lines) { no } }' },
    })
    await call(backend, 'Create', { lines: [{ sku: 7, count: '2', price: '1.10', gift: 'false' }] })
    expect(arrived[0]?.text).toContain('[{"sku":"7","count":2,"price":1.10,"gift":false}]')
  })

  test('a server that was down at the start is asked for its schema behind a later call, with the headers of the config', async () => {
    isUp = false
    let now = 0
    await using backend = await start(
      { Create: { document: 'mutation($lines: [LineInput!]!) { create(lines: $lines) { no } }' } },
      { headers: { authorization: "'Bearer x'" } },
      () => now,
    )
    isUp = true
    now += 30_000
    const lines = [{ sku: '7', count: '2' }]
    await expect
      .poll(async () => {
        await call(backend, 'Create', { lines })
        return arrived.at(-1)?.text
      })
      .toContain('[{"sku":"7","count":2}]')
    expect(introspected.map(({ authorization }) => authorization)).toEqual(['Bearer x', 'Bearer x'])
  })

  test('variables and headers by JSONata; a line end in a header is refused before a byte goes out', async () => {
    await using backend = await start(
      { GetOrder: { ...GetOrder, variables: '{ "no": order.number }', headers: { 'x-who': 'who' } } },
      { headers: { authorization: "'Bearer x'" } },
    )
    await call(backend, 'GetOrder', { order: { number: '007' }, who: 'ann' })
    expect(JSON.parse(arrived[0]?.text ?? '')).toMatchObject({ variables: { no: '007' } })
    expect(arrived[0]?.headers).toMatchObject({ authorization: 'Bearer x', 'x-who': 'ann' })
    const error = await failure(call(backend, 'GetOrder', { order: {}, who: 'a\r\nb: c' }))
    expect(error).toMatchObject({ code: 'DECODE_FAILED', notExecuted: true })
    expect(arrived).toHaveLength(1)
  })
})

describe('what comes back', () => {
  test.each(['9007199254740993', '1.10', '1e5', '123456789012345678901234567890'])(
    'the bare number %s stays as it was written',
    async (number) => {
      next = { text: `{"data":{"order":{"id":${number},"__proto__":{"a":1}}}}` }
      await using backend = await start({ GetOrder: { ...GetOrder, result: 'order.id' } })
      expect(await call(backend, 'GetOrder', { no: '1' })).toEqual({ data: number })
    },
  )

  test('without result it is the data; metadata sees the headers, of several cookies each', async () => {
    const headers = { 'x-left': '9', 'set-cookie': ['sid=1; Path=/', 'lang=de'] }
    next = { text: '{"data":{"order":{"no":"1"}}}', headers }
    const metadata = { left: '$headers.`x-left`', cookies: '$headers.`set-cookie`' }
    await using backend = await start({ GetOrder: { ...GetOrder, metadata } })
    expect(await call(backend, 'GetOrder', { no: '1' })).toEqual({
      data: { order: { no: '1' } },
      metadata: { left: '9', cookies: '["sid=1; Path=/","lang=de"]' },
    })
  })

  const partial =
    '{"data":{"order":{"no":"1"}},"errors":[{"message":"no price","path":["order","price"],"extensions":{"code":"X"}}]}'

  test('200 with errors is a failure, with the server’s code for who decides by it', async () => {
    next = { text: partial }
    await using backend = await start({ GetOrder })
    const error = await failure(call(backend, 'GetOrder', { no: '1' }))
    expect(error).toMatchObject({
      code: 'BACKEND_FAILED',
      message: 'shop: GetOrder answered an error: no price',
      detail: { status: 200, code: 'X' },
      notExecuted: false,
    })
  })

  test('with errors: partial it is the data there is, and the errors are in its metadata', async () => {
    next = { text: partial }
    await using backend = await start({ GetOrder: { ...GetOrder, errors: 'partial' } })
    const { data, metadata } = await call(backend, 'GetOrder', { no: '1' })
    expect(data).toEqual({ order: { no: '1' } })
    expect(JSON.parse(metadata?.['graphql:errors'] ?? '')).toEqual([
      { message: 'no price', code: 'X', extensions: { code: 'X' } },
    ])
  })

  test.each([
    '{"data":null,"errors":[{"message":"down"}]}',
    '{"data":{"order":null},"errors":[{"message":"down"}]}',
  ])('nothing but errors is no partial data: %s', async (text) => {
    next = { text }
    await using backend = await start({ GetOrder: { ...GetOrder, errors: 'partial' } })
    expect(await failure(call(backend, 'GetOrder', { no: '1' }))).toMatchObject({ code: 'BACKEND_FAILED' })
  })

  test('a code the config names is a business fault: a valid answer, without the server’s stack', async () => {
    next = {
      text: '{"data":{"order":null},"errors":[{"message":"closed","extensions":{"code":"CLOSED","since":1.10,"stacktrace":["at x"],"trace":"4bf92f35","import":{"file":"a.csv","line":7}}}]}',
    }
    await using backend = await start({ GetOrder: { ...GetOrder, faults: ['CLOSED'] } })
    const detail = { since: '1.10', trace: '4bf92f35', import: { file: 'a.csv', line: 7 } }
    expect(await call(backend, 'GetOrder', { no: '1' })).toEqual({
      fault: { code: 'CLOSED', message: 'closed', detail },
    })
  })

  test.each([
    ['Apollo 4', '"stacktrace":["Error: x","at /srv/a.js:1"]', {}],
    [
      'Apollo 2 and 3',
      '"exception":{"stacktrace":["at /srv/a.js:1"],"errno":7}',
      { exception: { errno: 7 } },
    ],
    ['Hot Chocolate', '"stackTrace":"at Shop.Orders in /srv/Orders.cs"', {}],
    [
      'webonyx or Lighthouse',
      '"errno":7,"debugMessage":"SQLSTATE[42S02]","file":"/srv/app/Orders.php","trace":[{"file":"/srv/a.php","line":1,"call":"f()"}]',
      { line: undefined, errno: 7 },
    ],
    ['graphql-ruby', '"exception":{"backtrace":["/srv/orders.rb:1:in `find\'"]},"empty":{}', { empty: {} }],
  ])(
    'the stack that %s puts into an error goes nowhere, neither with a fault nor with partial data',
    async (_server, member, rest) => {
      next = {
        text: `{"data":{"order":{"no":"1"}},"errors":[{"message":"x","extensions":{"code":"X","line":3,${member}}}]}`,
      }
      await using backend = await start({
        GetOrder: { ...GetOrder, errors: 'partial' },
        Faulty: { ...GetOrder, faults: ['X'] },
      })
      const { metadata } = await call(backend, 'GetOrder', { no: '1' })
      expect(JSON.parse(metadata?.['graphql:errors'] ?? '')).toEqual([
        { message: 'x', code: 'X', extensions: { code: 'X', line: 3, ...rest } },
      ])
      expect(await call(backend, 'Faulty', { no: '1' })).toEqual({
        fault: { code: 'X', message: 'x', detail: { line: 3, ...rest } },
      })
    },
  )

  test.each([
    [500, '{"errors":[{"message":"x"}]}', {}, { notExecuted: false }],
    [
      503,
      'busy',
      { 'retry-after': '3', 'content-type': 'text/plain' },
      { notExecuted: true, retryAfterMs: 3000 },
    ],
    [429, '{}', {}, { notExecuted: true }],
    [401, '{"errors":[{"message":"who"}]}', {}, {}],
    [302, '', { location: 'http://127.0.0.1:1/' }, {}],
    [404, 'nothing here', { 'content-type': 'text/plain' }, {}],
    [200, '<html>', { 'content-type': 'text/html' }, {}],
    [200, '{"nope":1}', {}, {}],
    [200, '{"data":', {}, {}],
  ])('%i %s is BACKEND_FAILED', async (status, text, headers, wanted) => {
    await using backend = await start({ GetOrder: { ...GetOrder, notExecuted: true } })
    next = { status, text, headers }
    expect(await failure(call(backend, 'GetOrder', { no: '1' }))).toMatchObject({
      code: 'BACKEND_FAILED',
      ...wanted,
    })
  })

  test.each([200, 400])(
    '%i with errors and without `data` is the caller’s mistake: a business fault',
    async (status) => {
      await using backend = await start({ GetOrder })
      next = { status, text: '{"errors":[{"message":"Variable \\"$no\\" got invalid value"}]}' }
      expect(await call(backend, 'GetOrder', { no: ['1'] })).toEqual({
        fault: { code: 'REQUEST_ERROR', message: 'Variable "$no" got invalid value' },
      })
    },
  )

  test('an abort ends the call at once with its reason', async () => {
    hangs = true
    await using backend = await start({ GetOrder })
    const aborting = new AbortController()
    const answer = call(backend, 'GetOrder', { no: '1' }, aborting.signal)
    await expect.poll(() => arrived.length).toBe(1)
    aborting.abort(new Error('enough'))
    await expect(answer).rejects.toThrow('enough')
  })

  test('the probe asks for nothing but an answer', async () => {
    await using backend = await start({ GetOrder })
    await backend.probe?.(new AbortController().signal)
    expect(arrived[0]?.text).toContain('{ __typename }')
  })
})

describe('at the start', () => {
  test('a document the server’s schema does not know is refused, with the operation and the reason', async () => {
    await expect(start({ GetOrder: { document: '{ ordr { no } }' } })).rejects.toThrow(
      /the server's schema does not fit: operation "GetOrder": Cannot query field "ordr"/u,
    )
  })

  test('a server that keeps its schema to itself is not checked, nor is one that is away', async () => {
    tellsSchema = false
    await using silent = await start({ GetOrder: { document: '{ anything }' } })
    expect(silent.operations['GetOrder']).toMatchObject({ safe: true })
    await using away = await start({ GetOrder }, { url: 'http://127.0.0.1:1/graphql' })
    expect(away.operations['GetOrder']).toMatchObject({ safe: true })
  })

  test('a document may be a file', async () => {
    const document = join(directory, 'get.graphql')
    await writeFile(document, '# as the client has it\nmutation Go { create(lines: []) { no } }\n')
    await using backend = await start({ Go: { document } })
    expect(backend.operations['Go']).toMatchObject({ safe: false })
    await writeFile(document, 'nope')
    await expect(start({ Go: { document } })).rejects.toThrow(/operation "Go": .*get\.graphql: Syntax Error/u)
  })

  test.each([
    ['a document that is none', { A: { document: '{ a' } }, /this is no GraphQL document: Syntax Error/u],
    [
      'two operations',
      { A: { document: 'query A { a } query B { b }' } },
      /has 2 operations: one is needed/u,
    ],
    ['a subscription', { A: { document: 'subscription { a }' } }, /a subscription has no answer/u],
    ['a name for all', { '*': GetOrder }, /'\*' has no document/u],
    ['no operation', {}, /at least one operation is needed/u],
    ['JSONata that is none', { A: { ...GetOrder, result: '(' } }, /is not JSONata/u],
    ['a header of the transport', { A: { ...GetOrder, headers: { Host: "'x'" } } }, /Invalid key/u],
  ])('the config is refused for %s', (_what, operations, says) => {
    const result = graphql.backend?.config['~standard'].validate({ url, operations })
    if (result === undefined || result instanceof Promise) throw new TypeError('the schema is synchronous')
    expect(result.issues?.map(({ message }) => message).join('\n')).toMatch(says)
  })
})
