// Which config file, and everything it names: plugins loaded, every problem found.
import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { dirname, resolve, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { ConfigError, namedAdapters, readConfig, resolveConfig } from '../config/load.ts'
import type { Config, ConfigDocument, Overrides } from '../config/load.ts'
import { GatewayError } from '../core/api.ts'
import type { Adapter } from '../core/api.ts'
import type { KeptPlugin } from '../core/plugins/entries.ts'
import { noLog } from '../core/map/stand-ins.ts'
import { Plugins } from '../core/plugins/plugins.ts'
import type { LoadedPlugins } from '../core/plugins/plugins.ts'
import { standIn } from '../core/plugins/stand-in.ts'
import { builtInNames, loadBuiltIn } from './adapters.ts'

export interface Loaded {
  readonly config: Config
  readonly adapters: ReadonlyMap<string, Adapter>
  readonly plugins: LoadedPlugins
  /** Of the config file, variables not put in. */
  readonly text: string
  /** Equal ones are of the same files, whatever the folder, and the same plugins. Absent: it was not read from files. */
  readonly fingerprint?: string
}

/** What the files held at another moment. */
export interface KeptFiles {
  readonly text: string
  /** Where a file that the config names is read instead. */
  readonly places: ReadonlyMap<string, string>
  readonly plugins: readonly KeptPlugin[]
}

const OWN = resolve(dirname(fileURLToPath(import.meta.url)), '../config/gateway.yaml')

/** Told apart by people, in a table. */
const FINGERPRINT_CHARS = 10

/** The file asked for, else `gateway.yaml` where we stand, else the one that comes along. */
export function configFile(asked: string | undefined): string {
  if (asked !== undefined) return resolve(asked)
  const here = ['gateway.yaml', 'gateway.yml'].map((name) => resolve(name))
  return here.find((file) => existsSync(file)) ?? OWN
}

/** Whether it is the one that comes along: nobody's own. */
export function isOwnConfig(file: string): boolean {
  return file === OWN
}

/** An installed package is replaced by the next install: what its own config would put beside it goes where we stand. */
function isInstalled(file: string): boolean {
  return isOwnConfig(file) && file.split(sep).includes('node_modules')
}

function overridesOf(file: string, overrides: Overrides): Overrides {
  return isInstalled(file) ? { data: 'data', ...overrides } : overrides
}

/** The folder a plugin of one's own belongs into. Throws `ConfigError`. */
export async function ownPlugins(file: string): Promise<string> {
  if (isInstalled(file)) return resolve('plugins')
  return (await readConfig(file, { env: process.env })).plugins.directory
}

/** Where a file's gateway has its data, as far as that can be told without checking the rest. */
export async function dataFolder(file: string, overrides: Overrides): Promise<string | undefined> {
  const { data = 'data' } = overridesOf(file, overrides)
  if (overridesOf(file, overrides).data !== undefined) return resolve(data)
  try {
    const { tree } = await readConfig(file, { env: process.env, overrides })
    const said = (tree.root as { readonly data?: unknown } | null)?.data ?? `./${data}` // the root of a config is a map, or empty
    return typeof said === 'string' ? resolve(dirname(file), said) : undefined
  } catch (error) {
    if (error instanceof ConfigError) return undefined // whoever loads it will say what is wrong
    throw error
  }
}

/**
 * Throws `ConfigError` with every problem of the file. A plugin that cannot be loaded is no problem: what stands in for it
 * refuses its calls. With `kept`, all is read from there. With `isReload` an empty file is refused.
 */
export async function loadAll(
  file: string,
  overrides: Overrides,
  {
    plugins,
    kept,
    isReload = false,
  }: {
    readonly plugins: Plugins
    readonly kept?: KeptFiles | undefined
    readonly isReload?: boolean
  },
): Promise<Loaded> {
  const document = await readConfig(file, {
    env: process.env,
    overrides: overridesOf(file, overrides),
    isReload,
    ...(kept !== undefined && { kept }),
  })
  const loaded = await plugins.load(document.plugins, kept?.plugins)
  const own = await loadBuiltIn(
    needed(
      document,
      loaded.adapters.map(({ name }) => name),
    ),
  )
  const adapters = byName([...own, ...loaded.adapters])
  const pluginNames = new Map(
    loaded.plugins.flatMap(({ name, adapter }) =>
      adapter === undefined ? [] : [[name, adapter.name] as const],
    ),
  )
  const config = await plugins.resolve(() => resolveConfig(document, adapters, pluginNames))
  const { text } = document
  const fingerprint = await fingerprintOf(
    text,
    [...config.contents.keys()].map((read) => kept?.places.get(read) ?? read),
    loaded,
  )
  return { config, adapters, plugins: loaded, text, fingerprint }
}

async function fingerprintOf(
  text: string,
  files: readonly string[],
  { plugins }: LoadedPlugins,
): Promise<string> {
  const all = createHash('sha256')
  const contents = await Promise.all(files.map(async (file) => digestOf(await readFile(file))))
  const run = plugins.map(({ name, hash }) => `${name} ${hash}`).toSorted()
  all.update(JSON.stringify([text, contents, run]))
  return all.digest('hex').slice(0, FINGERPRINT_CHARS)
}

function digestOf(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex')
}

/** Everything for one command, whose plugins end with it. */
export async function loadOnce(
  file: string,
  {
    offline,
    overrides = {},
  }: { readonly offline?: (attempt: string) => void; readonly overrides?: Overrides } = {},
): Promise<Loaded & AsyncDisposable> {
  await using disposer = new AsyncDisposableStack()
  const options = { log: { child: () => noLog }, builtIn: builtInNames }
  const plugins = disposer.use(new Plugins({ ...options, ...(offline !== undefined && { offline }) }))
  const loaded = await loadAll(file, overrides, { plugins })
  const kept = disposer.move()
  return { ...loaded, [Symbol.asyncDispose]: () => kept.disposeAsync() }
}

/** What the file says beside its plugins, none of whose code is run. */
export async function loadWithoutPlugins(file: string, overrides: Overrides): Promise<Config> {
  const document = await readConfig(file, { env: process.env, overrides: overridesOf(file, overrides) })
  return resolveConfig(document, new AnyAdapters(byName(await loadBuiltIn(namedAdapters(document)))))
}

/** What these sections say, whatever is wrong with the rest of the file. Throws `ConfigError` with what is wrong with them. */
export async function loadSections<T extends 'admin' | 'data' | 'store'>(
  file: string,
  overrides: Overrides,
  names: readonly T[],
): Promise<Pick<Config, { admin: 'admin'; data: 'dataDirectory'; store: 'store' }[T]>> {
  const document = await readConfig(file, { env: process.env, overrides: overridesOf(file, overrides) })
  const { tree } = document
  const wanted = new Set<string>(names)
  const root = Object.fromEntries(Object.entries(tree.root ?? {}).filter(([name]) => wanted.has(name)))
  const problems = tree.problems.filter(({ path }) => wanted.has(path.split('.')[0] ?? ''))
  return resolveConfig({ ...document, tree: { ...tree, root, problems } }, new Map())
}

/** What the file names; where it names something unknown, all, so that it can be told what it may have meant. */
function needed(document: ConfigDocument, plugins: readonly string[]): readonly string[] {
  const known = new Set([...builtInNames, ...plugins])
  const named = namedAdapters(document)
  return named.every((name) => known.has(name)) ? named : builtInNames
}

/** Whoever is not built in is a plugin whose config nobody checks here. */
class AnyAdapters extends Map<string, Adapter> {
  override get(name: string): Adapter {
    return super.get(name) ?? standIn(name, { plugin: name, components: new Map() })
  }
}

/** The plugins alone have changed. Throws, with what is wrong with them, where that leaves everything as it is. */
export function refuseSame({ isSame, plugins }: LoadedPlugins): void {
  const problems = plugins.flatMap(({ name, failure }) =>
    failure === undefined ? [] : [`plugin ${name}: ${failure.message}`],
  )
  if (isSame && problems.length > 0) throw new GatewayError('INTERNAL', problems.join('; '))
}

/**
 * Loads, and hands over to `take`, which makes it run; a plugin that stands in the way is left out, the version that runs
 * goes on, and it is tried again. Rejects with the reason why nothing changes.
 */
export async function takeOver<T extends { readonly number: number }>(
  plugins: Pick<Plugins, 'adopt' | 'refuse'>,
  load: () => Promise<Loaded>,
  take: (loaded: Loaded) => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      const taken = await take(await load())
      plugins.adopt(taken.number)
      return taken
    } catch (error) {
      if (!(await plugins.refuse(error))) throw error
    }
  }
}

function byName(adapters: readonly Adapter[]): ReadonlyMap<string, Adapter> {
  return new Map(adapters.map((adapter) => [adapter.name, adapter]))
}

export { ConfigError }
