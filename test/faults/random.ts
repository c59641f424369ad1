// Chance that can be repeated: the seed is printed, `SEED` sets it.
import { stopwatch } from '../support/processor.ts'

/** Prints the seed, so that a failure can be run again with it. */
export function seeded(what: string): () => number {
  const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
  console.log(`${what}: seed ${seed} (run again with SEED=${seed})`)
  return mulberry(seed)
}

function mulberry(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** On a machine that is slower still nothing can be said. */
const MOST_SLOW = 4

/**
 * How much longer something takes here than it would on a machine of its own, 1 to 4: what is promised in seconds is promised of a
 * processor that others do not take.
 */
export function slowness(): number {
  const wall = performance.now()
  const before = process.cpuUsage()
  while (performance.now() - wall < 150) continue
  const { user, system } = process.cpuUsage(before)
  return Math.min(MOST_SLOW, Math.max(1, (performance.now() - wall) / ((user + system) / 1000)))
}

/** The same of the time from now on, as far as this process or one of the others waited for a processor. What it returns tells it. */
export function slownessFrom(...others: readonly number[]): () => number {
  const watch = stopwatch(...others)
  const begun = performance.now()
  return () => {
    const since = (performance.now() - begun) / Math.max(1, watch())
    return Math.min(MOST_SLOW, Math.max(since, slowness()))
  }
}

/** The full sizes of the text take half an hour: `FAULTS=full`. */
export const isFull = process.env['FAULTS'] === 'full'
