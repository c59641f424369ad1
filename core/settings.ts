// What the core needs to know of a configuration. `config/` yields more than this; nothing here reads a file.
import type { Json, Priority } from './api.ts'
import type { BreakerOptions } from './guard/breaker.ts'
import type { BulkheadOptions } from './guard/bulkhead.ts'
import type { CachePolicy } from './guard/fallback.ts'
import type { RetryPolicy } from './guard/retry.ts'
import type { OperationConfig } from './components/operations.ts'
import type { RouteConfig } from './router.ts'

export interface ComponentSettings {
  readonly id: string
  readonly adapter: string
  /** Checked by the adapter's own schema. */
  readonly config: unknown
  /** Equal hashes: nothing changed, the running component is kept. */
  readonly hash: string
  /** Equal: the adapter was told the same, so its answers of before are answers to the same questions. Absent: as `hash`. */
  readonly definition?: string
  /** Of a backend: the channel it names, whose state it works with. */
  readonly channel?: string
}

export type Access =
  | { readonly open: true }
  | {
      readonly from?: readonly string[]
      readonly basic?: { readonly user: string; readonly password: string }
    }

export interface ChannelSettings extends ComponentSettings {
  readonly access?: Access
  readonly operations: Readonly<Record<string, OperationConfig>>
  readonly bodyLimitBytes?: number
  /** Of what comes in by it, when more comes than can be done. Absent: normal. */
  readonly priority?: Priority
  readonly inDoubt: 'repeat' | 'park'
}

export interface TlsSettings {
  /** PEM files, absolute. */
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly serverName?: string
  readonly verify: boolean
}

export interface CallSettings {
  readonly timeoutMs: number
  readonly breaker: BreakerOptions
  /** Absent: as many calls at once as come. */
  readonly bulkhead?: BulkheadOptions
  readonly tls?: TlsSettings
  readonly connections: number
  readonly responseLimitBytes: number
}

export interface OperationSettings {
  readonly safe?: boolean
  readonly idempotent?: boolean
  readonly timeoutMs?: number
  readonly breaker?: BreakerOptions
  readonly retry?: RetryPolicy
  /** Its answer is the same for everybody. */
  readonly public?: boolean
  readonly cache?: CachePolicy & { readonly staleAfterWrite: boolean }
  readonly static?: Json
  /** Operations of this backend that have a `cache`; `*`: all of them. */
  readonly invalidates?: readonly string[]
  readonly onFailure?: 'queue'
  /** JSONata over the parameters; `$message` is the message. */
  readonly queueKey?: string
  readonly onPoison?: 'halt' | 'skip'
}

export interface BackendSettings extends ComponentSettings, CallSettings {
  /** Absent: nothing is tried again within a call. */
  readonly retry?: RetryPolicy
  /** Retries as per cent of the calls. */
  readonly retryBudget?: number
  /** `*` stands for any other name. */
  readonly operations: Readonly<Record<string, OperationSettings>>
}

export interface AgentSettings extends ComponentSettings, CallSettings {
  readonly callbackWithinMs?: number
}

/** What a generation is made of. */
export interface GenerationSettings {
  readonly channels: Readonly<Record<string, ChannelSettings>>
  readonly backends: Readonly<Record<string, BackendSettings>>
  readonly agents: Readonly<Record<string, AgentSettings>>
  readonly routes: readonly RouteConfig[]
}
