// `dragoman check`: every problem of the config at once.
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
    console.log(
      `${file}: ok (${[count(channels, 'channel'), count(backends, 'backend'), count(agents, 'agent'), count(routes, 'route')].join(', ')})`,
    )
  } catch (error) {
    fail(error)
  }
}
