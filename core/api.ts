/**
 * The public interface of Dragoman: what an adapter is handed and what it hands back.
 *
 * Built-in adapters and dropped-in plugins use this file and nothing else of the core; they import it as `dragoman`.
 * Everything that crosses it is plain data that survives `structuredClone`, because a plugin may live in a worker.
 */
/// <reference lib="esnext.disposable" preserve="true" />

// ─── Data ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A JSON value. Integers beyond 2^53 and decimals are strings in their lexical form; types are never guessed. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [member: string]: Json }

export type Kind = 'message' | 'event' | 'request'
export type Priority = 'low' | 'normal' | 'high' | 'urgent'

export interface Party {
  readonly id: string
  readonly role: 'customer' | 'agent' | 'bot' | 'system'
  readonly name?: string
  /** The customer's standing, for routing: `vip`. */
  readonly tier?: string
  readonly attributes?: Readonly<Record<string, Json>>
}

/** One piece of what was said. `text` is always there: what a link that knows only text shows instead. */
export interface Part {
  readonly kind: 'text' | 'image' | 'audio' | 'video' | 'file' | 'location' | 'link' | 'card'
  readonly text: string
  readonly media?: {
    readonly url?: string
    readonly id?: string
    readonly mediaType?: string
    readonly name?: string
    readonly bytes?: number
  }
  readonly data?: Json
}

/** What an adapter hands in. */
export interface Draft {
  readonly kind: Kind
  /** message: `text`, `image` …; event: `order.shipped`; request: the operation, `GetOrder`. */
  readonly type: string
  /** The caller's own id (Idempotency-Key, wsa:MessageID, MsgId, client message id). Absent: it cannot be deduplicated. */
  readonly externalId?: string
  readonly sender: Party
  /** Default: the dedupe namespace and the sender: one customer, one conversation. */
  readonly conversation?: string
  /** message */
  readonly parts?: readonly Part[]
  /** event: the payload. request: the parameters. */
  readonly data?: Json
  readonly inReplyTo?: string
  /** The sender's own counter in this conversation. */
  readonly clientSequence?: number
  /** RFC 3339. */
  readonly occurredAt?: string
  /** RFC 3339; after it the message is not delivered. */
  readonly expiresAt?: string
  readonly priority?: Priority
  /** Opaque; handed back to the adapter that wrote it. */
  readonly replyContext?: Json
  /** `soap:…` and `xmlrpc:…` are for programs: `FORBIDDEN` to whom a token names, but for the latter where he speaks XML-RPC. */
  readonly metadata?: Readonly<Record<string, string>>
  /** The bytes as they arrived, kept while the message waits and in its dead letter. */
  readonly raw?: { readonly mediaType: string; readonly bytes: Uint8Array }
}

/** What the core makes of a draft: stamped and frozen. An adapter cannot claim another's name. */
export interface Message extends Draft {
  /** UUIDv7 (RFC 9562 §5.7), minted by the core. */
  readonly id: string
  readonly channel: string
  readonly conversation: string
  readonly direction: 'inbound' | 'outbound' | 'internal'
  /** Per conversation, gapless, durable: the resume cursor. 0 for a request that is not recorded. */
  readonly sequence: number
  /** RFC 3339. */
  readonly receivedAt: string
  /** The message that began the exchange. */
  readonly correlationId: string
  /** The message that caused this one. */
  readonly causationId?: string
  /** W3C Trace Context. */
  readonly traceparent: string
  /** Of an answer: the business system is down, this is its last good one… */
  readonly stale?: boolean
  /** …from this moment (RFC 3339). */
  readonly asOf?: string
  /** Of an answer: the business system gave a part of it, and errors in place of the rest. */
  readonly partial?: boolean
  /**
   * Handed to a channel's `send`, of one part of an answer: what is said once of the whole, as that it is stale, belongs to another part. That is its last
   * text, and where it has none its last part.
   */
  readonly aside?: boolean
  /** A tombstone: the number stays, the content is gone. */
  readonly gone?: 'expired' | 'erased'
}

/** A business fault: a valid answer, not a breakage. */
export interface Fault {
  readonly code: string
  readonly message: string
  readonly detail?: Json
}

/** What an agent or a backend answers. `text` is short for one text part. */
export interface Answer {
  readonly text?: string
  readonly parts?: readonly Part[]
  readonly data?: Json
  readonly fault?: Fault
  readonly metadata?: Readonly<Record<string, string>>
  /** A part of `data` is missing, by the business system's failure: it is given, but never cached, and an earlier whole answer stays (DESIGN §7). */
  readonly partial?: boolean
}

/** What comes back to the caller. */
export interface Reply {
  readonly parts?: readonly Part[]
  readonly data?: Json
  readonly fault?: Fault
  readonly metadata?: Readonly<Record<string, string>>
  /** A part of `data` is missing, by the business system's failure. */
  readonly partial?: boolean
  readonly origin: 'agent' | 'backend' | 'cache'
  /** The business system is down, this is its last good answer… */
  readonly stale?: boolean
  /** …from this moment (RFC 3339). */
  readonly asOf?: string
}

