// An answer that the store does not keep: too large for it, or of work that it lost meanwhile.
import { GatewayError } from '../api.ts'
import type { Log, Reply } from '../api.ts'
import type { Verdict } from './deliver.ts'
import { outcomeUnknown, settleDurably, settleOf } from './settling.ts'
import type { Settling, SettlingOptions } from './settling.ts'
import type { Settle, SettleResult, Store, Work } from '../store/store.ts'
import type { Ended } from '../return/waiters.ts'
import { poisonedWrite } from '../calls/writes.ts'

/**
 * Settles a step; where its answer is too large for the store, as one that failed. `told`: what those who wait learn although it has not
 * ended. Throws what the store refuses otherwise.
 */
export async function settleStep(
  store: Store,
  work: Work,
  { verdict, step, ...options }: SettlingOptions & { readonly verdict: Verdict; readonly step: Settling },
): Promise<{
  readonly settle: Settle
  readonly result: SettleResult | undefined
  readonly told: Ended | undefined
}> {
  const settle = settleOf(work, verdict, step)
  try {
    const result = await settleDurably(store, settle, options)
    const isUntrue = result?.status === 'gone' && verdict.told?.outcome === 'taken' // nothing is left to be made later
    return { settle, result, told: isUntrue ? undefined : verdict.told }
  } catch (error) {
    const failure = unkept(verdict.reply, error)
    if (failure === undefined) throw error
    options.log.error('an answer cannot be kept', { id: work.id, error: failure })
    return settleStep(store, work, { ...options, verdict: withoutReply(verdict, failure), step })
  }
}

/** Why this answer cannot be stored; undefined: it is not for its size that the store refused. */
export function unkept(reply: Reply | undefined, thrown: unknown): GatewayError | undefined {
  const refused = GatewayError.from(thrown)
  if (refused.code !== 'TOO_LARGE' || reply === undefined) return undefined
  const code = reply.origin === 'backend' ? 'BACKEND_FAILED' : 'AGENT_FAILED'
  return new GatewayError(code, `its answer cannot be kept: ${refused.message}`, { cause: refused })
}

/** Of a call that is not made twice, and whose answer is not there (SEMANTICS 2). */
export function unknownFor(what: string, cause: GatewayError): GatewayError {
  return new GatewayError('OUTCOME_UNKNOWN', `${outcomeUnknown(what)}: ${cause.message}`, { cause })
}

function withoutReply({ target, once, before }: Verdict, failure: GatewayError): Verdict {
  if (once === undefined)
    return { outcome: 'failed', target, failure, ...(before !== undefined && { before }), dead: true }
  const unknown = unknownFor(target, failure)
  return once.queue === undefined
    ? { outcome: 'unknown', target, failure: unknown, dead: true }
    : poisonedWrite({ queue: once.queue, target, failure: unknown }, 'unknown')
}

/** The store lost it while it was at work: who waits is told how it ended, for nobody will find it there. */
export function endOfLost({ outcome, reply, failure }: Settle, { log, id }: { log: Log; id: string }): Ended {
  log.error('the store lost what was at work: how it ended is told to who waits, and not stored', { id })
  return { outcome: outcome === 'retry' ? 'failed' : outcome, reply, failure }
}
