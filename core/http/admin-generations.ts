// `/admin/v1/generations`: those that ran and are kept; `rollback`: one of them runs again; `running`: what the running one consists of.
import type { Hono } from 'hono'
import { z } from 'zod'
import { GatewayError } from '../api.ts'
import type { ReloadCause } from '../generation.ts'
import type { GenerationList } from '../generations/history.ts'
import { adminBody } from './admin-body.ts'

export interface HistoryAdmin {
  /** The highest number a generation has had; 0: none. */
  readonly last: number
  list(): GenerationList
  /** The kept generation of a number or of a content; without one, the one before what runs. Throws `NOT_FOUND`. */
  find(wanted?: number | string): { readonly generation: number; readonly hash: string }
  /** What the one that runs consists of, for `dragoman plan`. */
  running(): unknown
}

export interface GenerationPages {
  readonly history: HistoryAdmin | undefined
  readonly reload: (cause: ReloadCause) => Promise<{ readonly generation: number }>
}

/** A content is the same in all processes of a gateway, a number is each one's own. */
const wantedBody = z.union([
  z.strictObject({ generation: z.int().positive().optional() }),
  z.strictObject({ hash: z.string().regex(/^[0-9a-f]{64}$/, 'must be a SHA-256 in hexadecimal') }),
])

export function generationPages(app: Hono, { history, reload }: GenerationPages): void {
  if (history === undefined) return
  app.get('/admin/v1/generations', () => Response.json(history.list()))
  app.get('/admin/v1/generations/running', () => Response.json(history.running()))
  const find = async (request: Request): Promise<ReturnType<HistoryAdmin['find']>> => {
    const wanted = await adminBody(wantedBody, request)
    return history.find('hash' in wanted ? wanted.hash : wanted.generation)
  }
  app.post('/admin/v1/generations/find', async (c) => {
    const { generation, hash } = await find(c.req.raw)
    return Response.json({ generation, hash })
  })
  app.post('/admin/v1/generations/rollback', async (c) => {
    const { generation: rolledBackTo } = await find(c.req.raw)
    try {
      const { generation } = await reload({ rollbackTo: rolledBackTo })
      return Response.json({ generation, rolledBackTo })
    } catch (error) {
      if (error instanceof GatewayError && error.code === 'NOT_FOUND') throw error
      // The operator who asks may know what the log says.
      const told = error instanceof Error ? error.message : String(error)
      throw new GatewayError('INTERNAL', `generation ${rolledBackTo} does not run again: ${told}`, {
        cause: error,
      })
    }
  })
}
