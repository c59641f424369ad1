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
  /** The kept generation of a number; without one, the one before what runs. Throws `NOT_FOUND`. */
  find(generation?: number): { readonly generation: number }
  /** What the one that runs consists of, for `dragoman plan`. */
  running(): unknown
}

export interface GenerationPages {
  readonly history: HistoryAdmin | undefined
  readonly reload: (cause: ReloadCause) => Promise<{ readonly generation: number }>
}

const rollbackBody = z.strictObject({ generation: z.int().positive().optional() })

export function generationPages(app: Hono, { history, reload }: GenerationPages): void {
  if (history === undefined) return
  app.get('/admin/v1/generations', () => Response.json(history.list()))
  app.get('/admin/v1/generations/running', () => Response.json(history.running()))
  app.post('/admin/v1/generations/rollback', async (c) => {
    const { generation: wanted } = await adminBody(rollbackBody, c.req.raw)
    const { generation: rolledBackTo } = history.find(wanted)
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
