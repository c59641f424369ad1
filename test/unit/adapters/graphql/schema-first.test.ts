// Schema first: an existing client keeps its queries, and the root fields are the operations.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ChannelOperation, HttpResponse } from 'dragoman'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { JSON_TYPE, bytes, growingLog, readAnswer, trial } from './trial.ts'
import type { TrialOptions } from './trial.ts'

const sdl = /* GraphQL */ `
  scalar JSON
  interface Item {
    sku: String!
  }
  type Product implements Item {
    sku: String!
    price: String
  }
  type Voucher implements Item {
    sku: String!
    code: String
  }
  union Thing = Product | Voucher
  enum State {
    OPEN
    PAID
  }
  input LineInput {
    sku: String!
    count: Int = 1
  }
  type Order {
    no: ID!
    state: State
    items(first: Int): [Item!]
    tags: [String!]!
    thing: Thing
    note: JSON
  }
  type Ticket {
    id: ID!
    sequence: Int
    reply: TicketReply
  }
  type TicketReply {
    text: String
  }
  type Payment {
    id: ID
    amount: Float
    duplicate: Boolean
  }
  type Refund {
    id: ID
    status: String
  }
  type Shipment {
    no: ID!
    status: String
  }
  type Query {
    order(no: ID!): Order
    orders(no: [ID!]!, limit: Int): [Order!]!
    greeting: String
  }
  type Mutation {
    createOrder(lines: [LineInput!]!, state: State): Order
    submitTicket(customer: ID!, text: String!): Ticket
    reportPaid(no: ID!): Boolean
    reportSent(no: ID!): ID
    pay(amount: Float): Payment
    payId: ID
    payOk: Boolean
    payCount: Int
    payList: [Payment]
    payNow: Payment!
    refund: Refund
    ship: Shipment
  }
  type Subscription {
    replies(conversation: ID!, after: Int): JSON
    since(conversation: ID, after: ID, tag: String = "x"): JSON
  }
`
let directory = ''
let schema = ''
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'dragoman-graphql-'))
  schema = join(directory, 'app.graphql')
  await writeFile(schema, sdl)
})
afterAll(() => rm(directory, { recursive: true, force: true }))

const answering = (data: unknown): NonNullable<TrialOptions['accept']> => {
  return async () => ({ reply: { origin: 'backend', data: data as never } })
}

