// `/admin/v1/plugins`: how each plugin stands; `restart`: a fresh worker, and another try for what was refused.
import type { Hono } from 'hono'
import { z } from 'zod'
import { GatewayError } from '../api.ts'
import type { Adapter } from '../api.ts'
import type { ReloadCause } from '../generation.ts'
import type { PluginRow } from '../plugins/plugins.ts'
import { adminBody } from './admin-body.ts'
import type { StateFamily } from './series.ts'

export interface PluginAdmin {
  list(): readonly PluginRow[]
  /** Why components of this adapter do not run, and will not in a moment; undefined: they do, or it is no plugin's. */
  whyDown(adapter: Adapter): string | undefined
  /** Another version of it that was refused may be tried again. */
  forgive(name: string): void
  /** False: none of that name runs. */
  restart(name: string): Promise<boolean>
}

/** `dragoman_plugin_state`, for each scrape: of those that are there. */
export function pluginFigures(family: StateFamily<'plugin'>, plugins: PluginAdmin | undefined): () => void {
  let shown = new Set<string>()
  return () => {
    const rows = plugins?.list() ?? []
    const now = new Set(rows.map(({ name }) => name))
    for (const name of shown) if (!now.has(name)) family.remove(name)
    for (const { name, state } of rows) family.set(state, name)
    shown = now
  }
}

const restartBody = z.strictObject({ name: z.string().min(1).max(255) })

/** `reload` takes over what lies in the folder now, or stays with the generation that was gone back to; it has logged why where that fails. */
export function pluginPages(
  app: Hono,
  plugins: PluginAdmin | undefined,
  reload: (cause: ReloadCause) => Promise<unknown>,
): void {
  if (plugins === undefined) return
  app.get('/admin/v1/plugins', () => Response.json(plugins.list()))
  app.post('/admin/v1/plugins/restart', async (c) => {
    const { name } = await adminBody(restartBody, c.req.raw)
    if (!plugins.list().some((row) => row.name === name))
      throw new GatewayError('NOT_FOUND', `no plugin is named "${name}"`)
    plugins.forgive(name)
    await plugins.restart(name)
    await reload({ isRetry: true }).catch(() => undefined)
    return Response.json(plugins.list().find((row) => row.name === name) ?? null)
  })
}
