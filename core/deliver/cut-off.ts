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

/** A call that was made: a dead letter until an operator settles it. */
export function unknown(target: string, cause: GatewayError): Verdict {
  return { outcome: 'unknown', target, failure: outcomeError(target, cause), dead: true }
}

/**
 * What was cut off, and nobody is asked now: a dead letter until an operator settles it; a write with a `queue` stops its key meanwhile, and
 * has this among its attempts, so that it is made when he lets it go on.
 */
export function notAgain(
  target: string,
  { cause, queue }: { readonly cause?: GatewayError; readonly queue: WriteQueue | undefined },
): Verdict {
  const told = `${target} was begun and cut off, and its outcome is not known; it was not sent again, an operator settles it`
  const failure = new GatewayError('OUTCOME_UNKNOWN', told, { cause })
  if (queue !== undefined) return poisonedWrite({ queue, target, failure }, 'unknown')
  return { outcome: 'unknown', target, failure, dead: true, idle: true }
}

export function outcomeError(what: string, cause?: GatewayError): GatewayError {
  return new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown(what), { cause })
}
