// What was offered before: it joins the running work, repeats an outcome, or is refused (SEMANTICS 1, 8, 35).
import { GatewayError } from '../api.ts'
import type { Accepted } from '../api.ts'
import type { Normalised } from '../normalise.ts'
import { claimedEnd } from './return-right.ts'
import { isPromiseOf } from '../deliver/settling.ts'
import type { AcceptResult, Row, Store } from '../store/store.ts'
import type { Ended, Waiter, Waiters } from './waiters.ts'
import { isQueuedWrite, standingIn } from '../calls/writes.ts'

/** A draft that is in the store, and its end where the caller waits for it or it is known. */
export interface Taken {
  readonly home: string
  readonly accepted: Accepted
  readonly ended?: Promise<Ended | undefined> | Ended
  /** The caller waits no longer: what becomes of it is not his to hear. */
  readonly leave?: () => void
  /** Its work began with the accept. */
  readonly isBegun?: boolean
  /** The reply is on its way by push. */
  readonly pushed?: boolean
}

export interface Waiting {
  readonly waitMs?: number
  readonly signal?: AbortSignal
  /** It may be queued: 202 is not said of one that has begun, for nobody knows yet whether it is done (SEMANTICS 3). */
  readonly isWrite?: boolean
  /** Whoever brings it asks for nothing but whether it is stored. */
  readonly acknowledges?: boolean
  /** Where it stands in line; absent: in its conversation's. */
  readonly lane?: string | undefined
}

export interface Joining {
  /** Throws what an accept that is none is refused with. */
  notNew(
    normalised: Normalised,
    result: Exclude<AcceptResult, { status: 'accepted' | 'released' }>,
    waiting: Waiting,
  ): Taken
  /** The end that somebody waits for: told by who brings it about, or read when the wait is over. */
  awaited(id: string, waiter: Waiter): Pick<Taken, 'ended' | 'leave'>
}

export function createJoining({ store, waiters }: { store: Store; waiters: Waiters }): Joining {
  const rowsOf = (id: string): Promise<readonly Row[]> => store.find({ by: 'id', id })

  /** Register, then read: it may have ended between the store's answer and the registration. */
  async function join(id: string, waiter: Waiter): Promise<Ended | undefined> {
    try {
      const ended = knownEnd(await rowsOf(id), id)
      if (ended !== undefined) return ended
      return (await waiter.ended) ?? endIn(await rowsOf(id), id)
    } finally {
      waiter.cancel()
    }
  }

  return {
    notNew({ home, message }, result, { waitMs, signal, isWrite, lane, acknowledges }) {
      switch (result.status) {
        case 'duplicate': {
          const { id, conversation, sequence } = result
          const accepted = { id, conversation, sequence, duplicate: true }
          const ended = claimedEnd(result)
          // A platform, a queue: told that it failed it would bring it for ever.
          if (waitMs === undefined && acknowledges === true && ended?.reply === undefined)
            return { home, accepted }
          // What was only taken may still get the answer that was promised.
          if (waitMs === undefined || (ended !== undefined && ended.outcome !== 'taken'))
            return { home, accepted, pushed: result.pushed === true, ...(ended !== undefined && { ended }) }
          const waiter = waiters.register(id, { ms: waitMs, signal, toEnd: isWrite })
          return { home, accepted, ended: join(id, waiter), leave: waiter.cancel }
        }
        case 'mismatch':
          throw new GatewayError(
            'IDEMPOTENCY_MISMATCH',
            `the id "${message.externalId}" was used before for something else; use a new id for a new message`,
          )
        case 'forbidden':
          throw new GatewayError(
            'FORBIDDEN',
            `the conversation "${message.conversation}" belongs to another customer`,
          )
        case 'full':
          throw new GatewayError(
            'OVERLOADED',
            `${result.waiting} ${waitingThere(lane, message.conversation)} already; try again later`,
            { retryAfterMs: 5000, status: 429 },
          )
        case 'notOwner':
        case 'gap':
        case 'used':
          throw new GatewayError(
            'INTERNAL',
            `the store answered "${result.status}" to an accept that cannot get it`,
          )
      }
    },

    awaited(id, waiter) {
      const ended = async (): Promise<Ended | undefined> =>
        (await waiter.ended) ?? endIn(await rowsOf(id), id)
      return { ended: ended(), leave: waiter.cancel }
    },
  }
}

/**
 * For who waits for a message that another instance may have at work: its end, or that it waits for its system and is answered later.
 * Rejects with `STORE_UNAVAILABLE`.
 */
export async function lookFor(store: Pick<Store, 'find'>, id: string): Promise<Ended | undefined> {
  const rows = await store.find({ by: 'id', id })
  return knownEnd(rows, id) ?? standingIn(store, rows, id)
}

function waitingThere(lane = '', conversation: string): string {
  return isQueuedWrite({ kind: 'message', lane })
    ? 'writes with the same queue key wait'
    : `messages wait in the conversation "${conversation}"`
}

/** Undefined while it is at work, and while the answer that was promised may still come. */
function knownEnd(rows: readonly Row[], id: string): Ended | undefined {
  return isPromised(rows, id) ? undefined : endIn(rows, id)
}

function endIn(rows: readonly Row[], id: string): Ended | undefined {
  for (const row of rows) {
    if (row.row === 'claim' && row.id === id) return claimedEnd(row)
    if (row.row === 'settled' && row.id === id) return claimedEnd({ ...row, state: row.outcome })
  }
  return undefined
}

/** It was taken, and the answer that was promised may still come. */
function isPromised(rows: readonly Row[], id: string): boolean {
  return rows.some((row) => row.row === 'work' && row.kind === 'timer' && isPromiseOf(row.id, id))
}
