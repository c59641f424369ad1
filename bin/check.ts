// `dragoman check`: every problem of the config and of its plugins at once.
import { ConfigError, readConfig } from '../config/load.ts'
import { loadPlugins } from '../core/plugins/load.ts'
import type { LoadedPlugin } from '../core/plugins/load.ts'
import { builtInNames } from './adapters.ts'
import { checkContracts, withContracts } from './check-contracts.ts'
import { configFile, loadOnce } from './config-file.ts'
import type { Loaded } from './config-file.ts'
import { fail } from './fail.ts'
import { inLines } from './printable.ts'

/** `named` as `--config` would name it. */
export async function check(named: string | undefined, { config }: { config?: string }): Promise<void> {
  const file = configFile(named ?? config)
  try {
    await using loaded = await loadOrTell(file)
    const areThere = tellPlugins(file, loaded)
    await checkContracts(file, loaded)
    if (!areThere) return
    const count = (table: object, noun: string): string => {
      const { length } = Object.keys(table)
      return `${length} ${noun}${length === 1 ? '' : 's'}`
    }
    const { channels, backends, agents, routes, notices } = loaded.config
    for (const notice of notices) console.error(`${notice} (a notice: a start takes it)`)
    console.log(
      `${file}: ok (${[count(channels, 'channel'), count(backends, 'backend'), count(agents, 'agent'), count(routes, 'route')].join(', ')})`,
    )
  } catch (error) {
    fail(error)
  }
}

/** Throws `ConfigError` with what is wrong with the config and with its contracts; plugins have been told then. */
async function loadOrTell(file: string): ReturnType<typeof loadOnce> {
  try {
    return await loadOnce(file)
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    await tellPluginsBeside(file)
    throw await withContracts(file, error)
  }
}

/** The config's own problems do not hide those of its plugins, where it says at least where they are. */
async function tellPluginsBeside(file: string): Promise<void> {
  let where
  try {
    where = (await readConfig(file, { env: process.env })).plugins
  } catch (error) {
    if (error instanceof ConfigError) return // it is told anyway
    throw error
  }
  const { directory, ...allowed } = where
  await using loaded = await loadPlugins(directory, builtInNames, allowed)
  tellFailures(loaded.plugins)
}

/** Says what is wrong with plugins, on the error output. */
export function tellFailures(plugins: readonly LoadedPlugin[]): void {
  for (const { name, failure } of plugins)
    if (failure !== undefined) console.error(inLines(`plugin ${name}: ${failure.message}`))
}

/** Says what is wrong with plugins, on the error output. False, with exit status 1: a component needs one that cannot run. */
export function tellPlugins(file: string, { config, plugins }: Loaded): boolean {
  tellFailures(plugins.plugins)
  const known = new Set([
    ...builtInNames,
    ...plugins.plugins.flatMap(({ adapter }) => (adapter === undefined ? [] : [adapter.name])),
  ])
  const { channels: channel, backends: backend, agents: agent } = config
  const broken = Object.entries({ channel, backend, agent }).flatMap(([what, table]) =>
    Object.values(table).flatMap(({ id, adapter }) => (known.has(adapter) ? [] : [`${what} "${id}"`])),
  )
  for (const what of broken)
    console.error(`${file}: ${what}: its plugin cannot run, its calls would be refused`)
  if (broken.length > 0) process.exitCode = 1
  return broken.length === 0
}
