// What operators do to a running gateway by `/admin/v1`, beyond looking at it.
import type { Hono } from 'hono'
import { GatewayError } from '../api.ts'
import type { Json } from '../api.ts'
import { ALL_OPERATIONS } from '../guard/breakers.ts'
import type { BreakerMemory } from '../guard/breakers.ts'
import type { OperatorEvents } from './events.ts'
import type { Breaker } from '../guard/breaker.ts'
import type { FallbackCache } from '../guard/cache.ts'
import { paramsDigest } from '../guard/cache-key.ts'
import type { SharedAnswers } from '../guard/shared-answers.ts'
import { breakerPages } from '../http/admin-breakers.ts'
import type { BreakerAdmin, Switched } from '../http/admin-breakers.ts'
import { cachePages } from '../http/admin-cache.ts'
import type { CacheAdmin } from '../http/admin-cache.ts'
import type { Generation } from '../generation.ts'
import type { GatewayMetrics } from '../http/metrics.ts'
import type { Store } from '../store/store.ts'
import { topOf } from './top.ts'

export interface OperateOptions {
  readonly generation: () => Generation
  /** Undefined until an operation needs it. */
  readonly cache: () => FallbackCache | undefined
  /** What the other instances have; undefined: there are none. */
  readonly shared: () => SharedAnswers | undefined
  readonly breakers: BreakerMemory
  readonly events: OperatorEvents
  readonly store: Store
  readonly counted: GatewayMetrics['counted']
}

/** The pages of the operators' commands. */
export function operatorPages(options: OperateOptions): readonly ((app: Hono) => void)[] {
  const { generation, store, counted } = options
  return [
    (app) => cachePages(app, cacheAdmin(options)),
    (app) => breakerPages(app, breakerAdmin(options)),
    (app) =>
      app.get('/admin/v1/top', async () => {
        const breakers = standing(generation())
        const now = Date.now()
        return Response.json(await topOf({ generation: generation(), store, counted, breakers, now }))
      }),
  ]
}

function cacheAdmin({ generation, cache, shared }: OperateOptions): CacheAdmin {
  return {
    cache: () => (cache()?.figures() ?? []).map((figures) => ({ ...figures })),
    async invalidate({ backend, operation, params }) {
      if (!generation().backends.has(backend))
        throw new GatewayError('NOT_FOUND', `no backend is named "${backend}"`)
      const which = params === undefined ? {} : { params: paramsDigest(params) }
      const count = (await cache()?.invalidate({ backend, operation }, which)) ?? 0
      await shared()?.invalidate({ backend, operation }, {})
      return count
    },
  }
}

interface Named {
  readonly owner: string
  readonly operation: string
  readonly breaker: Breaker
}

function allOf({ backends, agents }: Generation): readonly Named[] {
  return [
    ...[...backends.values()].flatMap((backend) =>
      [...backend.breakers].map(([operation, breaker]) => ({ owner: backend.id, operation, breaker })),
    ),
    ...[...agents.values()].map(({ id, breaker }) => ({ owner: id, operation: 'answer', breaker })),
  ]
}

function standing(generation: Generation): readonly { readonly name: string; [member: string]: Json }[] {
  return allOf(generation).map(({ owner, operation, breaker }) => ({
    name: `${owner}.${operation}`,
    state: breaker.state,
    reason: breaker.reason,
    openedAt: breaker.openedAt === undefined ? null : new Date(breaker.openedAt).toISOString(),
    retryAfterMs: breaker.retryAfterMs(),
  }))
}

function breakerAdmin({ generation, breakers, events }: OperateOptions): BreakerAdmin {
  /** `orders.GetOrder`, or `orders` for all of its operations. Throws `NOT_FOUND`. */
  function meant(name: string): { readonly owner: string; readonly isAll: boolean; named: readonly Named[] } {
    const dot = name.indexOf('.')
    const owner = dot < 0 ? name : name.slice(0, dot)
    const operation = dot < 0 ? undefined : name.slice(dot + 1)
    const { backends, agents } = generation()
    if (!backends.has(owner) && !agents.has(owner))
      throw new GatewayError('NOT_FOUND', `no backend or agent is named "${owner}"`)
    // An operation nobody has called yet has no breaker before it is asked for.
    const inUse = backends.get(owner)?.inUse
    const asked = operation === undefined ? Object.keys(inUse?.backend.operations ?? {}) : [operation]
    for (const each of asked) inUse?.operation(each)
    const named = allOf(generation()).filter(
      (each) => each.owner === owner && (operation === undefined || each.operation === operation),
    )
    if (operation !== undefined && named.length === 0)
      throw new GatewayError('NOT_FOUND', `"${owner}" has no operation "${operation}"`)
    return { owner, isAll: operation === undefined, named }
  }

  const switched = async (
    owner: string,
    { isAll, named }: { readonly isAll: boolean; readonly named: readonly Named[] },
  ): Promise<Switched> => {
    const names = named.map(({ operation }) => `${owner}.${operation}`)
    return {
      names: isAll ? [`${owner}.${ALL_OPERATIONS}`, ...names] : names,
      isStored: await breakers.flushed(),
    }
  }

  return {
    breakers: () => standing(generation()),
    async off(name, { reason, forMs }) {
      const { owner, isAll, named } = meant(name)
      const now = Date.now()
      if (isAll)
        breakers.keep(owner, ALL_OPERATIONS, {
          state: 'OFF',
          openedAt: now,
          until: now + forMs,
          openForMs: forMs,
          reason,
        })
      for (const { breaker } of named) breaker.off(reason, forMs)
      return switched(owner, { isAll, named })
    },
    async on(name) {
      const { owner, isAll, named } = meant(name)
      if (isAll) breakers.forget(owner)
      for (const { breaker } of named) breaker.on()
      return switched(owner, { isAll, named })
    },
    events({ after, limit }) {
      const { events: found, ...page } = events.after(after, limit)
      return { events: found.map((event) => ({ ...event })), ...page }
    },
  }
}
