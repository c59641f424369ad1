// Claimed calls: what is unsafe or identified is claimed before it begins, answered once, and joined (SEMANTICS 2, 35).
import { GatewayError } from './api.ts'
import type { Log, Message, Reply } from './api.ts'
import type { Verdict } from './deliver.ts'
import { moment } from './ids.ts'
import type { Lanes } from './lanes.ts'
import type { Normalised } from './normalise.ts'
import { isInDoubt } from './reconcile.ts'
import { claimedEnd } from './return-right.ts'
import { errorOf, failureOf, outcomeUnknown, provesNothingDone, settleDurably } from './settling.ts'
import type { ClaimResult, Fence, Settle, Store, Work } from './store/store.ts'
import type { Ended, Waiters } from './waiters.ts'
import { isQueuedWrite } from './writes.ts'

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

export interface ClaimsOptions {
  readonly store: Store
  readonly log: Log
  readonly lanes: Lanes
  readonly waiters: Waiters
  readonly stopped: AbortSignal
  readonly dedupeMs: number
  readonly now: () => number
  /** A claim failed, and nobody knows whether it stands. */
  readonly onDoubt: (id: string, home: string) => void
  /** Hears of each call that was made, once. */
  readonly telemetry: {
    ended(
      message: Message,
      call: Call,
      end: { outcome: string; durationMs: number; error?: unknown; reply?: Reply | undefined },
    ): void
  }
}

export interface Answered {
  readonly status: 'answered'
  readonly reply: Reply
  /** The id of the message that was answered first. */
  readonly first: string
}

/** The key is that of a stored message, which was not answered yet: whoever brings it again finds it by an accept. */
export interface Stored {
  readonly status: 'stored'
  /** It is queued where its system is down. */
  readonly isWrite: boolean
}

export interface Claims {
  isRunning(id: string): boolean
  /** Makes the call, joins the one that runs, or repeats its outcome. Throws `GatewayError`. */
  call(normalised: Normalised, call: Call): Promise<Answered | Stored>
  /** Decides on a call that was begun by somebody who is gone. Never rejects. */
  recover(work: Work, prepare: () => Promise<Call>): Promise<Verdict>
  ended(): Promise<void>
}

/** How a call of this process ended. */
interface Flown extends Ended {
  /** As it was thrown: it knows more than a stored failure does. */
  readonly error?: GatewayError
}

interface Run {
  readonly id: string
  readonly attempt: number
}

interface Made extends Partial<Pick<Settle, 'outcome' | 'delayMs' | 'dead'>> {
  readonly flown: Flown
  /** Why there is no answer. */
  readonly cause?: GatewayError
}

/** Joiners give the running call this much longer than its own deadline, for its end to be stored. */
const SETTLE_MS = 1000
const FIRST_LOOK_MS = 50
const LONGEST_LOOK_MS = 1000

