// In a plugin's worker: one WebSocket. The connection is the gateway's.
import type { Identity, Log, Socket } from '../api.ts'
import { kindOf } from './response-shape.ts'
import { ownBytes } from './wire.ts'

export interface SocketCalls {
  readonly log: Log
  /** Whether it reached the system, and what waits for it there. */
  send(data: string | Uint8Array): Promise<readonly [boolean, number]>
  /** From now on messages are wanted. */
  listen(): void
  identified(who: Identity): void
  close(code: number, reason: string): void
}

export interface WorkerSocket {
  readonly socket: Socket
  /** Settles when the handler has. */
  arrived(data: string | Uint8Array): void | Promise<void>
  closed(code: number, reason: string): void
}

export function workerSocket(protocol: string, calls: SocketCalls): WorkerSocket {
  const onClose: Parameters<Socket['onClose']>[0][] = []
  let onMessage: Parameters<Socket['onMessage']>[0] | undefined
  let ended: { readonly code: number; readonly reason: string } | undefined
  let sending = 0
  let waiting = 0
  async function sent(data: string | Uint8Array): Promise<boolean> {
    if (ended !== undefined) return false
    const bytes = data.length
    sending += bytes
    try {
      const [isSent, left] = await calls.send(data)
      waiting = left
      return isSent
    } catch {
      return false // the gateway has closed it: by the contract a send never rejects
    } finally {
      sending -= bytes
    }
  }
  const socket: Socket = {
    protocol,
    get buffered() {
      return sending + waiting
    },
    send: (data) => sent(sendable(data)),
    onMessage(handler) {
      const isFirst = onMessage === undefined
      onMessage = handler
      if (isFirst) calls.listen()
    },
    onClose(handler) {
      if (ended === undefined) onClose.push(handler)
      else handler(ended.code, ended.reason)
    },
    identified: (who) => calls.identified(who),
    close: (code = 1000, reason = '') => calls.close(code, textOf(reason)),
  }
  return {
    socket,
    arrived: (data) => onMessage?.(data),
    closed(code, reason) {
      if (ended !== undefined) return
      ended = { code, reason }
      for (const handler of onClose)
        try {
          handler(code, reason)
        } catch (error) {
          calls.log.error('the end of a WebSocket was not taken note of', { error })
        }
    },
  }
}

/** Throws at the plugin's own line. */
function sendable(data: unknown): string | Uint8Array {
  if (typeof data === 'string') return data
  if (data instanceof ArrayBuffer) return new Uint8Array(data)
  if (data instanceof Uint8Array) return ownBytes(data)
  throw new TypeError(
    `socket.send takes a text or bytes, this is ${kindOf(data)}: write JSON.stringify(…) of what is to be sent`,
  )
}

/** What is no text might not cross, and the socket would stay open. */
function textOf(reason: unknown): string {
  return String(reason)
}
