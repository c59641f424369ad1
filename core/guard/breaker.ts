// The circuit breaker of one operation: Opossum, used as a state machine and for nothing else. Its only import.
import { EventEmitter } from 'node:events'
import CircuitBreaker from 'opossum'
import { GatewayError } from '../api.ts'
import { saysNothing } from './deadline.ts'
import { createRamp } from './ramp.ts'
import { createTally, isTheirFailure } from './tally.ts'

/** ACTIVE: calls go through. OPEN: refused. HALF-OPEN: one probe goes through, then a growing share. OFF: refused, by hand. */
export type BreakerState = 'ACTIVE' | 'OPEN' | 'HALF-OPEN' | 'OFF'

export interface BreakerOptions {
  /** Percent of the counted calls in the window at which it opens; ten failures in a row are enough, whatever went well before. */
  readonly errorRate: number
  /** It never opens on fewer counted calls in the window. */
  readonly minimumCalls: number
  readonly windowMs: number
  /** How long it stays open the first time. Each failed probe or ramp doubles it, each healthy time of this length halves it… */
  readonly openForMs: number
  /** …up to this. Default: 4 × `openForMs` (DESIGN §16, Breaker). */
  readonly maxOpenForMs?: number | undefined
  /** A call that takes as long is slow. Absent: none is. */
  readonly slowMs?: number | undefined
  /** Percent of slow calls in the window at which it opens. */
  readonly slowRate?: number | undefined
}

/** How a breaker stands, for the next life. Moments are milliseconds since the epoch. */
export interface BreakerSnapshot {
  readonly state: 'OPEN' | 'OFF'
  readonly openedAt: number
  /** When it lets a probe through, or is on again. */
  readonly until: number
  /** How long it is open by now. */
  readonly openForMs: number
  readonly reason: string
}

export interface BreakerHooks {
  /** Called after each change, with the reason in words for an operator; `isAdopted`: another instance began it. Must not throw. */
  onState?(state: BreakerState, reason: string, isAdopted: boolean): void
  /** The right to probe, until disposed; undefined: another instance probes. Must not reject. Absent: whoever comes first here. */
  lead?(): Promise<Disposable | undefined>
  /** How it stood in an earlier life: an OPEN keeps its remaining time, an OFF its end. */
  readonly saved?: BreakerSnapshot | undefined
}

export interface Breaker {
  /**
   * Runs the call or refuses it with `BREAKER_OPEN` (`notExecuted`, `retryAfterMs`). The call's own result or error comes
   * out unchanged. The call must end by itself (`withDeadline` inside): a probe that never ends would hold the breaker.
   * `isShort`: it has so little time that it may prove nothing (`saysNothing`). Where one did not, the next such call is no
   * probe for as long as the open time; the place is kept for those with more.
   */
  run<T>(call: () => Promise<T>, options?: { readonly isShort: boolean }): Promise<T>
  readonly state: BreakerState
  /** Why it is in this state, in words for an operator. */
  readonly reason: string
  /** When it opened or was put out of service, in milliseconds since the epoch; undefined while it is ACTIVE. */
  readonly openedAt: number | undefined
  /** When asking again makes sense, in milliseconds from now; 0 while it is ACTIVE. */
  retryAfterMs(): number
  /** Out of service by hand, for so long. */
  off(reason: string, forMs: number): void
  /** By hand: calls go through again, and what was counted is forgotten. */
  on(): void
  /** How it stands on another instance (SEMANTICS 34): an OPEN or OFF is taken over, `undefined` ends an OFF. */
  adopt(theirs: BreakerSnapshot | undefined): void
  /** Undefined: ACTIVE, there is nothing to remember. */
  snapshot(): BreakerSnapshot | undefined
  /** Takes it out of service for good: its timers and its listeners are gone, calls are refused, nobody is told. */
  dispose(): void
}

/** While a probe is out nobody knows when it ends: callers are told to come back in a second. */
const probeRetryMs = 1_000

