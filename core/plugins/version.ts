// One version of one plugin: its worker, replaced when it dies, and the components that live in it.
import type { Adapter, Log } from '../api.ts'
import { Misfit } from '../components/component-shape.ts'
import type { ComponentRole, Validated } from './contract.ts'
import { explainLate, failureAt, placeOf } from './explain.ts'
import type { Failure } from './explain.ts'
import type { Home, Hosted } from './hosted.ts'
import { remoteAdapter } from './remote-adapter.ts'
import type { Questions } from './remote-schema.ts'
import { importedOf } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import type { Spawned } from './spawn.ts'
import type { RememberedComponent } from './stand-in.ts'
import { NotLoaded, startThread } from './thread.ts'
import type { Limits, Thread } from './thread.ts'
import { withDeadline } from '../guard/deadline.ts'

export type PluginState = 'starting' | 'running' | 'restarting' | 'quarantined' | 'ended'

export interface VersionOptions {
  readonly log: Log
  readonly limits: Limits
  /** A worker for a plugin of this name. */
  readonly spawn: (name: string) => Spawned
  readonly onAttempt: ((attempt: string) => void) | undefined
  readonly questions: Questions
  /** Another version runs, which goes on if this one cannot. */
  readonly isTried: boolean
  readonly now: () => number
  readonly onState: (version: PluginVersion) => void
}

/** DESIGN §16, Plugins. */
const FIRST_PAUSE_MS = 100
const LONGEST_PAUSE_MS = 5000
const MOST_DEATHS = 5
const DEATHS_WITHIN_MS = 60_000
const VALIDATE_MS = 5000

export class PluginVersion implements Home {
  readonly snapshot: Snapshot
  readonly isTried: boolean
  readonly log: Log
  readonly #options: VersionOptions
  readonly #hosted = new Map<number, Hosted>()
  readonly #deaths: number[] = []
  #adapter: Adapter | undefined
  #thread: Thread | undefined
  #state: PluginState = 'starting'
  #isAdopted = false
  #failure: Failure | undefined
  #isMisfit = false
  #stoppedAt: number | undefined
  #calls = 0
  #errors = 0
  #restarts = 0
  #tries = 0
  #turn = 0
  #last = 0
  #pause: NodeJS.Timeout | undefined
  #onEmpty: (() => void) | undefined

  private constructor(snapshot: Snapshot, options: VersionOptions) {
    this.snapshot = snapshot
    this.log = options.log
    this.isTried = options.isTried
    this.#options = options
  }

