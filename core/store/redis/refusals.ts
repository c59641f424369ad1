// What went wrong, in words for people: each version of a server puts a refusal differently, and the client speaks of its options.
import { ReplyError } from 'ioredis'

/** Redis refused it, and nothing of it was done. */
export const REFUSED =
  /^(?:READONLY|LOADING|MASTERDOWN|NOREPLICAS|MISCONF|NOAUTH|NOPERM|WRONGPASS|BUSY|MOVED|ASK|TRYAGAIN|CLUSTERDOWN|Stream isn't writeable)/u
/** That a line broke, and not why. */
export const BROKEN = /^(?:the line |(?:read|write) E)/u
/** Somebody else holds the partition, or nobody. */
export const ELSEWHERE = /^(?:MOVED|ASK|CLUSTERDOWN)/u
/** The script did what it may not: the scripts and this side are one program. */
export const OURS = /user_script|Error running script|^WRONGTYPE/u

/** Redis 6.2: the reason comes last, behind where the script was, with the dash it has on the wire. */
const BEFORE = /^ERR Error running script \(call to \w+\): @user_script: ?\d+: @user_script: ?\d+: -/u
/** Redis 7 and later, and Valkey: the place comes last. */
const BEHIND = / script: [0-9a-f]{40}, on @user_script:\d+\.$/u

/** An ACL's refusal of what a script does: each version has another code for it, or none. */
const FORBIDDEN = /(?:The user executing the script can't|ACL failure in script).*/u

/** OpenSSL: `…:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required:…`. */
const OPENSSL = /:SSL routines:\w*:(?<reason>[^:]+):/u
/** What TLS ends with where the other side does not go on with it, or speaks none. */
const CUT_SHORT = /ECONNRESET|EPIPE|disconnected before secure TLS/u

/** How what the client says of a line begins, and what is said in its place. */
const CLIENTS: readonly (readonly [begins: string, told: string])[] = [
  ["Stream isn't writeable", 'the line is gone'],
  ['Command timed out', 'no answer within a second'],
  ['Reached the max retries', 'the line broke before its answer'],
  ['Connection is closed', 'the line broke before its answer'],
  ['Command aborted', 'the line broke before its answer'],
]

/** The reason alone, which begins with its word: `OOM …`, `READONLY …`. What is no refusal of a command stays as it is. */
export function reasonOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error)
  const reason = message.replace(BEFORE, '').replace(BEHIND, '').trimEnd()
  const forbidden = error instanceof ReplyError ? FORBIDDEN.exec(reason)?.[0] : undefined
  return forbidden === undefined
    ? reason
    : `NOPERM its ACL user may not do what the store's scripts do (${forbidden}): config/README.md names the rights`
}

/** For a failure that the client speaks of in its own words: the words in their place. Undefined: it is Redis', the network's or ours. */
export function lineFailure(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof ReplyError) return undefined
  return CLIENTS.find(([begins]) => error.message.startsWith(begins))?.[1]
}

/** Of a line by TLS that was not ready yet: most that fail then say little of why. */
export function handshakeFailure(error: Error): string {
  const reason = OPENSSL.exec(error.message)?.groups?.['reason']
  if (reason !== undefined)
    return /certificate required|handshake failure/u.test(reason)
      ? `TLS: ${reason}: it wants a client certificate (store.tls.cert and key)`
      : `TLS: ${reason}`
  if (CUT_SHORT.test(error.message))
    return `TLS was broken off (${error.message}): does it want a client certificate (store.tls.cert and key), does this port speak TLS?`
  return error.message === 'connect ETIMEDOUT'
    ? 'no TLS within a second (connect ETIMEDOUT): does this port speak TLS?'
    : toldOf(error)
}

/** What people are told of a failure. */
export function toldOf(error: unknown): string {
  return lineFailure(error) ?? reasonOf(error)
}

/** Redis answers and takes no writes at all, or none of this user. */
export function isWriteRefusal(reason: string): boolean {
  return /^(?:MISCONF|NOREPLICAS|NOPERM)/u.test(reason)
}

/** Its user lacks a right, so that a script may be stopped in the middle of its work. */
export function isRightsRefusal(reason: string): boolean {
  return reason.startsWith('NOPERM')
}

/** Nothing was answered in time. */
export function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out'
}