describe('requests', () => {
  test('a root field is a request of its own name, its arguments are the parameters', async () => {
    await using channel = await trial({
      config: { schema },
      accept: answering({ no: '000777', state: 'PAID' }),
    })
    const { data } = await channel.ask('query Q($n: ID!) { mine: order(no: $n) { no state } }', {
      n: '000777',
    })
    expect(data).toEqual({ mine: { no: '000777', state: 'PAID' } })
    expect(channel.drafts).toMatchObject([
      { kind: 'request', type: 'order', data: { no: '000777' }, sender: { id: 'app', role: 'system' } },
    ])
  })

  test('input objects, enums and defaults arrive as plain data', async () => {
    await using channel = await trial({ config: { schema }, accept: answering({ no: '1', tags: [] }) })
    await channel.ask(
      'mutation { createOrder(lines: [{sku: "A"}, {sku: "B", count: 2}], state: OPEN) { no } }',
    )
    expect(channel.drafts[0]?.data).toEqual({
      lines: [
        { sku: 'A', count: 1 },
        { sku: 'B', count: 2 },
      ],
      state: 'OPEN',
    })
  })

  test('by GET a field of Query is asked for, but not by a page of another site: its operation may be a write', async () => {
    await using channel = await trial({ config: { schema }, accept: answering('hello') })
    const get = async (headers: Record<string, string>): Promise<unknown> =>
      readAnswer(await channel.send({ method: 'GET', query: 'query=%7Bgreeting%7D', headers }))
    // Basic is added by the browser unasked.
    for (const authorization of [{}, { authorization: 'Basic dTpw' }])
      expect(await get({ 'sec-fetch-site': 'cross-site', ...authorization })).toMatchObject({
        status: 403,
        errors: [{ extensions: { code: 'FORBIDDEN' } }],
      })
    expect(channel.drafts).toEqual([])
    // A token needs leave (CORS preflight).
    const shown = { 'sec-fetch-site': 'cross-site', authorization: 'Bearer a-token' }
    for (const headers of [{}, { 'sec-fetch-site': 'same-origin' }, shown])
      expect(await get(headers)).toMatchObject({ status: 200, data: { greeting: 'hello' } })
  })

  test('list-ness comes from the schema: one item from XML is a list of one', async () => {
    await using channel = await trial({
      config: { schema },
      accept: answering({ no: '1', tags: 'a', items: { '@type': 'Product', sku: 'A', price: '1.10' } }),
    })
    const { data } = await channel.ask('{ order(no: "1") { tags items { sku ... on Product { price } } } }')
    expect(data).toEqual({ order: { tags: ['a'], items: [{ sku: 'A', price: '1.10' }] } })
  })

  test('a union is told apart by __typename, and one that does not say is an error at its place', async () => {
    await using channel = await trial({
      config: { schema },
      accept: async ({ data }) => ({
        reply: {
          origin: 'backend',
          data: {
            no: '1',
            thing: { ...((data as { no: string }).no === '1' && { __typename: 'Voucher' }), code: 'X' },
          },
        },
      }),
    })
    const query = (no: string): string => `{ order(no: "${no}") { thing { ... on Voucher { code } } } }`
    expect((await channel.ask(query('1'))).data).toEqual({ order: { thing: { code: 'X' } } })
    expect((await channel.ask(query('2'))).errors).toMatchObject([
      {
        message: 'the answer does not say its type: a member __typename is needed',
        path: ['order', 'thing'],
        extensions: { code: 'ENCODE_FAILED' },
      },
    ])
  })

  test('an argument below the root would be ignored, so it is refused', async () => {
    await using channel = await trial({ config: { schema }, accept: answering({ no: '1', items: [] }) })
    const { errors } = await channel.ask('{ order(no: "1") { items(first: 2) { sku } } }')
    expect(errors).toMatchObject([
      { message: expect.stringMatching(/Order\.items takes no arguments here/u), path: ['order', 'items'] },
    ])
  })

  test('an agent’s answer is its text', async () => {
    await using channel = await trial({
      config: { schema },
      accept: async () => ({ reply: { origin: 'agent', parts: [{ kind: 'text', text: 'good day' }] } }),
    })
    expect((await channel.ask('{ greeting }')).data).toEqual({ greeting: 'good day' })
  })

  test('stale answers and faults are said in extensions, by response key', async () => {
    const fault = { code: 'GONE', message: 'no such order' }
    await using channel = await trial({
      config: { schema },
      accept: async ({ data }) =>
        (data as { no: string }).no === '1'
          ? { reply: { origin: 'cache', stale: true, asOf: '2026-01-01T00:00:00Z', data: { no: '1' } } }
          : { reply: { origin: 'backend', fault } },
    })
    const { data, errors, extensions } = await channel.ask(
      '{ a: order(no: "1") { no } b: order(no: "2") { no } }',
    )
    expect(data).toEqual({ a: { no: '1' }, b: null })
    expect(errors).toMatchObject([{ path: ['b'], extensions: { code: 'GONE', fault } }])
    expect(extensions).toMatchObject({
      stale: true,
      asOf: '2026-01-01T00:00:00Z',
      answers: { a: { stale: true }, b: { fault } },
    })
  })
})

