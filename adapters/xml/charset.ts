// Which charset a document is in, its exact decoding, and the encoding back.
import { isAscii } from 'node:buffer'
import iconv from 'iconv-lite'
import { GatewayError } from 'dragoman'
import { isStandard } from './repertoire.ts'

// TextDecoder decodes Unicode and the GB family, iconv-lite the rest: the ICU tables behind TextDecoder are exact for these
// only (its "iso-8859-1" is windows-1252, its shift_jis swaps control characters, its euc-kr and big5 let bad bytes pass).
const byTextDecoder = new Map([
  ['utf-8', 'utf-8'],
  ['utf-16le', 'utf-16le'],
  ['utf-16be', 'utf-16be'],
  ['gbk', 'gbk'],
  ['gb2312', 'gbk'],
  ['gb18030', 'gb18030'],
])

const aliases = new Map([
  ['utf8', 'utf-8'],
  ['unicode11utf8', 'utf-8'],
  ['utf16', 'utf-16'],
  ['ucs2', 'utf-16'],
  ['iso10646ucs2', 'utf-16'],
  ['utf16le', 'utf-16le'],
  ['utf16be', 'utf-16be'],
  ['ascii', 'us-ascii'],
  ['usascii', 'us-ascii'],
  ['latin1', 'iso-8859-1'],
  ['l1', 'iso-8859-1'],
  ['tis620', 'iso-8859-11'],
  ['koi8r', 'koi8-r'],
  ['koi8u', 'koi8-u'],
  ['gbk', 'gbk'],
  ['xgbk', 'gbk'],
  ['cp936', 'gbk'],
  ['ms936', 'gbk'],
  ['windows936', 'gbk'],
  ['gb2312', 'gb2312'],
  ['gb231280', 'gb2312'],
  ['euccn', 'gb2312'],
  ['gb18030', 'gb18030'],
  ['big5', 'big5'],
  ['big5hkscs', 'big5-hkscs'],
  ['cp950', 'cp950'],
  ['ms950', 'cp950'],
  ['shiftjis', 'shift_jis'],
  ['sjis', 'shift_jis'],
  ['xsjis', 'shift_jis'],
  ['cp932', 'cp932'],
  ['windows31j', 'windows-31j'],
  ['eucjp', 'euc-jp'],
  ['euckr', 'euc-kr'],
  ['ksc56011987', 'euc-kr'],
  ['cp949', 'cp949'],
])

/**
 * The canonical name of a charset this gateway speaks (`GB_2312-80` → `gb2312`, `UTF8` → `utf-8`), or undefined. `utf-16`
 * without a byte order stays `utf-16`.
 */
export function canonicalCharset(label: string): string | undefined {
  const before = canonicalByLabel.get(label)
  if (before !== undefined) return before
  const canonical = canonicalOf(label)
  if (canonical !== undefined && canonicalByLabel.size < 100) canonicalByLabel.set(label, canonical) // of callers: not without end
  return canonical
}

/** As they were written so far: nearly always the same few. */
const canonicalByLabel = new Map<string, string>()

function canonicalOf(label: string): string | undefined {
  const key = label.toLowerCase().replace(/[^a-z0-9]/g, '')
  const alias = aliases.get(key)
  if (alias !== undefined) return alias
  const iso = /^iso8859(1[013-6]|[1-9])$/.exec(key)?.[1] // there is no part 12
  if (iso !== undefined) return `iso-8859-${iso}`
  const windows = /^(?:windows|xcp|cp)(125[0-8]|874)$/.exec(key)?.[1]
  return windows === undefined ? undefined : `windows-${windows}`
}

/** What to write after `charset=` and in the XML declaration: both byte orders of UTF-16 are `utf-16`, since a BOM is written. */
export function charsetLabel(charset: string): string {
  return charset.startsWith('utf-16') ? 'utf-16' : charset
}

export interface DecodedText {
  readonly text: string
  /** Canonical; `utf-16le` or `utf-16be` where the bytes said which. */
  readonly charset: string
}

/**
 * Decides (RFC 7303 §3.2: BOM, then the charset parameter, then the declaration, then UTF-8) and decodes; the BOM is not
 * part of the text. Throws `DECODE_FAILED`: unknown charset, bytes that are not in it, a declaration that lies (XML 1.0 §4.3.3).
 */
