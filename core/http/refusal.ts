// What the edge refuses, and why: the reason is a metric's label, the error is what the caller reads.
import type { GatewayError } from '../api.ts'

/** One word each, for `dragoman_refused_total{reason}`. */
export type RefusalReason =
  | 'admission'
  | 'body'
  | 'coding'
  | 'connections'
  | 'credential'
  | 'expectation'
  | 'headers'
  | 'host'
  | 'malformed'
  | 'memory'
  | 'method'
  | 'not_found'
  | 'open_files'
  | 'origin'
  | 'pipeline'
  | 'sockets'
  | 'target'
  | 'timeout'
  | 'tls'

/** Thrown between the head of a request and its handler; never crosses the edge. */
export class Refusal extends Error {
  override readonly name = 'Refusal'
  readonly reason: RefusalReason
  readonly error: GatewayError
  /** Goes into the answer: `Allow`, `Accept-Encoding`. */
  readonly headers: Readonly<Record<string, string>>

  constructor(reason: RefusalReason, error: GatewayError, headers: Readonly<Record<string, string>> = {}) {
    super(error.message, { cause: error })
    this.reason = reason
    this.error = error
    this.headers = headers
  }
}

/** The caller has closed the connection: nobody is left to answer. */
export class CallerGone extends Error {
  override readonly name = 'CallerGone'
}