describe('a write that is stored until its business system is back (DESIGN §7: 202 and a status) is never told as done', () => {
  const status = 'http://127.0.0.1/v1/status/m1?token=t'
  const queued: TrialOptions = { accept: async () => ({ id: 'm1', sequence: 7, status }) }
  const said = { queued: true, id: 'm1', status }

  test.each([
    'payId',
    'payOk',
    'payCount',
    'pay { id amount duplicate }',
    'payList { id }',
    'ship { no status }',
    'refund { id status }',
  ])('%s is null, and extensions say that it is queued', async (field) => {
    await using channel = await trial({ ...queued, config: { schema } })
    const { data, errors, extensions } = await channel.ask(`mutation { a: ${field} }`)
    expect({ data, errors, extensions }).toEqual({ data: { a: null }, extensions: { answers: { a: said } } })
  })

  test('a type that may not be null is an error of its own code, with id and status, that is not to be sent again', async () => {
    await using channel = await trial({ ...queued, config: { schema } })
    const { data, errors, extensions } = await channel.ask('mutation { payNow { id } }')
    expect(data).toBeNull()
    expect(errors).toMatchObject([
      { path: ['payNow'], extensions: { code: 'QUEUED', retryable: false, id: 'm1', status } },
    ])
    expect(extensions).toEqual({ answers: { payNow: said } })
  })

  test('one that is stored without an address to ask at is no answer either', async () => {
    await using channel = await trial({ config: { schema } })
    const { data, extensions } = await channel.ask('mutation { payOk refund { status } }')
    expect(data).toEqual({ payOk: null, refund: null })
    expect(extensions).toEqual({
      answers: { payOk: { queued: true, id: 'm1' }, refund: { queued: true, id: 'm2' } },
    })
  })
})

describe('messages and events by the channel’s operations', () => {
  const operations: Readonly<Record<string, ChannelOperation>> = {
    submitTicket: { kind: 'message' },
    reportPaid: { kind: 'event' },
    reportSent: { kind: 'event' },
  }

  test('what became of them is said as the field’s type can: an object, true, or the id', async () => {
    await using channel = await trial({ config: { schema }, operations })
    const { data } = await channel.ask(
      'mutation { submitTicket(customer: "ann", text: "help") { id sequence } reportPaid(no: "1") reportSent(no: "2") }',
    )
    expect(data).toEqual({ submitTicket: { id: 'm1', sequence: 1 }, reportPaid: true, reportSent: 'm3' })
    expect(channel.drafts.map(({ kind, type }) => `${kind} ${type}`)).toEqual([
      'message submitTicket',
      'event reportPaid',
      'event reportSent',
    ])
  })

  test('the reply is waited for where it is selected, also by a fragment, and only there', async () => {
    const waited: unknown[] = []
    await using channel = await trial({
      config: { schema, waitMs: 700 },
      operations,
      accept: async (_draft, options) => {
        waited.push(options?.waitMs)
        return { reply: { origin: 'agent', parts: [{ kind: 'text', text: 'hi' }] } }
      },
    })
    const { data } = await channel.ask(
      'mutation { submitTicket(customer: "a", text: "b") { ...T } } fragment T on Ticket { reply { text } }',
    )
    await channel.ask('mutation { submitTicket(customer: "a", text: "b") { id } }')
    expect(data).toEqual({ submitTicket: { reply: { text: 'hi' } } })
    expect(waited).toEqual([700, undefined])
  })

  test('a field the channel’s operations do not name is closed (NO_ROUTE)', async () => {
    await using channel = await trial({ config: { schema }, operations })
    const { errors } = await channel.ask('{ greeting }')
    expect(errors?.[0]?.extensions['code']).toBe('NO_ROUTE')
  })

  test('the log is followed by the schema’s own subscription', async () => {
    const { log, say } = growingLog('c')
    await using channel = await trial({ config: { schema }, log })
    say('one', 'two')
    const peer = channel.connect()
    await peer.say(JSON.stringify({ type: 'connection_init' }))
    await peer.say(
      JSON.stringify({
        id: 's',
        type: 'subscribe',
        payload: { query: 'subscription { replies(conversation: "c", after: 1) }' },
      }),
    )
    await expect
      .poll(() => peer.sent.map((text) => JSON.parse(String(text)) as object).at(1))
      .toMatchObject({ payload: { data: { replies: { sequence: 2, text: 'two' } } } })
    peer.close()
  })
})

