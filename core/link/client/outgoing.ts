// What an app gives to `send`, as it is kept: a copy in plain JSON, of a shape that can be shown. What else is wrong the gateway says.
import type { Outgoing } from './types.ts'

/** Throws `TypeError` that names the member. What has a `toJSON`, as dates have, is kept as that says; not bytes, nor what it gives null for. */
export function outgoingOf(given: unknown): Outgoing {
  const message = typeof given === 'string' ? { text: given } : plain(given)
  if (!isObject(message)) throw new TypeError(`a message is a text or an object, not ${nameOf(given)}`)
  const { text, parts, conversation }: Readonly<Record<string, unknown>> = { ...message }
  if (text !== undefined && typeof text !== 'string') throw new TypeError('text is no text')
  if (conversation !== undefined && typeof conversation !== 'string')
    throw new TypeError('conversation is no text')
  if (parts !== undefined) checkParts(parts)
  return message
}

function checkParts(parts: unknown): void {
  if (!Array.isArray(parts)) throw new TypeError('parts is no list of parts')
  for (const [index, part] of (parts as readonly unknown[]).entries())
    if (typeof part !== 'object' || part === null || !('text' in part) || typeof part.text !== 'string')
      throw new TypeError(`parts[${index}].text is missing`)
}

/** What is no JSON can neither be kept nor sent: a copy that lacks something would go out in its place. */
function plain(given: unknown): unknown {
  if (!isObject(given)) return given
  const places = new Map<unknown, string>()
  function checked(this: Readonly<Record<string, unknown>>, key: string, value: unknown): unknown {
    const place = placeOf(key, { holder: places.get(this), isItem: Array.isArray(this) })
    const original: unknown = this[key] // `value` is what its toJSON has made of it
    const problem = value === undefined && !Array.isArray(this) ? undefined : problemOf(value, original)
    if (problem !== undefined)
      throw new TypeError(`${place === '' ? 'the message' : place} is no JSON: ${problem}`)
    if (typeof value === 'object') places.set(value, place)
    return value
  }
  const text: string | undefined = JSON.stringify(given, checked) // its type leaves out what toJSON may give: undefined
  return text === undefined ? undefined : JSON.parse(text)
}

/** `data.orders[0]`; empty: the message itself, which nothing holds. */
function placeOf(key: string, { holder, isItem }: { holder: string | undefined; isItem: boolean }): string {
  if (holder === undefined) return ''
  if (isItem) return `${holder}[${key}]`
  return holder === '' ? key : `${holder}.${key}`
}

function problemOf(value: unknown, original: unknown): string | undefined {
  if (ArrayBuffer.isView(original)) return `of ${classOf(original)}`
  if (value === null && isObject(original)) return `of ${classOf(original)}, whose toJSON gives null`
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : String(value)
  if (value === undefined) return 'undefined'
  if (typeof value !== 'object')
    return typeof value === 'string' || typeof value === 'boolean' ? undefined : `a ${typeof value}`
  return value === null || Array.isArray(value) || isPlain(value) ? undefined : `of ${classOf(value)}`
}

/** Of another realm too, as an iframe's: the prototype of plain objects is the one that has none. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function nameOf(given: unknown): string {
  if (given === null) return 'null'
  if (isObject(given)) return classOf(given)
  return Array.isArray(given) ? 'array' : typeof given
}

function classOf(value: object): string {
  const { constructor: maker }: { readonly constructor?: unknown } = value
  return typeof maker === 'function' && maker.name !== '' ? maker.name : 'an unknown class'
}
