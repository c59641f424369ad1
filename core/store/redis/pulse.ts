// The breaker before Redis. It opens when the line is lost or nothing is answered, refuses everything at once while it is open, and
// tries once a second with one look: whether Redis answers, how full it is, whether its replicas follow.
import { GatewayError } from '../../api.ts'
import type { Log } from '../../api.ts'
import { PROBE_MS } from '../figures.ts'
import type { Health } from '../store.ts'
import type { Connection } from './connection.ts'
import { StoreHealth, contentRoomOf, evictionOf, megabytes } from './health.ts'
import type { Memory } from './health.ts'
import { isSilence, isWriteRefusal, reasonOf, toldOf } from './refusals.ts'
import { isReading, mustBeKept } from './replicas.ts'
import type { ScriptName } from './scripts.ts'
import type { ServerClock } from './server-clock.ts'
import { durabilityOf, tooWeak } from './server.ts'
import type { ServerFacts } from './server.ts'

export interface PulseOptions {
  readonly log: Log | undefined
  readonly clock: ServerClock
  /** For tests: what the server says of its memory. */
  readonly memory: (() => Memory | undefined) | undefined
  /** `strict`: a power loss and a failover cost nothing that was acknowledged, or nothing is. */
  readonly durability: 'strict' | 'any'
  /** What retention keeps, of all partitions together; undefined: nobody trims here. */
  readonly retentionBytes: number | undefined
  /** It can be used again: what was hinted meanwhile could not be read. */
  readonly onBack: () => void
}

/** Then the line is given up: the system would find out minutes later that nobody is at its end. */
const SILENT_LOOKS = 3
/** Operations without an answer, one after the other: then nobody else is to wait for his, too. */
const SILENT_COMMANDS = 3
const SILENT = 'it does not answer'
/** A refusal that comes and goes is said no more often. */
const SAY_MS = 60_000

