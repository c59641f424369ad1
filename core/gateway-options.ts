// What a gateway is started with, and what it can be told to do.
import type { Broadcast } from './components/broadcast.ts'
import type { SharedCounter } from './guard/rate-limits.ts'
import type { AnswerStore } from './guard/shared-answers.ts'
import type { AmongPeers } from './http/among-peers.ts'
import type { HistoryAdmin } from './http/admin-generations.ts'
import type { PluginAdmin } from './http/admin-plugins.ts'
import type { ListenerConfig } from './http/edge.ts'
import type { IdentityCheck } from './http/identity.ts'
import type { Building, Generation, ReloadCause } from './generation.ts'
import type { RootLog } from './log/log.ts'
import type { ProtectedSettings } from './guard/protection.ts'
import type { GenerationSettings } from './settings.ts'
import type { Store } from './store/store.ts'

export interface GatewaySettings extends GenerationSettings {
  readonly http: ListenerConfig
  readonly store: {
    readonly retention: { readonly ageMs: number; readonly maxBytes: number }
    readonly dedupeMs: number
  }
  readonly lanes: { readonly limit: number; readonly holdMs: number; readonly attempts: number }
  readonly cache: ProtectedSettings['cache']
  readonly limits: ProtectedSettings['limits']
  readonly overload: ProtectedSettings['overload']
}

/** What a generation is made of. */
export interface Fresh extends Pick<Building, 'adapters'> {
  readonly settings: GatewaySettings
  /** Equal ones are of the same files and plugins: operators compare instances by it. */
  readonly fingerprint?: string | undefined
}

export interface GatewayOptions {
  readonly settings: GatewaySettings
  readonly store: Store
  readonly identity: IdentityCheck
  /** Nobody is identified: a program may read every conversation. */
  readonly open: boolean
  readonly log: RootLog
  readonly version: string
  /** Where the fallback cache is kept; absent: in memory alone. */
  readonly cacheFile?: string
  /** What all instances have together: counts, last good answers, and what they tell each other. Absent: this is the only one. */
  readonly counter?: SharedCounter | undefined
  readonly answers?: AnswerStore | undefined
  readonly broadcast?: Broadcast | undefined
  /** Reads config and plugins and hands them over, at the start and at each reload, until `take` has made something of them run. Rejects with the reason why nothing changes. */
  readonly reload: (take: (fresh: Fresh) => Promise<Generation>, cause: ReloadCause) => Promise<Generation>
  /** A generation has ended, and with it what the next one does not use. */
  readonly onRetired?: (generation: number) => void
  readonly plugins?: PluginAdmin
  /** The generations that can run again; their numbers go on from an earlier life's. */
  readonly history?: HistoryAdmin
  /** For people: the machine or pod, and which worker there. Default: the host name. */
  readonly name?: string
  /** Other processes listen at the same port: this one takes no connection before it is ready. The port is not 0. */
  readonly peers?: AmongPeers | undefined
}

export interface Gateway {
  readonly port: number
  readonly origin: string
  /** One command to paste for each channel that has one. */
  hints(): readonly { readonly channel: string; readonly command: string }[]
  /** The next generation, or an error and the old one. Throws what stood in the way. */
  reload(cause?: ReloadCause): Promise<{ readonly generation: number }>
  reloadTls(): Promise<void>
  /** Takes no new connections and sends the apps away, but answers on those there are, until only WebSockets are left or the time is over. */
  leave(withinMs: number): Promise<void>
  /** Takes nothing new, finishes what it can in `deadlineMs`, and leaves the rest to the next life. Returns how much that is. */
  stop(deadlineMs: number): Promise<number>
}
