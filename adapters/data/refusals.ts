// Callers that a channel refuses for their credential or signature: counted, and told to the operator now and then.
import type { Scope } from 'dragoman'

const ONCE_IN_MS = 60_000

/**
 * Counts every refusal under `metric` by its reason, one of a few, and writes each reason into the log once a minute: who floods us
 * shall not fill it. `why` is the reason in words.
 */
export function countRefusals(
  { id, log, metrics, now }: Pick<Scope, 'id' | 'log' | 'metrics' | 'now'>,
  metric: string,
): (reason: string, why: string) => void {
  const told = new Map<string, number>()
  return (reason, why) => {
    metrics.count(metric, { channel: id, reason: reason.replaceAll(' ', '_') })
    const before = told.get(reason)
    if (before !== undefined && now() - before < ONCE_IN_MS) return
    told.set(reason, now())
    log.warn('a request was refused', { channel: id, why })
  }
}
