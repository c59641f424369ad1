// "100 Continue" that nobody asked for (RFC 9110 §15.2.1): IIS 5 and 6 send it before they answer a POST.
import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'

// undici takes such an answer for a broken line, after the request was carried out. Here it is gone before undici reads.

/** A connector whose sockets do not show it. The other interim answers are undici's own business. */
export function withoutContinue(connect: buildConnector.connector): buildConnector.connector {
  return (options, callback) =>
    connect(options, (...outcome) => {
      const [error, socket] = outcome
      if (error === null && socket !== null) hideContinue(socket)
      callback(...outcome)
    })
}

const begin = Buffer.from('HTTP/1.1 100')
/** HTTP/1.0 as well. */
const minorAt = 'HTTP/1.'.length
const end = '\r\n\r\n'
/** As undici's own limit for the head of an answer. */
const maxHeadBytes = 16 * 1024

/**
 * Looks at the first bytes that are read after something was written: one request is under way at a time, so its answer
 * begins there. Whatever follows passes as it is.
 */
function hideContinue(socket: Socket): void {
  const read = socket.read.bind(socket)
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean // its overloads are one function
  let beginning = false
  let held: Buffer | undefined
  socket.write = (...args: unknown[]) => {
    beginning = true
    return write(...args)
  }
  socket.read = (size?: number) => {
    for (;;) {
      const chunk: unknown = read(size)
      if (!beginning || !(chunk instanceof Buffer)) return chunk
      const bytes: Buffer = held === undefined ? chunk : Buffer.concat([held, chunk])
      const rest = afterContinue(bytes)
      held = rest === undefined ? bytes : undefined
      if (rest === undefined || rest.length === 0) continue
      beginning = false
      return rest
    }
  }
}

/** What stands behind it, however often it stands there; undefined: more bytes are needed to tell. */
function afterContinue(bytes: Buffer): Buffer | undefined {
  let rest = bytes
  while (rest.length > 0) {
    const isLike = rest.subarray(0, begin.length).every((byte, at) => at === minorAt || byte === begin[at])
    if (!isLike) return rest
    const at = rest.indexOf(end)
    if (at === -1) return rest.length > maxHeadBytes ? rest : undefined
    rest = rest.subarray(at + end.length)
  }
  return rest
}
