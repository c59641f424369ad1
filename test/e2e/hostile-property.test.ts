// Any bytes, any JSON, any headers, any damage: a valid answer in the caller's protocol, and accepted exactly where it said so.
import fc from 'fast-check'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { textOf } from '../support/bot.ts'
import { until } from '../support/gateway.ts'
import {
  JSON_TYPE,
  XML_TYPE,
  expectAlive,
  expectNoLeak,
  faultOf,
  send,
  startWorld,
  stateOf,
} from './hostile-world.ts'
import type { Answer, Headers, World } from './hostile-world.ts'

/** `RUNS=100` makes a hundred times as many. */
const FACTOR = Number(process.env['RUNS'] ?? 1)
const RUNS = { numRuns: 150 * FACTOR }

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())
afterEach(() => expectAlive(world))

async function post(path: string, headers: Headers, body: string | Uint8Array): Promise<Answer> {
  const answer = await send(world.gateway, { method: 'POST', path, headers, body })
  expectNoLeak(world, answer)
  return answer
}

/** JSON where it is done, a problem of the caller's where it is not. Resolves whether it is done. */
function isDone(answer: Answer): boolean {
  const type = answer.headers.get('content-type') ?? ''
  if (answer.status < 300) {
    expect(answer.status === 204 || JSON.parse(answer.body) !== undefined).toBe(true)
    return true
  }
  expect({ status: answer.status, body: answer.body }).toMatchObject({ status: expect.toSatisfy(isCallers) })
  if (type.startsWith('text/plain')) return false // to one who said he speaks XML
  expect(JSON.parse(answer.body)).toMatchObject({ status: answer.status, code: expect.any(String) })
  return false
}

function isCallers(status: unknown): boolean {
  return typeof status === 'number' && status >= 400 && status < 500
}

const names = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'prototype',
    'toString',
    'hasOwnProperty',
    'valueOf',
    'then',
    'toJSON',
  ),
  fc.constantFrom(
    'sender',
    'text',
    'parts',
    'data',
    'type',
    'id',
    'metadata',
    'kind',
    '',
    '@a',
    '#text',
    '$',
    'a.b',
  ),
  fc.string({ unit: 'binary', maxLength: 6 }),
)
const texts = fc.oneof(fc.string({ unit: 'binary', maxLength: 20 }), names)
const { json } = fc.letrec<{ json: unknown }>((tie) => ({
  json: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.oneof(texts, fc.integer(), fc.boolean(), fc.constant(null)),
    fc.array(tie('json'), { maxLength: 4 }),
    object(tie('json')),
  ),
}))

/** An object whose members are defined, so that `__proto__` is one of them. */
function object(values: fc.Arbitrary<unknown>): fc.Arbitrary<object> {
  return fc.array(fc.tuple(names, values), { maxLength: 5 }).map((entries) => Object.fromEntries(entries))
}

const or = (usual: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 9, arbitrary: usual }, { weight: 1, arbitrary: json })

/** Nearly a message: most members right, some missing, some strange. */
const said = fc.record(
  {
    sender: or(
      fc.record({ id: texts, role: fc.constant('customer'), name: texts }, { requiredKeys: ['id'] }),
    ),
    text: or(texts),
    conversation: or(texts),
    externalId: or(texts),
    priority: or(fc.constantFrom('low', 'high')),
    expiresAt: or(fc.constant('2099-01-01T00:00:00Z')),
    metadata: or(object(texts)),
    data: json,
  },
  { requiredKeys: ['sender', 'text'] },
)
const event = fc.record({
  specversion: or(fc.constant('1.0')),
  id: or(fc.uuid()),
  source: or(fc.constant('/erp')),
  type: or(texts),
  data: json,
})

const types = fc.oneof(
  fc.constantFrom('application/json', 'application/cloudevents+json', 'text/plain', 'application/xml'),
  fc.string({ unit: 'grapheme-ascii', maxLength: 20 }),
)

/** A call of an endpoint: the usual body and type most of the time, else anything. */
function callOf(
  path: string,
  type: string,
  body: fc.Arbitrary<unknown>,
): fc.Arbitrary<readonly [string, string, string | Uint8Array]> {
  const text = fc
    .oneof({ weight: 4, arbitrary: body }, { weight: 1, arbitrary: json })
    .map((value) => JSON.stringify(value))
  return fc.tuple(
    fc.constant(path),
    fc.oneof({ weight: 4, arbitrary: fc.constant(type) }, { weight: 1, arbitrary: types }),
    fc.oneof({ weight: 4, arbitrary: text }, { weight: 1, arbitrary: fc.uint8Array({ maxLength: 300 }) }),
  )
}
const calls = fc.oneof(
  callOf('/v1/messages', 'application/json', said),
  callOf('/v1/events', 'application/cloudevents+json', event),
  callOf('/v1/events/x', 'application/json', object(json)),
  callOf('/v1/requests/GetOrder', 'application/json', json),
  callOf('/v1/callbacks/x', 'application/json', said),
)

test('any body of any media type is answered in JSON, and stored exactly where the answer says so', async () => {
  const before = (await stateOf(world)).ledger.accepted
  let accepted = 0
  await fc.assert(
    fc.asyncProperty(calls, async ([path, type, body]) => {
      const answer = await post(path, { 'content-type': type }, body)
      if (isDone(answer) && answer.body.includes('"duplicate":false')) accepted += 1
    }),
    RUNS,
  )
  expect(accepted).toBeGreaterThan(5 * FACTOR)
  expect((await stateOf(world)).ledger.accepted - before).toBe(accepted)
})

