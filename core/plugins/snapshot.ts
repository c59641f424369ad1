// A plugin as it lies on the disk at one moment: its hash, and the code that is run, so that what was checked is what runs.
import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { relative, sep } from 'node:path'
import { pathToFileURL } from 'node:url'

import { failureAt } from './explain.ts'
import type { Failure, Imported } from './explain.ts'
import { CODE, MISNAMED, distrust, installMark, isThere, walk, whyUnreadable } from './find.ts'
import type { Found } from './find.ts'

export interface Snapshot {
  readonly name: string
  /** The entry, absolute. */
  readonly file: string
  /** The plugins folder. */
  readonly root: string
  /** SHA-256, in hexadecimal, of the file, or of the folder's files and their names. Packages it brings along are named by its lock file. */
  readonly hash: string
  /** When npm was done with the packages beside it, which the hash does not cover. Undefined: it was not, or is at work. */
  readonly packages?: string | undefined
  /** The text of its own code, by `file:` address: a version that is started again is the same version. */
  readonly sources: ReadonlyMap<string, string>
  /** The SHA-256 of its files that are no code, by their absolute names: the plugin reads them where they lie. */
  readonly others: ReadonlyMap<string, string>
  /** The address of its file, or of its folder with a slash at the end. */
  readonly own: string
}

export type Contents = Pick<Snapshot, 'hash' | 'packages'>

export type Taken = { readonly snapshot: Snapshot } | { readonly failure: Failure; readonly hash: string }

/** Of one file; a plugin is not larger by mistake. */
const MAX_BYTES = 32 * 1024 * 1024
/** What an import may bring in, data as JSON too. */
const RUN = /\.(?:[cm]?[jt]s|json)$/

export function isCode(file: string): boolean {
  return CODE.test(file)
}

/** As `explain` asks for it. */
export function importedOf({ file, root, sources }: Snapshot): Imported {
  return { file, root, text: (path) => sources.get(pathToFileURL(path).href) ?? '' }
}

/** Whether nothing of a plugin has changed. Packages that npm has not finished yet have not. */
export function isAsBefore(before: Contents | undefined, now: Contents): boolean {
  if (before?.hash !== now.hash) return false
  return now.packages === undefined || now.packages === before.packages
}

/**
 * Reads a plugin whole, once. A `failure` says why it may not be loaded; undefined: it has gone while it was looked at. With `codeOnly` what is
 * no code does not count.
 */
export async function takeSnapshot(
  found: Found,
  root: string,
  { codeOnly = false }: { readonly codeOnly?: boolean } = {},
): Promise<Taken | undefined> {
  try {
    return await taken(found, root, codeOnly)
  } catch (error) {
    if (!(await isThere(found.path))) return undefined
    return { hash: '', failure: failureAt(root, { file: found.path }, whyUnreadable(error)) }
  }
}

async function taken(
  { name, path, entry, twin, problem: unreadable }: Found,
  root: string,
  codeOnly: boolean,
): Promise<Taken> {
  if (unreadable !== undefined) return { hash: '', failure: failureAt(root, { file: path }, unreadable) }
  if (entry === undefined) {
    const problem = 'the folder has no index.ts: add one, or begin its name with _ if it is no plugin'
    return { hash: '', failure: failureAt(root, { file: path }, problem) }
  }
  if (twin !== undefined) {
    const problem = `it and ${twin} are one plugin by name: remove one of them`
    return { hash: '', failure: failureAt(root, { file: entry }, problem) }
  }
  const isFile = path === entry
  if (isFile && MISNAMED.test(path)) {
    const problem = 'a plugin is a .ts or a .js file: rename it, or begin its name with _ if it is none'
    return { hash: '', failure: failureAt(root, { file: path }, problem) }
  }
  const { files, places } = isFile ? { files: [path], places: [path] } : await walk(path)
  for (const place of places) {
    const problem = await distrust(place, root)
    if (problem !== undefined) return { hash: '', failure: failureAt(root, { file: place }, problem) }
  }
  const hash = createHash('sha256')
  const sources = new Map<string, string>()
  const others = new Map<string, string>()
  for (const file of files) {
    if (codeOnly && !RUN.test(file)) continue
    const kind = await stat(file)
    if (!kind.isFile()) {
      const problem = 'it is a link to something that is no file: put the file itself there'
      return { hash: '', failure: failureAt(root, { file }, problem) }
    }
    const { size } = kind
    if (size > MAX_BYTES) {
      const problem = `the file has ${size} bytes, more than ${MAX_BYTES}: keep data out of the plugin's folder`
      return { hash: '', failure: failureAt(root, { file }, problem) }
    }
    const content = await readFile(file)
    if (RUN.test(file) && !isUtf8(content))
      return { hash: '', failure: failureAt(root, { file }, 'it is not UTF-8: save it as UTF-8') }
    if (RUN.test(file)) sources.set(pathToFileURL(file).href, content.toString('utf8'))
    if (codeOnly && !isCode(file)) continue
    if (!isFile) hash.update(JSON.stringify([relative(path, file).replaceAll(sep, '/'), content.byteLength]))
    hash.update(content)
    if (!RUN.test(file)) others.set(file, createHash('sha256').update(content).digest('hex'))
  }
  const own = isFile ? pathToFileURL(path).href : `${pathToFileURL(path).href}/`
  const packages = await installedAt(entry)
  return { snapshot: { name, file: entry, root, hash: hash.digest('hex'), packages, sources, others, own } }
}

async function installedAt(entry: string): Promise<string | undefined> {
  try {
    const { mtimeMs, size } = await stat(installMark(entry))
    return `${mtimeMs} ${size}`
  } catch {
    return undefined
  }
}
