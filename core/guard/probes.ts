// Which instance may probe a system that was down: one at a time over all of them, by lease (SEMANTICS 34).
import type { Surroundings } from '../components/components.ts'
import type { Store } from '../store/store.ts'

const LEASE_MS = 30_000
/** So often at most it is asked whether another instance still probes. */
const ASK_MS = 500

/** Undefined where there are no others. A store that is away keeps nobody from probing: then each instance has its own. */
export function createLead(
  store: Pick<Store, 'lease' | 'partitions'>,
  instance: string,
): Surroundings['lead'] {
  if (store.partitions === 1) return undefined
  const askedAt = new Map<string, number>()
  return async (breaker) => {
    const lease = { name: `probe/${breaker}`, owner: instance, ttlMs: LEASE_MS }
    const now = performance.now()
    if (now - (askedAt.get(breaker) ?? -ASK_MS) < ASK_MS) return undefined
    try {
      const { status } = await store.lease(lease)
      if (status === 'held')
        return {
          [Symbol.dispose]: () => void store.lease({ ...lease, release: true }).catch(() => undefined),
        } // it runs out
      askedAt.set(breaker, now)
      return undefined
    } catch {
      return { [Symbol.dispose]: () => undefined }
    }
  }
}
