// The kinds of values the file has: durations, sizes, expressions, address ranges.
import { isIP } from 'node:net'
import { z } from 'zod'
import { expressionFault, predicateFault, templateFault } from './expressions.ts'
import type { ExpressionFault } from './expressions.ts'
import { DURATION, SIZE, formatDuration, formatSize, parseDuration, parseSize } from './units.ts'

/** Node's timers end at 2^31 ms; nothing that waits in memory waits longer than a day. */
const LONGEST_WAIT_MS = 86_400_000
export const LONGEST_KEPT_MS = 3650 * 86_400_000

/** zod's own message for a missing value, ours for a wrong one. */
function unlessMissing(message: string): (issue: { readonly input?: unknown }) => string | undefined {
  return (issue) => (issue.input === undefined ? undefined : message)
}

/** Yields milliseconds. */
export function duration(max = LONGEST_WAIT_MS, min = 1) {
  const error = unlessMissing('a duration is a whole number and a unit: 300ms, 2s, 5m, 24h, 7d')
  return z
    .string({ error })
    .regex(DURATION, { error })
    .transform((text) => parseDuration(text) ?? NaN) // the pattern lets nothing else through
    .refine((ms) => ms >= min && ms <= max, {
      error: `from ${formatDuration(min)} to ${formatDuration(max)} is allowed`,
    })
}

/** Yields bytes. */
export function size(max: number, min = 1024) {
  const error = unlessMissing('a size is a whole number and a unit: 512b, 64kb, 1mb, 1gb')
  return z
    .string({ error })
    .regex(SIZE, { error })
    .transform((text) => parseSize(text) ?? NaN) // the pattern lets nothing else through
    .refine((bytes) => bytes >= min && bytes <= max, {
      error: `from ${formatSize(min)} to ${formatSize(max)} is allowed`,
    })
}

export const text = z.string().min(1, { error: 'it must not be empty' })

const filled = z.string().min(1, { error: 'it must not be empty', abort: true })

/** What callers show as a bearer's token or an API key. */
export const credential = filled.regex(/^[\x21-\x7e]+$/u, {
  error: 'it must be visible ASCII characters without blanks: callers can send no other (RFC 6750 §2.1)',
})
export const basicUser = filled.refine((source) => !/[:\p{Cc}]/u.test(source), {
  error: 'it must have no ":" and no control characters: callers cannot send them (RFC 7617 §2)',
})
export const basicPassword = filled.refine((source) => !/\p{Cc}/u.test(source), {
  error: 'it must have no control characters: callers cannot send them (RFC 7617 §2)',
})

/** `params.offset` tells where in the text the fault is. */
function checked(fault: (source: string) => ExpressionFault | undefined) {
  return text.superRefine((source, context) => {
    const found = source === '' ? undefined : fault(source)
    if (found === undefined) return
    context.addIssue({ code: 'custom', message: found.message, params: { offset: found.offset } })
  })
}

/** JSONata that compiles. */
export const expression = checked(expressionFault).meta({ format: 'jsonata' })
/** The same, said over a message by a route. */
export const predicate = checked(predicateFault).meta({ format: 'jsonata' })
/** A text with `{{ JSONata }}` in it. */
export const template = checked(templateFault).meta({ format: 'jsonata-template' })

/** An address or a CIDR range. */
export const range = text.refine(isAddressRange, {
  error: 'it is neither an address nor a range such as 10.0.0.0/8 or fd00::/8',
})

function isAddressRange(source: string): boolean {
  const [address = '', bits, ...more] = source.split('/')
  const version = isIP(address)
  if (version === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/u.test(bits) && Number(bits) <= (version === 4 ? 32 : 128))
}

/** An address to bind, or a name that has one. Yields an IPv6 address without its brackets. */
export const listenHost = text
  .refine(isHost, {
    error:
      'it must be an address or a name, such as 127.0.0.1, ::1 or desk.example.com (a port stands in http.port)',
  })
  .transform(withoutBrackets)

function isHost(source: string): boolean {
  if (source === '' || isIP(withoutBrackets(source)) !== 0) return true // an empty one has been reported
  return /^[\p{L}\p{N}_.-]+$/u.test(source)
}

function withoutBrackets(source: string): string {
  const inner = /^\[(.*)\]$/u.exec(source)?.[1]
  return inner !== undefined && isIP(inner) === 6 ? inner : source
}

/** What others append paths to. Yields it without a trailing slash. */
export const webAddress = text
  .refine((source) => /^https?:$/u.test(URL.parse(source)?.protocol ?? ''), {
    error: 'it must be an address that begins with http:// or https://',
    abort: true,
  })
  .refine((source) => /^https?:\/\/[^/?#@\\\s]+(?:\/[^?#\\\s]*)?$/iu.test(source), {
    error: 'it must be host, port and path alone: no user or password, no "?", no "#", no blanks',
  })
  .transform((source) => source.replace(/\/+$/u, ''))

/** What a browser sends as `Origin` (RFC 6454 §7), or `*`. Yields it in lower case. */
export const webOrigin = text
  .refine((source) => source === '*' || URL.parse(source)?.origin === source.toLowerCase(), {
    error: "it must be an origin such as https://shop.example.com (no path), or '*'",
  })
  .transform((source) => source.toLowerCase())

/** Names of components and programs become metric labels, paths and store keys. */
export const NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/u

export const count = (max: number, min = 1) => z.int().min(min).max(max)
