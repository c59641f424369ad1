// `/admin/v1/cache`: what the fallback cache holds, and making it forget.
import type { Hono } from 'hono'
import { z } from 'zod'
import type { Json } from '../api.ts'
import { adminBody } from './admin-body.ts'

export interface CacheAdmin {
  /** Per operation: entries, bytes, age of the oldest. */
  cache(): Json
  /** Resolves how many answers are gone. Throws `NOT_FOUND` for a backend that is not running. */
  invalidate(wanted: Invalidation): Promise<number>
}

const invalidation = z.strictObject({
  backend: z.string().min(1),
  operation: z.string().min(1),
  params: z.json().exactOptional(),
})
/** Without `params` all answers of the operation, with them those of these parameters, for whomever they are. */
export type Invalidation = z.output<typeof invalidation>

export function cachePages(app: Hono, source: CacheAdmin): void {
  app.get('/admin/v1/cache', () => Response.json(source.cache()))
  app.post('/admin/v1/cache/invalidate', async (c) => {
    const wanted = await adminBody(invalidation, c.req.raw)
    return Response.json({ invalidated: await source.invalidate(wanted) })
  })
}
