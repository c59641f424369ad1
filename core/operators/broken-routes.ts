// Which routes lead to a plugin that does not run: what `/readyz` says beside the store.
import type { Adapter } from '../api.ts'
import type { Generation } from '../generation.ts'
import type { Unready } from '../http/admin.ts'
import type { RouteConfig } from '../router.ts'

/** Whether components of an adapter do not run, and will not in a moment; undefined: they do. */
export type WhyDown = (adapter: Adapter) => string | undefined

export function brokenRoutes(
  routes: readonly RouteConfig[],
  { agents, backends }: Pick<Generation, 'agents' | 'backends'>,
  whyDown: WhyDown,
): readonly Unready[] {
  return routes.flatMap(({ backend, agent = '', notify = agent }, index) => {
    const target = backend === undefined ? agents.get(notify) : backends.get(backend)
    const why = target && whyDown(target.adapter)
    if (target === undefined || why === undefined) return []
    return [{ part: `route ${index + 1}`, reason: `${target.role} "${target.id}": ${why}` }]
  })
}
