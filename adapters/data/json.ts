// JSON text to plain data without losing a digit or a character (RFC 8259, DESIGN §3).
import type { Json } from 'dragoman'

const MAX_DEPTH = 64
// RFC 8259 §8.1: UTF-8. Fatal: a byte that is none is refused, never replaced. A leading byte order mark is taken off.
const utf8 = new TextDecoder('utf-8', { fatal: true })

// Only text that has one of these can hold a number that a double would change…
const DELICATE = /\d{16}|\d[.eE]|-0/
// …or half a surrogate pair.
const SURROGATE = /\\u[dD]/

/**
 * Parses UTF-8 JSON. A number whose lexical form a double does not give back (`1.10`, `1e5`, `-0`, 20 digits) stays the text it
 * was, as does every integer beyond 2^53. `__proto__` is a member like any other. Throws `SyntaxError` for what is not JSON,
 * not UTF-8, nested deeper than 64 levels, or holds half a surrogate pair (no protocol behind us could carry it).
 */
export function parseJson(bytes: Uint8Array): Json {
  return parseJsonText(decodeUtf8(bytes))
}

/** The same for text that is already decoded. */
export function parseJsonText(text: string): Json {
  checkDepth(text)
  const needsReviver = SURROGATE.test(text) || (DELICATE.test(text) && hasDelicateNumber(text))
  // JSON.parse yields plain data, and the reviver puts text or what was there in its place.
  return (needsReviver ? JSON.parse(text, exact) : JSON.parse(text)) as Json
}

/** Most delicate digits are ids and amounts within strings, where they are safe: the reviver takes five times the parser's time. */
function hasDelicateNumber(text: string): boolean {
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) index = endOfString(text, index)
    else if (isOfNumber(code)) {
      const start = index
      while (isOfNumber(text.charCodeAt(index + 1))) index += 1
      if (index > start && DELICATE.test(text.slice(start, index + 1))) return true
    }
  }
  return false
}

/** `+`, `-`, `.`, a digit, or the letter of an exponent; a few others of JSON's words do no harm. */
function isOfNumber(code: number): boolean {
  return (code >= PLUS && code <= NINE) || code === UPPER_E || code === LOWER_E
}

/** Decodes UTF-8. Throws `SyntaxError` where the bytes are something else. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw new SyntaxError('the text is not valid UTF-8', { cause: error })
  }
}

/** A JSON object: neither null nor a list. */
export function isObject(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function exact(name: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (!name.isWellFormed()) throw new SyntaxError('a member name holds half a surrogate pair')
  if (typeof value === 'string' && !value.isWellFormed())
    throw new SyntaxError(`the text of ${JSON.stringify(name)} holds half a surrogate pair`)
  if (typeof value !== 'number' || context?.source === undefined) return value
  const kept = String(value) === context.source && (!Number.isInteger(value) || Number.isSafeInteger(value))
  return kept ? value : context.source
}

/** Throws `SyntaxError` for text nested deeper than 64 levels, before anything recurses over it: reviver, reader, writer. */
export function checkDepth(text: string): void {
  if (text.length <= MAX_DEPTH) return
  const openings = text.match(/[[{]/g)
  if (openings === null || openings.length <= MAX_DEPTH) return
  let depth = 0
  for (let index = 0; index < text.length; index += 1) {
    const code = text.charCodeAt(index)
    if (code === QUOTE) index = endOfString(text, index)
    else if (code === BRACKET || code === BRACE) depth += 1
    else if (code === BRACKET_END || code === BRACE_END) depth -= 1
    if (depth > MAX_DEPTH) throw new SyntaxError(`the JSON is nested deeper than ${MAX_DEPTH} levels`)
  }
}

const QUOTE = 0x22
const PLUS = 0x2b
const NINE = 0x39
const UPPER_E = 0x45
const LOWER_E = 0x65
const BRACKET = 0x5b
const BRACE = 0x7b
const BRACKET_END = 0x5d
const BRACE_END = 0x7d

function endOfString(text: string, start: number): number {
  let end = text.indexOf('"', start + 1)
  while (end !== -1 && isEscaped(text, end)) end = text.indexOf('"', end + 1)
  return end === -1 ? text.length : end // unterminated: JSON.parse says so
}

function isEscaped(text: string, index: number): boolean {
  let slashes = 0
  while (text[index - 1 - slashes] === '\\') slashes += 1
  return slashes % 2 === 1
}
