// In a plugin's worker: the host of one channel. Paths, sockets and links are the gateway's; the handlers are here.
import { GatewayError } from '../api.ts'
import type {
  Accepted,
  ChannelHost,
  Draft,
  HttpRequest,
  Identity,
  Json,
  Link,
  LinkSend,
  Log,
  LogPage,
  ServeOptions,
  SocketHandler,
  SocketOptions,
} from '../api.ts'
import { tellAll } from '../components/ears.ts'
import type { Beginning, PackedResponse } from './contract.ts'
import { kindOf, pieceOf, responseOf } from './response-shape.ts'
import type { Served } from './response-shape.ts'
import type { Rpc } from './rpc.ts'
import type { Service } from './scope-service.ts'
import { ownBytes, unpackError, withOwnBytes } from './wire.ts'
import type { PackedError } from './wire.ts'
import { workerSocket } from './worker-socket.ts'
import type { WorkerSocket } from './worker-socket.ts'

export interface WorkerHost {
  readonly host: ChannelHost
  /** What the gateway asks of it. */
  readonly services: Readonly<Record<string, Service>>
}

export interface WorkerHostOptions extends Pick<Beginning, 'id' | 'operations'> {
  readonly log: Log
}

interface Streamed {
  readonly served: Served
  readonly chunks: AsyncIterator<unknown>
}

