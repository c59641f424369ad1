// Names of files: as a header says them, and as the platform may show them.
import { longestStart } from './text-pieces.ts'

/**
 * The name in a Content-Disposition (RFC 6266 §4.3): `filename*` before `filename`. That one is read as UTF-8 or GBK where it is
 * that, and percent-decoded where it is so encoded, as many servers write it. Undefined: there is none.
 */
export function nameIn(contentDisposition: string | null): string | undefined {
  let extended: string | undefined
  let plain: string | undefined
  for (const [, key = '', quoted, bare = ''] of (contentDisposition ?? '').matchAll(PARAMETER)) {
    const value = quoted?.replaceAll(/\\(.)/gu, '$1') ?? bare.trim()
    if (/^filename\*$/iu.test(key)) extended ??= extendedValue(value)
    else if (/^filename$/iu.test(key)) plain ??= plainValue(value)
  }
  const name = extended ?? plain
  return name === '' ? undefined : name
}

/** All of them one after the other, so that nothing within a quoted one passes for another. */
const PARAMETER = /(?:^|;)\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;"]*))/gu

function extendedValue(value: string): string | undefined {
  const [, charset = '', encoded = ''] = /^([\w-]+)'[^']*'([!#-~]+)$/u.exec(value) ?? []
  return decoded(charset, encoded)
}

function plainValue(value: string): string {
  const text = lettersOf(value)
  return decoded('utf-8', text) ?? text
}

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
const gbk = new TextDecoder('gbk', { fatal: true })
/** A letter of GBK is two bytes beyond ASCII, but for rare ones: a single one is an accented letter of Latin-1. */
const LONE = /(?<![\u0080-\u00FF])[\u0080-\u00FF](?![\u0080-\u00FF])/u

/** A header's bytes are handed over as Latin-1. Most servers write UTF-8, old ones in China GBK. */
function lettersOf(latin: string): string {
  const bytes = Buffer.from(latin, 'latin1')
  for (const { decoder, may } of [
    { decoder: utf8, may: true },
    { decoder: gbk, may: !LONE.test(latin) },
  ])
    try {
      if (may) return decoder.decode(bytes)
    } catch {
      continue // not in this one
    }
  return latin
}

/** The last name in an address's path, percent-decoded, if it has an ending: others (`get`, `download`) name no file. */
export function nameAt(url: string): string | undefined {
  const last = new URL(url).pathname.split('/').at(-1) ?? ''
  const name = decoded('utf-8', last) ?? last
  return endingOf(name) === undefined ? undefined : name
}

/** `.pdf`; undefined: it has none. A version or a month (`2026.11`) is none. */
export function endingOf(name: string): string | undefined {
  return /\.(?=\w*[a-z])\w{1,10}$/iu.exec(name)?.[0]
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
