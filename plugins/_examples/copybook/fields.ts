// The bytes of one elementary field: text, zoned and packed decimals, binary integers.
import type { Json } from 'dragoman'
import type { Charset } from './charset.ts'
import { shown, storedOf, textOf } from './decimal.ts'
import type { Stored } from './decimal.ts'
import type { NumberPicture, TextPicture } from './picture.ts'

export type Usage = 'display' | 'packed' | 'binary' | 'native'
export interface Sign {
  readonly isLeading: boolean
  readonly isSeparate: boolean
}
/** How a zoned number of an ASCII machine carries its minus: `digits` p-y (GnuCOBOL, Micro Focus), `letters` {A-I and }J-R. */
export type Overpunch = 'digits' | 'letters'

/** What one field holds. */
export type Scalar = string | number | null

export interface Codec {
  readonly bytes: number
  /** Throws `RangeError` for bytes that are no such field. */
  decode(bytes: Uint8Array): Scalar
  /** `undefined` and null are spaces or zeros. Throws `RangeError` for what does not fit. */
  encode(value: Json | undefined): Uint8Array
}

export interface Machine {
  readonly charset: Charset
  readonly overpunch: Overpunch
}

export function textCodec({ size }: TextPicture, isRight: boolean, { charset }: Machine): Codec {
  return {
    bytes: size,
    decode: (bytes) => {
      const text = charset.decode(bytes)
      let [from, to] = [0, text.length]
      if (isRight) while (from < to && isFill(text, from)) from += 1
      else while (from < to && isFill(text, to - 1)) to -= 1
      return text.slice(from, to)
    },
    encode(value) {
      const all = new Uint8Array(size).fill(charset.space)
      if (value === undefined || value === null) return all
      if (typeof value !== 'string' && typeof value !== 'number')
        throw new RangeError(`${shown(value)} is no text`)
      const bytes = charset.encode(String(value))
      if (bytes.byteLength > size)
        throw new RangeError(`${shown(value)} needs ${bytes.byteLength} bytes, the field has ${size}`)
      all.set(bytes, isRight ? size - bytes.byteLength : 0)
      return all
    },
  }
}

/** Programs fill up with spaces, and some with low-values. */
function isFill(text: string, at: number): boolean {
  const code = text.charCodeAt(at)
  return code === 0x20 || code === 0
}

/** One with a sign or a decimal point is an amount, one without may be a code; `Infinity`, exponents and floats there are none. */
export function numberCodec(
  picture: NumberPicture,
  usage: Usage,
  { sign, ...machine }: Machine & { readonly sign: Sign },
): Codec {
  if (usage === 'packed') return decimalCodec(picture, packedBytes(picture), packed(picture), machine)
  if (usage !== 'display') return binaryCodec(picture, usage === 'native')
  const isSeparate = picture.isSigned && sign.isSeparate
  return decimalCodec(picture, picture.digits + (isSeparate ? 1 : 0), zoned(picture, sign, machine), machine)
}

interface Digits {
  read(bytes: Uint8Array): Stored
  write(stored: Stored): Uint8Array
}

function decimalCodec(picture: NumberPicture, bytes: number, digits: Digits, { charset }: Machine): Codec {
  return {
    bytes,
    decode(all) {
      // A field nobody has filled: no number, and not 0 either.
      if (all.every((byte) => byte === charset.space) || all.every((byte) => byte === 0)) return null
      return textOf(digits.read(all), picture)
    },
    encode: (value) => digits.write(storedOf(value ?? 0, picture)),
  }
}

// ─── Zoned ───────────────────────────────────────────────────────────────────────────────────────────────────────────

function zoned({ digits, isSigned }: NumberPicture, sign: Sign, { charset, overpunch }: Machine): Digits {
  const isSeparate = isSigned && sign.isSeparate
  const signAt = sign.isLeading ? 0 : digits - (isSeparate ? 0 : 1)
  const [plus = 0, minus = 0] = charset.encode('+-')
  return {
    read(bytes) {
      let isNegative = false
      let text = ''
      for (const [index, byte] of bytes.entries()) {
        if (isSigned && index === signAt) {
          if (isSeparate && byte !== plus && byte !== minus)
            throw invalid(bytes, 'its sign is neither + nor -')
          const found = isSeparate ? { isNegative: byte === minus, digit: '' } : punched(byte, charset)
          if (found === undefined) throw invalid(bytes, 'it has no digit with a sign where one belongs')
          isNegative = found.isNegative
          text += found.digit
        } else {
          const digit = byte - charset.zero
          if (digit < 0 || digit > 9) throw invalid(bytes, 'it has something else than digits')
          text += String(digit)
        }
      }
      return { isNegative, digits: text }
    },
    write({ isNegative, digits: text }) {
      const plain = Uint8Array.from(text, (digit) => charset.zero + Number(digit))
      if (!isSigned) return plain
      if (isSeparate) {
        const mark = [isNegative ? minus : plus]
        return Uint8Array.from(sign.isLeading ? [...mark, ...plain] : [...plain, ...mark])
      }
      plain[signAt] = punch(Number(text.charAt(signAt)), isNegative, { charset, overpunch })
      return plain
    },
  }
}