/** `instance` names the channel to the gateway. */
export function workerHost(
  rpc: Rpc,
  instance: number,
  { id: name, operations, log }: WorkerHostOptions,
): WorkerHost {
  const handlers: Served[] = []
  const refusers: ServeOptions['refused'][] = []
  const socketHandlers: { readonly handler: SocketHandler; readonly options: SocketOptions }[] = []
  const streams = new Map<number, Streamed>()
  const sockets = new Map<number, WorkerSocket>()
  const links = new Map<number, LinkSend>()
  const ears: ((said: Json) => void)[] = []
  let last = 0
  const ask = (method: string, args: readonly unknown[], signal?: AbortSignal): Promise<unknown> =>
    rpc.call(method, [instance, ...args], signal)
  const tell = (method: string, ...args: readonly unknown[]): void => rpc.tell(method, [instance, ...args])

  function link(who: Identity, send: LinkSend, options: Parameters<ChannelHost['link']>[2] = {}): Link {
    if (who.role !== 'customer' || who.id === '')
      throw new GatewayError(
        who.role === 'agent' ? 'FORBIDDEN' : 'AUTH_FAILED',
        "a link is one customer's own: send his bearer token",
      )
    const number = ++last
    links.set(number, send)
    tell('link.open', number, who, options)
    return {
      async receive(frames) {
        await ask('link.receive', [number, frames instanceof Uint8Array ? ownBytes(frames) : frames])
      },
      async caughtUp() {
        await ask('link.caughtUp', [number]).catch(() => undefined) // it never rejects
      },
      close() {
        links.delete(number)
        tell('link.close', number)
      },
    }
  }

  const host: ChannelHost = {
    operations,
    async accept(draft, { signal, ...options } = {}) {
      checkDraft(draft)
      return (await ask('accept', [withOwnBytes<Draft>(draft), options], signal)) as Accepted
    },
    handed: (id, how) => tell('handed', id, how),
    arrived: (key) => tell('arrived', key),
    tell: async (said) => (await ask('tell', [said])) === true,
    onTold(handler) {
      ears.push(handler)
      tell('told.listen')
    },
    serve(path, handler, { signed = false, identifiesLater = false, refused } = {}) {
      checkPath(path)
      refusers.push(refused)
      const served: Served = { path, handler, at: new Error('served here') }
      tell('serve', path, handlers.push(served) - 1, { signed, identifiesLater }, refused !== undefined)
    },
    socket(path, handler, options = {}) {
      checkPath(path)
      const { protocols, messageBytes, identifiesLater, expiredCode, concurrent, admit } = options
      const plain = {
        ...(protocols !== undefined && { protocols: [...protocols] }),
        ...(messageBytes !== undefined && { messageBytes }),
        ...(identifiesLater !== undefined && { identifiesLater }),
        ...(expiredCode !== undefined && { expiredCode }),
        ...(concurrent !== undefined && { concurrent }),
      }
      tell('socket', path, socketHandlers.push({ handler, options }) - 1, plain, admit !== undefined)
    },
    link,
    linkedAt: (place) => tell('linkedAt', place),
    async draft(operation, body, base) {
      return (await ask('draft', [operation, body, withOwnBytes(base)])) as Draft | undefined
    },
    async log(conversation, after, { signal, ...options } = {}) {
      return (await ask('log.read', [conversation, after, options], signal)) as LogPage
    },
    async identify(credential, from) {
      const plain = typeof from === 'object' ? { remote: from.remote, headers: from.headers } : from
      return (await ask('identify', [credential, plain])) as Identity
    },
  }

  async function http(handler: number, request: HttpRequest, signal: AbortSignal): Promise<PackedResponse> {
    const served = found(handlers[handler])
    const answer: unknown = await served.handler(request, signal)
    const { status, headers, carries, body } = responseOf(answer, served)
    const packed = {
      status,
      ...(headers !== undefined && { headers: { ...headers } }),
      ...(carries !== undefined && { carries }),
    }
    if (body === undefined || typeof body === 'string')
      return { ...packed, ...(body !== undefined && { body }) }
    if (body instanceof Uint8Array) return { ...packed, body: ownBytes(body) }
    const stream = ++last
    streams.set(stream, { served, chunks: body[Symbol.asyncIterator]() })
    return { ...packed, stream }
  }

  async function nextChunk(stream: number): Promise<string | Uint8Array | undefined> {
    const streamed = streams.get(stream)
    const step = await streamed?.chunks.next()
    if (streamed === undefined || step === undefined || step.done === true) {
      streams.delete(stream)
      return undefined
    }
    const piece = pieceOf(step.value, streamed.served)
    return typeof piece === 'string' ? piece : ownBytes(piece)
  }

  // The arguments are those `channel-service.ts` gives.
  const services: Readonly<Record<string, Service>> = {
    told: ([said]) => tellAll(ears, { name, said: said as Json, log }),
    http: ([handler, request], signal) => http(handler as number, request as HttpRequest, signal),
    'http.refused': ([handler, packed]) =>
      refusers[handler as number]?.(GatewayError.from(unpackError(packed as PackedError))),
    'stream.next': ([stream]) => nextChunk(stream as number),
    'stream.end': async ([stream]) => {
      const streamed = streams.get(stream as number)
      streams.delete(stream as number)
      await streamed?.chunks.return?.()
    },
    'socket.admit': async ([handler, request]) => {
      await socketHandlers[handler as number]?.options.admit?.(request as HttpRequest)
    },
    'socket.open': ([handler, number, protocol, request]) => {
      const id = number as number
      const made = workerSocket(protocol as string, {
        log,
        send: async (data) => (await ask('socket.send', [id, data])) as readonly [boolean, number],
        listen: () => tell('socket.listen', id),
        identified: (who) => tell('socket.identified', id, who),
        close: (code, reason) => tell('socket.close', id, code, reason),
      })
      sockets.set(id, made)
      found(socketHandlers[handler as number]).handler(made.socket, request as HttpRequest)
    },
    'socket.message': async ([number, data]) => {
      await sockets.get(number as number)?.arrived(data as string | Uint8Array)
    },
    'socket.closed': ([number, code, reason]) => {
      const made = sockets.get(number as number)
      sockets.delete(number as number)
      made?.closed(code as number, reason as string)
    },
    'link.send': async ([number, frame]) => {
      const send = links.get(number as number)
      return send === undefined ? false : await send(frame as Parameters<LinkSend>[0])
    },
  }
  return { host, services }
}

function checkPath(path: string): void {
  if (typeof path !== 'string' || !path.startsWith('/'))
    throw new GatewayError('INTERNAL', `the path ${JSON.stringify(path)} does not begin with /`)
}

/** Throws at the plugin's own line. */
function checkDraft(draft: unknown): void {
  if (typeof draft !== 'object' || draft === null)
    throw new TypeError(`host.accept takes a draft, { kind, type, sender, … }; this is ${kindOf(draft)}`)
}

function found<T>(handler: T | undefined): T {
  if (handler === undefined) throw new Error('this handler is not of this version')
  return handler
}
