// The way of one message (DESIGN §5), top to bottom: what happens to it from the edge to its one recorded outcome.
import { Absent } from './deliver/absent.ts'
import { GatewayError } from './api.ts'
import type { Accepted, AcceptOptions, Conversation, Draft, Log, Message } from './api.ts'
import type { ChannelInUse, Components } from './calls/calls.ts'
import { deliver, type DeliverContext, type Verdict } from './deliver/deliver.ts'
import { createEffects } from './deliver/effects.ts'
import { giveBack } from './return/give-back.ts'
import type { Offered } from './return/give-back.ts'
import { grantedTo } from './guard/granted.ts'
import type { Calling } from './guard/rate-limits.ts'
import { HandOvers } from './deliver/hand-over.ts'
import { moment } from './ids.ts'
import { createJoining, lookFor, type Joining, type Taken } from './return/joining.ts'
import { firstStep, Lanes, PRIORITIES } from './lanes/lanes.ts'
import { callingOf, normalise, underId } from './normalise.ts'
import type { ChannelNames, Normalised } from './normalise.ts'
import type { Offer } from './deliver/settling.ts'
import { createPushing, type Pushing } from './deliver/push-turns.ts'
import { createRequests, type Requests } from './calls/requests.ts'
import { createReturnRight, type ReturnRight } from './return/return-right.ts'
import { record } from './deliver/record.ts'
import { createReconcile, isInDoubt, type Reconcile } from './lanes/reconcile.ts'
import { ranked, type Router } from './router.ts'
import type { Accept, AcceptResult, Fence, Store, Work } from './store/store.ts'
import { Suspects } from './deliver/suspects.ts'
import type { Telemetry } from './telemetry.ts'
import { missedCallback } from './deliver/timers.ts'
import { traceAttempt, traceIntake } from './tracing.ts'
import type { Traced } from './tracing.ts'
import { endOfLost, settleStep } from './deliver/unkept.ts'
import { Waiters, type Ended } from './return/waiters.ts'
import { writeClaim } from './calls/writes.ts'

/** What an attempt works with, from route to settle. */
export interface InForce {
  readonly router: Router
  readonly components: Components
}
/** A generation held for one attempt. */
export interface Pinned extends InForce, Disposable {}

export interface PipelineOptions {
  readonly store: Store
  readonly log: Log
  readonly telemetry: Telemetry
  readonly now: () => number
  /** This process among the instances. */
  readonly instance: string
  /** Holds the current generation until disposed. */
  readonly pin: () => Pinned
  /** Whether a channel of this name runs. */
  readonly isChannel: (name: string) => boolean
  /** Where a later answer to this message is accepted. */
  readonly callback: (message: Message, offer: Offer) => Conversation['callback']
  /** Where a queued write's status is asked for. */
  readonly statusUrl: (id: string) => string
  readonly dedupeMs: number
  /** Waiting work a lane takes from callers who can be refused; from the others (channels with `send`). */
  readonly laneLimit: { readonly refusable: number; readonly platform: number }
  readonly holdMs: number
  readonly attempts: number
  readonly maxInFlight: number
  /** How often somebody may call. Throws `RATE_LIMITED`. */
  readonly limited: (calling: Calling) => Promise<void> | undefined
}

/** The channel a draft comes in by. */
export interface Origin extends ChannelNames {
  /** It pushes, and a platform behind it cannot be told to come again. */
  readonly pushes: boolean
  /** Of what comes in by it and says none. */
  readonly priority?: Message['priority'] | undefined
}

export class Pipeline {
  readonly waiters: Waiters
  readonly lanes: Lanes
  readonly returnRight: ReturnRight
  readonly absent: Absent
  readonly #options: PipelineOptions
  readonly #stopped = new AbortController()
  readonly #around: Pick<DeliverContext, 'effects' | 'isAwaited' | 'isShared' | 'ownerOf'>
  readonly #handOvers: HandOvers
  readonly #suspects: Suspects
  readonly #requests: Requests
  readonly #joining: Joining
  readonly #push: Pushing
  readonly #reconcile: Reconcile

