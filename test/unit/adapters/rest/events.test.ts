import type { HttpRequest } from 'dragoman'
import { expect, test } from 'vitest'

import { alice, read, Trial } from './host.ts'

const event = {
  specversion: '1.0',
  id: 'ship-1',
  source: '/erp',
  type: 'order.shipped',
  subject: 'c-1',
  time: '2026-01-31T09:00:00Z',
  data: { orderNo: '000777' },
}
const structured = { 'content-type': 'application/cloudevents+json; charset=utf-8' }
const binary: HttpRequest['headers'] = {
  'content-type': 'application/json',
  'ce-specversion': '1.0',
  'ce-id': 'ship-1',
  'ce-source': '/erp',
  'ce-type': 'order.shipped',
  'ce-subject': '%E7%8E%8B',
  'ce-time': '2026-01-31T09:00:00Z',
}

test('a structured CloudEvent is stored: id, time and subject have their places (CloudEvents HTTP binding §3.2)', async () => {
  await using trial = await Trial.start()
  const answer = await trial.post('/v1/events', { ...event, tenant: 'cn', weight: 5 }, structured)
  expect(answer.status).toBe(202)
  expect(answer.body).toStrictEqual({ id: 'm-1', conversation: 'web:c-1', sequence: 7, duplicate: false })
  const { raw, ...draft } = trial.draft
  expect(draft).toStrictEqual({
    kind: 'event',
    type: 'order.shipped',
    externalId: 'ship-1',
    sender: { id: 'c-1', role: 'customer' },
    occurredAt: '2026-01-31T09:00:00Z',
    data: { orderNo: '000777' },
    metadata: { 'ce-source': '/erp', 'ce-tenant': 'cn', 'ce-weight': '5' },
  })
  expect(raw?.mediaType).toBe(structured['content-type'])
})

test('a binary CloudEvent is the same, its headers percent-decoded (CloudEvents HTTP binding §3.1.3.2)', async () => {
  await using trial = await Trial.start()
  const answer = await trial.post('/v1/events', '{"orderNo":"000777","total":1.10}', binary)
  expect(answer.status).toBe(202)
  const { raw: _raw, ...draft } = trial.draft
  expect(draft).toStrictEqual({
    kind: 'event',
    type: 'order.shipped',
    externalId: 'ship-1',
    sender: { id: '王', role: 'customer' },
    occurredAt: '2026-01-31T09:00:00Z',
    data: { orderNo: '000777', total: '1.10' },
    metadata: { 'ce-source': '/erp' },
  })
})

test.each([
  ['"Euro%20%E2%82%AC"', 'Euro €'],
  ['"a \\"b\\" c"', 'a "b" c'],
  ['"back\\\\slash%5C"', 'back\\slash\\'],
  ['%22as%20it%20is%22', '"as it is"'],
  ['%2541', '%41'],
  ['say "hi"', 'say "hi"'],
  ['"open', '"open'],
  ['"one" "two"', '"one" "two"'],
])(
  'the header %s is %s: unquoted first, then percent-decoded once (CloudEvents HTTP binding §3.1.3.2)',
  async (value, subject) => {
    await using trial = await Trial.start()
    await trial.post('/v1/events', '{"a":1}', { ...binary, 'ce-subject': value })
    expect(trial.draft.sender.id).toBe(subject)
  },
)

test('a bare object is the data of the type in the path', async () => {
  await using trial = await Trial.start()
  await trial.post('/v1/events/order.shipped', { orderNo: '000777' }, { 'idempotency-key': 'k' })
  const { raw: _raw, ...draft } = trial.draft
  expect(draft).toStrictEqual({
    kind: 'event',
    type: 'order.shipped',
    externalId: 'k',
    sender: { id: 'web', role: 'system' },
    data: { orderNo: '000777' },
  })
})

test('the type in the path wins over the event’s own (DESIGN §16)', async () => {
  await using trial = await Trial.start()
  await trial.post('/v1/events/order.lost', event, structured)
  expect(trial.draft.type).toBe('order.lost')
})

test('a binary event needs no body, a structured one no data', async () => {
  await using trial = await Trial.start()
  const { 'content-type': _type, ...headers } = binary
  expect((await trial.send({ path: '/v1/events', headers })).status).toBe(202)
  const { data: _data, ...bare } = event
  expect((await trial.post('/v1/events', { ...bare, subject: null }, structured)).status).toBe(202)
  for (const { draft } of trial.handed) expect('data' in draft).toBe(false)
  expect(trial.handed[1]?.draft.sender.role).toBe('system') // null is absent (JSON format §2.2)
})

