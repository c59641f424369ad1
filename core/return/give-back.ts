// Stage 9: what a caller who waited gets: the reply, the failure, or where a queued write's status is asked for.
import { GatewayError } from '../api.ts'
import type { Accepted } from '../api.ts'
import type { Taken } from './joining.ts'
import type { ReturnRight } from './return-right.ts'
import { errorOf } from '../deliver/settling.ts'
import type { Store } from '../store/store.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Ended } from './waiters.ts'
import { isAtWork, standingOf } from '../calls/writes.ts'

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
  const { accepted, home, isWrite, mustAnswer } = taken
  const { id } = accepted
  const ended = await endOf(taken, store)
  if (isWrite === true && ended?.reply === undefined && (ended?.outcome ?? 'taken') === 'taken') {
    // SEMANTICS 3: 202 says that it waits for its system. Of one that is at work nobody knows whether it is done.
    if (ended === undefined) {
      const rows = await store.find({ by: 'id', id })
      if (isAtWork(rows, id))
        throw new GatewayError(
          'DEADLINE_EXCEEDED',
          'the write was begun, and how it ended is not stored yet; its status tells it, and the same id finds it later',
          { detail: { statusUrl: statusUrl(id) } },
        )
      // A call that is stored nowhere has its id, and no status.
      if (!rows.some((row) => row.row === 'message' && row.message.id === id))
        throw new GatewayError(
          'DEADLINE_EXCEEDED',
          'a call is still at work on the same id; ask again with it',
        )
    }
    taken.leave?.()
    telemetry.write('queued', origin.id)
    return { ...accepted, status: statusUrl(id) }
  }
  if (ended === undefined) {
    if (mustAnswer !== true) return accepted
    throw new GatewayError('DEADLINE_EXCEEDED', 'the answer did not come in time; the same id finds it later')
  }
  const error = errorOf(ended)
  if (error !== undefined) throw error
  if (ended.reply === undefined) return accepted
  // A duplicate may have come by another channel than the one that owes the push.
  const mayBePushed = origin.pushes || accepted.duplicate
  const isHis = !mayBePushed || (taken.pushed !== true && (await returnRight.take(home, id)))
  if (!isHis && !(await isPulled(id, origin, store))) return accepted
  return { ...accepted, reply: ended.reply }
}

/** It came by this very channel, which pushes nothing: a push that was owed while the channel was away has told nobody. */
async function isPulled(
  id: string,
  origin: { readonly id: string; readonly pushes: boolean },
  store: Store,
): Promise<boolean> {
  if (origin.pushes) return false
  try {
    const rows = await store.find({ by: 'id', id })
    return rows.some((row) => row.row === 'message' && row.message.channel === origin.id)
  } catch {
    return false // its caller gets the acknowledgement, and may ask again
  }
}

/** Undefined: not in time. Rejects with `STORE_UNAVAILABLE` where the end is what the caller came for. */
async function endOf(
  { accepted, ended, isWrite, isBegun, mustAnswer }: Offered,
  store: Store,
): Promise<Ended | undefined> {
  try {
    if (isWrite !== true || isBegun === true) return await ended
    return await Promise.race([ended, standingOf(store, accepted.id)])
  } catch (error) {
    if (isWrite === true || mustAnswer === true) throw error
    return undefined // a message is stored, whether or not its end can be read: its caller would send it again
  }
}
