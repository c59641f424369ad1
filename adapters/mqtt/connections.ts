// The door: how many may connect, how long a stranger may stand in it, and how much he may send.
import { Duplex } from 'node:stream'
import { setTimeout as pause } from 'node:timers/promises'

import { createGate } from './gate.ts'
import type { Gate } from './gate.ts'

export interface DoorOptions {
  readonly maxConnections: number
  /** The connection goes to the broker. */
  readonly handle: (stream: Duplex) => void
  /** Whether more is to be read of it now; asked again when something of it is done. */
  readonly mayRead: (stream: Duplex) => boolean
  /** It has ended. */
  readonly onLeft: (stream: Duplex) => void
  readonly onRefused: (reason: string) => void
}

export interface Door {
  readonly size: number
  /** Takes a connection over, or ends it. */
  enter(stream: Duplex): void
  /** Its CONNECT was accepted. */
  known(stream: Duplex): void
  /** Ends all; one that is ending already may send what was written, for a second. Resolves when none is left. */
  close(): Promise<void>
}

export const BEFORE_CONNACK_BYTES = 16 * 1024
export const PACKET_BYTES = 256 * 1024
const LIMITS = { beforeBytes: BEFORE_CONNACK_BYTES, afterBytes: PACKET_BYTES } as const
const ENDING_MS = 1000
/** Strangers at once: beyond it the one who has stood there longest goes. */
const MAX_STRANGERS = 1024

export function createDoor({ maxConnections, handle, mayRead, onLeft, onRefused }: DoorOptions): Door {
  const all = new Map<Duplex, Gate>()
  const strangers = new Set<Duplex>() // in the order they came

  // One function each for all: there are thousands of connections.

  function leave(this: Duplex): void {
    all.delete(this)
    strangers.delete(this)
    onLeft(this)
  }

  /** Whatever happens to it ends the connection, never the process. */
  function fail(this: Duplex): void {
    this.destroy()
  }

  /** In the place of its own: shows every chunk to the gate, and what that refuses is not handed on. Costs no copy and no stream between. */
  function read(this: Duplex, size?: number): unknown {
    // 0: nothing is wanted but that the network is listened to.
    if (size !== 0 && !mayRead(this)) return null
    const chunk: unknown = Duplex.prototype.read.call(this, size)
    if (!(chunk instanceof Uint8Array) || all.get(this)?.take(chunk) !== false) return chunk
    onRefused('too large')
    this.destroy()
    return null
  }

  return {
    get size() {
      return all.size
    },
    enter(stream) {
      stream.on('error', fail)
      if (all.size >= maxConnections) {
        onRefused('connections')
        stream.destroy()
        return
      }
      stream.read = read
      all.set(stream, createGate(LIMITS))
      strangers.add(stream)
      if (strangers.size > MAX_STRANGERS) {
        const [oldest] = strangers
        onRefused('half open')
        oldest?.destroy()
      }
      handle(stream)
      stream.on('close', leave) // after the broker's own: it has said the will by then
    },
    known(stream) {
      strangers.delete(stream)
      all.get(stream)?.open()
    },
    async close() {
      for (const stream of all.keys()) if (!stream.writableEnded) stream.destroy()
      const ending = [...all.keys()].map((stream) => new Promise((resolve) => stream.once('close', resolve)))
      if (ending.length === 0) return
      await Promise.race([Promise.all(ending), pause(ENDING_MS, undefined, { ref: false })])
      for (const stream of all.keys()) stream.destroy()
    },
  }
}
