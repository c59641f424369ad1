// The vocabulary of WS-Security (OASIS WSS 1.1) and what every part of it shares.
import { attribute, childElement, childElements, textOf, type XmlElement } from '../xml/tree.ts'
import { SoapProblem } from './faults.ts'
import { isForUs } from './headers.ts'
import { ns, type Version } from './names.ts'

const oasis = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-'

export const { wsse, wsu, ds } = ns
export const passwordText = `${oasis}username-token-profile-1.0#PasswordText`
export const passwordDigest = `${oasis}username-token-profile-1.0#PasswordDigest`
export const base64Binary = `${oasis}soap-message-security-1.0#Base64Binary`
export const x509v3 = `${oasis}x509-token-profile-1.0#X509v3`

/** Clocks of others may be this much ahead of ours. */
export const aheadMs = 60_000

/** Whether a header block is WS-Security's, whose secrets go no further. */
export function isSecurity(block: XmlElement): boolean {
  return block.uri === wsse && block.local === 'Security'
}

/** The Security block that is for us; undefined if there is none. Throws a problem if there are two (WSS 1.1 §5). */
export function securityBlock(headers: readonly XmlElement[], version: Version): XmlElement | undefined {
  const [block, ...others] = headers.filter((one) => isSecurity(one) && isForUs(one, version))
  if (others.length > 0)
    throw refused('InvalidSecurity', 'two wsse:Security headers are for the same receiver')
  return block
}

type Subcode =
  | 'FailedAuthentication'
  | 'FailedCheck'
  | 'InvalidSecurity'
  | 'InvalidSecurityToken'
  | 'MessageExpired'
  | 'UnsupportedAlgorithm'

/** A refusal in the words of WSS 1.1 §12; `cause` is for the log alone. */
export function refused(subcode: Subcode, reason: string, cause?: string): SoapProblem {
  return new SoapProblem('caller', reason, {
    subcode: { uri: subcode === 'MessageExpired' ? wsu : wsse, local: subcode },
    cause,
  })
}

/** All failed authentication is one and the same to whoever guesses. */
export function unauthenticated(
  cause: 'nonce used before' | 'signer not trusted' | 'unknown user' | 'wrong password',
): SoapProblem {
  return refused('FailedAuthentication', 'the security token could not be authenticated', cause)
}

/** A refusal as the operator is told of it: one of a few reasons, and the reason in words. */
export function toldOf({ subcode, message, cause }: SoapProblem): { reason: string; why: string } {
  return typeof cause === 'string'
    ? { reason: cause, why: cause }
    : { reason: subcode?.local ?? 'other', why: message }
}

export interface Freshness {
  readonly now: number
  readonly maxAgeMs: number
}

/** Checks a wsu:Timestamp, if there is one (WSS 1.1 §10). Throws problems. */
export function checkTimestamp(timestamp: XmlElement, { now, maxAgeMs }: Freshness): void {
  const created = childElement(timestamp, wsu, 'Created')
  const expires = childElement(timestamp, wsu, 'Expires')
  if (created !== undefined) checkCreated(textOf(created), { now, maxAgeMs })
  if (expires !== undefined && !(instant(textOf(expires)) > now - aheadMs))
    throw refused('MessageExpired', 'the message has expired')
}

/** Checks how old a moment is. Throws problems. */
export function checkCreated(text: string, { now, maxAgeMs }: Freshness): void {
  const created = instant(text)
  if (!(created <= now + aheadMs) || !(created >= now - maxAgeMs))
    throw refused('MessageExpired', 'the message is too old, from the future, or its creation time is none')
}

/** NaN for what is no xsd:dateTime; without an offset it is UTC. */
function instant(text: string): number {
  const value = text.trim()
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)?$/.test(value)) return Number.NaN
  return Date.parse(/(?:Z|[+-]\d\d:\d\d)$/.test(value) ? value : `${value}Z`)
}

/** The id WS-Security refers to: wsu:Id, or the Id of a signature's own elements and of foreign schemas (WSS 1.1 §4.2). */
export function idOf(element: XmlElement): string | undefined {
  return attribute(element, 'Id', wsu) ?? attribute(element, 'Id')
}

/** The one element with this id below `root`. Throws a problem if there is none or more than one: whichever was meant. */
export function elementById(root: XmlElement, id: string): XmlElement {
  const found: XmlElement[] = []
  const waiting = [root]
  for (let at = waiting.pop(); at !== undefined; at = waiting.pop()) {
    if (idOf(at) === id) found.push(at)
    for (const child of childElements(at)) waiting.push(child)
  }
  const [only] = found
  if (only === undefined || found.length > 1)
    throw refused('InvalidSecurity', `${found.length} elements have the id "${id.slice(0, 80)}"`)
  return only
}
