// The built-in schema over HTTP: what is handed in, what comes back, and how it is refused.
import { createHash } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { GatewayError, errorTable } from 'dragoman'
import type { ErrorCode } from 'dragoman'
import { describe, expect, test } from 'vitest'

import { JSON_TYPE, bytes, readAnswer, trial } from './trial.ts'

describe('messages and events', () => {
  test('a message has its parts, its own id and the bytes it came in', async () => {
    await using channel = await trial()
    const query = `mutation { sendMessage(
      sender: { id: "ann", name: "Ann", tier: "vip", attributes: { lang: "zh" } }, conversation: "app:7",
      parts: [{ kind: image, text: "[photo]", media: { url: "https://x/1.png", id: null } }, { kind: text, text: "看" }],
      externalId: 4711, clientSequence: 3, priority: high, metadata: { source: "app" }, occurredAt: "2026-01-31T09:00:00Z"
    ) { id conversation sequence duplicate reply { text } } }`
    const { data } = await channel.ask(query)
    expect(data).toEqual({
      sendMessage: { id: 'm1', conversation: 'app:7', sequence: 1, duplicate: false, reply: null },
    })
    expect(channel.drafts).toEqual([
      {
        kind: 'message',
        type: 'image',
        sender: { id: 'ann', name: 'Ann', tier: 'vip', attributes: { lang: 'zh' }, role: 'customer' },
        conversation: 'app:7',
        parts: [
          { kind: 'image', text: '[photo]', media: { url: 'https://x/1.png' } },
          { kind: 'text', text: '看' },
        ],
        externalId: '4711',
        clientSequence: 3,
        priority: 'high',
        metadata: { source: 'app' },
        occurredAt: '2026-01-31T09:00:00Z',
        raw: { mediaType: 'application/json', bytes: bytes({ query }) },
      },
    ])
  })

  test('one long body with many messages is not kept with each of them; a short one is', async () => {
    await using channel = await trial()
    const two =
      'mutation($t: String) { a: sendMessage(sender: {id: "ann"}, text: $t) { id } b: publishEvent(type: "x") { id } }'
    await channel.ask(two, { t: 'short' })
    await channel.ask(two, { t: 'x'.repeat(5000) })
    const alone = 'mutation($t: String) { sendMessage(sender: {id: "ann"}, text: $t) { id } }'
    const long = { query: alone, variables: { t: 'x'.repeat(5000) } }
    await channel.send({ body: bytes([long, long]) })
    await channel.send({ body: bytes(long) })
    const kept = channel.drafts.map(({ raw }) => (raw === undefined ? 'no' : 'yes')).join(' ')
    expect(kept).toBe('yes yes no no no no yes')
  })

  test('a caller who says how long he waits gets the reply', async () => {
    let waited: number | undefined
    await using channel = await trial({
      config: { waitMs: 3000 },
      accept: async (_draft, options) => {
        waited = options?.waitMs
        return { reply: { origin: 'agent', parts: [{ kind: 'text', text: 'hi' }] } }
      },
    })
    const { data } = await channel.ask(
      'mutation { sendMessage(sender: {id: "a"}, text: "hello", waitMs: 60000) { reply { text origin stale } } }',
    )
    expect(data).toEqual({ sendMessage: { reply: { text: 'hi', origin: 'agent', stale: false } } })
    expect(waited).toBe(3000)
  })

  test.each([
    ['nothing said', '{ sender: {id: "a"} }', 'the message says nothing: send text or parts'],
    ['nobody named by a program', '{ text: "a" }', 'sender is missing: say who speaks, sender: {id: "…"}'],
    [
      'text and parts',
      '{ sender: {id: "a"}, text: "a", parts: [{kind: text, text: "b"}] }',
      'the message has both text and parts: send one of them',
    ],
    [
      'metadata that is no texts',
      '{ sender: {id: "a"}, text: "a", metadata: {n: 1} }',
      'metadata is not an object of texts',
    ],
  ])('%s is refused (DECODE_FAILED)', async (_what, args, message) => {
    await using channel = await trial()
    const { data, errors } = await channel.ask(`mutation { sendMessage(${args.slice(1, -1)}) { id } }`)
    expect(data).toEqual({ sendMessage: null })
    expect(errors).toMatchObject([{ message, path: ['sendMessage'], extensions: { code: 'DECODE_FAILED' } }])
    expect(channel.drafts).toEqual([])
  })

  test('a customer speaks for himself, and says nothing that decides about routing', async () => {
    await using channel = await trial()
    const identity = { role: 'customer', id: 'ann' } as const
    await channel.ask('mutation { sendMessage(text: "a") { id } }', {}, { identity })
    expect(channel.drafts[0]?.sender).toEqual({ id: 'ann', role: 'customer' })
    const { errors } = await channel.ask(
      'mutation { sendMessage(sender: {id: "ann", tier: "vip"}, text: "a") { id } }',
      {},
      { identity },
    )
    expect(errors?.[0]?.extensions['code']).toBe('FORBIDDEN')
    expect(channel.drafts).toHaveLength(1)
  })

  test('an event names its customer; the channel’s operation shapes it where it has one', async () => {
    await using channel = await trial({ operations: { 'order.paid': { kind: 'event' } } })
    await channel.ask(
      'mutation { a: publishEvent(type: "order.shipped", subject: "ann", data: {orderNo: "007"}, externalId: "e-1") { id } b: publishEvent(type: "order.paid", data: {n: 1}) { id } }',
    )
    expect(channel.drafts).toMatchObject([
      {
        kind: 'event',
        type: 'order.shipped',
        sender: { id: 'ann', role: 'customer' },
        data: { orderNo: '007' },
        externalId: 'e-1',
      },
      { kind: 'event', type: 'order.paid', sender: { id: 'app', role: 'system' }, data: { n: 1 } },
    ])
  })
})

