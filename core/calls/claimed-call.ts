// One claimed call: how it is made, and what its claim and its callers get of its end (SEMANTICS 2).
import { GatewayError } from '../api.ts'
import type { Reply } from '../api.ts'
import type { Normalised } from '../normalise.ts'
import { failureOf, outcomeUnknown, provesNothingDone } from '../deliver/settling.ts'
import type { Settle } from '../store/store.ts'
import { unknownFor } from '../deliver/unkept.ts'
import type { Ended } from '../return/waiters.ts'

/** One call of a route's target. */
export interface Call {
  /** `backend "orders", operation "GetOrder"`. */
  readonly what: string
  /** Changes nothing. */
  readonly safe: boolean
  /** Safe, or done once by the other side however often it comes with the same key. */
  readonly repeatable: boolean
  readonly ms: number
  make(key: string, attempt: number, signal?: AbortSignal): Promise<Reply>
  /** Where it was begun and nobody saw its end: what the cache knows is no longer good (SEMANTICS 32). Never rejects. */
  readonly invalidate?: (() => Promise<void>) | undefined
}

/** How a call of this process ended. */
export interface Flown extends Ended {
  /** As it was thrown: it knows more than a stored failure does. */
  readonly error?: GatewayError
}

export interface Run {
  readonly id: string
  readonly attempt: number
}

/** A call that was made. */
export interface Flying {
  readonly normalised: Normalised
  readonly wanted: Call
  readonly claim: Run
  readonly startedAt: string
  readonly durationMs: number
}

/** How its claim is to end. */
export interface Made extends Partial<Pick<Settle, 'outcome' | 'delayMs' | 'dead'>> {
  readonly flown: Flown
  /** Why there is no answer. */
  readonly cause?: GatewayError
}

/** The call itself, and how its claim is to end. Released, the next one with its id makes it again. Never rejects. */
export async function made(wanted: Call, claim: Run, rememberedMs: number | undefined): Promise<Made> {
  try {
    return { flown: { outcome: 'answered', reply: await wanted.make(claim.id, claim.attempt) } }
  } catch (thrown) {
    const cause = GatewayError.from(thrown)
    if (wanted.repeatable || provesNothingDone(cause)) return failedCall(cause, rememberedMs)
    return unknownCall(new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(wanted.what), { cause }), cause)
  }
}

/** Its answer is there and cannot be stored. */
export function endWithout(
  wanted: Call,
  { failure, rememberedMs }: { readonly failure: GatewayError; readonly rememberedMs: number | undefined },
): Made {
  return wanted.repeatable
    ? failedCall(failure, rememberedMs)
    : unknownCall(unknownFor(wanted.what, failure), failure)
}

/** What a caller is told whose call was made, and whose end is not in the store: a retry would make again what may be done (SEMANTICS 2). */
export function unstored({ outcome }: Flown, wanted: Call, cause: GatewayError): Flown {
  if (wanted.repeatable || outcome === 'failed') return failed(cause)
  const unknown = new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(wanted.what), { cause })
  return { ...failed(unknown), outcome: 'unknown' }
}

/** For who waits no longer for the store. */
export function notYetStored(): GatewayError {
  return new GatewayError(
    'STORE_UNAVAILABLE',
    'the store cannot be used: what came of the call is not stored yet',
  )
}

/** The settle of its claim. */
export function endOf({ normalised, wanted, claim, startedAt, durationMs }: Flying, end: Made): Settle {
  const { flown, cause, ...ending } = end
  const { outcome, reply, failure } = flown
  return {
    home: normalised.home,
    kind: 'claim',
    id: claim.id,
    attempt: claim.attempt,
    outcome,
    ...(reply !== undefined && { reply }),
    ...(failure !== undefined && { failure }),
    replies: [],
    inbox: false,
    pushes: [],
    tried: {
      target: wanted.what,
      startedAt,
      durationMs,
      ...(cause !== undefined && { failure: failureOf(cause) }),
    },
    ...ending,
  }
}

function failedCall(cause: GatewayError, rememberedMs: number | undefined): Made {
  const flown = failed(cause)
  // Where no other can come with that id, it is over.
  return rememberedMs === undefined
    ? { flown, cause }
    : { flown, cause, outcome: 'retry', delayMs: rememberedMs }
}

function unknownCall(unknown: GatewayError, cause: GatewayError): Made {
  return { flown: { ...failed(unknown), outcome: 'unknown' }, cause, dead: failureOf(unknown) }
}

function failed(error: GatewayError): Flown {
  return { outcome: 'failed', failure: failureOf(error), error }
}
