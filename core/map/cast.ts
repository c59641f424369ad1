// The components that take part in one way: started when they are needed, with a fetch that calls nobody.
import { GatewayError } from '../api.ts'
import type { Adapter, ChannelHost, Scope } from '../api.ts'
import { createAgent, createBackend, createChannel } from '../components/components.ts'
import type {
  ChannelParts,
  Mounted,
  Role,
  Running,
  RunningAgent,
  RunningBackend,
  RunningChannel,
  Surroundings,
} from '../components/components.ts'
import { uncounted } from '../guard/limit-count.ts'
import { PathTable } from '../http/paths.ts'
import type { AgentSettings, BackendSettings, ChannelSettings, GenerationSettings } from '../settings.ts'
import type { Said } from './passage.ts'
import { recordingFetch } from './recorder.ts'
import type { Recorded, Told } from './recorder.ts'
import { emptyState, noMetrics, notFetched, tellingLog } from './stand-ins.ts'

export interface CastOptions {
  readonly settings: GenerationSettings
  readonly adapters: ReadonlyMap<string, Adapter>
  readonly now: number
  readonly host: (parts: ChannelParts) => ChannelHost
  readonly said: (line: Said) => void
}

/** The channel that serves the path of the request. */
export interface Opened {
  readonly settings: ChannelSettings
  readonly running: RunningChannel
  readonly mount: Mounted
}

/** A way that is gone again and again, on purpose with values that are refused, opens no breaker. */
const NEVER = { errorRate: 100, minimumCalls: 1_000_000, windowMs: 60_000, openForMs: 1000 }

export class Cast implements AsyncDisposable {
  /** Answers what components fetch. Undefined, as while they start: they do not get it. */
  answering: ((request: Recorded) => Promise<Told>) | undefined
  readonly #options: CastOptions
  readonly #around: Surroundings
  readonly #born: Running[] = []
  readonly #states: { empty(): void }[] = []
  readonly #backends = new Map<string, Promise<RunningBackend>>()
  readonly #agents = new Map<string, Promise<RunningAgent>>()
  #ending = false

  constructor(options: CastOptions) {
    this.#options = options
    const said = (line: Said): void => {
      if (!this.#ending) options.said(line)
    }
    this.#around = {
      log: tellingLog('gateway', said),
      onBreaker() {},
      onCalled() {},
      onRetry() {},
      limit: () => uncounted,
      host: options.host,
      isPresent: async () => false,
      scope: (role, { id }) => ({ scope: this.#scope(role, id, said), dispose: async () => undefined }),
    }
  }

  /**
   * Starts the channel that serves a path, those first whose own `path` says so. Throws why that one did not start, or
   * `NOT_FOUND` with the paths there are.
   */
  async open(path: string): Promise<Opened> {
    const channels = Object.values(this.#options.settings.channels)
    const served: string[] = []
    for (const settings of channels.toSorted((a, b) => likeliness(b, path) - likeliness(a, path))) {
      const running = this.#give(createChannel(settings, this.#adapter(settings), this.#around))
      try {
        await running.start()
      } catch (error) {
        if (likeliness(settings, path) > 0) throw error
        continue // one that listens elsewhere or dials a broker: not the one that is looked for
      }
      served.push(...running.mounts.map((mount) => mount.path))
      const mount = new PathTable(running.mounts).find(path)
      if (mount !== undefined) return { settings, running, mount }
    }
    const known = served.length === 0 ? 'there is no channel over HTTP' : `there is ${served.join(', ')}`
    throw new GatewayError('NOT_FOUND', `no channel serves ${path}: ${known}`)
  }

  /** Throws why it did not start. */
  async channel(settings: ChannelSettings): Promise<RunningChannel> {
    const running = this.#give(createChannel(settings, this.#adapter(settings), this.#around))
    await running.start()
    return running
  }

  /** Throws why it did not start. */
  backend(settings: BackendSettings): Promise<RunningBackend> {
    const operations = Object.fromEntries(
      Object.entries(settings.operations).map(([name, said]) => [name, { ...said, breaker: NEVER }]),
    )
    const calm = { ...settings, operations, breaker: NEVER }
    return started(this.#backends, settings.id, () =>
      this.#give(createBackend(calm, this.#adapter(settings), this.#around)),
    )
  }

  /** Throws why it did not start. */
  agent(settings: AgentSettings): Promise<RunningAgent> {
    const calm = { ...settings, breaker: NEVER }
    return started(this.#agents, settings.id, () =>
      this.#give(createAgent(calm, this.#adapter(settings), this.#around)),
    )
  }

  /** What components have remembered is gone: nonces, tokens. */
  forget(): void {
    for (const state of this.#states) state.empty()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending = true
    await Promise.all(this.#born.map((running) => running.dispose()))
  }

  #give<R extends Running>(running: R): R {
    this.#born.push(running)
    return running
  }

  #adapter({ id, adapter: name }: { readonly id: string; readonly adapter: string }): Adapter {
    const adapter = this.#options.adapters.get(name)
    if (adapter === undefined) throw new GatewayError('INTERNAL', `"${id}": there is no adapter "${name}"`)
    return adapter
  }

  #scope(role: Role, id: string, said: (line: Said) => void): Scope {
    const name = `${role} "${id}"`
    const kept = emptyState()
    this.#states.push(kept)
    return {
      id,
      log: tellingLog(name, said),
      now: () => this.#options.now,
      metrics: noMetrics,
      state: kept.state,
      responseLimitBytes: Infinity,
      fetch: recordingFetch(async (request) => {
        if (this.answering === undefined) throw notFetched(name, request)
        return this.answering(request)
      }),
    }
  }
}

async function started<R extends Running>(
  known: Map<string, Promise<R>>,
  id: string,
  create: () => R,
): Promise<R> {
  const start = async (): Promise<R> => {
    const running = create()
    await running.start()
    return running
  }
  const running = known.get(id) ?? start()
  known.set(id, running)
  return running
}

/** How much of a path the channel's own `path` covers; 0: it says none; -1: another one. */
function likeliness({ config }: ChannelSettings, path: string): number {
  if (typeof config !== 'object' || config === null || !('path' in config)) return 0
  const { path: own } = config
  if (typeof own !== 'string' || !`${path}/`.startsWith(own.replace(/\/?$/, '/'))) return -1
  return own.length
}
