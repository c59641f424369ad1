// What one generation was made of: the text of its config, the files which that names, the code of its plugins.
import { createHash } from 'node:crypto'
import { readFile, stat } from 'node:fs/promises'
import { dirname, extname, resolve } from 'node:path'
import type { KeptPlugin } from '../plugins/entries.ts'

export interface Content {
  /** SHA-256 of all of it, in hexadecimal. */
  readonly hash: string
  /** Its variables are not put in: what the environment holds is kept nowhere. */
  readonly config: KeptFile
  /** What the config names, and what schemas among it import. */
  readonly files: readonly KeptFile[]
  readonly plugins: readonly KeptPlugin[]
}

export interface KeptFile {
  /** Absolute. */
  readonly file: string
  readonly bytes: Uint8Array
}

export interface ContentParts {
  readonly config: { readonly file: string; readonly text: string }
  readonly files: readonly KeptFile[]
  readonly plugins: readonly KeptPlugin[]
}

/** More than a config names; a schema that imports half a disk is kept in part. */
const MOST_FILES = 500
const MOST_BYTES = 64 * 1024 * 1024

/** What a generation was made of. */
export function contentOf({ config, files, plugins }: ContentParts): Content {
  const parts = {
    config: { file: config.file, bytes: Buffer.from(config.text) },
    files: files.toSorted((a, b) => (a.file < b.file ? -1 : 1)),
    plugins: plugins.toSorted((a, b) => (a.found.name < b.found.name ? -1 : 1)),
  }
  return { ...parts, hash: hashOf(parts) }
}

/**
 * What the config names, as it was read for it, with what schemas among it import, read now. Keys and certificates are left
 * out: those are used as they lie there.
 */
export async function takeFiles(contents: ReadonlyMap<string, Uint8Array>): Promise<readonly KeptFile[]> {
  const kept = new Map<string, KeptFile>()
  const seen = new Set<string>()
  let total = 0
  const waiting = [...contents.keys()]
  for (let file = waiting.shift(); file !== undefined; file = waiting.shift()) {
    if (seen.has(file) || seen.size >= MOST_FILES) continue
    seen.add(file)
    const bytes = contents.get(file) ?? (await readUpTo(file, MOST_BYTES - total))
    if (bytes === undefined || isKey(file, bytes)) continue
    total += bytes.byteLength
    kept.set(file, { file, bytes })
    waiting.push(...importsOf(file, bytes))
  }
  return [...kept.values()]
}

/** Of bytes, in hexadecimal. */
export function sha256(bytes: Uint8Array | string): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function hashOf({ config, files, plugins }: Omit<Content, 'hash'>): string {
  const named = [config, ...files].map(({ file, bytes }) => [file, sha256(bytes)])
  const ran = plugins.map(({ found: { name }, hash, snapshot }) => [name, snapshot?.hash ?? `not ${hash}`])
  return sha256(JSON.stringify([named, ran]))
}

/** Undefined: it has gone, is no file, or is larger than `most`. */
async function readUpTo(file: string, most: number): Promise<Uint8Array | undefined> {
  try {
    const { size } = await stat(file)
    return size > most ? undefined : await readFile(file)
  } catch {
    return undefined // whoever needs it will say so
  }
}

const KEY_FILE = /\.(?:key|pem|p12|pfx|jks)$/iu

function isKey(file: string, bytes: Uint8Array): boolean {
  return KEY_FILE.test(file) || Buffer.from(bytes).includes('-----BEGIN ')
}

/** Of a WSDL or XSD: the files it imports, by names relative to it. */
function importsOf(file: string, bytes: Uint8Array): readonly string[] {
  if (!['.wsdl', '.xsd', '.xml'].includes(extname(file).toLowerCase())) return []
  const named = Buffer.from(bytes)
    .toString('latin1')
    .matchAll(/\b(?:schemaLocation|location)\s*=\s*["']([^"']{1,1000})["']/g)
  return [...named].flatMap(([, name = '']) =>
    /^[a-z][a-z0-9+.-]*:/i.test(name) || /\s/.test(name) ? [] : [resolve(dirname(file), name)],
  )
}
