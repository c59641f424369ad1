// A channel host and a scope to try the REST adapter on: small, by hand, and it keeps what it was handed.
import type {
  AcceptOptions,
  Accepted,
  ChannelHost,
  ChannelOperation,
  Draft,
  HttpHandler,
  HttpRequest,
  HttpResponse,
  Identity,
  LogOptions,
  LogPage,
  Scope,
  SocketHandler,
} from 'dragoman'

import { testLink } from '../../../../core/testing/link.ts'
import type { TestLink } from '../../../../core/testing/link.ts'
import rest from '../../../../adapters/rest/index.ts'
import { createFrom } from '../../../support/create-from.ts'

export interface Handed {
  readonly draft: Draft
  readonly options: AcceptOptions | undefined
}

export interface TrialOptions {
  readonly config?: Readonly<Record<string, unknown>>
  readonly operations?: Readonly<Record<string, ChannelOperation>>
  readonly accept?: (draft: Draft, options?: AcceptOptions) => Promise<Partial<Accepted>>
  readonly draft?: ChannelHost['draft']
  readonly log?: (conversation: string, after: number, options?: LogOptions) => Promise<LogPage>
}

/** A started REST channel, called without a socket. */
export class Trial implements AsyncDisposable {
  readonly handed: Handed[] = []
  readonly logged: string[] = []
  readonly sockets = new Map<string, SocketHandler>()
  readonly links: TestLink[] = []
  readonly channel
  readonly #handlers = new Map<string, HttpHandler>()
  readonly #closing = new AbortController()

  private constructor(options: TrialOptions) {
    if (rest.channel === undefined) throw new TypeError('the REST adapter has no channel')
    this.channel = createFrom(rest.channel, options.config ?? {}, scope({ logged: this.logged }))
  }

  static async start(options: TrialOptions = {}): Promise<Trial> {
    const trial = new Trial(options)
    await trial.channel.start(trial.#host(options), trial.#closing.signal)
    return trial
  }

  get served(): readonly string[] {
    return [...this.#handlers.keys()]
  }

  /** Sends a request the edge would let through; the longest served path wins, as there. */
  async send(
    request: Partial<HttpRequest> & { readonly path: string },
    signal?: AbortSignal,
  ): Promise<HttpResponse> {
    const path = this.served
      .filter((each) => request.path === each || request.path.startsWith(`${each}/`))
      .toSorted((a, b) => b.length - a.length)[0]
    const handler = path === undefined ? undefined : this.#handlers.get(path)
    if (handler === undefined) throw new Error(`nothing is served at ${request.path}`)
    const whole: HttpRequest = {
      method: 'POST',
      query: '',
      headers: {},
      body: new Uint8Array(),
      remote: '127.0.0.1',
      origin: 'http://127.0.0.1:8080',
      identity: program,
      ...request,
    }
    return handler(whole, signal ?? new AbortController().signal)
  }

  /** Posts JSON text. */
  async post(
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>> = {},
    identity: Identity = program,
  ): Promise<Read> {
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    return read(
      await this.send({
        path,
        body: Buffer.from(text),
        headers: { 'content-type': 'application/json', ...headers },
        identity,
      }),
    )
  }

  async get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Read> {
    const [place = '', query = ''] = path.split('?')
    return read(await this.send({ method: 'GET', path: place, query, headers }))
  }

  /** The only draft that was handed in. */
  get draft(): Draft {
    const [first, second] = this.handed
    if (first === undefined || second !== undefined) throw new Error(`${this.handed.length} drafts, not one`)
    return first.draft
  }

  close(): void {
    this.#closing.abort()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.channel[Symbol.asyncDispose]()
  }

  #host(options: TrialOptions): ChannelHost {
    return {
      accept: async (draft, accepting) => {
        this.handed.push({ draft, options: accepting })
        const accepted = await options.accept?.(draft, accepting)
        return { id: 'm-1', conversation: 'web:c-1', sequence: 7, duplicate: false, ...accepted }
      },
      handed: () => undefined,
      arrived: () => undefined,
      tell: async () => false,
      onTold: () => undefined,
      serve: (path, handler) => this.#handlers.set(path, handler),
      socket: (path, handler) => this.sockets.set(path, handler),
      link: (who, send, linkOptions = {}) => {
        const made = testLink({ who, send, options: linkOptions }, () => undefined)
        this.links.push(made.seen)
        return made.link
      },
      linkedAt: () => undefined,
      operations: options.operations ?? {},
      draft:
        options.draft ??
        (async (operation, body, base) => ({
          sender: { id: 'web', role: 'system' },
          ...base,
          type: operation,
          data: body,
        })),
      log: options.log ?? (async () => ({ messages: [], next: 0, oldest: 1, top: 0, truncated: false })),
      identify: async () => program,
    }
  }
}

export const program: Identity = { role: 'program', id: 'loopback' }
export const alice: Identity = { role: 'customer', id: 'alice' }

export interface Read {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly carries: string | undefined
  // A test knows what it expects of the JSON it gets.
  readonly body: Readonly<Record<string, unknown>>
  readonly text: string
}

export function read({ status, headers = {}, body, carries }: HttpResponse): Read {
  const text = typeof body === 'string' ? body : ''
  const json = (headers['content-type'] ?? '').includes('json')
  return { status, headers, carries, text, body: json ? (JSON.parse(text) as Read['body']) : {} }
}

export function scope(
  options: { readonly logged?: string[]; readonly fetch?: typeof fetch; readonly id?: string } = {},
): Scope {
  const note = (message: string): void => void options.logged?.push(message)
  return {
    id: options.id ?? 'web',
    log: { debug: note, info: note, warn: note, error: note },
    now: () => Date.parse('2026-01-31T09:01:00Z'),
    metrics: { count: () => undefined, gauge: () => undefined },
    fetch: options.fetch ?? fetch,
    responseLimitBytes: 4_194_304,
    state: {
      get: async () => undefined,
      put: async () => undefined,
      compareAndSet: async () => true,
      lease: async () => undefined,
    },
  }
}
