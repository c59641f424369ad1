// A business system that fails in every way there is, on order; it remembers what it did.
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { gzipSync } from 'node:zlib'

export type Mode = 'well' | 'refuses' | 'black hole' | 'drips' | 'cuts' | 'gzip bomb' | 'half fails' | 'fails'

export interface Business extends AsyncDisposable {
  readonly url: string
  /** Requests that reached it. */
  requests: number
  /** How often each order was carried out, by its `Idempotency-Key`. What it was told completely, it does: whatever it answers. */
  readonly done: ReadonlyMap<string, number>
  become(mode: Mode): Promise<void>
}

/** Six times what a gateway takes. Made beforehand: it keeps the tests' own thread busy. */
const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024))

export async function startBusiness(random: () => number): Promise<Business> {
  const done = new Map<string, number>()
  const sockets = new Set<Socket>()
  const drops = new Set<NodeJS.Timeout>()
  let mode: Mode = 'well'
  const server = createServer((request, response) => void serve(request, response))
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  await listen(0)
  const { port } = server.address() as AddressInfo // it listens on TCP
  const business: Business = {
    url: `http://127.0.0.1:${port}`,
    requests: 0,
    done,
    async become(next) {
      if (mode === 'refuses' && next !== 'refuses') await listen(port)
      if (next === 'refuses' && mode !== 'refuses') {
        const closed = new Promise((resolve) => server.close(resolve))
        for (const socket of sockets) socket.destroy()
        await closed
      }
      // What hangs in a black hole or drips is let go when all is well again.
      if (next === 'well') for (const socket of sockets) socket.destroy()
      mode = next
    },
    async [Symbol.asyncDispose]() {
      for (const drop of drops) clearInterval(drop)
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
  return business

  async function listen(at: number): Promise<void> {
    await new Promise<void>((resolve) => server.listen(at, '127.0.0.1', resolve))
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    business.requests += 1
    try {
      for await (const _ of request) continue
    } catch {
      return // it was cut off before it said all
    }
    const key = request.headers['idempotency-key']
    if (request.method === 'POST' && typeof key === 'string') done.set(key, (done.get(key) ?? 0) + 1)
    const body = JSON.stringify({ path: request.url, price: '1.10', filler: 'x'.repeat(200) })
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    switch (mode) {
      case 'well':
      case 'refuses':
        response.writeHead(200, headers).end(body)
        return
      case 'black hole':
        return
      case 'drips': {
        response.writeHead(200, headers)
        let at = 0
        const drop = setInterval(() => {
          response.write(body.slice(at, ++at))
        }, 1000)
        drops.add(drop)
        response.once('close', () => {
          clearInterval(drop)
          drops.delete(drop)
        })
        return
      }
      case 'cuts':
        response.writeHead(200, headers).write(body.slice(0, body.length / 2), () => response.destroy())
        return
      case 'gzip bomb':
        response.writeHead(200, { 'content-type': 'application/json', 'content-encoding': 'gzip' }).end(bomb)
        return
      case 'half fails':
        if (random() < 0.5) response.writeHead(200, headers).end(body)
        else response.writeHead(500).end()
        return
      case 'fails':
        response.writeHead(500).end()
    }
  }
}
