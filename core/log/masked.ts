// The secrets of the config that this process runs with, taken out of every text that may show one: lines of the log, what went wrong.
import { GatewayError } from '../api.ts'
import type { Json } from '../api.ts'

const REDACTED = '***'
/** Shorter ones would blank out half of every line. */
const SHORTEST_SECRET = 4
/** Shorter ones may be words of ordinary texts. */
const SHORTEST_UNLIKE_A_WORD = 8

interface Hidden {
  readonly text: string
  /** Where it is hidden, if not wherever it stands. */
  readonly where: RegExp | string
}

let hidden: readonly Hidden[] = []

/** From now on these are the secrets, in the place of those before. */
export function hide(secrets: readonly string[]): void {
  hidden = forms(secrets)
}

/** The text with `***` in the place of every secret: of one that is short or a number where it is no piece of another word or number. */
export function masked(text: string): string {
  let clean = text
  for (const { text: secret, where } of hidden)
    if (clean.includes(secret)) clean = clean.replaceAll(where, REDACTED)
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
  if (Array.isArray(value)) {
    const items = value.map(maskedJson)
    return items.every((item, at) => item === value[at]) ? value : items
  }
  const before = Object.entries(value)
  const after = before.map(([name, member]) => [masked(name), maskedJson(member)] as const)
  const isSame = after.every(([name, member], at) => name === before[at]?.[0] && member === before[at]?.[1])
  return isSame ? value : Object.fromEntries(after)
}

/** A secret as it may stand in a text: as it is, within JSON, in a URL. Longest first, so that none hides in another. */
function forms(secrets: readonly string[]): readonly Hidden[] {
  const all = new Map<string, Hidden>()
  for (const secret of secrets) {
    if (secret.length < SHORTEST_SECRET) continue
    const isLikeAWord = secret.length < SHORTEST_UNLIKE_A_WORD || /^\d+$/.test(secret)
    for (const text of [
      secret,
      JSON.stringify(secret).slice(1, -1),
      encodeURIComponent(secret.toWellFormed()),
    ])
      all.set(text, { text, where: isLikeAWord ? alone(text) : text })
  }
  return [...all.values()].sort((a, b) => b.text.length - a.text.length)
}

const DIGIT = String.raw`\d`
/** Of scripts that part words; in others any place may be an edge. */
const LETTER = String.raw`\p{Lu}\p{Ll}`
/** What ends in a letter or a digit and is neither: `\n` of JSON, `%2F` of a URL. */
const ESCAPE = String.raw`\\[bfnrt]|\\u[\da-fA-F]{4}|%[\da-fA-F]{2}`

const SYNTAX = /[\\^$.*+?()[\]{}|/]/g

/** Not between letters where it begins or ends with one, nor between digits. */
function alone(text: string): RegExp {
  const before = edgeOf(text, '^.')
  const after = edgeOf(text, '.$')
  const begins = before && `(?:(?<![${before}])|(?<=${ESCAPE}))`
  return new RegExp(`${begins}${text.replaceAll(SYNTAX, String.raw`\$&`)}${after && `(?![${after}])`}`, 'gu')
}

function edgeOf(text: string, place: string): string {
  const [edge = ''] = new RegExp(place, 'su').exec(text) ?? []
  return [DIGIT, LETTER].find((kind) => new RegExp(`[${kind}]`, 'u').test(edge)) ?? ''
}
