// Bad bodies to every endpoint that takes one: a clear refusal in the caller's protocol, nothing stored, nothing broken.
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { around, badJson, bomb } from './hostile-bodies.ts'
import {
  BODY_LIMIT,
  CLOUD_EVENT,
  CRM,
  JSON_TYPE,
  XML_TYPE,
  expectFault,
  expectLine,
  expectNoLeak,
  expectProblem,
  send,
  startWorld,
  expectUntouched,
  stateOf,
} from './hostile-world.ts'
import type { Answer, Headers, State, World } from './hostile-world.ts'

let world: World
let before: State
beforeAll(async () => {
  world = await startWorld()
  before = await stateOf(world)
})
afterAll(() => world[Symbol.asyncDispose]())
afterEach(() => expectUntouched(world, before))

async function post(at: Endpoint, body: string | Uint8Array, headers: Headers = {}): Promise<Answer> {
  const { path, headers: own } = at()
  const answer = await send(world.gateway, { method: 'POST', path, headers: { ...own, ...headers }, body })
  expectNoLeak(world, answer)
  expect(answer.ms).toBeLessThan(1500)
  return answer
}

type Endpoint = () => { readonly path: string; readonly headers: Headers }
const at =
  (path: string, headers: Headers = JSON_TYPE): Endpoint =>
  () => ({ path, headers })

const soap = (body: string, namespace = 'http://schemas.xmlsoap.org/soap/envelope/'): string =>
  `<s:Envelope xmlns:s="${namespace}"><s:Body>${body}</s:Body></s:Envelope>`
const getOrder = (inner: string): string =>
  `<GetOrder xmlns="urn:example:crm"><orderNo>${inner}</orderNo></GetOrder>`
const SOAP12 = 'http://www.w3.org/2003/05/soap-envelope'

const message = (text: string): string => `{"sender":{"id":"ann"},"text":"${text}"}`
const event = (text: string): string =>
  `{"specversion":"1.0","id":"e","source":"/x","type":"t","data":{"a":"${text}"}}`
const data = (text: string): string => `{"orderNo":"${text}"}`

/** Everything that takes JSON, with a good body around one text. */
const endpoints: readonly (readonly [string, Endpoint, (text: string) => string])[] = [
  ['/v1/messages', at('/v1/messages'), message],
  ['/v1/events', at('/v1/events', CLOUD_EVENT), event],
  ['/v1/events/{type}', at('/v1/events/order.shipped'), data],
  ['/v1/requests/{operation}', at('/v1/requests/GetOrder'), data],
]

describe.each(endpoints)('POST %s refuses', (_, endpoint, good) => {
  test.each(badJson(good))('%s', async (__, body, headers, status, code) => {
    expectProblem(await post(endpoint, body, headers), status, code)
  })
})

describe('POST /v1/messages refuses', () => {
  const ann = '"sender":{"id":"ann"}'
  test.each([
    ['no object', '[]'],
    ['null', 'null'],
    ['a number', '1'],
    ['__proto__ beside the members', `{${ann},"text":"x","__proto__":{"sender":{"id":"bob"}}}`],
    ['constructor beside the members', `{${ann},"text":"x","constructor":{"prototype":{"a":1}}}`],
    ['a sender that is only inherited', '{"text":"x","sender":{"__proto__":{"id":"ann"}}}'],
    ['a sender without a name', '{"sender":{"id":""},"text":"x"}'],
    ['a name with control characters', `{"sender":{"id":"a\\u001fb"},"text":"x"}`],
    ['a name of 300 characters', `{"sender":{"id":"${'a'.repeat(300)}"},"text":"x"}`],
    ['a role that is none', '{"sender":{"id":"ann","role":"__proto__"},"text":"x"}'],
    ['another kind', `{${ann},"kind":"request","text":"x"}`],
    ['neither text nor parts', `{${ann}}`],
    ['both text and parts', `{${ann},"text":"x","parts":[{"kind":"text","text":"x"}]}`],
    ['a text that is none', `{${ann},"text":{"toString":"x"}}`],
    ['a part of no kind', `{${ann},"parts":[{"kind":"constructor","text":"x"}]}`],
    ['1,000 parts', `{${ann},"parts":[${Array(1000).fill('{"kind":"text","text":"x"}').join(',')}]}`],
    ['metadata that is no text', `{${ann},"text":"x","metadata":{"a":1}}`],
    ['a priority that is none', `{${ann},"text":"x","priority":"toString"}`],
    ['a time that is none', `{${ann},"text":"x","expiresAt":"2026-13-45T99:00:00Z"}`],
    ['a sequence that is none', `{${ann},"text":"x","clientSequence":1e400}`],
    ['a claim to the stamps of the gateway', `{${ann},"text":"x","direction":"outbound","sequence":1}`],
  ])('%s', async (_, body) => {
    expectProblem(await post(at('/v1/messages'), body), 400, 'DECODE_FAILED')
  })
})

