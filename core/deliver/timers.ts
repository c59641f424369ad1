// The answer a bot promised (202) and did not give in time: the fallback gets the conversation (SEMANTICS 7, 17).
import { GatewayError } from '../api.ts'
import { nobodyLeft } from './agents.ts'
import { isExpired, isOutOfHands, poisoned, Step } from './deliver.ts'
import type { DeliverContext, Verdict } from './deliver.ts'
import { isHandedOff, promisedUnder, promiseGivenBack } from './settling.ts'
import type { Store, Work } from '../store/store.ts'

/** Never rejects. */
export async function missedCallback(
  work: Work,
  context: DeliverContext,
  store: Pick<Store, 'find'>,
): Promise<Verdict> {
  const target = work.target ?? 'agent'
  const isWithPerson = promisedUnder(work.id) !== work.ownerEpoch && isOutOfHands(work)
  // SEMANTICS 26: to ask the fallback is another attempt.
  if (!isWithPerson && isExpired(work.message.expiresAt, context.now))
    return { outcome: 'expired', target, failure: new GatewayError('EXPIRED', EXPIRED) }
  const step = new Step(work, context)
  try {
    if (work.poison) return poisoned(work, target)
    if (isWithPerson) return neverCame(target)
    const route = await context.router.route(work.message)
    const fallback = route?.target.kind === 'agent' ? route.target.fallback : undefined
    const isAnybodyLeft = fallback !== undefined && `agent ${fallback}` !== target
    const isMissed = !isHandedOff(work.id)
    if (isAnybodyLeft) return await step.fallBack(fallback, { timeoutMs: route?.timeoutMs, isMissed })
    return nobodyLeft(target, isMissed ? NEVER_CAME : await handsOff(work, store))
  } catch (error) {
    return step.failed(target, GatewayError.from(error))
  }
}

const EXPIRED = 'the answer that was promised did not come before the message expired'
const NEVER_CAME = 'promised an answer that did not come in time'

/** With the reason, which the callback left with the promise that it ended; it is only told, so a store that cannot say it holds nothing up. */
async function handsOff({ id, message }: Work, store: Pick<Store, 'find'>): Promise<string> {
  const rows = await store.find({ by: 'id', id: message.id }).catch(() => [])
  for (const row of rows)
    if (row.row === 'settled' && row.id === promiseGivenBack(id))
      return row.attempts.at(-1)?.failure?.message ?? HANDS_OFF
  return HANDS_OFF
}
const HANDS_OFF = 'hands off'

/** The message was taken and stays so: a person has the conversation. */
function neverCame(target: string): Verdict {
  const failure = new GatewayError('AGENT_FAILED', `${target} ${NEVER_CAME}`)
  return { outcome: 'taken', target, failure }
}
