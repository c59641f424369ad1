// Ids, trace contexts and moments, as everything in the core writes them.
import { hash, randomBytes, randomUUIDv7 } from 'node:crypto'

/** UUIDv7 (RFC 9562 §5.7): sorts by the moment it was made. */
export function newId(): string {
  return randomUUIDv7()
}

/** A UUIDv7 of the same moment as that of another one, and the same for the same text: what comes again has its id again (SEMANTICS 15). */
export function idFrom(id: string, text: string): string {
  const hex = hash('sha256', text, 'hex')
  return `${id.slice(0, 15)}${hex.slice(0, 3)}-8${hex.slice(3, 6)}-${hex.slice(6, 18)}`
}

/** RFC 3339 with milliseconds, UTC. The same millisecond is formatted once. */
export function moment(now: number): string {
  if (now !== lastNow) {
    lastNow = now
    lastMoment = new Date(now).toISOString()
  }
  return lastMoment
}
let lastNow = -1
let lastMoment = ''

/** Milliseconds of an RFC 3339 date-time. A leap second (§5.7), which `Date` does not know, counts as the one before it. */
export function timeOf(timestamp: string): number {
  const ms = Date.parse(timestamp)
  return Number.isNaN(ms) ? Date.parse(timestamp.replace(LEAP_SECOND, ':59')) : ms
}
const LEAP_SECOND = /:60(?=[.Zz+-])/

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/

/** W3C Trace Context §3.2: a child of the caller's context, or a new trace where he sent none that is valid. */
export function traceparent(parent?: string): string {
  const match = parent === undefined ? null : TRACEPARENT.exec(parent)
  const span = hexBytes(8)
  if (match?.[1] === undefined || /^0+$/.test(match[1])) return `00-${hexBytes(16)}-${span}-01`
  return `00-${match[1]}-${span}-${match[3] ?? '01'}`
}

// Random bytes are drawn from the system by the 4 kB: one call a message costs more than the rest of its stamping.
let pool = ''
let drawn = 0
function hexBytes(count: number): string {
  if (drawn + count * 2 > pool.length) {
    pool = randomBytes(4096).toString('hex')
    drawn = 0
  }
  drawn += count * 2
  return pool.slice(drawn - count * 2, drawn)
}

/** SHA-256 of a text, 43 characters of base64url. */
export function digest(text: string): string {
  return hash('sha256', text, 'base64url')
}
