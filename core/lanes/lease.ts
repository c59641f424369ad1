// A lease of this process, by its own clock: whether something may begin under it (SEMANTICS 20).
import type { Fence } from '../store/store.ts'

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

/** One user of a lease, from its making to its disposal. */
export class Held implements Hold {
  readonly fence: Fence
  readonly #lease: Lease
  readonly #left: (lease: Lease) => void

  /** `left` is called at its end. */
  constructor(lease: Lease, fence: Fence, left: (lease: Lease) => void) {
    this.fence = fence
    this.#lease = lease
    this.#left = left
    lease.users++
  }

  get isLive(): boolean {
    return this.#lease.fence?.counter === this.fence.counter && holds(this.#lease)
  }

  [Symbol.dispose](): void {
    this.#left(this.#lease)
  }
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

/** Asked for side by side: of hundreds in one turn everything else would wait. */
const AT_ONCE = 32
/** A store that is slow to answer does not keep the rest of the leases waiting until they lapse. */
const TURN_MS = 50

/**
 * Asks for all, some after the others. `ask` resolves why it failed, or undefined. While nothing answers the first find that out for
 * the rest, which are not asked for. Resolves how many failed, and the first reason.
 */
export async function askInTurns(
  leases: readonly Lease[],
  ask: (lease: Lease) => Promise<string | undefined>,
): Promise<{ readonly failed: number; readonly reason?: string | undefined }> {
  const reasons: string[] = []
  const turns: Promise<void>[] = []
  const answered = Promise.withResolvers<void>()
  let isAway = false
  let begun = 0

  async function askOne(lease: Lease): Promise<string | undefined> {
    const reason = await ask(lease)
    if (reason === undefined) answered.resolve()
    return reason
  }

  async function askSome(some: readonly Lease[]): Promise<void> {
    const failed = (await Promise.all(some.map(askOne))).filter((reason) => reason !== undefined)
    reasons.push(...failed)
    if (failed.length === some.length) isAway = true
  }

  while (begun < leases.length && !isAway) {
    const some = leases.slice(begun, begun + AT_ONCE)
    begun += some.length
    const turn = askSome(some)
    turns.push(turn)
    await Promise.race([turn, answered.promise])
    if (begun < leases.length) await atMost(TURN_MS, turn)
  }
  await Promise.all(turns)
  return { failed: reasons.length + leases.length - begun, reason: reasons[0] }
}

/** Waits for it no longer than `ms`. */
async function atMost(ms: number, work: Promise<void>): Promise<void> {
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  await Promise.race([work, over]).finally(() => clearTimeout(timer))
}

/** The store has said that it is not this process'. */
export function release(lease: Lease): void {
  lease.fence = undefined
  lease.heldUntil = 0
}