  constructor(options: PipelineOptions) {
    this.#options = options
    const { store, log, instance, maxInFlight } = options
    this.waiters = new Waiters({ store, look: (id) => lookFor(store, id) })
    this.lanes = new Lanes({
      store,
      log,
      owner: instance,
      maxInFlight,
      run: (work, fence) => this.#suspects.run(work, fence),
      onDoubt: () => this.#reconcile.doubtTake(),
    })
    const { lanes, waiters } = this
    const stopped = this.#stopped.signal
    const poke = (home: string): void => lanes.poke(home)
    const step = (work: Work, fence: Fence): Promise<void> => this.#run(work, fence)
    this.#suspects = new Suspects({ store, log, lanes, stopped, step })
    this.returnRight = createReturnRight({ store, log, instance, poke })
    this.absent = new Absent({ store, log, lanes })
    this.#handOvers = new HandOvers(store)
    this.#around = {
      ownerOf: (work) => this.#handOvers.ownerOf(work),
      effects: createEffects({ ...options, poke }),
      isAwaited: (work) => waiters.isAwaitedAnywhere(work),
      isShared: () => lanes.isShared,
    }
    this.#joining = createJoining({ store, waiters })
    this.#push = createPushing(options)
    this.#requests = createRequests({
      ...options,
      lanes,
      waiters,
      stopped,
      onDoubt: (id, home) => this.#reconcile.doubt('claim', id, home),
    })
    this.#reconcile = createReconcile({
      store,
      log,
      stopped,
      dedupeMs: options.dedupeMs,
      isRunning: (kind, id) => lanes.isRunning(kind, id) || this.#requests.isRunning(id),
      hold: (home) => lanes.ownHold(home),
      isKnown: () => lanes.isKnown,
      poke,
    })
  }

  // 1 receive, 2 decode: the edge (core/http) keeps the limits, the adapter makes the draft.

  /** Takes a draft in: `ChannelHost.accept`. Throws `GatewayError`. */
  accept(origin: Origin, draft: Draft, options: AcceptOptions = {}): Promise<Accepted> {
    return traceIntake({ channel: origin.id, draft, signal: options.signal }, (traced) =>
      this.#accept(origin, draft, traced === undefined ? options : { ...options, traced }),
    )
  }

  async #accept(origin: Origin, draft: Draft, options: TakeOptions): Promise<Accepted> {
    const { telemetry } = this.#options
    telemetry.intake('offered', origin.id)
    let taken: Offered
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
    // 9 return: the reply to the caller who waited, if the right to give it can still be had
    options.traced?.stage('return')
    return await giveBack(taken, origin, { options: this.#options, returnRight: this.returnRight })
  }

  async #take(origin: Origin, draft: Draft, options: TakeOptions): Promise<Offered> {
    const { now, dedupeMs, pin, isChannel, limited } = this.#options
    const { signal, traced } = options
    traced?.stage('normalise') // 3 normalise
    const normalised = normalise(draft, {
      channel: origin,
      identity: options.identity,
      now: now(),
      dedupeMs,
      isChannel,
      priority: grantedTo(signal) ?? origin.priority,
      fingerprint: options.fingerprint,
      traceparent: traced?.traceparent,
    })
    await limited(callingOf(normalised, origin, options.identity))
    if (draft.kind !== 'request') return this.#store(origin, normalised, options)
    const answered = await this.#requests.answer(normalised, { ...options, pinned: pin() })
    if (answered.status === 'answered') return { home: normalised.home, accepted: answered.accepted }
    // A recorded request goes the way of a message; its caller waits for it, or is acknowledged as of one.
    const { lane, waitMs, isWrite } = answered
    const given = isWrite
      ? { ...normalised, dedupe: normalised.dedupe ?? writeClaim(normalised, dedupeMs) }
      : normalised
    if (options.acknowledges === true) return this.#store(origin, given, { ...options, lane })
    const stored = await this.#store(origin, given, { ...options, waitMs, lane, isWrite })
    return isWrite ? { ...stored, isWrite } : { ...stored, mustAnswer: true }
  }

  /** Where a message that is stored again stands in line. */
  async laneOf(message: Message, home: string): Promise<string> {
    if (message.kind !== 'request') return message.conversation
    using pinned = this.#options.pin()
    return this.#requests.laneOf(message, home, pinned)
  }

  // 4 accept: one store transaction, durable when it resolves
  async #store(origin: Origin, normalised: Normalised, options: StoreOptions): Promise<Taken> {
    const { message, home } = normalised
    const { waitMs: ms, signal, isWrite: toEnd } = options
    options.traced?.stage('accept')
    const waiter = ms === undefined ? undefined : this.waiters.register(message.id, { ms, signal, toEnd })
    let result: AcceptResult
    try {
      result = await this.append(origin, normalised, options)
    } catch (error) {
      waiter?.cancel()
      throw error
    }
    if (result.status !== 'accepted') {
      waiter?.cancel()
      if (result.status === 'released') return this.#store(origin, underId(normalised, result.id), options)
      return this.#joining.notNew(normalised, result, options)
    }
    const { sequence } = result
    const accepted = { id: message.id, conversation: message.conversation, sequence, duplicate: false }
    return {
      home,
      accepted,
      isBegun: result.attempt !== undefined,
      ...(waiter !== undefined && this.#joining.awaited(message.id, waiter)),
    }
  }

  /** The store's transaction alone, and what it begins; the link (DESIGN §12) needs what the store said of a device's number. */
  async append(
    origin: Origin,
    draft: Normalised,
    options: Pick<StoreOptions, 'waitMs' | 'lane' | 'device'>,
  ): Promise<AcceptResult> {
    const normalised = await ranked(draft, this.#options.pin)
    const { message, raw, home, dedupe } = normalised
    const { lane, waitMs, device } = options
    using hold = this.lanes.hold(home)
    const fence = hold?.fence
    let result: AcceptResult
    try {
      result = await this.#options.store.accept({
        home,
        conversation: message.conversation,
        message,
        ...(raw !== undefined && { raw }),
        ...(dedupe !== undefined && { dedupe }),
        ...(device !== undefined && { device }),
        work: {
          lane: lane ?? message.conversation,
          priority: PRIORITIES[message.priority ?? 'normal'],
          limit: origin.pushes ? this.#options.laneLimit.platform : this.#options.laneLimit.refusable,
        },
        ...(waitMs !== undefined && { waitMs }),
        inbox: message.kind === 'message',
        ...(fence !== undefined && { fence }),
      })
    } catch (error) {
      if (isInDoubt(error)) this.#reconcile.doubt('message', message.id, home)
      throw error
    }
    if (result.status !== 'accepted') return result
    const { sequence, attempt, ownerEpoch } = result
    // SEMANTICS 20: who stood still begins nothing that may be begun elsewhere by now.
    if (attempt !== undefined && hold?.isLive === false) this.#reconcile.doubt('message', message.id, home)
    else if (attempt !== undefined && fence !== undefined)
      this.lanes.begin(firstStep(normalised, { sequence, attempt, ownerEpoch, lane }), fence)
    else if (fence === undefined) this.lanes.poke(home)
    // 5 acknowledge: the adapter may, from here on
    return result
  }

  // 6 route, 7 deliver, 8 settle
  async #run(work: Work, fence: Fence): Promise<void> {
    const begun = performance.now()
    const { log, telemetry, now, pin } = this.#options
    const startedAt = moment(now())
    const traced = traceAttempt(work)
    try {
      using pinned = pin()
      const verdict = await this.#deliver(work, pinned, traced)
      const durationMs = performance.now() - begun
      traced?.stage('settle')
      const step = { fence, startedAt, durationMs, channel: pinned.components.channel(work.message.channel) }
      const ended = await this.#handOvers.settled(work, verdict, (last) => this.#settle(work, last, step))
      // 9 return: to who waits; a push is owed already, a puller finds it in the log
      const isPromised = ended?.outcome === 'taken' && verdict.promised !== undefined
      if (ended !== undefined && work.kind !== 'push' && !isPromised)
        this.waiters.resolve(work.message.id, ended)
      // 10 record: exactly one outcome
      record(work, verdict, { log, telemetry, ended, durationMs })
      traced?.end({ ...verdict, outcome: ended?.outcome ?? 'retry' })
    } catch (error) {
      traced?.end({ failure: error })
      log.error('a step of work failed inside the gateway', { id: work.id, error })
      const durationMs = performance.now() - begun
      await this.#giveUp(work, { fence, startedAt, durationMs, channel: undefined })
    }
  }

  async #deliver(work: Work, { router, components }: InForce, traced?: Traced): Promise<Verdict> {
    const { callback, holdMs, attempts } = this.#options
    const { message } = work
    if (work.kind === 'push' || message.direction === 'outbound') return this.#push(work, components)
    const now = this.#options.now()
    const conversation = (offer?: Offer): Conversation => ({
      id: message.conversation,
      customer: message.sender,
      // Signed only when an agent reads it; structuredClone reads it too.
      get callback() {
        return offer === undefined ? undefined : callback(message, offer)
      },
    })
    const context = { router, components, conversation, now, holdMs, attempts, traced, ...this.#around }
    switch (work.kind) {
      case 'message':
        return deliver(work, context)
      case 'timer':
        return missedCallback(work, context, this.#options.store)
      case 'claim':
        return this.#requests.recover(work, { router, components })
    }
  }

  /** One transaction. Undefined: nothing ended (tried again later, or another owner has it). */
  async #settle(work: Work, verdict: Verdict, step: StepContext): Promise<Ended | undefined> {
    const { store, log, now } = this.#options
    const how = { verdict, step: { ...step, now: now() }, log, stopped: this.#stopped.signal }
    const { settle, result, told } = await settleStep(store, work, how)
    const { outcome, reply } = settle
    if (told !== undefined) this.#tell(work, told)
    if (work.kind === 'push') this.absent.settled(work, verdict.isAbsent === true && result !== undefined)
    if (result === undefined || result.status === 'fenced') return undefined
    if (result.status === 'gone') return endOfLost(settle, { log, id: work.id })
    const owes = settle.pushes.length > 0 || settle.timer !== undefined || outcome === 'retry'
    if (owes || result.status !== 'settled' || result.waiting > 0) this.lanes.poke(work.home)
    if (outcome === 'retry') return undefined
    if (result.status === 'already')
      return { outcome: result.outcome, reply: result.reply, failure: result.failure }
    if (result.status !== 'notOwner') return { outcome, reply, failure: settle.failure }
    log.info('the conversation has changed hands: the answer is a note, and asked for anew', { id: work.id })
    return undefined
  }

  /** What cannot be settled as it should be must not hold its lane: it goes to the dead letters as it came. */
  async #giveUp(work: Work, step: StepContext): Promise<void> {
    try {
      const failure = new GatewayError('INTERNAL', 'the gateway made a mistake; its log has the details')
      const verdict: Verdict = { outcome: 'failed', target: 'gateway', failure, dead: true }
      const ended = await this.#settle(work, verdict, step)
      if (ended !== undefined && work.kind !== 'push') this.waiters.resolve(work.message.id, ended)
    } catch (error) {
      this.#options.log.error('a step of work cannot be ended; it holds its lane until the next start', {
        id: work.id,
        error,
      })
    }
  }

  /** It has not ended: a write is queued, or stops its queue until an operator decides (SEMANTICS 3, 19). */
  #tell({ message }: Work, told: Ended): void {
    if (told.outcome !== 'taken') this.#options.telemetry.write('halted', message.channel)
    this.waiters.resolve(message.id, told)
  }

  /**
   * Stops taking work, waits for what runs, at most `deadlineMs`, then lets go who waits. Resolves how many steps the next life finds.
   * Called again when no caller is left, it waits for what the last ones began.
   */
  async stop(deadlineMs: number): Promise<number> {
    const { promise: over, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, deadlineMs)
    const [left] = await Promise.all([
      this.lanes.stop(deadlineMs),
      Promise.race([this.#requests.ended(), over]),
    ])
    clearTimeout(timer)
    this.#stopped.abort()
    this.waiters.release()
    return left
  }
}

interface TakeOptions extends AcceptOptions {
  readonly traced?: Traced
}

interface StoreOptions extends TakeOptions {
  readonly lane?: string | undefined
  readonly device?: Accept['device']
  readonly isWrite?: boolean
}

interface StepContext {
  readonly fence: Fence
  readonly channel: ChannelInUse | undefined
  readonly startedAt: string
  readonly durationMs: number
}
