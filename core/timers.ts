// The answer a bot promised (202) and did not give in time: the fallback gets the conversation (SEMANTICS 7, 17).
import { GatewayError } from './api.ts'
import { callAgent } from './calls.ts'
import type { DeliverContext, Verdict } from './deliver.ts'
import type { Work } from './store/store.ts'

/** The store's name for a promised answer. The callback and its deadline settle the same row; the first one wins. */
export function timerId(messageId: string): string {
  return `callback:${messageId}`
}

/** Never rejects. */
export async function missedCallback(work: Work, context: DeliverContext): Promise<Verdict> {
  const target = work.target ?? 'agent'
  const late: Verdict = { outcome: 'expired', target }
  try {
    const route = await context.router.route(work.message)
    if (route?.target.kind !== 'agent' || route.target.fallback === undefined) return late
    const fallback = context.components.agent(route.target.fallback)
    if (fallback === undefined || `agent ${fallback.id}` === target) return late
    const { message } = work
    const { conversation } = context
    const answer = await callAgent(fallback, {
      message,
      conversation,
      ms: route.timeoutMs ?? fallback.timeoutMs,
    })
    const patch = { agent: fallback.id, raiseEpoch: true }
    if (answer !== undefined && 'handoff' in answer) return late
    if (answer === undefined) return { outcome: 'taken', target: `agent ${fallback.id}`, patch }
    return { outcome: 'answered', target: `agent ${fallback.id}`, reply: answer, by: fallback.id, patch }
  } catch (error) {
    return { outcome: 'failed', target, failure: GatewayError.from(error), dead: true }
  }
}
