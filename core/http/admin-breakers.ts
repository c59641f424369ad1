// `/admin/v1/breakers`: how each stands, and putting one out of service and back; `/admin/v1/events`: what has changed lately.
import type { Hono } from 'hono'
import { z } from 'zod'
import { GatewayError } from '../api.ts'
import type { Json } from '../api.ts'
import { adminBody } from './admin-body.ts'

export interface Switched {
  /** What it was done to. */
  readonly names: readonly string[]
  /** The next life and the other instances know it too; false: they will, when the store can be written again. */
  readonly isStored: boolean
}

export interface BreakerAdmin {
  breakers(): Json
  /** Throws `NOT_FOUND`. */
  off(name: string, how: { readonly reason: string; readonly forMs: number }): Promise<Switched>
  on(name: string): Promise<Switched>
  events(page: { readonly after: number; readonly limit: number }): Json
}

const HOUR_MS = 3_600_000
const WEEK_MS = 168 * HOUR_MS
const name = z.string().min(1).max(400)
const offBody = z.strictObject({
  name,
  reason: z.string().trim().min(1, 'say why: whoever comes next reads it').max(200),
  forMs: z.int().min(1000, 'at least 1s (1000)').max(WEEK_MS, `at most 7d (${WEEK_MS})`).default(HOUR_MS),
})
const onBody = z.strictObject({ name })

const MAX_EVENTS = 1000

export function breakerPages(app: Hono, source: BreakerAdmin): void {
  app.get('/admin/v1/breakers', () => Response.json(source.breakers()))
  app.post('/admin/v1/breakers/off', async (c) => {
    const { name: which, reason, forMs } = await adminBody(offBody, c.req.raw)
    return Response.json(await source.off(which, { reason, forMs }))
  })
  app.post('/admin/v1/breakers/on', async (c) => {
    const { name: which } = await adminBody(onBody, c.req.raw)
    return Response.json(await source.on(which))
  })
  app.get('/admin/v1/events', (c) => {
    return Response.json(source.events(eventsAsked(new URL(c.req.url).searchParams)))
  })
}

/** What is asked for by the query of `/admin/v1/events`. Throws `DECODE_FAILED`. */
export function eventsAsked(query: URLSearchParams): { readonly after: number; readonly limit: number } {
  return {
    after: whole('after', query.get('after') ?? '0', Number.MAX_SAFE_INTEGER),
    limit: whole('limit', query.get('limit') ?? '100', MAX_EVENTS),
  }
}

function whole(what: string, text: string, most: number): number {
  if (/^\d{1,16}$/u.test(text) && Number(text) <= most) return Number(text)
  throw new GatewayError('DECODE_FAILED', `${what} must be a whole number from 0 to ${most}`)
}
