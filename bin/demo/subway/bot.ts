// The agent in the subway story: a webhook that answers each message, asked again with the same id or not, and counts.
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Tally, numberIn } from './tally.ts'

export interface CountingBot extends AsyncDisposable {
  readonly url: string
  readonly tally: Tally
}

interface Asked {
  readonly data: { readonly parts: readonly { readonly text: string }[] }
}

export async function startCountingBot(): Promise<CountingBot> {
  const tally = new Tally()
  // A bot is called at least once, with a stable id: a second call is no second message.
  const known = new Set<string>()
  const server: Server = createServer((request, response) => {
    const pieces: Buffer[] = []
    request.on('data', (piece: Buffer) => pieces.push(piece))
    request.on('end', () => {
      const id = String(request.headers['webhook-id'])
      const { data } = JSON.parse(Buffer.concat(pieces).toString()) as Asked // a CloudEvent of the gateway
      const text = data.parts[0]?.text ?? ''
      const number = numberIn(text)
      if (number !== undefined && !known.has(id)) tally.add(number)
      known.add(id)
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ text: `answer to ${text}` }))
    })
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    url: `http://127.0.0.1:${port}/`,
    tally,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
}
