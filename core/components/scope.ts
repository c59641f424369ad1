// What a component is given to work with: its log, metrics, state, and a `fetch` that keeps to its config.
import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { Scope } from '../api.ts'
import type { Role } from './components.ts'
import { createFetch } from '../guard/fetch.ts'
import type { OwnAddresses, TlsOptions } from '../guard/fetch.ts'
import { hostsOf } from './hosts.ts'
import type { GatewayMetrics } from '../http/metrics.ts'
import { ADAPTER_LOG } from '../log/log.ts'
import type { RootLog } from '../log/log.ts'
import type { CallSettings, ComponentSettings, TlsSettings } from '../settings.ts'
import { createState } from './state.ts'
import type { Store } from '../store/store.ts'

/** Of channels, which have no calls of their own in the config. */
const CONNECTIONS = 16
const RESPONSE_LIMIT_BYTES = 10 * 1024 * 1024

export interface ScopeOptions {
  readonly log: RootLog
  readonly metrics: GatewayMetrics
  readonly store: Store
  /** This process among the instances. */
  readonly instance: string
  /** Where an agent brings an answer that it has promised (SEMANTICS 17). */
  readonly callbacks: OwnAddresses
}

export function createScope(
  role: Role,
  component: ComponentSettings & Partial<CallSettings>,
  { log, metrics, store, instance, callbacks }: ScopeOptions,
): { readonly scope: Scope; adopt(): void; dispose(): Promise<void> } {
  const { id, channel, tls, connections = CONNECTIONS, responseLimitBytes = RESPONSE_LIMIT_BYTES } = component
  const childLog = log.child(`${role} ${id}`, ADAPTER_LOG)
  const guarded = createFetch({
    allow: hostsOf(component.config),
    ...(role === 'agent' && { own: callbacks }),
    connections,
    responseLimitBytes,
    log: childLog,
    ...(tls !== undefined && { tls: readTlsFiles(tls) }),
  })
  // What a platform tells the channel (tickets, tokens) is what the backend of the same account calls with (DESIGN §16, WeChat).
  const prefix = channel === undefined ? `${role}/${id}/` : `channel/${channel}/`
  // Of a component that is replaced two versions run for a while: what one holds the other does not.
  const state = createState({ store, owner: `${instance}/${randomUUID()}`, prefix })
  const figures = metrics.forComponent(id, role)
  const scope: Scope = {
    id,
    log: childLog,
    now: Date.now,
    metrics: figures,
    fetch: guarded.fetch,
    responseLimitBytes,
    state,
  }
  return {
    scope,
    adopt: () => figures.adopt(),
    async dispose() {
      figures[Symbol.dispose]()
      await Promise.all([guarded.dispose(), state[Symbol.asyncDispose]()])
    },
  }
}

/** Read at each start of a component: a renewed certificate is used after the next reload. */
function readTlsFiles({ ca, cert, key, serverName, verify }: TlsSettings): TlsOptions {
  return {
    ...(ca !== undefined && { ca: readFileSync(ca) }),
    ...(cert !== undefined && { cert: readFileSync(cert) }),
    ...(key !== undefined && { key: readFileSync(key) }),
    ...(serverName !== undefined && { serverName }),
    verify,
  }
}
