// What one generation was made of: the text of its config, the files which that names, the code of its plugins.
import { createHash } from 'node:crypto'
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

/** What a generation was made of. */
export function contentOf({ config, files, plugins }: ContentParts): Content {
  const parts = {
    config: { file: config.file, bytes: Buffer.from(config.text) },
    files: files.toSorted((a, b) => (a.file < b.file ? -1 : 1)),
    plugins: plugins.toSorted((a, b) => (a.found.name < b.found.name ? -1 : 1)),
  }
  return { ...parts, hash: hashOf(parts) }
}

/** What the config names, as it was read for it. Keys and certificates are left out: those are used as they lie there. */
export function takeFiles(contents: ReadonlyMap<string, Uint8Array>): readonly KeptFile[] {
  return [...contents].flatMap(([file, bytes]) => (isKey(file, bytes) ? [] : [{ file, bytes }]))
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

const KEY_FILE = /\.(?:key|pem|p12|pfx|jks)$/iu

function isKey(file: string, bytes: Uint8Array): boolean {
  return KEY_FILE.test(file) || Buffer.from(bytes).includes('-----BEGIN ')
}
