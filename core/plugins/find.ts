// What lies in the plugins folder: which of its files and folders are plugins, and whether the folder may be trusted at all.
import { lstat, readdir, realpath, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'

export interface Found {
  /** Of the file or folder, without its ending. */
  readonly name: string
  /** The file, or the folder. */
  readonly path: string
  /** Absent: a folder without an entry. */
  readonly entry?: string
  /** The file that is loaded under its name instead of it. */
  readonly twin?: string
  /** Why nobody can look at it. */
  readonly problem?: string
}

const ENTRIES = ['index.ts', 'index.js'] as const

/** The folder itself, links followed; undefined if there is none. */
export async function pluginsRoot(directory: string): Promise<string | undefined> {
  try {
    return await realpath(directory)
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined
    throw error
  }
}

/** Code, but of a kind that plugins are not: found under its whole name, so that `takeSnapshot` says so instead of nobody. */
export const MISNAMED = /\.(?:[jt]sx|[cm][jt]s)$/

/**
 * The plugins of a folder, by name; `m.ts`, `m.js` and a folder `m` have one. Names that begin with `.` or `_`, tests and other kinds of
 * files are left alone.
 */
export async function findPlugins(root: string): Promise<readonly Found[]> {
  const found: Found[] = []
  for (const { name: file } of await listed(root)) {
    if (isLeftAlone(file)) continue
    const path = join(root, file)
    const name = pluginNameOf(file) ?? file
    try {
      const inside = await filesOf(path)
      const isFile = inside === undefined
      if (isFile && name === file && !MISNAMED.test(file)) continue
      if (isFile && !(await stat(path)).isFile()) {
        found.push({ name, path, problem: 'it is neither a file nor a folder: remove it' })
        continue
      }
      const entry = isFile
        ? path
        : ENTRIES.map((each) => join(path, each)).find((each) => inside.includes(basename(each)))
      found.push({ name: isFile ? name : file, path, ...(entry !== undefined && { entry }) })
    } catch (error) {
      if (await isThere(path)) found.push({ name, path, problem: whyUnreadable(error) })
    }
  }
  return found
}

/** Also a link that leads nowhere. */
export async function isThere(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  )
}

/** What stands in the way of something that is there, and what helps. */
export function whyUnreadable(error: unknown): string {
  if (isCode(error, 'ENOENT')) return 'it is a link to nothing: remove it'
  if (isCode(error, 'ELOOP')) return 'it is a link that leads back to itself: remove it'
  if (isCode(error, 'EACCES', 'EPERM'))
    return 'the gateway may not read it: change its owner or its mode, or begin its name with _ if it is no plugin'
  return `it cannot be read: ${error instanceof Error ? error.message : String(error)}`
}

/**
 * Of several with one name the one whose entry `runs`, else the first that has an entry. The others are there under their whole names, so
 * that `takeSnapshot` says of each what its `twin` is.
 */
export function oneOfEach(
  found: readonly Found[],
  runs: (name: string) => string | undefined = () => undefined,
): readonly Found[] {
  const byName = Map.groupBy(found, ({ name }) => name)
  return found.map((each) => {
    const all = byName.get(each.name) ?? []
    const chosen =
      all.find((one) => one.entry !== undefined && one.entry === runs(each.name)) ??
      all.find((one) => one.entry !== undefined) ??
      all[0]
    if (chosen === undefined || chosen === each) return each
    return { ...each, name: fileOf(each), twin: fileOf(chosen) }
  })
}

/** `m.ts`, `m/index.ts`; `m/` has no entry. */
export function fileOf({ path, entry, problem }: Found): string {
  if (entry === path || problem !== undefined) return basename(path)
  return `${basename(path)}/${entry === undefined ? '' : basename(entry)}`
}

/** The plugin that a file directly in the folder would be. Undefined: none. */
export function pluginNameOf(file: string): string | undefined {
  return isLeftAlone(file) || !/\.[jt]s$/.test(file) ? undefined : file.slice(0, -3)
}

function isLeftAlone(name: string): boolean {
  return (
    /^[._]/.test(name) ||
    name === 'node_modules' ||
    name === 'lost+found' ||
    /\.(?:test|spec|d)\.[cm]?[jt]sx?$/.test(name)
  )
}

/** Why nothing may be loaded from a place: others may write there, or it is a link that leads outside. Undefined: it may. */
export async function distrust(path: string, root: string): Promise<string | undefined> {
  let real: string
  try {
    real = await realpath(path)
  } catch (error) {
    if (await isThere(path)) return whyUnreadable(error)
    throw error
  }
  if (real !== root && !real.startsWith(`${root}/`))
    return `it is a link that leads out of the plugins folder, to ${real}: put the file itself there`
  const { mode } = await stat(real)
  // The sticky bit does not help: it keeps others from renaming, not from writing.
  if ((mode & 0o002) !== 0)
    return `everybody on this machine may write it, so anybody may run code here: chmod o-w ${path}`
  return undefined
}

/** The names in a folder; undefined for what is no folder. Follows a link, as importing does. */
async function filesOf(path: string): Promise<readonly string[] | undefined> {
  try {
    return await readdir(path)
  } catch (error) {
    if (isCode(error, 'ENOTDIR')) return undefined
    throw error
  }
}

async function listed(root: string): Promise<readonly { readonly name: string }[]> {
  return (await readdir(root, { withFileTypes: true })).toSorted((a, b) => (a.name < b.name ? -1 : 1))
}

export function isCode(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof Error && 'code' in error && codes.includes(String(error.code))
}

/** What npm writes when it is done with the packages that lie beside a plugin, and removes first. */
export function installMark(entry: string): string {
  return join(dirname(entry), 'node_modules', '.package-lock.json')
}

export const CODE = /\.[cm]?[jt]s$/

/** In a plugin's folder: lies beside the code, and is no part of what runs. */
export function isBeside(name: string): boolean {
  return name.startsWith('.') || /\.(?:(?:test|spec)\.[jt]s|md)$/.test(name)
}

/** Every file below a folder but packages, tests, texts and hidden ones, with the folders themselves; links are followed by nobody here. */
export async function walk(folder: string): Promise<Walked> {
  const files: string[] = []
  const folders: string[] = []
  const places: string[] = []
  async function into(path: string): Promise<void> {
    places.push(path)
    folders.push(path)
    for (const { name } of await listed(path)) {
      if (name === 'node_modules' || isBeside(name)) continue
      const below = join(path, name)
      const kind = await lstat(below)
      if (kind.isDirectory()) await into(below)
      else {
        places.push(below)
        if (kind.isFile() || kind.isSymbolicLink()) files.push(below)
      }
    }
  }
  await into(folder)
  return { files: files.toSorted(), folders, places }
}

export interface Walked {
  readonly files: readonly string[]
  readonly folders: readonly string[]
  /** All of it, folders and whatever else there is too. */
  readonly places: readonly string[]
}
