// What protects the calls and lives longer than a generation: the fallback cache, how the breakers stand, what operators are told.
import type { Hono } from 'hono'
import type { Log } from '../api.ts'
import { loadBreakers } from './breakers.ts'
import type { BreakerChange, Surroundings } from '../components/components.ts'
import { createOperatorEvents } from '../operators/events.ts'
import type { Generation } from '../generation.ts'
import { createAdmission } from './admission.ts'
import type { Admission, AdmissionOptions } from './admission.ts'
import { openFallbackCache } from './cache.ts'
import type { FallbackCache } from './cache.ts'
import type { Breaker } from './breaker.ts'
import type { LimitCount } from './limit-count.ts'
import { createRateLimits } from './rate-limits.ts'
import type { Calling, RateLimits, RateRule, SharedCounter } from './rate-limits.ts'
import type { GatewayMetrics } from '../http/metrics.ts'
import { openSharedAnswers } from './shared-answers.ts'
import type { AnswerStore, SharedAnswers } from './shared-answers.ts'
import { operatorPages } from '../operators/operate.ts'
import { createLead } from './probes.ts'
import type { GenerationSettings } from '../settings.ts'
import type { Store } from '../store/store.ts'

export interface ProtectionOptions {
  readonly store: Store
  readonly log: { child(name: string): Log }
  readonly metrics: GatewayMetrics
  /** This process among the instances. */
  readonly instance: string
  /** By operation; an agent has one. Undefined: there is no such owner. */
  readonly breakersOf: (owner: string) => ReadonlyMap<string, Breaker> | undefined
  /** Of all instances; absent: there is one. */
  readonly answers: AnswerStore | undefined
  readonly counter: SharedCounter | undefined
  /** Of the first generation. */
  readonly overload: AdmissionOptions
  /** Where the fallback cache is kept; absent: in memory alone. */
  readonly cacheFile: string | undefined
}

export interface Protection extends AsyncDisposable {
  /** Before a generation of these settings is built. */
  prepare(settings: ProtectedSettings): Promise<void>
  readonly fallback: Surroundings['fallback']
  readonly savedBreaker: NonNullable<Surroundings['savedBreaker']>
  readonly lead: Surroundings['lead']
  onBreaker(change: BreakerChange): void
  /** What became of a reload: operators see it among the events. */
  onReload(
    outcome: { readonly generation: number; readonly rolledBackTo?: number } | { readonly refused: string },
  ): void
  /** Of the door: who may begin. */
  readonly admission: Admission
  /** Counts a call. Throws `RATE_LIMITED`. */
  limited(calling: Calling): Promise<void> | undefined
  /** A generation of these settings runs from now on. */
  adopt(settings: ProtectedSettings): void
  /** Of `/admin/v1`. */
  pages(generation: () => Generation): readonly ((app: Hono) => void)[]
}

export interface ProtectedSettings extends GenerationSettings {
  readonly cache: { readonly maxEntries: number; readonly maxBytes: number }
  readonly overload: AdmissionOptions
  readonly limits: Readonly<Record<string, RateRule>>
}

type Standing = Pick<BreakerChange, 'owner' | 'operation' | 'label' | 'state'>
const WORST_FIRST = ['OPEN', 'OFF', 'HALF-OPEN']

