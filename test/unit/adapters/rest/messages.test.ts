import { errorTable, GatewayError } from 'dragoman'
import type { ErrorCode, Reply } from 'dragoman'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { alice, program, read, Trial } from './host.ts'

const body = { sender: { id: 'c-1' }, text: 'Where is 000777?' }
const reply: Reply = { parts: [{ kind: 'text', text: 'On its way' }], origin: 'agent' }

test('a message is answered 202 with its id, conversation, sequence and whether it is a duplicate (DESIGN §11)', async () => {
  await using trial = await Trial.start()
  const answer = await trial.post('/v1/messages', body)
  expect(answer.status).toBe(202)
  expect(answer.headers['content-type']).toBe('application/json')
  expect(answer.body).toStrictEqual({ id: 'm-1', conversation: 'web:c-1', sequence: 7, duplicate: false })
  expect(answer.carries).toBeUndefined()
})

test('text becomes one part, the sender a customer, and the bytes are kept as they came', async () => {
  await using trial = await Trial.start()
  const text = ' {"text":"a\\u0062" , "sender":{"id":"c-1"}}'
  await trial.post('/v1/messages', text, { 'content-type': 'application/json; charset=utf-8' })
  expect(trial.draft).toStrictEqual({
    kind: 'message',
    type: 'text',
    sender: { id: 'c-1', role: 'customer' },
    parts: [{ kind: 'text', text: 'ab' }],
    raw: { mediaType: 'application/json; charset=utf-8', bytes: Buffer.from(text) },
  })
})

test.each([
  ['1.0', 1],
  ['1e2', 100],
  ['12.50E1', 125],
  ['-0', 0],
  ['9007199254740991.0', 9007199254740991],
])('an integer may be written %s (JSON Schema Core §4.2.3)', async (written, meant) => {
  await using trial = await Trial.start()
  const media = `"media":{"id":"a","bytes":${written}}`
  const answer = await trial.post(
    '/v1/messages',
    `{"sender":{"id":"c-1"},"parts":[{"kind":"file","text":"a",${media}}],"clientSequence":${written}}`,
  )
  expect(answer.status).toBe(202)
  expect(trial.draft.clientSequence).toBe(meant)
  expect(trial.draft.parts?.[0]?.media?.bytes).toBe(meant)
})

