// A captured HTTP message: head, blank line, body, as a proxy, a packet capture or a test kit wrote it into a file.
import { GatewayError } from '../api.ts'

export interface CapturedRequest {
  readonly method: string
  /** Origin form: path and query, as they were sent. */
  readonly target: string
  /** Lower-case names, repeated ones joined (RFC 9110 §5.3); no prototype. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** Where head and body do not fit each other, and what was made of it. */
  readonly notes: readonly string[]
}

export interface CapturedResponse {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  readonly notes: readonly string[]
}

const latin1 = new TextDecoder('latin1')
/** RFC 9112 §3: method, target, version. */
const REQUEST_LINE = /^([!#$%&'*+.^_`|~\w-]+) (\S+) HTTP\/\d(?:\.\d)?$/
/** RFC 9112 §4 */
const STATUS_LINE = /^HTTP\/\d(?:\.\d)? (\d{3})(?: .*)?$/
/** RFC 9112 §5; lines that begin with white space continue the one before (§5.2). */
const FIELD_LINE = /^([!#$%&'*+.^_`|~\w-]+):[ \t]*(.*?)[ \t]*$/

/** Reads a request. Lines may end with LF alone, as editors leave them. Throws `DECODE_FAILED` for what is no HTTP request. */
export function readCapturedRequest(bytes: Uint8Array): CapturedRequest {
  const { first, headers, rest } = headOf(bytes)
  const [, method, sent] = REQUEST_LINE.exec(first) ?? []
  if (method === undefined || sent === undefined)
    throw noMessage(
      STATUS_LINE.test(first)
        ? 'it is an HTTP response: the request that was sent is needed (a response goes into --answer)'
        : `its first line is ${excerpt(first)}, not such as "POST /services/Crm HTTP/1.1"`,
    )
  const { body, notes } = bodyOf(rest, headers)
  // What a proxy logs: RFC 9112 §3.2.2
  const absolute = /^https?:\/\//i.test(sent) ? URL.parse(sent) : null
  return {
    method,
    target: absolute === null ? sent : `${absolute.pathname}${absolute.search}`,
    headers,
    body,
    notes,
  }
}

/** Reads a response; undefined for what does not begin like one: then it is a body alone. Throws `DECODE_FAILED`. */
export function readCapturedResponse(bytes: Uint8Array): CapturedResponse | undefined {
  if (!latin1.decode(bytes.subarray(0, 5)).startsWith('HTTP/')) return undefined
  const { first, headers, rest } = headOf(bytes)
  const [, status] = STATUS_LINE.exec(first) ?? []
  if (status === undefined)
    throw noMessage(`its first line is ${excerpt(first)}, not such as "HTTP/1.1 200 OK"`)
  return { status: Number(status), headers, ...bodyOf(rest, headers) }
}

interface Head {
  readonly first: string
  readonly headers: Readonly<Record<string, string>>
  readonly rest: Uint8Array
}

function headOf(bytes: Uint8Array): Head {
  const { head, rest } = splitHead(bytes)
  const lines = head.replaceAll(/\r?\n[ \t]+/g, ' ').split(/\r?\n/)
  const first = lines[0] ?? ''
  const headers: Record<string, string> = Object.create(null) // null prototype: names come from the wire
  for (const line of REQUEST_LINE.test(first) || STATUS_LINE.test(first) ? lines.slice(1) : []) {
    const [, name, value] = FIELD_LINE.exec(line) ?? []
    if (name === undefined || value === undefined)
      throw noMessage(`${excerpt(line)} is no header line ("Name: value"); a blank line ends the head`)
    const key = name.toLowerCase()
    const before = headers[key]
    headers[key] = before === undefined ? value : `${before}${key === 'cookie' ? '; ' : ', '}${value}`
  }
  return { first, headers, rest }
}

function splitHead(bytes: Uint8Array): { readonly head: string; readonly rest: Uint8Array } {
  for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, end + 1)) {
    const next = bytes[end + 1] === CR ? end + 2 : end + 1
    if (bytes[next] !== LF) continue
    const head = latin1.decode(bytes.subarray(0, bytes[end - 1] === CR ? end - 1 : end))
    return { head, rest: bytes.subarray(next + 1) }
  }
  return { head: latin1.decode(bytes).replace(/\r?\n$/, ''), rest: new Uint8Array(0) }
}
const CR = 0x0d
const LF = 0x0a

type Content = Pick<CapturedRequest, 'body' | 'notes'>

/** The framing undone. A file that was edited keeps what it has: the rest of the file is the body, and a note says so. */
function bodyOf(rest: Uint8Array, headers: Head['headers']): Content {
  if (/\bchunked\s*$/i.test(headers['transfer-encoding'] ?? '')) {
    const body = joinChunks(rest)
    return body === undefined
      ? { body: rest, notes: ['the head says chunked, the body is not: it is taken as it stands'] }
      : { body, notes: [] }
  }
  const said = headers['content-length']
  if (said === undefined) return { body: rest, notes: [] }
  const length = Number(said)
  if (rest.length === length) return { body: rest, notes: [] }
  // An editor ends a file with a line end.
  if (rest.length > length && latin1.decode(rest.subarray(length)).trim() === '')
    return { body: rest.subarray(0, length), notes: [] }
  const note = `content-length says ${said}, the file has ${rest.length} bytes of body: all of them are taken`
  return { body: rest, notes: [note] }
}

/** RFC 9112 §7.1; undefined where the bytes are no chunks. */
function joinChunks(bytes: Uint8Array): Uint8Array | undefined {
  const pieces: Uint8Array[] = []
  let at = 0
  for (;;) {
    const end = bytes.indexOf(LF, at)
    if (end === -1) return undefined
    const [, digits] = /^([\da-f]{1,8})[ \t]*(?:;.*)?\r?$/i.exec(latin1.decode(bytes.subarray(at, end))) ?? []
    if (digits === undefined) return undefined
    const size = Number.parseInt(digits, 16)
    if (size === 0) return Buffer.concat(pieces)
    if (end + 1 + size > bytes.length) return undefined
    pieces.push(bytes.subarray(end + 1, end + 1 + size))
    at = end + 1 + size
    if (bytes[at] === CR) at += 1
    if (bytes[at] !== LF) return undefined
    at += 1
  }
}

function excerpt(line: string): string {
  return JSON.stringify(line.length > 60 ? `${line.slice(0, 60)}…` : line)
}

function noMessage(why: string): GatewayError {
  return new GatewayError('DECODE_FAILED', why)
}
