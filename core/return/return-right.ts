// The return right of a reply (SEMANTICS 5): either the waiting caller gets it, or the push, never both.
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import type { ClaimState, Failure, Outcome, Store } from '../store/store.ts'
import type { Reply } from '../api.ts'
import type { Ended } from './waiters.ts'

export interface ReturnRight {
  /** True: the caller may write his first byte. False: it is pushed (also where an earlier reply has not gone out), or somebody else has it. */
  take(home: string, id: string): Promise<boolean>
  /** What became of a reply that was taken. Unknown ids are ignored: not every reply has a push behind it. */
  handed(id: string, how: 'flushed' | 'back'): void
  /** Whether a reply was taken and it is not known yet what became of it. */
  owes(id: string): boolean
}

export interface ReturnRightOptions {
  readonly store: Store
  readonly log: Log
  readonly instance: string
  /** A push is due now. */
  readonly poke: (home: string) => void
}

interface Held {
  readonly home: string
  readonly by: string
}

const PAUSES_MS = [50, 200, 800, 3200]
/** Rights whose holders never reported; the store has them in doubt by then. */
const MOST_HELD = 10_000

export function createReturnRight({ store, log, instance, poke }: ReturnRightOptions): ReturnRight {
  const held = new Map<string, Held>()
  let taken = 0

  /** Tried again for a while: not reported within 10 s it is in doubt, and the push decides by the channel's `inDoubt`. */
  async function report({ home, by }: Held, id: string, to: 'flushed' | 'back'): Promise<void> {
    for (const pause of PAUSES_MS) {
      try {
        await store.handOver({ home, replyId: id, by, to })
        if (to === 'back') poke(home)
        return
      } catch (error) {
        const { message } = GatewayError.from(error)
        log.warn('what became of a reply could not be noted', { id, to, againInMs: pause, error: message })
      }
      await new Promise((again) => setTimeout(again, pause).unref())
    }
  }

  return {
    async take(home, id) {
      // Each waiter is somebody else: of two who wait for one reply the store lets one have it.
      const by = `${instance}/${++taken}`
      try {
        const { status } = await store.handOver({ home, replyId: id, by, to: 'taken' })
        if (status !== 'ok') return false
      } catch (error) {
        // The reply is stored and its push is owed: the caller gets his acknowledgement, not an error.
        log.warn('the right to a reply could not be taken; it is pushed', {
          id,
          error: GatewayError.from(error).message,
        })
        void report({ home, by }, id, 'back') // it may have been taken all the same
        return false
      }
      held.set(id, { home, by })
      for (const oldest of held.keys()) {
        if (held.size <= MOST_HELD) break
        held.delete(oldest)
      }
      return true
    },
    owes: (id) => held.has(id),
    handed(id, how) {
      const holder = held.get(id)
      if (holder === undefined) return
      held.delete(id)
      void report(holder, id, how)
    },
  }
}

/** How a claim has ended; undefined while its work is in flight. */
export function claimedEnd(claim: {
  readonly state: ClaimState
  readonly reply?: Reply
  readonly failure?: Failure
}): Ended | undefined {
  if (claim.state === 'running' || claim.state === 'begun') return undefined
  const outcome: Outcome = claim.state
  if (outcome === 'taken' && claim.reply === undefined) return { outcome }
  return { outcome, reply: claim.reply, failure: claim.failure }
}
