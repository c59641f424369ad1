// What a generation consists of, part by part with a hash for each: what two of them have in common can be seen.
import { createHash } from 'node:crypto'
import type { Config, Overrides } from '../../config/load.ts'

/** What is read at the start alone. */
export const FIXED = {
  http: ({ http }) => http,
  data: ({ dataDirectory }) => dataDirectory,
  identity: ({ identity }) => identity,
  admin: ({ admin }) => admin,
  log: ({ log }) => log,
  store: ({ store }) => store,
} as const satisfies Record<string, (config: Config) => unknown>

/** What a reload takes over, beside components. */
const LIVE = {
  routes: ({ routes }) => routes.map((route) => ({ ...route, position: undefined })),
  lanes: ({ lanes }) => lanes,
  cache: ({ cache }) => cache,
  overload: ({ overload }) => overload,
  limits: ({ limits }) => limits,
} as const satisfies Record<string, (config: Config) => unknown>

export type Role = 'channel' | 'backend' | 'agent'

export interface ComponentPart {
  readonly role: Role
  readonly id: string
  readonly adapter: string
  /** Of all that stands below its name, and of the files that names. */
  readonly hash: string
  /** Where its adapter is a plugin: that version. */
  readonly plugin?: string
}

export interface Parts {
  readonly components: readonly ComponentPart[]
  readonly plugins: readonly { readonly name: string; readonly hash: string }[]
  readonly fixed: Readonly<Record<string, string>>
  readonly live: Readonly<Record<string, string>>
}

/** As `/admin/v1/generations/running` answers. */
export interface RunningParts extends Parts {
  readonly generation: number
  /** What the gateway's command line says is stronger than the file. */
  readonly overrides: Overrides
}

export interface PluginPart {
  readonly name: string
  readonly adapter: string | null
  readonly hash: string | null
}

/** `plugins`: those that run, or would. */
export function partsOf(config: Config, plugins: readonly PluginPart[]): Parts {
  const versions = new Map(plugins.map(({ adapter, hash }) => [adapter, hash]))
  const tables = { channel: config.channels, backend: config.backends, agent: config.agents } as const
  return {
    components: (['channel', 'backend', 'agent'] as const).flatMap((role) =>
      Object.values(tables[role]).map(({ id, adapter, hash }) => {
        const plugin = versions.get(adapter)
        return { role, id, adapter, hash, ...(typeof plugin === 'string' && { plugin }) }
      }),
    ),
    plugins: plugins.flatMap(({ name, hash }) => (hash === null ? [] : [{ name, hash }])),
    fixed: hashed(FIXED, config),
    live: hashed(LIVE, config),
  }
}

function hashed(
  sections: Readonly<Record<string, (config: Config) => unknown>>,
  config: Config,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(sections).map(([name, of]) => [
      name,
      createHash('sha256')
        .update(JSON.stringify(of(config)) ?? '')
        .digest('hex'),
    ]),
  )
}
