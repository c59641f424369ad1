// Undoes the content codings of an answer, never making more bytes of it than allowed.
import { promisify } from 'node:util'
import zlib from 'node:zlib'

type Decode = (bytes: Uint8Array, maxBytes: number) => Promise<Uint8Array>

const gunzip = promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.gunzip)
const inflate = promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.inflate)
const inflateRaw = promisify<Uint8Array, zlib.ZlibOptions, Uint8Array>(zlib.inflateRaw)
const brotli = promisify<Uint8Array, zlib.BrotliOptions, Uint8Array>(zlib.brotliDecompress)

/** RFC 9110 §8.4.1 */
const codings = new Map<string, Decode>([
  ['gzip', (bytes, maxOutputLength) => gunzip(bytes, { maxOutputLength })],
  ['x-gzip', (bytes, maxOutputLength) => gunzip(bytes, { maxOutputLength })],
  ['br', (bytes, maxOutputLength) => brotli(bytes, { maxOutputLength })],
  [
    'deflate',
    // Meant is the zlib format; some servers send it without its header.
    (bytes, maxOutputLength) => (isZlib(bytes) ? inflate : inflateRaw)(bytes, { maxOutputLength }),
  ],
])

/** Of which much may come: decoded one after the other, so that a system that sends bombs keeps one processor busy and not all. */
const LARGE_BYTES = 8192

let large: Promise<unknown> = Promise.resolve()

function inTurn(bytes: Uint8Array, decode: () => Promise<Uint8Array>): Promise<Uint8Array> {
  if (bytes.byteLength < LARGE_BYTES) return decode()
  const mine = large.then(decode)
  large = mine.catch(() => undefined) // who asked for it is told
  return mine
}

/** More than this many codings on one answer serve only to make work. */
const maxCodings = 2

/**
 * Decodes a body by its Content-Encoding. The limit holds for every step's result, so that a small bomb stays small.
 * Throws `CodingError`.
 */
export async function decodeContent(
  body: Uint8Array,
  encoding: string,
  maxBytes: number,
): Promise<Uint8Array> {
  const names = encoding
    .toLowerCase()
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '' && name !== 'identity')
  if (names.length > maxCodings) throw new CodingError(`has ${names.length} content codings`)
  let bytes = body
  for (const name of names.reverse()) {
    const decode = codings.get(name)
    if (decode === undefined) throw new CodingError(`has the unknown content coding "${name.slice(0, 40)}"`)
    const encoded = bytes
    bytes = await inTurn(encoded, () => decode(encoded, maxBytes)).catch((error: unknown) => {
      throw new CodingError(reasonOf(error, name, maxBytes), { cause: error })
    })
  }
  return bytes
}

/** What is wrong with an encoded answer, in words that follow "the answer". */
export class CodingError extends Error {
  override readonly name = 'CodingError'
}

function reasonOf(error: unknown, coding: string, maxBytes: number): string {
  const tooLarge = error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE'
  return tooLarge ? `is larger than ${maxBytes} bytes when decoded` : `is not valid ${coding}`
}

/** RFC 1950 §2.2: method 8 in the low nibble, and both header bytes a multiple of 31. */
function isZlib(bytes: Uint8Array): boolean {
  const [cmf = 0, flg = 0] = bytes
  return (cmf & 0x0f) === 8 && ((cmf << 8) | flg) % 31 === 0
}
