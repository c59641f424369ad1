// One immutable set of config and adapters. An attempt begins and ends in the generation it was pinned to.
import type { Adapter } from './api.ts'
import type { Components } from './calls/calls.ts'
import { createAgent, createBackend, createChannel } from './components/components.ts'
import type {
  Role,
  Running,
  RunningAgent,
  RunningBackend,
  RunningChannel,
  Surroundings,
} from './components/components.ts'
import { GatewayError } from './api.ts'
import type { Breaker } from './guard/breaker.ts'
import { keyOf } from './components/life.ts'
import type { Pinned } from './pipeline.ts'
import { standsInFor } from './plugins/stand-in.ts'
import { createRouter } from './router.ts'
import type { Router } from './router.ts'
import type { ComponentSettings, GenerationSettings } from './settings.ts'

export class Generation implements Components {
  readonly number: number
  readonly router: Router
  readonly channels: ReadonlyMap<string, RunningChannel>
  readonly backends: ReadonlyMap<string, RunningBackend>
  readonly agents: ReadonlyMap<string, RunningAgent>
  /** The longest body that a channel with a limit of its own takes, or answer that is read, in bytes. */
  readonly largestBytes: number
  /** All that is begun in it is over after so long, in milliseconds. */
  readonly longestMs: number
  #pins = 0
  #idle: (() => void) | undefined

  constructor(number: number, parts: Parts) {
    this.number = number
    this.router = parts.router
    this.channels = parts.channels
    this.backends = parts.backends
    this.agents = parts.agents
    this.largestBytes = parts.largestBytes
    this.longestMs = parts.longestMs + DRAIN_MARGIN_MS
  }

  agent(id: string) {
    return this.agents.get(id)?.inUse
  }
  backend(id: string) {
    return this.backends.get(id)?.inUse
  }
  channel(id: string) {
    return this.channels.get(id)?.inUse
  }

  /** By operation; an agent has one. Undefined: there is no such owner. */
  breakersOf(owner: string): ReadonlyMap<string, Breaker> | undefined {
    const agent = this.agents.get(owner)
    return this.backends.get(owner)?.breakers ?? (agent && new Map([['answer', agent.breaker]]))
  }

