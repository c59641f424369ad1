// The OpenAPI 3.1 document, made of the schemas that validate.
import { z } from 'zod'
import type { ZodType } from 'zod'

import { errorTable } from 'dragoman'
import type { ChannelOperation, ErrorCode, Json } from 'dragoman'

import { endpoints } from './endpoints.ts'
import type { Endpoint } from './endpoints.ts'
import { problemAnswer, published, statusAnswer } from './schemas.ts'

export type Document = Readonly<Record<string, unknown>>

const COMPONENT = '#/components/schemas/'
const CREDENTIALS =
  'A credential is needed unless the gateway has no `identity`, or `access` of the channel lets callers in without.'

/** Describes the channel at `path` with its configured operations. Plain data; where it is served says `servedAt`. */
export function openApi(path: string, operations: Readonly<Record<string, ChannelOperation>>): Document {
  const named = Object.entries(operations).filter(([, { kind }]) => kind !== 'event')
  return {
    openapi: '3.1.0',
    info: {
      title: 'Dragoman',
      version: '1',
      description: `Messages, events and requests in; answers and the conversation log out. ${CREDENTIALS}`,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    // Which of them a channel takes, its `access` and the gateway's `identity` say, which no channel is told.
    security: [{ bearer: [] }, { apiKey: [] }, { basic: [] }],
    paths: Object.fromEntries([
      ...endpoints.map((endpoint) => [
        `${path}${endpoint.path}`,
        { [endpoint.method.toLowerCase()]: operationOf(endpoint) },
      ]),
      // A concrete path comes before a templated one (OpenAPI 3.1 §4.8.8.2).
      ...named.map(([name, { kind, example }]) => [
        `${path}/requests/${encodeURIComponent(name)}`,
        {
          post: operationOf(requests, {
            name,
            example,
            answeredAs: kind === 'message' ? messages : requests,
          }),
        },
      ]),
      [STATUS_PATH, { get: statusOperation }],
    ]),
    components: {
      schemas: componentSchemas(),
      responses: {
        Problem: {
          description: 'A refusal, or a business fault (422 or its own 4xx): decide by `code`',
          headers: {
            'Retry-After': { description: 'Seconds; with 429 and 503', schema: { type: 'integer' } },
          },
          content: { 'application/problem+json': { schema: reference(problemAnswer) } },
        },
      },
      securitySchemes: {
        bearer: {
          type: 'http',
          scheme: 'bearer',
          description: 'A token of a customer or an agent, or an API key',
        },
        apiKey: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: 'The key of a program' },
        basic: { type: 'http', scheme: 'basic', description: "Where the channel's `access` has one" },
      },
    },
  }
}

/** As a caller may read it who sees us at `origin`, which may have a path: `paths` are appended to it (OpenAPI 3.1 §4.8.5). */
export function servedAt(origin: string, document: Document): Document {
  return { ...document, servers: [{ url: origin }] }
}

/** The published form of the schemas, by name. */
export function componentSchemas(): Readonly<Record<string, unknown>> {
  const { schemas } = z.toJSONSchema(published, {
    target: 'draft-2020-12', // OpenAPI 3.1 §4.8.24
    io: 'input',
    unrepresentable: 'any',
    uri: (id) => `${COMPONENT}${id}`,
  })
  return Object.fromEntries(
    Object.entries(schemas).map(([name, { $schema: _dialect, $id: _address, ...schema }]) => [name, schema]),
  )
}

function endpointOf(wanted: Endpoint['name']): Endpoint {
  const found = endpoints.find(({ name }) => name === wanted)
  if (found === undefined) throw new TypeError(`there is no endpoint ${wanted}`)
  return found
}
const requests = endpointOf('request')
const messages = endpointOf('messages')

/** The gateway's own, at this path whatever the channel's is: the `Location` of a write that is carried out later. */
const STATUS_PATH = '/v1/status/{id}'
const statusOperation: Document = {
  operationId: 'status',
  summary: 'What became of a write whose system was down; the address with its token is in the 202',
  parameters: [
    pathParameter('id'),
    { name: 'token', in: 'query', required: true, schema: { type: 'string' } },
  ],
  security: [{}],
  responses: {
    200: {
      description: 'Its state; `Retry-After` as long as it is not done',
      content: { 'application/json': { schema: reference(statusAnswer) } },
    },
    '4XX': { $ref: '#/components/responses/Problem' },
    '5XX': { $ref: '#/components/responses/Problem' },
  },
}

