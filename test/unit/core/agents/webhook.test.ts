// The webhook agent against a real bot over HTTP: what it asks, what it takes for an answer, what for a breakage.
import { expect, test, vi } from 'vitest'
import { GatewayError } from 'dragoman'
import type { Agent, Conversation, Message, Scope } from 'dragoman'
import { Webhook } from 'standardwebhooks'
import webhook from '../../../../core/agents/webhook.ts'
import { createFetch } from '../../../../core/guard/fetch.ts'
import { recorded, serve } from '../guard/servers.ts'
import type { TestServer } from '../guard/servers.ts'
import { createFrom } from '../../../support/create-from.ts'

const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
const message: Message = {
  id: '01938f3c-0000-7000-8000-000000000001',
  kind: 'message',
  type: 'text',
  channel: 'web main',
  conversation: 'web:u1',
  direction: 'inbound',
  sequence: 7,
  sender: { id: 'u1', role: 'customer', name: '王小明 <&>' },
  parts: [{ kind: 'text', text: 'where is 000777?' }],
  receivedAt: '2026-01-02T03:04:05.678Z',
  correlationId: '01938f3c-0000-7000-8000-000000000001',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
  replyContext: { openId: 'secret of the channel' },
  raw: { mediaType: 'text/plain', bytes: Uint8Array.of(1, 2, 3) },
}
const conversation: Conversation = {
  id: 'web:u1',
  customer: { id: 'u1', role: 'customer' },
  callback: { url: 'http://127.0.0.1:8080/v1/callbacks/01938f3c', token: '1.abc' },
}

interface Made extends AsyncDisposable {
  readonly agent: Agent
  readonly lines: readonly string[]
  ask(given?: Partial<Message>): ReturnType<Agent['answer']>
}

function made(config: Readonly<Record<string, unknown>>, limit = 10_000): Made {
  const { log, lines } = recorded()
  const guarded = createFetch({ allow: ['127.0.0.1'], connections: 5, responseLimitBytes: limit, log })
  const unused = (): never => {
    throw new Error('a webhook needs no state')
  }
  const scope: Scope = {
    id: 'helper',
    log,
    now: () => Date.now(),
    metrics: { count: unused, gauge: unused },
    fetch: guarded.fetch,
    responseLimitBytes: limit,
    state: { get: unused, put: unused, compareAndSet: unused, lease: unused },
  }
  const agent = createFrom(webhook.agent, config, scope)
  return {
    agent,
    lines,
    ask: (given = {}) => agent.answer({ ...message, ...given }, conversation, new AbortController().signal),
    async [Symbol.asyncDispose]() {
      await agent[Symbol.asyncDispose]()
      await guarded.dispose()
    },
  }
}

/** A bot that answers this. */
function bot(
  status: number,
  body: string | Uint8Array = '',
  headers: Record<string, string> = {},
): Promise<TestServer> {
  return serve((response) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body),
  )
}

/** What comes of a bot that answers this. */
async function outcome(...answer: Parameters<typeof bot>): Promise<unknown> {
  await using server = await bot(...answer)
  await using helper = made({ url: server.origin })
  return await helper.ask().catch((error: unknown) => error)
}

test('a bot is asked by a CloudEvent whose data is the message, without what is its channel’s alone (DESIGN §8)', async () => {
  await using server = await bot(200, '{"text":"ok"}')
  await using helper = made({ url: `${server.origin}/bot?v=1`, secret, headers: { 'X-Api-Key': 'k' } })
  await helper.ask({
    causationId: '01938f3c-0000-7000-8000-000000000000',
    occurredAt: '2026-01-02T03:04:00Z',
  })
  const [asked] = server.seen
  expect(asked).toMatchObject({ method: 'POST', path: '/bot?v=1' })
  expect(asked?.headers).toMatchObject({
    'content-type': 'application/cloudevents+json; charset=utf-8',
    'x-api-key': 'k',
    'webhook-id': message.id,
  })
  const { raw: _raw, replyContext: _context, ...data } = message
  expect(JSON.parse(asked?.body ?? '')).toEqual({
    specversion: '1.0',
    id: message.id,
    source: '/channels/web%20main',
    type: 'message.text',
    subject: 'web:u1',
    time: '2026-01-02T03:04:00Z',
    datacontenttype: 'application/json',
    sequence: '7',
    correlationid: message.correlationId,
    causationid: '01938f3c-0000-7000-8000-000000000000',
    traceparent: message.traceparent,
    callbackurl: conversation.callback?.url,
    callbacktoken: conversation.callback?.token,
    data: {
      ...data,
      causationId: '01938f3c-0000-7000-8000-000000000000',
      occurredAt: '2026-01-02T03:04:00Z',
    },
  })
})

