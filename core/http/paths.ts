// From a request target to the one canonical path, and from a path to what is mounted there.
import { GatewayError } from '../api.ts'

export interface Target {
  /** Decoded, no control characters, and but for the id of a conversation no dot segments and no doubled slashes. */
  readonly path: string
  /** Without the question mark, as it arrived. */
  readonly query: string
}

/** Nothing to decode, to collapse or to refuse: nearly every path there is. */
const PLAIN = /^(?:\/(?!\.{1,2}(?:\/|$))[\w~.!$&'()*+,;=:@-]+)+$|^\/$/u
/** Controls (NUL among them), and what systems behind us take for a slash. */
const FORBIDDEN = /[\u0000-\u001F\u007F\\/]/u
const CONTROLS = /[\u0000-\u001F\u007F]/u

/**
 * The only reading of a request target: routing, authorisation and adapters see the same path. Only the origin form is
 * taken (RFC 9112 §3.2.1). Doubled slashes are collapsed; dot segments, encoded slashes, backslashes, control characters
 * and broken percent-encoding are refused, because a proxy in front may have read them otherwise. One segment may hold
 * encoded slashes and backslashes: the id in `…/conversations/{id}/messages`, a name that its sender chose and that is only
 * ever compared. Throws `DECODE_FAILED`.
 */
export function readTarget(target: string): Target {
  if (target.charCodeAt(0) !== 47)
    throw bad('the request target must be a path that begins with a slash (RFC 9112 §3.2.1)')
  const mark = target.indexOf('?')
  const path = mark === -1 ? target : target.slice(0, mark)
  const query = mark === -1 ? '' : target.slice(mark + 1)
  return { path: PLAIN.test(path) ? path : canonical(path), query }
}

function canonical(path: string): string {
  const segments: string[] = []
  const raw = path.split('/')
  for (const [index, encoded] of raw.entries()) {
    const last = index === raw.length - 1
    if (encoded === '' && !last) continue
    const segment = decode(encoded)
    if (segment === '.' || segment === '..') throw bad('the path must not contain dot segments')
    const forbidden = isConversation(raw, index) ? CONTROLS : FORBIDDEN
    if (forbidden.test(segment))
      throw bad('the path must not contain encoded slashes, backslashes or control characters')
    segments.push(segment)
  }
  return `/${segments.join('/')}`
}

function isConversation(raw: readonly string[], index: number): boolean {
  return index === raw.length - 2 && raw[index - 1] === 'conversations' && raw[index + 1] === 'messages'
}

function decode(segment: string): string {
  // RFC 3986 §3.3: a path is ASCII; anything else must have been percent-encoded
  if (!/^[!-~]*$/u.test(segment) || segment.includes('#'))
    throw bad('the path contains characters that must be percent-encoded')
  try {
    return decodeURIComponent(segment)
  } catch (error) {
    throw bad('the path is not valid percent-encoded UTF-8', error)
  }
}

function bad(message: string, cause?: unknown): GatewayError {
  return new GatewayError('DECODE_FAILED', message, { cause })
}

/** What is mounted where: the longest prefix wins, and a prefix ends where a segment ends. Never changed, only replaced. */
export class PathTable<T extends { readonly path: string }> {
  readonly #byPath: ReadonlyMap<string, T>
  readonly #deepest: number

  /** Throws `TypeError` where a path is not canonical or stands twice. */
  constructor(entries: readonly T[]) {
    const byPath = new Map<string, T>()
    for (const entry of entries) {
      const path = prefix(entry.path)
      if (byPath.has(path)) throw new TypeError(`path ${entry.path} is served twice`)
      byPath.set(path, entry)
    }
    this.#byPath = byPath
    this.#deepest = Math.max(0, ...[...byPath.keys()].map((path) => path.split('/').length - 1))
  }

  find(path: string): T | undefined {
    let candidate = path
    let exact = this.#byPath.get(candidate)
    if (exact !== undefined) return exact
    candidate = firstSegments(path, this.#deepest) // a path of 8,000 segments costs no more than a short one
    for (;;) {
      exact = this.#byPath.get(candidate)
      if (exact !== undefined) return exact
      if (candidate === '') return undefined
      candidate = candidate.slice(0, candidate.lastIndexOf('/'))
    }
  }
}

/** `/` and `/a/` serve the same as `` and `/a`. */
function prefix(path: string): string {
  const trimmed = path.endsWith('/') ? path.slice(0, -1) : path
  if (trimmed !== '' && (!trimmed.startsWith('/') || canonicalOrUndefined(trimmed) !== trimmed))
    throw new TypeError(
      `path ${JSON.stringify(path)} must be decoded, begin with a slash and have no dot segments`,
    )
  return trimmed
}

function canonicalOrUndefined(path: string): string | undefined {
  const segments = path.slice(1).split('/')
  const fine = segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..')
  return fine && !segments.some((segment) => FORBIDDEN.test(segment)) ? path : undefined
}

function firstSegments(path: string, count: number): string {
  let end = 0
  for (let seen = 0; seen < count; seen += 1) {
    const next = path.indexOf('/', end + 1)
    if (next === -1) return path
    end = next
  }
  return path.slice(0, end)
}
