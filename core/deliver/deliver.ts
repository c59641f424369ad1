// Stage 7: what is done with one lane step, as a verdict for the settle. Never rejects: a failure is a verdict too.
import { GatewayError } from '../api.ts'
import type { Conversation, Handoff, Reply } from '../api.ts'
import { answered, handsOff, nobodyLeft, notify, toAgent } from './agents.ts'
import { askedBy, missing } from './asked.ts'
import type { Asked } from './asked.ts'
import { callAgent, callBackend } from '../calls/calls.ts'
import type { AgentInUse, Components } from '../calls/calls.ts'
import { notAgain, outcomeError, unknown, wasCutOff } from './cut-off.ts'
import type { Effects } from './effects.ts'
import { TELLING } from '../guard/deadline.ts'
import { classify, pauseAskedBy } from '../guard/verdict.ts'
import type { HandOver, Owner } from './hand-over.ts'
import { timeOf } from '../ids.ts'
import type { Route, Router } from '../router.ts'
import { provesNothingDone, termOf } from './settling.ts'
import type { Offer } from './settling.ts'
import type { Attempt, ConversationPatch, Outcome, Work } from '../store/store.ts'
import { isLost } from './suspects.ts'
import type { Traced } from '../tracing.ts'
import type { Ended } from '../return/waiters.ts'
import { failedWrite, HALTS, isQueuedWrite, poisonedWrite } from '../calls/writes.ts'
import type { WriteQueue } from '../calls/writes.ts'

export interface Verdict {
  readonly outcome: Outcome | 'retry'
  /** Who had it: `agent helper`, `backend orders.GetOrder`. */
  readonly target: string
  readonly reply?: Reply
  /** The sender of the reply in the log. */
  readonly by?: string
  readonly failure?: GatewayError
  /** Whom the attempt asked before that one, in vain. */
  readonly before?: Before
  /** To the dead letters, in the same step. */
  readonly dead?: boolean
  readonly delayMs?: number
  readonly patch?: ConversationPatch
  /** The conversation passes to a fallback. */
  readonly handOver?: HandOver
  /** The one the reply counts under, where it is not the one the work was begun under. */
  readonly ownerEpoch?: number
  /** An answer is promised: under which term (`termOf`), and after which time it is missing. */
  readonly promised?: { readonly term: string; readonly withinMs: number }
  /** Nobody was asked: it is no attempt and leaves no trace. */
  readonly idle?: boolean
  /** What was answered is a call's that is not made twice, and what becomes of its queue where that answer is lost. */
  readonly once?: { readonly queue: WriteQueue | undefined }
  /** A push whose receiver is not there. */
  readonly isAbsent?: true
  /** What those who wait for it learn although it has not ended: it is queued, or waits for an operator. */
  readonly told?: Ended
}

/** The agent of a route, behind whom its fallback was asked in the same attempt. */
export interface Before {
  readonly target: string
  readonly failure: GatewayError
  readonly durationMs: number
}

export interface DeliverContext {
  readonly router: Router
  readonly components: Components
  /** What an agent is told of the conversation, with a callback as it is offered; without an offer, no callback. */
  readonly conversation: (offer?: Offer) => Conversation
  readonly ownerOf: (work: Work) => Promise<Owner>
  readonly now: number
  readonly attempts: number
  readonly holdMs: number
  /** What an event does for its customer (DESIGN §8 Events). */
  readonly effects: Effects
  /** Whether somebody waits for the outcome, here or on another instance. */
  readonly isAwaited: (work: Work) => boolean
  /** Other instances take messages in, by a config that this one may not have read yet. */
  readonly isShared: () => boolean
  readonly traced?: Traced | undefined
}

const EXPIRED: Verdict = { outcome: 'expired', target: 'nobody' }
const RETRY_FIRST_MS = 500
const RETRY_LONGEST_MS = 15_000
/** A new config reaches one instance after the other. */
const NEW_MS = 1000

