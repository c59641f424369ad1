// MQTT over WebSocket (MQTT 3.1.1 §6): a socket of the core as the byte stream that the broker reads.
import { Duplex } from 'node:stream'

import type { Socket } from 'dragoman'

/** §6: the subprotocol is `mqtt`; clients of MQTT 3.1 say `mqttv3.1`. */
export const PROTOCOLS = ['mqtt', 'mqttv3.1'] as const

const BAD_DATA = 1003

/**
 * A byte stream of binary messages: where they are cut says nothing (§6). The next message is read from the network when the
 * broker has read this one; a text message closes the connection. When the peer closes it, the stream ends behind what was read before.
 */
export function streamOf(socket: Socket): Duplex {
  let wanted: (() => void) | undefined
  let open = true
  async function give(bytes: Uint8Array, written: (error?: Error) => void): Promise<void> {
    const sent = await socket.send(bytes)
    // Closed by the peer: what it sent before, perhaps DISCONNECT, is still to be read. Nobody hears what is written meanwhile.
    if (sent || !open) written()
    else written(new Error('the WebSocket is closed'))
  }
  const stream = new Duplex({
    allowHalfOpen: false,
    // Frames are small, and each is a promise: more of them may be under way than of a file.
    writableHighWaterMark: 64 * 1024,
    read() {
      wanted?.()
      wanted = undefined
    },
    write: (chunk: Uint8Array, _encoding, written) => void give(chunk, written),
    // The chunks are what `write` gets.
    writev: (chunks, written) =>
      void give(Buffer.concat(chunks.map(({ chunk }) => chunk as Uint8Array)), written),
    final(done) {
      if (open) socket.close(1000)
      done()
    },
    destroy(error, done) {
      wanted?.()
      if (open) socket.close(error === null ? 1000 : 1011)
      done(error)
    },
  })
  socket.onMessage(async (data) => {
    if (stream.destroyed || !open) return
    if (typeof data === 'string') {
      socket.close(BAD_DATA, 'MQTT is binary')
      stream.destroy()
      return
    }
    if (stream.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength))) return
    await new Promise<void>((resolve) => {
      wanted = resolve
    })
  })
  socket.onClose(() => {
    open = false
    stream.push(null) // it ends when all is read
  })
  return stream
}