  /** Holds this generation until the result is disposed. */
  pin(): Pinned {
    this.#pins++
    return new Pin(this, () => {
      if (--this.#pins === 0) this.#idle?.()
    })
  }

  /** Resolves when no attempt holds it, or when each has had its time; with how many still do. */
  async drained(): Promise<number> {
    if (this.#pins === 0) return 0
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#idle = resolve
    const timer = setTimeout(resolve, this.longestMs).unref()
    await promise
    clearTimeout(timer)
    return this.#pins
  }

  *running(): Iterable<Running> {
    yield* this.channels.values()
    yield* this.agents.values()
    yield* this.backends.values()
  }
}

class Pin implements Pinned {
  readonly router: Router
  readonly components: Generation
  #release: (() => void) | undefined

  constructor(generation: Generation, release: () => void) {
    this.router = generation.router
    this.components = generation
    this.#release = release
  }

  [Symbol.dispose](): void {
    this.#release?.()
    this.#release = undefined
  }
}

interface Parts {
  readonly router: Router
  readonly channels: ReadonlyMap<string, RunningChannel>
  readonly backends: ReadonlyMap<string, RunningBackend>
  readonly agents: ReadonlyMap<string, RunningAgent>
  /** An attempt's calls may take so long together. */
  readonly longestMs: number
  readonly largestBytes: number
}

/** For a push, and for what surrounds the calls of an attempt. */
const DRAIN_MARGIN_MS = 30_000

/** Why the gateway loads again; absent: the files are to be read, whatever ran before. */
export interface ReloadCause {
  /** Something in the plugins folder has changed, nothing else. */
  readonly isDropIn?: boolean
  /** Asked when its turn comes, as a reload before it may have taken the change already. False: nothing is done. */
  readonly isDue?: () => Promise<boolean>
  /** Nothing has changed: what a plugin needs may be back. That it is not has been said. */
  readonly isAgain?: boolean
  /** What runs is tried again: a plugin was given another chance. */
  readonly isRetry?: boolean
  /** A kept generation is to run again. */
  readonly rollbackTo?: number
}

export interface Building {
  readonly settings: GenerationSettings
  readonly adapters: ReadonlyMap<string, Adapter>
  readonly previous: Generation | undefined
  /** It ran before, as it is; default false. */
  readonly isRollback?: boolean
  /** The number of the last one in an earlier life; default 0. */
  readonly numberBefore?: number | undefined
  readonly around: Surroundings
  /** Makes it the one that runs. What it throws counts as a failure to build. */
  readonly enter: (next: Generation) => void
}

/**
 * Creates and starts what is new, keeps what is unchanged, and enters the next generation; the one before goes on until then.
 * Throws a `GatewayError` that names the component; nothing new is left running then.
 */
export async function buildGeneration({
  settings,
  adapters,
  previous,
  isRollback = false,
  numberBefore = 0,
  around,
  enter,
}: Building): Promise<Generation> {
  const born: Running[] = []
  const refused: string[] = []
  const kept = new Map([...(previous?.running() ?? [])].map((running) => [running.key, running]))
  function make<S extends ComponentSettings, R extends Running>(
    role: Role,
    all: Readonly<Record<string, S>>,
    create: (settings: S, adapter: Adapter, around: Surroundings) => R,
  ): ReadonlyMap<string, R> {
    return new Map(
      Object.values(all).map((one) => {
        const adapter = adapters.get(one.adapter)
        if (adapter === undefined)
          throw new GatewayError('INTERNAL', `${role} "${one.id}": there is no adapter "${one.adapter}"`)
        const same = kept.get(keyOf(role, one))
        // The key holds the role, so what was kept under it was made by the same `create`.
        if (same !== undefined && same.adapter === adapter) return [one.id, same as R]
        // New or changed it is refused, as by `dragoman check`. At a start, gone back to, or with its plugin removed while it ran, it stays.
        if (standsInFor(adapter) !== undefined && same === undefined && previous !== undefined && !isRollback)
          refused.push(`${role} "${one.id}": its plugin cannot run, its calls would be refused`)
        const made = create(one, adapter, around)
        born.push(made)
        return [one.id, made]
      }),
    )
  }
  try {
    const parts: Parts = {
      router: createRouter(settings.routes, around.isPresent),
      backends: make('backend', settings.backends, createBackend),
      agents: make('agent', settings.agents, createAgent),
      channels: make('channel', settings.channels, createChannel),
      longestMs: longestAttempt(settings),
      largestBytes: largestOf(settings),
    }
    if (refused.length > 0) throw new GatewayError('INTERNAL', refused.join('; '))
    // What answers is started before what asks.
    for (const role of ['backend', 'agent', 'channel'] as const)
      await Promise.all(born.filter((running) => running.role === role).map((running) => running.start()))
    refuseSharedPaths(parts.channels)
    const next = new Generation((previous?.number ?? numberBefore) + 1, parts)
    enter(next)
    for (const running of born) running.adopt?.()
    return next
  } catch (error) {
    await Promise.all(born.map((running) => running.dispose()))
    throw error
  }
}

/** At most two are asked in one attempt: an agent and its fallback. */
function longestAttempt({ backends, agents, routes }: GenerationSettings): number {
  const calls = [...Object.values(backends), ...Object.values(agents)].map(({ timeoutMs }) => timeoutMs)
  const operations = Object.values(backends).flatMap((backend) => Object.values(backend.operations))
  const said = [...operations, ...routes].map(({ timeoutMs = 0 }) => timeoutMs)
  return 2 * [...calls, ...said].reduce((longest, each) => Math.max(longest, each), 0)
}

function largestOf({ channels, backends, agents }: GenerationSettings): number {
  const bodies = Object.values(channels).map(({ bodyLimitBytes = 0 }) => bodyLimitBytes)
  const answers = [...Object.values(backends), ...Object.values(agents)].map(
    ({ responseLimitBytes }) => responseLimitBytes,
  )
  return Math.max(0, ...bodies, ...answers)
}

/** Throws `INTERNAL` where two channels would serve one path. */
export function refuseSharedPaths(channels: ReadonlyMap<string, RunningChannel>): void {
  const owners = new Map<string, string>()
  for (const channel of channels.values()) {
    const places = [
      ...channel.mounts.map(({ path }) => path),
      ...channel.sockets.map(({ path }) => `WebSockets at ${path}`),
    ]
    for (const place of places) {
      const owner = owners.get(place)
      if (owner !== undefined && owner !== channel.id)
        throw new GatewayError('INTERNAL', `channels "${owner}" and "${channel.id}" both serve ${place}`)
      owners.set(place, channel.id)
    }
  }
}