export async function createProtection(options: ProtectionOptions): Promise<Protection> {
  const { store, log, metrics, cacheFile, instance, breakersOf, answers } = options
  const breakers = await loadBreakers({
    store,
    log: log.child('breaker'),
    onOther(owner, isMeant, snapshot) {
      for (const [name, breaker] of breakersOf(owner) ?? []) if (isMeant(name)) breaker.adopt(snapshot)
    },
  })
  const events = createOperatorEvents(Date.now)
  /** Whose breakers have a figure, and which of them are not ACTIVE, by operation. */
  const ailing = new Map<string, Map<string, Standing>>()
  let cache: FallbackCache | undefined
  let shared: SharedAnswers | undefined
  let limits: RateLimits | undefined
  let { overload } = options
  const admission = createAdmission(
    () => overload,
    (priority) => metrics.limit('admission', priority),
  )

  /** What goes by one label is shown as the worst of it. */
  function show({ owner, operation, label, state }: Standing): void {
    const states = ailing.get(owner) ?? new Map<string, Standing>()
    ailing.set(owner, states)
    if (state === 'ACTIVE') states.delete(operation)
    else states.set(operation, { owner, operation, label, state })
    const same = [...states.values()].filter((each) => each.label === label)
    const worst = WORST_FIRST.find((one) => same.some((each) => each.state === one)) ?? 'ACTIVE'
    metrics.breakerState.set(worst.toLowerCase(), owner, label)
  }

  metrics.onScrape(() => {
    const kept = cache?.figures() ?? []
    metrics.cacheEntries.set(kept.reduce((sum, { entries }) => sum + entries, 0))
    metrics.cacheBytes.set(kept.reduce((sum, { bytes }) => sum + bytes, 0))
  })

  return {
    /** The cache is opened for the first operation that needs it. */
    async prepare({ backends, cache: bounds }) {
      const isNeeded = Object.values(backends).some(({ operations }) =>
        Object.values(operations).some((said) => said.cache !== undefined || said.static !== undefined),
      )
      if (!isNeeded || cache !== undefined) return
      cache = await openFallbackCache({
        ...(cacheFile !== undefined && { file: cacheFile }),
        ...bounds,
        log: log.child('cache'),
        now: Date.now,
      })
      if (answers !== undefined)
        shared = await openSharedAnswers({ answers, store, cache, ...bounds, log: log.child('cache') })
    },
    get fallback() {
      return cache && { cache, shared, onServed: metrics.served }
    },
    admission,
    limited: (calling) => limits?.check(calling),
    adopt(settings) {
      for (const owner of [...Object.keys(settings.backends), ...Object.keys(settings.agents)])
        for (const [operation, breaker] of breakersOf(owner) ?? []) {
          // What was new was made before the one in its place had its last say.
          const saved = breakers.saved(owner, operation)
          // An OPEN ends no OFF by itself: it was put on by hand before it opened.
          if (breaker.state === 'OFF' && saved?.state !== 'OFF') breaker.adopt(undefined)
          const isOther = saved?.state === 'OFF' ? breaker.state !== 'OFF' : breaker.state === 'ACTIVE'
          if (saved !== undefined && isOther) breaker.adopt(saved)
        }
      // Nobody shall be called at night for a system that is no longer there, nor for a name the new one was not asked for.
      for (const [owner, states] of ailing) {
        if (Object.hasOwn(settings.backends, owner) || Object.hasOwn(settings.agents, owner)) {
          const here = breakersOf(owner)
          for (const [operation, standing] of states)
            show({ ...standing, state: here?.get(operation)?.state ?? 'ACTIVE' })
          continue
        }
        metrics.breakerState.remove(owner)
        ailing.delete(owner)
      }
      cache?.resize(settings.cache)
      shared?.resize(settings.cache)
      overload = settings.overload
      const countOf = (name: string): LimitCount => metrics.limit('rate', name)
      limits = createRateLimits(settings.limits, { countOf, shared: options.counter }, limits)
    },
    onReload: (outcome) => events.add('reload', outcome),
    savedBreaker: (owner, operation) => breakers.saved(owner, operation),
    lead: createLead(store, instance),
    onBreaker({ owner, operation, label, state, reason, snapshot, isAdopted }) {
      show({ owner, operation, label, state })
      log
        .child('breaker')
        .warn(`breaker ${state}`, { owner, operation, reason, ...(isAdopted && { isAdopted }) })
      events.add('breaker', { owner, operation, state, reason })
      if (!isAdopted) breakers.keep(owner, operation, snapshot)
    },
    pages: (generation) =>
      operatorPages({
        generation,
        cache: () => cache,
        shared: () => shared,
        breakers,
        events,
        store,
        counted: metrics.counted,
      }),
    async [Symbol.asyncDispose]() {
      await Promise.all([cache?.[Symbol.asyncDispose](), breakers.flushed()])
      breakers[Symbol.dispose]()
      shared?.[Symbol.dispose]()
    },
  }
}
