// What a start would refuse beyond the config itself: contracts that cannot be used, a file in the place of the data folder.
import { statSync } from 'node:fs'
import { readConfig } from '../config/load.ts'
import { Report, valueAt } from '../config/report.ts'
import { contractRefusals } from '../core/map/contracts.ts'
import type { Loaded } from './config-file.ts'

/** Where a component names its contract. */
const KEYS = ['wsdl', 'schema'] as const

/** Throws `ConfigError` with all of it. A contract that would have to be fetched says nothing. */
export async function checkContracts(
  file: string,
  { config, adapters }: Pick<Loaded, 'config' | 'adapters'>,
): Promise<void> {
  const { tree } = await readConfig(file, { env: process.env })
  const report = new Report(tree)
  const { dataDirectory } = config
  if (statSync(dataDirectory, { throwIfNoEntry: false })?.isFile() === true)
    report.add(['data'], `${dataDirectory} is a file: wanted is the folder of the data`)
  for (const { section, id, at, message } of await contractRefusals(config, adapters)) {
    const path = [section, id]
    const key = KEYS.find((name) => valueAt(tree.root, [...path, name]) !== undefined)
    report.add([...path, ...(at ?? (key === undefined ? [] : [key]))], message)
  }
  report.end()
}
