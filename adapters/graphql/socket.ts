// GraphQL over WebSocket: the graphql-transport-ws protocol by graphql-ws, on the gateway's own sockets.
import { OperationTypeNode, getOperationAST } from 'graphql'
import type { ExecutionArgs, GraphQLError } from 'graphql'
import { CloseCode, GRAPHQL_TRANSPORT_WS_PROTOCOL, makeServer } from 'graphql-ws'
import type { SubscribePayload } from 'graphql-ws'

import { GatewayError } from 'dragoman'
import type { ChannelHost, HttpRequest, Identity, Log, Socket } from 'dragoman'

import type { Call } from './call.ts'
import { maskedError, refusal, shownError } from './errors.ts'
import { checkDepth } from '../data/json.ts'
import { exactReviver } from './json.ts'
import { member } from './params.ts'
import type { Persisted } from './persisted.ts'
import type { Engine } from './server.ts'

export interface SocketsOptions {
  readonly host: ChannelHost
  readonly path: string
  readonly engine: Engine
  readonly persisted: Persisted
  /** Operations at once on one socket. */
  readonly concurrent: number
  readonly log: Log
  /** The call of an operation, but for its bytes and its end. */
  readonly callOf: (request: HttpRequest) => Omit<Call, 'raw' | 'signal' | 'closing'>
}

/** One connection: who speaks, and of the message that was read last its text, and whom to tell that it subscribes. */
interface Connection {
  readonly socket: Socket
  readonly request: HttpRequest
  readonly gone: AbortController
  identity: Identity
  arrived: string
  onFollows: () => void
}

/** What `onSubscribe` hands to `execute` and `subscribe`: the engine's own, with its hooks around. */
interface Prepared extends ExecutionArgs {
  readonly run: (args: ExecutionArgs) => ReturnType<ReturnType<Engine['getEnveloped']>['execute']>
}

/** Takes WebSocket handshakes at the channel's path. */
export function serveSockets(options: SocketsOptions): void {
  const { host, path, log } = options
  const server = createServer(options)
  host.socket(
    path,
    (socket, request) => {
      const connection: Connection = {
        socket,
        request,
        gone: new AbortController(),
        identity: request.identity,
        arrived: '',
        onFollows: () => undefined,
      }
      const closed = server.opened(
        {
          protocol: socket.protocol,
          send: async (text) => void (await socket.send(text)),
          close: (code, reason) => socket.close(code, reason),
          onMessage: (take) => socket.onMessage((data) => read(data, { take, connection, socket, log })),
        },
        connection,
      )
      socket.onClose((code, reason) => {
        connection.gone.abort()
        closed(code, reason).catch((error: unknown) => log.error('a socket did not end properly', { error }))
      })
    },
    {
      protocols: [GRAPHQL_TRANSPORT_WS_PROTOCOL],
      identifiesLater: true,
      concurrent: true,
      // graphql-ws subscribes anew after it, with new connectionParams; 4401 would be the end for it.
      expiredCode: CloseCode.Forbidden,
    },
  )
}

interface Reading {
  readonly take: (text: string) => Promise<void>
  readonly connection: Connection
  readonly socket: Socket
  readonly log: Log
}

/** Resolves when the operation is answered; a subscription, whose only end is the line's, counts as answered when it begins. */
async function read(data: string | Uint8Array, { take, connection, socket, log }: Reading): Promise<void> {
  try {
    if (typeof data !== 'string') throw new SyntaxError('a message of bytes')
    checkDepth(data)
  } catch {
    // The reason is the caller's to know, and it is in the close code (graphql-transport-ws, "Invalid message").
    socket.close(CloseCode.BadRequest, 'Invalid message received')
    return
  }
  const follows = Promise.withResolvers<void>()
  connection.arrived = data
  connection.onFollows = follows.resolve
  const answered = take(data).catch((error: unknown) => {
    log.error('a message on a socket failed', { error })
    socket.close(CloseCode.InternalServerError, 'Internal server error')
  })
  await Promise.race([answered, follows.promise])
}

function createServer({ host, engine, persisted, concurrent, log, callOf }: SocketsOptions) {
  const prepare = async (
    payload: SubscribePayload,
    connection: Connection,
  ): Promise<Prepared | readonly GraphQLError[]> => {
    const params = member(payload)
    const query = persisted.find(params)
    if (query === undefined) return [refusal('the query is missing')]
    const { arrived, onFollows, identity, gone, request } = connection
    const call: Call = {
      ...callOf(request),
      identity,
      signal: gone.signal,
      // Until what is under way at the channel's end is answered, the subscriptions beside it go on.
      closing: gone.signal,
      raw: { mediaType: 'application/json', bytes: new TextEncoder().encode(arrived) },
    }
    const { schema, parse, validate, contextFactory, execute, subscribe } = engine.getEnveloped({
      call,
      params,
    })
    const document = parse(query)
    const errors = validate(schema, document)
    if (errors.length > 0) return errors
    const isSubscription =
      getOperationAST(document, params.operationName)?.operation === OperationTypeNode.SUBSCRIPTION
    if (isSubscription) onFollows()
    return {
      schema,
      document,
      contextValue: await contextFactory(),
      ...(params.operationName !== undefined && { operationName: params.operationName }),
      ...(params.variables !== undefined && { variableValues: params.variables }),
      run: isSubscription ? subscribe : execute,
    }
  }

  return makeServer<Record<string, unknown>, Connection>({
    async onConnect({ connectionParams, extra }) {
      const token = bearerOf(connectionParams)
      if (token === undefined) return extra.identity.id !== '' // nobody: false is 4403 Forbidden
      try {
        extra.identity = await host.identify({ scheme: 'bearer', token })
        extra.socket.identified(extra.identity)
        return true
      } catch (error) {
        if (error instanceof GatewayError && error.side === 'caller') return false
        throw error
      }
    },
    async onSubscribe({ extra, subscriptions }, _id, payload) {
      try {
        if (Object.keys(subscriptions).length > concurrent)
          throw new GatewayError(
            'RATE_LIMITED',
            `${concurrent} operations are under way on this socket: end one first`,
          )
        return await prepare(payload, extra)
      } catch (error) {
        return [maskedError(error, { log, hidden: true })]
      }
    },
    execute: (args) => (args as Prepared).run(args), // what prepare made
    subscribe: (args) => (args as Prepared).run(args), // what prepare made
    onError: (_context, _id, _payload, errors) => errors.map(shownError),
    onNext: (_context, _id, _payload, _args, { data, errors, extensions }) => ({
      ...(data !== undefined && { data }),
      ...(errors !== undefined && { errors: errors.map(shownError) }),
      ...(extensions !== undefined && { extensions }),
    }),
    // It is handed to JSON.parse, which gives the source text of numbers as a third argument.
    jsonMessageReviver: exactReviver,
  })
}

function bearerOf(params: Readonly<Record<string, unknown>> | undefined): string | undefined {
  for (const name of ['authorization', 'Authorization']) {
    const value = params !== undefined && Object.hasOwn(params, name) ? params[name] : undefined
    const token = typeof value === 'string' ? /^Bearer +(\S+)$/i.exec(value)?.[1] : undefined
    if (token !== undefined) return token
  }
  return undefined
}
