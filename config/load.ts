// From a file to a Config, in two steps: what the file says, then, with its plugins loaded, whether it can be used.
import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Adapter, Schema } from '../core/api.ts'
import { isFields, offeredBy } from './adapter-part.ts'
import type { Fields } from './adapter-part.ts'
import { check } from './check.ts'
import { resolveAgents, resolveBackends, resolveChannels } from './components.ts'

import type { BackendConfig, Config, PluginsConfig } from './config.ts'
import { reasonOf, relativeTo } from './files.ts'
import { checkChannels, checkFiles } from './places.ts'
import { jsonSchemaOf, keysAt } from './json-schema.ts'
import { withLiterals } from './literals.ts'
import type { Environment } from './interpolate.ts'
import type { Resolved } from './components.ts'
import { ConfigError } from './problems.ts'
import { Report, valueAt } from './report.ts'
import { resolveRoutes } from './routes.ts'
import type { Names } from './routes.ts'
import { sections } from './schema-sections.ts'
import { backendOperation } from './schema.ts'
import {
  cacheOf,
  checkReach,
  isReachable,
  httpOf,
  identityOf,
  lanesOf,
  limitsOf,
  noticeGivenOut,
  overloadOf,
  storeOf,
} from './sections.ts'
import { checkStrength } from './strength.ts'
import { parseTree } from './tree.ts'
import type { Tree } from './tree.ts'

export type { Config } from './config.ts'
export { ConfigError, formatProblem } from './problems.ts'
export type { Problem } from './problems.ts'

/** For one run, stronger than the file. */
export interface Overrides {
  /** The folder of the store, absolute or relative to the current folder. */
  readonly data?: string
  readonly port?: number
  /** Of the first MQTT channel that listens; ignored without one. */
  readonly mqttPort?: number
}

export interface ReadOptions {
  readonly env: Environment
  readonly overrides?: Overrides
  /** What the file said at another moment, and where what it names is kept: both are taken in the place of what lies there now. */
  readonly kept?: { readonly text: string; readonly places: ReadonlyMap<string, string> }
  /** Something runs by the file: an empty one is about to be written, and is refused. At a start it stands for the defaults. */
  readonly isReload?: boolean
}

/** A file that could be read; whether it can be used shows `resolveConfig`. */
export interface ConfigDocument {
  /** Absolute. */
  readonly file: string
  /** Where the adapters come from that `resolveConfig` wants to know. */
  readonly plugins: PluginsConfig
  /** Values that no log line may show; longest first. */
  readonly secrets: readonly string[]
  readonly tree: Tree
  /** As it stands in the file, variables not put in. */
  readonly text: string
  /** Where a file that it names is read instead, both absolute. */
  readonly places: ReadonlyMap<string, string>
}

/**
 * Reads a file and puts in the environment's values. Throws `ConfigError` where it cannot be read, is no YAML, is a
 * bomb, or says nothing usable about plugins; every other problem waits for `resolveConfig`.
 */
export async function readConfig(file: string, options: ReadOptions): Promise<ConfigDocument> {
  const absolute = resolve(file)
  const text = options.kept?.text ?? (await readText(file))
  const parsed = parseTree(file, text, options.env)
  const refused = (message: string): ConfigError =>
    new ConfigError([{ file, line: 1, column: 1, message, path: '' }])
  if (parsed.root === null && options.isReload === true)
    throw refused(
      'the file is empty; the running generation goes on ({} stands for a gateway without channels)',
    )
  const root = parsed.root ?? {}
  if (!isFields(root))
    throw refused('the file must hold a map of keys: http, channels, backends, agents, routes …')
  const tree: Tree = { ...parsed, root: overridden(root, options.overrides ?? {}) }
  return {
    file: absolute,
    plugins: readPlugins(tree, root, dirname(absolute)),
    secrets: tree.secrets,
    tree,
    text,
    places: options.kept?.places ?? new Map(),
  }
}