/** An agent gives the conversation to somebody else, usually to people. */
export interface Handoff {
  readonly handoff: string
}

/** What became of a push. `unknown`: it may have arrived; whether it is repeated is the config's decision, never the adapter's. */
export type Delivery =
  | { readonly status: 'sent' }
  | {
      readonly status: 'refused'
      readonly retry: boolean
      readonly reason?: string
      readonly afterMs?: number
    }
  | {
      readonly status: 'unknown'
      readonly reason?: string
      /** Its receiver has gone away meanwhile: repeated as `absent` says, if it is to be repeated. */
      readonly keepMs?: number
    }
  /**
   * Its receiver is not there, and nothing was sent. That is no attempt: it waits, and what follows it in the conversation behind it, until
   * `host.arrived` says that it is worth a try (it is looked at every 30 s as well), and is a dead letter `keepMs` after it was made.
   */
  | { readonly status: 'absent'; readonly keepMs: number; readonly reason?: string }

// ─── Errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The closed table of errors: whose fault it is, whether the same may be sent again, the HTTP status
 * (RFC 9110 §15) and the title (RFC 9457 §3.1.3), the same for every occurrence.
 * Every adapter maps every code into its own protocol; the conformance suite checks that the map is total.
 */
export const errorTable = {
  AUTH_FAILED: { side: 'caller', retry: false, status: 401, title: 'The credential is missing or wrong' },
  FORBIDDEN: { side: 'caller', retry: false, status: 403, title: 'This caller may not do that' },
  DECODE_FAILED: { side: 'caller', retry: false, status: 400, title: 'The request cannot be understood' },
  TOO_LARGE: { side: 'caller', retry: false, status: 413, title: 'The request is too large' },
  METHOD_NOT_ALLOWED: {
    side: 'caller',
    retry: false,
    status: 405,
    title: 'This address does not take that method',
  },
  UNSUPPORTED_MEDIA: {
    side: 'caller',
    retry: false,
    status: 415,
    title: 'The content type is not taken here',
  },
  NOT_FOUND: { side: 'caller', retry: false, status: 404, title: 'There is nothing at this address' },
  NO_ROUTE: { side: 'caller', retry: false, status: 404, title: 'No route takes this message' },
  IDEMPOTENCY_MISMATCH: {
    side: 'caller',
    retry: false,
    status: 422,
    title: 'The same key came with another content',
  },
  NOT_OWNER: {
    side: 'caller',
    retry: false,
    status: 409,
    title: 'This answer does not count any more',
  },
  TOO_OLD: { side: 'caller', retry: false, status: 409, title: 'The id is older than the memory of ids' },
  EXPIRED: { side: 'caller', retry: false, status: 410, title: 'The message expired' },
  CURSOR_RESET: { side: 'caller', retry: false, status: 410, title: 'The cursor cannot be used any more' },
  RATE_LIMITED: { side: 'caller', retry: true, status: 429, title: 'Too many requests' },
  OVERLOADED: { side: 'gateway', retry: true, status: 503, title: 'The gateway is overloaded' },
  STORE_UNAVAILABLE: { side: 'gateway', retry: true, status: 503, title: 'The store is not available' },
  CHANNEL_GONE: { side: 'gateway', retry: true, status: 503, title: 'The channel is gone' },
  ENCODE_FAILED: {
    side: 'gateway',
    retry: false,
    status: 500,
    title: 'The answer cannot be written in this protocol',
  },
  INTERNAL: { side: 'gateway', retry: false, status: 500, title: 'The gateway made a mistake' },
  BREAKER_OPEN: { side: 'backend', retry: true, status: 503, title: 'The business system is out of order' },
  DEADLINE_EXCEEDED: {
    side: 'backend',
    retry: true,
    status: 504,
    title: 'The business system did not answer in time',
  },
  AGENT_FAILED: { side: 'backend', retry: true, status: 502, title: 'The agent failed' },
  BACKEND_FAILED: { side: 'backend', retry: true, status: 502, title: 'The business system failed' },
  OUTCOME_UNKNOWN: {
    side: 'backend',
    retry: false,
    status: 409,
    title: 'Nobody knows whether the business system did it',
  },
} as const satisfies Record<
  string,
  { side: 'caller' | 'gateway' | 'backend'; retry: boolean; status: number; title: string }
>

export type ErrorCode = keyof typeof errorTable

export interface GatewayErrorOptions {
  /** Kept for the log of this process; never leaves it. */
  readonly cause?: unknown
  /** For the caller's eyes: plain data that helps him (`{ oldest, top }`). */
  readonly detail?: Json
  /** When trying again makes sense, in milliseconds from now. */
  readonly retryAfterMs?: number
  /** 400 to 599. Overrides the table's HTTP status where one code has several (403 for AUTH_FAILED, 429 for a caller's own limit). */
  readonly status?: number
  /** Proven: no byte of the request was acted upon (connection refused, breaker open). Only then may a write be queued. */
  readonly notExecuted?: boolean
}