test.each([
  [{ kind: 'message', type: 'image' }, 'message.image'],
  [{ kind: 'event', type: 'order.shipped' }, 'order.shipped'],
  [{ kind: 'request', type: 'GetOrder' }, 'request.GetOrder'],
] as const)('%o has the CloudEvents type %s', async (given, type) => {
  await using server = await bot(204)
  await using helper = made({ url: server.origin })
  await helper.ask(given)
  expect(JSON.parse(server.seen[0]?.body ?? '')).toMatchObject({ type, time: message.receivedAt })
})

test.each([
  ['whsec_ and base64', secret, new Webhook(secret)],
  [
    'any text',
    'geheimes Wörtchen',
    new Webhook(new TextEncoder().encode('geheimes Wörtchen'), { format: 'raw' }),
  ],
])(
  'with a secret of %s the package’s own verify takes it, and a changed body it does not',
  async (_what, given, verifier) => {
    await using server = await bot(200, '{"text":"ok"}')
    await using helper = made({ url: server.origin, secret: given })
    await helper.ask()
    const { body = '', headers = {} } = server.seen[0] ?? {}
    const signed = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]))
    expect(verifier.verify(body, signed)).toMatchObject({ id: message.id })
    expect(() => verifier.verify(body.replace('000777', '000778'), signed)).toThrow('No matching signature')
  },
)

test('every attempt has the same webhook-id, and the time it is sent (SEMANTICS 7)', async () => {
  await using server = await bot(200, '{"text":"ok"}')
  await using helper = made({ url: server.origin, secret })
  const before = Math.floor(Date.now() / 1_000)
  await helper.ask()
  await helper.ask()
  expect(server.seen.map(({ headers }) => headers['webhook-id'])).toEqual([message.id, message.id])
  for (const { headers } of server.seen)
    expect(Number(headers['webhook-timestamp'])).toBeGreaterThanOrEqual(before)
})

test.each([undefined, ''])('with the secret %j it is unsigned, and the start warns once', async (given) => {
  await using server = await bot(200, '{"text":"ok"}')
  await using helper = made({ url: server.origin, ...(given !== undefined && { secret: given }) })
  expect(helper.lines).toEqual([])
  await helper.agent.start?.(new AbortController().signal)
  await helper.ask()
  await helper.ask()
  expect(helper.lines).toEqual([
    'warn the webhook has no secret: its bot cannot know that a message comes from here',
  ])
  expect(server.seen[0]?.headers['webhook-signature']).toBeUndefined()
})

test('with a secret the start warns of nothing', async () => {
  await using helper = made({ url: 'http://127.0.0.1:9/', secret })
  await helper.agent.start?.(new AbortController().signal)
  expect(helper.lines).toEqual([])
})

test.each([
  ['a text', '{"text":"hello 王"}', { text: 'hello 王' }],
  ['a text, with a byte order mark and spaces', '\uFEFF \n{"text":"hi"}\n', { text: 'hi' }],
  [
    'a full reply, unknown members left out',
    '{"parts":[{"kind":"image","text":"a map","media":{"url":"http://x/1","x":1},"y":2}],"data":{"n":1},"metadata":{"a":"b"},"origin":"backend","id":7}',
    {
      parts: [{ kind: 'image', text: 'a map', media: { url: 'http://x/1' } }],
      data: { n: 1 },
      metadata: { a: 'b' },
    },
  ],
  [
    'a business fault',
    '{"fault":{"code":"Closed","message":"we are closed","detail":{"until":"9:00"}}}',
    { fault: { code: 'Closed', message: 'we are closed', detail: { until: '9:00' } } },
  ],
  ['null as data', '{"data":null}', { data: null }],
  ['an empty text', '{"text":""}', { text: '' }],
  [
    'a hand-off, whatever stands beside it',
    '{"handoff":"asks for a person","text":"bye"}',
    { handoff: 'asks for a person' },
  ],
  [
    'numbers a double would change',
    '{"data":{"a":1.10,"b":9007199254740993,"c":12345678901234567890,"d":1e5,"e":0.5,"f":7}}',
    { data: { a: '1.10', b: '9007199254740993', c: '12345678901234567890', d: '1e5', e: 0.5, f: 7 } },
  ],
])('200 with %s is taken as it is meant', async (_what, body, answer) => {
  expect(await outcome(200, body)).toEqual(answer)
  expect(await outcome(201, body, { 'content-type': 'text/plain' })).toEqual(answer)
})

test.each([
  [202, ''],
  [202, '{"text":"this is not the answer, that comes later"}'],
])('%i with %j means taken: no answer now (SEMANTICS 17)', async (status, body) => {
  expect(await outcome(status, body)).toBeUndefined()
})

