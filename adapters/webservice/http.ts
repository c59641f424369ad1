// What HTTP says of a body, and in which charset its sender wants to be answered.
import { isAscii, isUtf8 } from 'node:buffer'
import type { Accepted, HttpRequest } from 'dragoman'
import { GatewayError } from 'dragoman'
import { mediaTypeParts } from '../data/media-type.ts'
import { canonicalCharset } from '../xml/charset.ts'

export interface MediaType {
  /** Lower case, without parameters; `''` if the header is missing. */
  readonly type: string
  readonly charset?: string
}

/** Reads a Content-Type (RFC 9110 §8.3.1): any case, parameters quoted or not. Of several lines joined by commas the first. */
export function mediaType(header: string | null | undefined): MediaType {
  const [type = '', ...parameters] = mediaTypeParts(header ?? '')
  for (const parameter of parameters) {
    const charset = /^\s*charset\s*=\s*"?([^"\s]+)"?\s*$/i.exec(parameter)?.[1]
    if (charset !== undefined) return { type: type.trim().toLowerCase(), charset }
  }
  return { type: type.trim().toLowerCase() }
}

/** RFC 7303: text/xml, application/xml and every +xml. */
export function isXml({ type }: MediaType): boolean {
  return type === 'text/xml' || type === 'application/xml' || type.endsWith('+xml')
}

/**
 * The charset to hand to the XML reader: what the header says; nothing where the document says it itself (BOM, UTF-16,
 * declaration). One that says nothing is in UTF-8 (XML 1.0 §4.3.3); where it is not, or its bytes do not tell, it is in the
 * one agreed for those who do not say, and is answered in it.
 */
export function charsetOf(bytes: Uint8Array, stated: string | undefined, agreed: string): string | undefined {
  if (stated !== undefined) return stated
  if (saysItself(bytes)) return undefined
  const isTold = isUtf8(bytes) && !isAscii(bytes)
  return isTold || agreed.startsWith('utf-16') ? 'utf-8' : agreed
}

/** Whether neither header nor document nor bytes tell what the caller speaks. */
export function isSilent(bytes: Uint8Array, stated: string | undefined): boolean {
  return stated === undefined && isAscii(bytes) && !saysItself(bytes)
}

/** XML 1.0 appendix F: a byte order mark, a "<" of two bytes, or an encoding in the declaration. */
function saysItself(bytes: Uint8Array): boolean {
  const [a, b, c] = bytes
  const marked = (a === 0xef && b === 0xbb && c === 0xbf) || (a === 0xff && b === 0xfe)
  if (marked || (a === 0xfe && b === 0xff) || a === 0 || b === 0) return true
  const head = Buffer.from(bytes.subarray(0, 256)).toString('latin1')
  return /^<\?xml[^>]*[\t\n\r ]encoding[\t\n\r ]*=/.test(head)
}

/** The canonical name of a stated charset. Throws `DECODE_FAILED` for one this gateway does not speak. */
export function knownCharset(label: string): string {
  const charset = canonicalCharset(label)
  if (charset !== undefined) return charset
  throw new GatewayError('DECODE_FAILED', `charset "${label.slice(0, 64)}" is not one this gateway reads`)
}

// RFC 9651 §3.3.3: a structured string; else one word. A comma would be two fields joined (RFC 9110 §5.3).
const keyField = /^(?:"((?:[ !#-[\]-~]|\\["\\])*)"|([!#-+\--~]+))$/

/** The caller's own id: `Idempotency-Key`, bare or quoted. Throws `DECODE_FAILED`. */
export function idempotencyKey({ headers }: HttpRequest): string | undefined {
  const field = headers['idempotency-key']?.trim()
  if (field === undefined) return undefined
  const [, quoted, bare] = keyField.exec(field) ?? []
  const key = quoted?.replaceAll(/\\(["\\])/g, '$1') ?? bare ?? ''
  if (key !== '' && key.length <= 256) return key
  throw new GatewayError(
    'DECODE_FAILED',
    `Idempotency-Key ${JSON.stringify(field.slice(0, 80))} is not one key of at most 256 characters`,
  )
}

/**
 * `Age` and `Cache-Status` of an answer that did not come from the business system just now (RFC 9111 §5.1, RFC 9211); `Location` where
 * a request was stored for later.
 */
export function freshness(
  { reply, status }: Pick<Accepted, 'reply' | 'status'>,
  now: number,
): Readonly<Record<string, string>> {
  if (status !== undefined) return { location: status }
  if (reply === undefined || (reply.stale !== true && reply.origin !== 'cache')) return {}
  const age = reply.asOf === undefined ? Number.NaN : Math.floor((now - Date.parse(reply.asOf)) / 1000)
  return {
    'cache-status': reply.stale === true ? 'dragoman; hit; detail=stale' : 'dragoman; hit',
    ...(Number.isFinite(age) && { age: String(Math.max(0, age)) }),
  }
}

/** What belongs to a refusal: `Retry-After` where waiting helps (RFC 9110 §10.2.3), a challenge with 401 (§15.5.2). */
export function refusalHeaders({ retryAfterMs, status }: GatewayError): Readonly<Record<string, string>> {
  const isTemporary = retryAfterMs !== undefined || status === 503 || status === 429
  const seconds = Math.max(1, Math.ceil((retryAfterMs ?? 1000) / 1000))
  return {
    ...(isTemporary && { 'retry-after': String(seconds) }),
    ...(status === 401 && { 'www-authenticate': 'Bearer realm="dragoman"' }),
  }
}