/** The one error that crosses a boundary. The message is for people who can act on it: lower case, names the thing and the value. */
export class GatewayError extends Error {
  override readonly name = 'GatewayError'
  readonly code: ErrorCode
  readonly status: number
  readonly side: 'caller' | 'gateway' | 'backend'
  readonly retry: boolean
  readonly detail?: Json
  readonly retryAfterMs?: number
  readonly notExecuted: boolean

  /** Throws `TypeError` for a code that there is not. A status that tells of no error is left out, which the cause says. */
  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    const isSaid = isErrorStatus(options.status)
    const cause = isSaid ? options.cause : misstated(options)
    super(message, cause === undefined ? undefined : { cause })
    if (!Object.hasOwn(errorTable, code)) throw unknownCode(code, this)
    const row = errorTable[code]
    this.code = code
    this.status = (isSaid ? options.status : undefined) ?? row.status
    this.side = row.side
    this.retry = row.retry
    this.notExecuted = options.notExecuted ?? false
    if (options.detail !== undefined) this.detail = options.detail
    if (options.retryAfterMs !== undefined) this.retryAfterMs = options.retryAfterMs
  }

  /** Any thrown value as a GatewayError; a foreign one becomes `INTERNAL` with a message that tells the caller nothing. */
  static from(thrown: unknown): GatewayError {
    if (thrown instanceof GatewayError) return thrown
    return new GatewayError('INTERNAL', 'the gateway made a mistake; its log has the details', {
      cause: thrown,
    })
  }
}

/** RFC 9110 §15.5 and §15.6: any other would tell the caller that it went well. */
function isErrorStatus(status: unknown): boolean {
  return status === undefined || (Number.isInteger(status) && Number(status) >= 400 && Number(status) <= 599)
}

function misstated({ status, cause }: GatewayErrorOptions): Error {
  const problem = `GatewayError has no status ${String(status)}, only 400 to 599: that of its code is told`
  return new TypeError(problem, cause === undefined ? undefined : { cause })
}

function unknownCode(code: unknown, said: Error): Error {
  const codes = Object.keys(errorTable).join(', ')
  return new TypeError(`GatewayError has no code ${JSON.stringify(code)}: write one of ${codes}`, {
    cause: new Error(said.message, { cause: said.cause }),
  })
}

// ─── Configuration of a component ────────────────────────────────────────────────────────────────────────────────────

/**
 * Standard Schema v1 (standardschema.dev), as zod and others implement it. Where the vendor offers `jsonSchema`, it also
 * yields the editor's schema and the documentation.
 */
export interface Schema<Output> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: unknown; readonly output: Output } | undefined
  }
}
export type SchemaResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] }
export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void
  info(message: string, fields?: Readonly<Record<string, unknown>>): void
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void
  error(message: string, fields?: Readonly<Record<string, unknown>>): void
}

/** Own figures beside the core's. Names get the prefix `dragoman_plugin_`; labels come from config, never from content. */
export interface Metrics {
  count(name: string, labels?: Readonly<Record<string, string>>, by?: number): void
  gauge(name: string, value: number, labels?: Readonly<Record<string, string>>): void
}

/** The shared small store under the component's own prefix. Values up to 64 kB. Throws `STORE_UNAVAILABLE`. */
export interface State {
  get(key: string): Promise<{ readonly value: Json; readonly version: number } | undefined>
  put(key: string, value: Json, options?: { readonly ttlMs?: number }): Promise<void>
  /** Writes only if the version is still the one seen (`undefined`: only if absent). Resolves whether it wrote. */
  compareAndSet(
    key: string,
    expected: number | undefined,
    value: Json,
    options?: { readonly ttlMs?: number },
  ): Promise<boolean>
  /**
   * Resolves a held lease, or undefined while another holds it: also the component's own predecessor or successor, as long as both run.
   * It must be renewed (called again) before `ttlMs` is over, and is let go when the component has ended.
   */
  lease(name: string, ttlMs: number): Promise<{ release(): Promise<void> } | undefined>
}

/** What a component gets besides its config. */
export interface Scope {
  /** The component's name in the config: `orders`. */
  readonly id: string
  readonly log: Log
  /** Milliseconds since the epoch. */
  now(): number
  readonly metrics: Metrics
  /**
   * Guarded fetch: hosts written in the config are allowed, computed and redirected ones only if they are public; the
   * answer is read whole, up to the limit; TLS and connection limits come from the config. An agent reaches its callback wherever the
   * gateway is. Failures are `GatewayError`s,
   * with `notExecuted` where no byte went out. Hand the call's own signal to each fetch of a call, or to none: a call whose
   * signal never got a connection counts as not executed.
   */
  readonly fetch: typeof fetch
  /** The longest answer that the config lets it take (`responseLimit`). `fetch` keeps to it; what comes another way its adapter refuses. */
  readonly responseLimitBytes: number
  /** The component's own; of a backend that names a channel (`channel: NAME` in the config) that channel's, which both use. */
  readonly state: State
}

