// Keeps the store within its age and size, in slices short enough that nobody waits for them.
import { GatewayError } from './api.ts'
import type { Log } from './api.ts'
import type { Store } from './store/store.ts'

export interface RetentionOptions {
  readonly store: Store
  readonly log: Log
  readonly ageMs: number
  readonly maxBytes: number
  /** Whether this process has the partition: one looks after each. */
  readonly isOwn: (partition: number) => boolean
}

const EVERY_MS = 60_000
const SLICE_MS = 20
const PAUSE_MS = 100

/** Trims until nothing is left to trim, then once a minute. */
export function startRetention({ store, log, ageMs, maxBytes, isOwn }: RetentionOptions): Disposable {
  let timer: NodeJS.Timeout
  /** Said once, until it is over. */
  let isFull = false
  const tellFull = (keptBytes: number | undefined): void => {
    if (keptBytes !== undefined && !isFull)
      log.warn(
        'dead letters and waiting work alone are larger than store.retention.size: they stay until they are settled or dropped',
        { keptBytes, maxBytes },
      )
    isFull = keptBytes !== undefined
  }
  const sweep = async (): Promise<void> => {
    let more = false
    let own = 0
    let keptBytes: number | undefined
    const failures: GatewayError[] = []
    for (let partition = 0; partition < store.partitions; partition++) {
      if (!isOwn(partition)) continue
      own++
      try {
        const result = await store.trim({ partition, olderThanMs: ageMs, maxBytes, budgetMs: SLICE_MS })
        more ||= result.more
        keptBytes ??= result.keptBytes
        if (result.removed > 0) log.debug('old content was trimmed', { partition, removed: result.removed })
      } catch (error) {
        const failure = GatewayError.from(error)
        failures.push(failure)
        // Each of the others would be refused as well, and nobody else has a turn meanwhile.
        if (failure.code === 'STORE_UNAVAILABLE' && !store.health().writable) break
      }
    }
    const [failure] = failures
    if (failure !== undefined)
      log.warn('retention waits', { error: failure.message, partitions: failures.length })
    if (!more) tellFull(keptBytes)
    schedule(more || own === 0 ? PAUSE_MS : EVERY_MS)
  }
  const schedule = (ms: number): void => {
    if (stopped) return
    timer = setTimeout(() => void sweep(), ms)
    timer.unref()
  }
  let stopped = false
  timer = setTimeout(() => void sweep(), PAUSE_MS)
  timer.unref()
  return {
    [Symbol.dispose]() {
      stopped = true
      clearTimeout(timer)
    },
  }
}
