// From the bytes of a request to checked data: content type, charset, JSON, schema.
import type { ZodType } from 'zod'

import { GatewayError } from 'dragoman'
import type { Draft, HttpRequest, Json } from 'dragoman'

import { parseJson } from '../data/json.ts'
import { isJson, isUtf8, mediaType } from '../data/media-type.ts'

const MAX_ISSUES = 20
const MAX_ISSUE_LENGTH = 200

/**
 * The body as exact JSON (see `parseJson`). A JSON content type is needed: it is what a browser cannot send to another site
 * unasked. Throws `UNSUPPORTED_MEDIA` or `DECODE_FAILED`.
 */
export function jsonBody(request: HttpRequest): Json {
  requireJson(request.headers['content-type'])
  return parsed(request.body)
}

/** Throws `UNSUPPORTED_MEDIA` where a Content-Type field is not JSON in UTF-8. */
export function requireJson(field: string | undefined): void {
  if (field === 'application/json') return
  const type = mediaType(field)
  if (type !== undefined && isJson(type) && isUtf8(type)) return
  const problem =
    type !== undefined && isJson(type)
      ? `charset ${type.charset} is not taken: JSON is UTF-8 (RFC 8259 §8.1)`
      : `${field === undefined ? 'a body without content-type' : `content-type ${JSON.stringify(field.slice(0, 80))}`} is not taken: send content-type: application/json`
  throw new GatewayError('UNSUPPORTED_MEDIA', problem)
}

/** Bytes as exact JSON. Throws `DECODE_FAILED`. */
export function parsed(bytes: Uint8Array): Json {
  if (bytes.byteLength === 0)
    throw new GatewayError('DECODE_FAILED', 'the body is empty: send JSON, at least {}')
  try {
    return parseJson(bytes)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new GatewayError('DECODE_FAILED', `the body is not JSON: ${why.slice(0, MAX_ISSUE_LENGTH)}`, {
      cause: error,
    })
  }
}

/** Checks data by a schema. Throws `DECODE_FAILED` that names every place, as RFC 9457 §3 shows it. */
export function checked<T>(schema: ZodType<T>, value: unknown, what = 'the body'): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const errors = result.error.issues.slice(0, MAX_ISSUES).map(({ path, message }) => ({
    pointer: `#${path.map((step) => `/${String(step).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`,
    detail: message.slice(0, MAX_ISSUE_LENGTH),
  }))
  const first = errors.map(({ pointer, detail }) =>
    pointer === '#' ? detail : `${pointer.slice(2)}: ${detail}`,
  )
  throw new GatewayError('DECODE_FAILED', `${what} is not as it should be: ${first.join('; ')}`, {
    detail: { errors },
  })
}

/** The bytes as they arrived, for the message's dead letter. */
export function rawOf(request: HttpRequest): NonNullable<Draft['raw']> {
  return { mediaType: request.headers['content-type'] ?? 'application/octet-stream', bytes: request.body }
}

/** W3C Trace Context §3.2.1: the core continues the caller's trace from the metadata. */
export function traceOf(request: HttpRequest): Readonly<Record<string, string>> | undefined {
  const { traceparent } = request.headers
  return traceparent === undefined || traceparent.length > 128 ? undefined : { traceparent }
}
