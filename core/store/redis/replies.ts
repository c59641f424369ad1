// What a server may answer before its line is cut: no reply is so long, so deep or so odd that reading it costs more than this.
import type { Socket } from 'node:net'

const LF = 10
const CR = 13
const LINE_BYTES = 256 * 1024
/** One text of a reply, and so the most of a message that may be stored: what comes back is read with three times its memory. */
export const TEXT_BYTES = 16 * 1024 * 1024
const REPLY_BYTES = 128 * 1024 * 1024
const ELEMENTS = 1_000_000
const DEEPEST = 16
const DIGITS = /^(?:-1|\d{1,15})$/

/** Follows the protocol (RESP 2) without keeping what it reads. */
export class ReplyLimits {
  /** Bytes of a bulk string, with its line end, that are still to come. */
  #skip = 0
  /** The line that is being read: its type and, where it is a length, its digits. */
  #line = ''
  #lineBytes = 0
  /** Elements that are still to come, of each list that is open. */
  readonly #open: number[] = []
  #replyBytes = 0

  /** Why it cannot be gone on with; undefined: it can. */
  read(chunk: Uint8Array): string | undefined {
    let at = 0
    while (at < chunk.length) {
      if (this.#skip > 0) {
        const step = Math.min(this.#skip, chunk.length - at)
        this.#skip -= step
        at += step
        this.#replyBytes += step
        if (this.#skip === 0) this.#ended()
        continue
      }
      const end = chunk.indexOf(LF, at)
      const stop = end === -1 ? chunk.length : end + 1
      this.#lineBytes += stop - at
      this.#replyBytes += stop - at
      if (this.#lineBytes > LINE_BYTES) return `a line of more than ${LINE_BYTES} bytes`
      // Longer than any length is: of other lines only the first byte counts.
      for (let place = at; place < stop && this.#line.length < 24; place++) {
        const byte = chunk[place] ?? 0
        if (byte !== LF && byte !== CR) this.#line += String.fromCharCode(byte)
      }
      at = stop
      if (end === -1) break
      const trouble = this.#lineEnds()
      if (trouble !== undefined) return trouble
    }
    if (this.#replyBytes > REPLY_BYTES) return `a reply of more than ${REPLY_BYTES} bytes`
    return undefined
  }

  #lineEnds(): string | undefined {
    const type = this.#line.charAt(0)
    const digits = this.#line.slice(1)
    this.#line = ''
    this.#lineBytes = 0
    if (type === '+' || type === '-' || type === ':') {
      this.#ended()
      return undefined
    }
    if (type !== '$' && type !== '*') return `what does not begin as a reply does`
    const length = Number(digits)
    if (!DIGITS.test(digits)) return `a length that is no number`
    if (type === '$') {
      if (length > TEXT_BYTES) return `a text of ${length} bytes`
      if (length < 0) this.#ended()
      else this.#skip = length + 2
      return undefined
    }
    if (length > ELEMENTS) return `a list of ${length}`
    if (length <= 0) this.#ended()
    else if (this.#open.push(length) > DEEPEST) return `lists within lists, more than ${DEEPEST} deep`
    return undefined
  }

  /** One element came to its end, and with the last of a list that list. */
  #ended(): void {
    for (;;) {
      const left = this.#open.pop()
      if (left === undefined) {
        this.#replyBytes = 0
        return
      }
      if (left > 1) {
        this.#open.push(left - 1)
        return
      }
    }
  }
}

/**
 * Cuts the line at the first reply beyond the limits, and where its reader throws: ioredis reads in the socket's `data` event, so
 * what it throws would end the process. The same socket comes back.
 */
export function limited<T extends Socket>(socket: T): T {
  const limits = new ReplyLimits()
  const emit = socket.emit.bind(socket)
  const cut = (why: string): false => {
    socket.destroy(new Error(`it answered nonsense: ${why}`))
    return false
  }
  socket.emit = (event: string | symbol, ...args: unknown[]): boolean => {
    if (event !== 'data') return emit(event, ...args)
    const [chunk] = args
    if (socket.destroyed || !(chunk instanceof Uint8Array)) return false
    const trouble = limits.read(chunk)
    if (trouble !== undefined) return cut(trouble)
    try {
      return emit(event, chunk)
    } catch (error) {
      return cut(error instanceof Error ? error.message : 'it cannot be read')
    }
  }
  return socket
}
