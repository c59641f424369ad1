// Stage 9: what a caller who waited gets: the reply, the failure, or where a queued write's status is asked for.
import { GatewayError } from './api.ts'
import type { Accepted } from './api.ts'
import type { Taken } from './joining.ts'
import type { ReturnRight } from './return-right.ts'
import { errorOf } from './settling.ts'
import type { Store } from './store/store.ts'
import type { Telemetry } from './telemetry.ts'
import { standingOf } from './writes.ts'

export interface Offered extends Taken {
  /** No reply in time is an error: the caller of a request has no use for an id. */
  readonly mustAnswer?: boolean
  /** What is not answered in time is queued. */
  readonly isWrite?: boolean
}

export interface GiveBackOptions {
  readonly options: {
    readonly store: Store
    readonly telemetry: Telemetry
    readonly statusUrl: (id: string) => string
  }
  readonly returnRight: ReturnRight
}

/** Waits for the end of what was taken. Throws what kept it from being done. */
export async function giveBack(
  taken: Offered,
  origin: { readonly id: string; readonly pushes: boolean },
  { options: { store, telemetry, statusUrl }, returnRight }: GiveBackOptions,
): Promise<Accepted> {
  const { accepted, home, isWrite, isBegun, mustAnswer } = taken
  const { id } = accepted
  const isQueueable = isWrite === true && isBegun !== true
  const ended = isQueueable ? await Promise.race([taken.ended, standingOf(store, id)]) : await taken.ended
  if (isWrite === true && ended?.reply === undefined && (ended?.outcome ?? 'taken') === 'taken') {
    telemetry.write('queued', origin.id)
    return { ...accepted, status: statusUrl(id) }
  }
  if (ended === undefined) {
    if (mustAnswer !== true) return accepted
    throw new GatewayError('DEADLINE_EXCEEDED', 'the answer did not come in time; the same id finds it later')
  }
  const error = errorOf(ended)
  if (error !== undefined) throw error
  if (ended.reply === undefined || taken.pushed === true) return accepted
  // A duplicate may have come by another channel than the one that owes the push.
  const mayBePushed = origin.pushes || accepted.duplicate
  if (mayBePushed && !(await returnRight.take(home, id))) return accepted
  return { ...accepted, reply: ended.reply }
}
