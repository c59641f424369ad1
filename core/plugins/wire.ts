// What crosses between the gateway and a plugin's worker: errors as plain data, bytes without their surroundings, nothing too large.
import { errorTable, GatewayError } from '../api.ts'
import type { ErrorCode, GatewayErrorOptions, Json } from '../api.ts'
import { freezePlain } from '../json.ts'

/** A thrown value as plain data. `stack` is for the log of this process; it never leaves it. */
export interface PackedError {
  readonly message: string
  readonly name?: string
  readonly stack?: string
  /** Of a `GatewayError`. */
  readonly code?: ErrorCode
  readonly options?: Omit<GatewayErrorOptions, 'cause'>
  readonly cause?: PackedError
  /** The other side's worker is gone, or its caller: not the plugin's own error. */
  readonly aborted?: boolean
}

const MAX_CAUSES = 4
const MAX_CHARS = 4096

/** Packs whatever was thrown, also null, a text, or an object that throws when it is looked at. */
export function packError(thrown: unknown, depth = 0): PackedError {
  try {
    if (thrown instanceof GatewayError) return packGatewayError(thrown, depth)
    if (thrown instanceof DOMException && thrown.name === 'AbortError')
      return { name: 'AbortError', message: thrown.message, aborted: true }
    if (!(thrown instanceof Error)) return { message: `it throws ${shown(thrown)}: throw an Error` }
    return {
      name: cut(thrown.name),
      message: cut(thrown.message),
      ...(typeof thrown.stack === 'string' && { stack: cut(thrown.stack) }),
      ...causeOf(thrown, depth),
    }
  } catch {
    return { message: 'it throws something that cannot be read: throw an Error' }
  }
}

function packGatewayError(error: GatewayError, depth: number): PackedError {
  const { code, message, status, retryAfterMs, notExecuted } = error
  const { detail, flaw } = detailOf(error)
  const options = {
    status,
    notExecuted,
    ...(detail !== undefined && { detail }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  }
  const cause = causeOf(error, depth)
  return {
    code,
    message: cut(message),
    options,
    ...(flaw === undefined ? cause : { cause: { message: flaw, ...cause } }),
  }
}

/** What is no plain data could be sent to no caller: it is left out, which the log tells as a cause. */
function detailOf({ detail }: GatewayError): { readonly detail?: Json; readonly flaw?: string } {
  if (detail === undefined) return {}
  try {
    return { detail: freezePlain(structuredClone(detail), 'its detail') }
  } catch (error) {
    return { flaw: `${error instanceof Error ? cut(error.message) : String(error)}: the detail is left out` }
  }
}

function causeOf({ cause }: Error, depth: number): { readonly cause?: PackedError } {
  return cause === undefined || depth >= MAX_CAUSES ? {} : { cause: packError(cause, depth + 1) }
}

/** The error again: a `GatewayError` if it was one, else an `Error` with the stack it had over there. */
export function unpackError(packed: PackedError): Error {
  const cause = packed.cause === undefined ? {} : { cause: unpackError(packed.cause) }
  if (packed.code !== undefined && Object.hasOwn(errorTable, packed.code))
    return new GatewayError(packed.code, packed.message, { ...packed.options, ...cause })
  if (packed.aborted === true) return new DOMException(packed.message, 'AbortError')
  const error = new Error(packed.message, cause)
  if (packed.name !== undefined) error.name = packed.name
  if (packed.stack !== undefined) error.stack = packed.stack
  return error
}

/** A view on a larger buffer would take all of that buffer along: Node's small buffers share one. */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength === bytes.buffer.byteLength && bytes.constructor === Uint8Array
    ? bytes
    : new Uint8Array(bytes)
}

/** A draft or message whose original bytes are its own. */
export function withOwnBytes<T extends { readonly raw?: { readonly mediaType: string; bytes: Uint8Array } }>(
  message: T,
): T {
  const { raw } = message
  return raw === undefined ? message : { ...message, raw: { ...raw, bytes: ownBytes(raw.bytes) } }
}

const MAX_DEPTH = 200

/** Throws if a value would take more than `limitBytes`, or is nested without end. Counts what text and bytes take, roughly. */
export function refuseHuge(value: unknown, limitBytes: number): void {
  if (weigh(value, limitBytes, 0) < 0)
    throw new Error(`what it hands over is larger than ${limitBytes / 1_048_576} MB`)
}

/** What a value takes, counted as `refuseHuge` counts; Infinity: more than the limit, or it cannot cross at all. */
export function weightOf(value: unknown, limitBytes: number): number {
  try {
    const left = weigh(value, limitBytes, 0)
    return left < 0 || !isPlain(value) ? Infinity : limitBytes - left
  } catch {
    return Infinity
  }
}

/** What is left of the budget. */
function weigh(value: unknown, budget: number, depth: number): number {
  if (typeof value === 'string') return budget - value.length - 8
  if (typeof value !== 'object' || value === null) return budget - 8
  if (value instanceof Uint8Array) return budget - value.byteLength - 8
  if (depth > MAX_DEPTH) throw new Error('what it hands over is nested too deep, or contains itself')
  let left = budget - 8
  if (Array.isArray(value)) {
    for (const item of value) {
      left = weigh(item, left, depth + 1)
      if (left < 0) return left
    }
    return left
  }
  for (const name in value) {
    left = weigh((value as Readonly<Record<string, unknown>>)[name], left - name.length, depth + 1) // an object
    if (left < 0) return left
  }
  return left
}

/** Only JSON crosses where a config is asked about; what is no JSON (the symbol "did you mean" tries) becomes this text. */
const NO_SUCH_VALUE = '\u0000no such value'

/** A config value as text: equal texts, equal questions. */
export function configText(value: unknown): string {
  return (
    JSON.stringify(value, (_name, member: unknown) =>
      typeof member === 'symbol' ? NO_SUCH_VALUE : member,
    ) ?? 'null'
  )
}

/** The value of a `configText`. */
export function configValue(text: string): unknown {
  return JSON.parse(text, (_name, member: unknown) =>
    member === NO_SUCH_VALUE ? Symbol('no such value') : member,
  )
}

/** Whether a value is data that crosses unchanged. */
export function isPlain(value: unknown): value is Json {
  try {
    structuredClone(value)
    return true
  } catch {
    return false
  }
}

function shown(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value.slice(0, 80)) : String(value).slice(0, 80)
}

function cut(text: string): string {
  return text.length > MAX_CHARS ? `${text.slice(0, MAX_CHARS)}…` : text
}