const POSITIVE = '{ABCDEFGHI'
const NEGATIVE = '}JKLMNOPQR'

/** The digit under a sign. In EBCDIC the zone says it; in ASCII p-y are -0 to -9, and the letters those of a translated file. */
function punched(byte: number, { isEbcdic }: Charset): { isNegative: boolean; digit: string } | undefined {
  const digit = byte & 0x0f
  const zone = byte >> 4
  if (isEbcdic) {
    if (digit > 9 || zone < 0xa) return undefined
    return { isNegative: zone === 0xd || zone === 0xb, digit: String(digit) }
  }
  if (digit <= 9 && (zone === 3 || zone === 7)) return { isNegative: zone === 7, digit: String(digit) }
  const character = String.fromCharCode(byte)
  const [positive, negative] = [POSITIVE.indexOf(character), NEGATIVE.indexOf(character)]
  if (positive === -1 && negative === -1) return undefined
  return { isNegative: negative !== -1, digit: String(Math.max(positive, negative)) }
}

function punch(digit: number, isNegative: boolean, { charset, overpunch }: Machine): number {
  if (charset.isEbcdic) return (isNegative ? 0xd0 : 0xc0) + digit
  if (overpunch === 'letters') return (isNegative ? NEGATIVE : POSITIVE).charCodeAt(digit)
  return (isNegative ? 0x70 : 0x30) + digit
}

// ─── Packed ──────────────────────────────────────────────────────────────────────────────────────────────────────────

function packedBytes({ digits }: NumberPicture): number {
  return Math.floor(digits / 2) + 1
}

function packed(picture: NumberPicture): Digits {
  const { digits, isSigned } = picture
  const nibbles = packedBytes(picture) * 2
  return {
    read(bytes) {
      const hex = Buffer.from(bytes).toString('hex')
      const text = hex.slice(0, -1)
      const sign = hex.slice(-1)
      if (!/^\d+$/.test(text) || !/[a-f]/.test(sign)) throw invalid(bytes, 'it is no packed decimal')
      // An even number of digits leaves a nibble that no digit of the picture stands in.
      if (text.length > digits && !text.startsWith('0'))
        throw invalid(bytes, `it has more digits than the picture's ${digits}`)
      const isNegative = sign === 'd' || sign === 'b'
      if (isNegative && !isSigned) throw invalid(bytes, 'it is negative and its picture has no sign')
      return { isNegative, digits: text.slice(-digits) }
    },
    write({ isNegative, digits: text }) {
      const sign = isSigned ? (isNegative ? 'd' : 'c') : 'f'
      return Uint8Array.from(Buffer.from((text + sign).padStart(nibbles, '0'), 'hex'))
    },
  }
}

// ─── Binary ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Up to so many digits an integer fits into 32 bits, and is a JSON number; longer ones and decimals are texts. */
const NUMBER_DIGITS = 9

function binaryCodec(picture: NumberPicture, isNative: boolean): Codec {
  const { digits, scale, isSigned } = picture
  if (digits > 18) throw new RangeError(`a binary item has at most 18 digits, not ${digits}`)
  const bytes = digits <= 4 ? 2 : digits <= NUMBER_DIGITS ? 4 : 8
  const bits = bytes * 8
  // COMP-5 uses all its bits; the others what their picture shows, though a program may have put more there.
  const room: NumberPicture = { ...picture, digits: isNative ? 20 : digits }
  return {
    bytes,
    decode(all) {
      const raw = BigInt(`0x${Buffer.from(all).toString('hex')}`)
      const value = isSigned ? BigInt.asIntN(bits, raw) : raw
      if (scale === 0 && digits <= NUMBER_DIGITS) return Number(value)
      const isNegative = value < 0n
      const text = String(isNegative ? -value : value).padStart(digits, '0')
      return textOf({ isNegative, digits: text }, picture)
    },
    encode(given) {
      const stored = storedOf(given ?? 0, room)
      const value = BigInt(`${stored.isNegative ? '-' : ''}${stored.digits.replace(/^0+(?=\d)/, '')}`)
      const fits = isSigned ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)
      if (fits !== value) throw new RangeError(`${shown(given ?? 0)} does not fit into ${bytes} bytes`)
      const hex = BigInt.asUintN(bits, value)
        .toString(16)
        .padStart(bytes * 2, '0')
      return Uint8Array.from(Buffer.from(hex, 'hex'))
    },
  }
}

function invalid(bytes: Uint8Array, why: string): RangeError {
  const hex = Buffer.from(bytes.subarray(0, 20)).toString('hex')
  return new RangeError(`${why}: the bytes are ${hex}`)
}