export interface Component<T, Config = unknown> {
  /** Unknown keys are errors. */
  readonly config: Schema<Config>
  /** With what the schema has made of the file, defaults and transforms included. Synchronous, no I/O: that belongs to `start`. */
  create(config: Config, scope: Scope): T
  /**
   * What the schema cannot say of what it made of the file. Called by each check of the file; synchronous, no I/O. Only adapters
   * that come with the gateway are asked: of a plugin's config its schema says all.
   */
  review?(config: Config): Review
}

export interface Review {
  /** What can be used and does not do what it seems to: told by `check` and at the start, and keeps nobody from either. */
  readonly notices?: readonly Notice[]
  /** Of a backend, where the config alone says them: all its operations. Routes and settings that name another are problems. */
  readonly operations?: readonly string[]
  /** Of a backend, where the config alone says it: whether an operation is safe. */
  readonly isSafe?: (operation: string) => boolean | undefined
}

export interface Notice {
  /** Below the component's name; a key that is not there stands for its place. */
  readonly path: readonly string[]
  /** For operators: lower case, no full stop, without a secret. */
  readonly message: string
}

/** Translates one protocol. It may offer a channel, a backend, an agent, or several. */
export interface Adapter {
  /** The protocol's noun: `soap`, `wechat`. Lower case, digits and hyphens. */
  readonly name: string
  readonly apiVersion: 1
  readonly channel?: Component<Channel>
  readonly backend?: Component<Backend>
  readonly agent?: Component<Agent>
}

/** An adapter whose components know what their schemas give them. */
export interface AdapterOf<A, B, C> extends Adapter {
  readonly channel?: Component<Channel, A>
  readonly backend?: Component<Backend, B>
  readonly agent?: Component<Agent, C>
}

/** Checks the shape at once, so that a mistake is named where it was made, and freezes it. Throws `TypeError`. */
export function defineAdapter<A, B, C>(adapter: AdapterOf<A, B, C>): Adapter {
  const problem = adapterProblem(adapter)
  if (problem !== undefined) throw new TypeError(`adapter ${problem}`)
  return Object.freeze(adapter)
}

/** Why a value is not an adapter, in words that follow the file's name; undefined if it is one. */
export function adapterProblem(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null)
    return `is ${value === null ? 'null' : typeof value}, not an object`
  const adapter = value as Partial<Record<keyof Adapter, unknown>> // any object may be asked for these members
  if (typeof adapter.name !== 'string' || !/^[a-z][a-z0-9-]*$/.test(adapter.name))
    return `has the name ${JSON.stringify(adapter.name)}: lower case letters, digits and hyphens are needed`
  if (adapter.apiVersion !== 1)
    return `"${adapter.name}" has apiVersion ${JSON.stringify(adapter.apiVersion)}: this gateway speaks 1`
  const offered = (['channel', 'backend', 'agent'] as const).filter((role) => adapter[role] !== undefined)
  if (offered.length === 0) return `"${adapter.name}" offers none of channel, backend, agent`
  for (const role of offered) {
    const component = adapter[role] as { config?: { '~standard'?: unknown }; create?: unknown } | null // checked in the next lines
    if (typeof component?.create !== 'function') return `"${adapter.name}": ${role}.create is not a function`
    if (component.config?.['~standard'] === undefined)
      return `"${adapter.name}": ${role}.config is not a schema (use zod's z.strictObject)`
  }
  return undefined
}

// ─── Channel ─────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Faces callers. Disposed after `start`, also after a failed one. */
export interface Channel extends AsyncDisposable {
  /** Opens: calls `host.serve`, connects, listens. Resolves when callers can be answered. The signal ends with the channel: calls under way are finished, nobody is kept waiting for news. */
  start(host: ChannelHost, signal: AbortSignal): Promise<void>
  /**
   * Pushes one part of a reply, at least once, with a stable key. Without it a channel is pulled from.
   * A throw or a deadline counts as `unknown`.
   */
  send?(message: Message, key: string, signal: AbortSignal): Promise<Delivery>
  /** `send` is handed a reply with all its parts, once, because its receiver takes one message only. */
  readonly pushesWhole?: boolean
  /**
   * Who is refused for now comes again, although there is `send`: rate limits that name no channel, and `lanes.limit`, hold for what comes in.
   * Default: where there is no `send`; a platform that pushes to us repeats what we refuse a few times at most.
   */
  readonly refusable?: boolean
  /** One command a person can paste to try the channel, given our base address: `curl …`. */
  hint?(origin: string): string | undefined
}

/** Who calls, as the credential says. `program` may speak for any sender of the channel, the others only for themselves. */
export interface Identity {
  readonly role: 'customer' | 'agent' | 'program'
  readonly id: string
  readonly roles?: readonly string[]
  /** When the credential is good no longer, in milliseconds since the epoch. Absent: it has no end. What was opened with it ends then. */
  readonly until?: number
}

