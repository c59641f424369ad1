// Components and their lives: created, started, shared by the generations that name them unchanged, disposed once.
import type {
  Adapter,
  Agent,
  Backend,
  Channel,
  ChannelHost,
  HttpHandler,
  Json,
  LinkPlace,
  Log,
  Scope,
  ServeOptions,
  SocketHandler,
  SocketOptions,
} from '../api.ts'
import { Answering } from './answering.ts'
import type { AgentInUse, BackendInUse, ChannelInUse, OperationInUse } from '../calls/calls.ts'
import type { Breaker, BreakerSnapshot } from '../guard/breaker.ts'
import type { FallbackCache } from '../guard/cache.ts'
import type { Admission } from '../guard/admission.ts'
import type { Served } from '../guard/fallback.ts'
import type { SharedAnswers } from '../guard/shared-answers.ts'
import type { LimitCount, LimitKind } from '../guard/limit-count.ts'
import type { Door } from '../http/door.ts'
import { create } from './life.ts'
import { createRetryBudget, type RetryBudget } from '../guard/retry.ts'
import { compileOperations, type Operations } from './operations.ts'
import { standsInFor } from '../plugins/stand-in.ts'
import { bulkheadOf, protection, watched } from '../guard/protect.ts'
import type { IsPresent } from '../router.ts'
import { invalidationOf, standInOf } from '../guard/stand-in.ts'
import type { Called } from '../telemetry.ts'
import type {
  Access,
  AgentSettings,
  BackendSettings,
  CallSettings,
  ChannelSettings,
  ComponentSettings,
  OperationSettings,
} from '../settings.ts'
import { queueOf } from '../calls/writes.ts'

export type Role = 'channel' | 'backend' | 'agent'

/** Everything a component gets from the gateway. */
export interface Surroundings {
  readonly log: Log
  scope(
    role: Role,
    settings: ComponentSettings & Partial<CallSettings>,
  ): { readonly scope: Scope; adopt?(): void; dispose(): Promise<void> }
  host(channel: ChannelParts): ChannelHost
  /** For routes that say `$present()`. */
  readonly isPresent: IsPresent
  onBreaker(change: BreakerChange): void
  /** How a breaker stood before; absent: all are new. */
  readonly savedBreaker?: (owner: string, operation: string) => BreakerSnapshot | undefined
  /** Of the instances the one that may probe; undefined: another does. Absent: there are no others. */
  readonly lead?: ((breaker: string) => Promise<Disposable | undefined>) | undefined
  onCalled(called: Called): void
  /** After a call: when it goes on. Absent, undefined: at once. */
  readonly goOn?: Admission['goOn']
  /** What a limiter counts into. */
  limit(kind: LimitKind, name: string): LimitCount
  onRetry(retry: { backend: string; operation: string; result: 'made' | 'refused' }): void
  /** Absent: nothing stands in for a call. */
  readonly fallback?:
    | {
        readonly cache: FallbackCache
        readonly shared?: SharedAnswers | undefined
        onServed(served: { backend: string; operation: string; from: Served }): void
      }
    | undefined
}

export interface BreakerChange {
  readonly owner: string
  readonly operation: string
  /** What the figures know it by: `*` for what only `*` stands for. */
  readonly label: string
  readonly state: string
  readonly reason: string
  /** For the next life; undefined: ACTIVE. */
  readonly snapshot: BreakerSnapshot | undefined
  /** Another instance began it. */
  readonly isAdopted: boolean
}

/** What the host of a channel works on. */
export interface ChannelParts {
  readonly settings: ChannelSettings
  readonly operations: Operations
  readonly mounts: Mounted[]
  readonly sockets: MountedSocket[]
  readonly places: LinkPlace[]
  /** Hear what the channel is told on other instances. */
  readonly ears: ((said: Json) => void)[]
  /** Called before its sockets are closed and the channel ends: who is to hear of it hears it then. */
  readonly endings: (() => Promise<void>)[]
  /** Whether it has `send`; of a channel in a worker that is known once it has started, as is the next. */
  readonly pushes: boolean
  /** It says so (`Channel.refusable`). */
  readonly refusable: boolean
}

export interface Mounted {
  readonly path: string
  readonly handler: HttpHandler
  /** Each request carries a signature that the handler checks. */
  readonly signed?: boolean
  /** Who shows no credential is nobody, and the handler looks for one in the body. */
  readonly identifiesLater?: boolean
  readonly refused?: ServeOptions['refused']
}

/** Takes WebSockets. */
export interface MountedSocket {
  readonly path: string
  readonly handler: SocketHandler
  readonly options: SocketOptions
  /** Closed with the channel, when what is under way on them is done. */
  readonly open: Set<{ restart(reason: string, withinMs: number): Promise<void> }>
}

