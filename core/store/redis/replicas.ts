// Writes that replicas must have before they are acknowledged: one WAIT for what a turn of the event loop sent on a line.
import type { Redis } from 'ioredis'
import { GatewayError } from '../../api.ts'
import { PROBE_MS } from '../figures.ts'
import type { ScriptName } from './scripts.ts'

/** Together with what waits behind it still less than a command's time. */
const WAIT_MS = 400

/** What reads, or what a failover may forget: who held a lease there has a fence that is not known any more (SEMANTICS 20). */
const UNWAITED: ReadonlySet<ScriptName> = new Set([
  'read',
  'find',
  'trim',
  'bytes',
  'lease',
  'dataset',
  'limit',
  'answers',
])

/** What is acknowledged to somebody, so that it must not be lost. */
export function mustBeKept(name: ScriptName): boolean {
  return !UNWAITED.has(name)
}

interface Line {
  next: PromiseWithResolvers<void> | undefined
  isWaiting: boolean
}

/**
 * WAIT and not WAITAOF: what a replica has in memory survives the master's end, and its own power loss at the same moment is no
 * failover. Redis 7.2 alone has the other.
 */
export class Replicas {
  readonly #wanted: number | undefined
  #seen = 0
  #trouble: string | undefined
  readonly #lines = new WeakMap<Redis, Line>()

  /** How many must acknowledge; undefined: as many as there were. */
  constructor(wanted: number | undefined) {
    this.#wanted = wanted
  }

  get needed(): number {
    return this.#wanted ?? this.#seen
  }

  /** Why nothing is acknowledged now. */
  get trouble(): string | undefined {
    return this.needed === 0 ? undefined : this.#trouble
  }

  saw(replicas: number): void {
    this.#seen = Math.max(this.#seen, replicas)
  }

  /** After a failover those that may be promoted are counted anew: none may be left. */
  countAnew(replicas: number): void {
    this.#seen = replicas
    this.#trouble = undefined
  }

  isWaitedFor(name: ScriptName): boolean {
    return this.needed > 0 && mustBeKept(name)
  }

  /**
   * Called when something was sent: resolves when the replicas have it. Rejects with `STORE_UNAVAILABLE` where they did not say so in
   * time: then it is not known what a failover keeps.
   */
  haveIt(line: Redis): Promise<void> {
    const state = this.#lines.get(line) ?? { next: undefined, isWaiting: false }
    this.#lines.set(line, state)
    if (state.next !== undefined) return state.next.promise
    state.next = Promise.withResolvers()
    state.next.promise.catch(() => undefined) // whose script failed does not ask
    if (!state.isWaiting) setImmediate(() => void this.#wait(line, state))
    return state.next.promise
  }

  /** Asks all lines whether replicas follow. */
  async look(lines: readonly Redis[]): Promise<void> {
    if (this.needed === 0) return
    const counts = await Promise.all(lines.map((line) => this.#count(line)))
    this.#judge(Math.min(...counts))
  }

  async #wait(line: Redis, state: Line): Promise<void> {
    const { next } = state
    if (next === undefined) return
    state.next = undefined
    state.isWaiting = true
    try {
      const count = await this.#count(line)
      this.#judge(count)
      if (count >= this.needed) next.resolve()
      else next.reject(this.#unknown(count))
    } catch (error) {
      next.reject(this.#unknown(0, error))
    }
    state.isWaiting = false
    // What was sent meanwhile.
    void this.#wait(line, state)
  }

  async #count(line: Redis): Promise<number> {
    return Number(await line.call('WAIT', this.needed, WAIT_MS))
  }

  #judge(count: number): void {
    this.#trouble =
      count >= this.needed ? undefined : `${count} of ${this.needed} replicas acknowledge what is written`
  }

  #unknown(count: number, cause?: unknown): GatewayError {
    return new GatewayError(
      'STORE_UNAVAILABLE',
      `the store cannot be used: ${count} of ${this.needed} replicas acknowledged within ${WAIT_MS} ms, so nobody knows whether a failover keeps it`,
      { retryAfterMs: PROBE_MS, ...(cause !== undefined && { cause }) },
    )
  }
}
