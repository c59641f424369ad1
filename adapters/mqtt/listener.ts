// The TCP port, with TLS or without. One process opens an address once, however many generations of a channel use it.
import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { SecureContext } from 'node:tls'

import { GatewayError } from 'dragoman'

import { claim } from './handover.ts'

export interface ListenOptions {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca?: string | undefined } | undefined
  /** Takes it over, its errors too. */
  readonly onConnection: (socket: Socket) => void
}

/** Disposing takes no more connections; those there are stay. */
export interface Listener extends AsyncDisposable {
  readonly port: number
}

/** The peer is asked whether it is still there; the keep-alive of MQTT comes on top. */
const PROBE_MS = 60_000
const BACKLOG = 4096

interface Shared {
  readonly server: Server
  readonly port: number
  users: number
  connection: (socket: Socket) => void
}
const shared = new Map<string, Promise<Shared>>()

/**
 * Listens. Where this process listens at that address already, the newest listener gets the connections from now on, and the one
 * before gets them back when it closes. Throws `INTERNAL` with the address if it cannot be opened.
 */
export async function listen({ host, port, tls, onConnection }: ListenOptions): Promise<Listener> {
  const context = tls === undefined ? undefined : readContext(tls)
  const accept = (socket: Socket): void => {
    socket.setNoDelay(true)
    socket.setKeepAlive(true, PROBE_MS)
    onConnection(context === undefined ? socket : secured(socket, context, tls?.ca !== undefined))
  }
  // Any free port is a new one each time. `localhost` is the address that it stands for.
  const name = `${await addressOf(host)} ${port === 0 ? crypto.randomUUID() : port}`
  const opening = shared.get(name) ?? open({ name, host, port })
  shared.set(name, opening)
  let used: Shared
  try {
    used = await opening
  } catch (error) {
    shared.delete(name)
    throw error
  }
  used.users += 1
  const release = claim(`listen ${name}`, {
    take: () => {
      used.connection = accept
    },
    yield: () => {
      used.connection = (socket) => socket.destroy()
    },
  })
  let closed = false
  return {
    port: used.port,
    async [Symbol.asyncDispose]() {
      if (closed) return
      closed = true
      release()
      used.users -= 1
      if (used.users > 0) return
      shared.delete(name)
      used.server.close() // what is connected is the broker's to end
    },
  }
}

/** A name that nobody knows is told by who listens there. */
async function addressOf(host: string): Promise<string> {
  return lookup(host).then(
    ({ address }) => address,
    () => host,
  )
}

/** Where this process has that port open, at another address than the one that is refused. */
function otherThan(name: string, port: number): string | undefined {
  const other = [...shared.keys()].find((one) => one !== name && one.endsWith(` ${port}`))
  return other?.replace(' ', ':')
}

function reasonOf(error: NodeJS.ErrnoException, own: string | undefined): string {
  if (error.code === 'EADDRINUSE' && own !== undefined)
    return `this gateway itself has ${own} open: restart it to change the host, or give the channel another port`
  if (error.code === 'EADDRINUSE') return 'the port is in use (give the channel another one)'
  if (error.code === 'EACCES') return 'ports below 1024 need a privilege'
  if (error.code === 'EADDRNOTAVAIL') return 'this machine does not have that address'
  return error.message
}

async function open({
  name,
  host,
  port,
}: Pick<ListenOptions, 'host' | 'port'> & { readonly name: string }): Promise<Shared> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const server = createServer((socket) => opened.connection(socket))
  server.once('error', (error) =>
    reject(
      new GatewayError(
        'INTERNAL',
        `MQTT cannot listen on ${host}:${port}: ${reasonOf(error, otherThan(name, port))}`,
        {
          cause: error,
        },
      ),
    ),
  )
  server.listen({ host, port, backlog: BACKLOG }, resolve)
  await promise
  // Out of file descriptors: Node goes on listening, the connection is refused.
  server.on('error', () => undefined)
  const { port: bound } = server.address() as AddressInfo // a TCP server has one
  const opened: Shared = { server, port: bound, users: 0, connection: (socket) => socket.destroy() }
  return opened
}

function readContext({ cert, key, ca }: NonNullable<ListenOptions['tls']>): SecureContext {
  try {
    return createSecureContext({
      cert: readFileSync(cert),
      key: readFileSync(key),
      ...(ca !== undefined && { ca: readFileSync(ca) }),
      minVersion: 'TLSv1.2',
    })
  } catch (error) {
    throw new GatewayError('INTERNAL', `the certificate for MQTT cannot be used: ${String(error)}`, {
      cause: error,
    })
  }
}

function secured(socket: Socket, secureContext: SecureContext, mutual: boolean): Socket {
  socket.on('error', () => socket.destroy())
  const tls = new TLSSocket(socket, {
    isServer: true,
    secureContext,
    requestCert: mutual,
    rejectUnauthorized: mutual,
  })
  tls.on('error', () => tls.destroy())
  if (mutual) tls.once('secure', () => tls.authorized || tls.destroy())
  return tls
}
