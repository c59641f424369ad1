// In the gateway: does what a channel in a worker asks of its host, and hands it what callers send.
import { GatewayError } from '../api.ts'
import type {
  AcceptOptions,
  Accepted,
  ChannelHost,
  Credential,
  Draft,
  DraftBase,
  HttpRequest,
  HttpResponse,
  Identity,
  Json,
  Link,
  LinkOptions,
  LinkPlace,
  LogOptions,
  RefusedBody,
  ServeOptions,
  Socket,
  SocketOptions,
} from '../api.ts'
import { withDeadline } from '../guard/deadline.ts'
import type { PackedResponse } from './contract.ts'
import type { Hosted, Refusal } from './hosted.ts'
import type { Service } from './scope-service.ts'
import { ownBytes, packError } from './wire.ts'

export interface ChannelServiceOptions {
  /** The worker it runs in. */
  readonly hosted: () => Hosted
  readonly refusal: Refusal
  /** Of a handler's answer to a caller. */
  readonly handlerRefusal: Refusal
}

export interface ChannelService {
  readonly services: Readonly<Record<string, Service>>
  onLost(isDead: boolean): void
  /** Served over HTTP. */
  paths(): readonly string[]
}

/** Longer than any wait a caller may ask for. */
export const HANDLER_MS = 120_000
/** Nobody waits long to be refused. */
const REFUSAL_MS = 2000
/** 1012 in the IANA registry of WebSocket close codes. */
const SERVICE_RESTART = 1012
/** Replies handed to the worker whose way to the caller is not known yet; of channels that never tell. */
const MOST_HANDED = 1000

