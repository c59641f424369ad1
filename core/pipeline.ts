// The way of one message (DESIGN §5), top to bottom: what happens to it from the edge to its one recorded outcome.
import { GatewayError } from './api.ts'
import type { Accepted, AcceptOptions, Conversation, Draft, Log, Message, Priority } from './api.ts'
import type { Components } from './calls.ts'
import { deliver } from './deliver.ts'
import type { Verdict } from './deliver.ts'
import { createEffects } from './effects.ts'
import { moment } from './ids.ts'
import { Lanes } from './lanes.ts'
import { normalise } from './normalise.ts'
import type { Normalised } from './normalise.ts'
import { sendPush } from './push.ts'
import { answerRequest } from './requests.ts'
import { claimedEnd, createReturnRight } from './return-right.ts'
import type { ReturnRight } from './return-right.ts'
import type { Router } from './router.ts'
import { errorOf, outcomeUnknown, settleDurably, settleOf } from './settling.ts'
import type { AcceptResult, Fence, Store, Work } from './store/store.ts'
import type { Telemetry } from './telemetry.ts'
import { missedCallback } from './timers.ts'
import { Waiters } from './waiters.ts'
import type { Ended } from './waiters.ts'

/** A generation held for one attempt. */
export interface Pinned extends Disposable {
  readonly router: Router
  readonly components: Components
}

export interface PipelineOptions {
  readonly store: Store
  readonly log: Log
  readonly telemetry: Telemetry
  readonly now: () => number
  /** This process among the instances. */
  readonly instance: string
  /** Holds the current generation until disposed. */
  readonly pin: () => Pinned
  /** Where a later answer to this message is accepted. */
  readonly callback: (message: Message, ownerEpoch: number) => Conversation['callback']
  readonly dedupeMs: number
  /** Waiting work a lane takes from callers who can be refused; from the others (channels with `send`). */
  readonly laneLimit: { readonly refusable: number; readonly platform: number }
  readonly holdMs: number
  readonly attempts: number
  readonly maxInFlight: number
}

/** The channel a draft comes in by. */
export interface Origin {
  readonly id: string
  readonly pushes: boolean
}

const PRIORITIES: Readonly<Record<Priority, number>> = { low: 0, normal: 1, high: 2, urgent: 3 }

export class Pipeline {
  readonly waiters = new Waiters()
  readonly lanes: Lanes
  readonly returnRight: ReturnRight
  readonly #options: PipelineOptions
  readonly #stopped = new AbortController()
  readonly #effects: ReturnType<typeof createEffects>

  constructor(options: PipelineOptions) {
    this.#options = options
    const { store, log, instance, maxInFlight } = options
    this.lanes = new Lanes({
      store,
      log,
      owner: instance,
      maxInFlight,
      run: (work, fence) => this.#run(work, fence),
    })
    this.returnRight = createReturnRight({ store, log, instance, poke: (home) => this.lanes.poke(home) })
    this.#effects = createEffects({ ...options, poke: (home) => this.lanes.poke(home) })
  }

  // 1 receive, 2 decode: the edge (core/http) keeps the limits, the adapter makes the draft.

  /** Takes a draft in: `ChannelHost.accept`. Throws `GatewayError`. */
  async accept(origin: Origin, draft: Draft, options: AcceptOptions = {}): Promise<Accepted> {
    const { telemetry } = this.#options
    telemetry.intake('offered', origin.id)
    let taken: Taken
    try {
      taken = await this.#take(origin, draft, options)
    } catch (error) {
      const failure = GatewayError.from(error)
      const refused = failure.side === 'caller' || failure.code === 'OVERLOADED'
      telemetry.intake(refused ? 'refused' : 'failed', origin.id)
      if (failure.code === 'INTERNAL' && options.signal?.aborted !== true)
        this.#options.log.error('a draft was not taken in', { error })
      throw failure
    }
    telemetry.intake(taken.accepted.duplicate ? 'duplicate' : 'accepted', origin.id)
    return this.#return(origin, taken)
  }

