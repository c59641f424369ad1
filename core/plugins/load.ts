// Finds the plugins of a folder and loads them, each on its own: a bad one changes nothing for the others.
import { readdir, realpath } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

import { adapterProblem } from '../api.ts'
import type { Adapter } from '../api.ts'
import { adapterCure, explain, failureAt, lineOf } from './explain.ts'
import type { Failure } from './explain.ts'
import { hashOf } from './hash.ts'
import { lendPackages } from './resolve.ts'

export type { Failure } from './explain.ts'

/** One file or folder of the plugins folder: loaded, or why not. */
export interface LoadedPlugin {
  /** Of the file or folder, without its ending. */
  readonly name: string
  /** The entry, absolute. */
  readonly file: string
  /** SHA-256 of everything the plugin consists of, in hexadecimal. */
  readonly hash: string
  readonly adapter?: Adapter
  readonly failure?: Failure
}

export interface LoadedPlugins {
  readonly adapters: readonly Adapter[]
  readonly plugins: readonly LoadedPlugin[]
}

export interface LoadOptions {
  /** Only these, by file name; absent: all of the folder. */
  readonly allow?: readonly string[]
  /** How long a plugin may take to load; default 5 s. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 5000
const ENTRIES = ['index.ts', 'index.js'] as const

/**
 * Loads every plugin of a folder into this process. Never rejects for a plugin's sake: what cannot be loaded has a `failure`.
 * A folder that does not exist has no plugins. `builtIn` are the names that are taken; of two plugins with one name the first
 * by file name stays. Called again, it loads what has changed.
 */
export async function loadPlugins(
  directory: string,
  builtIn: readonly string[] = [],
  options: LoadOptions = {},
): Promise<LoadedPlugins> {
  const root = await existing(directory)
  if (root === undefined) return { adapters: [], plugins: [] }
  lendPackages(root)
  const found = (await findPlugins(root)).filter(({ name }) => options.allow?.includes(name) ?? true)
  const loaded = await Promise.all(
    found.map(async (each) => load(each, root, options.timeoutMs ?? TIMEOUT_MS)),
  )
  const taken = new Map(builtIn.map((name) => [name, 'a built-in adapter']))
  const plugins = loaded.map((plugin) => unlessTaken(plugin, taken, root))
  return { adapters: plugins.flatMap(({ adapter }) => (adapter === undefined ? [] : [adapter])), plugins }
}

interface Found {
  readonly name: string
  /** Absent: a folder without an entry. */
  readonly entry?: string
  readonly path: string
}

async function findPlugins(root: string): Promise<readonly Found[]> {
  const found: Found[] = []
  for (const item of (await readdir(root, { withFileTypes: true })).toSorted((a, b) =>
    a.name < b.name ? -1 : 1,
  )) {
    const path = join(root, item.name)
    if (/^[._]/.test(item.name) || item.name === 'node_modules') continue
    if (/\.(?:test|spec|d)\.[jt]s$/.test(item.name)) continue
    const inside = await filesOf(path)
    if (inside === undefined) {
      if (/\.[jt]s$/.test(item.name)) found.push({ name: item.name.slice(0, -3), entry: path, path })
      continue
    }
    const entry = ENTRIES.find((name) => inside.includes(name))
    found.push({ name: item.name, path, ...(entry !== undefined && { entry: join(path, entry) }) })
  }
  return found
}

/** The names in a folder; undefined for what is no folder. Follows a link, as importing does. */
async function filesOf(path: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(path)
  } catch (error) {
    if (isCode(error, 'ENOTDIR', 'ENOENT')) return undefined
    throw error
  }
}

async function load({ name, entry, path }: Found, root: string, timeoutMs: number): Promise<LoadedPlugin> {
  if (entry === undefined) {
    const problem = 'the folder has no index.ts: add one, or begin its name with _ if it is no plugin'
    return { name, file: path, hash: '', failure: failureAt(root, { file: path }, problem) }
  }
  let hash = ''
  try {
    const real = await realpath(entry)
    hash = await hashOf(path === entry ? real : await realpath(path))
    lendPackages(dirname(real))
    const module: unknown = await within(
      import(`${pathToFileURL(real).href}?v=${hash.slice(0, 16)}`),
      timeoutMs,
    )
    if (module !== LATE) return { name, file: entry, hash, ...adapterOf(module, entry, root) }
    const problem = `it has not finished loading after ${timeoutMs / 1000} s: await nothing outside of \`start\``
    return { name, file: entry, hash, failure: failureAt(root, { file: entry }, problem) }
  } catch (error) {
    return { name, file: entry, hash, failure: await explained(error, entry, root) }
  }
}

/** Whatever a plugin throws, even if looking at it throws again, stays its own failure. */
async function explained(thrown: unknown, entry: string, root: string): Promise<Failure> {
  try {
    return await explain(thrown, entry, root)
  } catch {
    return failureAt(root, { file: entry }, 'it throws something that cannot be read: throw an Error')
  }
}

function adapterOf(
  module: unknown,
  file: string,
  root: string,
): { readonly adapter: Adapter } | { readonly failure: Failure } {
  const exported = (module as { readonly default?: unknown }).default // a module namespace may be asked for any export
  if (exported === undefined)
    return {
      failure: failureAt(
        root,
        { file },
        'it has no default export: add `export default defineAdapter({ … })`',
      ),
    }
  const problem = adapterProblem(exported)
  if (problem === undefined) return { adapter: exported as Adapter } // adapterProblem found nothing
  const line = lineOf(file, ['export default', 'as default', 'module.exports'])
  const place = { file, ...(line !== undefined && { line }) }
  return { failure: failureAt(root, place, `the default export ${problem}: ${adapterCure(problem)}`) }
}

function unlessTaken(plugin: LoadedPlugin, taken: Map<string, string>, root: string): LoadedPlugin {
  const { adapter, ...rest } = plugin
  if (adapter === undefined) return plugin
  const other = taken.get(adapter.name)
  if (other !== undefined)
    return {
      ...rest,
      failure: failureAt(
        root,
        { file: plugin.file },
        `the name "${adapter.name}" belongs to ${other}: give this one another name`,
      ),
    }
  taken.set(adapter.name, `the plugin ${plugin.file.slice(root.length + 1)}`)
  return plugin
}

async function existing(directory: string): Promise<string | undefined> {
  try {
    return await realpath(directory)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

const LATE = Symbol('late')

async function within<T>(work: Promise<T>, timeoutMs: number): Promise<T | typeof LATE> {
  const late = Promise.withResolvers<typeof LATE>()
  const timer = setTimeout(() => late.resolve(LATE), timeoutMs)
  try {
    return await Promise.race([work, late.promise])
  } finally {
    clearTimeout(timer)
  }
}

function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}
