// The head of a request, checked before anything is done for it.
import type { IncomingMessage } from 'node:http'
import { GatewayError } from '../api.ts'
import { type Target, readTarget } from './paths.ts'
import { Refusal } from './refusal.ts'

export interface Head extends Target {
  readonly method: string
  /** Lower-case names, repeated ones joined; no prototype, so that `constructor` is absent unless it was sent. */
  readonly headers: Readonly<Record<string, string>>
  /** Absent: HTTP/1.0 does not ask for it. */
  readonly host: string | undefined
  readonly hasBody: boolean
}

/** A request with more fields than this is refused, whatever their size. */
const MAX_FIELDS = 200
/** RFC 3986 §3.2.2 without userinfo; underscores, because container networks use them. */
const HOST = /^(?:[\w.~-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/iu
const METHODS = 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS'

/** Reads and checks method, target, Host and framing; parser and this function together leave one reading of a request. Throws `Refusal`. */
export function readHead(incoming: IncomingMessage): Head {
  const { method = 'GET', url = '' } = incoming
  if (method === 'TRACE' || method === 'CONNECT')
    throw new Refusal('method', new GatewayError('METHOD_NOT_ALLOWED', `${method} is not served`), {
      allow: METHODS,
    })
  const { headers, host } = readFields(incoming)
  const { path, query } = target(url)
  return { method, headers, host, path, query, hasBody: hasBody(incoming, headers) }
}

export function isHost(text: string): boolean {
  return HOST.test(text)
}

function readFields(incoming: IncomingMessage): Pick<Head, 'headers' | 'host'> {
  const raw = incoming.rawHeaders
  if (raw.length > MAX_FIELDS * 2)
    throw new Refusal(
      'headers',
      new GatewayError('TOO_LARGE', `more than ${MAX_FIELDS} header fields`, { status: 431 }),
    )
  const headers = Object.create(null) as Record<string, string> // filled below with strings only
  let hosts = 0
  for (let index = 0; index < raw.length; index += 2) {
    const name = (raw[index] ?? '').toLowerCase()
    const value = raw[index + 1] ?? ''
    if (name === 'host') hosts += 1
    const before = headers[name]
    headers[name] = before === undefined ? value : `${before}${name === 'cookie' ? '; ' : ', '}${value}` // RFC 9110 §5.3
  }
  const host = headers['host']
  const optional = incoming.httpVersion === '1.0'
  // RFC 9112 §3.2: 400 to a request without Host, with two, or with an invalid one
  if (hosts > 1 || (hosts === 0 && !optional) || (host !== undefined && !isHost(host)))
    throw new Refusal('host', new GatewayError('DECODE_FAILED', 'exactly one valid Host header is needed'))
  return { headers, host }
}

function target(url: string): Target {
  try {
    return readTarget(url)
  } catch (error) {
    throw new Refusal('target', GatewayError.from(error))
  }
}

function hasBody(incoming: IncomingMessage, headers: Head['headers']): boolean {
  const coding = headers['transfer-encoding']
  if (coding === undefined) return (headers['content-length'] ?? '0') !== '0'
  // RFC 9112 §6.1: in HTTP/1.0 the framing is faulty; no other coding than chunked is served
  if (incoming.httpVersion === '1.0')
    throw new Refusal(
      'malformed',
      new GatewayError('DECODE_FAILED', 'Transfer-Encoding does not exist in HTTP/1.0'),
    )
  if (coding.toLowerCase() !== 'chunked')
    throw new Refusal(
      'coding',
      new GatewayError('UNSUPPORTED_MEDIA', 'the only transfer coding known is chunked', { status: 501 }),
    )
  return true
}