/** Routes and delivers one step. */
export async function deliver(work: Work, context: DeliverContext): Promise<Verdict> {
  const { message } = work
  const isCutOff = wasCutOff(work)
  const hasExpired = isExpired(message.expiresAt, context.now)
  // SEMANTICS 26: what had begun before may have been done, and is looked into first.
  if (hasExpired && !isCutOff) return EXPIRED
  // Its answer came too late, and is a note: who has the conversation now may have read it.
  if (wasKept(work.attempts.at(-1)) && isOutOfHands(work))
    return { outcome: 'taken', target: `agent ${work.agent}` }
  const step = new Step(work, context)
  let target = 'route'
  let queue = isQueuedWrite(work) ? HALTS : undefined
  // SEMANTICS 16: without a route nobody knows whether it was a call that is not made twice.
  if (work.isUnroutable === true) return notAgain('the call', { cause: notLivedThrough(work), queue })
  let route: Route
  let asked: Asked | undefined
  try {
    context.traced?.stage('route')
    const found = await context.router.route(message)
    context.traced?.stage('deliver')
    if (found === undefined) {
      if (mayBeNew(work, context)) return { outcome: 'retry', target, delayMs: NEW_MS, idle: true }
      throw new GatewayError('NO_ROUTE', `no route takes this ${message.kind} of type "${message.type}"`)
    }
    route = found
    target = describe(route)
    asked = await askedBy(route, work, context.components)
  } catch (error) {
    return failedStep(step, target, { failure: GatewayError.from(error), queue, isCutOff })
  }
  if (asked !== undefined) {
    target = asked.target
    queue = asked.queue
  }
  // SEMANTICS 32: it may have been done, whatever becomes of it now.
  if (isCutOff) await asked?.operation.invalidate?.()
  // SEMANTICS 2: a begun unsafe call whose end nobody saw is never made again, whoever would get it now.
  const isUnsafe = asked === undefined ? queue !== undefined : !asked.repeatable
  if (isCutOff && isUnsafe) return notAgain(target, { queue })
  if (hasExpired) return EXPIRED
  if (work.poison) return poisoned(work, target, queue)
  try {
    if (asked !== undefined) return await toBackend(step, route, asked)
    if (route.target.kind === 'agent') return await toAgent(step, route)
    return await notify(step, route)
  } catch (error) {
    return failedStep(step, target, { failure: GatewayError.from(error), queue })
  }
}

/** Its channel is not known here: another instance may have taken it in, by a config that comes here in a moment. */
function mayBeNew(
  { message, heldMs }: Work,
  { isShared, components, holdMs }: Pick<DeliverContext, 'isShared' | 'components' | 'holdMs'>,
): boolean {
  return components.channel(message.channel) === undefined && isShared() && heldMs + NEW_MS < holdMs
}

/**
 * Tried again, or given up. `isCutOff`: nobody could be asked, and whom it was with is said by its route alone; without one it may have been
 * a call that is not made twice (SEMANTICS 2). A queued write stops its key, or is refused to who waits for it (SEMANTICS 19).
 */
function failedStep(
  step: Step,
  target: string,
  why: {
    readonly failure: GatewayError
    readonly queue: WriteQueue | undefined
    readonly isCutOff?: boolean
  },
): Verdict {
  const { failure, queue, isCutOff } = why
  const verdict = step.failed(target, failure)
  if (verdict.outcome === 'retry') return verdict
  if (isCutOff === true) return notAgain(target === 'route' ? 'the call' : target, { cause: failure, queue })
  if (queue === undefined) return verdict
  return step.context.isAwaited(step.work)
    ? { outcome: 'failed', target, failure }
    : poisonedWrite({ queue, target, failure }, 'failed')
}

export function isExpired(expiresAt: string | undefined, now: number): boolean {
  return expiresAt !== undefined && timeOf(expiresAt) <= now
}

/** An attempt whose answer is a note (SEMANTICS 7): it has not failed, and is made again. */
function wasKept(attempt: Attempt | undefined): boolean {
  return attempt !== undefined && attempt.failure === undefined
}