  /** Imports it in a fresh worker. Throws `NotLoaded`; nothing is left running then. */
  static async load(snapshot: Snapshot, options: VersionOptions): Promise<PluginVersion> {
    const version = new PluginVersion(snapshot, options)
    const thread = await version.#startThread()
    version.#adapter = remoteAdapter({
      described: thread.adapter,
      home: version,
      questions: options.questions,
      ask: (role, config) => version.#ask(role, config),
    })
    version.#watch(thread)
    return version
  }

  get name(): string {
    return this.snapshot.name
  }
  get adapter(): Adapter {
    if (this.#adapter === undefined) throw new Error(`plugin ${this.name} is not loaded`)
    return this.#adapter
  }
  get state(): PluginState {
    return this.#state
  }
  /** For good, or for so long that it is no mere restart. */
  get isDown(): boolean {
    if (this.#stoppedAt === undefined) return false
    return (
      this.#state === 'quarantined' || this.#options.now() - this.#stoppedAt > this.#options.limits.downMs
    )
  }
  get thread(): Thread | undefined {
    return this.#thread
  }
  get why(): string {
    return this.#failure?.message ?? `it is ${this.#state}`
  }
  /** The last thing that went wrong. */
  get failure(): Failure | undefined {
    return this.#failure
  }
  /** Its failure is the shape of a component, which no other try mends. */
  get isMisfit(): boolean {
    return this.#isMisfit
  }
  get figures(): { readonly calls: number; readonly errors: number; readonly restarts: number } {
    return { calls: this.#calls, errors: this.#errors, restarts: this.#restarts }
  }

  /** What its components offered, by their names. */
  get components(): readonly (readonly [string, RememberedComponent])[] {
    return [...this.#hosted.values()].map((hosted) => [hosted.id, hosted])
  }

  enter(hosted: Hosted): number {
    this.#last += 1
    this.#hosted.set(this.#last, hosted)
    return this.#last
  }
  leave(hosted: Hosted): void {
    for (const [number, each] of this.#hosted) if (each === hosted) this.#hosted.delete(number)
    if (this.#hosted.size === 0) this.#onEmpty?.()
  }
  called(): void {
    this.#calls += 1
  }
  errored(): void {
    this.#errors += 1
  }
  failed(error: unknown, doing: string): void {
    this.#errors += 1
    const { root, file } = this.snapshot
    const message = error instanceof Error ? error.message : String(error)
    // A dead worker's own failure says more, and has been noted.
    if (this.#thread === undefined && this.#failure !== undefined) return
    const late = error instanceof Error ? explainLate(error, importedOf(this.snapshot)) : undefined
    const place = (error instanceof Error ? placeOf(error, root) : undefined) ?? { file }
    const failure =
      late === undefined
        ? failureAt(root, place, `${doing}: ${message}`)
        : { ...late, message: `${late.message} (${doing})` }
    this.#failure = this.#isBeside && isPortInUse(error) ? withPortCure(failure) : failure
    this.#isMisfit = error instanceof Misfit
  }

  /** It is part of the running generation now: from here on a worker that dies is replaced. */
  adopt(): void {
    if (this.#isAdopted) return
    this.#isAdopted = true
    if (this.#thread === undefined) this.#afterDeath()
    else this.#become('running')
  }

  /** An operator says it may try again. */
  async restart(): Promise<void> {
    this.#deaths.length = 0
    this.#tries = 0
    clearTimeout(this.#pause)
    this.#become('restarting')
    const thread = this.#thread
    this.#thread = undefined
    for (const hosted of this.#hosted.values()) hosted.lost()
    await thread?.end()
    await this.#revive()
  }

  /** Ends the worker when its last component has ended. Resolves with what it still held: it should be nothing. */
  async end(): Promise<readonly string[]> {
    if (this.#hosted.size > 0)
      await new Promise<void>((resolve) => {
        this.#onEmpty = resolve
      })
    return this.kill()
  }

  /** Ends the worker now. */
  async kill(): Promise<readonly string[]> {
    if (this.#state === 'ended') return []
    this.#become('ended')
    clearTimeout(this.#pause)
    const thread = this.#thread
    const held = await this.held()
    this.#thread = undefined
    await thread?.end()
    return held
  }

  /** What its worker has open, beside what the gateway itself needs there. */
  async held(): Promise<readonly string[]> {
    const thread = this.#thread
    if (thread === undefined) return []
    try {
      const what = `the end of plugin ${this.name}`
      const held = await withDeadline({ ms: 500, what }, (signal) => thread.rpc.call('held', [], signal))
      return (held as readonly string[]).filter((kind) => !OURS.has(kind)) // worker.ts answers
    } catch {
      return [] // it is dead or stuck, and ended in the next line
    }
  }

  /** It is to take over from a version that still holds whatever it holds. */
  get #isBeside(): boolean {
    return this.isTried && !this.#isAdopted
  }

  #hasEnded(): boolean {
    return this.#state === 'ended'
  }

  #become(state: PluginState): void {
    this.#state = state
    if (state === 'running') this.#stoppedAt = undefined
    else this.#stoppedAt ??= this.#options.now()
    this.#options.onState(this)
  }

  #startThread(): Promise<Thread> {
    const { limits, onAttempt, log, spawn } = this.#options
    return startThread(spawn(this.name), {
      snapshot: this.snapshot,
      limits,
      onAttempt,
      log,
      serve: (method, [number, ...args], signal) => {
        const service = this.#hosted.get(number as number)?.services[method] // worker.ts gives its number
        if (service === undefined)
          throw new Error(`the gateway knows no ${method} of component ${String(number)}`)
        return service(args, signal)
      },
    })
  }

  #watch(thread: Thread): void {
    this.#thread = thread
    void this.#untilDead(thread)
  }

  async #untilDead(thread: Thread): Promise<void> {
    const failure = await thread.died
    if (this.#thread === thread) this.#died(failure)
  }

  #died(failure: Failure): void {
    this.#failure = this.#isBeside && failure.message.includes(IN_USE) ? withPortCure(failure) : failure
    this.#thread = undefined
    for (const hosted of this.#hosted.values()) hosted.lost()
    // A version that does not run yet is not worth another try: the one before goes on.
    if (this.#state === 'ended' || !this.#isAdopted) return
    this.#errors += 1
    const { message, ...place } = failure
    this.log.error(`plugin ${this.name} died: ${message}`, place)
    this.#afterDeath()
  }

  /** The next worker, or none any more. */
  #afterDeath(): void {
    const now = this.#options.now()
    this.#deaths.push(now)
    while ((this.#deaths[0] ?? now) < now - DEATHS_WITHIN_MS) this.#deaths.shift()
    if (this.#deaths.length >= MOST_DEATHS) {
      this.#become('quarantined')
      this.log.error(
        `plugin ${this.name} is quarantined after ${MOST_DEATHS} deaths in ${DEATHS_WITHIN_MS / 1000} s: mend its file, or run \`dragoman plugins restart ${this.name}\``,
      )
      return
    }
    this.#later(this.#deaths.length - 1)
  }

  /** After a pause that grows. */
  #later(times: number): void {
    this.#become('restarting')
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** times, LONGEST_PAUSE_MS)
    this.#pause = setTimeout(() => void this.#revive(), pause)
  }

  async #revive(): Promise<void> {
    this.#restarts += 1
    const turn = ++this.#turn
    let thread: Thread
    try {
      thread = await this.#startThread()
    } catch (error) {
      if (turn !== this.#turn || this.#hasEnded()) return
      if (error instanceof NotLoaded) this.#failure = error.failure
      this.log.error(`plugin ${this.name} could not be loaded again: ${this.why}`)
      return this.#afterDeath()
    }
    // An operator was quicker, or it has ended: an old version whose last call was over.
    if (turn !== this.#turn || this.#hasEnded()) return thread.end()
    this.#watch(thread)
    try {
      await Promise.all([...this.#hosted.values()].map((hosted) => hosted.beginOn(thread)))
      if (this.#thread !== thread) return
      this.#tries = 0
      this.#become('running')
    } catch (error) {
      if (this.#thread !== thread) return // it has died again, which was counted there
      // What it needs may be away for a while: that is no death, and it is tried until it is back.
      this.failed(error, 'it could not be started again')
      this.#thread = undefined
      for (const hosted of this.#hosted.values()) hosted.lost()
      await thread.end()
      if (this.#hasEnded()) return
      this.log.error(`plugin ${this.name} could not be started again: ${this.why}`)
      this.#later(this.#tries++)
    }
  }

  async #ask(role: ComponentRole, config: string): Promise<Validated> {
    try {
      const what = `the config schema of plugin ${this.name}`
      return (await withDeadline({ ms: VALIDATE_MS, what }, (signal) => {
        if (this.#thread === undefined) throw new Error(`it is not running: ${this.why}`)
        return this.#thread.rpc.call('validate', [role, config], signal)
      })) as Validated // worker.ts answers
    } catch (error) {
      return {
        issues: [{ message: error instanceof Error ? error.message : String(error) }],
        isPassing: true,
      }
    }
  }
}

/** What the gateway itself has in every worker. */
const OURS = new Set(['MessagePort', 'PipeWrap', 'TTYWrap', 'FSReqPromise', 'FILEHANDLE', 'CloseReq'])

/** Node's code; of what a worker throws only the message crosses. */
const IN_USE = 'EADDRINUSE'
const PORT_CURE =
  'the version before may hold that port: open it with `reusePort: true`; where that one has opened it without, start the gateway anew'

function isPortInUse(error: unknown): boolean {
  return error instanceof Error && (error.message.includes(IN_USE) || isPortInUse(error.cause))
}

function withPortCure(failure: Failure): Failure {
  return { ...failure, message: `${failure.message}: ${PORT_CURE}` }
}
