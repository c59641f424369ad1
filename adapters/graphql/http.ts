// GraphQL over HTTP: one request in, one JSON answer or one event stream out.
import { GraphQLError } from 'graphql'

import { GatewayError } from 'dragoman'
import type { HttpRequest, HttpResponse, Log, RefusedBody } from 'dragoman'

import { stalenessOf } from './call.ts'
import type { Call, Marks } from './call.ts'
import { graphqlError, shownError } from './errors.ts'
import { isCrossSite } from '../data/cross-site.ts'
import { isObject } from '../data/json.ts'
import { paramsOf } from './params.ts'
import type { Engine } from './server.ts'

export interface HttpOptions {
  readonly engine: Engine
  readonly path: string
  /** Operations in one request. */
  readonly batch: number
  readonly log: Log
  readonly now: () => number
  /** Makes the call of a request. */
  readonly callOf: (request: HttpRequest, transport: 'get' | 'post') => Call
}

const FIELDS = ['content-type', 'allow', 'retry-after']

/** Answers a request. Never rejects: every refusal is a GraphQL result with its status. */
export async function answer(request: HttpRequest, options: HttpOptions): Promise<HttpResponse> {
  const { engine, path, batch, log, now, callOf } = options
  try {
    check(request, path)
    const { method } = request
    const accepts = acceptOf(request)
    const call = callOf(request, method === 'GET' ? 'get' : 'post')
    const asked = paramsOf(request, batch)
    // Of this one yoga sees the method and what is accepted; what is asked was read from the request as the edge gave it.
    const bare = new engine.fetchAPI.Request(`http://localhost${path}`, {
      method,
      headers: { accept: accepts },
      signal: call.signal,
    })
    const told: Marks[] = []
    const response = await engine.fetch(bare, { call, asked, told })
    const staleness = stalenessOf(told)
    return await shown(response, {
      more: staleness === undefined ? {} : staleHeaders(staleness.asOf, now()),
      call,
      follows: told.some((marks) => marks.follows === true),
    })
  } catch (error) {
    return refusalOf(error, log)
  }
}

function check(request: HttpRequest, path: string): void {
  if (request.path !== path) throw new GatewayError('NOT_FOUND', `GraphQL is served at ${path} alone`)
  if (request.method === 'GET') {
    // A field of Query may stand for a write of its business system, and a page sends GET anywhere.
    if (isCrossSite(request) && !showsToken(request))
      throw new GatewayError('FORBIDDEN', 'a page of another site may not ask here')
    return
  }
  if (request.method !== 'POST')
    throw new GatewayError(
      'METHOD_NOT_ALLOWED',
      `${request.method} is not taken here: use POST, or GET for queries`,
      {
        detail: { allow: 'GET, POST' },
      },
    )
  // A JSON content type is what a page of another site cannot send unasked.
  const field = request.headers['content-type']
  if (isJson(field)) return
  throw new GatewayError(
    'UNSUPPORTED_MEDIA',
    `${field === undefined ? 'a body without content-type' : `content-type ${JSON.stringify(field.slice(0, 80))}`} is not taken: send content-type: application/json`,
  )
}

/** A page sets it by a script alone, and with leave (Fetch, CORS preflight); a password that was once typed in the browser sends unasked. */
function showsToken({ headers }: HttpRequest): boolean {
  return /^bearer /iu.test(headers['authorization'] ?? '')
}

const ANSWERS = new Set([
  '*/*',
  'application/*',
  'application/json',
  'application/graphql-response+json',
  'text/event-stream',
])

/** What the caller takes. Throws where there is nothing we have: a mutation would be executed before that was seen (RFC 9110 §15.5.7). */
function acceptOf({ headers }: HttpRequest): string {
  const field = (headers['accept'] ?? '').trim().toLowerCase()
  const isTaken = (range: string): boolean => {
    const [essence = '', ...parameters] = range.split(';').map((part) => part.trim())
    return ANSWERS.has(essence) && !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter))
  }
  if (field === '') return '*/*'
  if (field.split(',').some(isTaken)) return field
  throw notAcceptable('accept application/graphql-response+json, application/json or text/event-stream')
}