export type Credential =
  | { readonly scheme: 'bearer'; readonly token: string }
  | { readonly scheme: 'basic'; readonly user: string; readonly password: string }
  | { readonly scheme: 'none' }

export interface AcceptOptions {
  /** Wait this long for a reply, in milliseconds. The work goes on after it. A request is waited for to its end, unless the channel `acknowledges`. */
  readonly waitMs?: number
  /**
   * The channel acknowledges after `waitMs`, answered or not, and its caller does not ask again. So a request is stored, whatever its route
   * says of `record`; it resolves without a reply where there is none in time, and what comes later is pushed by `send`. A repeat that does
   * not wait resolves however the first one ended: a queue that has lost our acknowledgement is given it again.
   */
  readonly acknowledges?: boolean
  /**
   * What makes a draft the same again as the first one of its `externalId`, where the caller repeats one thing to the byte and `operations`
   * may make another draft of it each time: `$now()`, a reload. Absent: what the draft says (SEMANTICS 8).
   */
  readonly fingerprint?: string
  /** The caller is gone: ends the waiting, never stored work. */
  readonly signal?: AbortSignal
  /** Whom the credential named. Absent: the channel itself answers for the sender (a signature it has checked). */
  readonly identity?: Identity
}

export interface Accepted {
  readonly id: string
  readonly conversation: string
  readonly sequence: number
  /** The same externalId again: the same answer again, nothing delivered twice. */
  readonly duplicate: boolean
  readonly reply?: Reply
  /** A request that is done later, because its business system is down: where what became of it can be asked for. */
  readonly status?: string
}

export interface LogPage {
  readonly messages: readonly Message[]
  /** The cursor behind the last row looked at. */
  readonly next: number
  /** The oldest sequence kept; reading below it is `truncated`. */
  readonly oldest: number
  /** The newest sequence there is. */
  readonly top: number
  readonly truncated: boolean
}

/** One of the channel's `operations` as the config has it. */
export interface ChannelOperation {
  readonly kind: Kind
  /** A sample of the decoded body, for documentation and for the command to paste. */
  readonly example?: Json
}

export interface ChannelHost {
  /**
   * Resolves once the draft is durable: only then may the adapter acknowledge. With `waitMs` it also waits for a reply.
   * A `request` resolves with its reply, unless the channel `acknowledges` before it is there. Throws `GatewayError`.
   */
  accept(draft: Draft, options?: AcceptOptions): Promise<Accepted>
  /** The receiver of a push that is `absent` is there: it is sent now. `key` is that of `send`; unknown ones are ignored. */
  arrived(key: string): void
  /**
   * Tells the channel of this name on the other instances something: at most once, in no order, and nobody may be there. Resolves false where
   * this is the only instance there can be. Rejects with `TOO_LARGE` beyond 1 MB of JSON.
   */
  tell(said: Json): Promise<boolean>
  /** Called with what the channel of this name on another instance tells. */
  onTold(handler: (said: Json) => void): void
  /** What became of a reply that `accept` handed out, for a channel with `send` that has its own sockets (HTTP: `carries`). */
  handed(id: string, how: 'flushed' | 'back'): void
  /** Serves the path and everything below it. */
  serve(path: string, handler: HttpHandler, options?: ServeOptions): void
  /** Takes WebSocket handshakes at this very path (RFC 6455); it may be served as well. */
  socket(path: string, handler: SocketHandler, options?: SocketOptions): void
  /**
   * One customer's end of the client protocol (DESIGN §12), the same for every transport: what arrives goes into
   * `receive`, what comes out of `send` goes to the app. `send` may return a promise that settles when the transport has
   * taken the frame; until then nothing further is pushed, so a slow reader costs no memory; `false` or a rejection ends the
   * link. After a `kick` the link is closed and the transport closes its connection. Throws `FORBIDDEN` for who is no customer.
   */
  link(who: Identity, send: LinkSend, options?: LinkOptions): Link
  /** Names a place where the client protocol is spoken, for /asyncapi.json. Over HTTP it takes a body of 256 kB, whatever `bodyLimit` says. */
  linkedAt(place: LinkPlace): void
  /** The channel's `operations`; empty means that every operation the protocol's own schema names is open. */
  readonly operations: Readonly<Record<string, ChannelOperation>>
  /**
   * Makes a draft of a decoded body by the channel's `operations` (expressions for kind, type, sender, text, …); `base`
   * holds what the protocol itself knows. Undefined: the channel has operations, but not this one.
   * Throws `DECODE_FAILED` where an expression yields nothing usable.
   */
  draft(operation: string, body: Json, base: DraftBase): Promise<Draft | undefined>
  /** A conversation's log after a sequence, oldest first. Throws `FORBIDDEN`, `NOT_FOUND`, `CURSOR_RESET`. */
  log(conversation: string, after: number, options?: LogOptions): Promise<LogPage>
  /**
   * Whom a credential names that did not come by HTTP. `from`: the request of the WebSocket's handshake, or else the address it came from,
   * where the edge has not let it in; the channel's `access` then holds as it does over HTTP. Throws `AUTH_FAILED`, `FORBIDDEN`.
   */
  identify(credential: Credential, from?: string | Pick<HttpRequest, 'remote' | 'headers'>): Promise<Identity>
}

