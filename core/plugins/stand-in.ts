// What stands where a plugin is missing or cannot be loaded: its routes answer 503 or their fallback, never another's answer, never open.
import { GatewayError } from '../api.ts'
import type { Adapter, Component, Operation, Schema } from '../api.ts'

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

const plugins = new WeakMap<Adapter, string>()

/** The plugin whose adapter this stands in for, undefined: none. Nothing is executed by it: a cached answer of before may stand in for any call. */
export function standsInFor(adapter: Adapter): string | undefined {
  return plugins.get(adapter)
}

/** An adapter of that name that takes any config and refuses every call as not executed. */
export function standIn(name: string, { plugin, components }: Remembered): Adapter {
  const refused = (code: 'BREAKER_OPEN' | 'CHANNEL_GONE'): GatewayError =>
    new GatewayError(code, `the plugin "${plugin}" is not running`, {
      notExecuted: true,
      retryAfterMs: RETRY_AFTER_MS,
    })
  const adapter = Object.freeze<Adapter>({
    name,
    apiVersion: 1,
    channel: component((config, id) => ({
      async start(host) {
        for (const path of components.get(id)?.paths ?? pathOf(config))
          host.serve(path, async () => {
            throw refused('CHANNEL_GONE')
          })
      },
      async send() {
        throw refused('CHANNEL_GONE') // it waits until the channel is back (SEMANTICS 21)
      },
      ...NOTHING_HELD,
    })),
    backend: component((_config, id) => ({
      operations: components.get(id)?.operations ?? ANY,
      async call() {
        throw refused('BREAKER_OPEN')
      },
      ...NOTHING_HELD,
    })),
    agent: component(() => ({
      async answer() {
        throw refused('BREAKER_OPEN')
      },
      ...NOTHING_HELD,
    })),
  })
  plugins.set(adapter, plugin)
  return adapter
}

function component<T>(make: (config: unknown, id: string) => T): Component<T> {
  return { config: ANYTHING, create: (config, { id }) => make(config, id) }
}

const ANYTHING: Schema<unknown> = {
  '~standard': { version: 1, vendor: 'dragoman', validate: (value) => ({ value }) },
}

const NOTHING_HELD: AsyncDisposable = {
  async [Symbol.asyncDispose]() {
    // nothing is held
  },
}

/** Where nothing is known of the plugin its config may say where it would be. */
function pathOf(config: unknown): readonly string[] {
  if (typeof config !== 'object' || config === null || !('path' in config)) return []
  return typeof config.path === 'string' && config.path.startsWith('/') ? [config.path] : []
}
