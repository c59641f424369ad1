// One component that lives in a plugin's worker: begun, called, begun again in the next worker if this one dies, ended.
import { GatewayError } from '../api.ts'
import type { Log, Operation } from '../api.ts'
import { withDeadline } from '../guard/deadline.ts'
import { OthersMistake } from '../log/log-fields.ts'
import type { Beginning, Begun } from './contract.ts'
import type { Service } from './scope-service.ts'
import { WorkerGone } from './thread.ts'
import type { Thread } from './thread.ts'

/** The version a component belongs to. */
export interface Home {
  readonly name: string
  readonly log: Log
  /** Undefined while there is no worker; `why` says why. */
  readonly thread: Thread | undefined
  readonly why: string
  /** A probe that fails keeps this version from taking over. */
  readonly isTried: boolean
  enter(hosted: Hosted): number
  leave(hosted: Hosted): void
  called(): void
  errored(): void
  /** What a component threw that is no answer. */
  failed(error: unknown, doing: string): void
}

/** Makes the error of a call whose worker is not there (`isBegun` false: nothing was done), or died meanwhile. */
export type Refusal = (why: string, isBegun: boolean) => GatewayError

export interface HostedParts {
  readonly beginning: Beginning
  /** What the component may ask of the gateway. */
  readonly services: Readonly<Record<string, Service>>
  /** It has ended, or its worker has died: what it held here is closed. */
  readonly onLost?: (isDead: boolean) => void
  /** Of a channel: what it serves. */
  readonly paths?: () => readonly string[]
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  readonly refusal: Refusal
  /** A piece of a stream, for which nobody waits when the component ends. */
  readonly isEndless?: boolean
  /** Throws what is wrong with what it handed back: noted as a failure of the plugin. Whoever asked judges it himself. */
  readonly judge?: (value: unknown) => void
}

const START_MS = 10_000
const PROBE_MS = 5000
/** What is under way when a component ends has this long. */
const QUIET_MS = 4000
const END_MS = 4000

export class Hosted {
  readonly #home: Home
  readonly #parts: HostedParts
  readonly #number: number
  #operations: Readonly<Record<string, Operation>> = {}
  #begun: Begun | undefined
  /** Of the start that is under way. */
  #flaw: unknown
  #isUp = false
  #isClosing = false
  #isEnded = false
  #inFlight = 0
  #onQuiet: (() => void) | undefined

  constructor(home: Home, parts: HostedParts) {
    this.#home = home
    this.#parts = parts
    this.#number = home.enter(this)
  }

  get services(): HostedParts['services'] {
    return this.#parts.services
  }
  get id(): string {
    return this.#parts.beginning.id
  }
  get paths(): readonly string[] {
    return this.#parts.paths?.() ?? []
  }
  get operations(): Readonly<Record<string, Operation>> {
    return this.#operations
  }
  /** Undefined before its first start. */
  get begun(): Begun | undefined {
    return this.#begun
  }

