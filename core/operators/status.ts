// What runs, as `/admin/v1/status` shows it.
import type { Json } from '../api.ts'
import type { Generation } from '../generation.ts'
import type { Store } from '../store/store.ts'

/** What became of the last reload: the generation that runs since, or why it goes on. */
export interface LastReload {
  /** RFC 3339. */
  readonly at: string
  readonly generation?: number
  readonly rolledBackTo?: number
  readonly error?: string
}

export interface StatusParts {
  readonly generation: Generation
  readonly store: Store
  readonly version: string
  readonly instance: string
  /** For people: the machine or pod, and which worker there. */
  readonly name: string
  readonly lastReload: LastReload | undefined
  readonly inFlight: number
}

export async function statusOf(parts: StatusParts): Promise<Json> {
  const { generation, store, version, instance, name, lastReload, inFlight } = parts
  const channels = [...generation.channels.values()].map(({ id, adapter, mounts }) => ({
    id,
    adapter: adapter.name,
    paths: mounts.map(({ path }) => path),
  }))
  const backends = [...generation.backends.values()].map(({ id, adapter, breakers }) => ({
    id,
    adapter: adapter.name,
    breakers: [...breakers].map(([operation, { state }]) => ({ operation, state })),
  }))
  const agents = [...generation.agents.values()].map(({ id, adapter, breaker }) => ({
    id,
    adapter: adapter.name,
    breaker: breaker.state,
  }))
  return {
    version,
    instance,
    name,
    generation: generation.number,
    channels,
    backends,
    agents,
    inFlight,
    ledger: await ledgerOf(store),
    store: { ...store.health() },
    lastReload: lastReload === undefined ? null : { ...lastReload },
  }
}

/** SEMANTICS 36: accepted = settled + expired + dead + waiting. */
export async function ledgerOf(store: Store): Promise<Json> {
  for (const row of await store.find({ by: 'ledger' })) {
    if (row.row !== 'ledger') continue
    const { row: _, ...figures } = row
    return figures
  }
  return null
}
