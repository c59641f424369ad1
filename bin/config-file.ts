// Which config file, and everything it names: plugins loaded, every problem found.
import { existsSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError, readConfig, resolveConfig } from '../config/load.ts'
import type { Config, Overrides } from '../config/load.ts'
import type { Adapter } from '../core/api.ts'
import { loadPlugins } from '../core/plugins/load.ts'
import type { LoadedPlugins } from '../core/plugins/load.ts'
import { builtIn } from './adapters.ts'

export interface Loaded {
  readonly config: Config
  readonly adapters: ReadonlyMap<string, Adapter>
  readonly plugins: LoadedPlugins
}

const OWN = resolve(dirname(fileURLToPath(import.meta.url)), '../config/gateway.yaml')

/** The file asked for, else `gateway.yaml` where we stand, else the one that comes along. */
export function configFile(asked: string | undefined): string {
  if (asked !== undefined) return resolve(asked)
  const here = resolve('gateway.yaml')
  return existsSync(here) ? here : OWN
}

/** Throws `ConfigError` with every problem of the file. A plugin that cannot be loaded is no problem until a name needs it. */
export async function loadAll(file: string, overrides: Overrides): Promise<Loaded> {
  const document = await readConfig(file, { env: process.env, overrides })
  const { directory, allow } = document.plugins
  const names = builtIn.map(({ name }) => name)
  const plugins = await loadPlugins(directory, names, allow === undefined ? {} : { allow })
  const adapters = new Map([...builtIn, ...plugins.adapters].map((adapter) => [adapter.name, adapter]))
  return { config: resolveConfig(document, adapters), adapters, plugins }
}

export { ConfigError }
