// How late the event loop comes round.
import { monitorEventLoopDelay } from 'node:perf_hooks'

const RESOLUTION_MS = 20

/** Reads the 99th percentile, in milliseconds, since it was read last. */
export function createLoopLag(): { read(): number } {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  delay.enable()
  return {
    read() {
      // What is measured is the time from one tick to the next.
      const late = delay.count === 0 ? 0 : delay.percentile(99) / 1e6 - RESOLUTION_MS
      delay.reset()
      return Math.max(0, Math.round(late))
    },
  }
}
