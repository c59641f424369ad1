// What a start would refuse beyond the config itself: contracts that cannot be used, a file in the place of the data folder.
import { statSync } from 'node:fs'
import { isFields } from '../config/adapter-part.ts'
import { ConfigError, formatProblem, readConfig, resolveConfig } from '../config/load.ts'
import type { Problem } from '../config/load.ts'
import { formatPath } from '../config/problems.ts'
import { Report, valueAt } from '../config/report.ts'
import { contractRefusals, READING } from '../core/map/contracts.ts'
import { loadBuiltIn } from './adapters.ts'
import type { Loaded } from './config-file.ts'

type Checked = Pick<Loaded, 'config' | 'adapters'>

/** Where a component names its contract. */
const KEYS = ['wsdl', 'schema'] as const

/** Throws `ConfigError` with all of it. A contract that would have to be fetched says nothing. */
export async function checkContracts(file: string, { config, adapters }: Checked): Promise<void> {
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

/** What is wrong with a file, and with the contracts of those components that nothing else is wrong with, in the order of the file. */
export async function withContracts(file: string, error: ConfigError): Promise<ConfigError> {
  try {
    await checkContracts(file, await soundPart(file, error.problems))
    return error
  } catch (more) {
    if (!(more instanceof ConfigError)) throw more
    const known = new Set(error.problems.map(formatProblem))
    const fresh = more.problems.filter((problem) => !known.has(formatProblem(problem)))
    const all = [...error.problems, ...fresh]
    return new ConfigError(
      all.toSorted((a, b) => a.line - b.line || a.column - b.column),
      error.files,
    )
  }
}

/** The components of a file that read contracts, without those that have problems. Throws `ConfigError` as `readConfig`. */
async function soundPart(file: string, problems: readonly Problem[]): Promise<Checked> {
  const document = await readConfig(file, { env: process.env })
  const { tree } = document
  const isSound = (...path: readonly string[]): boolean => {
    const at = formatPath(path)
    return !problems.some((problem) => problem.path === at || problem.path.startsWith(`${at}.`))
  }
  const components = (section: 'channels' | 'backends'): object => {
    const all = valueAt(tree.root, [section])
    return Object.fromEntries(
      Object.entries(isFields(all) ? all : {}).filter(
        ([id, each]) => isFields(each) && READING.has(String(each['adapter'])) && isSound(section, id),
      ),
    )
  }
  const root = {
    ...(isSound('data') && { data: valueAt(tree.root, ['data']) }),
    channels: components('channels'),
    backends: components('backends'),
  }
  const adapters = new Map((await loadBuiltIn([...READING])).map((adapter) => [adapter.name, adapter]))
  return { config: resolveConfig({ ...document, tree: { ...tree, root, problems: [] } }, adapters), adapters }
}
