// What runs, as `/admin/v1/status` shows it.
import type { Json } from './api.ts'
import type { Generation } from './generation.ts'
import type { Store } from './store/store.ts'

export interface StatusParts {
  readonly generation: Generation
  readonly store: Store
  readonly version: string
  readonly instance: string
  readonly lastReload: { readonly at: string; readonly error?: string } | undefined
  readonly inFlight: number
}

export async function statusOf(parts: StatusParts): Promise<Json> {
  const { generation, store, version, instance, lastReload, inFlight } = parts
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

/** The dead letters, oldest first, the bytes as they arrived in base64. */
export async function deadLettersOf(
  store: Store,
  page: { readonly after?: string; readonly limit: number },
): Promise<Json> {
  const rows = await store.find({ by: 'dead', ...page })
  const letters = rows.flatMap((row) => {
    if (row.row !== 'dead') return []
    const { row: _, raw, ...letter } = row
    const bytes = raw && { mediaType: raw.mediaType, base64: Buffer.from(raw.bytes).toString('base64') }
    return [{ ...letter, ...(bytes !== undefined && { raw: bytes }) }]
  })
  return letters as unknown as Json // messages, failures and attempts are plain data
}
