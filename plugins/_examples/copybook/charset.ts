// The characters of a record: EBCDIC by tables (Node has none), the others by Node and iconv-lite. Nothing is replaced by "?".
import iconv from 'iconv-lite'

export const CHARSETS = [
  'cp037',
  'cp273',
  'cp500',
  'cp1047',
  'cp1140',
  'cp1141',
  'cp1148',
  'iso-8859-1',
  'gb18030',
  'utf-8',
] as const
export type CharsetName = (typeof CHARSETS)[number]

export interface Charset {
  readonly isEbcdic: boolean
  /** The byte of a space, and of the digit 0; the digits are nine in a row behind it. */
  readonly space: number
  readonly zero: number
  /** Throws `RangeError` where the bytes are no text of this charset. */
  decode(bytes: Uint8Array): string
  /** Throws `RangeError` where a character is not in this charset. */
  encode(text: string): Uint8Array
}

/** IBM code page 037, all 256 bytes as Latin-1: every byte is one character, and the other way round. */
const CP037 =
  '000102039c09867f978d8e0b0c0d0e0f101112139d8508871819928f1c1d1e1f80818283840a171b88898a8b8c050607' +
  '909116939495960498999a9b14159e1a20a0e2e4e0e1e3e5e7f1a22e3c282b7c26e9eaebe8edeeefecdf21242a293bac' +
  '2d2fc2c4c0c1c3c5c7d1a62c255f3e3ff8c9cacbc8cdcecfcc603a2340273d22d8616263646566676869abbbf0fdfeb1' +
  'b06a6b6c6d6e6f707172aabae6b8c6a4b57e737475767778797aa1bfd0dddeae5ea3a5b7a9a7b6bcbdbe5b5dafa8b4d7' +
  '7b414243444546474849adf4f6f2f3f57d4a4b4c4d4e4f505152b9fbfcf9faff5cf7535455565758595ab2d4d6d2d3d5' +
  '30313233343536373839b3dbdcd9da9f'

/** Where another page differs from 037: the byte, then the character. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  cp037: '',
  cp273:
    '43007b 4a00c4 4f0021 59007e 5a00dc 5f005e 63005b 6a00f6 7c00a7 a100df b000a2 b50040 ba00ac bb007c c000e4 cc00a6 d000fc dc007d e000d6 ec005c fc005d',
  cp500: '4a005b 4f0021 5a005d 5f005e b000a2 ba00ac bb007c',
  cp1047: '5f005e ad005b b000ac ba00dd bb00a8 bd005d',
  cp1140: '9f20ac',
  cp1141:
    '43007b 4a00c4 4f0021 59007e 5a00dc 5f005e 63005b 6a00f6 7c00a7 9f20ac a100df b000a2 b50040 ba00ac bb007c c000e4 cc00a6 d000fc dc007d e000d6 ec005c fc005d',
  cp1148: '4a005b 4f0021 5a005d 5f005e 9f20ac b000a2 ba00ac bb007c',
}

export function charsetOf(name: CharsetName): Charset {
  const differences = DIFFERENCES[name]
  if (differences !== undefined) return ebcdic(name, differences)
  const decoder = new TextDecoder(name, { fatal: true, ignoreBOM: true })
  const decode = (bytes: Uint8Array): string => {
    try {
      return decoder.decode(bytes)
    } catch (error) {
      throw new RangeError(`its bytes are no ${name}`, { cause: error })
    }
  }
  const ascii = { isEbcdic: false, space: 0x20, zero: 0x30 }
  if (name === 'iso-8859-1')
    return { ...ascii, decode: (bytes) => Buffer.from(bytes).toString('latin1'), encode: latin1 }
  return {
    ...ascii,
    decode,
    encode(text) {
      const bytes = name === 'utf-8' ? new TextEncoder().encode(text) : iconv.encode(text, name)
      // What cannot be written becomes something else: only the way back shows it.
      if (decode(bytes) !== text)
        throw missing(text, name, (each) => decode(iconv.encode(each, name)) === each)
      return bytes
    },
  }
}

function ebcdic(name: string, differences: string): Charset {
  const codes = Array.from(Buffer.from(CP037, 'hex'))
  for (const each of differences === '' ? [] : differences.split(' '))
    codes[Number.parseInt(each.slice(0, 2), 16)] = Number.parseInt(each.slice(2), 16)
  const characters = codes.map((code) => String.fromCharCode(code))
  const bytesOf = new Map(characters.map((character, byte) => [character, byte]))
  return {
    isEbcdic: true,
    space: 0x40,
    zero: 0xf0,
    decode: (bytes) => Array.from(bytes, (byte) => characters[byte] ?? '').join(''),
    encode(text) {
      const bytes = new Uint8Array(text.length)
      for (let index = 0; index < text.length; index += 1) {
        const byte = bytesOf.get(text.charAt(index))
        if (byte === undefined) throw missing(text, name, (each) => bytesOf.has(each))
        bytes[index] = byte
      }
      return bytes
    },
  }
}

function latin1(text: string): Uint8Array {
  const isLatin = (each: string): boolean => each.charCodeAt(0) <= 0xff
  for (let index = 0; index < text.length; index += 1)
    if (text.charCodeAt(index) > 0xff) throw missing(text, 'iso-8859-1', isLatin)
  return Buffer.from(text, 'latin1')
}

function missing(text: string, name: string, has: (character: string) => boolean): RangeError {
  const character = Array.from(text).find((each) => !has(each)) ?? text
  return new RangeError(`${name} has no "${character}"`)
}
