// UsernameToken Profile 1.1: passwords in the clear or as a digest, each nonce good for once.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Scope } from 'dragoman'
import { attribute, attributeOf, childElement, element, textOf, type XmlElement } from '../xml/tree.ts'
import {
  aheadMs,
  base64Binary,
  checkCreated,
  passwordDigest,
  passwordText,
  refused,
  unauthenticated,
  wsse,
  wsu,
} from './wsse.ts'

export interface TokenRules {
  readonly users: readonly { readonly user: string; readonly password: string }[]
  readonly passwordType: 'any' | 'text' | 'digest'
  readonly maxAgeMs: number
  readonly scope: Scope
}

/** Checks the token of a Security block and answers its user. Throws problems; nobody learns which part was wrong. */
export async function checkToken(security: XmlElement, rules: TokenRules): Promise<string> {
  const token = childElement(security, wsse, 'UsernameToken')
  if (token === undefined) throw refused('InvalidSecurity', 'a wsse:UsernameToken is needed')
  const field = (uri: string, local: string): string | undefined => {
    const found = childElement(token, uri, local)
    return found === undefined ? undefined : textOf(found)
  }
  const user = field(wsse, 'Username') ?? ''
  const passwordElement = childElement(token, wsse, 'Password')
  const given = passwordElement === undefined ? '' : textOf(passwordElement)
  const isDigest = passwordElement !== undefined && attribute(passwordElement, 'Type') === passwordDigest
  const nonce = field(wsse, 'Nonce')?.trim()
  const created = field(wsu, 'Created')?.trim()
  if (rules.passwordType !== 'any' && (rules.passwordType === 'digest') !== isDigest)
    throw refused('InvalidSecurityToken', `the password must be sent as ${rules.passwordType}`)
  // UsernameToken Profile 1.1 §3.1: without both a digest can be repeated for ever
  if (isDigest && (nonce === undefined || created === undefined))
    throw refused('InvalidSecurityToken', 'a password digest needs a nonce and a creation time')
  if (created !== undefined) checkCreated(created, { now: rules.scope.now(), maxAgeMs: rules.maxAgeMs })
  // one user may have two passwords while they are changed; an unknown one costs the same work as a wrong password
  const known = rules.users.filter((one) => one.user === user).map(({ password }) => password)
  const candidates = known.length === 0 ? [randomBytes(16).toString('hex')] : known
  const password = candidates.find((candidate) =>
    isDigest
      ? sameText(digest(nonce ?? '', created ?? '', candidate), given.trim())
      : sameText(candidate, given),
  )
  if (password === undefined) throw unauthenticated(known.length === 0 ? 'unknown user' : 'wrong password')
  // by its bytes, which the digest is of: the same base64 can be written in many ways
  if (nonce !== undefined)
    await useNonce(rules, password, [user, Buffer.from(nonce, 'base64').toString('base64'), created ?? ''])
  return user
}

interface Taken {
  readonly channel: string
  readonly at: number
}

/** Which channel of this process has taken a token. What each of them keeps in the store the others do not see, and a user may be known to several. */
const takenBy = new Map<string, Taken>()
/** Beyond it the oldest are forgotten, by the other channels. */
const MOST_TAKEN = 100_000

/** First come, first served: among the channels of a process its memory decides, between two that arrive at one channel, on any instance, the store. */
async function useNonce(
  { scope, maxAgeMs }: TokenRules,
  password: string,
  parts: readonly string[],
): Promise<void> {
  const now = scope.now()
  const ttlMs = maxAgeMs * 2 + aheadMs // longer than any token is good for
  // Users of one name at two channels may be two, who have different passwords.
  const isFirst =
    takeHere(hashOf([...parts, password]), { channel: scope.id, at: now }, ttlMs) &&
    (await scope.state.compareAndSet(`nonce:${hashOf(parts)}`, undefined, now, { ttlMs }))
  if (!isFirst) throw unauthenticated('nonce used before')
}

/** Whether no other channel of this process has taken it for so long: from here on none does. */
function takeHere(key: string, taking: Taken, ttlMs: number): boolean {
  const taken = takenBy.get(key)
  if (taken !== undefined && taking.at - taken.at < ttlMs) return taken.channel === taking.channel
  takenBy.delete(key)
  takenBy.set(key, taking)
  const [oldest] = takenBy.keys()
  if (takenBy.size > MOST_TAKEN && oldest !== undefined) takenBy.delete(oldest)
  return true
}

function hashOf(parts: readonly string[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url')
}

export interface Credentials {
  readonly user: string
  readonly password: string
  readonly passwordType: 'text' | 'digest'
  readonly now: number
}

/** A token of ours. */
export function usernameToken({ user, password, passwordType, now }: Credentials): XmlElement {
  const created = new Date(now).toISOString()
  const nonce = randomBytes(16).toString('base64')
  const isDigest = passwordType === 'digest'
  const sent = isDigest ? digest(nonce, created, password) : password
  return element(
    wsse,
    'UsernameToken',
    [],
    [
      element(wsse, 'Username', [], [user]),
      element(wsse, 'Password', [attributeOf('Type', isDigest ? passwordDigest : passwordText)], [sent]),
      element(wsse, 'Nonce', [attributeOf('EncodingType', base64Binary)], [nonce]),
      element(wsu, 'Created', [], [created]),
    ],
  )
}

/** UsernameToken Profile 1.1 §3.1: Base64(SHA-1(nonce + created + password)). */
function digest(nonce: string, created: string, password: string): string {
  return createHash('sha1')
    .update(Buffer.from(nonce, 'base64'))
    .update(created)
    .update(password)
    .digest('base64')
}

function sameText(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash('sha256').update(text).digest()
  return timingSafeEqual(hash(a), hash(b))
}
