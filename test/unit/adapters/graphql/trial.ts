// A started GraphQL channel on a host by hand, asked without a network.
import type {
  Accepted,
  ChannelHost,
  Draft,
  HttpRequest,
  HttpResponse,
  Log,
  LogPage,
  Message,
  ServeOptions,
} from 'dragoman'
import { testHost, testMessage, testScope } from 'dragoman/testing'
import type { TestHost } from 'dragoman/testing'

import graphql from '../../../../adapters/graphql/index.ts'
import { wholeRequest } from '../../../../core/testing/served.ts'
import { testSocket } from '../../../../core/testing/socket.ts'
import type { TestSocket } from '../../../../core/testing/socket.ts'

export interface TrialOptions {
  readonly config?: Readonly<Record<string, unknown>>
  readonly operations?: ChannelHost['operations']
  readonly accept?: (
    draft: Draft,
    options: Parameters<ChannelHost['accept']>[1],
  ) => Promise<Partial<Accepted>>
  readonly log?: ChannelHost['log']
}

export interface Trial extends AsyncDisposable {
  readonly host: TestHost
  readonly drafts: readonly Draft[]
  /** What was logged as an error: nothing, in most tests. */
  readonly errors: readonly unknown[]
  /** How it says what the gateway refused. */
  readonly refused: ServeOptions['refused']
  hint(origin: string): string | undefined
  /** Opens a WebSocket; the best subprotocol is agreed. Until `taken` resolves, nothing that is sent has reached the system. */
  connect(taken?: Promise<void>): TestSocket
  send(request: Partial<HttpRequest>): Promise<HttpResponse>
  /** POSTs a document; the parsed answer, its status and its text. */
  ask(
    query: string,
    variables?: Readonly<Record<string, unknown>>,
    more?: Partial<HttpRequest>,
  ): Promise<Asked>
}

export interface Asked {
  readonly status: number
  readonly text: string
  readonly data?: Readonly<Record<string, unknown>> | null
  readonly errors?: readonly {
    readonly message: string
    readonly path?: unknown
    readonly extensions: Readonly<Record<string, unknown>>
  }[]
  readonly extensions?: Readonly<Record<string, unknown>>
}

/** Starts a channel. */
export async function trial(options: TrialOptions = {}): Promise<Trial> {
  const { accept, log, operations, config = {} } = options
  const errors: unknown[] = []
  const base = testHost(operations)
  const drafts: Draft[] = []
  let sockets: Parameters<ChannelHost['socket']> | undefined
  let refused: ServeOptions['refused']
  const host: TestHost = {
    ...base,
    ...(log !== undefined && { log }),
    serve(path, handler, served) {
      refused = served?.refused
      base.serve(path, handler, served)
    },
    socket: (...given) => {
      sockets = given
    },
    accept: async (draft, acceptOptions) => {
      drafts.push(structuredClone(draft))
      const given = await accept?.(draft, acceptOptions)
      return {
        id: `m${drafts.length}`,
        conversation: draft.conversation ?? 'app:ann',
        sequence: drafts.length,
        duplicate: false,
        ...given,
      }
    },
  }
  const loud: Log = {
    debug() {},
    info() {},
    warn() {},
    error: (message, fields) => void errors.push({ message, ...fields }),
  }
  const component = graphql.channel
  const checked = component?.config['~standard'].validate(config)
  if (
    component === undefined ||
    checked === undefined ||
    checked instanceof Promise ||
    checked.issues !== undefined
  )
    throw new Error(`the config is refused: ${JSON.stringify(checked)}`)
  const channel = component.create(checked.value, { ...testScope({ id: 'app' }), log: loud })
  await channel.start(host, new AbortController().signal)
  const send: Trial['send'] = (request) =>
    Promise.resolve(host.handle({ path: '/graphql', headers: JSON_TYPE, ...request }))
  return {
    host,
    drafts,
    errors,
    refused,
    send,
    connect(taken) {
      if (sockets === undefined) throw new Error('the channel takes no WebSockets')
      const [path, handler, taking = {}] = sockets
      const { socket, peer } = testSocket(taking.protocols?.[0], taking)
      const held: typeof socket = {
        ...socket,
        send: async (data) => {
          await taken
          return socket.send(data)
        },
      }
      handler(taken === undefined ? socket : held, wholeRequest({ path }, 'GET'))
      return peer
    },
    hint: (origin) => channel.hint?.(origin),
    ask: async (query, variables, more) =>
      readAnswer(await send({ body: bytes({ query, variables }), ...more })),
    [Symbol.asyncDispose]: () => Promise.resolve(channel[Symbol.asyncDispose]()),
  }
}

export const JSON_TYPE = { 'content-type': 'application/json' }

/** JSON text as bytes; a text goes as it is. */
export function bytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value))
}

/** The answer's text, and what is in it. */
export async function readAnswer(response: HttpResponse): Promise<Asked> {
  const { body = '', status } = response
  let text = ''
  if (typeof body === 'string') text = body
  else if (body instanceof Uint8Array) text = new TextDecoder().decode(body)
  else
    for await (const piece of body)
      text += typeof piece === 'string' ? piece : new TextDecoder().decode(piece)
  return { status, text, ...(JSON.parse(text) as Omit<Asked, 'status' | 'text'>) } // what GraphQL answers
}

/** A log that can be appended to while it is read: waits as the core's does. */
export function growingLog(conversation: string): {
  readonly log: ChannelHost['log']
  readonly say: (...texts: readonly string[]) => void
  /** The cursors that were read from, in order. */
  readonly read: readonly number[]
} {
  const messages: Message[] = []
  const read: number[] = []
  let wake = Promise.withResolvers<void>()
  const page = (after: number, limit: number): LogPage => {
    const found = messages.filter(({ sequence }) => sequence > after).slice(0, Math.min(limit, 2))
    return {
      messages: found,
      next: found.at(-1)?.sequence ?? after,
      oldest: 1,
      top: found.at(-1)?.sequence ?? after,
      truncated: false,
    }
  }
  return {
    read,
    say(...texts) {
      for (const text of texts)
        messages.push({
          ...testMessage({ parts: [{ kind: 'text', text }] }),
          id: `id-${messages.length + 1}`,
          conversation,
          sequence: messages.length + 1,
        })
      wake.resolve()
      wake = Promise.withResolvers()
    },
    async log(_conversation, after, { waitMs, limit = 2, signal } = {}) {
      read.push(after)
      const first = page(after, limit)
      if (first.messages.length > 0 || waitMs === undefined) return first
      const gone = new Promise<void>((resolve) => {
        if (signal?.aborted === true) resolve()
        signal?.addEventListener('abort', () => resolve(), { once: true })
      })
      await Promise.race([wake.promise, gone])
      return page(after, limit)
    },
  }
}
