// What went wrong, in words for people: each version of a server puts a refusal differently, and the client speaks of its options.
import { ReplyError } from 'ioredis'

/** Redis 6.2: the reason comes last, behind where the script was, with the dash it has on the wire. */
const BEFORE = /^ERR Error running script \(call to \w+\): @user_script: ?\d+: @user_script: ?\d+: -/u
/** Redis 7 and later, and Valkey: the place comes last. */
const BEHIND = / script: [0-9a-f]{40}, on @user_script:\d+\.$/u

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
  return message.replace(BEFORE, '').replace(BEHIND, '').trimEnd()
}

/** For a failure that the client speaks of in its own words: the words in their place. Undefined: it is Redis', the network's or ours. */
export function lineFailure(error: unknown): string | undefined {
  if (!(error instanceof Error) || error instanceof ReplyError) return undefined
  return CLIENTS.find(([begins]) => error.message.startsWith(begins))?.[1]
}

/** What people are told of a failure. */
export function toldOf(error: unknown): string {
  return lineFailure(error) ?? reasonOf(error)
}

/** Nothing was answered in time. */
export function isSilence(error: unknown): boolean {
  return error instanceof Error && error.message === 'Command timed out'
}
