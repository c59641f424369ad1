// Asking agents: the one that a route names, and behind him its fallback, in the same attempt.
import { GatewayError } from '../api.ts'
import type { Handoff, Reply } from '../api.ts'
import type { AgentInUse } from '../calls/calls.ts'
import type { Step, Verdict } from './deliver.ts'
import type { Route } from '../router.ts'
import { termOf } from './settling.ts'

/** An agent that fails is asked again; after its last attempt, or where it hands off, the fallback gets the conversation. */
export async function toAgent(step: Step, route: Route): Promise<Verdict> {
  if (route.target.kind !== 'agent') throw new GatewayError('INTERNAL', 'not a route to an agent')
  const { agent, fallback } = route.target
  const target = `agent ${agent}`
  const term = termOf(step.work.ownerEpoch)
  let failure: GatewayError
  try {
    const first = step.agent(agent)
    const ms = step.ms(route.timeoutMs ?? first.timeoutMs, fallback === undefined ? 1 : 0.5)
    const answer = await step.ask(first, { ms, term })
    if (answer === undefined || !('handoff' in answer)) return answered(first, answer, term)
    if (fallback === undefined) return nobodyLeft(target, handsOff(answer))
    failure = handingOff(answer)
  } catch (error) {
    if (fallback === undefined) throw error
    failure = GatewayError.from(error)
    // An open breaker says that asking again is of no use for a while: a customer need not wait for that.
    const delayMs = failure.code === 'BREAKER_OPEN' ? undefined : step.againIn(failure, true)
    if (delayMs !== undefined) return { outcome: 'retry', target, failure, delayMs }
  }
  const before = step.before(target, failure)
  return { ...(await step.fallBack(fallback, { timeoutMs: route.timeoutMs })), before }
}

export function answered(agent: AgentInUse, reply: Reply | undefined, term: string): Verdict {
  const target = `agent ${agent.id}`
  if (reply !== undefined) return { outcome: 'answered', target, reply, by: agent.id }
  return { outcome: 'taken', target, promised: { term, withinMs: agent.callbackWithinMs } }
}

export function handsOff({ handoff }: Handoff): string {
  return `hands off ("${handoff}")`
}

function handingOff(answer: Handoff): GatewayError {
  return new GatewayError('AGENT_FAILED', handsOff(answer))
}

/** `why`: what became of the last one who was asked. */
export function nobodyLeft(target: string, why: string): Verdict {
  const failure = new GatewayError('AGENT_FAILED', `${target} ${why}, but nobody is left`, {
    cause: new GatewayError('AGENT_FAILED', 'give the route a fallback'),
  })
  return { outcome: 'failed', target, failure, dead: true }
}

/** The customer is told first: whether somebody at the desk can be shown it is another matter. */
export async function notify(step: Step, route: Route): Promise<Verdict> {
  const { work, context } = step
  await context.effects(work, route, context.components)
  if (route.target.kind !== 'notify') return { outcome: 'taken', target: 'nobody' }
  const { agent, fallback } = route.target
  const { timeoutMs } = route
  const first = await tell(step, agent, { timeoutMs, isLast: fallback === undefined })
  if (first.outcome !== 'failed' || first.failure === undefined || fallback === undefined) return first
  const before = step.before(first.target, first.failure)
  return { ...(await tell(step, fallback, { timeoutMs, isLast: true })), before }
}

/** A notice is no question: what is answered to it is said to nobody, now or later. Never rejects. */
async function tell(
  step: Step,
  id: string,
  { timeoutMs, isLast }: { readonly timeoutMs: number | undefined; readonly isLast: boolean },
): Promise<Verdict> {
  const target = `agent ${id}`
  try {
    const agent = step.agent(id)
    const answer = await step.ask(agent, { ms: step.ms(timeoutMs ?? agent.timeoutMs) })
    if (answer === undefined || !('handoff' in answer)) return { outcome: 'taken', target }
    return isLast
      ? nobodyLeft(target, handsOff(answer))
      : { outcome: 'failed', target, failure: handingOff(answer) }
  } catch (error) {
    return step.failed(target, GatewayError.from(error))
  }
}
