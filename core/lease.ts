// A lease of this process, by its own clock: whether something may begin under it (SEMANTICS 20).
import type { Fence } from './store/store.ts'

export interface Lease {
  readonly name: string
  fence: Fence | undefined
  /** Monotonic moment at which it ends by this process' own clock. */
  heldUntil: number
  /** Steps, takes, accepts and calls under it. */
  users: number
  /** Raised when it is given back: what was asked before is not to be believed after. */
  turn: number
}

/** The right to begin something under a lease; it is not let go before the hold is disposed. */
export interface Hold extends Disposable {
  readonly fence: Fence
  /** The lease still lasts: what was begun in the store a moment ago may begin here (SEMANTICS 20). */
  readonly isLive: boolean
}

/** By so much the lease must outlast the moment at which a step begins. */
const MARGIN_MS = 2000

export function newLease(name: string): Lease {
  return { name, fence: undefined, heldUntil: 0, users: 0, turn: 0 }
}

/** SEMANTICS 20: an owner begins only what the lease, by his own clock, outlasts. */
export function holds({ fence, heldUntil }: Lease): boolean {
  return fence !== undefined && performance.now() + MARGIN_MS < heldUntil
}

/** It may be another's by now, or go on under the same fence: the store has not said yet. */
export function isLapsed(lease: Lease): boolean {
  return lease.fence !== undefined && !holds(lease)
}

/** The store has said that it is not this process'. */
export function release(lease: Lease): void {
  lease.fence = undefined
  lease.heldUntil = 0
}
