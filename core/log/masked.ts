// The secrets of the config that this process runs with, taken out of every text that may show one: lines of the log, what went wrong.
import { GatewayError } from '../api.ts'
import type { Json } from '../api.ts'

const REDACTED = '***'
/** Shorter ones would blank out half of every line. */
const SHORTEST_SECRET = 4

let hidden: readonly string[] = []

/** From now on these are the secrets, in the place of those before. */
export function hide(secrets: readonly string[]): void {
  hidden = forms(secrets)
}

/** The text with `***` in the place of every secret. */
export function masked(text: string): string {
  let clean = text
  for (const secret of hidden) if (clean.includes(secret)) clean = clean.replaceAll(secret, REDACTED)
  return clean
}

/** What a component threw, for whoever is told: the same error without secrets. Its cause is for the log, which masks what it writes. */
export function maskedError(error: GatewayError): GatewayError {
  const { code, status, retryAfterMs, notExecuted, cause } = error
  const message = masked(error.message)
  const detail = error.detail === undefined ? undefined : maskedJson(error.detail)
  if (message === error.message && detail === error.detail) return error
  const clean = new GatewayError(code, message, {
    status,
    notExecuted,
    ...(cause !== undefined && { cause }),
    ...(detail !== undefined && { detail }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  })
  if (error.stack !== undefined) clean.stack = error.stack
  return clean
}

/** The value itself where no text in it shows a secret. */
function maskedJson(value: Json): Json {
  if (typeof value === 'string') return masked(value)
  if (typeof value !== 'object' || value === null) return value
  const before = Object.entries(value)
  const after = before.map(([name, member]) => [name, maskedJson(member)] as const)
  if (after.every(([, member], at) => member === before[at]?.[1])) return value
  return Array.isArray(value) ? after.map(([, member]) => member) : Object.fromEntries(after)
}

/** A secret as it may stand in a text: as it is, within JSON, in a URL. Longest first, so that none hides in another. */
function forms(secrets: readonly string[]): readonly string[] {
  const all = new Set<string>()
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue
    all.add(secret).add(JSON.stringify(secret).slice(1, -1)).add(encodeURIComponent(secret.toWellFormed()))
  }
  return [...all].sort((a, b) => b.length - a.length)
}
