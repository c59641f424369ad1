// The answer a bot promised (202) and did not give in time: the fallback gets the conversation (SEMANTICS 7, 17).
import { GatewayError } from './api.ts'
import { isExpired, isOutOfHands, nobodyLeft, poisoned, Step } from './deliver.ts'
import type { DeliverContext, Verdict } from './deliver.ts'
import { isHandedOff, promisedUnder } from './settling.ts'
import type { Work } from './store/store.ts'

/** Never rejects. */
export async function missedCallback(work: Work, context: DeliverContext): Promise<Verdict> {
  // SEMANTICS 26: to ask the fallback is another attempt.
  if (isExpired(work.message.expiresAt, context.now)) return { outcome: 'expired', target: 'nobody' }
  const target = work.target ?? 'agent'
  const step = new Step(work, context)
  try {
    if (work.poison) return poisoned(work, target)
    if (promisedUnder(work.id) !== work.ownerEpoch && isOutOfHands(work)) return neverCame(target)
    const route = await context.router.route(work.message)
    const fallback = route?.target.kind === 'agent' ? route.target.fallback : undefined
    const isAnybodyLeft = fallback !== undefined && `agent ${fallback}` !== target
    const isMissed = !isHandedOff(work.id)
    if (isAnybodyLeft) return await step.fallBack(fallback, { timeoutMs: route?.timeoutMs, isMissed })
    return nobodyLeft(target, isMissed ? NEVER_CAME : 'hands off')
  } catch (error) {
    return step.failed(target, GatewayError.from(error))
  }
}

const NEVER_CAME = 'promised an answer that did not come in time'

/** The message was taken and stays so: a person has the conversation. */
function neverCame(target: string): Verdict {
  const failure = new GatewayError('AGENT_FAILED', `${target} ${NEVER_CAME}`)
  return { outcome: 'taken', target, failure }
}