test.each([
  [200, ''],
  [200, '  \n'],
  [200, '{}'],
  [204, ''],
])('%i with %j means answered, with nothing to say', async (status, body) => {
  expect(await outcome(status, body)).toEqual({})
})

test('hostile member names are data in data and metadata, and nothing elsewhere', async () => {
  const answer = await outcome(
    200,
    '{"__proto__":{"text":"x"},"constructor":1,"data":{"__proto__":{"a":1},"constructor":"c"},"metadata":{"__proto__":"p","toString":"t"}}',
  )
  expect(JSON.stringify(answer)).toBe(
    '{"data":{"__proto__":{"a":1},"constructor":"c"},"metadata":{"__proto__":"p","toString":"t"}}',
  )
  expect(({} as { text?: unknown }).text).toBeUndefined() // any object may be asked for a member
})

test.each([
  ['JSON cut short', '{"text":"hel', 'application/json that is not JSON in UTF-8'],
  ['HTML', '<!DOCTYPE html><h1>hi</h1>', 'not JSON in UTF-8'],
  ['another charset', Buffer.from([0x7b, 0x22, 0x74, 0xc4, 0xe3, 0x22, 0x7d]), 'not JSON in UTF-8'],
  ['a list', '[{"text":"hi"}]', 'not an object'],
  ['a bare text', '"hi"', 'not an object'],
  ['null', 'null', 'not an object'],
  ['no known member', '{"reply":"hi"}', 'none of handoff, text, parts, data, fault, metadata'],
  ['only a hostile member', '{"__proto__":{"text":"hi"}}', 'none of handoff'],
  ['a text that is none', '{"text":7}', 'text: Invalid input: expected string, received number'],
  ['a part of no kind', '{"parts":[{"text":"x"}]}', 'parts.0.kind'],
  ['a part without text', '{"parts":[{"kind":"image"}]}', 'parts.0.text'],
  ['a part whose text is null', '{"parts":[{"kind":"image","text":null}]}', 'parts.0.text'],
  ['bytes in quotes', '{"parts":[{"kind":"file","text":"f","media":{"bytes":"12"}}]}', 'parts.0.media.bytes'],
  ['half a byte', '{"parts":[{"kind":"file","text":"f","media":{"bytes":1.50}}]}', 'parts.0.media.bytes'],
  [
    'a hundred and one parts',
    JSON.stringify({ parts: Array.from({ length: 101 }, () => ({ kind: 'text', text: 'x' })) }),
    'parts: Too big',
  ],
  ['a fault without code', '{"fault":{"message":"x"}}', 'fault.code'],
  [
    'metadata that is no text',
    '{"text":"x","metadata":{"a":1}}',
    'metadata: Invalid input: expected an object of texts',
  ],
  ['metadata that is a list', '{"text":"x","metadata":["a"]}', 'metadata: Invalid input'],
  ['a hand-off without words', '{"handoff":true}', 'handoff: Invalid input'],
])('200 with %s is AGENT_FAILED and says what is wrong', async (_what, body, why) => {
  const error = await outcome(200, body)
  expect(error).toBeInstanceOf(GatewayError)
  expect(error).toMatchObject({ code: 'AGENT_FAILED', detail: { status: 200 }, notExecuted: false })
  expect(String(error)).toContain('agent "helper" answered 200 with')
  expect(String(error)).toContain(why)
})

test('nesting without measure is AGENT_FAILED, not a crash', async () => {
  await using server = await bot(200, `{"data":${'['.repeat(500_000)}`)
  await using helper = made({ url: server.origin }, 2_000_000)
  await expect(helper.ask()).rejects.toMatchObject({ code: 'AGENT_FAILED' })
  await using closed = await bot(200, `{"data":${'['.repeat(500_000)}${']'.repeat(500_000)}}`)
  await using other = made({ url: closed.origin }, 2_000_000)
  await expect(other.ask()).rejects.toMatchObject({ code: 'AGENT_FAILED' })
})

test('an answer beyond the limit is AGENT_FAILED', async () => {
  expect(await outcome(200, JSON.stringify({ text: 'x'.repeat(20_000) }))).toMatchObject({
    code: 'AGENT_FAILED',
    message: expect.stringContaining('larger than 10000 bytes'),
  })
})

