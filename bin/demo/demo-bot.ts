// A bot that takes its time, by webhook as any bot.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SlowBot extends AsyncDisposable {
  readonly url: string
}

/** Answers every question after `ms`, on a free port of this machine. */
export async function startSlowBot(ms: number): Promise<SlowBot> {
  const server = createServer((request, response) => {
    request.resume()
    setTimeout(() => {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ text: `I have thought about it for ${ms / 1000} seconds. Here I am.` }))
    }, ms).unref()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}/bot`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