describe('requests', () => {
  const ask = 'mutation { request(operation: "GetOrder", params: {no: "7"}) { id data stale asOf origin } }'

  test('an operation the channel does not have is refused (NO_ROUTE)', async () => {
    await using channel = await trial({ operations: { GetOrder: { kind: 'request' } } })
    const { errors } = await channel.ask('{ request(operation: "Nope") { data } }')
    expect(errors).toMatchObject([
      { message: 'channel "app" has no operation "Nope": it has GetOrder', extensions: { code: 'NO_ROUTE' } },
    ])
  })

  test('a stale answer is marked in the answer and in extensions, with its moment (DESIGN §7)', async () => {
    const asOf = '2026-01-31T09:00:00.000Z'
    await using channel = await trial({
      accept: async () => ({ reply: { origin: 'cache', stale: true, asOf, data: { no: '7' } } }),
    })
    const { data, extensions } = await channel.ask(ask)
    expect(data).toEqual({ request: { id: 'm1', data: { no: '7' }, stale: true, asOf, origin: 'cache' } })
    expect(extensions).toEqual({
      stale: true,
      asOf,
      answers: { request: { origin: 'cache', stale: true, asOf } },
    })
  })

  test('a stale answer has Age and Cache-Status too, in a batch the oldest one’s (RFC 9111 §5.1, RFC 9211)', async () => {
    const ages = [5000, 60_000]
    await using channel = await trial({
      accept: async () => ({
        reply: { origin: 'cache', stale: true, asOf: new Date(Date.now() - (ages.pop() ?? 0)).toISOString() },
      }),
    })
    const one = { query: '{ request(operation: "A") { data } }' }
    const { headers } = await channel.send({ body: bytes([one, one]) })
    expect(headers?.['cache-status']).toBe('dragoman; hit; detail=stale')
    expect(Number(headers?.['age'])).toBeGreaterThanOrEqual(60)
    const fresh = await channel.send({ body: bytes({ query: '{ __typename }' }) })
    expect(fresh.headers).not.toHaveProperty('age')
    expect(fresh.headers).not.toHaveProperty('cache-status')
  })

  test('an answer from the cache that is fresh, and metadata, are said by response key', async () => {
    await using channel = await trial({
      accept: async ({ data }) => ({
        reply:
          (data as { n: number }).n === 1
            ? { origin: 'cache', data: 1 }
            : { origin: 'backend', data: 2, metadata: { page: '2' } },
      }),
    })
    const { extensions } = await channel.ask(
      '{ a: request(operation: "A", params: {n: 1}) { data } b: request(operation: "A", params: {n: 2}) { data } }',
    )
    expect(extensions).toEqual({
      answers: { a: { origin: 'cache' }, b: { origin: 'backend', metadata: { page: '2' } } },
    })
  })

  test('a business fault is an error with its own code and detail, and a mark in extensions', async () => {
    const fault = { code: 'ORDER_CLOSED', message: 'the order is closed', detail: { since: '2026' } }
    await using channel = await trial({ accept: async () => ({ reply: { origin: 'backend', fault } }) })
    const { status, data, errors, extensions } = await channel.ask(ask)
    expect({ status, data }).toEqual({ status: 200, data: { request: null } })
    expect(errors).toMatchObject([
      { message: 'the order is closed', path: ['request'], extensions: { code: 'ORDER_CLOSED', fault } },
    ])
    expect(extensions).toEqual({ answers: { request: { origin: 'backend', fault } } })
  })

  test('one that is stored for later says so: no origin', async () => {
    await using channel = await trial()
    const { data } = await channel.ask(ask)
    expect(data).toEqual({ request: { id: 'm1', data: null, stale: false, asOf: null, origin: null } })
  })

  test('an Idempotency-Key is the id of the one mutation, with its response key of one of several; queries have none', async () => {
    await using channel = await trial()
    const headers = { ...JSON_TYPE, 'idempotency-key': '"k 1"' }
    await channel.ask('mutation { request(operation: "A") { id } }', {}, { headers })
    await channel.ask(
      'mutation { x: request(operation: "A") { id } y: request(operation: "B", externalId: "own") { id } }',
      {},
      { headers },
    )
    await channel.ask('{ request(operation: "A") { id } }', {}, { headers })
    expect(channel.drafts.map(({ externalId }) => externalId)).toEqual(['k 1', 'k 1:x', 'own', undefined])
    const batch = await readAnswer(
      await channel.send({ headers, body: bytes([{ query: '{ __typename }' }]) }),
    )
    expect(batch.errors?.[0]?.message).toMatch(/an Idempotency-Key names one thing/u)
  })

  test('the caller’s trace is continued (W3C Trace Context §3.2.1)', async () => {
    await using channel = await trial()
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    await channel.ask(ask, {}, { headers: { ...JSON_TYPE, traceparent } })
    expect(channel.drafts[0]?.metadata).toEqual({ traceparent })
  })
})