interface Concrete {
  readonly name: string
  readonly example: Json | undefined
  /** What the configured operation makes of a request: a message is answered as one. */
  readonly answeredAs: Endpoint
}

function operationOf(endpoint: Endpoint, concrete?: Concrete): Document {
  const parameter = /\{(\w+)\}/.exec(endpoint.path)?.[1]
  const { fields, answers, name: answering } = concrete?.answeredAs ?? endpoint
  const verb = answering === 'messages' ? 'Says' : 'Asks for'
  return {
    operationId: concrete === undefined ? endpoint.name : `request_${concrete.name}`,
    summary: concrete === undefined ? endpoint.summary : `${verb} ${concrete.name}`,
    parameters: [
      ...(parameter === undefined || concrete !== undefined ? [] : [pathParameter(parameter)]),
      ...queryParameters(endpoint.query),
      ...fields.map((name) => ({
        name,
        in: 'header',
        required: false,
        description: FIELDS[name],
        schema: { type: 'string' },
      })),
    ],
    ...(Object.keys(endpoint.bodies).length > 0 && {
      requestBody: { required: true, content: contents(endpoint.bodies, concrete?.example) },
    }),
    responses: { ...answersOf({ name: answering, answers }), ...problems },
  }
}

const FIELDS = {
  Prefer: '`wait=N`: answer when there is something, at the latest after N seconds (RFC 7240 §4.3)',
  'Idempotency-Key':
    'Your own id, bare or quoted: the same again is answered the same, nothing happens twice',
  'Last-Event-ID': 'Where a stream broke off: the last `id` that arrived',
} as const

function pathParameter(name: string): Document {
  return { name, in: 'path', required: true, schema: { type: 'string' } }
}

function queryParameters(query: ZodType | undefined): readonly Document[] {
  if (query === undefined) return []
  const { properties = {} } = z.toJSONSchema(query, { io: 'input' })
  return Object.entries(properties).map(([name, schema]) => ({ name, in: 'query', required: false, schema }))
}

function contents(bodies: Endpoint['bodies'], example: Json | undefined): Document {
  return Object.fromEntries(
    Object.entries(bodies).map(([type, schema]) => [
      type,
      { schema: reference(schema), ...(example !== undefined && { example }) },
    ]),
  )
}

function answersOf({ name, answers }: Pick<Endpoint, 'name' | 'answers'>): Document {
  const stream = { 'text/event-stream': { schema: { type: 'string' } } }
  return Object.fromEntries(
    Object.entries(answers).map(([status, { is, schema }]) => [
      status,
      {
        description: is,
        ...(status !== '204' &&
          status !== '101' && {
            content: {
              'application/json': { schema: schema === undefined ? {} : reference(schema) },
              ...(name === 'log' && stream),
            },
          }),
      },
    ]),
  )
}

// Every status the closed table of errors can give, with the codes behind it; and whatever else refuses.
const problems: Document = Object.fromEntries([
  // The table's keys are the codes, all of them.
  ...[...Map.groupBy(Object.keys(errorTable) as ErrorCode[], (code) => errorTable[code].status)].map(
    ([status, codes]) => [
      String(status),
      {
        $ref: '#/components/responses/Problem',
        description: codes.map((code) => `${code}: ${errorTable[code].title}`).join('. '),
      },
    ],
  ),
  [
    '4XX',
    {
      $ref: '#/components/responses/Problem',
      description:
        'A business fault with a status of its own, or a request that is no proper HTTP (408, 417, 421, 431)',
    },
  ],
  ['5XX', { $ref: '#/components/responses/Problem', description: 'Another failure' }],
])

function reference(schema: ZodType): Document {
  const id = published.get(schema)?.id
  if (id === undefined) throw new TypeError('a schema is used but not published')
  return { $ref: `${COMPONENT}${id}` }
}
