// JSON text to plain data without losing a digit or a character (RFC 8259, DESIGN §3).
import type { Json } from 'dragoman'

const MAX_DEPTH = 64
// RFC 8259 §8.1: UTF-8. Fatal: a byte that is none is refused, never replaced.
const utf8 = new TextDecoder('utf-8', { fatal: true })
// Only text that has one of these can hold a number that a double would change, or half a surrogate pair.
const DELICATE = /\d{16}|\d[.eE]|-0|\\u[dD]/
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** A number that a double would not give back as it was written: `1.10`, `1e5`, 20 digits. Only a scalar of the schema may read it. */
export class ExactNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  /** What error messages show. */
  toJSON(): string {
    return this.text
  }
}

/** Parses UTF-8 JSON; a number that a double would change stays the text it was. Throws `SyntaxError`. */
export function parseJson(text: string): Json {
  // JSON.parse yields plain data, and the reviver puts text in the place of numbers.
  return parse(text, (_name, value) => (value instanceof ExactNumber ? value.text : value)) as Json
}

/** The same, but such a number becomes an `ExactNumber`, so that the schema can tell it from a text. Throws `SyntaxError`. */
export function parseExact(text: string): unknown {
  return parse(text, (_name, value) => value)
}

/** Decodes UTF-8. Throws `SyntaxError` where the bytes are something else. */
export function decodeUtf8(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch (error) {
    throw new SyntaxError('the text is not valid UTF-8', { cause: error })
  }
}

/** Puts exact numbers into what `JSON.parse` makes; TypeScript does not know the third argument yet. */
export function exactReviver(name: string, value: unknown, context?: { readonly source?: string }): unknown {
  if (!name.isWellFormed()) throw new SyntaxError('a member name holds half a surrogate pair')
  if (typeof value === 'string' && !value.isWellFormed())
    throw new SyntaxError(`the text of ${JSON.stringify(name)} holds half a surrogate pair`)
  if (typeof value !== 'number' || context?.source === undefined) return value
  return isKept(context.source) ? value : new ExactNumber(context.source)
}

/** The number a text stands for, where a double gives back the very text; else undefined. */
export function numberOf(text: string): number | undefined {
  return NUMBER.test(text) && isKept(text) ? Number(text) : undefined
}

/** Whether the text is a JSON number (RFC 8259 §6). */
export function isNumeral(text: string): boolean {
  return NUMBER.test(text)
}

/** A number written into JSON text exactly as it stands. */
export function rawNumber(text: string): unknown {
  return rawJson.rawJSON(text)
}

/** A JSON object: neither null nor a list. */
export function isObject(value: unknown): value is Readonly<Record<string, Json>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Throws `SyntaxError` for text nested deeper than 64 levels, before anything recurses over it. */
export function checkDepth(text: string): void {
  const openings = text.match(/[[{]/g)
  if (openings === null || openings.length <= MAX_DEPTH) return
  let depth = 0
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"?|[[\]{}]/gs)) {
    if (token === '[' || token === '{') depth += 1
    else if (token === ']' || token === '}') depth -= 1
    if (depth > MAX_DEPTH) throw new SyntaxError(`the JSON is nested deeper than ${MAX_DEPTH} levels`)
  }
}

// ECMAScript "JSON.parse source text access": Node 24 has it, TypeScript's library does not yet.
const rawJson = JSON as unknown as { rawJSON(text: string): unknown }

function isKept(text: string): boolean {
  const value = Number(text)
  return String(value) === text && (!Number.isInteger(value) || Number.isSafeInteger(value))
}

function parse(text: string, seen: (name: string, value: unknown) => unknown): unknown {
  checkDepth(text)
  if (!DELICATE.test(text)) return JSON.parse(text)
  return JSON.parse(text, (name, value: unknown, context?: { readonly source?: string }) =>
    seen(name, exactReviver(name, value, context)),
  )
}