test('data_base64 that holds JSON is data; anything else is refused with 415', async () => {
  await using trial = await Trial.start()
  const { data: _data, ...bare } = event
  const data_base64 = Buffer.from('{"n":9007199254740993}').toString('base64')
  expect((await trial.post('/v1/events', { ...bare, data_base64 }, structured)).status).toBe(202)
  expect(trial.draft.data).toStrictEqual({ n: '9007199254740993' })
  const pdf = { ...bare, data_base64, datacontenttype: 'application/pdf' }
  expect((await trial.post('/v1/events', pdf, structured)).status).toBe(415)
  expect((await trial.post('/v1/events', { ...event, data_base64 }, structured)).status).toBe(400)
})

test('the trace of the event wins over the transport’s (CloudEvents distributed tracing extension)', async () => {
  await using trial = await Trial.start()
  const own = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
  await trial.post('/v1/events', { ...event, traceparent: own }, { ...structured, traceparent: `${own}x` })
  expect(trial.draft.metadata).toStrictEqual({ 'ce-source': '/erp', traceparent: own })
})

test('an operation of this name in the config shapes the event', async () => {
  await using trial = await Trial.start({
    operations: { 'order.shipped': { kind: 'event' }, GetOrder: { kind: 'request' } },
    draft: async (type, body, base) => ({
      ...base,
      type,
      data: body,
      sender: { id: 'from-config', role: 'customer' },
    }),
  })
  await trial.post('/v1/events/order.shipped', { customerId: 'from-config' })
  await trial.post('/v1/events/GetOrder', { a: 1 })
  expect(trial.handed.map(({ draft }) => [draft.kind, draft.sender.id])).toStrictEqual([
    ['event', 'from-config'],
    ['event', 'web'],
  ])
})

test('a customer’s credential is passed on with his event', async () => {
  await using trial = await Trial.start()
  await trial.post('/v1/events/app.opened', {}, {}, alice)
  expect(trial.draft.sender).toStrictEqual({ id: 'alice', role: 'customer' })
  expect(trial.handed[0]?.options?.identity).toStrictEqual(alice)
})

test.each<[string, string, unknown, Readonly<Record<string, string>>, number]>([
  ['a batch', '/v1/events', [event], { 'content-type': 'application/cloudevents-batch+json' }, 415],
  ['an XML event', '/v1/events', '<e/>', { 'content-type': 'application/cloudevents+xml' }, 415],
  ['no type anywhere', '/v1/events', { a: 1 }, {}, 400],
  ['a list as data of a bare event', '/v1/events/x', [1], {}, 400],
  ['a text as data of a bare event', '/v1/events/x', '"a"', {}, 400],
  ['an event without id', '/v1/events', { ...event, id: undefined }, structured, 400],
  ['an event without source', '/v1/events', { ...event, source: '' }, structured, 400],
  ['another specversion', '/v1/events', { ...event, specversion: '0.3' }, structured, 400],
  ['a time that is none', '/v1/events', { ...event, time: 'now' }, structured, 400],
  ['an attribute in upper case', '/v1/events', { ...event, Tenant: 'x' }, structured, 400],
  ['an attribute that is an object', '/v1/events', { ...event, tenant: {} }, structured, 400],
  ['__proto__ as an attribute', '/v1/events', '{"__proto__":1}', structured, 400],
  ['another key in the header', '/v1/events', event, { ...structured, 'idempotency-key': 'other' }, 400],
  [
    'a binary event without id',
    '/v1/events',
    {},
    { 'ce-specversion': '1.0', 'ce-type': 'x', 'ce-source': '/' },
    400,
  ],
  ['a binary event of XML', '/v1/events', '<e/>', { ...binary, 'content-type': 'application/xml' }, 415],
  ['bad percent-encoding', '/v1/events', {}, { ...binary, 'ce-subject': '%E7%8E' }, 400],
])('%s is refused and nothing is stored', async (_, path, body, headers, status) => {
  await using trial = await Trial.start()
  const answer = await trial.post(path, body, headers)
  expect([answer.status, trial.handed.length]).toStrictEqual([status, 0])
  expect(answer.headers['content-type']).toBe('application/problem+json')
})

test('a GET on events is told the method', async () => {
  await using trial = await Trial.start()
  expect(read(await trial.send({ method: 'GET', path: '/v1/events/x' })).headers['allow']).toBe('POST')
})
