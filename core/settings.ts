// What the core needs to know of a configuration. `config/` yields more than this; nothing here reads a file.
import type { BreakerOptions } from './guard/breaker.ts'
import type { OperationConfig } from './operations.ts'
import type { RouteConfig } from './router.ts'

export interface ComponentSettings {
  readonly id: string
  readonly adapter: string
  /** Checked by the adapter's own schema. */
  readonly config: unknown
  /** Equal hashes: nothing changed, the running component is kept. */
  readonly hash: string
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
  readonly tls?: TlsSettings
  readonly connections: number
  readonly responseLimitBytes: number
}

export interface OperationSettings {
  readonly safe?: boolean
  readonly idempotent?: boolean
  readonly timeoutMs?: number
  readonly breaker?: BreakerOptions
}

export interface BackendSettings extends ComponentSettings, CallSettings {
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