test('everything a draft has can be said', async () => {
  await using trial = await Trial.start()
  const full = {
    conversation: 'web:shop/7',
    parts: [{ kind: 'image', text: 'a photo', media: { url: 'https://example.com/a.png', bytes: 12 } }],
    data: { amount: '1.10' },
    inReplyTo: 'm-0',
    clientSequence: 3,
    occurredAt: '2026-01-31T09:00:00+08:00',
    expiresAt: '2026-01-31T10:00:00Z',
    priority: 'high',
  }
  const sender = { id: 'c-1', role: 'bot', name: 'Bo', tier: 'vip', attributes: { __proto__: null, a: [1] } }
  await trial.post(
    '/v1/messages',
    { ...full, sender, type: 'photo', externalId: 'x-1', metadata: { k: 'v' } },
    { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
  )
  const { raw: _raw, ...draft } = trial.draft
  expect(draft).toStrictEqual({
    ...full,
    kind: 'message',
    type: 'photo',
    externalId: 'x-1',
    sender: { ...sender, attributes: { a: [1] } },
    metadata: { k: 'v', traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
  })
})

test('digits and hostile names cross unchanged, also in attributes, data and metadata (DESIGN §3)', async () => {
  await using trial = await Trial.start()
  await trial.post(
    '/v1/messages',
    '{"sender":{"id":"c","attributes":{"__proto__":{"x":1},"n":9007199254740993}},"text":"t","data":{"__proto__":1.10},"metadata":{"__proto__":"m"}}',
  )
  const { sender, data, metadata } = trial.draft
  expect(JSON.stringify([sender.attributes, data, metadata])).toBe(
    '[{"__proto__":{"x":1},"n":"9007199254740993"},{"__proto__":"1.10"},{"__proto__":"m"}]',
  )
})

test('Prefer: wait=N waits, and the reply comes with 200 (RFC 7240 §4.3)', async () => {
  await using trial = await Trial.start({ accept: async () => ({ reply }) })
  const answer = await trial.post('/v1/messages', body, { prefer: 'wait=5' })
  expect(trial.handed[0]?.options).toMatchObject({ waitMs: 5000, identity: program })
  expect(answer.status).toBe(200)
  expect(answer.headers['preference-applied']).toBe('wait=5')
  expect(answer.body['reply']).toStrictEqual(reply)
  expect(answer.carries).toBe('m-1') // the return right, SEMANTICS 5
})

test('a wait beyond the limit is cut to it, and says so (RFC 7240 §3)', async () => {
  await using trial = await Trial.start({ config: { waitMs: 2000 } })
  const answer = await trial.post('/v1/messages', body, { prefer: 'wait=60' })
  expect(trial.handed[0]?.options?.waitMs).toBe(2000)
  expect([answer.status, answer.headers['preference-applied']]).toStrictEqual([202, 'wait=2'])
})

test('a duplicate gets the stored reply, also without waiting (SEMANTICS 1)', async () => {
  await using trial = await Trial.start({ accept: async () => ({ duplicate: true, reply }) })
  const answer = await trial.post('/v1/messages', body, { 'idempotency-key': '"k-1"' })
  expect(trial.draft.externalId).toBe('k-1')
  expect([answer.status, answer.body['duplicate']]).toStrictEqual([200, true])
})

test('a reply from the cache is marked by Age and Cache-Status (RFC 9111 §5.1, RFC 9211)', async () => {
  const stale: Reply = { data: { a: 1 }, origin: 'cache', stale: true, asOf: '2026-01-31T09:00:00Z' }
  await using trial = await Trial.start({ accept: async () => ({ reply: stale }) })
  const answer = await trial.post('/v1/messages', body)
  expect(answer.headers).toMatchObject({ age: '60', 'cache-status': 'dragoman; hit; detail=stale' })
  expect(answer.body['reply']).toStrictEqual(stale)
})

test('a customer speaks for himself, with or without a sender in the body', async () => {
  await using trial = await Trial.start()
  await trial.post('/v1/messages', { text: 'hi' }, {}, alice)
  expect(trial.draft.sender).toStrictEqual({ id: 'alice', role: 'customer' })
  expect(trial.handed[0]?.options?.identity).toStrictEqual(alice)
})

test.each([alice, { role: 'agent', id: 'ann' } as const])(
  'the body may add the name alone of whom the credential of %j says already',
  async (identity) => {
    await using trial = await Trial.start()
    const answer = await trial.post('/v1/messages', { text: 'hi', sender: { name: 'Ann' } }, {}, identity)
    expect(answer.status).toBe(202)
    expect(trial.draft.sender).toStrictEqual({ id: identity.id, role: identity.role, name: 'Ann' })
  },
)

test.each([{ role: 'system' }, { role: 'agent' }, { tier: 'vip' }, { attributes: { a: 1 } }])(
  'a customer may not claim %j: it decides about routing',
  async (claim) => {
    await using trial = await Trial.start()
    const answer = await trial.post(
      '/v1/messages',
      { text: 'hi', sender: { id: 'alice', ...claim } },
      {},
      alice,
    )
    expect([answer.status, answer.body['code'], trial.handed.length]).toStrictEqual([403, 'FORBIDDEN', 0])
  },
)

test('an agent with a credential speaks as an agent', async () => {
  await using trial = await Trial.start()
  await trial.post('/v1/messages', { text: 'hi' }, {}, { role: 'agent', id: 'ann' })
  expect(trial.draft.sender).toStrictEqual({ id: 'ann', role: 'agent' })
})

test.each<[string, unknown, string]>([
  ['no sender', { text: 'a' }, 'sender'],
  ['a program that names a sender without an id', { sender: { name: 'Ann' }, text: 'a' }, 'sender.id'],
  ['an empty sender', { sender: { id: '' }, text: 'a' }, 'sender/id'],
  ['a number as sender', { sender: 5, text: 'a' }, 'sender'],
  ['an unknown member', { ...body, sendr: 1 }, 'sendr'],
  ['an unknown member of the sender', '{"sender":{"id":"c","constructor":1},"text":"a"}', 'constructor'],
  ['__proto__ as a member', '{"sender":{"id":"c"},"text":"a","__proto__":{"kind":"event"}}', '__proto__'],
  ['neither text nor parts', { sender: { id: 'c' } }, 'either text or parts'],
  ['text and parts', { ...body, parts: [{ kind: 'text', text: 'a' }] }, 'either text or parts'],
  ['no parts in the list', { sender: { id: 'c' }, parts: [] }, 'parts'],
  ['a part without text', { sender: { id: 'c' }, parts: [{ kind: 'image' }] }, 'parts/0/text'],
  [
    'an unknown kind of part',
    { sender: { id: 'c' }, parts: [{ kind: 'hologram', text: '' }] },
    'parts/0/kind',
  ],
  ['another kind', { ...body, kind: 'request' }, 'kind'],
  ['a date that is none', { ...body, expiresAt: 'tomorrow' }, 'expiresAt'],
  ['metadata that is no text', { ...body, metadata: { a: 1 } }, 'metadata'],
  ['half a number', { ...body, clientSequence: 1.5 }, 'clientSequence'],
  ['a number as a text', { ...body, clientSequence: '1' }, 'clientSequence'],
  ['a number beyond 2^53', { ...body, clientSequence: 1e17 }, 'clientSequence'],
  ['a negative number', { ...body, clientSequence: -1 }, 'clientSequence'],
  ['a list', [body], 'expected object'],
  ['null', 'null', 'expected object'],
  ['truncated JSON', '{"sender":{"id":"c"', 'not JSON'],
  ['nothing', '', 'empty'],
  ['a hundred levels', `{"data":${'['.repeat(100)}${']'.repeat(100)}}`, 'nested deeper'],
])('%s is refused with 400 and the place, and nothing is stored', async (_, bad, place) => {
  await using trial = await Trial.start()
  const answer = await trial.post('/v1/messages', bad)
  expect(answer.status).toBe(400)
  expect(answer.headers['content-type']).toBe('application/problem+json')
  expect(answer.body).toMatchObject({
    type: 'urn:dragoman:problem:decode-failed',
    status: 400,
    code: 'DECODE_FAILED',
    retryable: false,
  })
  expect(JSON.stringify([answer.body['detail'], answer.body['errors']])).toContain(place)
  expect(trial.handed).toStrictEqual([])
})

test('every problem in a body is named at once, by JSON pointers (RFC 9457 §3)', async () => {
  await using trial = await Trial.start()
  const { body: problem } = await trial.post('/v1/messages', { sender: { id: 1 }, text: 2, 'a/b~c': 3 })
  expect(problem['errors']).toMatchObject([
    { pointer: '#/sender/id' },
    { pointer: '#/text' },
    { pointer: '#' },
  ])
})

test.each<[string | undefined, string]>([
  [undefined, 'without content-type'],
  ['text/plain', 'text/plain'],
  ['application/x-www-form-urlencoded', 'application/json'],
  ['application/json; charset=gbk', 'gbk'],
  ['multipart/form-data; boundary=x', 'multipart'],
  ['nonsense', 'nonsense'],
])(
  'content-type %s is refused with 415: no page on another site can send JSON unasked',
  async (type, named) => {
    await using trial = await Trial.start()
    const answer = read(
      await trial.send({
        path: '/v1/messages',
        body: Buffer.from(JSON.stringify(body)),
        headers: type === undefined ? {} : { 'content-type': type },
      }),
    )
    expect([answer.status, answer.body['code']]).toStrictEqual([415, 'UNSUPPORTED_MEDIA'])
    expect(answer.body['detail']).toContain(named)
  },
)

test('GBK bytes that call themselves JSON are refused (RFC 8259 §8.1)', async () => {
  await using trial = await Trial.start()
  const bytes = Buffer.concat([
    Buffer.from('{"sender":{"id":"c"},"text":"'),
    Buffer.from([0xcd, 0xf5]),
    Buffer.from('"}'),
  ])
  const answer = read(
    await trial.send({ path: '/v1/messages', body: bytes, headers: { 'content-type': 'application/json' } }),
  )
  expect([answer.status, answer.body['detail']]).toStrictEqual([
    400,
    'the body is not JSON: the text is not valid UTF-8',
  ])
})

test('an id in the body and another in the header are a contradiction: 400', async () => {
  await using trial = await Trial.start()
  const answer = await trial.post('/v1/messages', { ...body, externalId: 'a' }, { 'idempotency-key': 'b' })
  expect([answer.status, trial.handed.length]).toStrictEqual([400, 0])
})

test.each(Object.entries(errorTable))(
  '%s becomes a problem with its status and code (RFC 9457)',
  async (name, row) => {
    const code = name as ErrorCode // a key of the table
    await using trial = await Trial.start({
      accept: async () => {
        throw new GatewayError(code, 'thing "x" is wrong', {
          cause: new Error('secret'),
          detail: { oldest: 3, status: 1 },
        })
      },
    })
    const answer = await trial.post('/v1/messages', body)
    expect(answer.status).toBe(row.status)
    expect(answer.body).toMatchObject({
      status: row.status,
      code,
      detail: 'thing "x" is wrong',
      retryable: row.retry,
      oldest: 3,
    })
    expect(String(answer.body['title'])).not.toBe('')
    expect(answer.text).not.toContain('secret')
    expect('retry-after' in answer.headers).toBe(row.status === 503 || row.status === 429)
    expect('www-authenticate' in answer.headers).toBe(row.status === 401) // RFC 9110 §15.5.2
  },
)

test('Retry-After is rounded up to seconds (RFC 9110 §10.2.3)', async () => {
  await using trial = await Trial.start({
    accept: async () => {
      throw new GatewayError('OVERLOADED', 'too much', { retryAfterMs: 1200, status: 429 })
    },
  })
  const answer = await trial.post('/v1/messages', body)
  expect([answer.status, answer.headers['retry-after']]).toStrictEqual([429, '2'])
})

test('what was not foreseen is logged and told to nobody', async () => {
  await using trial = await Trial.start({
    accept: async () => {
      throw new Error('/srv/secret/path.ts exploded')
    },
  })
  const answer = await trial.post('/v1/messages', body)
  expect([answer.status, answer.body['code']]).toStrictEqual([500, 'INTERNAL'])
  expect(answer.text).not.toMatch(/secret|exploded|\.ts/)
  expect(trial.logged).toStrictEqual(['a request failed'])
})

test('any JSON at all is either taken whole or refused with 400', async () => {
  await using trial = await Trial.start()
  await fc.assert(
    fc.asyncProperty(
      fc.jsonValue(),
      fc.constantFrom('sender', 'text', 'parts', 'metadata', 'data'),
      async (value, at) => {
        const { status } = await trial.post('/v1/messages', { ...body, [at]: value })
        expect([202, 400]).toContain(status)
      },
    ),
    { numRuns: 300 },
  )
})

test.each<[string, string, number, string | undefined]>([
  ['GET', '/v1/messages', 405, 'POST'],
  ['DELETE', '/v1/conversations/c/messages', 405, 'GET, HEAD'],
  ['POST', '/v1/mesages', 404, undefined],
  ['POST', '/v1', 404, undefined],
  ['POST', '/v1/requests/a/b', 404, undefined],
  ['POST', '/v1/constructor', 404, undefined],
])('%s %s is answered %s with what there is', async (method, path, status, allow) => {
  await using trial = await Trial.start()
  const answer = read(await trial.send({ method, path }))
  expect([answer.status, answer.headers['allow']]).toStrictEqual([status, allow])
  expect(answer.headers['content-type']).toBe('application/problem+json')
})

test('a wrong address is answered with the right ones, as they are on this channel', async () => {
  await using trial = await Trial.start({ config: { path: '/partner' } })
  const { body: problem } = await trial.post('/partner/mesages', body)
  expect(problem['detail']).toContain(
    'nothing is served at "/partner/mesages": there is POST /partner/messages, ',
  )
})

test('the hint is a command whose body the channel takes, waiting for an answer', async () => {
  await using trial = await Trial.start({ config: { path: '/api/v2' } })
  const hint = trial.channel.hint?.('http://127.0.0.1:8080') ?? ''
  const [, url, json] = /curl -s '(.*?)' .* -d '(.*?)'/.exec(hint) ?? []
  expect([url, hint.includes(`-H 'prefer: wait=5'`)]).toStrictEqual([
    'http://127.0.0.1:8080/api/v2/messages',
    true,
  ])
  expect((await trial.post('/api/v2/messages', json)).status).toBe(202)
})
