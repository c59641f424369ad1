// Paths in the file: relative to it, and those that the gateway itself opens must be readable.
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Path } from './problems.ts'
import type { Report } from './report.ts'

export interface Files {
  /** An absolute path. */
  path(text: string): string
  exists(text: string): boolean
  /** An absolute path to a file that can be read; another one is reported. */
  readable(text: string, path: Path): string
  /** What a file holds; undefined where it cannot be read. */
  content(text: string): Uint8Array | undefined
  /** A copy with every text that begins with `./` or `../` made absolute: which keys hold files only the adapter knows. */
  absolute(value: unknown): unknown
  /** The same, with a digest of the content in the place of each file: a component changes when its files do. */
  stamped(value: unknown): unknown
  /** The files that `stamped` has read, with what they held. */
  readonly read: ReadonlyMap<string, Uint8Array>
  /** Others that were looked for or into: with a change of one of them, another answer is possible. */
  readonly wanted: ReadonlySet<string>
}

/** `base` is the folder of the config file, absolute; `places` says of which files another is read instead. */
export function relativeTo(
  base: string,
  report: Report,
  places: ReadonlyMap<string, string> = new Map(),
): Files {
  const at = (file: string): string => places.get(file) ?? file
  const read = new Map<string, Uint8Array>()
  const wanted = new Set<string>()
  const mapped = (value: unknown, each: (file: string) => string): unknown => {
    if (typeof value === 'string') return /^\.\.?\//u.test(value) ? each(resolve(base, value)) : value
    if (Array.isArray(value)) return value.map((member) => mapped(member, each))
    if (typeof value !== 'object' || value === null) return value
    const copy: Record<string, unknown> = Object.create(null) // null prototype: names come from the file
    for (const [name, member] of Object.entries(value)) copy[name] = mapped(member, each)
    return copy
  }
  const stamp = (file: string): string => {
    if (unreadable(at(file)) !== undefined) {
      wanted.add(file)
      return file
    }
    const bytes = readFileSync(at(file))
    read.set(file, bytes)
    // By its own name wherever it is read: the same content makes the same component.
    return `${file} ${createHash('sha256').update(bytes).digest('hex')}`
  }
  return {
    path: (text) => resolve(base, text),
    exists: (text) => existsSync(at(resolve(base, text))),
    readable(text, path) {
      const named = resolve(base, text)
      const file = at(named)
      const reason = unreadable(file)
      if (reason === undefined) return file
      wanted.add(named)
      report.add(path, `${report.show(path, text) ?? 'the file'} ${reason}`)
      return file
    },
    content(text) {
      const named = resolve(base, text)
      wanted.add(named)
      return unreadable(at(named)) === undefined ? readFileSync(at(named)) : undefined
    },
    absolute: (value) => mapped(value, at),
    stamped: (value) => mapped(value, stamp),
    read,
    wanted,
  }
}

function unreadable(file: string): string | undefined {
  try {
    accessSync(file, constants.R_OK)
    return statSync(file).isFile() ? undefined : 'is no file'
  } catch (error) {
    return `cannot be read: ${reasonOf(error)}`
  }
}

/** Why a file cannot be read, in words. */
export function reasonOf(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown'
  const words: Readonly<Record<string, string>> = {
    ENOENT: 'there is no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a folder',
    ENOTDIR: 'there is no such folder',
  }
  return words[code] ?? code
}