export function createClaims(options: ClaimsOptions): Claims {
  const { store, log, lanes, waiters, stopped, dedupeMs, now } = options
  const flights = new Map<string, Promise<Flown>>()

  async function call(normalised: Normalised, wanted: Call): Promise<Answered | Stored> {
    const { message } = normalised
    const deadline = performance.now() + wanted.ms + SETTLE_MS
    for (let pause = FIRST_LOOK_MS; ; pause = Math.min(pause * 2, LONGEST_LOOK_MS)) {
      using held = new DisposableStack()
      const { fence } = held.use(await lanes.callHold(normalised.home))
      const claim = await begin(normalised, wanted, fence)
      if (claim.status !== 'run') held.dispose()
      const first = 'id' in claim ? claim.id : message.id
      switch (claim.status) {
        case 'run': {
          const kept = held.move()
          const flight = fly(normalised, wanted, claim).finally(() => {
            // Released, it may be made again before this one is over here.
            if (flights.get(first) === flight) flights.delete(first)
            kept.dispose()
          })
          flights.set(first, flight)
          return { status: 'answered', reply: replyOrThrow(await flight), first }
        }
        case 'running': {
          const left = deadline - performance.now()
          const flight = flights.get(first)
          const stored = flight === undefined ? await storedAs(first) : undefined
          if (stored !== undefined) return stored
          const flown = await (flight === undefined
            ? elsewhere(first, { ms: Math.min(pause, left), isLast: left <= pause })
            : within(left, flight))
          if (flown?.outcome === 'taken') continue // released, and stored under its id meanwhile
          if (flown !== undefined) return { status: 'answered', reply: replyOrThrow(flown), first }
          if (left > pause && flight === undefined) continue // it may have been released meanwhile
          throw new GatewayError(
            'DEADLINE_EXCEEDED',
            `${wanted.what} is still at work on the same id; ask again with it`,
          )
        }
        case 'done':
          if (claim.outcome === 'taken' && claim.reply === undefined)
            return { status: 'stored', isWrite: false }
          return { status: 'answered', reply: replyOrThrow(claim), first }
        case 'unknown':
          await wanted.invalidate?.()
          throw new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(wanted.what))
        case 'mismatch':
          throw new GatewayError(
            'IDEMPOTENCY_MISMATCH',
            `the id "${message.externalId}" was used before for another request; use a new id`,
          )
      }
    }
  }

  /** Undefined: it is a call's. */
  async function storedAs(id: string): Promise<Stored | undefined> {
    const rows = await store.find({ by: 'id', id })
    if (!rows.some((row) => row.row === 'message' && row.message.id === id)) return undefined
    const isWrite = rows.some((row) => row.row === 'work' && row.id === id && isQueuedWrite(row))
    return { status: 'stored', isWrite }
  }

  async function begin(
    { message, raw, home, dedupe }: Normalised,
    wanted: Call,
    fence: Fence,
  ): Promise<ClaimResult> {
    try {
      return await store.claim({
        home,
        key: dedupe?.key ?? `request:${message.id}`,
        fingerprint: dedupe?.fingerprint ?? message.id,
        id: message.id,
        ttlMs: dedupe?.ttlMs ?? dedupeMs,
        idempotent: wanted.repeatable,
        fence,
        message,
        ...(raw !== undefined && { raw }),
      })
    } catch (error) {
      if (isInDoubt(error)) options.onDoubt(message.id, home)
      throw error
    }
  }

  /** Makes the call and completes its claim before anybody gets the answer. Never rejects. */
  async function fly({ message, home, dedupe }: Normalised, wanted: Call, claim: Run): Promise<Flown> {
    const begun = performance.now()
    const startedAt = moment(now())
    const { flown, cause, ...ending } = await made(wanted, claim, dedupe?.ttlMs)
    const durationMs = performance.now() - begun
    const { outcome, reply, failure, error } = flown
    options.telemetry.ended(Object.freeze({ ...message, sequence: 0 }), wanted, {
      outcome,
      durationMs,
      error,
      reply,
    })
    const stored = await keep({
      home,
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
    })
    // Its id may be a stored write's by now: who waits for that is told by that.
    if (stored === 'released') return flown
    const end = stored ?? flown
    waiters.resolve(claim.id, end)
    return end
  }

  /**
   * Undefined: as it was to be. `released`: an earlier try of the release had come through and its result was lost (SEMANTICS 15);
   * what became of the claim since is not this call's end. Never rejects.
   */
  async function keep(settle: Settle): Promise<Flown | 'released' | undefined> {
    try {
      // Without a fence: the call's own end counts, whoever holds the partition by now (SEMANTICS 2).
      const settled = await settleDurably(store, settle, { log, stopped })
      if (settled?.status === 'settled') return undefined
      if (settled?.status === 'already') return settle.outcome === 'retry' ? 'released' : settled
      throw new GatewayError('STORE_UNAVAILABLE', 'the gateway stopped before the answer was stored')
    } catch (error) {
      log.error('the end of a call could not be stored', { id: settle.id, error })
      return failed(GatewayError.from(error))
    }
  }

  /** A call of another instance or of an earlier life: its end is in the store when it comes. */
  async function elsewhere(
    id: string,
    { ms, isLast }: { readonly ms: number; readonly isLast: boolean },
  ): Promise<Ended | undefined> {
    const waiter = waiters.register(id, { ms })
    /** Undefined: there is none of that id. */
    const look = async (): Promise<{ readonly end: Ended | undefined } | undefined> => {
      for (const row of await store.find({ by: 'id', id }))
        if (row.row === 'claim' && row.id === id) return { end: claimedEnd(row) }
      return undefined
    }
    try {
      const claim = await look()
      if (claim === undefined) return undefined
      const end = claim.end ?? (await waiter.ended)
      // SEMANTICS 33: the hint may have been lost, and nobody claims it again who would see that.
      return end ?? (isLast ? (await look())?.end : undefined)
    } finally {
      waiter.cancel()
    }
  }

  return {
    call,
    isRunning: (id) => flights.has(id),

    async recover(work, prepare) {
      const target = 'backend'
      // It was released, and in all the time its id is remembered nobody asked again.
      if (!work.orphan) return { outcome: 'failed', target, failure: lastFailure(work), idle: true }
      const failure = new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown('the call'))
      const unknown: Verdict = { outcome: 'unknown', target, failure, dead: true }
      // SEMANTICS 16: to look for its route is what the gateway did not live through.
      if (work.isUnroutable === true) return unknown
      try {
        const wanted = await prepare()
        if (!wanted.safe) await wanted.invalidate?.()
        if (!wanted.repeatable || work.poison) return unknown
        const released: Verdict = { outcome: 'retry', target: wanted.what, delayMs: dedupeMs, idle: true }
        // What changed nothing is made again for whoever asks again; what may have changed something is finished now.
        if (wanted.safe) return released
        try {
          const reply = await wanted.make(work.id, work.attempt)
          return { outcome: 'answered', target: wanted.what, reply }
        } catch (error) {
          return { ...released, failure: GatewayError.from(error), idle: false }
        }
      } catch (error) {
        log.warn('a call that was cut off cannot be looked into', { id: work.id, error })
        return unknown
      }
    },

    async ended() {
      while (flights.size > 0) await Promise.all(flights.values())
    },
  }
}

