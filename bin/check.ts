// `dragoman check`: every problem of the config at once.
import { builtInNames } from './adapters.ts'
import { configFile, loadOnce } from './config-file.ts'
import { fail } from './fail.ts'

export async function check({ config }: { config?: string }): Promise<void> {
  const file = configFile(config)
  try {
    await using loaded = await loadOnce(file)
    const { config: checked, plugins } = loaded
    for (const { name, failure } of plugins.plugins)
      if (failure !== undefined) console.error(`plugin ${name}: ${failure.message}`)
    const count = (table: object, noun: string): string => {
      const { length } = Object.keys(table)
      return `${length} ${noun}${length === 1 ? '' : 's'}`
    }
    const { channels, backends, agents, routes } = checked
    for (const [what, table] of Object.entries({ channel: channels, backend: backends, agent: agents }))
      for (const { id, adapter } of Object.values(table)) {
        if (builtInNames.includes(adapter) || plugins.plugins.some((each) => each.adapter?.name === adapter))
          continue
        console.error(`${file}: ${what} "${id}": its plugin cannot run, its calls would be refused`)
        process.exitCode = 1
      }
    if (process.exitCode === 1) return
    console.log(
      `${file}: ok (${[count(channels, 'channel'), count(backends, 'backend'), count(agents, 'agent'), count(routes, 'route')].join(', ')})`,
    )
  } catch (error) {
    fail(error)
  }
}
