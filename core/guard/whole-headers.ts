// Standard Headers of an answer that is here whole: a field is read as it came, all else makes the real ones first.
import { inspect } from 'node:util'
import type { InspectOptions } from 'node:util'

/** Lower-case names; repeated ones as a list. */
export type RawHeaders = Readonly<Record<string, string | readonly string[] | undefined>>

/** Names and values that Headers keep as they are. */
const PLAIN_NAME = /^[a-z\d-]+$/
const PLAIN_VALUE = /^(?:[\x21-\xff](?:[\t\x20-\xff]*[\x21-\xff])?)?$/

/**
 * Behaves as the Headers of fetch, asked by its own members: `Headers.prototype.get.call` refuses it. Nearly every reader asks for one
 * field or two, which costs a tenth so. Throws `TypeError` for a name or value that Headers cannot have.
 */
export class WholeHeaders implements Headers {
  readonly #raw: RawHeaders
  #made: Headers | undefined

  constructor(raw: RawHeaders) {
    this.#raw = raw
    if (!isPlain(raw)) this.#made = madeOf(raw)
  }

  get(name: string): string | null {
    if (this.#made !== undefined || !PLAIN_NAME.test(name)) return this.#headers.get(name)
    const value = Object.hasOwn(this.#raw, name) ? this.#raw[name] : undefined
    if (value === undefined || value.length === 0) return value === '' ? '' : null
    return typeof value === 'string' ? value : value.join(', ') // RFC 9110 §5.3
  }

  has(name: string): boolean {
    return this.#headers.has(name)
  }

  append(name: string, value: string): void {
    this.#headers.append(name, value)
  }

  set(name: string, value: string): void {
    this.#headers.set(name, value)
  }

  delete(name: string): void {
    this.#headers.delete(name)
  }

  getSetCookie(): string[] {
    return this.#headers.getSetCookie()
  }

  forEach(callback: (value: string, name: string, headers: Headers) => void, self?: unknown): void {
    this.#headers.forEach((value, name) => callback.call(self, value, name, this))
  }

  keys(): ReturnType<Headers['keys']> {
    return this.#headers.keys()
  }

  values(): ReturnType<Headers['values']> {
    return this.#headers.values()
  }

  entries(): ReturnType<Headers['entries']> {
    return this.#headers.entries()
  }

  [Symbol.iterator](): ReturnType<Headers['entries']> {
    return this.#headers.entries()
  }

  /** For `util.inspect` and the console: what is inherited looks into the insides of real ones. */
  [inspect.custom](_depth: number, options: InspectOptions, print: typeof inspect): string {
    return print(this.#headers, options)
  }

  get #headers(): Headers {
    this.#made ??= madeOf(this.#raw)
    return this.#made
  }
}

// They are ones for `instanceof` too.
Object.setPrototypeOf(WholeHeaders.prototype, Headers.prototype)

function isPlain(raw: RawHeaders): boolean {
  for (const [name, values] of Object.entries(raw)) {
    if (!PLAIN_NAME.test(name)) return false
    if (typeof values === 'string' ? !PLAIN_VALUE.test(values) : values?.every(isPlainValue) === false)
      return false
  }
  return true
}

function isPlainValue(value: string): boolean {
  return PLAIN_VALUE.test(value)
}

function madeOf(raw: RawHeaders): Headers {
  const headers = new Headers()
  for (const [name, values] of Object.entries(raw)) {
    if (typeof values === 'string') headers.append(name, values)
    else for (const value of values ?? []) headers.append(name, value)
  }
  return headers
}