describe('a subscription begins where its arguments say, or not at all', () => {
  test.each(['"2"', '2'])('after: %s, declared ID', async (after) => {
    const { log, read, say } = growingLog('c')
    await using channel = await trial({ config: { schema }, log })
    say('one', 'two', 'three')
    const stream = await channel.send({
      headers: { ...JSON_TYPE, accept: 'text/event-stream' },
      body: bytes({ query: `subscription { since(conversation: "c", after: ${after}) }` }),
    })
    expect(stream.headers?.['content-type']).toBe('text/event-stream')
    expect(read[0]).toBe(2)
    if (typeof stream.body === 'object' && !(stream.body instanceof Uint8Array))
      await stream.body[Symbol.asyncIterator]().return?.()
  })

  test.each([
    ['conversation: "c", after: "m2"', 'after is "m2": a sequence number of 0 or more is needed'],
    ['conversation: "c", after: "9007199254740993"', /^after is "9007199254740993"/u],
    ['conversation: "c", tag: "y"', /since: nothing reads the argument tag/u],
    ['after: 1', 'conversation is missing: say whose log is followed'],
  ])('%s is DECODE_FAILED', async (given, message) => {
    const { log, read } = growingLog('c')
    await using channel = await trial({ config: { schema }, log })
    const body = bytes({ query: `subscription { since(${given}) }` })
    const { text } = await readStream(await channel.send({ body }))
    const { errors } = JSON.parse(/\{.*\}/u.exec(text)?.[0] ?? '') as { readonly errors: readonly object[] }
    expect(errors).toMatchObject([
      {
        message: typeof message === 'string' ? message : expect.stringMatching(message),
        extensions: { code: 'DECODE_FAILED' },
      },
    ])
    expect(read).toEqual([])
  })
})

async function readStream({ body = '' }: HttpResponse): Promise<{ readonly text: string }> {
  if (typeof body === 'string') return { text: body }
  if (body instanceof Uint8Array) return { text: new TextDecoder().decode(body) }
  let text = ''
  for await (const piece of body) text += typeof piece === 'string' ? piece : new TextDecoder().decode(piece)
  return { text }
}

describe('a file that does not do is refused at the start, with the place', () => {
  test.each([
    ['syntax', 'type Query {', {}, /bad\.graphql: line 1, column 13: Syntax Error/u],
    ['an unknown type', 'type Query { a: Nope }', {}, /Unknown type "Nope"/u],
    ['no query', 'type Mutation { a: Int }', {}, /Query root type must be provided/u],
    [
      'an operation that is no field',
      'type Query { order: Int }',
      { ordr: { kind: 'request' } },
      /operation "ordr" is no field of Query or Mutation: there are order/u,
    ],
    [
      'a subscription without a conversation',
      'type Query { a: Int } type Subscription { replies(id: ID): String }',
      {},
      /the subscription "replies" needs the argument conversation/u,
    ],
    [
      'a place in the log that cannot be read',
      'type Query { a: Int } type Subscription { replies(conversation: ID!, after: Boolean): String }',
      {},
      /the argument after of the subscription "replies" is Boolean: a number or a text is needed/u,
    ],
    [
      'a conversation that cannot be read',
      'type Query { a: Int } type Subscription { replies(conversation: [ID!]): String }',
      {},
      /the argument conversation of the subscription "replies" is \[ID!\]: a number or a text is needed/u,
    ],
  ] as const)('%s', async (_what, text, operations, says) => {
    const file = join(directory, 'bad.graphql')
    await writeFile(file, text)
    await expect(trial({ config: { schema: file }, operations })).rejects.toThrow(says)
  })

  test('a file that is not there', async () => {
    await expect(trial({ config: { schema: join(directory, 'nope.graphql') } })).rejects.toThrow(/ENOENT/u)
  })
})