test.each(Object.keys(errorTable) as ErrorCode[])(
  '%s is an error with that code, its place and whether to come again; no status of our own, no word of our insides',
  async (code) => {
    await using channel = await trial({
      accept: () =>
        Promise.reject(
          new GatewayError(code, 'refused', {
            cause: new Error('secret'),
            retryAfterMs: 1500,
            detail: { top: 3 },
          }),
        ),
    })
    const response = await channel.send({
      body: bytes({ query: 'mutation { request(operation: "A") { id } }' }),
    })
    expect(response.headers?.['retry-after']).toBe('2')
    const { status, data, errors, text } = await readAnswer(response)
    expect({ status, data }).toEqual({ status: 200, data: { request: null } })
    expect(errors).toEqual([
      {
        message: 'refused',
        path: ['request'],
        locations: expect.anything(),
        extensions: { code, retryable: errorTable[code].retry, retryAfterMs: 1500, detail: { top: 3 } },
      },
    ])
    expect(text).not.toContain('secret')
  },
)

test('a mistake of ours is logged and tells the caller nothing (INTERNAL)', async () => {
  await using channel = await trial({ accept: () => Promise.reject(new TypeError('secret of ours')) })
  const { errors, text } = await channel.ask('mutation { request(operation: "A") { id } }')
  expect(errors?.[0]?.extensions).toEqual({ code: 'INTERNAL', retryable: false })
  expect(text).not.toContain('secret')
  expect(channel.errors).toHaveLength(1)
})