/** The adapters that the file names; an empty name for a component that names none. */
export function namedAdapters({ tree }: ConfigDocument): readonly string[] {
  const root = isFields(tree.root) ? tree.root : {}
  const components = [root['channels'], root['backends'], root['agents']].flatMap((section) =>
    isFields(section) ? Object.values(section) : [],
  )
  return components.map((component) => {
    const name = isFields(component) ? component['adapter'] : undefined
    return typeof name === 'string' ? name : ''
  })
}

/**
 * Checks everything against the core's schemas and the adapters' own. Throws one `ConfigError` with every problem of the
 * file, in its order. An adapter's schema must answer synchronously. `pluginNames` says how the adapter of a plugin's file is named.
 */
export function resolveConfig(
  document: ConfigDocument,
  adapters: ReadonlyMap<string, Adapter>,
  pluginNames: ReadonlyMap<string, string> = new Map(),
): Config {
  const tree = withLiterals(document.tree, adapters)
  const root = isFields(tree.root) ? tree.root : {}
  const report = new Report(tree)
  const files = relativeTo(dirname(document.file), report, document.places)
  for (const key of Object.keys(root))
    if (!KNOWN.includes(key)) report.unknownKey([key], KNOWN, ELSEWHERE.get(key))

  const section = <T>(schema: Schema<T>, name: string): T | undefined =>
    check(schema, { value: root[name] ?? undefined, path: [name] }, report)?.value
  const http = section(sections.http, 'http')
  const data = section(sections.data, 'data')
  section(sections.plugins, 'plugins') // readConfig has taken it; here its problems join the others
  const identity = (root['identity'] ?? undefined) && section(sections.identity, 'identity')
  const admin = section(sections.admin, 'admin')
  const log = section(sections.log, 'log')
  const store = section(sections.store, 'store')
  const lanes = section(sections.lanes, 'lanes')
  const cache = section(sections.cache, 'cache')
  const overload = section(sections.overload, 'overload')
  const limits = section(sections.limits, 'limits')

  const context = { report, adapters, pluginNames, files }
  const channels = resolveChannels(context)
  const backends = resolveBackends(context, channels)
  const agents = resolveAgents(context)
  checkFiles(root, files, report)
  const names: Names = {
    channels: new Set(channels.keys()),
    backends: knownOperations(root, backends, adapters),
    agents: new Set(agents.keys()),
  }
  const routes = resolveRoutes(root['routes'], names, report)
  const identified = identity === undefined ? undefined : identityOf(identity, { names, report, files })
  const limited = limits === undefined ? undefined : limitsOf(limits, { names, report })
  const listener = http === undefined ? undefined : httpOf(http, files, report)
  checkChannels(channels, listener, report)
  checkReach(listener ?? { host: valueAt(root, ['http', 'host']) }, root['identity'], report)
  checkStrength({ admin, identity: identified }, listener !== undefined && isReachable(listener), report)
  if (listener !== undefined)
    noticeGivenOut(listener, { agents: agents.values(), backends: backends.values() }, report)

  const remembered = store === undefined ? undefined : storeOf(store, files)

  report.end([...files.read.keys(), ...files.elsewhere, ...files.wanted])
  return {
    file: document.file,
    files: [...files.read.keys(), ...files.elsewhere],
    contents: files.read,
    http: taken(listener),
    dataDirectory: files.path(taken(data)),
    plugins: document.plugins,
    ...(identified !== undefined && { identity: identified }),
    admin: taken(admin),
    log: taken(log),
    store: taken(remembered),
    lanes: lanesOf(taken(lanes)),
    cache: cacheOf(taken(cache)),
    overload: overloadOf(taken(overload)),
    limits: limited ?? {},
    channels: recordOf(channels),
    backends: recordOf(backends),
    agents: recordOf(agents),
    routes,
    secrets: document.secrets,
    notices: report.notices,
  }
}

const KNOWN = [...Object.keys(sections), 'channels', 'backends', 'agents', 'routes']

