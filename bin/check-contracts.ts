// The contracts that a config names, as `dragoman check` tells what is wrong with them.
import { readConfig } from '../config/load.ts'
import { Report, valueAt } from '../config/report.ts'
import { contractRefusals } from '../core/map/contracts.ts'
import type { Loaded } from './config-file.ts'

/** Where a component names its contract. */
const KEYS = ['wsdl', 'schema'] as const

/** Throws `ConfigError` with what a start would refuse of a WSDL, a schema or documents that are files. */
export async function checkContracts(
  file: string,
  { config, adapters }: Pick<Loaded, 'config' | 'adapters'>,
): Promise<void> {
  const { tree } = await readConfig(file, { env: process.env })
  const report = new Report(tree)
  for (const { section, id, message } of await contractRefusals(config, adapters)) {
    const path = [section, id]
    const key = KEYS.find((name) => valueAt(tree.root, [...path, name]) !== undefined)
    report.add(key === undefined ? path : [...path, key], message)
  }
  report.end()
}
