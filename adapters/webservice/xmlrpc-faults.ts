// Every failure as an XML-RPC fault: a number and a text, with HTTP status 200 (xmlrpc.com/spec, "Fault example").
import { GatewayError } from 'dragoman'
import type { ErrorCode, Fault } from 'dragoman'
import type { XmlRpcFault } from './xmlrpc-messages.ts'

/** Specification for Fault Code Interoperability (2001): what kind of failure a number says. */
export const interoperable = {
  notWellFormed: -32700,
  invalid: -32600,
  methodNotFound: -32601,
  invalidParameters: -32602,
  internal: -32603,
  application: -32500,
} as const

/** -32099 to -32000 are the server's own. A total table: a new code does not compile without its number. */
const numberOf: Readonly<Record<ErrorCode, number>> = {
  DECODE_FAILED: interoperable.invalidParameters,
  NO_ROUTE: interoperable.methodNotFound,
  NOT_FOUND: interoperable.methodNotFound,
  INTERNAL: interoperable.internal,
  AUTH_FAILED: -32001,
  FORBIDDEN: -32002,
  TOO_LARGE: -32003,
  METHOD_NOT_ALLOWED: -32004,
  UNSUPPORTED_MEDIA: -32005,
  IDEMPOTENCY_MISMATCH: -32006,
  NOT_OWNER: -32007,
  TOO_OLD: -32008,
  EXPIRED: -32009,
  CURSOR_RESET: -32010,
  RATE_LIMITED: -32011,
  OVERLOADED: -32020,
  STORE_UNAVAILABLE: -32021,
  CHANNEL_GONE: -32022,
  ENCODE_FAILED: -32023,
  BREAKER_OPEN: -32030,
  DEADLINE_EXCEEDED: -32031,
  AGENT_FAILED: -32032,
  BACKEND_FAILED: -32033,
  OUTCOME_UNKNOWN: -32034,
}

/** Any error of ours: its number, and its code before the text. */
export function faultOfError(thrown: unknown, faultCode?: number): XmlRpcFault {
  const { code, message } = GatewayError.from(thrown)
  return { faultCode: faultCode ?? numberOf[code], faultString: `${code}: ${message}` }
}

/**
 * A business fault. A code that is a number, or has one in the config, is told as that; any other is an application error
 * (-32500) with the code before the text.
 */
export function faultOfBusiness(
  { code, message }: Fault,
  faultCodes: Readonly<Record<string, number>>,
): XmlRpcFault {
  const known = Object.hasOwn(faultCodes, code) ? faultCodes[code] : numeral(code)
  if (known !== undefined) return { faultCode: known, faultString: message }
  return { faultCode: interoperable.application, faultString: `${code}: ${message}` }
}

function numeral(code: string): number | undefined {
  if (!/^[+-]?\d{1,10}$/.test(code)) return undefined
  const number = Number(code)
  return number >= -2147483648 && number <= 2147483647 ? number : undefined
}
