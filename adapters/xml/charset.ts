// Which charset a document is in, its exact decoding, and the encoding back.
import { GatewayError } from 'dragoman'

/**
 * The canonical name of a charset this gateway speaks (`gb2312` → `gbk`, `UTF8` → `utf-8`), or undefined. `utf-16` without
 * a byte order stays `utf-16`.
 */
export function canonicalCharset(label: string): string | undefined {
  return label === '' ? undefined : label
}

/** What to write after `charset=` and in the XML declaration: both byte orders of UTF-16 are `utf-16`, since a BOM is written. */
export function charsetLabel(charset: string): string {
  return charset
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
export function decodeXml(_bytes: Uint8Array, _charset?: string): DecodedText {
  throw new GatewayError('INTERNAL', 'not built')
}

/** Decodes bytes of a known charset exactly. Throws `DECODE_FAILED`, never answers U+FFFD for a bad byte. */
export function decodeText(_bytes: Uint8Array, _charset: string): string {
  throw new GatewayError('INTERNAL', 'not built')
}

/** Encodes, or answers undefined if a character cannot be carried. Throws `ENCODE_FAILED` for an unknown charset. */
export function encodeText(_text: string, _charset: string): Uint8Array | undefined {
  throw new GatewayError('INTERNAL', 'not built')
}
