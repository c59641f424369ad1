// A port for a server that is told which one to take, and takes the same one again when it is started again.
import { createServer } from 'node:net'

/** Below what systems give to outgoing connections, where a port can be lost to any of them between two lives of a server. */
const [FIRST, LAST] = [10_000, 32_000]
/** Processes that ask at the same moment begin this far apart. */
const APART = 97
const TRIES = 1000

let next = (process.pid * APART) % (LAST - FIRST)

/** A port of this machine nobody listens on just now. Rejects when a thousand in a row are taken. */
export async function freePort(): Promise<number> {
  for (let left = TRIES; left > 0; left -= 1) {
    const port = FIRST + next
    next = (next + 1) % (LAST - FIRST)
    if (await isFree(port)) return port
  }
  throw new Error(`no free port found between ${FIRST} and ${LAST}`)
}

/** Whether nobody listens on this port of this machine just now. */
export async function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const server = createServer()
  server.once('error', () => resolve(false))
  server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  return promise
}
