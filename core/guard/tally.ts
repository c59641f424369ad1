// What a breaker counts: the calls of a rolling window, how many failed, how many were slow.
import { GatewayError } from '../api.ts'
import { saysNothing } from './deadline.ts'

export interface Tally {
  /** The window moves in this many steps. */
  readonly buckets: number
  readonly calls: number
  readonly failures: number
  readonly slow: number
  /** Failures since the last call that did not fail. */
  readonly inARow: number
  add(call: { readonly failed: boolean; readonly slow: boolean }): void
  forget(): void
}

const BUCKETS = 10

interface Bucket {
  calls: number
  failures: number
  slow: number
}

/** The window moves when something is added: the clock of all breakers is the process's own, and none needs a timer. */
export function createTally(windowMs: number, onRotate: () => void): Tally {
  const bucketMs = windowMs / BUCKETS
  const total = empty()
  let window: Bucket[] = [empty()]
  let rotatedAt = performance.now()
  let inARow = 0

  function rotate(steps: number): void {
    for (let step = 0; step < Math.min(steps, BUCKETS); step += 1) {
      const old = window.length === BUCKETS ? window.at(-1) : undefined
      total.calls -= old?.calls ?? 0
      total.failures -= old?.failures ?? 0
      total.slow -= old?.slow ?? 0
      window = [empty(), ...window.slice(0, BUCKETS - 1)]
      onRotate()
    }
  }

  return {
    buckets: BUCKETS,
    get calls() {
      return total.calls
    },
    get failures() {
      return total.failures
    },
    get slow() {
      return total.slow
    },
    get inARow() {
      return inARow
    },
    add({ failed, slow }) {
      inARow = failed ? inARow + 1 : 0
      const due = Math.floor((performance.now() - rotatedAt) / bucketMs)
      if (due > 0) {
        rotate(due)
        rotatedAt += due * bucketMs
      }
      const [now] = window
      if (now === undefined) return
      for (const each of [now, total]) {
        each.calls += 1
        if (failed) each.failures += 1
        if (slow) each.slow += 1
      }
    },
    forget() {
      inARow = 0
      rotate(BUCKETS)
    },
  }
}

function empty(): Bucket {
  return { calls: 0, failures: 0, slow: 0 }
}

/** Whether it is the other side's doing: not our own refusals, not the caller's mistakes, not a caller who has gone. */
export function isTheirFailure(thrown: unknown): boolean {
  if (wrapsRefusal(thrown)) return false
  if (!(thrown instanceof GatewayError))
    return !(thrown instanceof DOMException && thrown.name === 'AbortError')
  if (thrown.code === 'BREAKER_OPEN') return false // somebody's refusal: nobody was asked
  if (saysNothing(thrown)) return false
  return thrown.side === 'backend'
}

const MAX_CAUSES = 8

/**
 * Somebody's words, or none, around the guard's refusal of an address: nobody was asked, as the refusal itself says or who puts it
 * into words. Behind a redirect somebody was.
 */
function wrapsRefusal(thrown: unknown): boolean {
  let isUnasked = false
  let at = thrown
  for (let depth = 0; at instanceof Error && depth <= MAX_CAUSES; depth += 1) {
    if (at instanceof GatewayError) {
      isUnasked ||= at.notExecuted
      if (isUnasked && at.code === 'FORBIDDEN') return true
    }
    at = at.cause
  }
  return false
}