export function channelService(
  host: ChannelHost,
  { hosted, refusal, handlerRefusal }: ChannelServiceOptions,
): ChannelService {
  /** By path: the handler's number in the worker that runs now; undefined: that one has not served it yet. */
  const served = new Map<string, number | undefined>()
  const taken = new Map<string, { handler: number; isAdmitting: boolean } | undefined>()
  const sockets = new Map<number, Socket>()
  const links = new Map<number, Link | GatewayError>()
  const streams = new Map<number, (reason: GatewayError) => void>()
  const handed = new Set<string>()
  let isListening = false
  let last = 0

  async function http(path: string, request: HttpRequest, signal: AbortSignal): Promise<HttpResponse> {
    const args = [nowAt(served, path), { ...request, body: ownBytes(request.body) }]
    const what = `the channel's answer at ${path}`
    const ask = (within: AbortSignal): Promise<unknown> =>
      hosted().call('http', args, { signal: within, refusal: handlerRefusal })
    const packed = (await withDeadline({ ms: HANDLER_MS, signal, what }, ask)) as PackedResponse // worker-host.ts answers
    const { stream, ...response } = packed
    if (response.carries !== undefined) handed.delete(response.carries)
    return stream === undefined ? response : { ...response, body: chunks(stream) }
  }

  async function refused(path: string, error: GatewayError): Promise<RefusedBody> {
    const { cause: _cause, ...shown } = packError(error) // what is behind it is not for a plugin's answer
    const ask = (signal: AbortSignal): Promise<unknown> =>
      hosted().call('http.refused', [nowAt(served, path), shown], { signal, refusal })
    const said = await withDeadline({ ms: REFUSAL_MS, what: `what the channel at ${path} says` }, ask)
    const { contentType, body } = (said ?? {}) as Partial<RefusedBody> // the plugin's word
    if (typeof contentType !== 'string' || typeof body !== 'string')
      throw new TypeError('refused() gives { contentType, body }')
    return { contentType, body }
  }

  function chunks(stream: number): AsyncIterable<string | Uint8Array> {
    const over = Promise.withResolvers<undefined>()
    over.promise.catch(() => undefined) // whoever reads on hears of it
    streams.set(stream, over.reject)
    const done = { done: true, value: undefined } as const
    return {
      [Symbol.asyncIterator]: () => ({
        async next() {
          const asked = hosted().call('stream.next', [stream], { refusal, isEndless: true })
          const value = (await Promise.race([asked, over.promise])) as string | Uint8Array | undefined // worker-host.ts
          if (value !== undefined) return { done: false, value }
          streams.delete(stream)
          return done
        },
        async return() {
          streams.delete(stream)
          hosted().tell('stream.end', stream)
          return done
        },
      }),
    }
  }

  function open(path: string, socket: Socket, request: HttpRequest): void {
    const number = ++last
    sockets.set(number, socket)
    socket.onClose((code, reason) => {
      sockets.delete(number)
      hosted().tell('socket.closed', number, code, reason)
    })
    const opened = async (): Promise<unknown> =>
      hosted().call('socket.open', [nowAt(taken, path).handler, number, socket.protocol, request], {
        refusal,
      })
    opened().catch(() => socket.close(SERVICE_RESTART, 'connect again'))
  }

  function linkOf(number: unknown): Link {
    const link = links.get(number as number)
    if (link === undefined) throw new GatewayError('CHANNEL_GONE', 'the link is closed')
    if (link instanceof GatewayError) throw link
    return link
  }

  /** What a worker only tells. What is not there yet is mounted; what cannot be is forgotten. */
  function mountOnce<T>(all: Map<string, T>, path: string, now: T, mount: () => void): void {
    const isNew = !all.has(path)
    all.set(path, now)
    if (!isNew) return
    try {
      mount()
    } catch (error) {
      all.delete(path)
      hosted().flawed(error)
    }
  }

  // The arguments are those of `ChannelHost`, as worker-host.ts passes them on.
  const services: Readonly<Record<string, Service>> = {
    accept: async ([draft, options], signal) => {
      const accepted: Accepted = await host.accept(draft as Draft, { ...(options as AcceptOptions), signal })
      if (accepted.reply === undefined) return accepted
      if (signal.aborted) host.handed(accepted.id, 'back') // its worker died meanwhile (SEMANTICS 22)
      else {
        handed.add(accepted.id)
        for (const oldest of handed) if (handed.size > MOST_HANDED) handed.delete(oldest)
      }
      return accepted
    },
    handed: ([id, how]) => {
      handed.delete(id as string)
      host.handed(id as string, how as 'flushed' | 'back')
    },
    arrived: ([key]) => host.arrived(key as string),
    tell: ([said]) => host.tell(said as Json),
    'told.listen': () => {
      if (!isListening) host.onTold((said) => hosted().tell('told', said))
      isListening = true
    },
    serve: ([path, handler, options, hasWords]) => {
      const at = path as string
      mountOnce(served, at, handler as number, () =>
        host.serve(at, (request, signal) => http(at, request, signal), {
          ...(options as Pick<ServeOptions, 'signed' | 'identifiesLater'>),
          ...(hasWords === true && { refused: (error) => refused(at, error) }),
        }),
      )
    },
    socket: ([path, handler, options, isAdmitting]) => {
      const at = path as string
      const admit = async (request: HttpRequest): Promise<void> => {
        const { handler: now, isAdmitting: asks } = nowAt(taken, at)
        if (asks) await hosted().call('socket.admit', [now, request], { refusal })
      }
      mountOnce(taken, at, { handler: handler as number, isAdmitting: isAdmitting === true }, () =>
        host.socket(at, (socket, request) => open(at, socket, request), {
          ...(options as SocketOptions),
          admit,
        }),
      )
    },
    'socket.listen': ([number]) => {
      sockets.get(number as number)?.onMessage(async (data) => {
        await hosted().call('socket.message', [number, data], { refusal })
      })
    },
    'socket.send': async ([number, data]) => {
      const socket = sockets.get(number as number)
      const isSent = (await socket?.send(data as string | Uint8Array)) ?? false
      return [isSent, socket?.buffered ?? 0]
    },
    'socket.identified': ([number, who]) => sockets.get(number as number)?.identified(who as Identity),
    'socket.close': ([number, code, reason]) =>
      sockets.get(number as number)?.close(code as number, reason as string),
    'link.open': ([number, who, options]) => {
      try {
        const send = (frame: unknown): Promise<unknown> =>
          hosted().call('link.send', [number, frame], { refusal })
        links.set(number as number, host.link(who as Identity, send, options as LinkOptions))
      } catch (error) {
        links.set(number as number, GatewayError.from(error))
      }
    },
    'link.receive': ([number, frames]) => linkOf(number).receive(frames as Json),
    'link.caughtUp': ([number]) => linkOf(number).caughtUp(),
    'link.close': ([number]) => {
      const link = links.get(number as number)
      links.delete(number as number)
      if (link !== undefined && !(link instanceof GatewayError)) link.close()
    },
    linkedAt: ([place]) => host.linkedAt(place as LinkPlace),
    draft: async ([operation, body, base]) =>
      host.draft(operation as string, body as Json, base as DraftBase),
    'log.read': async ([conversation, after, options], signal) =>
      host.log(conversation as string, after as number, { ...(options as LogOptions), signal }),
    identify: async ([credential, from]) =>
      host.identify(credential as Credential, from as Parameters<ChannelHost['identify']>[1]),
  }

  return {
    services,
    paths: () => [...served.keys()],
    onLost(isDead) {
      const gone = new GatewayError('CHANNEL_GONE', 'the version of the plugin that streams has ended')
      for (const cut of streams.values()) cut(gone)
      streams.clear()
      for (const socket of sockets.values()) socket.close(SERVICE_RESTART, 'connect again')
      sockets.clear()
      for (const link of links.values()) if (!(link instanceof GatewayError)) link.close()
      links.clear()
      // Whether a caller got it is not known; a push makes sure (SEMANTICS 22).
      if (isDead) for (const id of handed) host.handed(id, 'back')
      handed.clear()
      // Another worker numbers its handlers anew.
      for (const path of served.keys()) served.set(path, undefined)
      for (const path of taken.keys()) taken.set(path, undefined)
    },
  }
}

/** Throws `CHANNEL_GONE` where the worker that runs now has not asked for the path again. */
function nowAt<T>(all: ReadonlyMap<string, T | undefined>, path: string): T {
  const known = all.get(path)
  if (known === undefined)
    throw new GatewayError('CHANNEL_GONE', `${path} is not served again yet`, { retryAfterMs: 1000 })
  return known
}
