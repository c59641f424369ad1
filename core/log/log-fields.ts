// What becomes of the fields of a log line: plain, bounded, without secrets, errors told with all their causes.
import { GatewayError } from '../api.ts'

const REDACTED = '***'
/** By the whole name or its last word: `token`, `apiKey`, `client_secret`; not `tokens`, not `keyCount`. */
const SECRET_NAME =
  /(?:^|[a-z_-])(?:token|secret|password|passwd|passphrase|authorization|cookie)$|^key$|api[_-]?key$/iu
/** Ours; an adapter's field of that name gets an underscore. */
const RESERVED = new Set(['level', 'time', 'component', 'msg'])
const NONE: ReadonlySet<string> = new Set()
const MAX_DEPTH = 6
const MAX_ITEMS = 100
const MAX_CHARS = 4096
const MAX_CAUSES = 8

export type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain }

/** What was thrown for a mistake of the config or of a plugin: told as it is, but for the code `INTERNAL`, by which whoever watches knows the gateway's own. */
export class OthersMistake {
  readonly thrown: unknown

  constructor(thrown: unknown) {
    this.thrown = thrown
  }
}

/** `clean` takes the secrets out of every text; `taken` are names that stand in the line already. Never throws, whatever it is given: getters that throw, cycles, proxies. */
export function fieldsFor(
  fields: unknown,
  clean: (text: string) => string,
  taken = NONE,
): Record<string, Plain> {
  const safe: Record<string, Plain> = Object.create(null) as Record<string, Plain> // filled below
  for (const [given, value] of entriesOf(namedFields(fields))) {
    const name = clean(given)
    safe[RESERVED.has(name) || taken.has(name) ? `_${name}` : name] = plain(given, value, {
      depth: 1,
      clean,
      maxChars: MAX_CHARS,
    })
  }
  return safe
}

/** What was given in the place of fields, by whoever has no types: an error is the field `error`, what is no object the field `value`. */
export function namedFields(given: unknown): object {
  if (given instanceof Error || given instanceof OthersMistake) return { error: given }
  if (given === undefined || given === null) return {}
  return typeof given === 'object' && !Array.isArray(given) ? given : { value: given }
}

/** A field in two levels, for one that cannot be handed over as it is. `fieldsFor` takes it on its way, and has nothing left to cut. */
export function outlineOf(name: string, value: unknown): Plain {
  return plain(name, value, { depth: MAX_DEPTH - 1, clean: (text) => text, maxChars: MAX_CHARS / 2 })
}

interface At {
  readonly depth: number
  readonly clean: (text: string) => string
  readonly maxChars: number
  /** Default false. */
  readonly isOthers?: boolean
}

function plain(name: string, value: unknown, at: At): Plain {
  if (SECRET_NAME.test(name) && value !== undefined && value !== null && typeof value !== 'boolean')
    return REDACTED
  switch (typeof value) {
    case 'string':
      return cut(value, at)
    case 'number':
      return Number.isFinite(value) && at.clean(String(value)) === String(value)
        ? value
        : cut(String(value), at)
    case 'boolean':
      return value
    case 'undefined':
      return null
    case 'bigint':
    case 'symbol':
    case 'function':
      return cut(String(value), at)
    case 'object':
      return value === null ? null : object(value, at)
  }
}

function object(value: object, at: At): Plain {
  if (value instanceof OthersMistake) return plain('', value.thrown, { ...at, isOthers: true })
  if (value instanceof Error) return errorFields(value, at)
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (at.depth > MAX_DEPTH) return '<deeper>' // ends cycles too
  const below = { ...at, depth: at.depth + 1 }
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item: unknown) => plain('', item, below))
    return value.length > MAX_ITEMS ? [...items, `<${value.length - MAX_ITEMS} more>`] : items
  }
  const safe: Record<string, Plain> = Object.create(null) as Record<string, Plain> // filled below
  for (const [name, member] of entriesOf(value).slice(0, MAX_ITEMS))
    safe[at.clean(name)] = plain(name, member, below)
  return safe
}

/**
 * Code, message and the messages of all causes. A stack only where it helps: the innermost foreign error, because a
 * `GatewayError` is made on purpose and says all in its message.
 */
function errorFields(error: Error, at: At): Plain {
  const chain: Error[] = []
  for (let each: unknown = error; each instanceof Error && chain.length < MAX_CAUSES; each = each.cause) {
    if (chain.includes(each)) break
    chain.push(each)
  }
  const foreign = chain.findLast((each) => !(each instanceof GatewayError) && codeOf(each) === undefined)
  const code = shownCode(error, at)
  return {
    ...(code === undefined ? {} : { code }),
    message: cut(error.message, at),
    ...(chain.length > 1 ? { causes: chain.slice(1).map((cause) => causeText(cause, at)) } : {}),
    ...(foreign?.stack === undefined ? {} : { stack: cut(foreign.stack, at) }),
  }
}

function causeText(error: Error, at: At): string {
  const code = shownCode(error, at)
  return cut(code === undefined ? error.message : `${code}: ${error.message}`, at)
}

function shownCode(error: Error, { isOthers = false }: At): string | undefined {
  return isOthers && error instanceof GatewayError && error.code === 'INTERNAL' ? undefined : codeOf(error)
}

function codeOf(error: Error): string | undefined {
  return 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

function entriesOf(value: object): readonly (readonly [string, unknown])[] {
  try {
    return Object.entries(value)
  } catch (error) {
    return [['unreadable', error instanceof Error ? error.message : 'a member threw']]
  }
}

function cut(text: string, { clean, maxChars }: At): string {
  const shown = clean(text)
  return shown.length > maxChars ? `${shown.slice(0, maxChars)}… (${shown.length} characters)` : shown
}
