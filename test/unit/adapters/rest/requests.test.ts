import type { Accepted, Reply } from 'dragoman'
import { expect, test } from 'vitest'

import { compileOperations } from '../../../../core/components/operations.ts'
import type { OperationConfig } from '../../../../core/components/operations.ts'
import { alice, Trial } from './host.ts'

const answering = (reply: Reply): { accept: () => Promise<Partial<Accepted>> } => ({
  accept: async () => ({ reply }),
})

test('the body is the parameters and the answer the result itself (DESIGN §16)', async () => {
  await using trial = await Trial.start(
    answering({ data: { orderNo: '000777', total: '1.10' }, origin: 'backend' }),
  )
  const answer = await trial.post('/v1/requests/GetOrder', '{"orderNo":"000777","id":9007199254740993}', {
    'idempotency-key': 'k-1',
  })
  expect(answer.status).toBe(200)
  expect(answer.text).toBe('{"orderNo":"000777","total":"1.10"}')
  expect(answer.carries).toBe('m-1')
  const { raw: _raw, ...draft } = trial.draft
  expect(draft).toStrictEqual({
    kind: 'request',
    type: 'GetOrder',
    externalId: 'k-1',
    sender: { id: 'web', role: 'system' }, // a call without sender is the channel's (DESIGN §16)
    data: { orderNo: '000777', id: '9007199254740993' },
  })
})

test('a customer asks as himself', async () => {
  await using trial = await Trial.start(answering({ data: 1, origin: 'backend' }))
  await trial.post('/v1/requests/GetOrder', {}, {}, alice)
  expect(trial.draft.sender).toStrictEqual({ id: 'alice', role: 'customer' })
})

test.each<[Reply, number, string]>([
  [{ data: null, origin: 'backend' }, 200, 'null'],
  [{ data: [1, 'a'], origin: 'backend' }, 200, '[1,"a"]'],
  [{ data: '', origin: 'backend' }, 200, '""'],
  [{ origin: 'backend' }, 204, ''],
  [
    { parts: [{ kind: 'text', text: 'hi' }], origin: 'agent' },
    200,
    '{"parts":[{"kind":"text","text":"hi"}]}',
  ],
])('%j is answered %s', async (reply, status, text) => {
  await using trial = await Trial.start(answering(reply))
  const answer = await trial.post('/v1/requests/X', {})
  expect([answer.status, answer.text]).toStrictEqual([status, text])
})

test('a stale object says so itself, and any stale answer by Age and Cache-Status (RFC 9211)', async () => {
  const stale = { origin: 'cache', stale: true, asOf: '2026-01-31T08:00:00Z' } as const
  for (const [data, text] of [
    [{ a: 1, stale: false }, '{"a":1,"stale":true}'],
    [[1], '[1]'],
    ['x', '"x"'],
  ] as const) {
    await using trial = await Trial.start(answering({ ...stale, data }))
    const answer = await trial.post('/v1/requests/X', {})
    expect(answer.text).toBe(text)
    expect(answer.headers).toMatchObject({ age: '3660', 'cache-status': 'dragoman; hit; detail=stale' })
  }
})

test('a partial object says so itself, and a list is given as it is', async () => {
  for (const [data, text] of [
    [{ a: 1, b: null }, '{"a":1,"b":null,"partial":true}'],
    [[1, null], '[1,null]'],
  ] as const) {
    await using trial = await Trial.start(answering({ data, partial: true, origin: 'backend' }))
    expect((await trial.post('/v1/requests/X', {})).text).toBe(text)
  }
})

test('a fresh answer from the cache is a hit, one from the business system is unmarked', async () => {
  await using cached = await Trial.start(
    answering({ data: {}, origin: 'cache', asOf: '2026-01-31T09:00:50Z' }),
  )
  const hit = await cached.post('/v1/requests/X', {})
  expect(hit.headers).toMatchObject({ age: '10', 'cache-status': 'dragoman; hit' })
  expect(hit.text).toBe('{}')
  await using live = await Trial.start(answering({ data: {}, origin: 'backend' }))
  const { headers } = await live.post('/v1/requests/X', {})
  expect([headers['age'], headers['cache-status']]).toStrictEqual([undefined, undefined])
})

test.each<[Readonly<Record<string, string>> | undefined, number]>([
  [undefined, 422],
  [{ 'http:status': '404' }, 404],
  [{ 'http:status': '409' }, 409],
  [{ 'http:status': '401' }, 422], // would speak of the caller's credential with us
  [{ 'http:status': '500' }, 422],
  [{ 'http:status': 'x' }, 422],
])('a business fault is a problem with its own code: metadata %j gives %s', async (metadata, status) => {
  const fault = { code: 'OrderNotFound', message: 'no such order', detail: { orderNo: '000999' } }
  await using trial = await Trial.start(
    answering({ fault, origin: 'backend', ...(metadata && { metadata }) }),
  )
  const answer = await trial.post('/v1/requests/GetOrder', {})
  expect([answer.status, answer.headers['content-type']]).toStrictEqual([status, 'application/problem+json'])
  expect(answer.body).toStrictEqual({ type: 'about:blank', title: 'no such order', status, ...fault })
})

