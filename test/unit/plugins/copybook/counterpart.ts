// What the copybook tests talk to: a TCP server that answers frames as told, and clients that send bytes as they are.
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'

export interface Counterpart extends AsyncDisposable {
  readonly port: number
  /** Connections so far. */
  readonly connections: number
  /** Whole requests so far. */
  readonly requests: readonly Uint8Array[]
  drop(): void
}

/** `on` gets each request of four bytes of length and a record, and the socket to answer on. */
export async function counterpart(
  on: (record: Buffer, socket: Socket, nth: number) => void,
): Promise<Counterpart> {
  let connections = 0
  const requests: Uint8Array[] = []
  const open = new Set<Socket>()
  const server = createServer((socket) => {
    connections += 1
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
    let all = Buffer.alloc(0)
    socket.on('data', (piece) => {
      all = Buffer.concat([all, piece])
      while (all.byteLength >= 4 && all.byteLength >= 4 + all.readUInt32BE(0)) {
        const record = all.subarray(4, 4 + all.readUInt32BE(0))
        all = all.subarray(4 + record.byteLength)
        requests.push(record)
        on(record, socket, requests.length)
      }
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const drop = (): void => {
    for (const socket of open) socket.destroy()
  }
  return {
    port: (server.address() as AddressInfo).port, // it listens on TCP
    get connections() {
      return connections
    },
    requests,
    drop,
    async [Symbol.asyncDispose]() {
      drop()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

export function prefixed(record: Uint8Array): Buffer {
  const head = Buffer.alloc(4)
  head.writeUInt32BE(record.byteLength)
  return Buffer.concat([head, record])
}

export interface Client extends Disposable {
  readonly socket: Socket
  /** Resolves with so many bytes; rejects when the line ends before. */
  read(bytes: number): Promise<Buffer>
  readonly ended: Promise<void>
}

export async function client(port: number): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1' })
  let all = Buffer.alloc(0)
  const wake = new Set<() => void>()
  let isOver = false
  const { promise: ended, resolve } = Promise.withResolvers<void>()
  socket.on('data', (piece: Buffer) => {
    all = Buffer.concat([all, piece])
    for (const each of wake) each()
  })
  socket.on('error', () => undefined)
  socket.on('end', () => resolve())
  socket.on('close', () => {
    isOver = true
    resolve()
    for (const each of wake) each()
  })
  await new Promise<void>((connected, failed) => {
    socket.once('connect', connected)
    socket.once('error', failed)
  })
  return {
    socket,
    ended,
    async read(bytes) {
      while (all.byteLength < bytes) {
        if (isOver) throw new Error(`the line ended after ${all.byteLength} of ${bytes} bytes`)
        await new Promise<void>((more) => wake.add(more))
        wake.clear()
      }
      const taken = all.subarray(0, bytes)
      all = all.subarray(bytes)
      return taken
    },
    [Symbol.dispose]: () => socket.destroy(),
  }
}
