// What a caller is told where something is wrong: always the same; and what the operator is told.
import { GatewayError } from 'dragoman'
import type { ErrorCode, HttpResponse, Scope } from 'dragoman'

import { countRefusals } from '../data/refusals.ts'
import type { Refusal } from './gate.ts'

const TEXT = { 'content-type': 'text/plain; charset=utf-8', 'x-content-type-options': 'nosniff' }

/** The acknowledgement: 200 and this word, never encrypted. The platform takes any other status for a failure and repeats. */
export const success: HttpResponse = { status: 200, headers: TEXT, body: 'success' }

/** One refusal for every reason: who tries to forge learns nothing. */
export const forbidden: HttpResponse = { status: 403, headers: TEXT, body: 'forbidden' }

export const notFound: HttpResponse = { status: 404, headers: TEXT, body: 'not found' }

export const notAllowed: HttpResponse = {
  status: 405,
  headers: { ...TEXT, allow: 'GET, POST' },
  body: 'method not allowed',
}

/** Not stored: the platform sends it again, three times in all. */
const busy: HttpResponse = { status: 503, headers: { ...TEXT, 'retry-after': '1' }, body: 'busy' }

/** The text that the platform wants back from GET. */
export function echoed(text: string): HttpResponse {
  return { status: 200, headers: TEXT, body: text }
}

/**
 * The answer to a push that could not be taken in, or whose work has failed. Where nothing was stored the platform shall
 * repeat; a forgery is refused; anything else would only fail again, or is stored and has its place among the dead letters.
 */
export function answerToError(error: unknown): HttpResponse {
  return answers[GatewayError.from(error).code]
}

const answers: Readonly<Record<ErrorCode, HttpResponse>> = {
  AUTH_FAILED: forbidden,
  FORBIDDEN: forbidden,
  IDEMPOTENCY_MISMATCH: forbidden,
  OVERLOADED: busy,
  RATE_LIMITED: busy,
  STORE_UNAVAILABLE: busy,
  INTERNAL: busy,
  DECODE_FAILED: success,
  TOO_LARGE: success,
  METHOD_NOT_ALLOWED: success,
  UNSUPPORTED_MEDIA: success,
  NOT_FOUND: success,
  NO_ROUTE: success,
  NOT_OWNER: success,
  TOO_OLD: success,
  EXPIRED: success,
  CURSOR_RESET: success,
  CHANNEL_GONE: success,
  ENCODE_FAILED: success,
  BREAKER_OPEN: success,
  DEADLINE_EXCEEDED: success,
  AGENT_FAILED: success,
  BACKEND_FAILED: success,
  OUTCOME_UNKNOWN: success,
}

const meanings: Readonly<Record<Refusal, string>> = {
  query: 'the query is broken, incomplete or has a key twice',
  signature: 'the signature is not ours: is the token the one entered on the platform?',
  timestamp: 'its time is too far from ours: is this clock right? (`skew`)',
  'plain body': 'the body is not encrypted, and encodingAESKey is set: only encrypted ones are taken',
  'encrypted body': 'the body is encrypted, and encodingAESKey is not set',
  body: 'the body cannot be read',
  cipher: 'the body cannot be decrypted for one of our ids: are encodingAESKey and appId right?',
  replay: 'a signature that was used before came with another body',
}

/** Counts every refusal, and tells each reason now and then. */
export function createRefusals(scope: Pick<Scope, 'id' | 'log' | 'metrics' | 'now'>) {
  const refused = countRefusals(scope, 'wechat_refused_total')
  return (why: Refusal): HttpResponse => {
    refused(why, meanings[why])
    return forbidden
  }
}
