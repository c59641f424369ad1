// A TCP line to the gateway that can be good, dark (nothing moves, nothing closes) or cut (reset at once).
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export type Weather = 'good' | 'dark' | 'cut'

export interface Line extends AsyncDisposable {
  readonly port: number
  set(weather: Weather): void
}

/** Bytes are held in the dark, never lost, as TCP does; the gateway's port may be free for a while. */
export async function openLine(target: number): Promise<Line> {
  let weather: Weather = 'good'
  const pairs = new Set<{ readonly ends: readonly [Socket, Socket] }>()
  const server = createServer((app) => {
    const gateway = connect(target, '127.0.0.1')
    const pair = { ends: [app, gateway] as const }
    pairs.add(pair)
    const end = (): void => {
      pairs.delete(pair)
      app.destroy()
      gateway.destroy()
    }
    for (const [from, to] of [
      [app, gateway],
      [gateway, app],
    ] as const) {
      from.on('data', (bytes: Buffer) => void to.write(bytes))
      // What was said before the end still arrives; after an error nothing does.
      from.on('end', () => to.end()).on('error', end)
      from.on('close', () => pairs.delete(pair))
    }
    apply(pair)
  })
  function apply({ ends }: { readonly ends: readonly [Socket, Socket] }): void {
    for (const socket of ends) {
      if (weather === 'cut') socket.resetAndDestroy()
      else if (weather === 'dark') socket.pause()
      else socket.resume()
    }
  }
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  return {
    port,
    set(next) {
      weather = next
      for (const pair of pairs) apply(pair)
    },
    async [Symbol.asyncDispose]() {
      for (const { ends } of pairs) for (const socket of ends) socket.destroy()
      await new Promise((closed) => server.close(closed))
    },
  }
}
