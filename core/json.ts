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

/**
 * Freezes plain data all the way down and returns it; a `Date` in it becomes its text (RFC 3339), which is what JSON makes of it. Throws
 * `DECODE_FAILED` for what is not plain data (a Map, an Error, bytes, an object of a class) or is nested deeper than 64 levels; `what`
 * names it in the message. What is frozen already is taken as looked at.
 */
export function freezePlain<T>(value: T, what: string, depth = 0): T {
  switch (typeof value) {
    case 'string':
      // Half a surrogate pair: no protocol behind us could carry it (RFC 8259 §8.2).
      if (value.isWellFormed()) return value
      throw new GatewayError('DECODE_FAILED', `${what} holds half a surrogate pair`)
    case 'boolean':
    case 'undefined':
      return value
    case 'number':
      if (Number.isFinite(value)) return value
      throw new GatewayError('DECODE_FAILED', `${what} holds ${value}, which is not a JSON number`)
    case 'object':
      break
    default:
      throw new GatewayError('DECODE_FAILED', `${what} holds a ${typeof value}, which is not plain data`)
  }
  if (value === null) return value
  const isList = Array.isArray(value)
  if (!isList && !isPlainObject(value)) return textOf(value, what) as T // of a Date, where JSON has a text as well
  if (depth > 0 && Object.isFrozen(value)) return value
  if (depth > MAX_DEPTH)
    throw new GatewayError('DECODE_FAILED', `${what} is nested deeper than ${MAX_DEPTH} levels`)
  if (isList) freezeList(value, what, depth + 1)
  else freezeMembers(value as Record<string, unknown>, what, depth + 1) // an object
  return Object.freeze(value)
}

// Two loops, for this is the hot path: one over the names of both takes a third longer.
function freezeList(list: unknown[], what: string, depth: number): void {
  for (let at = 0; at < list.length; at++) {
    const member = list[at]
    const kept = freezePlain(member, what, depth)
    if (kept !== member) list[at] = kept
  }
}

function freezeMembers(members: Record<string, unknown>, what: string, depth: number): void {
  for (const name of Object.keys(members)) {
    const member = members[name]
    const kept = freezePlain(member, what, depth)
    if (kept !== member) members[name] = kept
  }
}

/** Neither an array nor of any class; also of another realm, whose `Object` is not ours. */
export function isPlainObject(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null || Object.getPrototypeOf(prototype) === null
}

/** What is no plain data but a Date. */
function textOf(value: object, what: string): string {
  if (!(value instanceof Date)) {
    const { name } = (value as { constructor?: { name: string } }).constructor ?? { name: 'unknown' } // any object may lack it
    const problem = `${what} holds an object of the class ${name}, which is not plain data`
    throw new GatewayError('DECODE_FAILED', problem)
  }
  if (Number.isNaN(value.getTime())) throw new GatewayError('DECODE_FAILED', `${what} holds an invalid Date`)
  return value.toISOString()
}
