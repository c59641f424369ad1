// The table of everything this channel serves: what is validated, answered and documented.
import type { ZodType } from 'zod'

import { GatewayError } from 'dragoman'

import * as schemas from './schemas.ts'

export interface Endpoint {
  readonly name: 'messages' | 'events' | 'event' | 'request' | 'log' | 'link' | 'ws'
  readonly method: 'POST' | 'GET'
  /** Below the channel's path; `{name}` is the path parameter. */
  readonly path: string
  readonly summary: string
  readonly query?: ZodType
  /** Request fields that change what happens. */
  readonly fields: readonly ('Prefer' | 'Idempotency-Key' | 'Last-Event-ID')[]
  /** By media type. */
  readonly bodies: Readonly<Record<string, ZodType>>
  /** By status; without a schema the body is the business system's own, or there is none. */
  readonly answers: Readonly<Record<number, { readonly is: string; readonly schema?: ZodType }>>
}

const CLOUD_EVENT = 'application/cloudevents+json'
const JSON_TYPE = 'application/json'

export const endpoints: readonly Endpoint[] = [
  {
    name: 'messages',
    method: 'POST',
    path: '/messages',
    summary: 'Says something: stored first, then answered by whom the routes name',
    fields: ['Prefer', 'Idempotency-Key'],
    bodies: { [JSON_TYPE]: schemas.messageBody },
    answers: {
      200: { is: 'Stored, and here is the reply', schema: schemas.answeredAnswer },
      202: { is: 'Stored; the reply will be in the log', schema: schemas.acceptedAnswer },
    },
  },
  {
    name: 'events',
    method: 'POST',
    path: '/events',
    summary: 'Reports an event as a CloudEvent, structured or binary (ce- headers)',
    fields: ['Idempotency-Key'],
    bodies: { [CLOUD_EVENT]: schemas.cloudEventBody, [JSON_TYPE]: schemas.eventData },
    answers: { 202: { is: 'Stored', schema: schemas.acceptedAnswer } },
  },
  {
    name: 'event',
    method: 'POST',
    path: '/events/{type}',
    summary: 'Reports an event of this type: a CloudEvent, or a bare object as its data',
    fields: ['Idempotency-Key'],
    bodies: { [CLOUD_EVENT]: schemas.cloudEventBody, [JSON_TYPE]: schemas.eventData },
    answers: { 202: { is: 'Stored', schema: schemas.acceptedAnswer } },
  },
  {
    name: 'request',
    method: 'POST',
    path: '/requests/{operation}',
    summary: 'Asks a business system: the body is the parameters, the answer the result itself',
    fields: ['Idempotency-Key'],
    bodies: { [JSON_TYPE]: schemas.requestBody },
    answers: {
      200: {
        is: 'The result; `"stale": true`, Age and Cache-Status mark one from the cache, `"partial": true` one with a part missing',
      },
      202: { is: 'Stored, to be carried out later', schema: schemas.acceptedAnswer },
      204: { is: 'Carried out; there is no result' },
    },
  },
  {
    name: 'log',
    method: 'GET',
    path: '/conversations/{id}/messages',
    summary: 'Reads a conversation after a sequence; Accept: text/event-stream streams it',
    query: schemas.logQuery,
    fields: ['Prefer', 'Last-Event-ID'],
    bodies: {},
    answers: { 200: { is: 'The messages, oldest first', schema: schemas.logAnswer } },
  },
  {
    name: 'link',
    method: 'POST',
    path: '/link',
    summary: 'The client protocol over HTTP: frames in, frames out (see /asyncapi.json); a hello first',
    fields: ['Prefer'],
    bodies: { [JSON_TYPE]: schemas.linkFrames },
    answers: { 200: { is: 'What the frames and the inbox give', schema: schemas.linkFrames } },
  },
  {
    name: 'ws',
    method: 'GET',
    path: '/ws',
    summary: 'The client protocol over a WebSocket, subprotocol dragoman.1 (see /asyncapi.json)',
    fields: [],
    bodies: {},
    answers: { 101: { is: 'The handshake of RFC 6455 is answered' } },
  },
]

interface Found {
  readonly endpoint: Endpoint
  /** The path parameter, decoded; empty where the path has none. */
  readonly parameter: string
}

const patterns = endpoints.map((endpoint) => ({
  endpoint,
  start: endpoint.path.split('{', 1).join(''),
  // A conversation's id may hold slashes, as `web:shop/7` does; types and operations may not.
  pattern: new RegExp(`^${endpoint.path.replace('{id}', '(.+)').replace(/\{\w+\}/, '([^/]+)')}$`, 's'),
}))

/** The endpoint of a path at or below `base`, the channel's own. Throws `NOT_FOUND`, or `METHOD_NOT_ALLOWED` with the methods it has. */
export function findEndpoint(method: string, path: string, base: string): Found {
  const below = path.slice(base.length)
  for (const { endpoint, start, pattern } of patterns) {
    if (!below.startsWith(start)) continue
    const match = pattern.exec(below)
    if (match === null) continue
    if (method === endpoint.method || (method === 'HEAD' && endpoint.method === 'GET'))
      return { endpoint, parameter: match[1] ?? '' }
    throw new GatewayError('METHOD_NOT_ALLOWED', `${method} is not taken here: use ${endpoint.method}`, {
      detail: { allow: endpoint.method === 'GET' ? 'GET, HEAD' : endpoint.method },
    })
  }
  throw new GatewayError(
    'NOT_FOUND',
    `nothing is served at ${JSON.stringify(path.slice(0, 120))}: there is ${endpoints.map((each) => `${each.method} ${base}${each.path}`).join(', ')}`,
  )
}