describe('HTTP (GraphQL over HTTP)', () => {
  test.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/graphql',
    undefined,
  ])('a body of type %s is refused with 415: a page of another site can send such unasked', async (type) => {
    await using channel = await trial()
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type }
    const { status, errors } = await channel.ask('{ __typename }', {}, { headers })
    expect([status, errors?.[0]?.extensions['code']]).toEqual([415, 'UNSUPPORTED_MEDIA'])
  })

  test.each(['application/json; charset=UTF-8', 'application/graphql+json'])(
    'a body of type %s is taken',
    async (type) => {
      await using channel = await trial()
      const { data } = await channel.ask('{ __typename }', {}, { headers: { 'content-type': type } })
      expect(data).toEqual({ __typename: 'Query' })
    },
  )

  test('a query may come by GET, with variables and a name of the operation', async () => {
    await using channel = await trial({
      log: async () => ({ messages: [], next: 7, oldest: 1, truncated: false }),
    })
    const query = new URLSearchParams({
      query: 'query A($id: ID!) { conversation(id: $id) { next } } query B { __typename }',
      operationName: 'A',
      variables: '{"id":12345678901234567890}',
    })
    const answer = await channel.send({ method: 'GET', query: query.toString(), headers: {} })
    expect(await readAnswer(answer)).toMatchObject({ status: 200, data: { conversation: { next: 7 } } })
  })

  test.each(['query=%7B%20conversation(id%3A%20%22%FF%22)%20%7B%20next%20%7D%20%7D', 'query=%zz'])(
    'a query string that is no UTF-8 is refused, not mended: %s',
    async (query) => {
      await using channel = await trial()
      const answer = await readAnswer(await channel.send({ method: 'GET', query, headers: {} }))
      expect(answer).toMatchObject({ status: 400, errors: [{ extensions: { code: 'DECODE_FAILED' } }] })
    },
  )

  test('a body that is no UTF-8 is refused (RFC 8259 §8.1)', async () => {
    await using channel = await trial()
    const body = new Uint8Array([...bytes('{"query":"{ a(b: \\"'), 0xc3, 0x28, ...bytes('\\") }"}')])
    expect(await readAnswer(await channel.send({ body }))).toMatchObject({
      status: 400,
      errors: [{ message: expect.stringContaining('UTF-8'), extensions: { code: 'DECODE_FAILED' } }],
    })
  })

  test.each(['text/html', 'application/json;q=0', 'image/*, multipart/mixed'])(
    'who takes only %s is refused before anything is executed (406, RFC 9110 §15.5.7)',
    async (accept) => {
      await using channel = await trial()
      const headers = { ...JSON_TYPE, accept }
      const { status, errors } = await channel.ask(
        'mutation { request(operation: "A") { id } }',
        {},
        { headers },
      )
      expect([status, errors?.[0]?.extensions['code']]).toEqual([406, 'DECODE_FAILED'])
      expect(channel.drafts).toEqual([])
    },
  )

  test('a subscription in a batch is refused: it is a stream of its own', async () => {
    await using channel = await trial()
    const answer = await channel.send({
      body: bytes([
        { query: 'subscription { messages(conversation: "c") { id } }' },
        { query: '{ __typename }' },
      ]),
    })
    expect(JSON.parse(typeof answer.body === 'string' ? answer.body : '')).toMatchObject([
      { errors: [{ message: 'a subscription is a stream of its own: send it without others' }] },
      { data: { __typename: 'Query' } },
    ])
  })

  test('a mutation by GET is 405 and names what is allowed (RFC 9110 §15.5.6)', async () => {
    await using channel = await trial()
    const query = new URLSearchParams({ query: 'mutation { publishEvent(type: "a") { id } }' })
    const answer = await channel.send({ method: 'GET', query: query.toString(), headers: {} })
    expect([answer.status, answer.headers?.['allow']]).toEqual([405, 'POST'])
    expect((await readAnswer(answer)).errors?.[0]?.extensions['code']).toBe('METHOD_NOT_ALLOWED')
    expect(channel.drafts).toEqual([])
  })

  test.each(['PUT', 'DELETE', 'HEAD', 'OPTIONS'])('%s is refused', async (method) => {
    await using channel = await trial()
    const answer = await channel.send({ method })
    expect([answer.status, answer.headers?.['allow']]).toEqual([405, 'GET, POST'])
  })

  test('nothing is served below the path', async () => {
    await using channel = await trial()
    expect((await channel.send({ path: '/graphql/health' })).status).toBe(404)
  })

  test('a document that cannot be read is 200 for application/json and 400 for the newer type (§6.4)', async () => {
    await using channel = await trial()
    const ask = async (accept: string): Promise<number> =>
      (await channel.ask('{ nope', {}, { headers: { ...JSON_TYPE, accept } })).status
    expect(await ask('application/json')).toBe(200)
    expect(await ask('application/graphql-response+json')).toBe(400)
  })

  test('a batch is answered in its order, each with its own mistakes', async () => {
    await using channel = await trial()
    const answer = await channel.send({
      body: bytes([
        { query: '{ __typename }' },
        { query: '{ nope }' },
        { query: 'mutation { request(operation: "A") { id } }' },
      ]),
    })
    expect(JSON.parse(typeof answer.body === 'string' ? answer.body : '')).toMatchObject([
      { data: { __typename: 'Query' } },
      { errors: [{ extensions: { code: 'DECODE_FAILED' } }] },
      { data: { request: { id: 'm1' } } },
    ])
  })

  test.each([
    ['variables that are a list', { query: '{ a }', variables: [] }, 'variables is not an object'],
    ['a query that is a number', { query: 1 }, 'query is not a text'],
    ['no object', 7, 'an operation is an object with the member query'],
    ['an empty batch', [], 'the batch is empty'],
  ])('%s is refused with 400', async (_what, body, message) => {
    await using channel = await trial()
    const { status, errors } = await readAnswer(await channel.send({ body: bytes(body) }))
    expect({ status, message: errors?.[0]?.message }).toEqual({ status: 400, message })
  })
})

