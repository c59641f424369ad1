// What stands where a plugin is missing or cannot be loaded: its routes answer 503 or their fallback, never another's answer, never open.
import { GatewayError } from '../api.ts'
import type { Adapter, ChannelHost, Component, Operation, Schema } from '../api.ts'

/** What was known of the plugin when it last ran, by the component's name. */
export interface Remembered {
  /** Of the file or folder. */
  readonly plugin: string
  readonly components: ReadonlyMap<string, RememberedComponent>
}

export interface RememberedComponent {
  readonly operations: Readonly<Record<string, Operation>>
  /** Served by a channel. */
  readonly paths: readonly string[]
}

const RETRY_AFTER_MS = 5000
/** Nobody knows of an operation what it does: what was begun before is not begun again, and queued writes wait (SEMANTICS 2, 3). */
const ANY: Readonly<Record<string, Operation>> = { '*': { safe: false } }

interface StandIn {
  readonly plugin: string
  /** What was made of it and has not ended, as `channel "web"`. */
  readonly users: Set<{ readonly user: string }>
}

const known = new WeakMap<Adapter, StandIn>()

/** The plugin whose adapter this stands in for, undefined: none. Nothing is executed by it: a cached answer of before may stand in for any call. */
export function standsInFor(adapter: Adapter): string | undefined {
  return known.get(adapter)?.plugin
}

/** The components that need the plugin this stands in for. */
export function usersOf(adapter: Adapter): readonly string[] {
  return [...(known.get(adapter)?.users ?? [])].map(({ user }) => user)
}

/** An adapter of that name that takes any config and refuses every call as not executed. */
export function standIn(name: string, { plugin, components }: Remembered): Adapter {
  const refused = (code: 'BREAKER_OPEN' | 'CHANNEL_GONE'): GatewayError =>
    new GatewayError(code, `the plugin "${plugin}" is not running`, {
      notExecuted: true,
      retryAfterMs: RETRY_AFTER_MS,
    })
  const users: StandIn['users'] = new Set()
  function component<T extends object>(
    role: 'channel' | 'backend' | 'agent',
    make: (config: unknown, id: string) => T,
  ): Component<T & AsyncDisposable> {
    return {
      config: ANYTHING,
      create(config, { id }) {
        const user = { user: `${role} "${id}"` }
        users.add(user)
        return {
          ...make(config, id),
          async [Symbol.asyncDispose]() {
            users.delete(user)
          },
        }
      },
    }
  }
  const adapter = Object.freeze<Adapter>({
    name,
    apiVersion: 1,
    channel: component('channel', (config, id) => ({
      async start(host: ChannelHost) {
        // Whoever would sign, or say later who he is, has nothing to show to the gateway: everybody is asked to come again.
        for (const path of components.get(id)?.paths ?? pathOf(config))
          host.serve(
            path,
            async () => {
              throw refused('CHANNEL_GONE')
            },
            { signed: true },
          )
      },
      async send() {
        throw refused('CHANNEL_GONE') // it waits until the channel is back (SEMANTICS 21)
      },
    })),
    backend: component('backend', (_config, id) => ({
      operations: components.get(id)?.operations ?? ANY,
      async call() {
        throw refused('BREAKER_OPEN')
      },
    })),
    agent: component('agent', () => ({
      async answer() {
        throw refused('BREAKER_OPEN')
      },
    })),
  })
  known.set(adapter, { plugin, users })
  return adapter
}

const ANYTHING: Schema<unknown> = {
  '~standard': { version: 1, vendor: 'dragoman', validate: (value) => ({ value }) },
}

/** Where nothing is known of the plugin its config may say where it would be. */
function pathOf(config: unknown): readonly string[] {
  if (typeof config !== 'object' || config === null || !('path' in config)) return []
  return typeof config.path === 'string' && config.path.startsWith('/') ? [config.path] : []
}
