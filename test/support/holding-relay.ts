// TCP that can hold back what a client has sent, and bring it after the client is gone and has come again: late packets of an old line.
import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface HoldingRelay extends AsyncDisposable {
  readonly port: number
  /** What the lines there are now send is kept from here on. */
  hold(): void
  /** Those clients lose their lines; the server does not hear of it. */
  cut(): void
  /** What was kept arrives. Resolves when the server has closed those lines, after it has read all of it or none. */
  letGo(): Promise<void>
}

interface Line {
  readonly client: Socket
  readonly upstream: Socket
  kept: Buffer[] | undefined
}

export async function holdingRelay(target: number): Promise<HoldingRelay> {
  const lines = new Set<Line>()
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    const line: Line = { client, upstream, kept: undefined }
    lines.add(line)
    for (const socket of [client, upstream]) socket.on('error', () => undefined) // cut, or closed at the other end
    upstream.on('data', (bytes) => client.write(bytes))
    upstream.on('close', () => client.destroy())
    client.on('data', (bytes) => void (line.kept?.push(bytes) ?? upstream.write(bytes)))
    client.on('close', () => void (line.kept === undefined && upstream.destroy()))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo // it listens on TCP
  const held = (): readonly Line[] => [...lines].filter(({ kept }) => kept !== undefined)
  return {
    port,
    hold() {
      for (const line of lines) line.kept ??= []
    },
    cut() {
      for (const { client } of held()) client.destroy()
    },
    async letGo() {
      await Promise.all(
        held().map(async ({ upstream, kept = [] }) => {
          if (upstream.closed) return
          const closed = once(upstream, 'close')
          upstream.end(Buffer.concat(kept))
          await closed
        }),
      )
    },
    async [Symbol.asyncDispose]() {
      for (const { client, upstream } of lines) {
        client.destroy()
        upstream.destroy()
      }
      server.close()
      await once(server, 'close')
    },
  }
}
