// `dragoman schema`: the JSON Schema of the config file.
import { configJsonSchema } from '../config/json-schema.ts'
import { readConfig } from '../config/load.ts'
import { loadPlugins } from '../core/plugins/load.ts'
import { builtInNames, loadBuiltIn } from './adapters.ts'
import { configFile } from './config-file.ts'
import { fail } from './fail.ts'

export async function schema({ config }: { config?: string }): Promise<void> {
  try {
    const document = await readConfig(configFile(config), { env: process.env })
    const { directory, ...allowed } = document.plugins
    await using loaded = await loadPlugins(directory, builtInNames, allowed)
    const all = new Map(
      [...(await loadBuiltIn()), ...loaded.adapters].map((adapter) => [adapter.name, adapter]),
    )
    console.log(JSON.stringify(configJsonSchema(all), null, 2))
  } catch (error) {
    fail(error)
  }
}
