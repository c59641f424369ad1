// One operator at a time at a dead letter, over all instances: what he is told of it is what became of it (SEMANTICS 4).
import { setTimeout as delay } from 'node:timers/promises'
import { GatewayError } from '../api.ts'
import { newId } from '../ids.ts'
import type { Store } from '../store/store.ts'

/** The right to replay or drop one dead letter, until `work` has ended. */
export interface Turn {
  /** What cannot be taken back may begin: nobody else gets the letter before it is done. */
  readonly isLive: boolean
}

const TURN_MS = 30_000
/** A store that answers at all has answered by then. */
const MARGIN_MS = 10_000
const WAIT_MS = 2000
const POLL_MS = 25

/**
 * Runs `work` when nobody else has the letter. A process that died in its turn keeps the letter for 30 s at most. Throws
 * `STORE_UNAVAILABLE` if somebody else has it for longer than 2 s.
 */
export async function inTurn<T>(
  store: Pick<Store, 'lease'>,
  id: string,
  work: (turn: Turn) => Promise<T>,
): Promise<T> {
  const lease = { name: `dead/${id}`, owner: newId(), ttlMs: TURN_MS }
  const until = performance.now() + WAIT_MS
  try {
    for (;;) {
      const begun = performance.now()
      const result = await store.lease(lease)
      if (result.status === 'held')
        return await work({
          get isLive() {
            return performance.now() < begun + TURN_MS - MARGIN_MS
          },
        })
      if (performance.now() > until)
        throw new GatewayError('STORE_UNAVAILABLE', `somebody else is replaying or dropping ${id}`, {
          retryAfterMs: result.status === 'busy' ? result.remainingMs : WAIT_MS,
        })
      await delay(POLL_MS)
    }
  } finally {
    await store.lease({ ...lease, release: true }).catch(() => undefined) // it runs out
  }
}