/** Where the client protocol is spoken: MQTT topics with `{device}`, a path for the others; `up` from the app's point of view. */
export interface LinkPlace {
  readonly protocol: 'ws' | 'http' | 'mqtt'
  readonly up: string
  readonly down: string
  /** MQTT: a TCP port of its own, and whether TLS is spoken there; and the path of MQTT over WebSocket. */
  readonly port?: number
  readonly tls?: boolean
  readonly websocket?: string
}

/** What a protocol knows of a draft before the channel's `operations` are asked. */
export type DraftBase = Partial<Omit<Draft, 'kind' | 'type' | 'data'>> & { readonly kind: Kind }

export interface LogOptions {
  readonly waitMs?: number
  readonly limit?: number
  readonly identity?: Identity
  readonly signal?: AbortSignal
}

/** `signal` ends when the caller is gone. */
export type HttpHandler = (request: HttpRequest, signal: AbortSignal) => Promise<HttpResponse>

/** A request that has passed the edge: one canonical path, limits kept, the caller identified, the body read whole. */
export interface HttpRequest {
  readonly method: string
  /** Decoded and canonical: no dot segments, no doubled slashes. */
  readonly path: string
  /** Without the question mark, as it arrived. */
  readonly query: string
  /** Lower-case names; repeated ones joined by `, ` (RFC 9110 §5.3). */
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
  /** The caller's address, behind trusted proxies the one they saw. */
  readonly remote: string
  /** Our own base address as callers see it: `https://desk.example.com`. */
  readonly origin: string
  readonly identity: Identity
}

const LOOPBACK = /^(?:127\.\d+\.\d+\.\d+|::1|::ffff:127\.\d+\.\d+\.\d+)$/
const LOCAL_HOST = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/i
const FORWARDED = ['forwarded', 'via', 'x-forwarded-for', 'x-real-ip']

/** Whether a `Host` is a name of the machine itself, which no name server can point elsewhere. Absent (HTTP/1.0): yes. */
export function isLocalHost(host: string | undefined): boolean {
  return host === undefined || LOCAL_HOST.test(host)
}

/** Whether a caller is on this machine, reaches the gateway by a name of it, and not through a proxy. */
export function isLocal({
  remote,
  origin,
  headers,
}: Pick<HttpRequest, 'remote' | 'origin' | 'headers'>): boolean {
  const isForwarded = FORWARDED.some((name) => headers[name] !== undefined)
  const isNamed = isLocalHost(headers['host']) && isLocalHost(URL.parse(origin)?.host)
  return LOOPBACK.test(remote) && isNamed && !isForwarded
}

export interface HttpResponse {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  /** An async iterable is streamed (SSE); its `return` is called when the caller goes. */
  readonly body?: string | Uint8Array | AsyncIterable<string | Uint8Array>
  /** `Accepted.id` of the reply this response carries: the core takes note whether it reached the socket. */
  readonly carries?: string
}

export interface ServeOptions {
  /**
   * The protocol signs each request and the handler checks that before it believes anything: callers need no credential of the
   * gateway's. The channel's `access`, where it is set, holds all the same. Default false.
   */
  readonly signed?: boolean
  /**
   * The protocol may name its caller in the body: a request without any credential of the gateway's is handed in where it would be 401.
   * Its identity is then nobody's, a customer with the empty name, and the handler lets in whom it finds itself. Any other credential, and
   * the channel's `access`, are looked at as ever. Default false.
   */
  readonly identifiesLater?: boolean
  /**
   * How the protocol says that a request was refused before it came to the handler (too large, no credential), or what the handler
   * threw: instead of problem details. Status and the other headers are the same either way. Not asked under overload, nor used with a
   * `contentType` that no header may hold.
   */
  readonly refused?: (error: GatewayError) => RefusedBody | Promise<RefusedBody>
}

export interface RefusedBody {
  readonly contentType: string
  readonly body: string
}

/** Called when the handshake is answered. The request has passed the edge like any other; its body is empty. */
export type SocketHandler = (socket: Socket, request: HttpRequest) => void

