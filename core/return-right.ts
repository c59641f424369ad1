// The return right of a reply (SEMANTICS 5): either the waiting caller gets it, or the push, never both.
import { GatewayError } from './api.ts'
import type { Log } from './api.ts'
import type { ClaimState, Failure, Outcome, Store } from './store/store.ts'
import type { Reply } from './api.ts'
import type { Ended } from './waiters.ts'

export interface ReturnRight {
  /** True: the caller may write his first byte. */
  take(home: string, id: string): Promise<boolean>
  /** What became of a reply that was taken. Unknown ids are ignored: not every reply has a push behind it. */
  handed(id: string, how: 'flushed' | 'back'): void
}

export interface ReturnRightOptions {
  readonly store: Store
  readonly log: Log
  readonly instance: string
  /** A push is due now. */
  readonly poke: (home: string) => void
}

export function createReturnRight({ store, log, instance, poke }: ReturnRightOptions): ReturnRight {
  const taken = new Map<string, string>()

  async function report(home: string, id: string, to: 'flushed' | 'back'): Promise<void> {
    try {
      await store.handOver({ home, replyId: id, by: instance, to })
      if (to === 'back') poke(home)
    } catch (error) {
      // Not reported within 10 s it is in doubt, and the push decides by the channel's `inDoubt`.
      log.warn('what became of a reply could not be noted', {
        id,
        to,
        error: GatewayError.from(error).message,
      })
    }
  }

  return {
    async take(home, id) {
      const { status } = await store.handOver({ home, replyId: id, by: instance, to: 'taken' })
      if (status !== 'ok') return false
      taken.set(id, home)
      return true
    },
    handed(id, how) {
      const home = taken.get(id)
      if (home === undefined) return
      taken.delete(id)
      void report(home, id, how)
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
