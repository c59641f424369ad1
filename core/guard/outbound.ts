// What a caller of fetch wants sent, read whole and checked before anything is sent.
import { GatewayError } from '../api.ts'

export interface Outbound {
  readonly url: URL
  readonly method: string
  /** Lower-case names and values, in turn. */
  readonly headers: string[]
  readonly body: string | Uint8Array | undefined
  readonly signal: AbortSignal | undefined
  readonly redirect: RequestRedirect
}

/** RFC 9110 §5.6.2 */
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/
/** RFC 9110 §5.5: visible characters, space, tab and the upper half of one byte. No CR, LF or NUL. */
const fieldValue = /^[\t\x20-\x7e\x80-\xff]*$/
/** They frame the message and belong to the connection; `content-length` is counted, never believed. */
const framing = new Set([
  'connection',
  'keep-alive',
  'transfer-encoding',
  'upgrade',
  'expect',
  'te',
  'trailer',
])
/** Methods fetch refuses (Fetch §2.2.1), and the ones it writes in capitals. */
const forbiddenMethods = new Set(['CONNECT', 'TRACE', 'TRACK'])
const capitalMethods = new Set(['DELETE', 'GET', 'HEAD', 'OPTIONS', 'POST', 'PUT'])

/**
 * Reads the arguments of a fetch. A body of any kind fetch takes is read whole. Throws `ENCODE_FAILED` for a URL, method,
 * header or body that cannot be sent as it is, above all for line breaks in a header (RFC 9110 §5.5), and `FORBIDDEN` for a
 * scheme that is not HTTP.
 */
export async function readOutbound(input: RequestInfo | URL, init: RequestInit = {}): Promise<Outbound> {
  if (typeof input !== 'string' && !(input instanceof URL)) return readRequest(input, init)
  const url = checkedUrl(input)
  const method = checkedMethod(init.method ?? 'GET')
  const headers: string[] = []
  addHeaders(headers, init.headers ?? {})
  const { body } = init
  const plain = body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array
  const bytes = plain ? (body ?? undefined) : await readBody(body, headers)
  if (bytes !== undefined && (method === 'GET' || method === 'HEAD'))
    throw refused(`a ${method} request cannot carry a body: use another method`)
  if (typeof bytes === 'string') setDefault(headers, 'content-type', 'text/plain;charset=UTF-8')
  setDefault(headers, 'accept', '*/*')
  setDefault(headers, 'user-agent', 'dragoman')
  return {
    url,
    method,
    headers,
    body: bytes,
    signal: init.signal ?? undefined,
    redirect: init.redirect ?? 'follow',
  }
}

/** The address of a first request or of a redirect. Throws `ENCODE_FAILED`, or `FORBIDDEN` for a scheme that is not HTTP. */
export function checkedUrl(address: string | URL, base?: URL): URL {
  const url = URL.parse(address.toString(), base)
  if (url === null)
    throw refused(
      'the request has no address to go to',
      new GatewayError('ENCODE_FAILED', `"${excerpt(address.toString())}": http://host/path is needed`),
    )
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw new GatewayError(
      'FORBIDDEN',
      `the scheme "${url.protocol}" is not allowed: only http and https are`,
      {
        notExecuted: true,
      },
    )
  if (url.username !== '' || url.password !== '')
    throw refused(
      'the address holds credentials: send them in an Authorization header',
      new GatewayError('ENCODE_FAILED', url.host),
    )
  return url
}

/** A `Request` object is rare: fetch's own constructor says what it means together with `init`. */
async function readRequest(input: Request, init: RequestInit): Promise<Outbound> {
  const request = await attempt('request', () => new Request(input, init))
  const body = request.body === null ? undefined : await readBytes(request)
  return readOutbound(request.url, {
    method: request.method,
    headers: request.headers,
    signal: request.signal,
    redirect: request.redirect,
    ...(body !== undefined && { body }),
  })
}

function checkedMethod(method: string): string {
  const upper = method.toUpperCase()
  if (!token.test(method) || forbiddenMethods.has(upper))
    throw refused(`the method "${excerpt(method)}" cannot be sent`)
  return capitalMethods.has(upper) ? upper : method
}

function addHeaders(headers: string[], given: HeadersInit): void {
  // Untyped plugins pass numbers too; fetch makes text of them.
  const entries: Iterable<readonly unknown[]> = Symbol.iterator in given ? given : Object.entries(given)
  for (const [name, value] of entries) addHeader(headers, String(name), String(value))
}

function setDefault(headers: string[], name: string, value: string): void {
  if (indexOf(headers, name) < 0) headers.push(name, value)
}

function addHeader(headers: string[], name: string, value: string): void {
  const key = name.toLowerCase()
  if (!token.test(name)) throw refused(`the header name ${JSON.stringify(excerpt(name))} cannot be sent`)
  // The value may be a secret: it is never part of the message.
  if (!fieldValue.test(value))
    throw refused(
      `the value of the header "${name}" has a line break or a character HTTP headers cannot carry`,
    )
  if (framing.has(key)) throw refused(`the header "${name}" belongs to the connection and cannot be set`)
  if (key === 'content-length') return
  const at = indexOf(headers, key)
  if (at < 0) headers.push(key, value)
  else headers[at + 1] += `, ${value}` // RFC 9110 §5.3
}

function indexOf(headers: readonly string[], name: string): number {
  for (let i = 0; i < headers.length; i += 2) if (headers[i] === name) return i
  return -1
}

/** Streams, forms and the like as fetch itself reads them, with the type it gives them. */
async function readBody(body: BodyInit, headers: string[]): Promise<Uint8Array> {
  const whole = await attempt('body', () => new Response(body))
  const type = whole.headers.get('content-type')
  if (type !== null) setDefault(headers, 'content-type', type)
  return readBytes(whole)
}

async function readBytes(body: Body): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await attempt('body', () => body.arrayBuffer()))
}

async function attempt<T>(what: string, make: () => T | Promise<T>): Promise<T> {
  try {
    return await make()
  } catch (error) {
    throw refused(`the ${what} cannot be sent as it is`, error)
  }
}

function refused(message: string, cause?: unknown): GatewayError {
  return new GatewayError('ENCODE_FAILED', message, { cause, notExecuted: true })
}

function excerpt(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text
}
