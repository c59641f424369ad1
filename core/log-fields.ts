// What becomes of the fields of a log line: plain, bounded, without secrets, errors told with all their causes.
import { GatewayError } from './api.ts'

const REDACTED = '***'
/** By the whole name or its last word: `token`, `apiKey`, `client_secret`; not `tokens`, not `keyCount`. */
const SECRET_NAME =
  /(?:^|[a-z_-])(?:token|secret|password|passwd|passphrase|authorization|cookie)$|^key$|api[_-]?key$/iu
/** Ours; an adapter's field of that name gets an underscore. */
const RESERVED = new Set(['level', 'time', 'component', 'msg'])
const MAX_DEPTH = 6
const MAX_ITEMS = 100
const MAX_CHARS = 4096
const MAX_CAUSES = 8

type Plain = string | number | boolean | null | readonly Plain[] | { readonly [name: string]: Plain }

/** Never throws, whatever it is given: getters that throw, cycles, proxies. */
export function fieldsFor(fields: Readonly<Record<string, unknown>> | undefined): Record<string, Plain> {
  if (fields === undefined) return {}
  const safe: Record<string, Plain> = Object.create(null) as Record<string, Plain> // filled below
  for (const [name, value] of entriesOf(fields))
    safe[RESERVED.has(name) ? `_${name}` : name] = plain(name, value, 1)
  return safe
}

function plain(name: string, value: unknown, depth: number): Plain {
  if (SECRET_NAME.test(name) && value !== undefined && value !== null && typeof value !== 'boolean')
    return REDACTED
  switch (typeof value) {
    case 'string':
      return cut(value)
    case 'number':
      return Number.isFinite(value) ? value : String(value)
    case 'boolean':
      return value
    case 'undefined':
      return null
    case 'bigint':
    case 'symbol':
    case 'function':
      return cut(String(value))
    case 'object':
      return value === null ? null : object(value, depth)
  }
}

function object(value: object, depth: number): Plain {
  if (value instanceof Error) return errorFields(value)
  if (ArrayBuffer.isView(value)) return `<${value.byteLength} bytes>`
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'invalid date' : value.toISOString()
  if (depth > MAX_DEPTH) return '<deeper>' // ends cycles too
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item: unknown) => plain('', item, depth + 1))
    return value.length > MAX_ITEMS ? [...items, `<${value.length - MAX_ITEMS} more>`] : items
  }
  const safe: Record<string, Plain> = Object.create(null) as Record<string, Plain> // filled below
  for (const [name, member] of entriesOf(value).slice(0, MAX_ITEMS))
    safe[name] = plain(name, member, depth + 1)
  return safe
}

/**
 * Code, message and the messages of all causes. A stack only where it helps: the innermost foreign error, because a
 * `GatewayError` is made on purpose and says all in its message.
 */
export function errorFields(error: Error): Plain {
  const chain: Error[] = []
  for (
    let at: unknown = error;
    at instanceof Error && chain.length < MAX_CAUSES && !chain.includes(at);
    at = at.cause
  )
    chain.push(at)
  const foreign = chain.findLast((each) => !(each instanceof GatewayError) && codeOf(each) === undefined)
  const code = codeOf(error)
  return {
    ...(code === undefined ? {} : { code }),
    message: cut(error.message),
    ...(chain.length > 1 ? { causes: chain.slice(1).map(causeText) } : {}),
    ...(foreign?.stack === undefined ? {} : { stack: cut(foreign.stack) }),
  }
}

function causeText(error: Error): string {
  const code = codeOf(error)
  return cut(code === undefined ? error.message : `${code}: ${error.message}`)
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

function cut(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}… (${text.length} characters)` : text
}
