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
export function createGate({ beforeBytes, afterBytes }: GateOptions): Gate {
  let opened = false
  let total = 0
  // Of the packet's body: still to come. Header: the next byte's place in it, 0 is the type.
  let body = 0
  let header = 0
  let length = 0

  return {
    open() {
      opened = true
    },
    take(chunk) {
      if (!opened) {
        total += chunk.byteLength
        if (total > beforeBytes) return false
      }
      const limit = opened ? afterBytes : beforeBytes
      let index = 0
      while (index < chunk.byteLength) {
        if (body > 0) {
          const skipped = Math.min(body, chunk.byteLength - index)
          body -= skipped
          index += skipped
          continue
        }
        const byte = chunk[index] ?? 0
        index += 1
        if (header === 0) {
          header = 1
          length = 0
          continue
        }
        length += (byte & 0x7f) * 128 ** (header - 1)
        if (length > limit) return false
        if (byte < 0x80) {
          body = length
          header = 0
        } else if (header === 4) return false
        else header += 1
      }
      return true
    },
  }
}
