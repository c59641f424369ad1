// Names of files: as a header says them, and as the platform may show them.
import { longestStart } from './text-pieces.ts'

/** The name in a Content-Disposition (RFC 6266 §4.3): `filename*` before `filename`, which is read as UTF-8 where it is that. */
export function nameIn(contentDisposition: string | null): string | undefined {
  const header = contentDisposition ?? ''
  const [, charset = '', encoded = ''] = EXTENDED.exec(header) ?? []
  const [, quoted, bare] = PLAIN.exec(header) ?? []
  const plain = quoted?.replaceAll(/\\(.)/gu, '$1') ?? bare?.trim()
  const name = decoded(charset, encoded) ?? (plain === undefined ? undefined : asUtf8(plain))
  return name === '' ? undefined : name
}

const EXTENDED = /(?:^|;)\s*filename\*\s*=\s*"?([\w-]+)'[^']*'([^\s;"]+)/iu
const PLAIN = /(?:^|;)\s*filename\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^";]+))/iu

/** RFC 8187 §3.2.1. Undefined: no name, or one that is not as its charset says. */
function decoded(charset: string, encoded: string): string | undefined {
  if (encoded === '') return undefined
  const isLatin = /^iso-8859-1$/iu.test(charset)
  if (!isLatin && !/^utf-8$/iu.test(charset)) return undefined
  try {
    return isLatin
      ? encoded.replaceAll(/%([\da-f]{2})/giu, (_, hex: string) =>
          String.fromCharCode(Number.parseInt(hex, 16)),
        )
      : decodeURIComponent(encoded)
  } catch {
    return undefined // no UTF-8: the other name counts
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/** A header's bytes are handed over as Latin-1, and most servers write UTF-8. */
function asUtf8(latin: string): string {
  try {
    return utf8.decode(Buffer.from(latin, 'latin1'))
  } catch {
    return latin
  }
}

/** The last name in an address's path, percent-decoded, if it has an ending: others (`get`, `download`) name no file. */
export function nameAt(url: string): string | undefined {
  const last = new URL(url).pathname.split('/').at(-1) ?? ''
  const name = decoded('utf-8', last) ?? last
  return endingOf(name) === undefined ? undefined : name
}

/** `.pdf`; undefined: it has none. */
export function endingOf(name: string): string | undefined {
  return /\.\w{1,5}$/u.exec(name)?.[0]
}

const MOST_BYTES = 120

/**
 * The name as it may stand in an upload: without what a path or a quoted name is made of, of at most 120 bytes of UTF-8, with
 * `ending` (`.pdf`) where it has none of its own, for by that the platform tells files apart. Undefined: nothing is left of it.
 */
export function shownName(name: string, ending: string): string | undefined {
  const clean = name.replaceAll(/[/\\"\p{Cc}\u202A-\u202E\u2066-\u2069]/gu, '_').trim()
  const own = endingOf(clean)
  const last = own ?? ending
  const whole = clean.slice(0, clean.length - (own ?? '').length)
  const stem = longestStart(whole, MOST_BYTES - Buffer.byteLength(last))
  return /^[._\s]*$/u.test(stem) ? undefined : `${stem}${last}`.toWellFormed()
}