  async #take(origin: Origin, draft: Draft, options: AcceptOptions): Promise<Taken> {
    const { now, dedupeMs, pin } = this.#options
    // 3 normalise
    const normalised = normalise(draft, {
      channel: origin.id,
      identity: options.identity,
      now: now(),
      dedupeMs,
    })
    if (draft.kind !== 'request') return this.#store(origin, normalised, options)
    const answered = await answerRequest(
      { ...this.#options, lanes: this.lanes, waiters: this.waiters, stopped: this.#stopped.signal },
      normalised,
      { pinned: pin(), signal: options.signal },
    )
    if (answered.status === 'answered') return { home: normalised.home, accepted: answered.accepted }
    // A recorded request goes the way of a message, and its caller waits for it.
    return this.#store(origin, normalised, {
      ...options,
      waitMs: answered.waitMs,
      lane: answered.lane,
      mustAnswer: true,
    })
  }

  // 4 accept: one store transaction, durable when it resolves
  async #store(origin: Origin, normalised: Normalised, options: StoreOptions): Promise<Taken> {
    const { message, raw, home, dedupe } = normalised
    const waiter =
      options.waitMs === undefined
        ? undefined
        : this.waiters.register(message.id, { ms: options.waitMs, signal: options.signal })
    let result: AcceptResult
    const fence = this.lanes.fence(home)
    try {
      result = await this.#options.store.accept({
        home,
        conversation: message.conversation,
        message,
        ...(raw !== undefined && { raw }),
        ...(dedupe !== undefined && { dedupe }),
        work: {
          lane: options.lane ?? message.conversation,
          priority: PRIORITIES[message.priority ?? 'normal'],
          limit: origin.pushes ? this.#options.laneLimit.platform : this.#options.laneLimit.refusable,
        },
        ...(options.waitMs !== undefined && { waitMs: options.waitMs }),
        inbox: message.kind === 'message',
        ...(fence !== undefined && { fence }),
      })
    } catch (error) {
      waiter?.cancel()
      throw error
    }
    if (result.status !== 'accepted') {
      waiter?.cancel()
      return this.#notNew(normalised, result, options)
    }
    const { sequence, attempt, ownerEpoch } = result
    if (attempt !== undefined && fence !== undefined)
      this.lanes.begin(firstStep(normalised, { sequence, attempt, ownerEpoch, lane: options.lane }), fence)
    else if (fence === undefined) this.lanes.poke(home)
    // 5 acknowledge: the adapter may, from here on
    const accepted = { id: message.id, conversation: message.conversation, sequence, duplicate: false }
    return {
      home,
      accepted,
      ...(waiter !== undefined && {
        ended: waiter.ended.then((ended) => ended ?? this.#lookAgain(message.id)),
      }),
      ...(options.mustAnswer === true && { mustAnswer: true }),
    }
  }

  /** What was offered is not new: it joins, repeats an outcome, or is refused. */
  async #notNew(
    { home, message }: Normalised,
    result: Exclude<AcceptResult, { status: 'accepted' }>,
    options: StoreOptions,
  ): Promise<Taken> {
    switch (result.status) {
      case 'duplicate': {
        const { id, conversation, sequence } = result
        const accepted = { id, conversation, sequence, duplicate: true }
        const ended = claimedEnd(result)
        const mustAnswer = options.mustAnswer === true && { mustAnswer: true }
        if (ended !== undefined)
          return {
            home,
            accepted,
            ended: Promise.resolve(ended),
            pushed: result.pushed === true,
            ...mustAnswer,
          }
        if (options.waitMs === undefined) return { home, accepted }
        const joined = this.waiters.register(id, { ms: options.waitMs, signal: options.signal })
        // Register, then read: it may have ended between the store's answer and the registration.
        const already = await this.#lookAgain(id)
        if (already !== undefined) joined.cancel()
        const later = joined.ended.then((end) => end ?? this.#lookAgain(id))
        return {
          home,
          accepted,
          ended: already === undefined ? later : Promise.resolve(already),
          ...mustAnswer,
        }
      }
      case 'mismatch':
        throw new GatewayError(
          'IDEMPOTENCY_MISMATCH',
          `the id "${message.externalId}" was used before for something else; use a new id for a new message`,
        )
      case 'forbidden':
        throw new GatewayError(
          'FORBIDDEN',
          `the conversation "${message.conversation}" belongs to another customer`,
        )
      case 'full':
        throw new GatewayError(
          'OVERLOADED',
          `${result.waiting} messages wait in the conversation "${message.conversation}" already; try again later`,
          { retryAfterMs: 5000, status: 429 },
        )
      case 'notOwner':
      case 'gap':
        throw new GatewayError(
          'INTERNAL',
          `the store answered "${result.status}" to an accept that cannot get it`,
        )
    }
  }

  // 6 route, 7 deliver, 8 settle
  async #run(work: Work, fence: Fence): Promise<void> {
    const begun = performance.now()
    const { log, telemetry, now, pin } = this.#options
    try {
      const startedAt = moment(now())
      using pinned = pin()
      const verdict = await this.#deliver(work, pinned)
      const durationMs = performance.now() - begun
      const ended = await this.#settle(work, verdict, { fence, pinned, startedAt, durationMs })
      if (ended === undefined || work.kind === 'push') return
      // 9 return: to who waits; a push is owed already, a puller finds it in the log
      const promised = ended.outcome === 'taken' && verdict.callbackWithinMs !== undefined
      if (!promised) this.waiters.resolve(work.message.id, ended)
      // 10 record: exactly one outcome
      const { id, channel, kind, direction, conversation } = work.message
      telemetry.settled({ channel, kind, direction, outcome: ended.outcome, durationMs })
      const fields = {
        id,
        channel,
        kind,
        conversation,
        outcome: ended.outcome,
        target: verdict.target,
        durationMs,
      }
      if (verdict.failure === undefined) log.info('message', fields)
      else log.warn('message', { ...fields, error: verdict.failure })
    } catch (error) {
      log.error('a step of work failed inside the gateway; it is taken again', { id: work.id, error })
    }
  }

  async #deliver(work: Work, { router, components }: Pinned): Promise<Verdict> {
    const { now, callback, holdMs, attempts } = this.#options
    const { message } = work
    const conversation: Conversation = {
      id: message.conversation,
      customer: message.sender,
      callback: callback(message, work.ownerEpoch),
    }
    const context = { router, components, conversation, now: now(), holdMs, attempts, effects: this.#effects }
    switch (work.kind) {
      case 'push':
        return sendPush(work, components, { now: now(), telemetry: this.#options.telemetry })
      case 'message':
        if (message.direction === 'outbound')
          return sendPush(work, components, { now: now(), telemetry: this.#options.telemetry })
        return deliver(work, context)
      case 'timer':
        return missedCallback(work, context)
      case 'claim':
        return orphanedCall()
    }
  }

  /** One transaction. Undefined: nothing ended (tried again later, or another owner has it). */
  async #settle(work: Work, verdict: Verdict, step: StepContext): Promise<Ended | undefined> {
    const { store, log, now } = this.#options
    const { outcome, reply } = verdict
    const channel = step.pinned.components.channel(work.message.channel)
    const settle = settleOf(work, verdict, { ...step, channel, now: now() })
    const result = await settleDurably(store, settle, { log, stopped: this.#stopped.signal })
    if (result === undefined || result.status === 'fenced') return undefined
    if (result.status === 'settled' && result.waiting > 0) this.lanes.poke(work.home)
    if (
      result.status === 'settled' &&
      (settle.pushes.length > 0 || settle.timer !== undefined || outcome === 'retry')
    )
      this.lanes.poke(work.home)
    if (outcome === 'retry') return undefined
    if (result.status === 'already')
      return { outcome: result.outcome, reply: result.reply, failure: result.failure }
    if (result.status === 'notOwner') return { outcome: 'taken' }
    return { outcome, reply, failure: settle.failure }
  }

  // 9 return: the reply to the caller who waited, if the right to give it can still be had
  async #return(origin: Origin, taken: Taken): Promise<Accepted> {
    const ended = await taken.ended
    if (ended === undefined) {
      if (taken.mustAnswer === true)
        throw new GatewayError(
          'DEADLINE_EXCEEDED',
          'the answer did not come in time; the same id finds it later',
        )
      return taken.accepted
    }
    const error = errorOf(ended)
    if (error !== undefined) throw error
    if (ended.reply === undefined || taken.pushed === true) return taken.accepted
    if (origin.pushes && !(await this.returnRight.take(taken.home, taken.accepted.id))) return taken.accepted
    return { ...taken.accepted, reply: ended.reply }
  }

  /** A wait is over: what the store says now counts. */
  async #lookAgain(id: string): Promise<Ended | undefined> {
    for (const row of await this.#options.store.find({ by: 'id', id })) {
      if (row.row === 'claim' && row.id === id) return claimedEnd(row)
    }
    return undefined
  }

  /** Stops taking work, waits for what runs, at most `deadlineMs`. Resolves how many steps the next life finds. */
  async stop(deadlineMs: number): Promise<number> {
    const left = await this.lanes.stop(deadlineMs)
    this.#stopped.abort()
    return left
  }
}

interface StoreOptions extends AcceptOptions {
  readonly lane?: string
  /** No reply in time is an error: the caller of a request has no use for an id. */
  readonly mustAnswer?: boolean
}

interface Taken {
  readonly home: string
  readonly accepted: Accepted
  readonly ended?: Promise<Ended | undefined>
  readonly mustAnswer?: boolean
  readonly pushed?: boolean
}

interface StepContext {
  readonly fence: Fence
  readonly pinned: Pinned
  readonly startedAt: string
  readonly durationMs: number
}

function firstStep(
  { message, raw, home }: Normalised,
  stored: { sequence: number; attempt: number; ownerEpoch: number; lane: string | undefined },
): Work {
  return {
    kind: 'message',
    id: message.id,
    home,
    lane: stored.lane ?? message.conversation,
    attempt: stored.attempt,
    poison: false,
    orphan: false,
    message: Object.freeze({ ...message, sequence: stored.sequence }),
    ...(raw !== undefined && { raw }),
    ownerEpoch: stored.ownerEpoch,
    heldMs: 0,
    attempts: [],
  }
}

function orphanedCall(): Verdict {
  const failure = new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown('the call'))
  return { outcome: 'unknown', target: 'backend', failure, dead: true }
}