/**
 * The conversation has passed to a person, in whose place no bot is asked again. A person has it under a name that no agent of any config can have: an
 * agent that this config has no more is gone, and what was his is routed anew (SEMANTICS 21).
 */
export function isOutOfHands({ agent }: Work): boolean {
  return agent !== undefined && !AGENT_NAME.test(agent)
}
/** As the config has it (config/values.ts). */
const AGENT_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]{0,62}$/u

/** Full jitter (each caller a random moment below a doubling bound), or what was advised. */
export function retryDelay(attempt: number, advisedMs?: number): number {
  if (advisedMs !== undefined) return Math.min(advisedMs, RETRY_LONGEST_MS)
  return Math.ceil(Math.random() * Math.min(RETRY_FIRST_MS * 2 ** attempt, RETRY_LONGEST_MS))
}

/** Since the first try, below `heldMs`. Before, while its channel was not here, nobody was asked. */
export function triedForMs({ heldMs, attempts }: Work, now: number): number {
  const first = attempts[0]?.startedAt
  return first === undefined ? 0 : Math.min(heldMs, Math.max(0, now - Date.parse(first)))
}

/** What the other side will say again, however often it is asked: a 4xx, a fault about how we spoke. */
function isForGood(error: GatewayError): boolean {
  return (error.code === 'BACKEND_FAILED' || error.code === 'AGENT_FAILED') && classify(error) === 'permanent'
}

/** One attempt and its place in the time its head may hold the lane (SEMANTICS 19). */
export class Step {
  readonly work: Work
  readonly context: DeliverContext
  readonly #begun = performance.now()
  /** What is left of the hold below this is no time for such a call as the last one. */
  #leastMs = 0

  constructor(work: Work, context: DeliverContext) {
    this.work = work
    this.context = context
  }