export function decodeXml(bytes: Uint8Array, charset?: string): DecodedText {
  const external = charset === undefined || charset === '' ? undefined : known(charset, 'charset')
  const bom = byteOrderMark(bytes)
  if (bom !== undefined) {
    const text = decodeText(bytes.subarray(bom.length), bom.charset)
    // The declaration counts only where nobody outside said anything (XML 1.0 §4.3.3, RFC 7303 §3.2).
    if (external === undefined) refuseLie(text, bom.charset)
    return { text, charset: bom.charset }
  }
  if (external !== undefined) {
    const decided = external === 'utf-16' ? (sniff(bytes) ?? 'utf-16be') : external // RFC 2781 §4.3
    return { text: decodeText(bytes, decided), charset: decided }
  }
  const sniffed = sniff(bytes)
  if (sniffed !== undefined) {
    const text = decodeText(bytes, sniffed)
    refuseLie(text, sniffed)
    return { text, charset: sniffed }
  }
  const declared = declaredEncoding(latin1(bytes.subarray(0, 1024)))
  const decided = declared === undefined ? 'utf-8' : known(declared, 'encoding')
  if (decided.startsWith('utf-16'))
    throw new GatewayError('DECODE_FAILED', `xml 1:0: it declares "${declared}" but is not in it`)
  return { text: decodeText(bytes, decided), charset: decided }
}

/** Decodes bytes of a known charset exactly. Throws `DECODE_FAILED`, never answers U+FFFD for a bad byte. */
export function decodeText(bytes: Uint8Array, charset: string): string {
  const canonical = known(charset, 'charset')
  if (canonical === 'utf-16') {
    const bom = byteOrderMark(bytes)
    return bom === undefined
      ? decodeText(bytes, 'utf-16be')
      : decodeText(bytes.subarray(bom.length), bom.charset)
  }
  if (canonical === 'iso-8859-1') return latin1(bytes)
  if (canonical === 'utf-8' && isAscii(bytes)) return latin1(bytes) // the same, in half the time
  const label = byTextDecoder.get(canonical)
  if (label === undefined) {
    const text = iconv.decode(bytes, canonical, { stripBOM: false })
    if (text.includes('\uFFFD')) throw notIn(canonical) // none of these charsets has U+FFFD itself
    return text
  }
  try {
    return (label === 'utf-8' ? utf8 : decoderOf(label)).decode(bytes)
  } catch (error) {
    throw notIn(canonical, error)
  }
}

function decoderOf(label: string): TextDecoder {
  return new TextDecoder(label, { fatal: true, ignoreBOM: true })
}

/** The one that is kept: UTF-8 has no state that a bad document could leave behind. */
const utf8 = decoderOf('utf-8')

/**
 * Encodes, or answers undefined if the standard of that name lacks a character: bytes that only some readers of the charset
 * know are not written. Throws `ENCODE_FAILED` for an unknown charset.
 */
export function encodeText(text: string, charset: string): Uint8Array | undefined {
  const bytes = encodeExtended(text, charset)
  return bytes === undefined || isStandard(text, bytes, known(charset, 'charset')) ? bytes : undefined
}

/**
 * The same with what vendors have added under the charset's name, as `decodeText` reads it: for names and forms, which have
 * no other way to say a character.
 */
export function encodeExtended(text: string, charset: string): Uint8Array | undefined {
  const canonical = canonicalCharset(charset)
  if (canonical === undefined)
    throw new GatewayError('ENCODE_FAILED', `charset "${charset}" is not one this gateway writes`)
  if (canonical === 'utf-8') return text.isWellFormed() ? Buffer.from(text, 'utf8') : undefined
  if (canonical.startsWith('utf-16')) {
    if (!text.isWellFormed()) return undefined
    const bytes = Buffer.from(text, 'utf16le')
    return canonical === 'utf-16be' ? bytes.swap16() : bytes
  }
  const bytes = canonical === 'euc-jp' ? encodeEucJp(text) : iconv.encode(text, canonical, { addBOM: false })
  if (canonical === 'gb2312' && !isEucCn(bytes)) return undefined
  // iconv-lite writes "?" for what it cannot, and has private mappings no decoder takes back: only the way back proves it.
  return decodesTo(bytes, canonical, text) ? bytes : undefined
}