function notAcceptable(message: string): GatewayError {
  return new GatewayError('DECODE_FAILED', message, { status: 406 })
}

function isJson(field: string | undefined): boolean {
  const [essence = '', ...parameters] = (field ?? '').toLowerCase().split(';')
  // RFC 6839 §3.1; RFC 8259 §8.1: JSON is UTF-8.
  return (
    /^application\/(?:[\w.-]+\+)?json$/.test(essence.trim()) &&
    parameters.every(
      (parameter) => !/^\s*charset\s*=/.test(parameter) || /=\s*"?utf-?8"?\s*$/.test(parameter),
    )
  )
}

interface Showing {
  readonly more: Readonly<Record<string, string>>
  readonly call: Call
  readonly follows: boolean
}

async function shown(response: Response, { more, call, follows }: Showing): Promise<HttpResponse> {
  if (response.status === 406) throw notAcceptable('a subscription is a stream: accept text/event-stream')
  const headers: Record<string, string> = {
    'cache-control': 'no-store',
    vary: 'Accept',
    ...more,
  }
  for (const name of FIELDS) {
    const value = response.headers.get(name)
    if (value !== null) headers[name] = value
  }
  if (headers['content-type']?.startsWith('text/event-stream') !== true)
    return { status: response.status, headers, body: await response.text() }
  headers['x-accel-buffering'] = 'no' // nginx would hold the stream back
  // The events of what is answered are all there: the channel's end cuts none of them.
  const body = follows && response.body !== null ? pieces(response.body, call) : await response.text()
  return { status: response.status, headers, body }
}

/** As in every dialect over HTTP: RFC 9111 §5.1, RFC 9211. */
function staleHeaders(asOf: string | undefined, now: number): Readonly<Record<string, string>> {
  const age = asOf === undefined ? Number.NaN : Math.floor((now - Date.parse(asOf)) / 1000)
  return {
    'cache-status': 'dragoman; hit; detail=stale',
    ...(Number.isFinite(age) && { age: String(Math.max(0, age)) }),
  }
}

/**
 * The events of a log. Cancels the stream when its reader goes, also while a read is under way. At the end of the channel it stops in the middle: the
 * event `complete` would tell a client (graphql-sse, Distinct connections mode) not to come again.
 */
function pieces(
  body: ReadableStream<Uint8Array>,
  { closing, log }: Pick<Call, 'closing' | 'log'>,
): AsyncIterable<Uint8Array> {
  return {
    [Symbol.asyncIterator]() {
      const reader = body.getReader()
      const end = (): void => {
        reader.cancel().catch((error: unknown) => log.error('a stream did not end properly', { error }))
      }
      closing.addEventListener('abort', end, { once: true })
      const over = { done: true, value: undefined } as const
      return {
        next: async () => {
          const { done, value } = await reader.read()
          if (!done && !closing.aborted) return { done: false, value }
          closing.removeEventListener('abort', end)
          return over
        },
        return: async () => {
          closing.removeEventListener('abort', end)
          await reader.cancel()
          return over
        },
      }
    },
  }
}

/** An error as the body of an answer: a result with nothing but errors (GraphQL, October 2021, §7.1). */
export function refusedBody(error: GraphQLError): RefusedBody {
  return {
    contentType: 'application/json; charset=utf-8',
    body: JSON.stringify({ errors: [shownError(error)] }),
  }
}

function refusalOf(thrown: unknown, log: Log): HttpResponse {
  const { status, detail } = GatewayError.from(thrown)
  const allow = isObject(detail) ? detail['allow'] : undefined
  const { contentType, body } = refusedBody(
    thrown instanceof GraphQLError ? thrown : graphqlError(thrown, log),
  )
  return {
    status,
    headers: {
      'content-type': contentType,
      'cache-control': 'no-store',
      ...(typeof allow === 'string' && { allow }),
    },
    body,
  }
}