export interface SocketOptions {
  /** The subprotocols spoken, best first (RFC 6455 §1.9); a client that names only others is refused. Absent: none is agreed. */
  readonly protocols?: readonly string[]
  /** Bytes of one message; a longer one closes the socket with 1009. Default 64 KiB. */
  readonly messageBytes?: number
  /**
   * Its clients may show their credential in a message, as browsers must: a handshake without any is answered where it would be 401.
   * The request's identity is then nobody's, a customer with the empty name. The handler asks `ChannelHost.identify` and says
   * `Socket.identified`; a socket of which that is not said within 10 s is closed with 1008, and earlier where too many wait.
   * `access`: the channel's `access` too is for that credential, and asked about with it: the handshake is answered whatever it says.
   */
  readonly identifiesLater?: boolean | 'access'
  /** Closes a socket when its credential ends. Default 1008; a moment later than `Identity.until`, so that the handler may say more. */
  readonly expiredCode?: number
  /**
   * A message is handed in while others are under way: up to 64, or as many bytes as may wait for a slow reader. A restart closes the socket (1012) as soon as none of the handler's
   * promises is open, or they have had their time; until then it is read as ever. Default false.
   */
  readonly concurrent?: boolean
  /** Called before the handshake is answered; what it throws refuses it, in plain HTTP. */
  readonly admit?: (request: HttpRequest) => void | Promise<void>
}

/** One WebSocket. Pings and the limits of the connection are the core's. */
export interface Socket {
  /** The agreed subprotocol; empty if there is none. */
  readonly protocol: string
  /** Bytes given to `send` that have not reached the system yet. Beyond a bound the core closes the socket with 1013. */
  readonly buffered: number
  /** Resolves when the message reached the system: true, or false if the socket was closed before. Never rejects; throws for what is neither text nor bytes. */
  send(data: string | Uint8Array): Promise<boolean>
  /** One message at a time, in order: the next one is read when the handler's promise is settled, unless the socket is `concurrent`. A throw closes with 1011. */
  onMessage(handler: (data: string | Uint8Array) => void | Promise<void>): void
  /** Called once, also at once if it is closed already. */
  onClose(handler: (code: number, reason: string) => void): void
  /** Who speaks here, from a credential that came in a message: takes the place of the handshake's, `until` too. */
  identified(who: Identity): void
  close(code?: number, reason?: string): void
}

// ─── Link ────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The first on any link: opens or resumes. */
export interface HelloFrame {
  readonly t: 'hello'
  readonly v: 1
  /** An id the app keeps. */
  readonly device: string
  /** An id made together with the outbox: new after a re-install. */
  readonly boot: string
  /** The lowest `n` still in the outbox, or the next one. */
  readonly first: number
  /** What the app last knew of the inbox; empty and 0: nothing. */
  readonly epoch: string
  readonly offset: number
}
export interface SendFrame {
  readonly t: 'send'
  /** The device's own counter: 1, 2, 3 … without holes per boot. */
  readonly n: number
  /** The client message id (UUIDv7), never used again. */
  readonly id: string
  /** `text` is short for one text part. `kind` is message (the default) or event; a request has its own surface. */
  readonly message: Partial<Pick<Draft, 'type' | 'parts' | 'data' | 'conversation' | 'inReplyTo'>> & {
    readonly kind?: 'message' | 'event'
    readonly text?: string
  }
}
/** Everything up to `offset` is stored by the app. `first`: as in hello, so that refusals it has passed are forgotten. */
export interface AckFrame {
  readonly t: 'ack'
  readonly epoch: string
  readonly offset: number
  readonly first?: number
}
/** May be lost, is never queued: typing. */
export interface SignalFrame {
  readonly t: 'signal'
  readonly conversation?: string
  readonly name: string
}
export interface PingFrame {
  readonly t: 'ping'
}
export type UpFrame = HelloFrame | SendFrame | AckFrame | SignalFrame | PingFrame

/** A frame that was refused for good: its `n` is used up. */
export interface RefusedFrame {
  readonly n: number
  readonly id: string
  readonly code: string
}
export interface WelcomeFrame {
  readonly t: 'welcome'
  readonly epoch: string
  readonly top: number
  /** The first offset that the inbox still has; `top` + 1: it has none. Absent: a gateway of before this was said. */
  readonly oldest?: number
  /**
   * False: the inbox no longer reaches back to the app's cursor. Fetch the log; pushes go on after `top`, and after `oldest` - 1 for an app
   * that says hello again with it.
   */
  readonly recovered: boolean
  /** The `n` wanted. */
  readonly next: number
  readonly refused: readonly RefusedFrame[]
  /** Frames on their way at once. */
  readonly window: { readonly up: number; readonly down: number }
  /** A link that is silent for longer, in seconds, should say ping. */
  readonly heartbeat: number
  /** Whose inbox it is: the same for all devices of a customer, another one for anybody else. Absent: a gateway of before this was said. */
  readonly inbox?: string
}
/** Everything up to `n` is durable or listed in a `refused`. */
export interface OkFrame {
  readonly t: 'ok'
  readonly n: number
  readonly id: string
  readonly messageId: string
  readonly sequence: number
  readonly duplicate: boolean
  /** Refusals up to `n`: all that this link has not told yet, and the last of the others; absent: none. `welcome` has them all. */
  readonly refused?: readonly RefusedFrame[]
}
export interface NakFrame {
  readonly t: 'nak'
  /** Absent where the frame had none that could be read. */
  readonly n?: number
  readonly id?: string
  readonly code: string
  readonly message: string
  /** False: for good. True: `n` is not used up, come again after `after` milliseconds. */
  readonly retry: boolean
  readonly after?: number
}
/** A `send` is missing: go back to `next`. */
export interface GapFrame {
  readonly t: 'gap'
  readonly next: number
}
export interface MsgFrame {
  readonly t: 'msg'
  readonly epoch: string
  readonly offset: number
  readonly message: Omit<Message, 'raw'>
}
/** The cursor cannot be used: from here on it is (`epoch`, `top`), and what was before is in the log. After a hello a welcome follows. */
export interface ResetFrame {
  readonly t: 'reset'
  readonly epoch: string
  readonly top: number
  /** As in `welcome`. */
  readonly oldest?: number
  readonly why: string
}
/** The link is closed: another one of this device has taken over, the credential is no good here, or the gateway stops. */
export interface KickFrame {
  readonly t: 'kick'
  readonly code: 'replaced' | 'auth' | 'moved'
  /** Milliseconds to wait before connecting again. */
  readonly after: number
}
export interface PongFrame {
  readonly t: 'pong'
}
export type DownFrame =
  | WelcomeFrame
  | OkFrame
  | NakFrame
  | GapFrame
  | MsgFrame
  | ResetFrame
  | KickFrame
  | PongFrame

