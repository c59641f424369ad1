// What a WSDL or XML schema brings along: the files that it imports and includes, and those that they do.
import { dirname, extname, resolve } from 'node:path'

/** More than a config names; a schema that imports half a disk is followed in part. */
const MOST_FILES = 500
const MOST_BYTES = 64 * 1024 * 1024

/**
 * A file and, where it is a WSDL or schema, all it imports by names relative to it, with what they hold. `read` answers nothing for what
 * cannot be read: that is left out.
 */
export function withImports(
  file: string,
  read: (file: string) => Uint8Array | undefined,
): ReadonlyMap<string, Uint8Array> {
  const found = new Map<string, Uint8Array>()
  const seen = new Set<string>()
  let total = 0
  const waiting = [file]
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    if (seen.has(next) || seen.size >= MOST_FILES || total > MOST_BYTES) continue
    seen.add(next)
    const bytes = read(next)
    if (bytes === undefined) continue
    total += bytes.byteLength
    found.set(next, bytes)
    waiting.push(...importsOf(next, bytes))
  }
  return found
}

function importsOf(file: string, bytes: Uint8Array): readonly string[] {
  if (!['.wsdl', '.xsd', '.xml'].includes(extname(file).toLowerCase())) return []
  const named = Buffer.from(bytes)
    .toString('latin1')
    .matchAll(/\b(?:schemaLocation|location)\s*=\s*["']([^"']{1,1000})["']/g)
  return [...named].flatMap(([, name = '']) =>
    /^[a-z][a-z0-9+.-]*:/i.test(name) || /\s/.test(name) ? [] : [resolve(dirname(file), name)],
  )
}
