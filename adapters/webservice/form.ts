// Form fields and query strings (application/x-www-form-urlencoded) in any charset, exactly.
import { GatewayError } from 'dragoman'
import { decodeText, encodeExtended } from '../xml/charset.ts'

export type Field = readonly [name: string, value: string]

/** ASP.NET's own limit of keys in a request. */
const maxFields = 1000

/**
 * Reads `a=1&b=%D6%D0` (URL Standard §5.1, but in `charset`, and a byte that is not of it is refused). `text` has one
 * character per byte. `%u738B`, as JScript's escape() writes characters, is UTF-16 whatever the charset. Fields without a
 * name are left out, as ASP.NET does. Throws `DECODE_FAILED`.
 */
export function readForm(text: string, charset: string): Field[] {
  if (text === '') return []
  const pieces = text.split('&')
  if (pieces.length > maxFields)
    throw new GatewayError('DECODE_FAILED', `more than ${maxFields} form fields in one request`)
  return pieces.flatMap((piece): Field[] => {
    const equals = piece.indexOf('=')
    if (equals < 1) return []
    return [[decoded(piece.slice(0, equals), charset), decoded(piece.slice(equals + 1), charset)]]
  })
}

/** The bytes of a form body as `readForm` takes them. */
export function formText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

/** The inverse. Throws `ENCODE_FAILED` for a character the charset does not have: a form has no way to say it. */
export function writeForm(fields: readonly Field[], charset: string): string {
  return fields.map(([name, value]) => `${encoded(name, charset)}=${encoded(value, charset)}`).join('&')
}

function decoded(piece: string, charset: string): string {
  if (/^[\w.~*-]*$/.test(piece)) return piece
  if (!piece.includes('%u')) return ofBytes(piece, charset)
  const runs = piece.split(/((?:%u[0-9a-fA-F]{4})+)/)
  return runs.map((run, at) => (at % 2 === 1 ? ofUnits(run) : ofBytes(run, charset))).join('')
}

/** As ASP.NET reads them: half a surrogate pair, which is no character, becomes U+FFFD. */
function ofUnits(run: string): string {
  return run
    .replaceAll(/%u(.{4})/g, (_unit, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)))
    .toWellFormed()
}

function ofBytes(piece: string, charset: string): string {
  const bytes = Buffer.allocUnsafe(piece.length)
  let length = 0
  for (let at = 0; at < piece.length; at++) {
    const code = piece.charCodeAt(at)
    const byte = code === 0x25 ? hexByte(piece, at) : undefined
    if (byte !== undefined) at += 2
    bytes[length++] = byte ?? (code === 0x2b ? 0x20 : code)
  }
  return decodeText(bytes.subarray(0, length), charset)
}

/** The byte of `%D6`; undefined where that is not what stands there: then a percent sign is one. */
function hexByte(piece: string, at: number): number | undefined {
  const digits = piece.slice(at + 1, at + 3)
  return /^[0-9a-fA-F]{2}$/.test(digits) ? Number.parseInt(digits, 16) : undefined
}

function encoded(text: string, charset: string): string {
  if (/^[\w.~*-]*$/.test(text)) return text
  const bytes = encodeExtended(text, charset)
  if (bytes === undefined)
    throw new GatewayError(
      'ENCODE_FAILED',
      `${JSON.stringify(text.slice(0, 40))} holds a character that ${charset} does not have`,
      { notExecuted: true },
    )
  let out = ''
  for (const byte of bytes) {
    const character = String.fromCharCode(byte)
    out += /[\w.~*-]/.test(character)
      ? character
      : byte === 0x20
        ? '+'
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return out
}
