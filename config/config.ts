// What the rest of the gateway reads: plain, readonly, every quantity with its unit in the name.
import type { Json, Kind, Priority } from '../core/api.ts'
import type { Position } from './problems.ts'

/** Everything one file says, checked, with defaults filled in, files absolute. */
export interface Config {
  /** The file it was read from, absolute. */
  readonly file: string
  readonly http: HttpConfig
  /** Files that channels, backends and agents name, and what these import, absolute: a change in one is a change of the config. */
  readonly files: readonly string[]
  /** What they held when they were read, by their names; without those that are named by an absolute path. */
  readonly contents: ReadonlyMap<string, Uint8Array>
  /** Absolute. */
  readonly dataDirectory: string
  readonly plugins: PluginsConfig
  /** Absent: nobody is identified, and only loopback is served. */
  readonly identity?: IdentityConfig
  readonly admin: { readonly token?: string }
  readonly log: { readonly level: LogLevel }
  readonly store: StoreConfig
  readonly lanes: LanesConfig
  readonly cache: { readonly maxEntries: number; readonly maxBytes: number }
  readonly overload: { readonly turnMs: number; readonly waitMs: number; readonly dryRun: boolean }
  /** By name. */
  readonly limits: Readonly<Record<string, LimitConfig>>
  /** This and the next two have no prototype: a name that somebody sends finds nothing but what the file says. */
  readonly channels: Readonly<Record<string, ChannelConfig>>
  readonly backends: Readonly<Record<string, BackendConfig>>
  readonly agents: Readonly<Record<string, AgentConfig>>
  /** First match wins. */
  readonly routes: readonly RouteConfig[]
  /** Values that no log line, page or answer may show; longest first. */
  readonly secrets: readonly string[]
  /** What can be used and does not do what it seems to, each as `file:line:column: message`. */
  readonly notices: readonly string[]
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export interface HttpConfig {
  readonly host: string
  /** 0: any free one. */
  readonly port: number
  readonly bodyLimitBytes: number
  /** The address given out to callers, without a trailing slash. */
  readonly publicUrl?: string
  readonly tls?: { readonly certFile: string; readonly keyFile: string; readonly caFile?: string }
  /** Addresses and CIDR ranges whose `X-Forwarded-*` is believed. */
  readonly trustedProxies: readonly string[]
  readonly headerTimeoutMs: number
  readonly requestTimeoutMs: number
  readonly keepAliveTimeoutMs: number
  readonly maxConnections: number
  readonly maxHeaderBytes: number
  /** Lower case, `*` is any. */
  readonly origins: readonly string[]
  readonly maxSockets: number
  readonly maxSocketsPerAddress: number
}

export interface PluginsConfig {
  /** Absolute. */
  readonly directory: string
  /** Names; or names and the SHA-256 each must have. Absent: every plugin of the folder. */
  readonly allow?: readonly string[] | Readonly<Record<string, string>>
}

export interface IdentityConfig {
  readonly customers?: JwtConfig
  readonly agents?: JwtConfig
  /** API keys of programs, by the program's name. */
  readonly keys?: Readonly<Record<string, { readonly key: string; readonly channels?: readonly string[] }>>
}

/** Exactly one of `secret` (HMAC) and `jwks` (a URL, or a file's absolute path). */
export interface JwtConfig {
  readonly secret?: string
  readonly jwks?: string
  readonly issuer?: string
  readonly audience?: string | readonly string[]
}

export interface StoreConfig {
  /** Of Redis; absent: the embedded store in `dataDirectory`. */
  readonly url?: string
  readonly tls?: { readonly caFile?: string; readonly certFile?: string; readonly keyFile?: string }
  readonly sentinel?: { readonly user?: string; readonly password?: string }
  readonly durability: 'strict' | 'any'
  /** How many replicas must have a write before it is acknowledged. */
  readonly replicas?: number
  readonly retention: { readonly ageMs: number; readonly maxBytes: number }
  /** How long an external id is remembered. */
  readonly dedupeMs: number
}

export interface LanesConfig {
  /** Waiting messages of one conversation, or writes of one `queueKey`; above it new ones are refused (SEMANTICS 28). */
  readonly limit: number
  /** How long the head may hold its lane, all attempts together (SEMANTICS 19). */
  readonly holdMs: number
  /** Failed attempts before a message is dead. */
  readonly attempts: number
}

export interface LimitConfig {
  readonly channel?: string
  readonly operation?: string
  readonly by: 'caller' | 'all'
  readonly calls: number
  readonly perMs: number
  readonly dryRun: boolean
}

/** What every component has. */
export interface ComponentConfig {
  readonly id: string
  readonly adapter: string
  /** What the adapter's own schema made of its keys. */
  readonly config: unknown
  /** Changes exactly when something below the component's name changes, in the file or in a file it names, in whatever order it is written. */
  readonly hash: string
  /** Changes exactly when something changes that the adapter sees. */
  readonly definition: string
}

export interface ChannelConfig extends ComponentConfig {
  /** Absent: as `identity` says. */
  readonly access?: Access
  readonly operations: Readonly<Record<string, ChannelOperationConfig>>
  /** Absent: the listener's. */
  readonly bodyLimitBytes?: number
  /** Of what comes in by it, when more comes than can be done. */
  readonly priority: Priority
  /** What becomes of a push without a known result where the platform takes no id (SEMANTICS 6). */
  readonly inDoubt: 'repeat' | 'park'
}

export type Access =
  | { readonly open: true }
  | {
      /** Addresses and CIDR ranges. */
      readonly from?: readonly string[]
      readonly basic?: { readonly user: string; readonly password: string }
    }

/** Every text but `kind` is JSONata over the decoded body, known to compile. */
export interface ChannelOperationConfig {
  readonly kind: Kind
  readonly type?: string
  readonly sender?: string
  readonly text?: string
  readonly data?: string
  readonly externalId?: string
  readonly conversation?: string
  readonly priority?: string
  readonly example?: Json
}

export interface BreakerConfig {
  /** Per cent of the window's calls. */
  readonly errorRate: number
  readonly minimumCalls: number
  readonly windowMs: number
  readonly openForMs: number
  /** Absent: no call is slow. */
  readonly slowMs?: number
  readonly slowRate: number
}

export interface RetryConfig {
  readonly attempts: number
  readonly firstMs: number
  readonly longestMs: number
}

export interface TlsClientConfig {
  /** PEM files, absolute. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly serverName?: string
  readonly verify: boolean
}

/** What protects and carries the calls of a backend or an agent. */
export interface CallsConfig {
  readonly timeoutMs: number
  readonly breaker: BreakerConfig
  readonly bulkhead: { readonly maxCalls: number; readonly dryRun: boolean }
  readonly tls?: TlsClientConfig
  readonly connections: number
  readonly responseLimitBytes: number
}

export interface BackendConfig extends ComponentConfig, CallsConfig {
  /** The channel it names (`channel: NAME`), whose state it works with. */
  readonly channel?: string
  readonly retry: RetryConfig
  /** Retries as per cent of the calls. */
  readonly retryBudget: number
  /** `*` stands for any other name. */
  readonly operations: Readonly<Record<string, BackendOperationConfig>>
}

/** What is absent is the backend's own (`timeoutMs`) or the adapter's word (`safe`, `idempotent`). */
export interface BackendOperationConfig {
  readonly safe?: boolean
  readonly idempotent?: boolean
  readonly timeoutMs?: number
  /** Complete: what the operation leaves open is the backend's. */
  readonly breaker?: BreakerConfig
  /** Complete: what the operation leaves open is the backend's. */
  readonly retry?: RetryConfig
  readonly public?: boolean
  readonly cache?: CacheConfig
  readonly static?: Json
  /** Operations of this backend that have a `cache`; `*`: all of them. */
  readonly invalidates?: readonly string[]
  readonly onFailure?: 'queue'
  /** JSONata over the parameters. */
  readonly queueKey?: string
  readonly onPoison?: 'halt' | 'skip'
}

/** Ages: fresh ≤ revalidate ≤ stale. */
export interface CacheConfig {
  readonly freshMs: number
  readonly revalidateMs: number
  readonly staleMs: number
  readonly staleAfterWrite: boolean
}

export interface AgentConfig extends ComponentConfig, CallsConfig {
  /** How long an agent that only took a message may take to answer. */
  readonly callbackWithinMs: number
}

/** One of `agent`, `backend`, `notify`; or `reply` alone, for events. */
export interface RouteConfig {
  /** JSONata over the message; absent: everything. */
  readonly when?: string
  readonly agent?: string
  readonly backend?: string
  /** A name, or JSONata. */
  readonly operation?: string
  /** JSONata. */
  readonly params?: string
  readonly notify?: string
  readonly fallback?: string
  /** A text with `{{ JSONata }}` in it. */
  readonly reply?: string
  readonly priority?: Priority
  readonly skills?: readonly string[]
  readonly timeoutMs?: number
  readonly record?: boolean
  /** JSONata. */
  readonly ordered?: string
  readonly position: Position
}
