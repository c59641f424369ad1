// A WebSocket without a network: what a channel's handler is given in a test, and the other end of it.
import type { Identity, Socket, SocketOptions } from '../api.ts'

/** The client's end. */
export interface TestSocket {
  /** What the channel has sent, in order. */
  readonly sent: readonly (string | Uint8Array)[]
  /** Set when it is closed, by whomever. */
  readonly closed: { readonly code: number; readonly reason: string } | undefined
  /** Hands a message in; resolves when the channel is done with it, and every one before it; of a `concurrent` socket at once. A throw closes with 1011. */
  say(data: string | Uint8Array): Promise<void>
  /** The last of whom the channel said that he speaks here. */
  readonly who: Identity | undefined
  close(code?: number, reason?: string): void
}

/** Both ends of a socket; sends reach the other end at once. */
export function testSocket(
  protocol = '',
  { concurrent = false }: Pick<SocketOptions, 'concurrent'> = {},
): { readonly socket: Socket; readonly peer: TestSocket } {
  const sent: (string | Uint8Array)[] = []
  const onClose: Parameters<Socket['onClose']>[0][] = []
  let onMessage: Parameters<Socket['onMessage']>[0] | undefined
  let closed: TestSocket['closed']
  let who: Identity | undefined
  let before: Promise<void> = Promise.resolve()
  const close = (code = 1000, reason = ''): void => {
    if (closed !== undefined) return
    closed = { code, reason }
    for (const handler of onClose) handler(code, reason)
  }
  const socket: Socket = {
    protocol,
    buffered: 0,
    send(data) {
      if (closed === undefined) sent.push(data)
      return Promise.resolve(closed === undefined)
    },
    onMessage(handler) {
      onMessage = handler
    },
    onClose(handler) {
      if (closed === undefined) onClose.push(handler)
      else handler(closed.code, closed.reason)
    },
    identified: (named) => {
      who = named
    },
    close,
  }
  const peer: TestSocket = {
    sent,
    get closed() {
      return closed
    },
    get who() {
      return who
    },
    say(data) {
      const done = before
        .then(() => (closed === undefined ? onMessage?.(data) : undefined))
        .catch(() => close(1011))
      if (!concurrent) before = done
      return before
    },
    close,
  }
  return { socket, peer }
}
