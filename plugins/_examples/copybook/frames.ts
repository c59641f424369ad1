// Where one record ends and the next begins, on a line and in a file.
import type { Charset } from './charset.ts'

export type Framing =
  | { readonly by: 'prefix'; readonly bytes: 2 | 4; readonly countsItself: boolean }
  | { readonly by: 'digits'; readonly digits: number; readonly countsItself: boolean }
  | { readonly by: 'rdw' }
  | { readonly by: 'lines' }
  | { readonly by: 'fixed'; readonly length?: number | undefined }

export interface Frame {
  /** From the beginning of all bytes that were put in. */
  readonly offset: number
  readonly record: Uint8Array
}

export interface Frames {
  put(piece: Uint8Array): void
  /** The next whole record, a copy; undefined until more is put in. Throws `RangeError` for a frame that can be none. */
  next(): Frame | undefined
  /** Bytes of a record that has begun. */
  readonly pending: number
  /** At the end of a file: a last line without its end. Throws `RangeError` for half a record. */
  last(): Frame | undefined
}

export interface FramingOptions {
  readonly framing: Framing
  readonly charset: Charset
  /** The longest record; a longer one is refused before it is collected. */
  readonly maxBytes: number
}

const NEWLINE = 0x0a
const RETURN = 0x0d
/** Of the mainframe: EBCDIC's new line. */
const EBCDIC_NEWLINE = 0x15

/** Wraps one record for the line. Throws `RangeError` where it cannot be told apart from what follows. */
export function framed(record: Uint8Array, { framing, charset, maxBytes }: FramingOptions): Uint8Array {
  switch (framing.by) {
    case 'fixed': {
      const length = framing.length ?? maxBytes
      if (record.byteLength > length)
        throw new RangeError(`the record has ${record.byteLength} bytes, a frame ${length}`)
      const whole = new Uint8Array(length).fill(charset.space)
      whole.set(record)
      return whole
    }
    case 'lines': {
      const end = charset.isEbcdic ? EBCDIC_NEWLINE : NEWLINE
      if (record.includes(end)) throw new RangeError('the record holds the byte that ends a line')
      return joined(record, Uint8Array.of(end), 'behind')
    }
    case 'rdw':
    case 'prefix':
    case 'digits': {
      const head = headOf(framing)
      const count = record.byteLength + (head.countsItself ? head.bytes : 0)
      if (count > head.max)
        throw new RangeError(
          `the record has ${record.byteLength} bytes, its length field ends at ${head.max}`,
        )
      return joined(record, head.write(count, charset), 'before')
    }
  }
}

/**
 * A frame's bytes as the record they stand for: programs that write lines leave out the spaces at the end, and frames of one
 * length are longer than the shorter of their records.
 */
export function fitted(
  bytes: Uint8Array,
  { maxBytes }: { readonly maxBytes: number },
  { framing, charset }: Pick<FramingOptions, 'framing' | 'charset'>,
): Uint8Array {
  if (framing.by === 'fixed') return bytes.subarray(0, maxBytes)
  if (framing.by !== 'lines' || bytes.byteLength >= maxBytes) return bytes
  const whole = new Uint8Array(maxBytes).fill(charset.space)
  whole.set(bytes)
  return whole
}

function joined(record: Uint8Array, mark: Uint8Array, where: 'before' | 'behind'): Uint8Array {
  return Buffer.concat(where === 'before' ? [mark, record] : [record, mark])
}

interface Head {
  readonly bytes: number
  readonly countsItself: boolean
  readonly max: number
  write(count: number, charset: Charset): Uint8Array
  read(bytes: Buffer, charset: Charset): number
}