export class Pulse {
  readonly #options: PulseOptions
  readonly #health = new StoreHealth()
  #timer: NodeJS.Timeout | undefined
  /** Looks without an answer, one after the other. */
  #silent = 0
  /** Operations without an answer since the last answer. */
  #unanswered = 0
  /** What the settings of the server that is there now cost, where that is more than is wanted. */
  #weak: string | undefined
  #toldWeak: string | undefined
  /** What was last said of the memory. */
  #isToldPressed = false
  /** The refusal of writes that was said and is not over, and when a reason was said last. */
  #toldRefusal: string | undefined
  readonly #toldAt = new Map<string, number>()

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
    const { isLost } = this.#health
    this.#health.found()
    if (isLost) this.#options.onBack()
  }

  /**
   * Throws `STORE_UNAVAILABLE` while nothing answers, for what replicas must have while they do not acknowledge, and for what would be half
   * written while a right is missing.
   */
  requireAnswers(name: ScriptName, { replicas }: Pick<Connection, 'replicas'>): void {
    // The reason is the driver's, with the server's address: it is for health and log.
    if (this.#health.isLost) throw this.#unavailable('the store cannot be used', this.#health.reason)
    if (this.#health.lacksRights && !isReading(name))
      throw this.#unavailable(`the store cannot be written: ${this.#health.reason}`)
    if (!mustBeKept(name)) return
    const trouble = replicas.trouble ?? this.#weak
    if (trouble === undefined) return
    this.#health.unsafe(trouble)
    throw this.#unavailable(`the store cannot be written: ${trouble}`)
  }

  /** What a script that may not store anything new comes to. */
  noRoom(): GatewayError {
    if (this.#health.isFull) return this.#unavailable(`the store cannot be written: ${this.#health.reason}`)
    return new GatewayError('OVERLOADED', `nothing new is stored: ${this.#health.reason}`, {
      retryAfterMs: PROBE_MS,
      notExecuted: true,
    })
  }

  answered(): void {
    this.#unanswered = 0
  }

  /** A server has taken a write: so it takes them. */
  wrote(server: () => string): void {
    if (this.#health.refusal === undefined) return
    this.#health.wrote(server())
    this.#tellRefusal()
  }

  /** What an operation failed with, before anybody looked, and at which server. */
  saw(error: unknown, server: () => string): void {
    const { cause } = GatewayError.from(error)
    if (!(cause instanceof Error)) return
    const reason = reasonOf(cause)
    if (reason.startsWith('OOM')) {
      this.#health.sawFull()
      this.#tell()
    }
    if (isWriteRefusal(reason)) {
      this.#health.refused(server(), reason)
      this.#tellRefusal()
    }
    if (!isSilence(cause)) return
    this.#unanswered++
    if (this.#unanswered >= SILENT_COMMANDS) this.#health.lost(SILENT)
  }

  /** Says what the server's settings can cost. Throws `STORE_UNAVAILABLE` where it evicts, or where that is more than is wanted. */
  async requireDurability(connection: Connection): Promise<void> {
    const facts = await connection.facts()
    if (connection.first !== undefined) await this.#options.clock.look(connection.first)
    const eviction = evictionOf(facts)
    if (eviction !== undefined) throw new GatewayError('STORE_UNAVAILABLE', `Redis is refused: ${eviction}`)
    const says = await this.weigh(connection, facts)
    const { replicas } = connection
    this.#options.log?.info(`${facts.version}: ${says}`, {
      replicas: range(facts.masters.map((master) => master.replicas)),
      acknowledged: range(facts.masters.map(({ replicationId }) => replicas.neededBy(replicationId))),
    })
    if (this.#weak !== undefined) throw new GatewayError('STORE_UNAVAILABLE', this.#weak)
    this.#weighRetention(facts.maxMemory * connection.masters)
    this.#saw(facts)
  }

  /**
   * A failover may be to a server with other settings, and they may be changed while it runs: what is too little under `strict`, or evicts,
   * is remembered. Says what they cost.
   */
  async weigh(connection: Connection, facts: ServerFacts): Promise<string> {
    const given = durabilityOf(facts, await connection.fsync(), (id) => connection.replicas.neededBy(id))
    const weak = this.#options.durability === 'strict' ? tooWeak(given) : undefined
    this.#weak = evictionOf(facts) ?? weak
    return given.says
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
      this.#unanswered = 0
      if (connection.first !== undefined) await this.#options.clock.look(connection.first)
      this.#saw(this.#options.memory?.() ?? facts)
      if (this.#options.durability === 'any') this.#weak = evictionOf(facts)
      else if (connection.isReady) await this.weigh(connection, facts)
      this.#tellWeak()
      this.#health.unsafe(connection.replicas.trouble ?? this.#weak)
      if (connection.isReady) this.found()
      await this.#lookAtRights(connection)
    } catch (error) {
      // What is asked for meanwhile is refused at once and does not wait for the next silence.
      const told = isSilence(error) ? SILENT : toldOf(error)
      this.#health.lost(connection.isReady ? told : connection.reason)
      this.#silent++
      if (this.#silent % SILENT_LOOKS === 0) connection.reconnect()
    }
  }

  /** Only all that the scripts do shows that it is allowed again: some of it always was. */
  async #lookAtRights(connection: Connection): Promise<void> {
    if (!connection.isReady || !this.#health.lacksRights) return
    try {
      await connection.requireRights()
    } catch (error) {
      if (error instanceof GatewayError) return // it was told, and stands
      throw error
    }
    this.#health.granted()
    this.#tellRefusal()
  }

  #lookHere(): void {
    const memory = this.#options.memory?.()
    if (memory !== undefined) this.#saw(memory)
  }

  #saw(memory: Memory): void {
    this.#health.saw(memory)
    this.#tell()
  }

  /** Once each time the reserve is reached, and once when there is room again. */
  #tell(): void {
    const { isPressed, pressure: reason } = this.#health
    if (isPressed === this.#isToldPressed) return
    this.#isToldPressed = isPressed
    if (isPressed) this.#options.log?.warn('the store takes nothing new, only what drains it', { reason })
    else this.#options.log?.info('the store takes new messages again', {})
  }

  /** Once each time the settings are others that will not do, and once when they do again. */
  #tellWeak(): void {
    const reason = this.#weak
    if (reason === this.#toldWeak) return
    this.#toldWeak = reason
    if (reason === undefined) this.#options.log?.info('Redis has settings again that will do', {})
    else this.#options.log?.error('Redis is written no more for its settings', { reason })
  }

  /** Once when writes are refused, and once when that is over. */
  #tellRefusal(): void {
    const { refusal: reason } = this.#health
    const told = this.#toldRefusal
    if (reason === undefined) {
      this.#toldRefusal = undefined
      if (told !== undefined) this.#options.log?.info('Redis takes writes again', {})
      return
    }
    const now = performance.now()
    if (now - (this.#toldAt.get(reason) ?? -Infinity) < SAY_MS) return
    this.#toldAt.set(reason, now)
    this.#toldRefusal = reason
    this.#options.log?.error('Redis refuses what is written', { reason })
  }

  /** More than fits is kept until the reserve is reached, and then nothing new is taken for as long as `store.retention.age`. */
  #weighRetention(maxMemory: number): void {
    const { retentionBytes = 0, log } = this.#options
    const fits = contentRoomOf(maxMemory)
    if (maxMemory === 0 || retentionBytes <= fits) return
    log?.warn(
      'store.retention.size is more than Redis has memory for: it will be full, and refuse what is new, before the oldest goes',
      { retention: megabytes(retentionBytes), maxmemory: megabytes(maxMemory), fits: megabytes(fits) },
    )
  }

  #unavailable(message: string, why?: string): GatewayError {
    const cause = why === undefined ? undefined : new GatewayError('STORE_UNAVAILABLE', why)
    return new GatewayError('STORE_UNAVAILABLE', message, {
      retryAfterMs: PROBE_MS,
      notExecuted: true,
      cause,
    })
  }
}

/** Of several masters the fewest and the most, where they differ. */
function range(counts: readonly number[]): number | string {
  const [fewest, most] = [Math.min(...counts), Math.max(...counts)]
  return fewest === most ? fewest : `${fewest} to ${most}`
}