export interface Running {
  readonly role: Role
  readonly id: string
  readonly key: string
  readonly adapter: Adapter
  start(): Promise<void>
  /** The generation it was made for runs from now on. */
  adopt?(): void
  /** A generation without it runs from now on; it goes on for the attempts of earlier ones. */
  replaced?(): void
  /** What is at work for callers of a channel may take so long; default: no time. */
  dispose(withinMs?: number): Promise<void>
}
export interface RunningChannel extends Running {
  readonly inUse: ChannelInUse
  readonly mounts: readonly Mounted[]
  readonly sockets: readonly MountedSocket[]
  readonly places: readonly LinkPlace[]
  readonly ears: readonly ((said: Json) => void)[]
  readonly access: Access | undefined
  readonly bodyLimitBytes: number | undefined
  readonly admission: NonNullable<Door['admission']>
  /** Its handlers that are at work for callers over HTTP. */
  readonly answering: Answering
}
export interface RunningBackend extends Running {
  readonly inUse: BackendInUse
  readonly breakers: ReadonlyMap<string, Breaker>
}
export interface RunningAgent extends Running {
  readonly inUse: AgentInUse
  readonly breaker: Breaker
}

const CALLBACK_WITHIN_MS = 3_600_000

export function createChannel(
  settings: ChannelSettings,
  adapter: Adapter,
  around: Surroundings,
): RunningChannel {
  const life = create<Channel>('channel', { settings, adapter, component: adapter.channel, around })
  const mounts: Mounted[] = []
  const sockets: MountedSocket[] = []
  const places: LinkPlace[] = []
  const ears: ((said: Json) => void)[] = []
  const endings: (() => Promise<void>)[] = []
  const answering = new Answering()
  const pushes = (): boolean => life.instance.send !== undefined
  const operations = compileOperations(settings.id, settings.operations)
  const host = around.host({
    settings,
    operations,
    mounts,
    sockets,
    places,
    ears,
    endings,
    get pushes() {
      return pushes()
    },
    get refusable() {
      return life.instance.refusable === true
    },
  })
  return {
    ...life.running,
    start: () => life.start((signal) => life.instance.start(host, signal)),
    dispose: async (withinMs = 0) => {
      await Promise.all(endings.map((end) => end()))
      life.close()
      const open = sockets.flatMap((mounted) => [...mounted.open])
      await Promise.all([
        answering.idle(withinMs),
        ...open.map((socket) => socket.restart('connect again', withinMs)),
      ])
      await life.running.dispose()
    },
    answering,
    mounts,
    sockets,
    places,
    ears,
    access: settings.access,
    bodyLimitBytes: settings.bodyLimitBytes,
    admission: {
      priority: settings.priority ?? 'normal',
      get sheds() {
        return !pushes()
      },
    },
    inUse: { id: settings.id, adapter: adapter.name, channel: life.instance, inDoubt: settings.inDoubt },
  }
}

export function createBackend(
  settings: BackendSettings,
  adapter: Adapter,
  around: Surroundings,
): RunningBackend {
  const life = create<Backend>('backend', { settings, adapter, component: adapter.backend, around })
  const { instance } = life
  const inUse = new Map<string, OperationInUse>()
  const breakers = new Map<string, Breaker>()
  const budget = createRetryBudget(settings.retryBudget ?? 0)
  const bulkhead = bulkheadOf(settings, around)
  let isReplaced = false
  const operation = (name: string): OperationInUse | undefined => {
    const known = inUse.get(name)
    if (known !== undefined) return known
    const offered = ownOr(instance.operations, name)
    if (offered === undefined) return undefined
    // Names behind `*` come from callers: what they may create is bounded, the rest shares one breaker.
    if (inUse.size >= MAX_OPERATIONS && !Object.hasOwn(instance.operations, name) && name !== '*')
      return operation('*')
    const said = ownOr(settings.operations, name) ?? {}
    const label = ownName(instance.operations, settings.operations, name)
    const called = { target: 'backend', name: settings.id, operation: label, around } as const
    const watch = { owner: settings.id, operation: name, label, around, isReplaced: () => isReplaced }
    const breaker = watched(watch, said.breaker ?? settings.breaker)
    const safe = said.safe ?? offered.safe
    const idempotent = said.idempotent ?? offered.idempotent ?? false
    const made: OperationInUse = {
      safe,
      idempotent,
      ...guarded(
        { settings, operation: label, said, around, readsMessage: offered.readsMessage ?? true },
        safe || standsInFor(adapter) !== undefined,
      ),
      ...(safe ? {} : queueOf(said)),
      ...(safe || idempotent ? retried({ settings, operation: label, said, around }, budget) : {}),
      timeoutMs: said.timeoutMs ?? settings.timeoutMs,
      protect: protection({ breaker, bulkhead }, `backend "${settings.id}", operation "${name}"`, called),
    }
    inUse.set(name, made)
    breakers.set(name, breaker)
    return made
  }
  return {
    ...life.running,
    async start() {
      const named = Object.keys(settings.operations).filter((name) => name !== '*')
      await life.start(async (signal) => instance.start?.(signal, named))
      warnOfUnused({ settings, instance, adapter, log: around.log })
      // What is open or off since an earlier life is shown before anybody calls it; a plugin's operations are known only now.
      for (const name of Object.keys(instance.operations))
        if (around.savedBreaker?.(settings.id, name) !== undefined) operation(name)
    },
    replaced: () => void (isReplaced = true),
    dispose: async () => {
      for (const breaker of breakers.values()) breaker.dispose()
      await life.running.dispose()
    },
    breakers,
    inUse: { id: settings.id, backend: instance, operation },
  }
}
const MAX_OPERATIONS = 1000

