// The limits of a connection, on its raw bytes: a packet that says it is too large is refused before it is buffered.

export interface GateOptions {
  /** Bytes in all before CONNACK. */
  readonly beforeBytes: number
  /** Bytes of one packet after it. */
  readonly afterBytes: number
}

export interface Gate {
  /** Looks at bytes as they come; false: the connection must end, and they go nowhere. */
  take(chunk: Uint8Array): boolean
  /** CONNACK was sent. */
  open(): void
}

/**
 * Follows the fixed headers of the packets (MQTT 3.1.1 §2.2.3) through any cut into chunks. A remaining length of more than four
 * bytes is malformed.
 */
export function createGate(options: GateOptions): Gate {
  return new HeaderGate(options)
}

class HeaderGate implements Gate {
  readonly #options: GateOptions
  #opened = false
  #total = 0
  // Of the packet's body: still to come. Header: the next byte's place in it, 0 is the type.
  #body = 0
  #header = 0
  #length = 0

  constructor(options: GateOptions) {
    this.#options = options
  }

  open(): void {
    this.#opened = true
  }

  take(chunk: Uint8Array): boolean {
    const { beforeBytes, afterBytes } = this.#options
    if (!this.#opened) {
      this.#total += chunk.byteLength
      if (this.#total > beforeBytes) return false
    }
    const limit = this.#opened ? afterBytes : beforeBytes
    let index = 0
    while (index < chunk.byteLength) {
      if (this.#body > 0) {
        const skipped = Math.min(this.#body, chunk.byteLength - index)
        this.#body -= skipped
        index += skipped
        continue
      }
      const byte = chunk[index] ?? 0
      index += 1
      if (this.#header === 0) {
        this.#header = 1
        this.#length = 0
        continue
      }
      this.#length += (byte & 0x7f) * 128 ** (this.#header - 1)
      if (this.#length > limit) return false
      if (byte < 0x80) {
        this.#body = this.#length
        this.#header = 0
      } else if (this.#header === 4) return false
      else this.#header += 1
    }
    return true
  }
}
