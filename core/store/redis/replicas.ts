// Writes that replicas must have before they are acknowledged: one WAIT for what a turn of the event loop sent on a line.
import type { Redis } from 'ioredis'
import { GatewayError } from '../../api.ts'
import { PROBE_MS } from '../figures.ts'
import type { ScriptName } from './scripts.ts'
import type { Master } from './server.ts'

/** Together with what waits behind it still less than a command's time. */
const WAIT_MS = 400

const READING: ReadonlySet<ScriptName> = new Set(['read', 'find', 'bytes'])

/** What a failover may forget: who held a lease there has a fence that is not known any more (SEMANTICS 20). */
const FORGOTTEN: ReadonlySet<ScriptName> = new Set(['trim', 'lease', 'dataset', 'rights', 'limit', 'answers'])

/** What changes nothing. */
export function isReading(name: ScriptName): boolean {
  return READING.has(name)
}

/** What is acknowledged to somebody, so that it must not be lost. */
export function mustBeKept(name: ScriptName): boolean {
  return !READING.has(name) && !FORGOTTEN.has(name)
}

interface Line {
  next: PromiseWithResolvers<void> | undefined
  isWaiting: boolean
}

/** How many replicas of a master acknowledged, of how many. */
interface Said {
  readonly count: number
  readonly needed: number
}

/**
 * WAIT and not WAITAOF: what a replica has in memory survives the master's end, and its own power loss at the same moment is no
 * failover. Redis 7.2 alone has the other.
 */
export class Replicas {
  readonly #wanted: number | undefined
  /** By the replication id of a master: the most that followed it. */
  #seen: ReadonlyMap<string, number> = new Map()
  readonly #masters = new WeakMap<Redis, string>()
  #trouble: string | undefined
  readonly #lines = new WeakMap<Redis, Line>()

  /** How many must acknowledge; undefined: of each master as many as it had. */
  constructor(wanted: number | undefined) {
    this.#wanted = wanted
  }

  /** How many must acknowledge what this master is sent; as many as of any where it was not counted yet. */
  neededBy(replicationId: string | undefined): number {
    return this.#wanted ?? this.#seen.get(replicationId ?? '') ?? Math.max(0, ...this.#seen.values())
  }

  /** Why nothing is acknowledged now. */
  get trouble(): string | undefined {
    return this.#trouble
  }

  leads(line: Redis, replicationId: string): void {
    this.#masters.set(line, replicationId)
  }

  saw(masters: readonly Master[]): void {
    this.#seen = new Map([...this.#seen, ...this.#most(masters)])
  }

  /** After a failover: at the master that is another one, those that may be promoted are counted anew. None may be left. */
  countAnew(masters: readonly Master[]): void {
    this.#seen = this.#most(masters)
    this.#trouble = undefined
  }

  isWaitedFor(name: ScriptName, line: Redis): boolean {
    return mustBeKept(name) && this.#neededOn(line) > 0
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
    const waited = lines.filter((line) => this.#neededOn(line) > 0)
    const all = await Promise.all(waited.map((line) => this.#ask(line)))
    this.#trouble = all.map(troubleOf).find((trouble) => trouble !== undefined)
  }

  async #wait(line: Redis, state: Line): Promise<void> {
    const { next } = state
    if (next === undefined) return
    state.next = undefined
    state.isWaiting = true
    try {
      const said = await this.#ask(line)
      this.#trouble = troubleOf(said)
      if (this.#trouble === undefined) next.resolve()
      else next.reject(unknown(said))
    } catch (error) {
      next.reject(unknown({ count: 0, needed: this.#neededOn(line) }, error))
    }
    state.isWaiting = false
    // What was sent meanwhile.
    void this.#wait(line, state)
  }

  async #ask(line: Redis): Promise<Said> {
    const needed = this.#neededOn(line)
    return { count: Number(await line.call('WAIT', needed, WAIT_MS)), needed }
  }

  #neededOn(line: Redis): number {
    return this.neededBy(this.#masters.get(line))
  }

  #most(masters: readonly Master[]): ReadonlyMap<string, number> {
    return new Map(
      masters.map(({ replicationId, replicas }) => [
        replicationId,
        Math.max(replicas, this.#seen.get(replicationId) ?? 0),
      ]),
    )
  }
}

function troubleOf({ count, needed }: Said): string | undefined {
  return count >= needed ? undefined : `${count} of ${needed} replicas acknowledge what is written`
}

function unknown({ count, needed }: Said, cause?: unknown): GatewayError {
  return new GatewayError(
    'STORE_UNAVAILABLE',
    `the store cannot be used: ${count} of ${needed} replicas acknowledged within ${WAIT_MS} ms, so nobody knows whether a failover keeps it`,
    { retryAfterMs: PROBE_MS, ...(cause !== undefined && { cause }) },
  )
}
