// Refusals of ASP.NET web services: text/plain, an exception's name and its message, never a stack.
import { GatewayError } from 'dragoman'
import type { ErrorCode, Fault, HttpResponse } from 'dragoman'
import { charsetLabel, encodeText } from '../xml/charset.ts'
import { retryAfter } from './http.ts'

/** A refusal in the original's own words. */
export class AsmxProblem extends Error {
  override readonly name = 'AsmxProblem'
  /** `System.ArgumentException` */
  readonly exception: string
  readonly more: string | undefined

  constructor(exception: string, message: string, more?: string) {
    super(message)
    this.exception = exception
    this.more = more
  }
}

/** The original answers 500 to whatever happens to an operation; what its HTTP server refuses before has its own status. */
const statusOf: Readonly<Record<ErrorCode, number>> = {
  AUTH_FAILED: 401,
  FORBIDDEN: 403,
  DECODE_FAILED: 500,
  TOO_LARGE: 413,
  METHOD_NOT_ALLOWED: 405,
  UNSUPPORTED_MEDIA: 415,
  NOT_FOUND: 500,
  NO_ROUTE: 500,
  IDEMPOTENCY_MISMATCH: 500,
  NOT_OWNER: 500,
  TOO_OLD: 500,
  EXPIRED: 500,
  CURSOR_RESET: 500,
  RATE_LIMITED: 500,
  OVERLOADED: 500,
  STORE_UNAVAILABLE: 500,
  CHANNEL_GONE: 500,
  ENCODE_FAILED: 500,
  INTERNAL: 500,
  BREAKER_OPEN: 500,
  DEADLINE_EXCEEDED: 500,
  AGENT_FAILED: 500,
  BACKEND_FAILED: 500,
  OUTCOME_UNKNOWN: 500,
}

/** Any thrown value; ours say their code. Callers tell faults of the business by `SoapException`, which these are not. */
export function asmxError(thrown: unknown, charset: string): HttpResponse {
  if (thrown instanceof AsmxProblem) {
    const { exception, message, more } = thrown
    return plain(500, `${exception}: ${message}${more === undefined ? '' : `\n${more}`}`, charset)
  }
  const error = GatewayError.from(thrown)
  const response = plain(
    statusOf[error.code],
    `System.InvalidOperationException: ${error.code}: ${error.message}`,
    charset,
  )
  return { ...response, headers: { ...response.headers, ...retryAfter(error) } }
}

/** A business fault: what a service of the original kind throws on purpose. */
export function asmxFault({ message }: Fault, charset: string): HttpResponse {
  return plain(500, `System.Web.Services.Protocols.SoapException: ${message}`, charset)
}

function plain(status: number, text: string, wanted: string): HttpResponse {
  const bytes = encodeText(`${text}\n`, wanted)
  return {
    status,
    headers: {
      'content-type': `text/plain; charset=${bytes === undefined ? 'utf-8' : charsetLabel(wanted)}`,
      'cache-control': 'private',
    },
    body: bytes ?? new TextEncoder().encode(`${text}\n`),
  }
}
