// Leases and their fences. They live in memory: a lease of a process that died is void, and only the counter must never go back.
import { randomBytes } from 'node:crypto'
import type { Fence, Lease, LeaseResult } from '../store.ts'
import type { StoreClock } from './clock.ts'

interface Held {
  readonly owner: string
  readonly fence: Fence
  expires: number
}

const SWEEP_ABOVE = 1024

export class Leases {
  readonly #byName = new Map<string, Held>()
  readonly #byCounter = new Map<number, Held>()

  /** Acquire, renew or release. `newCounter` is called for an acquisition only. */
  lease({ name, owner, ttlMs, release }: Lease, clock: StoreClock, newCounter: () => number): LeaseResult {
    const held = this.#byName.get(name)
    const live = held !== undefined && held.expires > clock.now
    if (release === true) {
      if (held !== undefined && held.owner === owner) this.#drop(name, held)
      else if (live) return { status: 'busy', remainingMs: held.expires - clock.now }
      return { status: 'released' }
    }
    if (held !== undefined && held.owner === owner) {
      // Late, but nobody had it in between: the same fence goes on.
      held.expires = clock.now + ttlMs
      return { status: 'held', fence: held.fence, remainingMs: ttlMs }
    }
    if (live) return { status: 'busy', remainingMs: held.expires - clock.now }
    if (held !== undefined) this.#drop(name, held)
    if (this.#byName.size >= SWEEP_ABOVE) this.#sweep(clock)
    const fresh: Held = {
      owner,
      fence: { counter: newCounter(), random: randomBytes(12).toString('base64url') },
      expires: clock.now + ttlMs,
    }
    this.#byName.set(name, fresh)
    this.#byCounter.set(fresh.fence.counter, fresh)
    return { status: 'held', fence: fresh.fence, remainingMs: ttlMs }
  }

  /** Whether this request is of the holder himself, who wants it longer. */
  renews({ name, owner, release }: Lease): boolean {
    return release !== true && this.#byName.get(name)?.owner === owner
  }

  /** Whether this fence is the last one given out for the lease: what it began may still be settled under it. */
  isCurrent(name: string, counter: number, random: string): boolean {
    const held = this.#byName.get(name)
    return held !== undefined && held.fence.counter === counter && held.fence.random === random
  }

  /** Current, and its time is not over: only then may something new be begun under it. */
  isLive(name: string, counter: number, random: string, clock: StoreClock): boolean {
    const held = this.#byName.get(name)
    return (
      held !== undefined &&
      held.fence.counter === counter &&
      held.fence.random === random &&
      held.expires > clock.now
    )
  }

  /** The same for a lease of any name. */
  isCurrentOfAny(counter: number, random: string): boolean {
    return this.#byCounter.get(counter)?.fence.random === random
  }

  /** Whether a fence of any name is live. */
  knows({ counter, random }: Fence, clock: StoreClock): boolean {
    const held = this.#byCounter.get(counter)
    return held !== undefined && held.fence.random === random && held.expires > clock.now
  }

  /** Whether what was begun under this counter still has its owner. */
  owns(counter: number, clock: StoreClock): boolean {
    const held = this.#byCounter.get(counter)
    return held !== undefined && held.expires > clock.now
  }

  #drop(name: string, held: Held): void {
    this.#byName.delete(name)
    this.#byCounter.delete(held.fence.counter)
  }

  #sweep(clock: StoreClock): void {
    for (const [name, held] of this.#byName) if (held.expires <= clock.now) this.#drop(name, held)
  }
}