export function createAgent(settings: AgentSettings, adapter: Adapter, around: Surroundings): RunningAgent {
  const life = create<Agent>('agent', { settings, adapter, component: adapter.agent, around })
  let isReplaced = false
  const watch = {
    owner: settings.id,
    operation: 'answer',
    label: 'answer',
    around,
    isReplaced: () => isReplaced,
  }
  const breaker = watched(watch, settings.breaker)
  return {
    ...life.running,
    start: () => life.start(async (signal) => life.instance.start?.(signal)),
    replaced: () => void (isReplaced = true),
    dispose: async () => {
      breaker.dispose()
      await life.running.dispose()
    },
    breaker,
    inUse: {
      id: settings.id,
      agent: life.instance,
      timeoutMs: settings.timeoutMs,
      callbackWithinMs: settings.callbackWithinMs ?? CALLBACK_WITHIN_MS,
      protect: protection({ breaker, bulkhead: bulkheadOf(settings, around) }, `agent "${settings.id}"`, {
        target: 'agent',
        name: settings.id,
        operation: 'answer',
        around,
      }),
    },
  }
}

interface GuardedOperation {
  readonly settings: BackendSettings
  readonly operation: string
  readonly said: OperationSettings
  readonly around: Surroundings
}

interface KeptOperation extends GuardedOperation {
  readonly readsMessage: boolean
}

function retried(
  { settings, operation, said, around }: GuardedOperation,
  budget: RetryBudget,
): Pick<OperationInUse, 'retry'> {
  const policy = said.retry ?? settings.retry
  if (policy === undefined || policy.attempts <= 1) return {}
  const onRetry = (result: 'made' | 'refused'): void =>
    around.onRetry({ backend: settings.id, operation, result })
  return { retry: { policy, budget, onRetry } }
}

/** What stands around the call of an operation beside retry, breaker and deadline. */
function guarded(to: KeptOperation, safe: boolean): Pick<OperationInUse, 'standIn' | 'invalidate'> {
  const { settings, operation, said, around, readsMessage } = to
  const { fallback, log } = around
  if (fallback === undefined) return {}
  const options = { settings, operation, said, readsMessage, log, ...fallback }
  const standIn = safe ? standInOf(options) : undefined
  const invalidate = invalidationOf(options)
  return { ...(standIn !== undefined && { standIn }), ...(invalidate !== undefined && { invalidate }) }
}

/** Known once it has started, of a contract or of a plugin; settings of operations that it does not have are reported elsewhere. */
function warnOfUnused({
  settings,
  instance,
  adapter,
  log,
}: {
  readonly settings: BackendSettings
  readonly instance: Backend
  readonly adapter: Adapter
  readonly log: Log
}): void {
  if (standsInFor(adapter) !== undefined) return
  for (const [operation, said] of Object.entries(settings.operations)) {
    const safe = said.safe ?? ownOr(instance.operations, operation)?.safe
    const about = { backend: settings.id, operation }
    if (safe === false && (said.cache !== undefined || said.static !== undefined))
      log.warn('an operation that is not safe has no stand-in: its "cache" and "static" are not used', about)
    if (safe === true && said.onFailure !== undefined)
      log.warn('an operation that is safe is not queued: its "onFailure" is not used', about)
  }
}

function ownOr<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  if (Object.hasOwn(table, name)) return table[name]
  return Object.hasOwn(table, '*') ? table['*'] : undefined
}

// Labels come from config, never from content: what only `*` stands for is counted under `*`, and kept there in the cache.
function ownName(offered: object, said: object, name: string): string {
  return Object.hasOwn(offered, name) || Object.hasOwn(said, name) ? name : '*'
}
