// Stage 7: what is done with one lane step, as a verdict for the settle. Never rejects: a failure is a verdict too.
import { GatewayError } from './api.ts'
import type { Conversation, Reply } from './api.ts'
import { callAgent, callBackend } from './calls.ts'
import type { AgentInUse, Components } from './calls.ts'
import type { Route, Router } from './router.ts'
import { outcomeUnknown } from './settling.ts'
import type { ConversationPatch, Outcome, Work } from './store/store.ts'

export interface Verdict {
  readonly outcome: Outcome | 'retry'
  /** Who had it: `agent helper`, `backend orders.GetOrder`. */
  readonly target: string
  readonly reply?: Reply
  /** The sender of the reply in the log. */
  readonly by?: string
  readonly failure?: GatewayError
  /** To the dead letters, in the same step. */
  readonly dead?: boolean
  readonly delayMs?: number
  readonly patch?: ConversationPatch
  /** An answer is promised; after this time it is missing. */
  readonly callbackWithinMs?: number
}

export interface DeliverContext {
  readonly router: Router
  readonly components: Components
  readonly conversation: Conversation
  readonly now: number
  readonly attempts: number
  readonly holdMs: number
  /** The effects of an event besides its agent's notice (DESIGN §8 Events). */
  readonly effects: (work: Work, route: Route) => Promise<void>
}

const RETRY_FIRST_MS = 500
const RETRY_LONGEST_MS = 15_000

/** Routes and delivers one step. */
export async function deliver(work: Work, context: DeliverContext): Promise<Verdict> {
  const { message } = work
  if (isExpired(message.expiresAt, context.now)) return { outcome: 'expired', target: 'nobody' }
  let target = 'route'
  try {
    const route = await context.router.route(message)
    if (route === undefined)
      throw new GatewayError('NO_ROUTE', `no route takes this ${message.kind} of type "${message.type}"`)
    target = describe(route)
    if (work.poison) return poisoned(work, target)
    if (route.target.kind === 'backend') return await toBackend(work, route, context)
    if (route.target.kind === 'agent') return await toAgent(work, route, context)
    return await notify(work, route, context)
  } catch (error) {
    return failed(work, context, { target, error: GatewayError.from(error) })
  }
}

export function isExpired(expiresAt: string | undefined, now: number): boolean {
  return expiresAt !== undefined && Date.parse(expiresAt) <= now
}

/** Full jitter (each caller a random moment below a doubling bound), or what the other side asked for. */
export function retryDelay(attempt: number, askedMs?: number): number {
  if (askedMs !== undefined) return Math.min(askedMs, RETRY_LONGEST_MS)
  return Math.ceil(Math.random() * Math.min(RETRY_FIRST_MS * 2 ** attempt, RETRY_LONGEST_MS))
}

/** Calls an agent; a breakage or a hand-off goes to the fallback, which then has the conversation. */
async function toAgent(work: Work, route: Route, context: DeliverContext): Promise<Verdict> {
  if (route.target.kind !== 'agent') throw new GatewayError('INTERNAL', 'not a route to an agent')
  const { agent, fallback } = route.target
  const first = requireAgent(context, agent)
  try {
    const answer = await callAgent(first, {
      ...agentCall(work, context),
      ms: route.timeoutMs ?? first.timeoutMs,
    })
    if (answer === undefined || !('handoff' in answer)) return answered(first, answer)
    if (fallback === undefined)
      throw new GatewayError(
        'AGENT_FAILED',
        `agent "${agent}" hands off ("${answer.handoff}"), but the route has no fallback`,
      )
  } catch (error) {
    if (fallback === undefined) throw error
  }
  const second = requireAgent(context, fallback)
  const answer = await callAgent(second, {
    ...agentCall(work, context),
    ms: route.timeoutMs ?? second.timeoutMs,
  })
  if (answer !== undefined && 'handoff' in answer)
    throw new GatewayError(
      'AGENT_FAILED',
      `agent "${fallback}" hands off ("${answer.handoff}"), but nobody is left`,
    )
  return { ...answered(second, answer), patch: { agent: fallback, raiseEpoch: true } }
}

function answered(agent: AgentInUse, reply: Reply | undefined): Verdict {
  const target = `agent ${agent.id}`
  if (reply === undefined) return { outcome: 'taken', target, callbackWithinMs: agent.callbackWithinMs }
  return { outcome: 'answered', target, reply, by: agent.id }
}

async function toBackend(work: Work, route: Route, context: DeliverContext): Promise<Verdict> {
  if (route.target.kind !== 'backend') throw new GatewayError('INTERNAL', 'not a route to a backend')
  const { message } = work
  const backend = context.components.backend(route.target.backend)
  if (backend === undefined) throw missing('backend', route.target.backend)
  const name = await route.operation(message)
  const operation = backend.operation(name)
  if (operation === undefined)
    throw new GatewayError('NO_ROUTE', `backend "${backend.id}" has no operation "${name}"`)
  const target = `backend ${backend.id}.${name}`
  const repeatable = operation.safe || operation.idempotent === true
  // SEMANTICS 2: a begun unsafe call whose end nobody saw is never made again.
  if (work.orphan && !repeatable) return unknown(target)
  try {
    const reply = await callBackend(backend, operation, {
      operation: name,
      params: await route.params(message),
      message,
      key: message.id,
      attempt: work.attempt,
      ms: Math.min(route.timeoutMs ?? Infinity, operation.timeoutMs),
    })
    return { outcome: 'answered', target, reply, by: backend.id }
  } catch (error) {
    const failure = GatewayError.from(error)
    const executed = failure.side === 'backend' && !failure.notExecuted
    if (executed && !repeatable) return unknown(target, failure)
    return failed(work, context, { target, error: failure })
  }
}

async function notify(work: Work, route: Route, context: DeliverContext): Promise<Verdict> {
  let target = 'nobody'
  if (route.target.kind === 'notify') {
    const agent = requireAgent(context, route.target.agent)
    target = `agent ${agent.id}`
    await callAgent(agent, { ...agentCall(work, context), ms: route.timeoutMs ?? agent.timeoutMs })
  }
  await context.effects(work, route)
  return { outcome: 'taken', target }
}

function failed(
  work: Work,
  context: DeliverContext,
  { target, error }: { readonly target: string; readonly error: GatewayError },
): Verdict {
  const delayMs = retryDelay(work.attempt, error.retryAfterMs)
  const again =
    error.retry &&
    work.attempts.length + 1 < context.attempts &&
    work.heldMs + delayMs < context.holdMs &&
    !work.poison
  if (again) return { outcome: 'retry', target, failure: error, delayMs }
  return { outcome: 'failed', target, failure: error, dead: true }
}

// SEMANTICS 16: begun too often without an end; what it does to us it would do again.
function poisoned(work: Work, target: string): Verdict {
  const failure = new GatewayError(
    'AGENT_FAILED',
    `begun ${work.attempt - 1} times, and the gateway did not live to its end`,
  )
  return { outcome: 'failed', target, failure, dead: true }
}

function unknown(target: string, cause?: GatewayError): Verdict {
  const failure = new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(target), { cause })
  return { outcome: 'unknown', target, failure, dead: true }
}

function agentCall({ message }: Work, { conversation }: DeliverContext) {
  return { message, conversation }
}

function requireAgent(context: DeliverContext, id: string): AgentInUse {
  const agent = context.components.agent(id)
  if (agent === undefined) throw missing('agent', id)
  return agent
}

function missing(role: 'agent' | 'backend', id: string): GatewayError {
  return new GatewayError('NO_ROUTE', `${role} "${id}" is not running in this generation`)
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
