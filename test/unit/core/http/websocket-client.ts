// An edge that takes WebSockets, and clients of it.
import { once } from 'node:events'
import { WebSocket } from 'ws'
import type { HttpRequest, Socket, SocketHandler, SocketOptions } from '../../../../core/api.ts'
import type { Access, EdgeOptions, ListenerConfig, Mount } from '../../../../core/http/edge.ts'
import type { IdentityConfig } from '../../../../core/http/identity.ts'
import { running, type Running } from './raw-client.ts'

export interface Ear extends Running {
  readonly sockets: Socket[]
  readonly requests: HttpRequest[]
  readonly ws: string
  /** A client that has been let in. */
  client(path?: string, protocols?: string | string[], options?: WebSocket.ClientOptions): Promise<WebSocket>
}
interface EarOptions {
  readonly http?: Partial<ListenerConfig>
  readonly edge?: Partial<EdgeOptions>
  readonly identity?: IdentityConfig
  readonly access?: Access
  readonly options?: SocketOptions
  readonly handler?: SocketHandler
  readonly mounts?: readonly Mount[]
}

/** An edge that takes WebSockets at `/ws`; by default each message comes back. */
export async function listening(given: EarOptions = {}): Promise<Ear> {
  const sockets: Socket[] = []
  const requests: HttpRequest[] = []
  const handler: SocketHandler = (socket, request) => {
    sockets.push(socket)
    requests.push(request)
    if (given.handler === undefined) socket.onMessage(async (data) => void (await socket.send(data)))
    else given.handler(socket, request)
  }
  const { access, options = {} } = given
  const edge = await running({
    ...(given.http !== undefined && { http: given.http }),
    ...(given.edge !== undefined && { edge: given.edge }),
    ...(given.identity !== undefined && { identity: given.identity }),
    ...(given.mounts !== undefined && { mounts: given.mounts }),
    sockets: [{ path: '/ws', channel: 'web', handler, options, open: new Set(), ...(access && { access }) }],
  })
  const ws = edge.origin.replace('http', 'ws')
  return {
    ...edge,
    sockets,
    requests,
    ws,
    async client(path = '/ws', protocols = [], clientOptions = {}) {
      const client = new WebSocket(`${ws}${path}`, protocols, clientOptions)
      client.on('error', () => undefined)
      await once(client, 'open')
      return client
    },
  }
}

/** What a handshake is refused with, in plain HTTP. */
export async function refusal(
  url: string,
  protocols: string | string[] = [],
  options: WebSocket.ClientOptions = {},
): Promise<{ status: number | undefined; headers: Record<string, unknown>; body: string }> {
  const client = new WebSocket(url, protocols, options)
  client.on('error', () => undefined)
  return new Promise((resolve, reject) => {
    client.on('open', () => reject(new Error('it was let in')))
    client.on('unexpected-response', (_request, response) => {
      let body = ''
      response.on('data', (piece) => (body += String(piece)))
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body }))
    })
  })
}

export async function next(client: WebSocket): Promise<string> {
  const [data] = await once(client, 'message')
  return String(data)
}

export const HEAD = [
  'GET /ws HTTP/1.1',
  'Host: a',
  'Upgrade: websocket',
  'Connection: Upgrade',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  'Sec-WebSocket-Version: 13',
]
export const head = (...more: readonly string[]): string => `${[...HEAD, ...more].join('\r\n')}\r\n\r\n`