  /** What a call may take of what is left. A head that is begun late gets its whole call. */
  ms(timeoutMs: number, share = 1): number {
    this.#leastMs = (timeoutMs * TELLING) / share
    const left = this.context.holdMs - this.#triedForMs
    if (left <= 0) return timeoutMs
    return Math.min(timeoutMs, left * share - this.#elapsedMs)
  }

  /** How long to wait before this failed attempt is made again; undefined: it was the last one. */
  againIn(error: GatewayError, hasFallback = false): number | undefined {
    const { work, context } = this
    // Where there was no place for the call nobody was asked: that is no attempt, unless somebody else could be.
    const counts = (code: string | undefined): boolean => hasFallback || code !== 'OVERLOADED'
    // An attempt that asked two ended as the second did.
    const made = [...new Map(work.attempts.map((one) => [one.attempt, one])).values()]
    // What the gateway did not live to see the end of has not failed (SEMANTICS 16 bounds it).
    const failed = made.filter((one) => !isLost(one) && !wasKept(one) && counts(one.failure?.code))
    const asked = failed.length + (counts(error.code) ? 1 : 0)
    if (!error.retry || isForGood(error) || work.poison || asked >= context.attempts) return undefined
    const pauseMs = pauseAskedBy(error)
    const delayMs = pauseMs ?? retryDelay(made.length + 1, error.retryAfterMs)
    // Who is asked as late as he wants shall have the time to answer.
    const neededMs = delayMs + (pauseMs === undefined ? 0 : this.#leastMs)
    return this.#triedForMs + this.#elapsedMs + neededMs < context.holdMs ? delayMs : undefined
  }

  /** What became of the one who was asked first, by now. */
  before(target: string, failure: GatewayError): Before {
    return { target, failure, durationMs: this.#elapsedMs }
  }

  failed(target: string, failure: GatewayError): Verdict {
    const delayMs = this.againIn(failure)
    if (delayMs === undefined) return { outcome: 'failed', target, failure, dead: true }
    return { outcome: 'retry', target, failure, delayMs }
  }

  /** Asks an agent. `term`: what its later answer will count under; without it none is taken. */
  ask(
    agent: AgentInUse,
    { ms, term }: { readonly ms: number; readonly term?: string },
  ): Promise<Reply | Handoff | undefined> {
    const { work, context } = this
    const conversation = context.conversation(term === undefined ? undefined : { term, agent: agent.id })
    return callAgent(agent, { message: work.message, conversation, ms, waits: true })
  }

  agent(id: string): AgentInUse {
    const agent = this.context.components.agent(id)
    if (agent === undefined) throw missing('agent', id)
    return agent
  }

  /**
   * Hands the conversation to the fallback: what was begun under the owner before no longer counts (SEMANTICS 7). A fallback that has it
   * already may still answer what it was asked before (callbacks.ts); whoever else was asked in between may not. `isMissed`: a promise was not kept,
   * which is a hand-off only where somebody else has the conversation.
   */
  async fallBack(
    fallback: string,
    { timeoutMs, isMissed = false }: { readonly timeoutMs: number | undefined; readonly isMissed?: boolean },
  ): Promise<Verdict> {
    try {
      const agent = this.agent(fallback)
      const from = await this.context.ownerOf(this.work)
      const raises = !isMissed || from.agent !== fallback
      const term = termOf(from.ownerEpoch + (raises ? 1 : 0), true)
      const answer = await this.ask(agent, { ms: this.ms(timeoutMs ?? agent.timeoutMs), term })
      if (answer !== undefined && 'handoff' in answer)
        return nobodyLeft(`agent ${fallback}`, handsOff(answer))
      return { ...answered(agent, answer, term), handOver: { to: fallback, from, raises } }
    } catch (error) {
      return this.failed(`agent ${fallback}`, GatewayError.from(error))
    }
  }

  get #triedForMs(): number {
    return triedForMs(this.work, this.context.now)
  }

  get #elapsedMs(): number {
    return performance.now() - this.#begun
  }
}

async function toBackend(step: Step, route: Route, asked: Asked): Promise<Verdict> {
  const { work, context } = step
  const { message } = work
  const { target, backend, name, operation, repeatable, queue } = asked
  const params = await route.params(message)
  const timeoutMs = Math.min(route.timeoutMs ?? Infinity, operation.timeoutMs)
  try {
    const reply = await callBackend(backend, operation, {
      operation: name,
      params,
      message,
      key: message.id,
      attempt: work.attempt,
      caller: work.home,
      retries: false,
      ms: queue === undefined ? step.ms(timeoutMs) : timeoutMs,
    })
    return { outcome: 'answered', target, reply, by: backend.id, ...(!repeatable && { once: { queue } }) }
  } catch (error) {
    const failure = GatewayError.from(error)
    if (queue !== undefined) {
      const mayPass = failure.retry && !isForGood(failure)
      const pauseMs = retryDelay(work.attempts.length + 1)
      // It waits for as long as it takes, but a system that says "in a week" shall not stop it for a week.
      const askedMs = Math.min(pauseAskedBy(failure) ?? 0, context.holdMs)
      const isAwaited = context.isAwaited(work)
      const write = { work, queue, target, repeatable, isAwaited, mayPass, pauseMs, askedMs }
      const isUnknown = !repeatable && !provesNothingDone(failure)
      return failedWrite({ ...write, failure: isUnknown ? outcomeError(target, failure) : failure })
    }
    return repeatable || provesNothingDone(failure) ? step.failed(target, failure) : unknown(target, failure)
  }
}

// SEMANTICS 16: begun too often without an end; what it does to us it would do again.
export function poisoned(work: Work, target: string, queue?: WriteQueue): Verdict {
  const failure = notLivedThrough(work)
  if (queue !== undefined) return poisonedWrite({ queue, target, failure }, 'failed')
  return { outcome: 'failed', target, failure, dead: true }
}

function notLivedThrough({ attempt }: Work): GatewayError {
  return new GatewayError(
    'AGENT_FAILED',
    `begun ${attempt - 1} times, and the gateway did not live to its end`,
  )
}

function describe(route: Route): string {
  switch (route.target.kind) {
    case 'backend':
      return `backend ${route.target.backend}`
    case 'agent':
    case 'notify':
      return `agent ${route.target.agent}`
    case 'reply':
      return 'nobody'
  }
}
