// What the tests of the edge need: an edge with one mount, and a socket that sends exactly what it is told.
import { connect, type Socket } from 'node:net'
import type { HttpHandler, HttpRequest, HttpResponse } from '../../../../core/api.ts'
import {
  createEdge,
  type Edge,
  type EdgeOptions,
  type ListenerConfig,
  type Mount,
  type SocketMount,
} from '../../../../core/http/edge.ts'
import { createIdentity, type IdentityCheck, type IdentityConfig } from '../../../../core/http/identity.ts'
import { recordingLog, type RecordedLine } from './recording-log.ts'

export const ADMIN_TOKEN = 'an-admin-token-of-enough-characters'

export const listener: ListenerConfig = {
  host: '127.0.0.1',
  port: 0,
  bodyLimitBytes: 1000,
  trustedProxies: [],
  headerTimeoutMs: 5000,
  requestTimeoutMs: 5000,
  keepAliveTimeoutMs: 5000,
  maxConnections: 100,
  maxHeaderBytes: 4096,
  origins: [],
  maxSockets: 100,
  maxSocketsPerAddress: 100,
}

export interface Running extends AsyncDisposable {
  readonly edge: Edge
  readonly port: number
  readonly origin: string
  readonly refused: string[]
  readonly lines: readonly RecordedLine[]
  /** The requests the default mount has seen. */
  readonly seen: HttpRequest[]
}

export interface RunOptions {
  readonly http?: Partial<ListenerConfig>
  readonly edge?: Partial<EdgeOptions>
  readonly identity?: IdentityConfig
  readonly mounts?: readonly Mount[]
  readonly sockets?: readonly SocketMount[]
  /** Of the default mount at `/`. */
  readonly handler?: HttpHandler
}

/** An edge on a free port. By default everything below `/` is answered `200` with `METHOD path?query body`. */
export async function running(options: RunOptions = {}): Promise<Running> {
  const refused: string[] = []
  const seen: HttpRequest[] = []
  const { log, lines } = recordingLog()
  const http = { ...listener, ...options.http }
  const identity = createIdentity(options.identity, { host: http.host, adminToken: ADMIN_TOKEN, log })
  const edge = createEdge({
    http,
    identity: options.identity === undefined ? underAnyName(identity) : identity,
    log,
    onRefused: (reason, channel) => refused.push(channel === undefined ? reason : `${reason} ${channel}`),
    linger: { maxBytes: 4_000_000, maxMs: 200 },
    ...options.edge,
  })
  const handler: HttpHandler =
    options.handler ??
    ((request) => {
      seen.push(request)
      return Promise.resolve(echo(request))
    })
  edge.mount(options.mounts ?? [{ path: '/', channel: 'web', handler }], options.sockets)
  const { port, origin } = await edge.start()
  return { edge, port, origin, refused, lines, seen, [Symbol.asyncDispose]: () => edge.drain(0) }
}

/** The edge does not care for whom a `Host` is; without identity its callers would have to. */
function underAnyName(identity: IdentityCheck): IdentityCheck {
  return {
    ...identity,
    forHttp({ headers: { host: _host, ...headers }, ...caller }, access, channel) {
      return identity.forHttp({ ...caller, headers }, access, channel)
    },
  }
}

export function echo(request: HttpRequest): HttpResponse {
  const query = request.query === '' ? '' : `?${request.query}`
  const body = `${request.method} ${request.path}${query} ${new TextDecoder().decode(request.body)}`
  return { status: 200, headers: { 'content-type': 'text/plain' }, body }
}

export interface Wire {
  readonly socket: Socket
  send(text: string | Uint8Array): void
  /** Everything that has arrived so far. */
  readonly text: string
  /** Resolves when what has arrived matches. */
  until(pattern: RegExp): Promise<string>
  /** Resolves with everything when the gateway has closed. */
  closed(): Promise<string>
}

/** A socket: nothing is added to what is sent, nothing is taken from what arrives. */
export function wire(port: number, text?: string): Wire {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  let received = ''
  let over = false
  const watchers = new Set<() => void>()
  const wake = (): void => watchers.forEach((watcher) => watcher())
  const finish = (): void => {
    over = true
    socket.end()
    wake()
  }
  socket.on('data', (chunk: Buffer) => {
    received += chunk.toString('latin1')
    wake()
  })
  socket.on('end', finish).on('close', finish).on('error', finish)
  if (text !== undefined) socket.write(text, 'latin1')
  const wait = (done: () => boolean, what: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const watcher = (): void => {
        if (done()) resolve(received)
        else if (over) reject(new Error(`closed before ${what}; received: ${received}`))
        else return
        watchers.delete(watcher)
      }
      watchers.add(watcher)
      watcher()
    })
  return {
    socket,
    send: (more) => socket.write(more),
    get text() {
      return received
    },
    until: (pattern) => wait(() => pattern.test(received), String(pattern)),
    closed: () => wait(() => over, 'the end'),
  }
}

/** Sends and returns everything up to the gateway's close. */
export function exchange(port: number, text: string): Promise<string> {
  return wire(port, text).closed()
}

/** The statuses of a transcript of several answers. */
export function statuses(transcript: string): readonly number[] {
  return [...transcript.matchAll(/HTTP\/1\.1 (\d{3}) /gu)].map(([, status]) => Number(status))
}

export function bodyOf(transcript: string): string {
  return transcript.slice(transcript.indexOf('\r\n\r\n') + 4)
}
