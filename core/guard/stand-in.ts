// What the config says may stand in for a backend's calls, and what a write makes untrue (DESIGN §7).
import type { Log } from '../api.ts'
import type { StandIn } from '../calls/calls.ts'
import type { FallbackCache } from './cache.ts'
import { cacheKey, paramsDigest } from './cache-key.ts'
import { createFallback } from './fallback.ts'
import type { Served } from './fallback.ts'
import type { SharedAnswers } from './shared-answers.ts'
import type { BackendSettings, OperationSettings } from '../settings.ts'

export interface StandInOptions {
  readonly settings: BackendSettings
  /** As the cache and the metrics know it. */
  readonly operation: string
  readonly said: OperationSettings
  /** Whether its calls may read what was said beside the parameters. */
  readonly readsMessage: boolean
  readonly cache: FallbackCache
  readonly shared?: SharedAnswers | undefined
  readonly log: Log
  readonly onServed: (served: { backend: string; operation: string; from: Served }) => void
}

/** Undefined: the operation has neither `cache` nor `static`. */
export function standInOf(options: StandInOptions): StandIn | undefined {
  const { settings, operation, said, readsMessage, cache, shared, log } = options
  if (said.cache === undefined && said.static === undefined) return undefined
  const backend = settings.id
  const definition = settings.definition ?? settings.hash
  const isPublic = said.public === true
  const fallback = createFallback({
    backend,
    operation,
    policy: said.cache,
    fixed: said.static,
    cache,
    shared,
    log,
    onServed: (from) => options.onServed({ backend, operation, from }),
  })
  return {
    run: (asked, call) => fallback.run(asked, call),
    key: ({ operation: name, params, message, caller }) => ({
      key: cacheKey({
        backend,
        definition,
        operation: name,
        isPublic,
        params,
        message,
        readsMessage,
        caller,
      }),
      params: paramsDigest(params),
    }),
  }
}

/** Undefined: the operation says `invalidates` nothing. The promise it gives never rejects. */
export function invalidationOf(
  options: Omit<StandInOptions, 'readsMessage' | 'onServed'>,
): (() => Promise<void>) | undefined {
  const { settings, said, cache, shared, log } = options
  if (said.invalidates === undefined) return undefined
  const backend = settings.id
  const kept = Object.entries(settings.operations).flatMap(([operation, { cache: policy }]) =>
    policy === undefined ? [] : [{ operation, keepStale: policy.staleAfterWrite }],
  )
  const { invalidates } = said
  const untrue = invalidates.includes('*')
    ? kept
    : kept.filter(({ operation }) => invalidates.includes(operation))
  return async () => {
    for (const { operation, keepStale } of untrue) {
      try {
        await cache.invalidate({ backend, operation }, { keepStale })
        await shared?.invalidate({ backend, operation }, { keepStale })
      } catch (error) {
        log.error('answers that a write made untrue are still in the cache', { backend, operation, error })
      }
    }
  }
}
