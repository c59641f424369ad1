// Everything node:http tells about a connection: requests, parser errors, time-outs, refused handshakes.
import type { IncomingMessage, Server } from 'node:http'
import { Server as TlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { GatewayError } from '../api.ts'
import { Connection } from './connection.ts'
import { type Gate, turnOf } from './exchange.ts'
import { problem, rawProblem } from './problem.ts'
import { Refusal } from './refusal.ts'
import type { Outgoing } from './respond.ts'
import type { WebSockets } from './websocket.ts'

export interface Guards {
  /** Closes every connection on which nothing is being answered; node:http spares those that have not sent a request yet. */
  closeQuiet(): void
}

/** Leads every event of a server to one request's way, or to a refusal that is counted once and logged never. */
export function attachGuards(server: Server | TlsServer, gate: Gate, sockets: WebSockets): Guards {
  const connections = new Map<Duplex, Connection>()

  const connectionOf = (socket: Socket): Connection => {
    const known = connections.get(socket)
    if (known !== undefined) return known
    const fresh = new Connection(socket, gate.draining)
    connections.set(socket, fresh)
    socket.once('close', () => connections.delete(socket))
    return fresh
  }

  const take = (incoming: IncomingMessage, outgoing: Outgoing, expectsContinue: boolean): void => {
    const connection = connectionOf(incoming.socket)
    const turn = turnOf({ gate, connection, incoming, outgoing, expectsContinue })
    if (!connection.enter(turn)) gate.onRefused('pipeline')
  }

  server.on(server instanceof TlsServer ? 'secureConnection' : 'connection', (socket: Socket) => {
    if (gate.draining()) socket.destroy() // it was shaking hands when the listener closed
    else connectionOf(socket)
  })
  server.on('request', (incoming, outgoing) => take(incoming, outgoing, false))
  server.on('checkContinue', (incoming, outgoing) => take(incoming, outgoing, true))
  server.on('checkExpectation', (incoming, outgoing) => {
    // RFC 9110 §10.1.1; there is only one expectation
    gate.onRefused('expectation')
    connectionOf(incoming.socket).close()
    const { status, headers, body } = problem(
      new GatewayError('DECODE_FAILED', 'there is one expectation, 100-continue', { status: 417 }),
    )
    outgoing.writeHead(status, { ...headers, connection: 'close' }).end(body)
  })
  server.on('upgrade', (incoming, socket: Duplex, first: Buffer) => {
    const connection = connectionOf(incoming.socket)
    // It is no longer one that requests come from: `closeQuiet` has nothing to do with it.
    connections.delete(incoming.socket)
    if (connection.busy) {
      // RFC 6455 §4.1: nothing may be sent before the answer; what is still owed to an earlier request could not be told apart
      gate.onRefused('pipeline')
      socket.destroy()
    } else void sockets.take({ incoming, socket, first, connection })
  })
  server.on('connect', (_incoming, socket: Duplex) => {
    gate.onRefused('method')
    socket.on('error', () => socket.destroy())
    socket.end(rawProblem(new GatewayError('METHOD_NOT_ALLOWED', 'CONNECT is not served')))
  })
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Duplex) => {
    const refusal = refusalOf(error)
    if (refusal === undefined) socket.destroy()
    else if (connectionOf(socket as Socket).break(refusal, gate.linger)) gate.onRefused(refusal.reason) // http and https serve net sockets only
  })
  server.on('tlsClientError', (_error, socket: Duplex) => {
    gate.onRefused('tls')
    socket.destroy()
  })
  server.on('drop', () => gate.onRefused('connections'))
  return {
    closeQuiet: () => {
      for (const [socket, connection] of connections) if (!connection.busy) socket.destroy()
    },
  }
}

/** What the parser's error means for the caller; undefined: the connection itself is broken. */
function refusalOf(error: NodeJS.ErrnoException): Refusal | undefined {
  if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT')
    return new Refusal(
      'timeout',
      new GatewayError('DECODE_FAILED', 'the request did not arrive in time', { status: 408 }),
    )
  if (error.code === 'HPE_HEADER_OVERFLOW')
    return new Refusal(
      'headers',
      new GatewayError('TOO_LARGE', 'the header fields are too large', { status: 431 }),
    )
  if (error.code === 'HPE_CHUNK_EXTENSIONS_OVERFLOW')
    return new Refusal('body', new GatewayError('TOO_LARGE', 'the chunk extensions are too large'))
  if (error.code === 'HPE_INVALID_EOF_STATE')
    return new Refusal(
      'malformed',
      new GatewayError('DECODE_FAILED', 'the connection was closed for sending before the request was whole'),
    )
  if (error.code?.startsWith('HPE_') === true)
    return new Refusal('malformed', new GatewayError('DECODE_FAILED', 'this is not HTTP/1.1 (RFC 9112)'))
  return undefined
}
