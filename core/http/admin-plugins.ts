// `/admin/v1/plugins`: how each plugin stands; `restart`: a fresh worker, and another try for what was refused.
import type { Hono } from 'hono'
import { z } from 'zod'
import { GatewayError } from '../api.ts'
import type { PluginRow } from '../plugins/plugins.ts'
import { adminBody } from './admin-body.ts'

export interface PluginAdmin {
  list(): readonly PluginRow[]
  /** Another version of it that was refused may be tried again. */
  forgive(name: string): void
  /** False: none of that name runs. */
  restart(name: string): Promise<boolean>
}

const restartBody = z.strictObject({ name: z.string().min(1).max(255) })

/** `reload` takes over what lies in the folder now; it has logged why where that fails. */
export function pluginPages(
  app: Hono,
  plugins: PluginAdmin | undefined,
  reload: () => Promise<unknown>,
): void {
  if (plugins === undefined) return
  app.get('/admin/v1/plugins', () => Response.json(plugins.list()))
  app.post('/admin/v1/plugins/restart', async (c) => {
    const { name } = await adminBody(restartBody, c.req.raw)
    if (!plugins.list().some((row) => row.name === name))
      throw new GatewayError('NOT_FOUND', `no plugin is named "${name}"`)
    plugins.forgive(name)
    await plugins.restart(name)
    await reload().catch(() => undefined)
    return Response.json(plugins.list().find((row) => row.name === name) ?? null)
  })
}
