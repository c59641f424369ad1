// What one turn of the event loop asks of Redis goes out as one write: the server reads it in one pass and syncs its file once for it.
import type { Redis } from 'ioredis'

const held = new WeakSet<object>()

/** Called before a command is sent on the line. */
export function inOneWrite({ stream }: Redis): void {
  // ioredis has none before it connects, whatever its types say.
  if ((stream as typeof stream | undefined) === undefined || held.has(stream)) return
  held.add(stream)
  stream.cork()
  // After everything this turn's sockets bring.
  setImmediate(() => {
    held.delete(stream)
    stream.uncork()
  })
}
