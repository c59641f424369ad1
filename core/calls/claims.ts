// Claimed calls: what is unsafe or identified is claimed before it begins, answered once, and joined (SEMANTICS 2, 35).
import { GatewayError } from '../api.ts'
import type { Log, Message, Reply } from '../api.ts'
import { endOf, endWithout, made, notYetStored, unstored } from './claimed-call.ts'
import type { Call, Flown, Flying, Made, Run } from './claimed-call.ts'
import type { Verdict } from '../deliver/deliver.ts'
import { moment } from '../ids.ts'
import type { Lanes } from '../lanes/lanes.ts'
import type { Normalised } from '../normalise.ts'
import { isInDoubt } from '../lanes/reconcile.ts'
import { claimedEnd } from '../return/return-right.ts'
import { errorOf, outcomeUnknown, settleDurably, sleep } from '../deliver/settling.ts'
import type { ClaimResult, Fence, Settle, Store, Work } from '../store/store.ts'
import { unkept } from '../deliver/unkept.ts'
import type { Ended, Waiters } from '../return/waiters.ts'
import { isQueuedWrite } from './writes.ts'

export type { Call } from './claimed-call.ts'

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

interface Flight {
  readonly claim: Run
  readonly onMade: (flown: Flown) => void
}

/** Joiners give the running call this much longer than its own deadline, for its end to be stored. */
const SETTLE_MS = 1000
const FIRST_LOOK_MS = 50
const LONGEST_LOOK_MS = 1000
/** Who held a partition before the store lost its data has it anew within that. */
const LEASED_ANEW_MS = 5000

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
          const { promise: answered, resolve: onMade } = Promise.withResolvers<Flown>()
          const flight = fly(normalised, wanted, { claim, onMade }).finally(() => {
            // Released, it may be made again before this one is over here.
            if (flights.get(first) === flight) flights.delete(first)
            kept.dispose()
          })
          flights.set(first, flight)
          const flown = await answered
          // SEMANTICS 37: what was made is stored when the store is back, but nobody waits for that beyond his time.
          const left = Math.max(SETTLE_MS, deadline - performance.now())
          const end = (await within(left, flight)) ?? unstored(flown, wanted, notYetStored())
          return { status: 'answered', reply: replyOrThrow(end), first }
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

  /** Makes the call and completes its claim before anybody gets the answer. `onMade` hears of it before it is stored. Never rejects. */
  async function fly(normalised: Normalised, wanted: Call, { claim, onMade }: Flight): Promise<Flown> {
    const { message, dedupe } = normalised
    const begun = performance.now()
    const startedAt = moment(now())
    const end = await made(wanted, claim, dedupe?.ttlMs)
    const durationMs = performance.now() - begun
    const { outcome, reply, error } = end.flown
    onMade(end.flown)
    options.telemetry.ended(Object.freeze({ ...message, sequence: 0 }), wanted, {
      outcome,
      durationMs,
      error,
      reply,
    })
    const told = await keep({ normalised, wanted, claim, startedAt, durationMs }, end)
    // Its id may be a stored write's by now: who waits for that is told by that.
    if (told === 'released') return end.flown
    waiters.resolve(claim.id, told)
    return told
  }

  /**
   * What becomes of the claim, as its callers are told. `released`: an earlier try of the release had come through and its result was lost
   * (SEMANTICS 15); what became of the claim since is not this call's end. Never rejects.
   */
  async function keep(run: Flying, end: Made): Promise<Flown | 'released'> {
    const { flown } = end
    const settle = endOf(run, end)
    try {
      // Without a fence: the call's own end counts, whoever holds the partition by now (SEMANTICS 2).
      const settled = await settleDurably(store, settle, { log, stopped })
      if (settled?.status === 'settled') return flown
      if (settled !== undefined && settle.outcome === 'retry') return 'released'
      if (settled?.status === 'already') return settled
      if (settled?.status === 'gone') {
        await claimAnew(run, settle)
        return flown
      }
      throw new GatewayError('STORE_UNAVAILABLE', 'the gateway stopped before the answer was stored')
    } catch (error) {
      log.error('the end of a call could not be stored', { id: settle.id, error })
      const failure = unkept(flown.reply, error)
      if (failure === undefined) return unstored(flown, run.wanted, GatewayError.from(error))
      return keep(run, endWithout(run.wanted, { failure, rememberedMs: run.normalised.dedupe?.ttlMs }))
    }
  }

  /** The store lost it, and with it that the call was made: under the same id and key it knows again, so that a repeat finds it. */
  async function claimAnew({ normalised, wanted }: Flying, settle: Settle): Promise<void> {
    const { id } = settle
    const until = performance.now() + LEASED_ANEW_MS
    for (let pause = FIRST_LOOK_MS; ; pause = Math.min(pause * 2, LONGEST_LOOK_MS)) {
      try {
        using held = await lanes.callHold(normalised.home)
        const claim = await begin(normalised, wanted, held.fence)
        const isAgain = claim.status === 'run' && claim.id === id
        if (isAgain) await settleDurably(store, { ...settle, attempt: claim.attempt }, { log, stopped })
        log.error('the store lost a call while it was made', { id, isStoredAgain: isAgain })
        return
      } catch (error) {
        if (performance.now() > until || stopped.aborted) {
          log.error('the store lost a call while it was made', { id, isStoredAgain: false, error })
          return
        }
        await sleep(pause, stopped)
      }
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
      const unknown: Verdict = { outcome: 'unknown', target, failure, dead: true, idle: true }
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