describe('POST /v1/events refuses', () => {
  const binary = { 'ce-specversion': '1.0', 'ce-id': 'e', 'ce-source': '/x', 'ce-type': 't' }
  test.each([
    ['an event without its attributes', '{"specversion":"1.0"}', CLOUD_EVENT, 400, 'DECODE_FAILED'],
    [
      'another version of CloudEvents',
      event('').replace('"1.0"', '"2.0"'),
      CLOUD_EVENT,
      400,
      'DECODE_FAILED',
    ],
    [
      'a batch',
      `[${event('')}]`,
      { 'content-type': 'application/cloudevents-batch+json' },
      415,
      'UNSUPPORTED_MEDIA',
    ],
    ['data twice', event('').replace('}}', '},"data_base64":"AA=="}'), CLOUD_EVENT, 400, 'DECODE_FAILED'],
    ['a bare array', '[1]', { ...JSON_TYPE, ...binary, 'ce-id': '%ff' }, 400, 'DECODE_FAILED'],
    ['attributes that are no UTF-8', '{}', { ...JSON_TYPE, ...binary, 'ce-id': '%ff' }, 400, 'DECODE_FAILED'],
    ['no type anywhere', '{}', JSON_TYPE, 400, 'DECODE_FAILED'],
  ])('%s', async (_, body, headers, status, code) => {
    expectProblem(await post(at('/v1/events', headers), body), status, code)
  })
})

describe('POST to a SOAP path refuses', () => {
  const endpoint = at(CRM, XML_TYPE)
  test.each([
    ['a body above the limit', soap(getOrder('x'.repeat(BODY_LIMIT))), {}, 413],
    ['a gzip bomb', bomb, { 'content-encoding': 'gzip' }, 413],
    ['broken gzip', 'not gzip', { 'content-encoding': 'gzip' }, 400],
    ['a coding nobody asked for', soap(getOrder('1')), { 'content-encoding': 'br' }, 415],
    ['JSON', '{}', JSON_TYPE, 415],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415],
    ['a media type that is none', soap(getOrder('1')), { 'content-type': ';;=' }, 415],
  ])('%s by a status and a line of text', async (_, body, headers, status) => {
    const answer = await post(endpoint, body, headers)
    expectLine(answer, status)
  })

  const whole = soap(getOrder('1'))
  const ticket = (inner: string): string =>
    soap(`<SubmitTicket xmlns="urn:example:crm">${inner}</SubmitTicket>`)
  test.each<readonly [string, string | Uint8Array, Headers]>([
    ['a truncated envelope', whole.slice(0, -20), {}],
    ['no body', '', {}],
    ['what is not XML', 'hello=world', {}],
    ['a charset that is none', whole, { 'content-type': 'text/xml; charset=nope' }],
    ['UTF-16 that says UTF-8', Buffer.from(whole, 'utf16le'), {}],
    ['bytes that are no UTF-8', around([0xff], (inner) => soap(getOrder(inner))), {}],
    [
      'bytes that are no GBK',
      around([0xff, 0xff], (inner) => soap(getOrder(inner))),
      { 'content-type': 'text/xml; charset=gbk' },
    ],
    ['half a surrogate pair', soap(getOrder('&#xd800;')), {}],
    ['NUL', soap(getOrder('&#0;')), {}],
    ['5,000 levels', soap('<a>'.repeat(5000) + '</a>'.repeat(5000)), {}],
    ['3,000 attributes', soap(`<GetOrder xmlns="urn:example:crm" ${attributes(3000)}/>`), {}],
    [
      'an element called __proto__',
      soap('<GetOrder xmlns="urn:example:crm"><__proto__>1</__proto__></GetOrder>'),
      {},
    ],
    ['an operation called __proto__', soap('<__proto__ xmlns="urn:example:crm"/>'), {}],
    ['an operation called constructor', soap('<constructor xmlns="urn:example:crm"/>'), {}],
    ['a missing element', ticket('<description>x</description>'), {}],
    ['a message without its sender', ticket('<customerId/><description>x</description>'), {}],
    [
      'an event without its sender',
      soap('<NotifyShipping xmlns="urn:example:crm"><customerId/><orderNo>1</orderNo></NotifyShipping>'),
      {},
    ],
    [
      'a sender with control characters',
      ticket('<customerId>a&#9;b</customerId><description>x</description>'),
      {},
    ],
    ['multipart without a boundary', 'x', { 'content-type': 'multipart/related' }],
    [
      'multipart without its end',
      '--a\r\n\r\n',
      { 'content-type': 'multipart/related; boundary=a; type="application/xop+xml"' },
    ],
  ])('%s by a fault of the caller', async (_, body, headers) => {
    expectFault(await post(endpoint, body, headers))
  })

  test('a SOAP 1.2 caller in SOAP 1.2', async () => {
    const body = ticket('<customerId/><description>x</description>').replace(
      /xmlns:s="[^"]+"/u,
      `xmlns:s="${SOAP12}"`,
    )
    expectFault(await post(endpoint, body, { 'content-type': 'application/soap+xml; charset=utf-8' }), '1.2')
  })
})

function attributes(count: number): string {
  return Array.from({ length: count }, (_, index) => `a${index}="1"`).join(' ')
}
