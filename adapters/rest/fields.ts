// The header fields this adapter reads: Prefer, Idempotency-Key, Accept.
import { GatewayError } from 'dragoman'
import type { Draft, HttpRequest } from 'dragoman'

const MAX_KEY = 256
const MAX_PREFER = 1024
// RFC 9110 §5.6.1: a comma inside a quoted string separates nothing.
const ELEMENT = /(?:[^,"]|"(?:[^"\\]|\\.)*(?:"|$))+/g
const PREFERENCE = /^\s*([\w!#$%&'*+.^`|~-]+)\s*(?:=\s*("(?:[^"\\]|\\.)*"|[^\s;]*)\s*)?(?:;|$)/

/**
 * `wait` of a Prefer field in milliseconds, at most `maxMs` (RFC 7240 §4.3). Undefined: not asked for, or not a number of
 * seconds: a preference that is not understood is ignored (§2). Of several the first counts.
 */
export function preferredWaitMs(prefer: string | undefined, maxMs: number): number | undefined {
  if (prefer === undefined || prefer.length > MAX_PREFER) return undefined
  for (const preference of prefer.match(ELEMENT) ?? []) {
    const [, name, value = ''] = PREFERENCE.exec(preference) ?? []
    if (name?.toLowerCase() !== 'wait') continue
    const seconds = /^(?:(\d+)|"(\d+)")$/.exec(value)
    return seconds === null ? undefined : Math.min(Number(seconds[1] ?? seconds[2]) * 1000, maxMs)
  }
  return undefined
}

/** RFC 7240 §3, in whole seconds as the caller wrote it, or as far as we went along. */
export function preferenceApplied(waitMs: number): Readonly<Record<string, string>> {
  return { 'preference-applied': `wait=${Math.ceil(waitMs / 1000)}` }
}

// RFC 9651 §3.3.3: a structured string, its escapes and nothing after it.
const QUOTED = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/
// A comma would be two fields joined by the edge (RFC 9110 §5.3).
const BARE = /^[!#-+\--~]+$/

/**
 * The caller's own id: the Idempotency-Key field, bare or a structured string, or the body's; both must agree.
 * Throws `DECODE_FAILED`.
 */
export function idempotencyKey(field: string | undefined, fromBody?: string): string | undefined {
  if (field === undefined) return fromBody
  const trimmed = field.trim()
  const quoted = QUOTED.exec(trimmed)?.[1]
  const key = quoted === undefined ? BARE.exec(trimmed)?.[0] : quoted.replaceAll(/\\(["\\])/g, '$1')
  if (key === undefined || key === '')
    throw new GatewayError(
      'DECODE_FAILED',
      `Idempotency-Key ${JSON.stringify(trimmed.slice(0, 80))} is not one key: send one word or one quoted text, once`,
    )
  if (key.length > MAX_KEY)
    throw new GatewayError(
      'DECODE_FAILED',
      `Idempotency-Key has ${key.length} characters, more than ${MAX_KEY}`,
    )
  if (fromBody !== undefined && fromBody !== key)
    throw new GatewayError(
      'DECODE_FAILED',
      `Idempotency-Key "${key}" and the body's id "${fromBody}" differ: send one of them`,
    )
  return key
}

/**
 * The draft under the Idempotency-Key of its request. An id that the body gave, also through an operation's expression, must be the
 * same; or the key is `ownId`, that of the event's envelope, to which the expression is preferred. Throws `DECODE_FAILED`.
 */
export function withKey(draft: Draft, { headers }: Pick<HttpRequest, 'headers'>, ownId?: string): Draft {
  const field = headers['idempotency-key']
  if (ownId !== undefined && idempotencyKey(field) === ownId) return draft
  const key = idempotencyKey(field, draft.externalId)
  return key === undefined || key === draft.externalId ? draft : { ...draft, externalId: key }
}

/** Whether an Accept field names this media type itself (RFC 9110 §12.5.1): a range of all types does not ask for a stream. */
export function asksFor(accept: string | undefined, wanted: string): boolean {
  return (accept ?? '').split(',').some((range) => {
    const [name = '', ...parameters] = range.toLowerCase().split(';')
    return (
      name.trim() === wanted && !parameters.some((parameter) => /^\s*q\s*=\s*0(\.0*)?\s*$/.test(parameter))
    )
  })
}
