// A connection that was being handed to a worker when it died must not hang.
import type { Worker } from 'node:cluster'
import type { Serializable } from 'node:child_process'

interface Handle {
  close(): void
}

/**
 * node:cluster accepts connections here and hands them over, one at a time per port and worker; a worker that dies takes the
 * one on its way with it, and Node keeps our end of it open for ever (measured: one client in each `kill -9` waits until
 * its own time-out). Closed here, the client sees a reset at once and comes again. What had arrived is closed already.
 */
export function closeWhatIsLost({ process: child }: Worker): void {
  const send = child.send.bind(child) as (...given: readonly unknown[]) => boolean // passed on as it came
  const last = new Map<unknown, Handle>()
  Object.assign(child, {
    send: (message: Serializable, handle?: unknown, ...more: readonly unknown[]) => {
      if (isHandle(handle) && typeof message === 'object' && 'key' in message) last.set(message.key, handle)
      return send(message, handle, ...more)
    },
  })
  child.once('exit', () => {
    for (const handle of last.values()) handle.close()
  })
}

function isHandle(value: unknown): value is Handle {
  return typeof value === 'object' && value !== null && 'close' in value && typeof value.close === 'function'
}
