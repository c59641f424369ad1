// Plain data: canonical text, limits, freezing. Nothing here trusts a member's name.
import { GatewayError } from './api.ts'

const MAX_DEPTH = 64

/**
 * Parses JSON. A number whose text a double does not give back (`1.10`, `1e5`, 20 digits) stays the text it was, as does every
 * integer beyond 2^53. Throws `SyntaxError`, or `RangeError` for nesting beyond all measure.
 */
export function parseExact(text: string): unknown {
  return JSON.parse(text, (_name, value: unknown, context?: { readonly source?: string }) => {
    if (typeof value !== 'number' || context?.source === undefined) return value
    const isKept =
      String(value) === context.source && (!Number.isInteger(value) || Number.isSafeInteger(value))
    return isKept ? value : context.source
  })
}

/** JSON text with sorted members: equal data gives equal text. Undefined members are left out. */
export function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`
  }
  return JSON.stringify(value) ?? 'null'
}

/** Thrown on the way down to what is no plain data; the way back up adds where it is. */
export class NotPlain extends Error {
  readonly path: (string | number)[] = []

  /** What was thrown below `name`, to be thrown again. */
  static within(error: unknown, name: string | number): unknown {
    if (error instanceof NotPlain) error.path.unshift(name)
    return error
  }
}

/** `data.lines[2].total`. */
export function placeText(path: readonly (string | number)[]): string {
  const steps = path.map((name) => {
    if (typeof name === 'number') return `[${name}]`
    return IDENTIFIER.test(name) ? `.${name}` : `[${JSON.stringify(name)}]`
  })
  const text = steps.join('').replace(/^\./u, '')
  return text.length > MAX_PLACE ? `${text.slice(0, MAX_PLACE)}…` : text
}
const IDENTIFIER = /^[A-Za-z_$][\w$]*$/u
const MAX_PLACE = 120

/**
 * Freezes plain data all the way down and returns it; a `Date` in it becomes its text (RFC 3339), which is what JSON makes of it. Throws
 * `DECODE_FAILED` for what is not plain data (a Map, an Error, bytes, an object of a class) or is nested deeper than 64 levels; `what`
 * names it in the message, which says where it is. What is frozen already is taken as looked at.
 */
export function freezePlain<T>(value: T, what: string): T {
  try {
    return frozen(value, 0)
  } catch (error) {
    if (!(error instanceof NotPlain)) throw error
    const place = error.path.length === 0 ? '' : `, at ${placeText(error.path)}`
    throw new GatewayError('DECODE_FAILED', `${what} ${error.message}${place}`)
  }
}

function frozen<T>(value: T, depth: number): T {
  switch (typeof value) {
    case 'string':
      // Half a surrogate pair: no protocol behind us could carry it (RFC 8259 §8.2).
      if (value.isWellFormed()) return value
      throw new NotPlain('holds half a surrogate pair')
    case 'boolean':
    case 'undefined':
      return value
    case 'number':
      if (Number.isFinite(value)) return value
      throw new NotPlain(`holds ${value}, which is not a JSON number`)
    case 'object':
      break
    default:
      throw new NotPlain(`holds a ${typeof value}, which is not plain data`)
  }
  if (value === null) return value
  const isList = Array.isArray(value)
  if (!isList && !isPlainObject(value)) return textOf(value) as T // of a Date, where JSON has a text as well
  if (depth > 0 && Object.isFrozen(value)) return value
  if (depth > MAX_DEPTH) throw new NotPlain(`is nested deeper than ${MAX_DEPTH} levels`)
  if (isList) freezeList(value, depth + 1)
  else freezeMembers(value as Record<string, unknown>, depth + 1) // an object
  return Object.freeze(value)
}

// Two loops, for this is the hot path: one over the names of both takes a third longer.
function freezeList(list: unknown[], depth: number): void {
  let at = 0
  try {
    for (; at < list.length; at++) {
      const member = list[at]
      const kept = frozen(member, depth)
      if (kept !== member) list[at] = kept
    }
  } catch (error) {
    throw NotPlain.within(error, at)
  }
}

function freezeMembers(members: Record<string, unknown>, depth: number): void {
  let at = ''
  try {
    for (const name of Object.keys(members)) {
      at = name
      const member = members[name]
      const kept = frozen(member, depth)
      if (kept !== member) members[name] = kept
    }
  } catch (error) {
    throw NotPlain.within(error, at)
  }
}

/** Neither an array nor of any class; also of another realm, whose `Object` is not ours. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

/** What is no plain data but a Date. */
function textOf(value: object): string {
  if (!(value instanceof Date)) {
    const { name } = (value as { constructor?: { name: string } }).constructor ?? { name: 'unknown' } // any object may lack it
    throw new NotPlain(`holds an object of the class ${name}, which is not plain data`)
  }
  if (Number.isNaN(value.getTime())) throw new NotPlain('holds an invalid Date')
  return value.toISOString()
}
