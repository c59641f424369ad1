// What this instance says about itself.
import type { InstanceState } from './cluster.ts'
import type { PluginAdmin } from '../http/admin-plugins.ts'
import type { Edge } from '../http/edge.ts'
import type { Lanes } from '../lanes/lanes.ts'
import type { Links } from '../link/links.ts'
import { createLoopLag } from './loop-lag.ts'
import type { Store } from '../store/store.ts'

export interface SelfParts {
  readonly name: string
  readonly version: string
  readonly worker: number | undefined
  readonly edge: Pick<Edge, 'connections' | 'webSockets'>
  readonly links: Pick<Links, 'count'>
  readonly lanes: Pick<Lanes, 'inFlight' | 'holds'>
  readonly store: Pick<Store, 'partitions'>
  readonly plugins: Pick<PluginAdmin, 'list'> | undefined
  readonly isLeaving: () => boolean
  readonly port: () => number
  readonly inForce: () => {
    readonly generation: number
    readonly config: string
    readonly lastReload: { readonly at: string; readonly error?: string } | undefined
  }
}

export function createSelf(parts: SelfParts): () => InstanceState {
  const { name, version, worker, edge, links, lanes, store, plugins, isLeaving, port, inForce } = parts
  const startedAt = new Date().toISOString()
  const lag = createLoopLag()
  return () => {
    const { generation, config, lastReload } = inForce()
    return {
      name,
      worker: worker ?? null,
      port: port(),
      pid: process.pid,
      version,
      startedAt,
      state: isLeaving() ? 'leaving' : 'running',
      generation,
      config,
      connections: { http: edge.connections - edge.webSockets, websocket: edge.webSockets },
      links: links.count,
      partitions: Array.from({ length: store.partitions }, (_, number) => number).filter((number) =>
        lanes.holds(number),
      ).length,
      inFlight: lanes.inFlight,
      lagMs: lag.read(),
      lastReload: lastReload === undefined ? null : { at: lastReload.at, error: lastReload.error ?? null },
      problems: (plugins?.list() ?? []).flatMap((plugin) =>
        plugin.failure === null ? [] : [`plugin ${plugin.name}: ${plugin.failure.message}`],
      ),
    }
  }
}