/** So many failures in a row, and no fewer than `minimumCalls`: it is dead, however much went well in the window before. */
const deadAfter = 10

/** Beyond it `setTimeout` fires at once. */
const LONGEST_TIMER_MS = 2_147_483_647

type Outcome = { readonly failed: false } | { readonly failed: true; readonly thrown: unknown }
const good: Outcome = { failed: false }
const settled = Promise.resolve()

/**
 * Makes the breaker of one backend operation or one agent (DESIGN §7).
 *
 * It counts only what the other side did: `GatewayError`s of the side `backend` and foreign throws are failures, results
 * are successes, and what takes `slowMs` is slow, also where its end says nothing else (`saysNothing`). Refusals of our own,
 * mistakes of the caller and a caller who has gone are neither: they move nothing, and a probe that ends so hands its place
 * to the next call. Business faults are values and therefore successes.
 *
 * Opossum is told the outcomes of probes, and when to open; it runs no calls and counts none: what it would count wrongly
 * (rejected, unsettled and late calls, TRAPS) never reaches it. Outcomes of calls begun before the last change of state
 * are dropped.
 */
export function createBreaker(name: string, options: BreakerOptions, hooks: BreakerHooks = {}): Breaker {
  const { slowMs = Infinity, slowRate = 100 } = options
  const openForMs = Math.min(options.openForMs, LONGEST_TIMER_MS)
  const maxOpenForMs = Math.min(options.maxOpenForMs ?? 4 * openForMs, LONGEST_TIMER_MS)
  const buckets = new EventEmitter()
  const tally = createTally(options.windowMs, () => buckets.emit('rotate'))
  // Opossum keeps this very object and writes to it: one per breaker, never shared. Its `resetTimeout` is read at each
  // opening, which is how the open time grows.
  const settings = {
    name,
    timeout: false as const,
    volumeThreshold: options.minimumCalls,
    resetTimeout: openForMs,
    rollingCountTimeout: options.windowMs,
    rollingCountBuckets: tally.buckets,
    rollingPercentilesEnabled: false,
    enableSnapshots: false,
    rotateBucketController: buckets,
  }
  const circuit = new CircuitBreaker<[Outcome], void>(replay, settings)
  const ramp = createRamp(openForMs / 4, () => change('ACTIVE', 'it has been well on its way back'))

  let state: BreakerState = 'ACTIVE'
  let reason = 'it has not failed'
  let generation = 0
  let probing = false
  /** When a call last ended in this state without a word about the other side. */
  let toldNothingAt = -Infinity
  let openedAt: number | undefined
  let grownMs = openForMs
  let healthySince = performance.now()
  let halfOpenAt = 0
  let opening = ''
  /** Monotonic. */
  let offEndsAt = 0
  let offTimer: NodeJS.Timeout | undefined
  let disposed = false
  let isAdopting = false

  circuit.on('open', () => {
    openedAt = Date.now()
    halfOpenAt = performance.now() + settings.resetTimeout
    ramp.stop()
    change('OPEN', opening)
  })
  circuit.on('halfOpen', () => change('HALF-OPEN', `it was open for ${settings.resetTimeout} ms`))
  circuit.on('close', () => {
    tally.forget() // else the failures that opened it would open it again at the next one
    if (state !== 'HALF-OPEN') return
    ramp.begin()
    change('HALF-OPEN', 'the probe succeeded: a growing share of the calls goes through')
  })

  function change(to: BreakerState, why: string): void {
    state = to
    reason = why
    generation += 1
    probing = false
    toldNothingAt = -Infinity
    if (to === 'ACTIVE') {
      openedAt = undefined
      healthySince = performance.now()
      tally.forget()
    }
    if (!disposed) hooks.onState?.(to, why, isAdopting)
  }

  /** Before anything that may open it: for how long, and why. */
  function openFor(ms: number, why: string): void {
    grownMs = ms
    settings.resetTimeout = ms
    opening = why
  }

  function grown(): number {
    return Math.min(2 * grownMs, maxOpenForMs)
  }

  function decayed(): number {
    const healthy = Math.floor((performance.now() - healthySince) / openForMs)
    return Math.max(openForMs, Math.round(grownMs / 2 ** Math.min(healthy, 32)))
  }

  function retryAfterMs(): number {
    if (state === 'OPEN') return Math.max(1, Math.ceil(halfOpenAt - performance.now()))
    if (state === 'OFF') return Math.max(probeRetryMs, Math.ceil(offEndsAt - performance.now()))
    return state === 'ACTIVE' ? 0 : probeRetryMs
  }

  function refusal(): GatewayError {
    const why = {
      ACTIVE: 'is coming back',
      'HALF-OPEN': ramp.running
        ? 'is coming back'
        : probing
          ? 'is being probed'
          : 'waits for a call with time to probe it',
      OPEN: 'is failing',
      OFF: `is out of service (${reason})`,
    }[state]
    return new GatewayError('BREAKER_OPEN', `${name} ${why}, the call was not made`, {
      retryAfterMs: retryAfterMs(),
      notExecuted: true,
    })
  }

  /** Whether the call is the probe. */
  function admit(isShort: boolean): boolean {
    if (state === 'ACTIVE') return false
    if (state !== 'HALF-OPEN' || probing || (ramp.running && !ramp.admits())) throw refusal()
    if (ramp.running) return false
    if (isShort && performance.now() - toldNothingAt < grownMs) throw refusal()
    return (probing = true)
  }

  /** One instance probes at a time. */
  async function lead(): Promise<Disposable | undefined> {
    if (hooks.lead === undefined) return undefined
    const begun = generation
    const right = await hooks.lead()
    if (right !== undefined && begun === generation) return right
    right?.[Symbol.dispose]()
    const refused = refusal()
    if (begun === generation) probing = false
    throw refused
  }

  function run<T>(call: () => Promise<T>, { isShort = false } = {}): Promise<T> {
    let isProbe: boolean
    try {
      isProbe = admit(isShort)
    } catch (refused) {
      return Promise.reject(refused)
    }
    return isProbe ? probed(call) : counted(call)
  }

  async function probed<T>(call: () => Promise<T>): Promise<T> {
    using _ = await lead()
    return await counted(call)
  }

  async function counted<T>(call: () => Promise<T>): Promise<T> {
    const begun = generation
    const at = performance.now()
    let value: T
    try {
      value = await call()
    } catch (thrown) {
      if (begun !== generation) throw thrown
      const ms = performance.now() - at
      if (isTheirFailure(thrown)) await count({ failed: true, thrown }, ms)
      else if (saysNothing(thrown) && ms >= slowMs) await count(good, ms)
      else {
        if (saysNothing(thrown)) toldNothingAt = performance.now()
        probing = false
      }
      throw thrown
    }
    const told = begun === generation ? count(good, performance.now() - at) : undefined
    if (told !== undefined) await told
    return value
  }

  /** Opens it if this was one too many. Opossum is asked only about probes: what is counted is counted once, here. */
  function count(outcome: Outcome, ms: number): Promise<void> | undefined {
    const isSlow = ms >= slowMs
    const last = (): string => (outcome.failed ? messageOf(outcome.thrown) : `it took ${Math.round(ms)} ms`)
    tally.add({ failed: outcome.failed, slow: isSlow })
    const { calls, failures, slow } = tally
    if (state === 'HALF-OPEN' && !ramp.running) {
      if (!outcome.failed && !isSlow) return tell(good)
      openFor(grown(), `the probe failed: ${last()}`)
      return tell(outcome.failed ? outcome : { failed: true, thrown: undefined })
    }
    const isFailing = failures * 100 >= options.errorRate * calls
    const isTooSlow = slow * 100 >= slowRate * calls && slow > 0
    if (state === 'HALF-OPEN') {
      if (!isFailing && !isTooSlow) return undefined
      openFor(grown(), `it failed again on its way back: ${last()}`)
    } else {
      const fails = isFailing && outcome.failed
      const isDead = tally.inARow >= Math.max(deadAfter, options.minimumCalls)
      if (calls < options.minimumCalls || (!fails && !isDead && !isTooSlow)) return undefined
      const failed = fails ? `${failures} of ${calls} calls failed` : `${tally.inARow} calls in a row failed`
      const why = fails || isDead ? failed : `${slow} of ${calls} calls were slow`
      openFor(decayed(), `${why}, the last: ${last()}`)
    }
    circuit.open()
    return undefined
  }

  async function tell(outcome: Outcome): Promise<void> {
    try {
      await circuit.fire(outcome)
    } catch (error) {
      if (!outcome.failed || error !== outcome.thrown) throw error // it rejects with what was thrown
    }
  }

  function reset(): void {
    clearTimeout(offTimer)
    ramp.stop()
    tally.forget()
  }

  function off(why: string, forMs: number): void {
    if (disposed) return
    reset()
    offEndsAt = performance.now() + forMs
    openedAt = Date.now()
    waitOff()
    change('OFF', why)
    circuit.close()
  }

  function waitOff(): void {
    const leftMs = offEndsAt - performance.now()
    offTimer = setTimeout(
      () => (leftMs > LONGEST_TIMER_MS ? waitOff() : on('its time out of service is over')),
      Math.min(leftMs, LONGEST_TIMER_MS),
    ).unref()
  }

  function on(why: string): void {
    if (disposed || state === 'ACTIVE') return
    reset()
    grownMs = openForMs
    change('ACTIVE', why)
    circuit.close()
  }

  function restore(saved: BreakerSnapshot): void {
    // SEMANTICS 25: a stored moment is never later than its longest from now.
    const leftMs = saved.until - Date.now()
    if (saved.state === 'OFF') {
      if (leftMs <= 0) return
      off(saved.reason, leftMs)
    } else {
      grownMs = Math.min(Math.max(openForMs, saved.openForMs), maxOpenForMs)
      settings.resetTimeout = Math.min(Math.max(1, leftMs), grownMs)
      opening = saved.reason
      circuit.open()
    }
    openedAt = Math.min(saved.openedAt, Date.now())
  }

  function adopt(theirs: BreakerSnapshot | undefined): void {
    if (disposed) return
    isAdopting = true
    if (theirs === undefined) {
      if (state === 'OFF') on('it was put into service on another instance')
    } else if (theirs.state === 'OFF' || (state !== 'OFF' && state !== 'OPEN')) restore(theirs)
    isAdopting = false
  }

  if (hooks.saved !== undefined) restore(hooks.saved)
  return {
    run,
    retryAfterMs,
    off,
    on: () => on('it was put into service by hand'),
    adopt,
    get state() {
      return state
    },
    get reason() {
      return reason
    },
    get openedAt() {
      return openedAt
    },
    snapshot() {
      if (openedAt === undefined) return undefined
      // Half-open the next life begins with a probe of its own.
      const leftMs = state === 'OFF' ? offEndsAt - performance.now() : state === 'OPEN' ? retryAfterMs() : 0
      const until = Math.round(Date.now() + leftMs)
      return { state: state === 'OFF' ? 'OFF' : 'OPEN', openedAt, until, openForMs: grownMs, reason }
    },
    dispose() {
      if (disposed) return
      disposed = true
      reset()
      circuit.shutdown()
      offEndsAt = 0
      change('OFF', 'it was shut down')
    },
  }
}

/** Opossum's action: settles at once as the call already has. */
function replay(outcome: Outcome): Promise<void> {
  if (outcome.failed) throw outcome.thrown
  return settled
}

function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown)
}
