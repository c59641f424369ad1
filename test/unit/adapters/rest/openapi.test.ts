import { readdirSync, readFileSync } from 'node:fs'

import { errorTable } from 'dragoman'
import { expect, test } from 'vitest'
import { z } from 'zod'

import { endpoints } from '../../../../adapters/rest/endpoints.ts'
import { componentSchemas } from '../../../../adapters/rest/openapi.ts'
import * as schemas from '../../../../adapters/rest/schemas.ts'
import { read, Trial } from './host.ts'

const folder = new URL('../../../../adapters/rest/', import.meta.url)

type Node = Readonly<Record<string, unknown>>
const isNode = (value: unknown): value is Node => typeof value === 'object' && value !== null

/** A value inside the document by its steps; a missing one fails the test by name. */
function at(document: unknown, ...steps: readonly string[]): Node {
  let value = document
  for (const step of steps) value = isNode(value) ? value[step] : undefined
  if (!isNode(value)) throw new Error(`the document has nothing at ${steps.join(' / ')}`)
  return value
}

function everyNode(value: unknown): readonly Node[] {
  if (!isNode(value)) return []
  return [value, ...Object.values(value).flatMap(everyNode)]
}

async function published(operations = {}, path = '/v1'): Promise<Node> {
  await using trial = await Trial.start({ operations, config: { path } })
  const answer = await trial.get(path === '/v1' ? '/openapi.json' : `${path}/openapi.json`)
  expect([answer.status, answer.headers['content-type']]).toStrictEqual([200, 'application/json'])
  return answer.body
}

test('the document is OpenAPI 3.1 with every endpoint, operation by operation', async () => {
  const doc = await published()
  expect(doc['openapi']).toMatch(/^3\.1\.\d$/)
  expect(at(doc, 'info')).toMatchObject({ title: 'Dragoman' })
  expect(Object.keys(at(doc, 'paths'))).toStrictEqual([
    ...endpoints.map(({ path }) => `/v1${path}`),
    '/v1/status/{id}',
  ])
  const ids = new Set<unknown>()
  for (const { path, method } of endpoints) {
    const operation = at(doc, 'paths', `/v1${path}`, method.toLowerCase())
    ids.add(operation['operationId'])
    const declared = everyNode(operation['parameters']).filter((each) => each['in'] === 'path')
    expect(declared.map(({ name, required }) => [name, required])).toStrictEqual(
      [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => [name, true]),
    )
    for (const response of Object.values(at(operation, 'responses')))
      expect(at(response)['description']).toBeTypeOf('string')
  }
  expect(ids.size).toBe(endpoints.length)
})

test('the server is ours as the caller sees us, with the path a proxy puts before it (OpenAPI 3.1 §4.8.5)', async () => {
  await using trial = await Trial.start()
  for (const origin of ['https://desk.example.com/gw', 'http://127.0.0.1:8080']) {
    const { body } = read(await trial.send({ method: 'GET', path: '/openapi.json', origin }))
    expect(body['servers']).toStrictEqual([{ url: origin }])
  }
})

test('every reference leads somewhere', async () => {
  const doc = await published({ GetOrder: { kind: 'request', example: { orderNo: '000777' } } })
  const references = everyNode(doc).flatMap(({ $ref }) => (typeof $ref === 'string' ? [$ref] : []))
  expect(references.length).toBeGreaterThan(20)
  for (const reference of references) expect(at(doc, ...reference.split('/').slice(1))).toBeDefined()
})

test('every status that an error can have is described, with the problem as its body (RFC 9457)', async () => {
  const doc = await published()
  for (const { path, method } of endpoints) {
    const responses = at(doc, 'paths', `/v1${path}`, method.toLowerCase(), 'responses')
    for (const { status } of Object.values(errorTable))
      expect(at(responses, String(status))['$ref']).toBe('#/components/responses/Problem')
  }
  expect(
    at(doc, 'components', 'responses', 'Problem', 'content', 'application/problem+json', 'schema'),
  ).toStrictEqual({
    $ref: '#/components/schemas/Problem',
  })
})

test('what validates is what is published: each schema that checks a request stands in the document as it is', async () => {
  const doc = await published()
  const used = readdirSync(folder)
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [...readFileSync(new URL(name, folder), 'utf8').matchAll(/\bchecked\((\w+),/g)])
    .map(([, name]) => name)
  expect(used.length).toBeGreaterThanOrEqual(5)
  const tabled = endpoints.flatMap(({ bodies, query }) => [
    ...Object.values(bodies),
    ...(query ? [query] : []),
  ])
  for (const name of new Set(used)) {
    const schema = Object.entries(schemas).find(([exported]) => exported === name)?.[1]
    expect(tabled, `${name} validates`).toContain(schema)
  }
  for (const schema of tabled) {
    const id = schemas.published.get(schema)?.id ?? ''
    const {
      $schema: _dialect,
      $defs: _definitions,
      ...own
    } = z.toJSONSchema(schema, {
      io: 'input',
      unrepresentable: 'any',
      metadata: z.globalRegistry,
    })
    // Nested components are references there and written out here; the names and limits must be the same.
    const inDocument = at(doc, 'components', 'schemas', id)
    expect(Object.keys(inDocument).toSorted()).toStrictEqual(Object.keys(own).toSorted())
    expect(Object.keys(isNode(inDocument['properties']) ? inDocument['properties'] : {})).toStrictEqual(
      Object.keys(own.properties ?? {}),
    )
    expect(inDocument['required']).toStrictEqual(own.required)
  }
  expect(componentSchemas()).toStrictEqual(at(doc, 'components', 'schemas'))
})

