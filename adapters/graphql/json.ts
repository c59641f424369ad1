// JSON of GraphQL requests: numbers that a double would change wait as they were written for the scalar of the schema.
import { checkDepth } from '../data/json.ts'

// Only text that has one of these can hold a number that a double would change, or half a surrogate pair.
const DELICATE = /\d{16}|\d[.eE]|-0|\\u[dD]/
const DECIMAL =
  /^[\t\n\r ]*(?<sign>[+-])?(?:(?<whole>\d+)(?:\.(?<decimals>\d*))?|\.(?<fraction>\d+))(?<exponent>[eE][+-]?\d+)?[\t\n\r ]*$/
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/

/** A number that a double would not give back as it was written: `1.10`, `1e5`, 20 digits. Only a scalar of the schema may read it. */
export class ExactNumber {
  readonly #text: string
  constructor(text: string) {
    this.#text = text
    // An input object (GraphQL §3.10) refuses a member that its type does not have, and no name begins with a digit (§2.1.9).
    Object.defineProperty(this, text, { value: undefined, enumerable: true })
  }
  toString(): string {
    return this.#text
  }
  /** What error messages show. */
  toJSON(): string {
    return this.#text
  }
}

/** Parses JSON; such a number becomes an `ExactNumber`, so that the schema can tell it from a text. Throws `SyntaxError`. */
export function parseExact(text: string): unknown {
  checkDepth(text)
  return DELICATE.test(text) ? JSON.parse(text, exactReviver) : JSON.parse(text)
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

/** What XML calls a decimal or a double (XSD 1.1 Part 2 §3.3.3, §3.3.5) as a JSON number, with all its digits; undefined: it is none. */
export function numeralOf(text: string): string | undefined {
  const found = DECIMAL.exec(text)?.groups
  if (found === undefined) return undefined
  const { sign, whole = '0', decimals, fraction = decimals, exponent = '' } = found
  const places = fraction === undefined || fraction === '' ? '' : `.${fraction}`
  return `${sign === '-' ? '-' : ''}${whole.replace(/^0+(?=\d)/, '')}${places}${exponent}`
}

/** A number written into JSON text exactly as it stands. */
export function rawNumber(text: string): unknown {
  return rawJson.rawJSON(text)
}

// ECMAScript "JSON.parse source text access": Node 24 has it, TypeScript's library does not yet.
const rawJson = JSON as unknown as { rawJSON(text: string): unknown }

function isKept(text: string): boolean {
  const value = Number(text)
  return String(value) === text && (!Number.isInteger(value) || Number.isSafeInteger(value))
}
