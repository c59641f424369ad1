// The one listener: binds, hands requests to what is mounted, drains.
import { createServer, type IncomingMessage, type Server, type ServerOptions } from 'node:http'
import { createServer as createTlsServer, Server as TlsServer } from 'node:https'
import { Server as NetServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import type { Log } from '../api.ts'
import { GatewayError } from '../api.ts'
import { Expiries } from '../expiries.ts'
import type { Admission } from '../guard/admission.ts'
import type { Identifier } from './access.ts'
import { addressSet } from './addresses.ts'
import { BodyBudget } from './body.ts'
import { CertificateTerm } from './certificate-term.ts'
import type { LingerLimits } from './connection.ts'
import { type Gate, type Mount } from './exchange.ts'
import { attachGuards, type Guards } from './guards.ts'
import { openFilesLeft } from './open-files.ts'
import { PathTable } from './paths.ts'
import type { RefusalReason } from './refusal.ts'
import { readTls, type TlsFiles } from './tls.ts'
import { createWebSockets, type SocketMount, type WebSockets } from './websocket.ts'

export type { Access, Identifier } from './access.ts'
export type { Mount } from './exchange.ts'
export type { RefusalReason } from './refusal.ts'
export type { SocketMount } from './websocket.ts'

export interface ListenerConfig {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly bodyLimitBytes: number
  /** The address given out to callers, without a trailing slash. */
  readonly publicUrl?: string
  readonly tls?: TlsFiles
  /** Addresses and CIDR ranges whose `X-Forwarded-*` is believed. */
  readonly trustedProxies: readonly string[]
  readonly headerTimeoutMs: number
  /** For head and body together to arrive. */
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly maxConnections: number
  readonly maxHeaderBytes: number
  /** Pages of these sites may open a WebSocket, besides our own: `https://shop.example.com`; `*` is any. */
  readonly origins: readonly string[]
  /** WebSockets open at once, of all callers and of one address. */
  readonly maxSockets: number
  readonly maxSocketsPerAddress: number
}

export interface EdgeOptions {
  readonly http: ListenerConfig
  readonly identity: Identifier
  /** Absent: everybody is let in. */
  readonly admission?: Admission
  readonly log: Log
  /** Called once per refused request, connection or handshake. */
  readonly onRefused?: (reason: RefusalReason, channel?: string) => void
  /** What is read and dropped of a request that was refused while it was being sent. Default: 64 MB, 2 s. */
  readonly linger?: LingerLimits
  /** A peer that takes no byte of an answer for this long is cut off. Default: 30 s. */
  readonly stallMs?: number
  /** Bytes of request bodies held at once. Default: 256 MB. */
  readonly bodyBudgetBytes?: number
  /** Each WebSocket is pinged this often. Default: 25 s. */
  readonly heartbeatMs?: number
  /** What may wait for the peer of a WebSocket that does not read. Default: 1 MiB. */
  readonly bufferedBytes?: number
}

export interface Edge extends AsyncDisposable {
  /** Binds. Until `mount` is called every path is 404. Throws `INTERNAL` where the address cannot be had. */
  start(): Promise<{ readonly port: number; readonly origin: string }>
  /** Replaces everything that is served, at once. Throws `TypeError` where a path stands twice; the old table stays then. */
  mount(mounts: readonly Mount[], sockets?: readonly SocketMount[]): void
  /** Reads the certificate again, for new connections. Throws, and keeps the old one, where it cannot be used. */
  reloadTls(): Promise<void>
  /**
   * Takes no new connections and ends streams, but goes on answering on those there are, each answer saying `Connection: close`.
   * Resolves when only WebSockets are left, or the time is over: for one of several processes that share the port.
   */
  leave(withinMs: number): Promise<void>
  /** Takes no new connections, ends streams, closes WebSockets with 1012, lets requests and what is under way on WebSockets finish until the deadline, then cuts what is left. */
  drain(deadlineMs: number): Promise<void>
  /** Open connections. */
  readonly connections: number
  /** Those among them that are WebSockets. */
  readonly webSockets: number
}

const LINGER: LingerLimits = { maxBytes: 64 * 1024 * 1024, maxMs: 2000 }
const STALL_MS = 30_000
const BODY_BUDGET_BYTES = 256 * 1024 * 1024
const HANDSHAKE_TIMEOUT_MS = 10_000
/** Of the files the process may still open, this part is for callers; backends, plugins and the store need the rest. */
const SHARE_FOR_CALLERS = 0.8

/** Makes the listener; nothing is bound before `start`. */
export function createEdge(options: EdgeOptions): Edge {
  const { http, log } = options
  const sockets = new Set<Socket>()
  const streams = new Set<() => void>()
  let table = new PathTable<Mount>([])
  let server: Server | TlsServer | undefined
  let guards: Guards | undefined
  let leaving: (() => void) | undefined
  let draining: Promise<void> | undefined
  const gate: Gate = {
    table: () => table,
    identity: options.identity,
    admission: options.admission,
    log,
    onRefused: options.onRefused ?? (() => undefined),
    publicUrl: http.publicUrl,
    trusted: http.trustedProxies.length === 0 ? undefined : addressSet(http.trustedProxies),
    bodyLimitBytes: http.bodyLimitBytes,
    budget: new BodyBudget(options.bodyBudgetBytes ?? BODY_BUDGET_BYTES),
    linger: options.linger ?? LINGER,
    stallMs: options.stallMs ?? STALL_MS,
    streams,
    expiring: new Expiries((end) => end()),
    leaving: () => leaving !== undefined || draining !== undefined,
    draining: () => draining !== undefined,
  }
  const term = http.tls === undefined ? undefined : new CertificateTerm(log, http.tls.certFile)
  const webSockets: WebSockets = createWebSockets(gate, {
    origins: http.origins.map((origin) => origin.toLowerCase()),
    sockets: http.maxSockets,
    perAddress: http.maxSocketsPerAddress,
    ...(options.heartbeatMs !== undefined && { heartbeatMs: options.heartbeatMs }),
    ...(options.bufferedBytes !== undefined && { bufferedBytes: options.bufferedBytes }),
  })

  async function start(): Promise<{ port: number; origin: string }> {
    const serving = {
      ...limitsOf(http),
      shouldUpgradeCallback: (incoming: IncomingMessage) => webSockets.wants(incoming),
    }
    const created =
      http.tls === undefined ? createServer(serving) : await createSecure(serving, http.tls, term)
    server = created
    created.maxConnections = connectionLimit(http.maxConnections)
    // Of several processes that share the port, one full one would else pass a connection on to the next, for ever.
    Object.assign(created, { dropMaxConnection: true })
    created.maxHeadersCount = 0 // node:http would drop the rest silently; the head is checked instead
    created.on('connection', (socket: Socket) => {
      sockets.add(socket)
      socket.once('close', () => {
        sockets.delete(socket)
        leaving?.()
      })
    })
    guards = attachGuards(created, gate, webSockets)
    await listen(created, http)
    created.on('error', onServerError)
    const { port } = created.address() as AddressInfo // it listens on TCP
    return { port, origin: originOf({ ...http, port }) }
  }

  /** A connection that could not be taken is no reason to stop. Out of files (EMFILE), libuv mostly closes it without a word. */
  function onServerError(error: NodeJS.ErrnoException): void {
    const outOfFiles = error.code === 'EMFILE' || error.code === 'ENFILE'
    gate.onRefused(outOfFiles ? 'open_files' : 'connections')
    log.warn('a connection could not be accepted', { error })
  }

  async function leave(withinMs: number): Promise<void> {
    if (server === undefined || leaving !== undefined || draining !== undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, withinMs)
    leaving = () => {
      if (sockets.size <= webSockets.open) resolve()
    }
    // node:http's own `close` would cut connections at rest as well, where a request may just be on its way.
    NetServer.prototype.close.call(server)
    for (const end of streams) end()
    leaving()
    await promise
    clearTimeout(timer)
  }

  async function drain(deadlineMs: number): Promise<void> {
    term?.end()
    draining ??= stop(deadlineMs)
    await draining
  }

  async function stop(deadlineMs: number): Promise<void> {
    const stopping = server
    if (stopping === undefined || (!stopping.listening && leaving === undefined)) return
    const closed = new Promise<void>((resolve) => {
      stopping.close(() => resolve())
    })
    await Promise.resolve() // `draining` is set: what is answered from here on says `Connection: close`
    guards?.closeQuiet()
    webSockets.drain(deadlineMs)
    for (const end of streams) end()
    const cut = setTimeout(() => {
      for (const socket of sockets) socket.destroy()
    }, deadlineMs)
    await closed
    clearTimeout(cut)
  }

  return {
    start,
    mount: (mounts, socketMounts = []) => {
      table = new PathTable(mounts)
      webSockets.mount(socketMounts)
    },
    reloadTls: async () => {
      if (http.tls === undefined) return
      const { options: fresh, certificate } = await readTls(http.tls)
      if (!(server instanceof TlsServer)) return
      server.setSecureContext(fresh)
      term?.renew(certificate)
    },
    leave,
    drain,
    get connections() {
      return sockets.size
    },
    get webSockets() {
      return webSockets.open
    },
    [Symbol.asyncDispose]: () => drain(0),
  }
}

/** The address that is given out to callers. */
export function originOf({
  publicUrl,
  tls,
  host,
  port,
}: Pick<ListenerConfig, 'publicUrl' | 'tls' | 'host' | 'port'>): string {
  return publicUrl ?? `${tls ? 'https' : 'http'}://${hostIn(host)}:${port}`
}

function limitsOf(http: ListenerConfig): ServerOptions {
  const shortest = Math.min(http.headerTimeoutMs, http.requestTimeoutMs)
  return {
    maxHeaderSize: http.maxHeaderBytes,
    headersTimeout: shortest, // Node refuses one beyond that of the whole request
    requestTimeout: http.requestTimeoutMs,
    // the default looks every 30 s: a 2 s limit would bite after half a minute
    connectionsCheckingInterval: Math.min(1000, Math.max(50, Math.floor(shortest / 4))),
    keepAliveTimeout: http.keepAliveTimeoutMs,
    requireHostHeader: false, // checked with the rest of the head, and counted
    joinDuplicateHeaders: true,
  }
}

async function createSecure(
  serving: ServerOptions,
  files: TlsFiles,
  term: CertificateTerm | undefined,
): Promise<TlsServer> {
  const { options, certificate } = await readTls(files)
  term?.begin(certificate)
  return createTlsServer({ ...serving, ...options, handshakeTimeout: HANDSHAKE_TIMEOUT_MS })
}

function listen(server: Server | TlsServer, { host, port }: ListenerConfig): Promise<void> {
  return new Promise((resolve, reject) => {
    const onError = (error: NodeJS.ErrnoException): void =>
      reject(
        new GatewayError('INTERNAL', `http: cannot listen on ${hostIn(host)}:${port}: ${reasonOf(error)}`, {
          cause: error,
        }),
      )
    server.once('error', onError)
    server.listen({ host, port, backlog: 1024 }, () => {
      server.off('error', onError)
      resolve()
    })
  })
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'the port is in use (choose another with --port)'
  if (error.code === 'EACCES') return 'ports below 1024 need a privilege'
  if (error.code === 'EADDRNOTAVAIL') return 'this machine does not have that address'
  return error.message
}

function connectionLimit(wanted: number): number {
  const left = openFilesLeft()
  return left === undefined ? wanted : Math.min(wanted, Math.max(1, Math.floor(left * SHARE_FOR_CALLERS)))
}

function hostIn(host: string): string {
  return host.includes(':') ? `[${host}]` : host
}