test('the published form of a message refuses what the channel refuses', async () => {
  const message = at(await published(), 'components', 'schemas', 'MessageBody')
  expect(message).toMatchObject({
    type: 'object',
    additionalProperties: false,
    oneOf: [{ required: ['text'] }, { required: ['parts'] }],
  })
  expect(at(message, 'properties', 'sender')).toMatchObject({ $ref: '#/components/schemas/Sender' })
})

test('the id of a sender may be left to a credential; who has said what is always named', async () => {
  const { Sender, Party } = at(await published(), 'components', 'schemas')
  expect([Sender, Party]).toMatchObject([{ additionalProperties: false }, { required: ['id'] }])
  expect(Sender).not.toHaveProperty('required')
})

test('every example in the document is taken by the channel', async () => {
  await using trial = await Trial.start()
  const doc = (await trial.get('/openapi.json')).body
  const example = (name: string): unknown =>
    Object.values(at(doc, 'components', 'schemas', name, 'examples'))[0]
  const cloudEvent = { 'content-type': 'application/cloudevents+json' }
  expect((await trial.post('/v1/messages', example('MessageBody'))).status).toBe(202)
  expect((await trial.post('/v1/events', example('CloudEvent'), cloudEvent)).status).toBe(202)
  expect((await trial.post('/v1/requests/GetOrder', example('Parameters'))).status).toBe(202)
})

test('the channel’s own operations are described by name, with their example', async () => {
  const doc = await published({
    GetOrder: { kind: 'request', example: { orderNo: '000777' } },
    'order.shipped': { kind: 'event' },
  })
  const operation = at(doc, 'paths', '/v1/requests/GetOrder', 'post')
  expect(operation['operationId']).toBe('request_GetOrder')
  expect(at(operation, 'requestBody', 'content', 'application/json')['example']).toStrictEqual({
    orderNo: '000777',
  })
  expect(Object.keys(at(doc, 'paths'))).not.toContain('/v1/requests/order.shipped')
})

test('an operation that makes a message is answered as one; a write that is carried out later is asked for at its status', async () => {
  const doc = await published({ Say: { kind: 'message' }, GetOrder: { kind: 'request' } })
  const answered = (path: string): unknown =>
    at(doc, 'paths', path, 'post', 'responses', '200', 'content', 'application/json')['schema']
  expect(answered('/v1/requests/Say')).toStrictEqual({ $ref: '#/components/schemas/Answered' })
  expect(answered('/v1/requests/GetOrder')).toStrictEqual({})
  const fields = everyNode(at(doc, 'paths', '/v1/requests/Say', 'post')['parameters'])
  expect(fields.flatMap((each) => each['name'] ?? [])).toContain('Prefer')
  const status = at(doc, 'paths', '/v1/status/{id}', 'get', 'responses', '200', 'content')
  expect(at(status, 'application/json', 'schema')).toStrictEqual({ $ref: '#/components/schemas/WriteStatus' })
})

test('every way to say who calls is described, that none is needed is not promised, and a refusal whatever its status', async () => {
  const doc = await published()
  // OpenAPI 3.1 §4.8.30: an empty requirement would say that a call may come without, which `identity` refuses.
  expect(doc['security']).toStrictEqual([{ bearer: [] }, { apiKey: [] }, { basic: [] }])
  expect(at(doc, 'info')['description']).toContain('A credential is needed unless')
  expect(Object.keys(at(doc, 'components', 'securitySchemes'))).toStrictEqual(['bearer', 'apiKey', 'basic'])
  expect(at(doc, 'paths', '/v1/status/{id}', 'get')['security']).toStrictEqual([{}])
  for (const status of ['4XX', '5XX'])
    expect(at(doc, 'paths', '/v1/messages', 'post', 'responses', status)['$ref']).toBe(
      '#/components/responses/Problem',
    )
})

test('the document stands at /openapi.json, beside another path below it, or where the config says', async () => {
  await using usual = await Trial.start()
  expect(usual.served).toStrictEqual(['/v1', '/openapi.json'])
  await using partner = await Trial.start({ config: { path: '/partner' } })
  expect(partner.served).toStrictEqual(['/partner', '/partner/openapi.json'])
  await using named = await Trial.start({ config: { openapi: '/docs/api.json' } })
  expect(named.served).toStrictEqual(['/v1', '/docs/api.json'])
  expect(read(await usual.send({ path: '/openapi.json' })).status).toBe(405)
  expect((await usual.get('/openapi.json/x')).status).toBe(404)
})
