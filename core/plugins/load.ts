// Loads the plugins of a folder for one command, which ends them when it is done.
import { noLog } from '../map/stand-ins.ts'
import { Plugins } from './plugins.ts'
import type { Allow, LoadedPlugins } from './plugins.ts'
import type { Limits } from './thread.ts'

export type { LoadedPlugin, LoadedPlugins } from './plugins.ts'
export type { Failure } from './explain.ts'

export interface LoadOptions {
  readonly allow?: Allow
  readonly limits?: Partial<Limits>
}

/** As `Plugins.load`. Dispose it: each plugin has a worker. */
export async function loadPlugins(
  directory: string,
  builtIn: readonly string[] = [],
  { allow, limits = {} }: LoadOptions = {},
): Promise<LoadedPlugins & AsyncDisposable> {
  const plugins = new Plugins({ log: { child: () => noLog }, builtIn, limits })
  const loaded = await plugins.load({ directory, ...(allow !== undefined && { allow }) })
  return { ...loaded, [Symbol.asyncDispose]: () => plugins[Symbol.asyncDispose]() }
}
