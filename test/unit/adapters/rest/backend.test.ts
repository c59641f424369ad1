import { once } from 'node:events'
import { createServer } from 'node:http'
import type { IncomingHttpHeaders, Server } from 'node:http'
import type { AddressInfo } from 'node:net'

import { GatewayError } from 'dragoman'
import type { Answer, Backend, BackendCall, Json, Message } from 'dragoman'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'

import rest from '../../../../adapters/rest/index.ts'
import { scope } from './host.ts'
import { createFrom } from '../../../support/create-from.ts'

interface Seen {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}
interface Script {
  readonly status?: number
  readonly headers?: Readonly<Record<string, string | string[]>>
  readonly body?: string | Uint8Array
}

// A business system that says what it is told to and keeps what it was asked.
let server: Server
let url = ''
let seen: Seen[] = []
let script: Script = {}

beforeAll(async () => {
  server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url: target = '', headers } = request
      seen.push({ method, url: target, headers, body: Buffer.concat(chunks).toString() })
      response.writeHead(script.status ?? 200, { 'content-type': 'application/json', ...script.headers })
      response.end(script.body ?? '{}')
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api` // a TCP server has an AddressInfo
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})
beforeEach(() => {
  seen = []
  script = {}
})

const message: Message = {
  id: 'm-1',
  kind: 'request',
  type: 'GetOrder',
  sender: { id: 'c-1', role: 'customer' },
  channel: 'web',
  conversation: 'web:c-1',
  direction: 'inbound',
  sequence: 0,
  receivedAt: '2026-01-31T09:00:00Z',
  correlationId: 'm-1',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
}

function open(
  operation: Readonly<Record<string, unknown>>,
  more: Readonly<Record<string, unknown>> = {},
): Backend {
  const { backend } = rest
  return createFrom(backend, { url, operations: { GetOrder: operation }, ...more }, scope({ id: 'orders' }))
}

async function call(backend: Backend, params: Json = {}, more: Partial<BackendCall> = {}): Promise<Answer> {
  return backend.call(
    { operation: 'GetOrder', params, message, key: 'key-1', attempt: 1, ...more },
    AbortSignal.timeout(30_000),
  )
}

async function failure(calling: Promise<unknown>): Promise<GatewayError> {
  const thrown = await calling.then(
    () => new Error('nothing was thrown'),
    (error: unknown) => error,
  )
  expect(thrown).toBeInstanceOf(GatewayError)
  return thrown as GatewayError // looked at in the line before
}

test('GET puts what is not in the path into the query, without a body or a key (DESIGN §16)', async () => {
  await call(open({ method: 'GET', path: '/orders/{orderNo}' }), {
    orderNo: '000777',
    total: '1.10',
    tags: ['a b', 'ü&'],
    empty: '',
    none: null,
    yes: true,
  })
  const [{ method, url: target, headers, body } = seenNothing] = seen
  expect([method, target, body]).toStrictEqual([
    'GET',
    '/api/orders/000777?total=1.10&tags=a+b&tags=%C3%BC%26&empty=&yes=true',
    '',
  ])
  expect(headers['accept']).toBe('application/json')
  expect(headers['traceparent']).toBe(message.traceparent)
  expect(headers).not.toHaveProperty('idempotency-key')
})

test.each([null, ''])(
  '%j is no parameters: GET goes out without a query, as XML says it by an element without content',
  async (params) => {
    await call(open({ method: 'GET', path: '/orders' }), params)
    expect(seen.map(({ url: target }) => target)).toStrictEqual(['/api/orders'])
    await expect(call(open({ method: 'GET', path: '/orders' }), 'open')).rejects.toMatchObject({
      code: 'DECODE_FAILED',
    })
  },
)

const seenNothing: Seen = { method: '', url: '', headers: {}, body: '' }

test('POST sends all parameters as JSON and the stable key (DESIGN §16)', async () => {
  await call(open({ path: '/orders/{orderNo}' }), {
    orderNo: '000777',
    total: '1.10',
    id: '9007199254740993',
  })
  const [{ method, url: target, headers, body } = seenNothing] = seen
  expect([method, target, body]).toStrictEqual([
    'POST',
    '/api/orders/000777',
    '{"orderNo":"000777","total":"1.10","id":"9007199254740993"}',
  ])
  expect(headers).toMatchObject({ 'content-type': 'application/json', 'idempotency-key': 'key-1' })
})

test('PUT, PATCH and DELETE carry the key too; DELETE has its parameters in the query', async () => {
  for (const method of ['PUT', 'PATCH', 'DELETE']) await call(open({ method, path: '/o' }), { a: 1 })
  expect(
    seen.map(({ method, url: target, body, headers }) => [method, target, body, headers['idempotency-key']]),
  ).toStrictEqual([
    ['PUT', '/api/o', '{"a":1}', 'key-1'],
    ['PATCH', '/api/o', '{"a":1}', 'key-1'],
    ['DELETE', '/api/o?a=1', '', 'key-1'],
  ])
})

test('query, headers and body are expressions over the parameters and $message', async () => {
  const backend = open(
    {
      method: 'PUT',
      path: '/orders/{no}',
      query: { who: '$message.sender.id', list: '[1, 2]', nothing: 'missing' },
      headers: { 'X-Trace': '$message.id', 'X-None': 'missing', 'X-Key': "'own'" },
      body: '{ "number": no, "lines": lines.sku, "gone": missing }',
    },
    { headers: { authorization: "'Bearer t'", 'x-key': "'base'" } },
  )
  await call(backend, { no: '7', lines: [{ sku: 'a' }, { sku: 'b' }] })
  const [{ url: target, headers, body } = seenNothing] = seen
  expect([target, body]).toStrictEqual([
    '/api/orders/7?who=c-1&list=1&list=2',
    '{"number":"7","lines":["a","b"]}',
  ])
  expect(headers).toMatchObject({ 'x-trace': 'm-1', 'x-key': 'own', authorization: 'Bearer t' })
  expect(headers).not.toHaveProperty('x-none')
})

test('an expression without value as the body sends none', async () => {
  await call(open({ body: 'missing' }), { a: 1 })
  expect(seen[0]?.body).toBe('')
  expect(seen[0]?.headers).not.toHaveProperty('content-type')
})

test('a body of another type is the text that the expression makes', async () => {
  const operation = { headers: { 'content-type': "'text/csv'" }, body: "no & ';' & qty" }
  await call(open(operation), { no: '007', qty: '1.10' })
  expect([seen[0]?.body, seen[0]?.headers['content-type']]).toStrictEqual(['007;1.10', 'text/csv'])
  expect((await failure(call(open({ ...operation, body: '$' }), { a: 1 }))).code).toBe('ENCODE_FAILED')
  await call(open({ headers: { 'content-type': "'text/csv; charset=gbk'" }, body: 'no' }), { no: '王小明' })
  expect(seen[1]?.headers['content-length']).toBe('6')
})

test('the answer is the JSON body, no digit lost (DESIGN §3)', async () => {
  script = { body: '{"id":9007199254740993,"total":1.10,"n":5,"__proto__":{"a":1},"name":"王小明 <&>"}' }
  const { data } = await call(open({ method: 'GET' }))
  expect(JSON.stringify(data)).toBe(
    '{"id":"9007199254740993","total":"1.10","n":5,"__proto__":{"a":1},"name":"王小明 <&>"}',
  )
})

test('result and metadata see the answer as $, its headers as $headers and the message', async () => {
  const cookies = ['sid=1; Path=/', 'lang=de']
  const headers = { 'X-Rate-Left': '9', 'Set-Cookie': cookies }
  script = { body: '{"order":{"no":"7","rows":[{"sku":"a"}]}}', headers }
  const answer = await call(
    open({
      method: 'GET',
      result:
        '{ "no": order.no, "skus": [order.rows.sku], "left": $headers."x-rate-left", "for": $message.sender.id, "gone": nope }',
      metadata: {
        left: '$headers."x-rate-left"',
        'soap:Row': 'order.rows[0]',
        none: 'nope',
        cookies: '$headers."set-cookie"',
      },
    }),
  )
  expect(answer).toStrictEqual({
    data: { no: '7', skus: ['a'], left: '9', for: 'c-1' },
    metadata: { left: '9', 'soap:Row': '{"sku":"a"}', cookies: JSON.stringify(cookies) },
  })
  expect(() => structuredClone(answer)).not.toThrow()
})

test('a result without value is no data, and so is an empty 2xx', async () => {
  expect(await call(open({ method: 'GET', result: 'nope' }))).toStrictEqual({})
  script = { status: 204, body: '' }
  expect(await call(open({}))).toStrictEqual({})
  script = { status: 201, body: '', headers: { 'content-type': 'text/html' } }
  expect(await call(open({}))).toStrictEqual({})
})

test('a 4xx is a business fault: code, title and an object as detail (DESIGN §10)', async () => {
  script = {
    status: 404,
    headers: { 'content-type': 'application/problem+json' },
    body: '{"code":"OrderNotFound","title":"no such order","detail":{"orderNo":"000999","id":12345678901234567890}}',
  }
  expect(await call(open({ method: 'GET', result: 'order.no' }))).toStrictEqual({
    fault: {
      code: 'OrderNotFound',
      message: 'no such order',
      detail: { orderNo: '000999', id: '12345678901234567890' },
    },
    metadata: { 'http:status': '404' },
  })
})

test.each<[string, Script, { code: string; message: string }]>([
  [
    'text',
    { body: 'nope', headers: { 'content-type': 'text/plain' } },
    { code: 'HTTP_422', message: 'orders: GetOrder answered 422' },
  ],
  ['broken JSON', { body: '{' }, { code: 'HTTP_422', message: 'orders: GetOrder answered 422' }],
  ['a list', { body: '[1]' }, { code: 'HTTP_422', message: 'orders: GetOrder answered 422' }],
  ['nothing', { body: '' }, { code: 'HTTP_422', message: 'orders: GetOrder answered 422' }],
  ['a text as detail', { body: '{"code":17,"detail":"too late"}' }, { code: '17', message: 'too late' }],
])('a 4xx that answers %s is a business fault all the same', async (_, answer, fault) => {
  script = { status: 422, ...answer }
  expect((await call(open({}))).fault).toStrictEqual(fault)
})

test.each([400, 402, 404, 409, 410, 422, 451])('%i is a business fault', async (status) => {
  script = { status, body: '{"code":"X","title":"t"}' }
  expect((await call(open({}))).fault?.code).toBe('X')
})

test.each<[number, boolean]>([
  [401, false],
  [403, false],
  [408, false],
  [425, false], // RFC 8470 §5.2
  [429, true], // SEMANTICS 3: proves that nothing was executed
  [500, false],
  [502, false],
  [503, false],
  [504, false],
  [301, false],
  [304, false],
])('%i is a breakage, nothing executed: %s (DESIGN §10)', async (status, notExecuted) => {
  script = { status, headers: { 'retry-after': '7', location: 'http://127.0.0.1:1/' }, body: '' }
  const error = await failure(call(open({ method: 'GET' })))
  expect(error).toMatchObject({ code: 'BACKEND_FAILED', notExecuted, retryAfterMs: 7000, detail: { status } })
  expect(error.message).toContain(`orders: GetOrder answered ${status}`)
  expect(seen).toHaveLength(1) // a redirect is not followed
})

test('a 503 proves that nothing was executed where the operation declares it (SEMANTICS 3)', async () => {
  script = { status: 503, body: '' }
  expect((await failure(call(open({ notExecuted: true })))).notExecuted).toBe(true)
  script = { status: 500, body: '' }
  expect((await failure(call(open({ notExecuted: true })))).notExecuted).toBe(false)
})

test.each<[string, Script]>([
  ['XML', { body: '<a/>', headers: { 'content-type': 'text/xml' } }],
  ['HTML', { body: '<html>', headers: { 'content-type': 'text/html; charset=utf-8' } }],
  ['JSON in GBK', { body: '{}', headers: { 'content-type': 'application/json; charset=gbk' } }],
  ['broken JSON', { body: '{"a":' }],
  ['bytes that are not UTF-8', { body: Buffer.from([0x22, 0xcd, 0xf5, 0x22]) }],
  ['a nest of 100 levels', { body: '['.repeat(100) + ']'.repeat(100) }],
])('an answer of %s is refused as a breakage that tells no content', async (_, answer) => {
  script = answer
  const error = await failure(call(open({ method: 'GET' })))
  expect(error.code).toBe('BACKEND_FAILED')
  expect(error.message).toMatch(/^orders: GetOrder answered /)
})

test.each<[string, Readonly<Record<string, unknown>>, Json, string]>([
  ['a parameter of the path is missing', { method: 'GET', path: '/o/{no}' }, {}, 'DECODE_FAILED'],
  ['a list is given where the query needs names', { method: 'GET' }, [1], 'DECODE_FAILED'],
  ['an object is given for the query', { method: 'GET' }, { a: { b: 1 } }, 'DECODE_FAILED'],
  ['half a surrogate pair would go into the query', { method: 'GET' }, { a: '\ud83d' }, 'DECODE_FAILED'],
  [
    'a header would get a line end (header injection)',
    { headers: { 'x-a': 'a' } },
    { a: 'b\r\nx-evil: 1' },
    'DECODE_FAILED',
  ],
  ['a header would get Chinese', { headers: { 'x-a': 'a' } }, { a: '王' }, 'DECODE_FAILED'],
  ['a header would get an object', { headers: { 'x-a': '$' } }, { a: 1 }, 'DECODE_FAILED'],
  ['an expression fails', { body: 'a * 2' }, { a: 'x' }, 'ENCODE_FAILED'],
  ['an expression yields a function', { body: '$sum' }, {}, 'ENCODE_FAILED'],
])('nothing is sent when %s', async (_, operation, params, code) => {
  const error = await failure(call(open(operation), params))
  expect([error.code, error.notExecuted, seen.length]).toStrictEqual([code, true, 0])
})

test('an expression that fails on the answer is a breakage, for the call was made', async () => {
  script = { body: '{"a":"x"}' }
  const error = await failure(call(open({ result: 'a * 2' })))
  expect([error.code, error.notExecuted]).toStrictEqual(['BACKEND_FAILED', false])
  expect(error.message).toBe('orders: GetOrder answered what cannot be read')
  expect(error.cause).toMatchObject({ cause: { message: 'in "a * 2"' } })
})

test('GET and HEAD are safe unless the config says otherwise; * stands for any other operation', async () => {
  const backend = open(
    { method: 'GET' },
    {
      operations: {
        GetOrder: { method: 'GET' },
        Ping: { method: 'HEAD' },
        '*': { path: '/rpc/{operation}' },
      },
    },
  )
  expect({ ...backend.operations }).toStrictEqual({
    GetOrder: { safe: true, readsMessage: false },
    Ping: { safe: true, readsMessage: false },
    '*': { safe: false, readsMessage: false },
  })
  await call(backend, { a: 1 }, { operation: 'Create Order' })
  expect(seen[0]?.url).toBe('/api/rpc/Create%20Order')
})

test('without operations every one is a POST to its name', async () => {
  const { backend } = rest
  const opened = createFrom(backend, { url }, scope({ id: 'orders' }))
  if (opened === undefined) throw new TypeError('the REST adapter has no backend')
  await call(opened, { a: 1 }, { operation: '__proto__' })
  expect([seen[0]?.method, seen[0]?.url]).toStrictEqual(['POST', '/api/__proto__'])
})

test('an operation that is not there is named with those that are', async () => {
  const error = await failure(call(open({ method: 'GET' }), {}, { operation: 'constructor' }))
  expect([error.code, error.notExecuted, seen.length]).toStrictEqual(['NO_ROUTE', true, 0])
  expect(error.message).toContain('GetOrder')
})

test('calls beside each other keep their own parameters (JSONata shares its root without bindings)', async () => {
  const backend = open({ query: { no: '($f := function($n){$n}; $f($$.no))' }, body: 'no' })
  await Promise.all(Array.from({ length: 50 }, async (_, no) => call(backend, { no: String(no) })))
  for (const { url: target, body } of seen) expect(target).toBe(`/api/GetOrder?no=${JSON.parse(body)}`)
  expect(new Set(seen.map(({ body }) => body)).size).toBe(50)
})

test('probe resolves if the system answers at all, and rejects if nobody is there', async () => {
  script = { status: 500, body: '' }
  await expect(open({}).probe?.(AbortSignal.timeout(30_000))).resolves.toBeUndefined()
  await expect(open({}, { url: 'http://127.0.0.1:1' }).probe?.(AbortSignal.timeout(30_000))).rejects.toThrow(
    'fetch failed',
  )
})

test.each<[string, unknown, RegExp]>([
  ['no url', { operations: {} }, /url/],
  ['another scheme', { url: 'ftp://x' }, /address/],
  ['a password in the url', { url: 'http://u:p@h' }, /user/],
  ['a query in the url', { url: 'http://h/?a=1' }, /query/],
  ['a broken expression', { url: 'http://h', operations: { A: { body: '{ "a": ' } } }, /not JSONata/],
  ['a relative path', { url: 'http://h', operations: { A: { path: 'orders' } } }, /path/],
  ['a query in the path', { url: 'http://h', operations: { A: { path: '/o?x={id}' } } }, /query/],
  ['an open placeholder', { url: 'http://h', operations: { A: { path: '/o/{id' } } }, /placeholder/],
  ['a body with GET', { url: 'http://h', operations: { A: { method: 'GET', body: '$' } } }, /no body/],
  ['a header of the transport', { url: 'http://h', headers: { Host: "'x'" } }, /transport/],
  ['a header name with a line end', { url: 'http://h', headers: { 'x\r\ny': "'x'" } }, /header/],
  ['an unknown key', { url: 'http://h', operations: { A: { pth: '/x' } } }, /pth/],
  ['an unknown method', { url: 'http://h', operations: { A: { method: 'TRACE' } } }, /method/],
])('%s in the config is refused with words', async (_, config, words) => {
  const result = await rest.backend?.config['~standard'].validate(config)
  expect(JSON.stringify(result?.issues)).toMatch(words)
})
