// The built-in schema over HTTP: what is handed in, what comes back, and how it is refused.
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