describe('persisted documents', () => {
  const query = '{ __typename }'
  const sha256Hash = createHash('sha256').update(query).digest('hex')
  const extensions = { persistedQuery: { version: 1, sha256Hash } }
  const send = async (channel: Awaited<ReturnType<typeof trial>>, body: object) =>
    readAnswer(await channel.send({ body: bytes(body) }))

  test('one that is not known is asked for, registered with its digest, and then known (automatic)', async () => {
    await using channel = await trial()
    const first = await send(channel, { extensions })
    expect(first).toMatchObject({
      status: 200,
      errors: [{ message: 'PersistedQueryNotFound', extensions: { code: 'PERSISTED_QUERY_NOT_FOUND' } }],
    })
    expect((await send(channel, { query, extensions })).data).toEqual({ __typename: 'Query' })
    expect((await send(channel, { extensions })).data).toEqual({ __typename: 'Query' })
  })

  test('a digest of another document is refused, and nothing is registered', async () => {
    await using channel = await trial()
    const wrong = await send(channel, { query: '{ a: __typename }', extensions })
    expect([wrong.status, wrong.errors?.[0]?.message]).toEqual([400, 'provided sha does not match query'])
    expect((await send(channel, { extensions })).errors?.[0]?.message).toBe('PersistedQueryNotFound')
  })

  test('of a file: by id, by digest, and with `only` nothing else', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'dragoman-graphql-'))
    const file = join(directory, 'queries.json')
    await writeFile(file, JSON.stringify({ type: query, [sha256Hash]: query }))
    try {
      await using channel = await trial({ config: { persisted: { file, only: true } } })
      expect((await send(channel, { documentId: 'type' })).data).toEqual({ __typename: 'Query' })
      expect((await send(channel, { extensions })).data).toEqual({ __typename: 'Query' })
      expect((await send(channel, { query })).data).toEqual({ __typename: 'Query' })
      const other = await send(channel, { query: '{ a: __typename }' })
      expect([other.status, other.errors?.[0]?.message]).toEqual([
        403,
        'only persisted documents are taken here: send the id of one',
      ])
      const hashed = '{ b: __typename }'
      const registering = await send(channel, {
        query: hashed,
        extensions: {
          persistedQuery: { version: 1, sha256Hash: createHash('sha256').update(hashed).digest('hex') },
        },
      })
      expect(registering.status).toBe(403)
    } finally {
      await rm(directory, { recursive: true })
    }
  })

  test('without registering, a digest alone is not supported', async () => {
    await using channel = await trial({ config: { persisted: { automatic: false } } })
    const answer = await send(channel, { extensions })
    expect(answer.errors?.[0]?.extensions['code']).toBe('PERSISTED_QUERY_NOT_SUPPORTED')
    expect((await send(channel, { query, extensions })).data).toEqual({ __typename: 'Query' })
  })
})