test('a request that was queued is answered 202 and its id', async () => {
  await using trial = await Trial.start()
  const answer = await trial.post('/v1/requests/CreateOrder', {})
  expect([answer.status, answer.body['id']]).toStrictEqual([202, 'm-1'])
})

test('a channel with operations takes no others, and lists them', async () => {
  await using trial = await Trial.start({
    operations: { GetOrder: { kind: 'request' } },
    draft: async () => undefined,
  })
  const answer = await trial.post('/v1/requests/__proto__', {})
  expect([answer.status, answer.body['code'], trial.handed.length]).toStrictEqual([404, 'NO_ROUTE', 0])
  expect(answer.body['detail']).toContain('GetOrder')
})

test('an operation that the config makes a message of is answered like a message', async () => {
  await using trial = await Trial.start({
    operations: { SubmitTicket: { kind: 'message' } },
    draft: async (type, _body, base) => ({
      ...base,
      kind: 'message',
      type,
      sender: { id: 'c-1', role: 'customer' },
    }),
  })
  const answer = await trial.post('/v1/requests/SubmitTicket', {}, { prefer: 'wait=1' })
  expect([answer.status, answer.headers['preference-applied']]).toStrictEqual([202, 'wait=1'])
  expect(trial.handed[0]?.options?.waitMs).toBe(1000)
})

test('parameters that are no JSON are refused with 400 before anything is called', async () => {
  await using trial = await Trial.start()
  for (const bad of ['', '{', 'undefined', '{"a":1}}', '['.repeat(70)])
    expect((await trial.post('/v1/requests/X', bad)).status).toBe(400)
  expect(trial.handed).toStrictEqual([])
})

test.each([
  ['message', '/v1/requests/Say'],
  ['request', '/v1/requests/Say'],
  ['event', '/v1/requests/Say'],
  ['event', '/v1/events/Say'],
] as const)(
  'an Idempotency-Key and an externalId expression of a %s must agree at %s: one of them is not dropped',
  async (kind, path) => {
    await using trial = await shaped({ kind, sender: 'who', text: 'words', externalId: 'eid' })
    const body = { who: 'k', words: 'hi' }
    const key = { 'idempotency-key': 'E1' }
    const refused = await trial.post(path, { ...body, eid: 'E2' }, key)
    expect([refused.status, refused.body['code']]).toStrictEqual([400, 'DECODE_FAILED'])
    expect(refused.body['detail']).toBe(
      `Idempotency-Key "E1" and the body's id "E2" differ: send one of them`,
    )
    await trial.post(path, { ...body, eid: 'E1' }, key)
    await trial.post(path, body, key)
    await trial.post(path, { ...body, eid: 'E1' })
    expect(trial.handed.map((each) => each.draft.externalId)).toStrictEqual(['E1', 'E1', 'E1'])
  },
)

test("a CloudEvent's own id gives way to the operation's expression", async () => {
  await using trial = await shaped({ kind: 'event', externalId: 'eid' })
  const event = { specversion: '1.0', id: 'ce-1', source: '/erp', type: 'Say', data: { eid: 'E1' } }
  await trial.post('/v1/events', event, { 'content-type': 'application/cloudevents+json' })
  expect(trial.draft.externalId).toBe('E1')
})

test("an Idempotency-Key that is a CloudEvent's own id gives way with it; a third id is refused", async () => {
  await using trial = await shaped({ kind: 'event', externalId: 'eid' })
  const cloud = { 'content-type': 'application/cloudevents+json' }
  const event = { specversion: '1.0', id: 'ce-1', source: '/erp', type: 'Say', data: { eid: 'E1' } }
  for (const key of ['ce-1', '"ce-1"', 'E1'])
    expect((await trial.post('/v1/events', event, { ...cloud, 'idempotency-key': key })).status).toBe(202)
  expect(trial.handed.map((each) => each.draft.externalId)).toStrictEqual(['E1', 'E1', 'E1'])
  const third = await trial.post('/v1/events', event, { ...cloud, 'idempotency-key': 'k' })
  expect([third.status, third.body['detail']]).toStrictEqual([
    400,
    `Idempotency-Key "k" and the body's id "E1" differ: send one of them`,
  ])
  const { data: _data, ...bare } = event
  await trial.post('/v1/events', bare, { ...cloud, 'idempotency-key': 'ce-1' })
  expect(trial.handed.at(-1)?.draft.externalId).toBe('ce-1')
})

function shaped(Say: OperationConfig): Promise<Trial> {
  const operations = compileOperations('web', { Say })
  return Trial.start({ operations: operations.list, draft: (...given) => operations.draft(...given) })
}
