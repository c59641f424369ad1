// A business system in the test's own process: what it was asked for, and the status it answers with.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Shop extends AsyncDisposable {
  readonly url: string
  /** The keys of what was asked for, by its path. */
  readonly asked: readonly { readonly path: string; readonly key: string | undefined }[]
  answer: (path: string) => Promise<number>
}

export async function startShop(): Promise<Shop> {
  const asked: { readonly path: string; readonly key: string | undefined }[] = []
  const server = createServer((request, response) => {
    const path = request.url ?? ''
    const key = request.headers['idempotency-key']
    asked.push({ path, key: typeof key === 'string' ? key : undefined })
    void (async () => {
      response.writeHead(await made.answer(path), { 'content-type': 'application/json' })
      response.end('{"number":"007"}')
    })()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const made: Shop = {
    url: `http://127.0.0.1:${port}`,
    asked,
    answer: async () => 200,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((closed) => server.close(closed))
    },
  }
  return made
}
