// The store clock (SEMANTICS 25): it follows monotonic time, and over a stop the wall clock, but never more than a day.
import { CLOCK_STEP_MS } from '../figures.ts'

/** Both clocks of the process, read together. */
export interface Stamp {
  /** Milliseconds since the epoch. */
  readonly wall: number
  /** Milliseconds since some moment in this process' life. */
  readonly monotonic: number
}

export interface SavedClock {
  readonly storeMs: number
  readonly wallMs: number
}

/**
 * Every due moment, expiry and age is in its time. It is saved with the rows, so they stay comparable, and a wall clock that is set
 * forward or back while the process runs changes nothing at all.
 */
export class StoreClock {
  #now: number
  #stamp: Stamp
  /** How far it was behind the wall clock at the start: what was not believed, now or earlier. */
  readonly heldMs: number

  constructor(saved: SavedClock | undefined, stamp: Stamp, options: { readonly confirmJump?: boolean } = {}) {
    this.#stamp = stamp
    const stopped = saved === undefined ? 0 : Math.max(0, stamp.wall - saved.wallMs)
    const own = saved === undefined ? stamp.wall : saved.storeMs + Math.min(stopped, CLOCK_STEP_MS)
    // Not what this stop alone has held: whoever confirms has read of it after an earlier one, and started again.
    this.#now = Math.floor(options.confirmJump === true ? Math.max(own, stamp.wall) : own)
    this.heldMs = Math.max(0, Math.floor(stamp.wall) - this.#now)
  }

  /** Moves on to the moment a batch was stamped. */
  advance(stamp: Stamp): void {
    const passed = Math.floor(stamp.monotonic) - Math.floor(this.#stamp.monotonic)
    this.#stamp = { wall: stamp.wall, monotonic: Math.max(stamp.monotonic, this.#stamp.monotonic) }
    if (passed > 0) this.#now += passed
  }

  /** Store time in milliseconds. */
  get now(): number {
    return this.#now
  }

  /** For display only. */
  get wall(): number {
    return Math.floor(this.#stamp.wall)
  }
}