export type LinkSend = (frame: DownFrame) => void | Promise<unknown>

export interface LinkOptions {
  /** The only device that may say hello here (MQTT: the one in the topic); another one is kicked with `auth`. */
  readonly device?: string
  /** It lives for one exchange (HTTP): it never takes the place of a standing link. */
  readonly transient?: boolean
}

export interface Link {
  /**
   * Takes what arrived: a frame or an array of frames, as JSON text, its bytes, or parsed. Frames are taken one at a time, in
   * the order of the calls, also over all links of one device. Resolves when every frame has been answered by `send`
   * (acknowledge only then). Rejects with `STORE_UNAVAILABLE` where one was not because the store cannot be reached
   * (no PUBACK, 503), and with nothing else.
   */
  receive(frames: string | Uint8Array | Json): Promise<void>
  /** Resolves when all that is in the inbox by now has been given to `send`, as far as the window allows; never rejects. */
  caughtUp(): Promise<void>
  /** The transport has lost it. Nothing is sent any more. */
  close(): void
}

// ─── Backend and agent ───────────────────────────────────────────────────────────────────────────────────────────────

export interface Operation {
  /** Changes nothing: may be cached and retried. */
  readonly safe: boolean
  /** May be called again with the same key: the other side executes it once. */
  readonly idempotent?: boolean
  /**
   * False: of the message its calls read `sender`, `conversation`, `channel` and `metadata` at most, so the same parameters get the
   * same kept answer in whatever words they were asked for (SEMANTICS 32). Absent: they may read all of it.
   */
  readonly readsMessage?: boolean
}

export interface BackendCall {
  readonly operation: string
  readonly params: Json
  readonly message: Message
  /** Minted before attempt 1; the same over retries, restarts and instances. */
  readonly key: string
  /** 1, 2, 3 … */
  readonly attempt: number
}

/** Faces a business system. */
export interface Backend extends AsyncDisposable {
  /** `*` stands for any other name. What the config says of an operation wins. */
  readonly operations: Readonly<Record<string, Operation>>
  /**
   * `named` are the operations that the config has settings for, without `*`: for an adapter that reads elsewhere which there are. Those
   * of a plugin are not told. `detail.at` of what is thrown is the key to blame.
   */
  start?(signal: AbortSignal, named?: readonly string[]): Promise<void>
  /**
   * A business fault is a value; a breakage is thrown as `BACKEND_FAILED` or `DEADLINE_EXCEEDED`. `detail.status` of it, a number of HTTP,
   * says that an answer came: 408, 425, 429 and 5xx are tried again, 2xx (an answer nobody can read) and any other are not. Without it, it is the line
   * that broke. `retryAfterMs` says when the system wants to be asked again, `notExecuted` that nothing was done for certain.
   */
  call(call: BackendCall, signal: AbortSignal): Promise<Answer>
  /** Resolves if the system answers at all. */
  probe?(signal: AbortSignal): Promise<void>
}

/** What an agent is told of the conversation a message stands in. */
export interface Conversation {
  readonly id: string
  readonly customer: Party
  /**
   * Where and with which token a later answer is accepted, for an agent that has only taken the message. Absent where none can be: for a notice,
   * and for a request that is not stored.
   */
  readonly callback?: { readonly url: string; readonly token: string } | undefined
}

/** Answers customers. */
export interface Agent extends AsyncDisposable {
  start?(signal: AbortSignal): Promise<void>
  /**
   * Called at least once per message, with the message's id as the stable key. Undefined: taken, the answer comes later
   * or never. A breakage is thrown as `AGENT_FAILED`.
   */
  answer(
    message: Message,
    conversation: Conversation,
    signal: AbortSignal,
  ): Promise<Answer | Handoff | undefined>
}