test.each([
  [400, 'conversation unknown\n    at handle (/srv/bot.js:1)', 'text/plain', ': conversation unknown'],
  [404, '{"error":"no such bot"}', 'application/json', ': no such bot'],
  [422, '{"title":"Unprocessable","detail":"no text"}', 'application/problem+json', ': no text'],
  [401, '<!DOCTYPE html><pre>Error: at /srv/bot.js</pre>', 'text/html', ''],
  [400, '{"message":{"stack":"at /srv"}}', 'application/json', ''],
  [400, '{"message":"half', 'application/json', ''],
  [400, 'null', 'application/json', ''],
  [400, `a\u0000b${'x'.repeat(500)}`, 'text/plain', `: a b${'x'.repeat(197)}`],
  [500, 'Error: boom at /srv/bot.js:1', 'text/plain', ''],
  [302, '', 'text/plain', ', a redirect'],
])(
  '%i with %j is AGENT_FAILED; only a 4xx explains itself, in one short line',
  async (status, body, type, words) => {
    const error = await outcome(status, body, { 'content-type': type, location: 'http://127.0.0.1:1/' })
    expect(error).toMatchObject({
      code: 'AGENT_FAILED',
      message: `agent "helper" answered ${status}${words}`,
      detail: { status },
      notExecuted: false,
    })
  },
)

test.each([
  [429, '7', 7_000],
  [503, '120', 120_000],
  [503, '999999999', 86_400_000],
  [503, 'soon', undefined],
  [503, 'Thu, 01 Jan 1970 00:00:00 GMT', 0],
  [500, '7', undefined],
  [400, '7', undefined],
])(
  '%i with Retry-After %s is worth another try after %s ms (RFC 9110 §10.2.3)',
  async (status, value, ms) => {
    const error = await outcome(status, '', { 'retry-after': value })
    expect(error).toMatchObject({ code: 'AGENT_FAILED', retry: true })
    expect((error as GatewayError).retryAfterMs).toBe(ms) // the line before says what it is
  },
)

test('Retry-After may be a date', async () => {
  const error = await outcome(503, '', { 'retry-after': new Date(Date.now() + 30_000).toUTCString() })
  const ms = (error as GatewayError).retryAfterMs // an answer with 503 is an error
  expect(ms).toBeGreaterThan(25_000)
  expect(ms).toBeLessThanOrEqual(30_000)
})

test('429 proves that nothing was done, and so does a bot that is not there (SEMANTICS 3)', async () => {
  expect(await outcome(429)).toMatchObject({ code: 'AGENT_FAILED', notExecuted: true })
  const server = await bot(200)
  await server[Symbol.asyncDispose]()
  await using helper = made({ url: server.origin })
  await expect(helper.ask()).rejects.toMatchObject({
    code: 'AGENT_FAILED',
    notExecuted: true,
    message: 'agent "helper": the POST: cannot connect: connection refused',
  })
})

test('a redirect is not followed: neither message nor token go to another address', async () => {
  await using other = await bot(200, '{"text":"stolen"}')
  expect(await outcome(307, '', { location: other.origin })).toMatchObject({ code: 'AGENT_FAILED' })
  expect(other.seen).toEqual([])
})

test('the end of the call ends the question, with its reason', async () => {
  await using server = await serve(() => undefined)
  await using helper = made({ url: server.origin })
  const abort = new AbortController()
  const answer = helper.agent.answer(message, conversation, abort.signal)
  const ended = answer.catch((error: unknown) => error)
  await vi.waitFor(() => expect(server.seen).toHaveLength(1), 10_000)
  const reason = new GatewayError('DEADLINE_EXCEEDED', 'agent "helper": no answer within 10 ms')
  abort.abort(reason)
  expect(await ended).toBe(reason)
})

test.each([
  [{}, 'url'],
  [{ url: 'bots.example.com' }, 'url'],
  [{ url: 'file:///etc/passwd' }, 'url'],
  [{ url: 'https://user:geheim@bots.example.com/' }, 'credentials belong into headers'],
  [{ url: 'https://bots.example.com/', secret: 'whsec_***' }, 'what follows the _ is not base64'],
  [{ url: 'https://bots.example.com/', secret: 'whsec_' }, 'what follows the _ is not base64'],
  [{ url: 'https://bots.example.com/', headers: { 'Webhook-Id': 'x' } }, 'set by the webhook itself'],
  [{ url: 'https://bots.example.com/', headers: { 'x y': 'x' } }, 'name of a header field'],
  [{ url: 'https://bots.example.com/', headers: { a: 'x\r\ny: z' } }, 'on one line'],
  [{ url: 'https://bots.example.com/', sercet: 'x' }, 'sercet'],
])('the config %j is refused, and says why', async (config, why) => {
  const result = await webhook.agent?.config['~standard'].validate(config)
  expect(JSON.stringify(result?.issues)).toContain(why)
})

test('a config as the README has it is taken', async () => {
  const result = await webhook.agent?.config['~standard'].validate({
    url: 'https://bots.example.com/helper',
    secret: '',
    headers: { 'x-api-key': '' },
  })
  expect(result?.issues).toBeUndefined()
})
