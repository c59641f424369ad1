// Small real servers on loopback for the tests of the guard and of the agents.
import { once } from 'node:events'
import http from 'node:http'
import net from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Log } from '../../../../core/api.ts'

export interface Seen {
  readonly method: string
  readonly path: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

export interface TestServer extends AsyncDisposable {
  readonly port: number
  /** `http://127.0.0.1:PORT` */
  readonly origin: string
  readonly seen: readonly Seen[]
  /** How many connections were ever made to it. */
  connections(): number
}

/** An HTTP server; `answer` is called with the whole request. */
export async function serve(
  answer: (response: http.ServerResponse, request: Seen) => unknown,
  server: http.Server = http.createServer(),
): Promise<TestServer> {
  const seen: Seen[] = []
  server.on('request', (incoming: http.IncomingMessage, response: http.ServerResponse) => {
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('end', () => {
      const { method = '', url: path = '', headers } = incoming
      const request = { method, path, headers, body: Buffer.concat(chunks).toString() }
      seen.push(request)
      answer(response, request)
    })
  })
  return listening(server, seen)
}

/** A TCP server that waits for a request and then writes these bytes; `then` says how it goes on. */
export async function serveRaw(
  bytes: string | Buffer,
  then: 'end' | 'reset' | 'wait' = 'end',
): Promise<TestServer> {
  const server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', () => {
      if (then === 'reset') return socket.write(bytes, () => socket.resetAndDestroy())
      if (then === 'end') return socket.end(bytes)
      return socket.write(bytes)
    })
  })
  return listening(server, [])
}

async function listening(server: net.Server, seen: readonly Seen[]): Promise<TestServer> {
  const sockets = new Set<net.Socket>()
  let made = 0
  server.on('connection', (socket: net.Socket) => {
    made += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    port,
    origin: `http://127.0.0.1:${port}`,
    seen,
    connections: () => made,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

/** A log that keeps its lines: `warn refused to connect`. */
export function recorded(): { readonly log: Log; readonly lines: string[] } {
  const lines: string[] = []
  const at = (level: string) => (message: string) => void lines.push(`${level} ${message}`)
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines }
}
