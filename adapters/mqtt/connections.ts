// The door: how many may connect, how long a stranger may stand in it, and how much he may send.
import type { Duplex } from 'node:stream'

import { createGate } from './gate.ts'
import type { Gate } from './gate.ts'

export interface DoorOptions {
  readonly maxConnections: number
  /** The connection goes to the broker. */
  readonly handle: (stream: Duplex) => void
  readonly onRefused: (reason: string) => void
}

export interface Door {
  readonly size: number
  /** Takes a connection over, or ends it. */
  enter(stream: Duplex): void
  /** Its CONNECT was accepted. */
  known(stream: Duplex): void
  /** Ends all. */
  close(): void
}

export const BEFORE_CONNACK_BYTES = 16 * 1024
export const PACKET_BYTES = 256 * 1024
const LIMITS = { beforeBytes: BEFORE_CONNACK_BYTES, afterBytes: PACKET_BYTES } as const
/** Strangers at once: beyond it the one who has stood there longest goes. */
const MAX_STRANGERS = 1024

export function createDoor({ maxConnections, handle, onRefused }: DoorOptions): Door {
  const all = new Map<Duplex, Gate>()
  const strangers = new Set<Duplex>() // in the order they came

  /** One for all: there are thousands of connections. */
  function leave(this: Duplex): void {
    all.delete(this)
    strangers.delete(this)
  }

  return {
    get size() {
      return all.size
    },
    enter(stream) {
      // Whatever happens to it from now on ends the connection, never the process.
      stream.on('error', () => stream.destroy())
      if (all.size >= maxConnections) {
        onRefused('connections')
        stream.destroy()
        return
      }
      const gate = createGate(LIMITS)
      watch(stream, (chunk) => {
        if (gate.take(chunk)) return true
        onRefused('too large')
        stream.destroy()
        return false
      })
      all.set(stream, gate)
      strangers.add(stream)
      stream.once('close', leave)
      if (strangers.size > MAX_STRANGERS) {
        const [oldest] = strangers
        onRefused('half open')
        oldest?.destroy()
      }
      handle(stream)
    },
    known(stream) {
      strangers.delete(stream)
      all.get(stream)?.open()
    },
    close() {
      for (const stream of all.keys()) stream.destroy()
    },
  }
}

/** Shows every chunk that is read to `look`; what it refuses is not handed on. Costs no copy and no stream between. */
function watch(stream: Duplex, look: (chunk: Uint8Array) => boolean): void {
  const read = stream.read.bind(stream)
  stream.read = (size?: number) => {
    const chunk: unknown = read(size)
    if (!(chunk instanceof Uint8Array)) return chunk
    return look(chunk) ? chunk : null
  }
}
