// What is known of each plugin of the folder: what it is told as, and whether its lock lets it run.
import type { Adapter } from '../api.ts'
import type { Missed } from './absent.ts'
import type { Memory } from './contract.ts'
import type { Failure } from './explain.ts'
import type { Found } from './find.ts'
import type { Snapshot } from './snapshot.ts'
import type { PluginState, PluginVersion } from './version.ts'

export interface Where {
  readonly directory: string
  /** Only these, by file name; or with the SHA-256 each must have: then nothing else is run. Absent: all of the folder. */
  readonly allow?: Allow
}

export type Allow = readonly string[] | Readonly<Record<string, string>>

/** One file or folder of the plugins folder. */
export interface LoadedPlugin {
  /** Of the file or folder, without its ending. */
  readonly name: string
  /** The entry, absolute. */
  readonly file: string
  /** SHA-256 of everything the plugin consists of, in hexadecimal. */
  readonly hash: string
  /** Absent: none of it runs. */
  readonly adapter?: Adapter
  /** Why it does not run as it lies there; an older version may. */
  readonly failure?: Failure
}

export interface LoadedPlugins {
  /** With those that only say that their plugin is missing. */
  readonly adapters: readonly Adapter[]
  readonly plugins: readonly LoadedPlugin[]
  /** What may run is what runs already: nothing has changed, or every change was bad. */
  readonly isSame: boolean
}

/** As `dragoman plugins` shows it. */
export interface PluginRow {
  readonly name: string
  readonly adapter: string | null
  readonly state: PluginState | 'failed'
  /** Of the version that runs. */
  readonly hash: string | null
  /** It began with. */
  readonly generation: number | null
  readonly calls: number
  readonly errors: number
  readonly restarts: number
  readonly memory: Memory | null
  /** The last one, of the version that runs or of the file that could not take its place. */
  readonly failure: Failure | null
}

/** One plugin of the folder as it ran, for a generation that runs again. */
export interface KeptPlugin {
  readonly found: Found
  readonly hash: string
  /** Absent: it could not be loaded, and something stood in for it. */
  readonly snapshot?: Snapshot
}

export interface Entry {
  readonly found: Found
  readonly hash: string
  readonly packages?: string | undefined
  readonly version?: PluginVersion | undefined
  readonly failure?: Failure | undefined
}

/** A list leaves the others alone; a lock refuses them, and says so. */
export function isNamed(name: string, allow: Allow | undefined): boolean {
  return !Array.isArray(allow) || allow.includes(name)
}

export function lockProblem(name: string, hash: string, allow: Allow | undefined): string | undefined {
  if (allow === undefined || Array.isArray(allow)) return undefined
  const locked = allow as Readonly<Record<string, string>> // what is no list is the map
  const cure = 'if you trust it, run `dragoman plugins lock`'
  if (!Object.hasOwn(locked, name)) return `it is not in plugins.allow: ${cure}`
  if (locked[name] === hash) return undefined
  return `it is not what plugins.allow has locked (its SHA-256 is ${hash.slice(0, 12)}…, not ${locked[name]?.slice(0, 12)}…): ${cure}`
}

export function rowOf({ found, hash, version, failure }: Entry): LoadedPlugin {
  return {
    name: found.name,
    file: found.entry ?? found.path,
    hash,
    ...(version !== undefined && { adapter: version.adapter }),
    ...(failure !== undefined && { failure }),
  }
}

/** What helps where a plugin has gone. */
export const BRING_BACK = 'put its file back, or take out of the config what needs it'

/** Of one that has gone and is needed. */
export function goneRow({ plugin, adapter, users }: Missed): PluginRow {
  return {
    name: plugin,
    adapter,
    state: 'failed',
    hash: null,
    generation: null,
    calls: 0,
    errors: 0,
    restarts: 0,
    memory: null,
    failure: { message: `its file has gone, and ${users.join(', ')} needs it: ${BRING_BACK}` },
  }
}

/** One that could not be loaded then is not now. */
export function notThen({ found, hash }: KeptPlugin): Entry {
  const message = `${found.path}: it could not be loaded when this generation ran`
  return { found, hash, failure: { message, file: found.path } }
}
