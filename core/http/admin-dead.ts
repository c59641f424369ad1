// `/admin/v1/dead-letters`: what could not be delivered, and what an operator does about it.
import type { Hono } from 'hono'
import { z } from 'zod'
import { GatewayError } from '../api.ts'
import type { Json } from '../api.ts'
import type { DeadFilter, DeadLetters, DeadSummary, From } from '../operators/dead-letters.ts'
import { framePart } from '../link/frames.ts'
import { adminBody } from './admin-body.ts'

export interface DeadAdmin extends DeadLetters {
  list(page: DeadFilter & { readonly after?: string; readonly limit: number }): Promise<{
    readonly letters: readonly DeadSummary[]
    readonly next?: string
  }>
  show(id: string): Promise<Json>
}

const MAX_PAGE = 500
const DEFAULT_PAGE = 50

const text = z.string().min(1).max(256)
const id = z.string().min(1).max(600)
const filter = z.strictObject({
  code: text.exactOptional(),
  kind: z.enum(['message', 'event', 'request']).exactOptional(),
  type: text.exactOptional(),
  channel: text.exactOptional(),
})
const listQuery = filter.extend({
  id: id.exactOptional(),
  after: z.string().max(600).exactOptional(),
  limit: z.string().default(String(DEFAULT_PAGE)),
})
const edit = z
  .strictObject({
    type: text.exactOptional(),
    text: z.string().exactOptional(),
    parts: z.array(framePart).min(1).max(64).nullable().exactOptional(),
    data: z.json().exactOptional(),
    metadata: z.record(z.string(), z.string()).nullable().exactOptional(),
    priority: z.enum(['low', 'normal', 'high', 'urgent']).nullable().exactOptional(),
    expiresAt: z.string().nullable().exactOptional(),
  })
  .refine((changes) => Object.keys(changes).length > 0, 'name what is to be changed')
  .refine(({ text: said, parts }) => said === undefined || parts === undefined, 'give either text or parts')
const replayBody = z.strictObject({ id, edit: edit.exactOptional() })
const reason = z.string().trim().min(1).max(200)
const many = filter.extend({
  all: z.literal(true).exactOptional(),
  after: z.string().max(600).exactOptional(),
  before: z.iso.datetime().exactOptional(),
})
const isMeant = ({ all, code, kind, type, channel }: z.output<typeof many>): boolean =>
  (all ?? code ?? kind ?? type ?? channel) !== undefined
const NAMED = 'name a code, kind, type or channel, or say "all": true'
const replayAllBody = many.refine(isMeant, NAMED)
const dropBody = z.strictObject({ id, reason: reason.exactOptional() })
const dropAllBody = many.extend({ reason: reason.exactOptional() }).refine(isMeant, NAMED)

export function deadPages(app: Hono, source: DeadAdmin): void {
  app.get('/admin/v1/dead-letters', async (c) => {
    const asked = listQuery.safeParse(c.req.query())
    if (!asked.success) {
      const [issue] = asked.error.issues
      throw new GatewayError('DECODE_FAILED', `${issue?.path.join('.') || 'the query'}: ${issue?.message}`)
    }
    const { id: one, limit, ...page } = asked.data
    if (one !== undefined) return Response.json(await source.show(one))
    return Response.json(await source.list({ ...page, limit: pageSize(limit) }))
  })
  app.post('/admin/v1/dead-letters/replay', async (c) => {
    const { id: one, edit: changes } = await adminBody(replayBody, c.req.raw)
    return Response.json(await source.replay(one, changes))
  })
  app.post('/admin/v1/dead-letters/replay-all', async (c) => {
    const { all: _, after, before, ...wanted } = await adminBody(replayAllBody, c.req.raw)
    return Response.json(await source.replayAll(wanted, fromOf({ after, before })))
  })
  app.post('/admin/v1/dead-letters/drop', async (c) => {
    const { id: one, reason: why } = await adminBody(dropBody, c.req.raw)
    await source.drop(one, why)
    return Response.json({ id: one, dropped: true })
  })
  app.post('/admin/v1/dead-letters/drop-all', async (c) => {
    const { all: _, after, before, reason: why, ...wanted } = await adminBody(dropAllBody, c.req.raw)
    return Response.json(await source.dropAll(wanted, fromOf({ after, before }), why))
  })
}

function fromOf({
  after,
  before,
}: {
  readonly after?: string | undefined
  readonly before?: string | undefined
}): From {
  return { ...(after !== undefined && { after }), ...(before !== undefined && { before }) }
}

function pageSize(given: string): number {
  const size = Number(given)
  if (given !== '' && Number.isInteger(size) && size >= 1 && size <= MAX_PAGE) return size
  throw new GatewayError('DECODE_FAILED', `limit must be a whole number from 1 to ${MAX_PAGE}`)
}
