// Looks at Redis once a second: whether it answers, how full it is; and refuses at once what cannot be done meanwhile.
import { GatewayError } from '../../api.ts'
import type { Log } from '../../api.ts'
import { PROBE_MS } from '../figures.ts'
import type { Health } from '../store.ts'
import type { Connection } from './connection.ts'
import { StoreHealth, evicts, isEvicting } from './health.ts'
import type { Memory } from './health.ts'
import { durabilityOf, readFsync } from './server.ts'

export interface PulseOptions {
  readonly log: Log | undefined
  /** For tests: what the server says of its memory. */
  readonly memory: (() => Memory | undefined) | undefined
}

/** Then the line is given up: the system would find out minutes later that nobody is at its end. */
const SILENT_LOOKS = 3

export class Pulse {
  readonly #options: PulseOptions
  readonly #health = new StoreHealth()
  #timer: NodeJS.Timeout | undefined
  /** Looks without an answer, one after the other. */
  #silent = 0

  constructor(options: PulseOptions) {
    this.#options = options
  }

  get health(): Health {
    this.#lookHere()
    return this.#health.health
  }

  /** Accept and claim are to be refused. */
  get isPressed(): boolean {
    this.#lookHere()
    return this.#health.isPressed
  }

  lost(reason: string): void {
    this.#health.lost(reason)
  }

  found(): void {
    this.#health.found()
  }

  /** Throws `STORE_UNAVAILABLE` while nothing answers. */
  requireAnswers(): void {
    if (this.#health.isLost) throw this.#unavailable(`the store cannot be used: ${this.#health.reason}`)
  }

  /** What a script that may not store anything new comes to. */
  noRoom(): GatewayError {
    if (this.#health.isFull) return this.#unavailable(`the store cannot be written: ${this.#health.reason}`)
    return new GatewayError('OVERLOADED', `nothing new is stored: ${this.#health.reason}`, {
      retryAfterMs: PROBE_MS,
      notExecuted: true,
    })
  }

  /** What an operation failed with, before anybody looked. */
  saw(error: unknown): void {
    const { cause } = GatewayError.from(error)
    if (cause instanceof Error && cause.message.startsWith('OOM')) this.#health.sawFull()
  }

  /** Says what the server's settings can cost. Throws `STORE_UNAVAILABLE` where it evicts, or under `strict` gives less. */
  async requireDurability(connection: Connection, wanted: 'strict' | 'any'): Promise<void> {
    const facts = await connection.facts()
    if (isEvicting(facts)) throw new GatewayError('STORE_UNAVAILABLE', `Redis is refused: ${evicts(facts)}`)
    const { says, isStrict } = durabilityOf(facts, await readFsync(connection.client))
    this.#options.log?.info(`Redis ${facts.version}: ${says}`, { replicas: facts.replicas })
    if (wanted === 'strict' && !isStrict)
      throw new GatewayError('STORE_UNAVAILABLE', `durability is "strict" and Redis gives less: ${says}`)
    this.#health.saw(facts)
  }

  start(connection: Connection): void {
    let looking = false
    const look = async (): Promise<void> => {
      if (looking) return
      looking = true
      await this.#look(connection)
      looking = false
    }
    this.#timer = setInterval(() => void look(), PROBE_MS)
    this.#timer.unref()
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  async #look(connection: Connection): Promise<void> {
    try {
      const facts = await connection.facts()
      this.#silent = 0
      this.#health.saw(this.#options.memory?.() ?? facts)
      if (connection.isReady) this.#health.found()
    } catch {
      // What is asked for meanwhile is refused at once and does not wait for the next silence.
      this.#health.lost('it does not answer')
      this.#silent++
      if (this.#silent % SILENT_LOOKS === 0) connection.reconnect()
    }
  }

  #lookHere(): void {
    const memory = this.#options.memory?.()
    if (memory !== undefined) this.#health.saw(memory)
  }

  #unavailable(message: string): GatewayError {
    return new GatewayError('STORE_UNAVAILABLE', message, { retryAfterMs: PROBE_MS, notExecuted: true })
  }
}