/** What people write at the top, and where it stands. */
const ELSEWHERE: ReadonlyMap<string, string> = new Map([
  ['redis', 'store: { url: redis://… }'],
  ['host', 'http: { host: … }'],
  ['port', 'http: { port: … }'],
  ['tls', 'http: { tls: … }'],
])

async function readText(file: string): Promise<string> {
  const refused = (message: string): ConfigError =>
    new ConfigError([{ file, line: 1, column: 1, message, path: '' }])
  let bytes: Uint8Array
  try {
    bytes = await readFile(file)
  } catch (error) {
    throw refused(`the file cannot be read: ${reasonOf(error)}`)
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw refused('the file is not UTF-8')
  }
}

/** No code is loaded from a folder that the file does not clearly name. */
function readPlugins(tree: Tree, root: Fields, base: string): PluginsConfig {
  const report = new Report(tree)
  const checked = check(sections.plugins, { value: root['plugins'] ?? undefined, path: ['plugins'] }, report)
  if (checked === undefined || tree.problems.some(({ path }) => /^plugins\b/u.test(path))) report.end()
  const { path, allow } = typeof checked?.value === 'object' ? checked.value : { path: checked?.value }
  return { directory: resolve(base, path ?? './plugins'), ...(allow !== undefined && { allow }) }
}

function overridden(root: Fields, { data, port, mqttPort }: Overrides): Fields {
  const { channels, http } = root
  const changed: Record<string, unknown> = Object.assign(Object.create(null), root) // null prototype: names come from the file
  if (data !== undefined) changed['data'] = resolve(data)
  if (port !== undefined && (isFields(http) || (http ?? undefined) === undefined))
    changed['http'] = { ...(isFields(http) && http), port }
  if (mqttPort !== undefined && isFields(channels)) {
    const listens = ([, channel]: [string, unknown]): boolean =>
      isFields(channel) && channel['adapter'] === 'mqtt' && channel['url'] === undefined
    const [name, channel] = Object.entries(channels).find(listens) ?? []
    if (name !== undefined && isFields(channel))
      changed['channels'] = { ...channels, [name]: { ...channel, port: mqttPort } }
  }
  return changed
}

/** The file knows all operations of a backend whose adapter takes them from the file, or tells them by it. */
function knownOperations(
  root: Fields,
  backends: Resolved<BackendConfig>,
  adapters: ReadonlyMap<string, Adapter>,
): Names['backends'] {
  const known = new Map<string, ReadonlySet<string> | undefined>()
  for (const [name, resolved] of backends) {
    const offered = resolved && offeredBy(resolved, adapters)
    if (offered !== undefined) {
      known.set(name, new Set(offered))
      continue
    }
    const operations = valueAt(root, ['backends', name, 'operations'])
    const adapter = valueAt(root, ['backends', name, 'adapter'])
    const schema = typeof adapter === 'string' ? adapters.get(adapter)?.backend?.config : undefined
    const json = schema === undefined ? undefined : jsonSchemaOf(schema)
    const takes = json === undefined ? resolved !== undefined : keysAt(json, []).includes('operations')
    known.set(
      name,
      takes && isFields(operations) && anyOwn(operations) ? new Set(Object.keys(operations)) : undefined,
    )
  }
  return known
}

function anyOwn(operations: Fields): boolean {
  return Object.values(operations).some(
    (keys) => isFields(keys) && Object.keys(keys).some((key) => !Object.hasOwn(backendOperation.shape, key)),
  )
}

function recordOf<T>(resolved: ReadonlyMap<string, T | undefined>): Readonly<Record<string, T>> {
  const result: Record<string, T> = Object.create(null) // null prototype: names come from the file
  for (const [name, value] of resolved) result[name] = taken(value)
  return result
}

/** What has no problem has a value. */
function taken<T>(value: T | undefined): T {
  if (value === undefined) throw new TypeError('the config has a gap that was not reported')
  return value
}
