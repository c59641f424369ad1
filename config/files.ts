// Paths in the file: relative to it, and those that the gateway itself opens must be readable.
import { createHash } from 'node:crypto'
import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { isAbsolute, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withImports } from './imports.ts'
import type { Path } from './problems.ts'
import type { Report } from './report.ts'

/**
 * What schemas say of the text at a place, as JSON Schema's `format`: `file` (it names one, unless it is a URL), `file-or-text` (it names
 * one where it is an absolute path).
 */
export type FormatsAt = (path: Path) => readonly string[]

export interface Files {
  /** An absolute path. */
  path(text: string): string
  exists(text: string): boolean
  /** An absolute path to a file that can be read; another one is reported. */
  readable(text: string, path: Path): string
  /** What a file holds; undefined where it cannot be read. */
  content(text: string): Uint8Array | undefined
  /**
   * A copy with every file as an absolute path: texts that begin with `./` or `../`, and what a schema calls a file. One of the
   * latter that cannot be read is reported (the others: `checkFiles`). `path` is where the value stands.
   */
  absolute(value: unknown, path: Path, formats: FormatsAt): unknown
  /** The same, with digests of the content, imports included, in the place of each file: a component changes when its files do. */
  stamped(value: unknown, formats: FormatsAt): unknown
  /** The files that `stamped` has read, named by a path relative to the config, and what they import, with what they held. */
  readonly read: ReadonlyMap<string, Uint8Array>
  /** Those it has read that are named by an absolute path: they are this machine's, and nobody's copy. */
  readonly elsewhere: ReadonlySet<string>
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
  const elsewhere = new Set<string>()
  const bytesOf = (file: string): Uint8Array | undefined => {
    if (unreadable(at(file)) === undefined) return readFileSync(at(file))
    wanted.add(file)
    return undefined
  }
  const stamp = (file: string, text: string): string => {
    const found = [...withImports(file, bytesOf)]
    const isElsewhere = isAbsolute(text) || isUrl(text)
    for (const [name, bytes] of found)
      if (isElsewhere) elsewhere.add(name)
      else read.set(name, bytes)
    // By its own name wherever it is read: the same content makes the same component.
    const digests = found.map(
      ([name, bytes]) => `${name} ${createHash('sha256').update(bytes).digest('hex')}`,
    )
    return digests.length === 0 ? file : digests.join(' ')
  }
  const readable = (file: string, text: string, path: Path): string => {
    const reason = unreadable(at(file))
    if (reason !== undefined) {
      wanted.add(file)
      report.add(path, `${report.show(path, text) ?? 'the file'} ${reason}`)
    }
    return at(file)
  }
  return {
    path: (text) => resolve(base, text),
    exists: (text) => existsSync(at(resolve(base, text))),
    readable: (text, path) => readable(resolve(base, text), text, path),
    content(text) {
      const named = resolve(base, text)
      wanted.add(named)
      return bytesOf(named)
    },
    absolute: (value, path, formats) =>
      mapped(value, [], (text, below) => {
        const file = fileIn(text, base, formats(below))
        if (file === undefined) return text
        return isMarked(text) ? at(file) : readable(file, text, [...path, ...below])
      }),
    stamped: (value, formats) =>
      mapped(value, [], (text, below) => {
        const file = fileIn(text, base, formats(below))
        return file === undefined ? text : stamp(file, text)
      }),
    read,
    elsewhere,
    wanted,
  }
}

function mapped(value: unknown, path: Path, each: (text: string, path: Path) => string): unknown {
  if (typeof value === 'string') return each(value, path)
  if (Array.isArray(value)) return value.map((member, index) => mapped(member, [...path, index], each))
  if (typeof value !== 'object' || value === null) return value
  const copy: Record<string, unknown> = Object.create(null) // null prototype: names come from the file
  for (const [name, member] of Object.entries(value)) copy[name] = mapped(member, [...path, name], each)
  return copy
}

/** The file that a text names, absolute; undefined: it names none. */
function fileIn(text: string, base: string, formats: readonly string[]): string | undefined {
  if (isMarked(text)) return resolve(base, text)
  if (formats.includes('file-or-text')) return isAbsolute(text) ? text : undefined
  if (!formats.includes('file') || text === '') return undefined
  if (!isUrl(text)) return resolve(base, text)
  try {
    return fileURLToPath(text)
  } catch {
    return undefined // another kind of URL, or one that the adapter refuses
  }
}

/** It is a file, whatever its key. */
function isMarked(text: string): boolean {
  return /^\.\.?\//u.test(text)
}

/** One letter is a drive. */
function isUrl(text: string): boolean {
  return /^[a-z][a-z\d+.-]+:/iu.test(text)
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
