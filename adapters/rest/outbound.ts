// A call to a REST business system as an HTTP request.
import { GatewayError } from 'dragoman'
import type { BackendCall, Json } from 'dragoman'

import type { BackendConfig, OperationConfig } from './backend-config.ts'
import { compileExpression } from '../data/expression.ts'
import type { Expression } from '../data/expression.ts'
import { isFieldValue } from '../data/field.ts'
import { isJson, mediaType } from '../data/media-type.ts'
import { isObject } from '../data/json.ts'
import { canonicalCharset, encodeExtended, encodeText } from '../xml/charset.ts'
import { compilePath } from './path.ts'

export interface Outbound {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** A text goes out in UTF-8. */
  readonly body: string | Uint8Array<ArrayBuffer> | undefined
}

/**
 * Makes the request of one call. Rejects with `DECODE_FAILED` where it cannot carry the parameters, which are the caller's, with
 * `ENCODE_FAILED` where an expression of the config fails or makes no text of the body; both `notExecuted`.
 */
export type BuildRequest = (call: BackendCall) => Promise<Outbound>

/** Compiles one operation: nothing is parsed per call, and without expressions nothing is evaluated. */
export function compileRequest(
  base: Pick<BackendConfig, 'url' | 'headers'>,
  config: OperationConfig,
): BuildRequest {
  const { method } = config
  const path = compilePath(base.url, config.path)
  const query = compileAll(config.query)
  const headers = [...compileAll(base.headers), ...compileAll(config.headers)]
  const body = config.body === undefined ? undefined : compileExpression(config.body)
  const sendsBody = method === 'POST' || method === 'PUT' || method === 'PATCH'
  const safe = method === 'GET' || method === 'HEAD'

  return async (call) => {
    const { params, message, operation } = call
    const values = membersOf(params)
    const search = new URLSearchParams()
    if (config.query === undefined && !sendsBody)
      for (const [name, value] of Object.entries(remaining(params, operation))) {
        if (!path.names.has(name)) appendQuery(search, name, value)
      }
    for (const [name, expression] of query)
      appendQuery(search, name, await evaluated(expression, call, `query "${name}"`))

    const fields: Record<string, string> = {
      accept: 'application/json',
      traceparent: message.traceparent, // W3C Trace Context §3.2
      ...(!safe && { 'idempotency-key': call.key }),
    }
    for (const [name, expression] of headers) {
      const value = headerText(name, await evaluated(expression, call, `header "${name}"`))
      if (value !== undefined) fields[name.toLowerCase()] = value
    }
    const content =
      body === undefined ? (sendsBody ? params : undefined) : await evaluated(body, call, 'body')
    const sent = content === undefined ? undefined : bodyOf(content, fields)
    const rendered = search.size === 0 ? '' : `?${search.toString()}`
    return { method, url: `${path.render(operation, values)}${rendered}`, headers: fields, body: sent }
  }
}

function compileAll(
  sources: Readonly<Record<string, string>> = {},
): readonly (readonly [string, Expression])[] {
  return Object.entries(sources).map(([name, source]) => [name, compileExpression(source)] as const)
}

async function evaluated(expression: Expression, call: BackendCall, what: string): Promise<Json | undefined> {
  try {
    return await expression(call.params, { message: call.message })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw refusal('ENCODE_FAILED', `operation "${call.operation}": ${what}: ${why}`, error)
  }
}

function membersOf(params: Json): Readonly<Record<string, Json>> {
  return isObject(params) ? params : {}
}

/** An empty text is no parameters either: it is what an element without content says, `<ListOrders/>`. */
function remaining(params: Json, operation: string): Readonly<Record<string, Json>> {
  if (params === null || params === '' || isObject(params)) return membersOf(params)
  throw refusal(
    'DECODE_FAILED',
    `operation "${operation}" takes its parameters in path and query: send an object, not ${JSON.stringify(params).slice(0, 80)}`,
  )
}

function appendQuery(search: URLSearchParams, name: string, value: Json | undefined): void {
  if (value === undefined || value === null) return
  if (isList(value)) for (const item of value) appendQuery(search, name, item)
  else if (typeof value === 'object')
    throw refusal('DECODE_FAILED', `parameter "${name}" is an object, which a query cannot carry`)
  else if (typeof value === 'string' && !value.isWellFormed())
    throw refusal('DECODE_FAILED', `parameter "${name}" holds half a surrogate pair`)
  else search.append(name, String(value))
}

function headerText(name: string, value: Json | undefined): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'object') throw refusal('DECODE_FAILED', `header "${name}" is not a single value`)
  const text = String(value)
  if (isFieldValue(text)) return text
  throw refusal('DECODE_FAILED', `header "${name}" holds a character that HTTP headers cannot carry`)
}

/** In the charset that the content type names: UTF-8 under another name would be read as other characters, by everybody in silence. */
function bodyOf(content: Json, fields: Record<string, string>): string | Uint8Array<ArrayBuffer> {
  const declared = fields['content-type']
  const type = mediaType(declared)
  const { charset: label = UTF_8 } = type ?? {}
  const charset = canonicalCharset(label)
  if (charset === undefined)
    throw refusal('ENCODE_FAILED', `charset "${label}" is not one this gateway writes`)
  if (declared === undefined || (type !== undefined && isJson(type))) {
    fields['content-type'] = declared ?? 'application/json'
    const text = JSON.stringify(content)
    return inCharset(text, charset, encodeText) ?? inAscii(text)
  }
  if (typeof content !== 'string')
    throw refusal('ENCODE_FAILED', `a body of type ${declared} must be a text: let \`body\` make one`)
  const body = inCharset(content, charset, encodeExtended)
  if (body === undefined)
    throw refusal('DECODE_FAILED', `the body holds a character that ${charset} cannot carry`)
  return body
}
const UTF_8 = 'utf-8'

function inCharset(
  text: string,
  charset: string,
  encode: typeof encodeText,
): string | Uint8Array<ArrayBuffer> | undefined {
  if (charset === UTF_8) return text.isWellFormed() ? text : undefined
  const bytes = encode(charset === 'utf-16' ? `\uFEFF${text}` : text, charset) // RFC 2781 §3.2: the mark says which order it is
  return bytes && Buffer.from(bytes)
}

/** RFC 8259 §7: what a charset lacks can be escaped; outside ASCII there is nothing but strings. */
function inAscii(json: string): string {
  return json.replaceAll(
    /[\u0080-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

/** Nothing has gone out yet, so a write may be queued or sent again. */
function refusal(code: 'DECODE_FAILED' | 'ENCODE_FAILED', message: string, cause?: unknown): GatewayError {
  return new GatewayError(code, message, { notExecuted: true, ...(cause !== undefined && { cause }) })
}

function isList(value: Json): value is readonly Json[] {
  return Array.isArray(value)
}
