// What a failed call says about the next one: whether it may be made again, and whether an old answer may stand in (SEMANTICS 3, 32).
import { GatewayError } from '../api.ts'

/**
 * GraphQL says in a code what HTTP says in a status, and answers 200 (GraphQL over HTTP §6.4.1). The codes of Apollo's servers, which others
 * have taken over, and of the throttling ones; any other is the business system's own.
 */
const MEANT: ReadonlyMap<string, number> = new Map([
  ['BAD_REQUEST', 400],
  ['BAD_USER_INPUT', 400],
  ['GRAPHQL_PARSE_FAILED', 400],
  ['GRAPHQL_VALIDATION_FAILED', 400],
  ['OPERATION_RESOLUTION_FAILURE', 400],
  ['PERSISTED_QUERY_NOT_FOUND', 400],
  ['PERSISTED_QUERY_NOT_SUPPORTED', 400],
  ['UNAUTHENTICATED', 401],
  ['FORBIDDEN', 403],
  ['NOT_FOUND', 404],
  ['RATE_LIMITED', 429],
  ['THROTTLED', 429],
  ['TOO_MANY_REQUESTS', 429],
  ['INTERNAL_SERVER_ERROR', 500],
  ['DOWNSTREAM_SERVICE_ERROR', 502],
  ['SUBREQUEST_HTTP_ERROR', 502],
  ['SERVICE_UNAVAILABLE', 503],
  ['TIMEOUT', 504],
])

/** transient: the next try may succeed. throttled: later, not before `retryAfterMs`. permanent: it would fail again. */
export type FailureClass = 'transient' | 'throttled' | 'permanent'

/** RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4: 4xx that speak of the moment, not of the request. */
const MOMENTARY = new Set([408, 425, 429])
/** RFC 9110 §15.6.2, §15.6.6: the server will not learn it. */
const UNABLE = new Set([501, 505])

/**
 * Classifies what a call threw. Adapters say the HTTP status as `detail.status`, the code of a GraphQL error as `detail.code`, a SOAP fault
 * about how we spoke (VersionMismatch, MustUnderstand …) as `detail.soapCode`; without any it is the line that broke.
 */
export function classify(thrown: unknown): FailureClass {
  if (!(thrown instanceof GatewayError)) return 'permanent'
  const { code, side, retryAfterMs } = thrown
  if (side !== 'backend' || (code !== 'BACKEND_FAILED' && code !== 'AGENT_FAILED')) return 'permanent'
  const { status, soapCode } = saidBy(thrown)
  if (soapCode !== undefined) return 'permanent'
  if (status === 429) return 'throttled'
  if (status !== undefined && (status < 500 || UNABLE.has(status)))
    return MOMENTARY.has(status) ? 'transient' : 'permanent'
  return retryAfterMs === undefined ? 'transient' : 'throttled'
}

/** How long the other side asks to be left alone, in milliseconds. Undefined: it does not, or the refusal is our own (breaker, bulkhead). */
export function pauseAskedBy(thrown: unknown): number | undefined {
  return thrown instanceof GatewayError && classify(thrown) === 'throttled' ? thrown.retryAfterMs : undefined
}

/**
 * Whether the last good answer may be given instead: the breaker, a full bulkhead, a deadline, a broken line or an answer nobody can read, 5xx, 408,
 * 425, 429. Never for what the business system has decided (401, 403, 404, 410 …), for our own mistakes, or a caller who has gone.
 */
export function mayServeStale(thrown: unknown): boolean {
  if (!(thrown instanceof GatewayError)) return false
  // A call that found no place among those of a slow system was not made, as with an open breaker.
  if (thrown.code === 'OVERLOADED') return thrown.notExecuted
  if (thrown.code === 'BREAKER_OPEN' || thrown.code === 'DEADLINE_EXCEEDED') return true
  if (thrown.code !== 'BACKEND_FAILED') return false
  const { status, soapCode } = saidBy(thrown)
  if (soapCode !== undefined) return false
  return status === undefined || status < 300 || status >= 500 || MOMENTARY.has(status)
}

function saidBy({ detail }: GatewayError): { readonly status?: number; readonly soapCode?: string } {
  if (typeof detail !== 'object' || detail === null || Array.isArray(detail)) return {}
  const { status, code, soapCode } = detail as Readonly<Record<string, unknown>> // an object
  // A status that is an error itself has the last word.
  const isTold = typeof status === 'number' && status < 300 && typeof code === 'string'
  const meant = isTold ? (MEANT.get(code) ?? status) : status
  return {
    ...(typeof meant === 'number' && { status: meant }),
    ...(typeof soapCode === 'string' && { soapCode }),
  }
}
