// The business systems: each reads what it is asked in its own protocol, remembers it, and answers as it is told.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Doc, Kind, Style, Value } from './model.ts'
import { plainStyle } from './model.ts'
import { protocols } from './protocols.ts'
import type { Wire } from './protocols.ts'

export class Counterpart {
  seen: Value | undefined
  kind: Kind = 'Echo'
  tell: Doc = {}
  style: Style = plainStyle

  /** The first segment of the path is the protocol. */
  answer(path: string, wire: Wire): Wire {
    const protocol = protocols.find(({ name }) => name === path.split('/')[1])
    if (protocol === undefined) throw new Error(`nobody is at ${path}`)
    this.seen = protocol.asked(this.kind, wire)
    // A SOAP system answers in the version it is asked in.
    const version = wire.headers['content-type']?.startsWith('application/soap+xml') === true ? '1.2' : '1.1'
    return protocol.answer(this.kind, this.tell, { ...this.style, version })
  }
}

/** The same over HTTP. */
export async function serve(counterpart: Counterpart): Promise<AsyncDisposable & { readonly base: string }> {
  const server = createServer((request, response) => {
    void (async () => {
      const pieces: Buffer[] = []
      for await (const piece of request) pieces.push(piece as Buffer) // no encoding is set
      try {
        const { 'content-type': type = '' } = request.headers
        const wire = { headers: { 'content-type': type }, body: Buffer.concat(pieces) }
        const { headers, body } = counterpart.answer(request.url ?? '', wire)
        response.writeHead(200, headers).end(body)
      } catch (error) {
        response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error))
      }
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    base: `http://127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