function headOf(framing: Exclude<Framing, { by: 'fixed' | 'lines' }>): Head {
  if (framing.by === 'digits') {
    const { digits, countsItself } = framing
    return {
      bytes: digits,
      countsItself,
      max: 10 ** digits - 1,
      write: (count, { zero }) =>
        Uint8Array.from(String(count).padStart(digits, '0'), (each) => zero + Number(each)),
      read(bytes, { zero }) {
        const text = Array.from(bytes, (byte) =>
          byte >= zero && byte <= zero + 9 ? String(byte - zero) : 'x',
        ).join('')
        if (text.includes('x'))
          throw new RangeError(
            `a frame begins with its length in ${digits} digits, not ${bytes.toString('hex')}`,
          )
        return Number(text)
      },
    }
  }
  // The record descriptor word of z/OS: two bytes of length, itself included, and two zeros.
  const size = framing.by === 'rdw' ? 2 : framing.bytes
  const bytes = framing.by === 'rdw' ? 4 : framing.bytes
  return {
    bytes,
    countsItself: framing.by === 'rdw' || framing.countsItself,
    max: 256 ** size - 1,
    write(count) {
      const head = Buffer.alloc(bytes)
      head.writeUIntBE(count, 0, size)
      return head
    },
    read(head) {
      if (framing.by === 'rdw' && head.readUInt16BE(2) !== 0)
        throw new RangeError(
          `a record descriptor word ends with two zeros, not ${head.toString('hex')}: segments are not read`,
        )
      return head.readUIntBE(0, size)
    },
  }
}

export function framesOf(options: FramingOptions): Frames {
  return new Splitter(options)
}

/** One buffer that grows to what a record needs and is moved together, so that single bytes cost no more than blocks. */
class Splitter implements Frames {
  readonly #options: FramingOptions
  #buffer = Buffer.alloc(1024)
  #from = 0
  #to = 0
  #offset = 0
  /** So far no line's end was found. */
  #searched = 0
  constructor(options: FramingOptions) {
    this.#options = options
  }

  get pending(): number {
    return this.#to - this.#from
  }

  put(piece: Uint8Array): void {
    if (this.#to + piece.byteLength > this.#buffer.byteLength) {
      const wanted = this.pending + piece.byteLength
      const target = wanted > this.#buffer.byteLength ? Buffer.alloc(wanted * 2) : this.#buffer
      this.#buffer.copy(target, 0, this.#from, this.#to)
      this.#buffer = target
      this.#to -= this.#from
      this.#from = 0
    }
    this.#buffer.set(piece, this.#to)
    this.#to += piece.byteLength
  }

  next(): Frame | undefined {
    const { framing, maxBytes, charset } = this.#options
    if (framing.by === 'fixed') {
      const length = framing.length ?? maxBytes
      return this.pending < length ? undefined : this.#taken(0, length, length)
    }
    if (framing.by === 'lines') return this.#line()
    const head = headOf(framing)
    if (this.pending < head.bytes) return undefined
    const count = head.read(this.#buffer.subarray(this.#from, this.#from + head.bytes), charset)
    const length = count - (head.countsItself ? head.bytes : 0)
    if (length < 0 || length > maxBytes)
      throw new RangeError(`a frame says its record has ${length} bytes: 0 to ${maxBytes} may be`)
    if (this.pending < head.bytes + length) return undefined
    return this.#taken(head.bytes, length, head.bytes + length)
  }

  last(): Frame | undefined {
    if (this.pending === 0) return undefined
    if (this.#options.framing.by === 'lines') return this.#lineOf(this.pending, this.pending)
    throw new RangeError(`it ends in the middle of a record: ${this.pending} bytes are left over`)
  }

  #line(): Frame | undefined {
    const { charset, maxBytes } = this.#options
    const end = charset.isEbcdic ? EBCDIC_NEWLINE : NEWLINE
    const found = this.#buffer.subarray(this.#from + this.#searched, this.#to).indexOf(end)
    if (found === -1) {
      this.#searched = this.pending
      if (this.pending > maxBytes + 1) throw new RangeError(`a line is longer than ${maxBytes} bytes`)
      return undefined
    }
    const length = this.#searched + found
    this.#searched = 0
    return this.#lineOf(length, length + 1)
  }

  #lineOf(length: number, taken: number): Frame {
    const { charset, maxBytes } = this.#options
    const isReturned = !charset.isEbcdic && this.#buffer[this.#from + length - 1] === RETURN && length > 0
    const own = isReturned ? length - 1 : length
    if (own > maxBytes) throw new RangeError(`a line has ${own} bytes: up to ${maxBytes} may be`)
    return this.#taken(0, own, taken)
  }

  #taken(head: number, length: number, whole: number): Frame {
    const begin = this.#from + head
    const record = Uint8Array.from(this.#buffer.subarray(begin, begin + length))
    const offset = this.#offset
    this.#from += whole
    this.#offset += whole
    return { offset, record }
  }
}
