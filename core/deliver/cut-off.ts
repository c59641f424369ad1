// What was begun and cut off: where it changes something nobody knows whether it was done, and it is never made again (SEMANTICS 2).
import { GatewayError } from '../api.ts'
import type { Verdict } from './deliver.ts'
import { outcomeUnknown } from './settling.ts'
import type { Work } from '../store/store.ts'
import { isLost } from './suspects.ts'
import { poisonedWrite } from '../calls/writes.ts'
import type { WriteQueue } from '../calls/writes.ts'

/** Begun, and nobody saw its end, nor has since: also where it was put back in between, untouched. */
export function wasCutOff({ orphan, attempts }: Work): boolean {
  const last = attempts.findLast(({ failure }) => failure?.code === 'OUTCOME_UNKNOWN')
  return orphan || (last !== undefined && isLost(last))
}

/** A dead letter until an operator settles it; a write with a `queue` stops its key meanwhile. */
export function unknown(
  target: string,
  { cause, queue }: { readonly cause?: GatewayError; readonly queue?: WriteQueue | undefined } = {},
): Verdict {
  const failure = outcomeError(target, cause)
  if (queue !== undefined) return poisonedWrite({ queue, target, failure }, 'unknown')
  return { outcome: 'unknown', target, failure, dead: true }
}

export function outcomeError(what: string, cause?: GatewayError): GatewayError {
  return new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(what), { cause })
}
