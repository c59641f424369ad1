// Refusals of ASP.NET web services: text/plain, an exception's name and its message, never a stack.
import { GatewayError } from 'dragoman'
import type { ErrorCode, Fault, HttpResponse } from 'dragoman'
import { charsetLabel, encodeText } from '../xml/charset.ts'
import { refusalHeaders } from './http.ts'

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

/** What the original's HTTP server refuses before an operation is looked at; whatever comes later is 500. */
const before: ReadonlySet<ErrorCode> = new Set([
  'AUTH_FAILED',
  'FORBIDDEN',
  'TOO_LARGE',
  'METHOD_NOT_ALLOWED',
  'UNSUPPORTED_MEDIA',
])

/** Any thrown value; ours say their code. Callers tell faults of the business by `SoapException`, which these are not. */
export function asmxError(thrown: unknown, charset: string): HttpResponse {
  if (thrown instanceof AsmxProblem) {
    const { exception, message, more } = thrown
    return plain(500, `${exception}: ${message}${more === undefined ? '' : `\n${more}`}`, charset)
  }
  const error = GatewayError.from(thrown)
  const response = plain(
    before.has(error.code) ? error.status : 500,
    `System.InvalidOperationException: ${error.code}: ${error.message}`,
    charset,
  )
  return { ...response, headers: { ...response.headers, ...refusalHeaders(error) } }
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
