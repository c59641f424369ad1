// `dragoman check`: every problem of the config at once.
import { builtInNames } from './adapters.ts'
import { configFile, loadOnce } from './config-file.ts'
import type { Loaded } from './config-file.ts'
import { fail } from './fail.ts'

/** `named` as `--config` would name it. */
export async function check(named: string | undefined, { config }: { config?: string }): Promise<void> {
  const file = configFile(named ?? config)
  try {
    await using loaded = await loadOnce(file)
    if (!tellPlugins(file, loaded)) return
    const count = (table: object, noun: string): string => {
      const { length } = Object.keys(table)
      return `${length} ${noun}${length === 1 ? '' : 's'}`
    }
    const { channels, backends, agents, routes } = loaded.config
    console.log(
      `${file}: ok (${[count(channels, 'channel'), count(backends, 'backend'), count(agents, 'agent'), count(routes, 'route')].join(', ')})`,
    )
  } catch (error) {
    fail(error)
  }
}

/** Says what is wrong with plugins, on the error output. False, with exit status 1: a component needs one that cannot run. */
export function tellPlugins(file: string, { config, plugins }: Loaded): boolean {
  for (const { name, failure } of plugins.plugins)
    if (failure !== undefined) console.error(`plugin ${name}: ${failure.message}`)
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
