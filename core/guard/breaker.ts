// The circuit breaker of one operation: Opossum, used as a state machine and for nothing else. Its only import.
import { EventEmitter } from 'node:events'
import CircuitBreaker from 'opossum'
import { GatewayError } from '../api.ts'

/** ACTIVE: calls go through. OPEN: refused. HALF-OPEN: one probe goes through. OFF: out of service, refused. */
export type BreakerState = 'ACTIVE' | 'OPEN' | 'HALF-OPEN' | 'OFF'

export interface BreakerOptions {
  /** Percent of the counted calls in the window at which it opens. */
  readonly errorRate: number
  /** It never opens on fewer counted calls in the window. */
  readonly minimumCalls: number
  readonly windowMs: number
  /** How long it stays open the first time. Each failed probe doubles it… */
  readonly openForMs: number
  /** …up to this. Default: 4 × `openForMs` (DESIGN §16, Breaker). */
  readonly maxOpenForMs?: number | undefined
}

export interface BreakerHooks {
  /** Called after each change, with the reason in words for an operator. Must not throw. */
  onState?(state: BreakerState, reason: string): void
}

export interface Breaker {
  /**
   * Runs the call or refuses it with `BREAKER_OPEN` (`notExecuted`, `retryAfterMs`). The call's own result or error comes
   * out unchanged. The call must end by itself (`withDeadline` inside): a probe that never ends would hold the breaker.
   */
  run<T>(call: () => Promise<T>): Promise<T>
  readonly state: BreakerState
  /** When it opened, in milliseconds since the epoch; undefined while it is ACTIVE. */
  readonly openedAt: number | undefined
  /** When asking again makes sense, in milliseconds from now; 0 while it is ACTIVE. */
  retryAfterMs(): number
  /** Takes it out of service for good (OFF): its timer and its listeners are gone, calls are refused. */
  dispose(): void
}

/** The rolling window moves in this many steps. */
const bucketCount = 10
/** While a probe is out nobody knows when it ends: callers are told to come back in a second. */
const probeRetryMs = 1_000

type Outcome = { readonly failed: false } | { readonly failed: true; readonly thrown: unknown }
const good: Outcome = { failed: false }
const settled = Promise.resolve()

/**
 * Makes the breaker of one backend operation or one agent (DESIGN §7).
 *
 * It counts only what the other side did: `GatewayError`s of the side `backend` and foreign throws are failures, results
 * are successes. Refusals of our own, mistakes of the caller and a caller who has gone are neither: they move nothing, and
 * a probe that ends so hands its place to the next call. Business faults are values and therefore successes.
 *
 * Opossum is told outcomes, it does not run calls: what it would count wrongly (rejected, unsettled and late calls, TRAPS)
 * never reaches it. Outcomes of calls begun before the last change of state are dropped.
 */
export function createBreaker(name: string, options: BreakerOptions, hooks: BreakerHooks = {}): Breaker {
  const maxOpenForMs = options.maxOpenForMs ?? 4 * options.openForMs
  const bucketMs = options.windowMs / bucketCount
  const buckets = new EventEmitter()
  // Opossum keeps this very object and writes to it: one per breaker, never shared. Its `resetTimeout` is read at each
  // opening, which is how the open time grows.
  const settings = {
    name,
    timeout: false as const,
    errorThresholdPercentage: options.errorRate - 1e-9, // opossum opens above its threshold, we open at it
    volumeThreshold: options.minimumCalls,
    resetTimeout: options.openForMs,
    rollingCountTimeout: options.windowMs,
    rollingCountBuckets: bucketCount,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    rotateBucketController: buckets,
  }
  const circuit = new CircuitBreaker<[Outcome], void>(replay, settings)

  let state: BreakerState = 'ACTIVE'
  let generation = 0
  let probing = false
  let openedAt: number | undefined
  let halfOpenAt = 0
  let rotatedAt = performance.now()
  let lastFailure = ''

  circuit.on('open', () => {
    const reason =
      state === 'HALF-OPEN'
        ? `the probe failed: ${lastFailure}`
        : `${circuit.stats.failures} of ${circuit.stats.fires} calls failed, the last: ${lastFailure}`
    openedAt = Date.now()
    halfOpenAt = performance.now() + settings.resetTimeout
    change('OPEN', reason)
  })
  circuit.on('halfOpen', () => change('HALF-OPEN', `it was open for ${settings.resetTimeout} ms`))
  circuit.on('close', () => {
    settings.resetTimeout = options.openForMs
    openedAt = undefined
    forget(bucketCount) // else the failures that opened it would open it again at the next one
    change('ACTIVE', 'the probe succeeded')
  })

  function change(to: BreakerState, reason: string): void {
    state = to
    generation += 1
    probing = false
    hooks.onState?.(to, reason)
  }

  /** The window moves when it is looked at: the clock of all breakers is the process's own, and none needs a timer. */
  function rotate(): void {
    const due = Math.floor((performance.now() - rotatedAt) / bucketMs)
    if (due <= 0) return
    forget(Math.min(due, bucketCount))
    rotatedAt += due * bucketMs
  }

  function forget(count: number): void {
    for (let i = 0; i < count; i += 1) buckets.emit('rotate')
  }

  function retryAfterMs(): number {
    if (state === 'OPEN') return Math.max(1, Math.ceil(halfOpenAt - performance.now()))
    return state === 'ACTIVE' ? 0 : probeRetryMs
  }

  function refusal(): GatewayError {
    const why =
      state === 'HALF-OPEN' ? 'is being probed' : state === 'OPEN' ? 'is failing' : 'is out of service'
    return new GatewayError('BREAKER_OPEN', `${name} ${why}, the call was not made`, {
      retryAfterMs: retryAfterMs(),
      notExecuted: true,
    })
  }

  async function run<T>(call: () => Promise<T>): Promise<T> {
    if (state !== 'ACTIVE') {
      if (state !== 'HALF-OPEN' || probing) throw refusal()
      probing = true
    }
    const begun = generation
    let value: T
    try {
      value = await call()
    } catch (thrown) {
      if (begun !== generation) throw thrown
      if (!isTheirFailure(thrown)) {
        probing = false
        throw thrown
      }
      rotate()
      if (state === 'HALF-OPEN') settings.resetTimeout = Math.min(2 * settings.resetTimeout, maxOpenForMs)
      lastFailure = thrown instanceof Error ? thrown.message : String(thrown)
      await circuit.fire({ failed: true, thrown }) // rejects with what was thrown
      throw thrown
    }
    if (begun === generation) {
      rotate()
      await circuit.fire(good)
    }
    return value
  }

  return {
    run,
    retryAfterMs,
    get state() {
      return state
    },
    get openedAt() {
      return openedAt
    },
    dispose() {
      if (state === 'OFF') return
      circuit.shutdown()
      change('OFF', 'it was shut down')
    },
  }
}

/** Opossum's action: settles at once as the call already has. */
function replay(outcome: Outcome): Promise<void> {
  if (outcome.failed) throw outcome.thrown
  return settled
}

function isTheirFailure(thrown: unknown): boolean {
  if (!(thrown instanceof GatewayError))
    return !(thrown instanceof DOMException && thrown.name === 'AbortError')
  if (thrown.code === 'BREAKER_OPEN') return false // somebody's refusal: nobody was asked
  if (thrown.code === 'DEADLINE_EXCEEDED' && thrown.notExecuted) return false // no time was left to ask
  return thrown.side === 'backend'
}
