// Errors and business faults as application/problem+json (RFC 9457).
import { GatewayError } from 'dragoman'
import type { ErrorCode, Fault, HttpResponse, Json, Log } from 'dragoman'

import { isObject } from './json.ts'

/** RFC 9457 §3.1.3: the same for every occurrence of a code. Total: a new code does not compile without its title. */
export const titles: Readonly<Record<ErrorCode, string>> = {
  AUTH_FAILED: 'The credential is missing or wrong',
  FORBIDDEN: 'This caller may not do that',
  DECODE_FAILED: 'The request cannot be understood',
  TOO_LARGE: 'The request is too large',
  METHOD_NOT_ALLOWED: 'This address does not take that method',
  UNSUPPORTED_MEDIA: 'The content type is not taken here',
  NOT_FOUND: 'There is nothing at this address',
  NO_ROUTE: 'No route takes this message',
  IDEMPOTENCY_MISMATCH: 'The same key came with another content',
  NOT_OWNER: 'The conversation belongs to somebody else now',
  TOO_OLD: 'The id is older than the memory of ids',
  EXPIRED: 'The message expired before it was delivered',
  CURSOR_RESET: 'The cursor cannot be used any more',
  RATE_LIMITED: 'Too many requests',
  OVERLOADED: 'The gateway is overloaded',
  STORE_UNAVAILABLE: 'The store is not available',
  CHANNEL_GONE: 'The channel is gone',
  ENCODE_FAILED: 'The answer cannot be written in this protocol',
  INTERNAL: 'The gateway made a mistake',
  BREAKER_OPEN: 'The business system is out of order',
  DEADLINE_EXCEEDED: 'The business system did not answer in time',
  AGENT_FAILED: 'The agent failed',
  BACKEND_FAILED: 'The business system failed',
  OUTCOME_UNKNOWN: 'Nobody knows whether the business system did it',
}

const RESERVED = new Set(['type', 'title', 'status', 'code', 'detail', 'retry'])

/** Any thrown value as an answer. What is no GatewayError is logged here and told to nobody. */
export function problemOf(thrown: unknown, log: Log): HttpResponse {
  if (!(thrown instanceof GatewayError)) log.error('a request failed', { error: thrown })
  const error = GatewayError.from(thrown)
  return {
    status: error.status,
    headers: {
      ...PROBLEM_HEADERS,
      ...retryAfter(error),
      ...allowed(error),
      // RFC 9110 §15.5.2
      ...(error.status === 401 && { 'www-authenticate': 'Bearer realm="dragoman"' }),
    },
    body: JSON.stringify(problemBody(error)),
  }
}

/** The problem itself. The error's plain data becomes members beside the standard ones: `oldest`, `top`, `errors`. */
export function problemBody(error: GatewayError): Json {
  const { code, status, message: detail, retry } = error
  return {
    ...extensions(error.detail),
    type: 'about:blank',
    title: titles[code],
    status,
    code,
    detail,
    retry,
  }
}

/**
 * A business fault: the business system's own no. 422, or the 4xx its own protocol gave it (`http:status` in the reply's
 * metadata). `title` and `message` are the fault's message, `detail` its detail as it came.
 */
export function faultResponse(fault: Fault, metadata: Readonly<Record<string, string>> = {}): HttpResponse {
  const { code, message, detail } = fault
  const status = faultStatus(metadata['http:status'])
  return {
    status,
    headers: PROBLEM_HEADERS,
    body: JSON.stringify({
      type: 'about:blank',
      title: message,
      status,
      code,
      message,
      ...(detail !== undefined && { detail }),
    }),
  }
}

const PROBLEM_HEADERS = { 'content-type': 'application/problem+json', 'cache-control': 'no-store' } as const

// Statuses that speak about the caller's own request to us must not come from behind.
const OURS = new Set([401, 403, 405, 406, 407, 408, 411, 413, 414, 415, 417, 421, 425, 426, 428, 429, 431])

function faultStatus(value: string | undefined): number {
  const status = Number(value)
  return Number.isInteger(status) && status >= 400 && status < 500 && !OURS.has(status) ? status : 422
}

function retryAfter(error: GatewayError): { 'retry-after'?: string } {
  const { retryAfterMs, status } = error
  if (retryAfterMs === undefined && status !== 503 && status !== 429) return {}
  return { 'retry-after': String(Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000))) }
}

// RFC 9110 §15.5.6: a 405 names the methods there are.
function allowed({ status, detail }: GatewayError): { readonly allow?: string } {
  const methods = status === 405 && isObject(detail) ? detail['allow'] : undefined
  return typeof methods === 'string' ? { allow: methods } : {}
}

function extensions(detail: Json | undefined): { readonly [member: string]: Json } {
  if (detail === undefined) return {}
  if (!isObject(detail)) return { info: detail }
  return Object.fromEntries(Object.entries(detail).filter(([name]) => !RESERVED.has(name)))
}
