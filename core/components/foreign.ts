// What a clone would empty or cannot take: found where it was written, while it still has its class, and told with its place.
import { types } from 'node:util'
import { isPlainObject, NotPlain, placeText } from '../json.ts'

/** Deeper is looked at, and refused, by who takes it. */
const MAX_DEPTH = 200

/** What is wrong with a value by itself and what to do; undefined for plain data, and for what keeps its class in a clone (a Map): that is refused later. */
export function foreignness(value: unknown): string | undefined {
  if (typeof value === 'function') return 'is a function, which is not plain data: call it'
  if (typeof value === 'symbol') return 'is a symbol, which is not plain data: write a text'
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  if (isKept(value)) return undefined
  if (types.isPromise(value)) return 'is a Promise: await it'
  if (value instanceof URL) return 'is a URL: write String(…)'
  if (value instanceof Response) return 'is a Response: write what it says, await ….json()'
  if (value instanceof Headers) return 'is of the class Headers: write Object.fromEntries(…)'
  const name: unknown = value.constructor?.name
  return `is an object of the class ${typeof name === 'string' ? name : 'unknown'}, which is not plain data: call its toJSON() or toString(), or write { ... } of its members`
}

/** Throws `TypeError` that names the place; `what` is the value itself. */
export function refuseForeign(value: unknown, what: string): void {
  try {
    look(value, { depth: 0, seen: new Set() })
  } catch (error) {
    throw error instanceof NotPlain ? foreignAt(error, what) : error
  }
}

/** The sentence for whoever wrote the value. */
export function foreignAt({ path, message }: NotPlain, what: string): TypeError {
  return new TypeError(`${path.length === 0 ? what : placeText(path)} ${message}`)
}

/** Each object once: of one that leads back to itself there is no end, and of one that is shared a second look is the same. */
function look(value: unknown, at: { readonly depth: number; readonly seen: Set<object> }): void {
  const problem = foreignness(value)
  if (problem !== undefined) throw new NotPlain(problem)
  const { depth, seen } = at
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  if (depth > MAX_DEPTH || seen.has(value)) return
  seen.add(value)
  for (const [name, member] of Object.entries(value)) {
    try {
      look(member, { depth: depth + 1, seen })
    } catch (error) {
      throw NotPlain.within(error, Array.isArray(value) ? Number(name) : name)
    }
  }
}

/** By a clone: it is what it was, or is looked at again as what it was. */
function isKept(value: object): boolean {
  return (
    isPlainObject(value) ||
    isRecord(value) ||
    ArrayBuffer.isView(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isDate(value) ||
    types.isNativeError(value) ||
    types.isMap(value) ||
    types.isSet(value) ||
    types.isRegExp(value) ||
    types.isBoxedPrimitive(value)
  )
}

/** Of a class that has nothing but a constructor: its members are all there is of it. */
function isRecord(value: object): boolean {
  let prototype: unknown = Object.getPrototypeOf(value)
  while (typeof prototype === 'object' && prototype !== null && !isPlainRoot(prototype)) {
    if (Reflect.ownKeys(prototype).some((name) => name !== 'constructor')) return false
    prototype = Object.getPrototypeOf(prototype)
  }
  return true
}

/** `Object.prototype`, of any realm. */
function isPlainRoot(prototype: object): boolean {
  return Object.getPrototypeOf(prototype) === null
}
