// Errors and business faults as application/problem+json (RFC 9457).
import { GatewayError, errorTable } from 'dragoman'
import type { Fault, HttpResponse, Json, Log } from 'dragoman'

import { isObject } from '../data/json.ts'

const RESERVED = new Set(['type', 'title', 'status', 'code', 'detail', 'retryable'])

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
    type: `urn:dragoman:problem:${code.toLowerCase().replaceAll('_', '-')}`,
    title: errorTable[code].title,
    status,
    code,
    detail,
    retryable: retry,
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
