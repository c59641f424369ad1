// What operators do to a running gateway by `/admin/v1`, beyond looking at it.
import type { Hono } from 'hono'
import { GatewayError } from './api.ts'
import type { FallbackCache } from './guard/cache.ts'
import { paramsDigest } from './guard/cache-key.ts'
import { cachePages } from './http/admin-cache.ts'
import type { Generation } from './generation.ts'

export interface OperateOptions {
  readonly generation: () => Generation
  /** Undefined until an operation needs it. */
  readonly cache: () => FallbackCache | undefined
}

/** The pages of the operators' commands. */
export function operatorPages(options: OperateOptions): readonly ((app: Hono) => void)[] {
  return [(app) => cachePages(app, cacheAdmin(options))]
}

function cacheAdmin({ generation, cache }: OperateOptions): Parameters<typeof cachePages>[1] {
  return {
    cache: () => (cache()?.figures() ?? []).map((figures) => ({ ...figures })),
    async invalidate({ backend, operation, params }) {
      if (!generation().backends.has(backend))
        throw new GatewayError('NOT_FOUND', `no backend is named "${backend}"`)
      const which = params === undefined ? {} : { params: paramsDigest(params) }
      return (await cache()?.invalidate({ backend, operation }, which)) ?? 0
    },
  }
}
