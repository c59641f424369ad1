// Answers the tests beside it; see loader.ts.
import { GatewayError } from '../../../../core/api.ts'
import type { Adapter, BackendCall, Scope } from '../../../../core/api.ts'
import { loadPlugins } from '../../../../core/plugins/load.ts'
import type { LoadOptions } from '../../../../core/plugins/load.ts'

interface Order {
  readonly directory: string
  readonly builtIn: readonly string[]
  readonly options: LoadOptions
}

const identities = new Map<Adapter, number>()

process.on('message', (order) => {
  void answer(order as Order) // loader.ts sends nothing else
})

async function answer({ directory, builtIn, options }: Order): Promise<void> {
  const { adapters, plugins } = await loadPlugins(directory, builtIn, options)
  const seen = await Promise.all(
    plugins.map(async ({ adapter, ...rest }) => {
      if (adapter === undefined) return rest
      if (!identities.has(adapter)) identities.set(adapter, identities.size)
      const backend = adapter.backend?.create({}, {} as Scope) // the plugins of these tests ask nothing of it
      const thrown = await backend
        ?.call({} as BackendCall, AbortSignal.abort())
        .catch((error: unknown) => error)
      return {
        ...rest,
        adapter: adapter.name,
        identity: identities.get(adapter),
        throwsGatewayError: thrown instanceof GatewayError,
      }
    }),
  )
  process.send?.({ adapters: adapters.map(({ name }) => name), plugins: seen })
}
