// An error as callers see it: problem details (RFC 9457), or one line of text for those who speak XML.
import { STATUS_CODES } from 'node:http'
import { errorTable } from '../api.ts'
import type { GatewayError, HttpResponse, Json } from '../api.ts'

/** Members of RFC 9457 and ours; what an error has to say beside them must not overwrite them. */
const RESERVED = new Set(['type', 'title', 'status', 'detail', 'instance', 'code', 'retryable'])
const DEFAULT_RETRY_MS = 1000

export interface TextResponse extends HttpResponse {
  readonly body: string
}

export interface ProblemOptions {
  /** `WWW-Authenticate` of a 401 (RFC 9110 §15.5.2). */
  readonly challenge?: string
  /** More headers: `Allow`, `Accept-Encoding`. */
  readonly headers?: Readonly<Record<string, string>>
  /** One line of text instead of JSON: what a SOAP caller's tool shows best of a refusal. */
  readonly text?: boolean
}

/**
 * The answer to an error: status, `application/problem+json` with `code` and `retryable`, the members of `error.detail`
 * as extensions, `Retry-After` where waiting helps. Neither cause nor stack is in it.
 */
export function problem(error: GatewayError, options: ProblemOptions = {}): TextResponse {
  const headers: Record<string, string> = {
    'content-type': options.text ? 'text/plain; charset=utf-8' : 'application/problem+json',
    'cache-control': 'no-store',
    ...retryAfter(error),
    ...(error.status === 401 ? { 'www-authenticate': options.challenge ?? 'Bearer realm="dragoman"' } : {}),
    ...allowed(error),
    ...options.headers,
  }
  const body = options.text ? oneLine(error) : JSON.stringify(members(error))
  return { status: error.status, headers, body }
}

function members(error: GatewayError): Json {
  const all = new Map<string, Json>([
    ['type', `urn:dragoman:problem:${error.code.toLowerCase().replaceAll('_', '-')}`],
    ['title', errorTable[error.code].title],
    ['status', error.status],
    ['detail', error.message],
    ['code', error.code],
    ['retryable', error.retry],
  ])
  for (const [name, value] of extensions(error.detail)) if (!RESERVED.has(name)) all.set(name, value)
  return Object.fromEntries(all) // defines members, so that `__proto__` is one like any other
}

function extensions(detail: Json | undefined): readonly (readonly [string, Json])[] {
  if (detail === undefined || detail === null) return []
  if (typeof detail === 'object' && !Array.isArray(detail)) return Object.entries(detail)
  return [['data', detail]]
}

/** RFC 9110 §15.5.6: a 405 names the methods there are. */
function allowed({ status, detail }: GatewayError): Readonly<Record<string, string>> {
  const methods = status === 405 && typeof detail === 'object' ? Object.entries(detail ?? {}) : []
  return Object.fromEntries(methods.filter((entry): entry is [string, string] => entry[0] === 'allow'))
}

/** RFC 9110 §10.2.3. */
function retryAfter(error: GatewayError): Readonly<Record<string, string>> {
  const waits = error.status === 503 || error.status === 429
  if (!waits && error.retryAfterMs === undefined) return {}
  const ms = error.retryAfterMs ?? DEFAULT_RETRY_MS
  return { 'retry-after': String(Math.max(1, Math.ceil(ms / 1000))) }
}

function oneLine(error: GatewayError): string {
  return `${error.code}: ${error.message.replaceAll(/\s+/gu, ' ')}\n`
}

/** The refusal of what is not yet a request, as bytes for the socket: the parser gave up, nothing else will answer. */
export function rawProblem(error: GatewayError, options: ProblemOptions = {}): string {
  const { headers = {}, body } = problem(error, options)
  const lines = Object.entries({
    ...headers,
    'content-length': String(Buffer.byteLength(body)),
    connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`)
  return `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status] ?? ''}\r\n${lines.join('')}\r\n${body}`
}