test('whatever JSON a message carries is stored, read back and shown to the bot as it was', async () => {
  await fc.assert(
    fc.asyncProperty(json, object(texts), fc.uuid(), async (data, metadata, sender) => {
      const attributes = { data }
      const body = JSON.stringify({ sender: { id: sender, attributes }, text: sender, data, metadata })
      expect(isDone(await post('/v1/messages', JSON_TYPE, body))).toBe(true)
      const read = await send(world.gateway, {
        method: 'GET',
        path: `/v1/conversations/web:${sender}/messages`,
      })
      const asked = await until(() => world.bot.asked.find((one) => textOf(one) === sender))
      const stored: unknown = JSON.parse(read.body)
      for (const message of [membersOf(membersOf(stored)['messages'])[0], asked.event.data]) {
        const { data: shown, metadata: carried, sender: party } = membersOf(message)
        expect(JSON.stringify(shown)).toBe(JSON.stringify(data))
        expect(JSON.stringify(carried)).toBe(JSON.stringify(metadata))
        expect(JSON.stringify(membersOf(party)['attributes'])).toBe(JSON.stringify(attributes))
      }
    }),
    RUNS,
  )
})

function membersOf(value: unknown): Readonly<Record<PropertyKey, unknown>> {
  return Object(value) as Readonly<Record<PropertyKey, unknown>> // any value has members to ask for
}

test('whatever JSON a request carries reaches the business system, and its answer the caller, as it was', async () => {
  await fc.assert(
    fc.asyncProperty(json, async (params) => {
      const answer = await post('/v1/requests/Echo', JSON_TYPE, JSON.stringify(params))
      expect(answer.status).toBe(200)
      expect(JSON.stringify(JSON.parse(answer.body))).toBe(JSON.stringify(params))
    }),
    RUNS,
  )
})

test('any path, query and headers are answered: served, or refused as a mistake of the caller', async () => {
  const pieces = fc.constantFrom(
    '/',
    '//',
    'v1',
    'messages',
    'healthz',
    'admin',
    '..',
    '.',
    '%2f',
    '%00',
    '%',
    '%41',
    '?',
    '&',
    '=',
    'wsdl',
    'é',
    ';',
    '__proto__',
  )
  const targets = fc.array(fc.oneof(pieces, fc.string({ unit: 'grapheme-ascii', maxLength: 4 })), {
    maxLength: 8,
  })
  const methods = fc.constantFrom('GET', 'POST', 'HEAD', 'DELETE', 'OPTIONS')
  const known = fc.constantFrom(
    'prefer',
    'accept',
    'authorization',
    'idempotency-key',
    'last-event-id',
    'content-type',
    'content-encoding',
    'traceparent',
    'x-forwarded-for',
    'x-forwarded-host',
    'soapaction',
    'expect',
    'cookie',
    'range',
    'if-none-match',
    'upgrade',
    'te',
    '__proto__',
    'constructor',
  )
  const headers = fc.dictionary(known, fc.string({ unit: 'grapheme-ascii', maxLength: 12 }), { maxKeys: 4 })
  await fc.assert(
    fc.asyncProperty(methods, targets, headers, async (method, target, fields) => {
      const path = `/${target.join('')}`.replaceAll(/\s/gu, '')
      const answer = await send(world.gateway, { method, path, headers: fields })
      expectNoLeak(world, answer)
      expect(answer.status).toSatisfy((status: number) => status < 300 || isCallers(status))
    }),
    RUNS,
  )
})

const ENVELOPE = Buffer.from(
  `<?xml version="1.0" encoding="UTF-8"?>
<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:i="http://www.w3.org/2001/XMLSchema-instance"><s:Header>
<a:AuthHeader xmlns:a="urn:example:orders:v1" s:mustUnderstand="0"><a:user>alice</a:user><a:token>t</a:token></a:AuthHeader></s:Header>
<s:Body><o:AddComment xmlns:o="urn:example:orders:v1"><o:ticketId>1</o:ticketId><o:comment i:nil="false">a &amp; b <![CDATA[<c>]]></o:comment>
</o:AddComment></s:Body></s:Envelope>`,
)

/** One wound: bytes cut out at a place, others put in. */
const wounds = fc.record({
  at: fc.nat({ max: ENVELOPE.length - 1 }),
  out: fc.nat({ max: 20 }),
  into: fc.oneof(
    fc.uint8Array({ maxLength: 4 }),
    fc
      .constantFrom(
        '<',
        '>',
        '&',
        '"',
        "'",
        '</',
        '<!--',
        '<![CDATA[',
        ']]>',
        '<?x ?>',
        '<!DOCTYPE a>',
        '&#x41;',
        '&x;',
        '&#0;',
      )
      .map((text) => Buffer.from(text)),
    fc
      .constantFrom('__proto__', 'xmlns:s=""', ' s:mustUnderstand="1"', '\u0000', '\ufeff', '\u4e2d')
      .map((text) => Buffer.from(text)),
  ),
})

test('a damaged envelope is answered by the result or by a fault of the caller, in bounded time', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(wounds, { minLength: 1, maxLength: 3 }), async (several) => {
      let bytes: Buffer = ENVELOPE
      for (const { at, out, into } of several)
        bytes = Buffer.concat([bytes.subarray(0, at), into, bytes.subarray(at + out)])
      const answer = await post('/orders', XML_TYPE, bytes)
      const fault = faultOf(answer)
      if (answer.status === 200) expect(answer.body).toContain('AddCommentResponse')
      else expect(['Client', 'Sender', 'VersionMismatch', 'MustUnderstand']).toContain(fault?.code)
      expect(answer.ms).toBeLessThan(1500)
    }),
    { numRuns: 400 * FACTOR },
  )
})