  /** Makes and starts it, and probes what can be probed. Throws what stood in the way. */
  async start(): Promise<void> {
    const { thread, why } = this.#home
    try {
      if (thread === undefined) throw new Error(why)
      await this.beginOn(thread)
    } catch (error) {
      this.#home.failed(error, `${this.#what()} did not start`)
      throw error
    }
    if (this.#begun?.probes === true) await this.#probe()
  }

  /** Also in the worker that follows one that died. */
  async beginOn(thread: Thread): Promise<void> {
    const { beginning } = this.#parts
    const what = `the start of ${this.#what()}`
    this.#flaw = undefined
    const begun = (await withDeadline({ ms: START_MS, what }, (signal) =>
      thread.rpc.call('begin', [this.#number, beginning], signal),
    )) as Begun // worker.ts answers
    if (this.#flaw !== undefined) throw this.#flaw
    this.#operations = begun.operations
    this.#begun = begun
    this.#isUp = true
    if (this.#isClosing) this.tell('ending')
  }

  /** Rejects with what the component throws, with the signal's reason, or with a refusal. */
  async call(
    method: string,
    args: readonly unknown[],
    { signal, refusal, isEndless = false, judge }: CallOptions,
  ): Promise<unknown> {
    const { thread, why } = this.#home
    if (thread === undefined || !this.#isUp) throw refusal(why, false)
    const isBegun = signal?.aborted !== true
    if (!isEndless) this.#inFlight++
    this.#home.called()
    try {
      const value = await thread.rpc.call(method, [this.#number, ...args], signal)
      if (judge !== undefined) this.#judge(() => judge(value))
      return value
    } catch (error) {
      if (signal?.aborted === true) {
        if (isBegun) thread.suspect()
        throw error
      }
      if (error instanceof WorkerGone) throw refusal(error.message, true)
      // Said on purpose, in the interface's own words: counted, but no failure of the plugin.
      if (error instanceof GatewayError) this.#home.errored()
      else this.#home.failed(error, `${this.#what()} failed`)
      throw error
    } finally {
      if (!isEndless && --this.#inFlight === 0) this.#onQuiet?.()
    }
  }

  /** Without an answer. */
  tell(method: string, ...args: readonly unknown[]): void {
    this.#home.thread?.rpc.tell(method, [this.#number, ...args])
  }

  /** What it told, without waiting for an answer, cannot be done: its start fails; once it has begun it goes on without. */
  flawed(error: unknown): void {
    if (!this.#isUp) {
      this.#flaw ??= error
      return
    }
    this.#home.log.error(`${this.#what()} cannot have what it asked for after its start`, {
      error: new OthersMistake(error),
    })
    this.#home.failed(error, 'after its start')
  }

  /** Its worker has died. */
  lost(): void {
    this.#isUp = false
    this.#parts.onLost?.(true)
  }

  /** Ends the signal of its start, also in a worker that follows one that dies; what is under way goes on. Twice does no harm. */
  close(): void {
    this.#isClosing = true
    this.tell('ending')
  }

  /** Lets what is under way finish, then ends it over there. Twice does no harm. Throws what its end throws. */
  async end(): Promise<void> {
    if (this.#isEnded) return
    this.#isEnded = true
    try {
      this.close()
      const stragglers = await this.#quiet()
      if (stragglers > 0)
        this.#home.log.warn('calls outlived their component', { component: this.#what(), stragglers })
      const { thread } = this.#home
      const what = `the end of ${this.#what()}`
      await withDeadline({ ms: END_MS, what }, async (signal) =>
        thread?.rpc.call('end', [this.#number], signal),
      )
    } catch (error) {
      if (!(error instanceof WorkerGone)) throw error // a dead worker has ended it
    } finally {
      this.#isUp = false
      this.#parts.onLost?.(false)
      this.#home.leave(this)
    }
  }

  #judge(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#home.failed(error, `${this.#what()} failed`)
    }
  }

  async #probe(): Promise<void> {
    const { thread, isTried, log } = this.#home
    const what = `the probe of ${this.#what()}`
    try {
      await withDeadline({ ms: PROBE_MS, what }, async (signal) =>
        thread?.rpc.call('probe', [this.#number], signal),
      )
    } catch (error) {
      // At the first start a business system that is down must not keep the gateway down.
      if (!isTried) return log.warn(`${what} failed`, { error })
      this.#home.failed(error, `${what} failed`)
      throw new GatewayError('INTERNAL', `its probe failed`, { cause: error })
    }
  }

  /** Resolves when nothing is under way, or late; with how much still is. */
  async #quiet(): Promise<number> {
    if (this.#inFlight === 0) return 0
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onQuiet = resolve
    const timer = setTimeout(resolve, QUIET_MS)
    await promise
    clearTimeout(timer)
    return this.#inFlight
  }

  #what(): string {
    const { role, id } = this.#parts.beginning
    return `${role} "${id}"`
  }
}
