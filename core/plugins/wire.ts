// What crosses between the gateway and a plugin's worker: errors as plain data, bytes without their surroundings, nothing too large.
import { errorTable, GatewayError } from '../api.ts'
import type { ErrorCode, GatewayErrorOptions, Json } from '../api.ts'
import { Misfit } from '../components/component-shape.ts'
import { foreignAt, foreignness, refuseForeign } from '../components/foreign.ts'
import { freezePlain, isPlainObject, NotPlain } from '../json.ts'

/** A thrown value as plain data. `stack` is for the log of this process; it never leaves it. */
export interface PackedError {
  readonly message: string
  readonly name?: string
  readonly stack?: string
  /** Of a `GatewayError`. */
  readonly code?: ErrorCode
  readonly options?: Omit<GatewayErrorOptions, 'cause'>
  readonly cause?: PackedError
  /** A `Misfit`. */
  readonly lasts?: boolean
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
      ...(thrown instanceof Misfit && { lasts: true }),
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
    refuseForeign(detail, 'its detail')
    return { detail: freezePlain(structuredClone(detail), 'its detail') }
  } catch (error) {
    return { flaw: `${error instanceof Error ? cut(error.message) : String(error)}: the detail is left out` }
  }
}

function causeOf({ cause }: Error, depth: number): { readonly cause?: PackedError } {
  return cause === undefined || depth >= MAX_CAUSES ? {} : { cause: packError(cause, depth + 1) }
}

/** The error again: a `GatewayError` or a `Misfit` if it was one, else an `Error` with the stack it had over there. */
export function unpackError(packed: PackedError): Error {
  const cause = packed.cause === undefined ? {} : { cause: unpackError(packed.cause) }
  if (packed.code !== undefined && Object.hasOwn(errorTable, packed.code))
    return new GatewayError(packed.code, packed.message, { ...packed.options, ...cause })
  if (packed.aborted === true) return new DOMException(packed.message, 'AbortError')
  const error = packed.lasts === true ? new Misfit(packed.message) : new Error(packed.message, cause)
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

/** A draft or message whose original bytes are its own. What is none, or has none, stays for those who judge it. */
export function withOwnBytes<T extends { readonly raw?: { readonly mediaType: string; bytes: Uint8Array } }>(
  message: T,
): T {
  const bytes: unknown = (message as Partial<T> | undefined)?.raw?.bytes // a plugin without types may give anything
  const { raw } = message ?? {}
  return raw === undefined || !(bytes instanceof Uint8Array)
    ? message
    : { ...message, raw: { ...raw, bytes: ownBytes(bytes) } }
}

const MAX_DEPTH = 200

export interface Fit {
  readonly limitBytes: number
  /** It is to arrive as it is: throws `TypeError` with the place of what a clone would empty, or could not take. */
  readonly isData: boolean
}

/** Throws if values would take more than `limitBytes` together, or are nested without end. Counts what text and bytes take, roughly. */
export function refuseUnfit(values: readonly unknown[], { limitBytes, isData }: Fit): void {
  let left = limitBytes
  try {
    for (const value of values) if (left >= 0) left = weigh(value, left, 0, isData)
  } catch (error) {
    throw error instanceof NotPlain ? foreignAt(error, 'what it hands over') : error
  }
  if (left < 0) throw new Error(`what it hands over is larger than ${limitBytes / 1_048_576} MB`)
}

/** What a value takes, counted as `refuseUnfit` counts; Infinity: more than the limit, or it cannot cross at all. */
export function weightOf(value: unknown, limitBytes: number): number {
  try {
    const left = weigh(value, limitBytes, 0, false)
    return left < 0 || !isPlain(value) ? Infinity : limitBytes - left
  } catch {
    return Infinity
  }
}

/** What is left of the budget. */
function weigh(value: unknown, budget: number, depth: number, isData: boolean): number {
  if (typeof value === 'string') return budget - value.length - 8
  if (typeof value === 'object' && value !== null) {
    if (value instanceof Uint8Array) return budget - value.byteLength - 8
    if (depth > MAX_DEPTH) throw new Error('what it hands over is nested too deep, or contains itself')
    if (Array.isArray(value)) return weighList(value, budget - 8, depth + 1, isData)
    if (isData && !isPlainObject(value)) refuseKind(value)
    return weighMembers(value, budget - 8, depth + 1, isData)
  }
  if (isData) refuseKind(value)
  return budget - 8
}

function refuseKind(value: unknown): void {
  const problem = foreignness(value)
  if (problem !== undefined) throw new NotPlain(problem)
}

function weighList(list: readonly unknown[], budget: number, depth: number, isData: boolean): number {
  let left = budget
  let at = 0
  try {
    for (; at < list.length && left >= 0; at++) left = weigh(list[at], left, depth, isData)
  } catch (error) {
    throw NotPlain.within(error, at)
  }
  return left
}

function weighMembers(members: object, budget: number, depth: number, isData: boolean): number {
  let left = budget
  let at = ''
  try {
    for (const name in members) {
      at = name
      const member = (members as Readonly<Record<string, unknown>>)[name] // an object
      left = weigh(member, left - name.length, depth, isData)
      if (left < 0) return left
    }
  } catch (error) {
    throw NotPlain.within(error, at)
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