/** U+FF5E is read from two codes, and iconv-lite writes the rare one of JIS X 0212: what came as A1C1 goes as that. */
function encodeEucJp(text: string): Uint8Array {
  const pieces = text.split('\uFF5E').map((piece) => iconv.encode(piece, 'euc-jp'))
  return Buffer.concat(pieces.flatMap((piece, at) => (at === 0 ? [piece] : [Buffer.of(0xa1, 0xc1), piece])))
}

/** GB 2312 is within the part of GBK with both bytes above 0xA0; a reader of it may know no more. */
function isEucCn(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0
    if (byte < 0x80) continue
    if (byte < 0xa1 || byte > 0xf7 || (bytes[i + 1] ?? 0) < 0xa1) return false
    i++
  }
  return true
}

/** Whether the charset has this character, as it would be read back. */
export function canEncode(character: string, charset: string): boolean {
  return encodeText(character, charset) !== undefined
}

function decodesTo(bytes: Uint8Array, charset: string, text: string): boolean {
  try {
    return decodeText(bytes, charset) === text
  } catch (error) {
    if (error instanceof GatewayError) return false
    throw error
  }
}

function byteOrderMark(bytes: Uint8Array): { charset: string; length: number } | undefined {
  const a = bytes[0] // by index: each request comes by here, and an iterator costs more than the comparisons
  const b = bytes[1]
  const c = bytes[2]
  const d = bytes[3]
  if (a === 0xef && b === 0xbb && c === 0xbf) return { charset: 'utf-8', length: 3 }
  const wide =
    (a === 0xff && b === 0xfe && c === 0 && d === 0) || (a === 0 && b === 0 && c === 0xfe && d === 0xff)
  if (wide) throw new GatewayError('DECODE_FAILED', 'xml 1:0: charset "utf-32" is not one this gateway reads')
  if (a === 0xff && b === 0xfe) return { charset: 'utf-16le', length: 2 }
  if (a === 0xfe && b === 0xff) return { charset: 'utf-16be', length: 2 }
  return undefined
}

/** XML 1.0 appendix F.1: the first character of a document is "<". */
function sniff(bytes: Uint8Array): string | undefined {
  const a = bytes[0]
  const b = bytes[1]
  const c = bytes[2]
  const d = bytes[3]
  if (a === 0x3c && b === 0 && !(c === 0 && d === 0)) return 'utf-16le'
  if (a === 0 && b === 0x3c) return 'utf-16be'
  if (a === 0x4c && b === 0x6f && c === 0xa7 && d === 0x94)
    throw new GatewayError('DECODE_FAILED', 'xml 1:0: EBCDIC is not a charset this gateway reads')
  return undefined
}

function declaredEncoding(text: string): string | undefined {
  if (!text.startsWith('<?xml')) return undefined
  const declaration = text.slice(0, Math.max(0, text.indexOf('?>')))
  return /[\t\n\r ]encoding[\t\n\r ]*=[\t\n\r ]*["']([A-Za-z][A-Za-z0-9._-]*)["']/.exec(declaration)?.[1]
}

/** XML 1.0 §4.3.3: it is a fatal error to be in another encoding than the one declared. */
function refuseLie(text: string, actual: string): void {
  const declared = declaredEncoding(text.slice(0, 1024))
  if (declared === undefined) return
  const canonical = canonicalCharset(declared)
  if (canonical === actual || (canonical === 'utf-16' && actual.startsWith('utf-16'))) return
  throw new GatewayError('DECODE_FAILED', `xml 1:0: it declares "${declared}" but is in ${actual}`)
}

function known(label: string, what: 'charset' | 'encoding'): string {
  const canonical = canonicalCharset(label)
  if (canonical !== undefined) return canonical
  throw new GatewayError(
    'DECODE_FAILED',
    `xml 1:0: ${what} "${label.slice(0, 64)}" is not one this gateway reads`,
  )
}

function notIn(charset: string, cause?: unknown): GatewayError {
  return new GatewayError('DECODE_FAILED', `xml 1:0: it holds bytes that are not ${charset}`, { cause })
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}