/** The call itself, and how its claim is to end. Released, the next one with its id makes it again. Never rejects. */
async function made(wanted: Call, claim: Run, rememberedMs: number | undefined): Promise<Made> {
  try {
    return { flown: { outcome: 'answered', reply: await wanted.make(claim.id, claim.attempt) } }
  } catch (thrown) {
    const cause = GatewayError.from(thrown)
    if (wanted.repeatable || provesNothingDone(cause)) {
      const flown = failed(cause)
      // Where no other can come with that id, it is over.
      return rememberedMs === undefined
        ? { flown, cause }
        : { flown, cause, outcome: 'retry', delayMs: rememberedMs }
    }
    const unknown = new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(wanted.what), { cause })
    return { flown: { ...failed(unknown), outcome: 'unknown' }, cause, dead: failureOf(unknown) }
  }
}

function failed(error: GatewayError): Flown {
  return { outcome: 'failed', failure: failureOf(error), error }
}

function replyOrThrow(flown: Flown): Reply {
  const error = flown.error ?? errorOf(flown)
  if (error !== undefined) throw error
  if (flown.reply === undefined) throw new GatewayError('INTERNAL', 'a claim was answered without an answer')
  return flown.reply
}

function lastFailure({ attempts }: Work): GatewayError {
  const failure = attempts.at(-1)?.failure
  return errorOf({ outcome: 'failed', failure }) ?? new GatewayError('INTERNAL', 'a failure is an error')
}

/** Undefined after `ms`. */
async function within<T>(ms: number, promise: Promise<T>): Promise<T | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>()
  const timer = setTimeout(() => resolve(undefined), Math.max(0, ms))
  try {
    return await Promise.race([promise, over])
  } finally {
    clearTimeout(timer)
  }
}
