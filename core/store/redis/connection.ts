// One connection to Redis: usable only when it is known what data is behind it, and never longer silent than a second.
import { randomBytes } from 'node:crypto'
import { Redis } from 'ioredis'
import { GatewayError } from '../../api.ts'
import type { Log } from '../../api.ts'
import { PROBE_MS } from '../figures.ts'
import type { Argument } from './arguments.ts'
import { metaKey } from './partitions.ts'
import { Cells } from './reply.ts'
import type { Cell } from './reply.ts'
import { SCRIPTS } from './scripts.ts'
import type { ScriptName } from './scripts.ts'
import { readServer } from './server.ts'
import type { ServerFacts } from './server.ts'

export interface ConnectionOptions {
  readonly url: string
  readonly prefix: string
  readonly partitions: number
  readonly log: Log | undefined
}

const COMMAND_MS = 1000
const RECONNECT_MS = 500

/** What is behind the connection, once it was asked. */
export interface Dataset {
  readonly incarnation: string
  readonly partitions: number
}

export class Connection {
  readonly #options: ConnectionOptions
  readonly #redis: Redis
  #dataset: Dataset | undefined
  #reason = 'it was not reached yet'
  #isReady = false
  /** Why the last try to connect failed. */
  #cause: Error | undefined
  #checking: NodeJS.Timeout | undefined
  readonly #changed: (dataset: Dataset | undefined, reason: string) => void

  constructor(options: ConnectionOptions, changed: (dataset: Dataset | undefined, reason: string) => void) {
    this.#options = options
    this.#changed = changed
    this.#redis = new Redis(options.url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      // What was sent and not answered is not known: only its caller may send it again, with the same id (SEMANTICS 15).
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      commandTimeout: COMMAND_MS,
      connectTimeout: COMMAND_MS,
      retryStrategy: () => RECONNECT_MS,
      // A failover leaves the old master read-only: what it answers is no reason to stay with it.
      reconnectOnError: (error) => error.message.startsWith('READONLY'),
    })
    this.#redis.on('error', (error: Error) => {
      this.#cause = error
      this.#lose(error.message)
    })
    this.#redis.on('close', () => this.#lose('the connection was closed'))
    this.#redis.on('ready', () => void this.#check())
  }

  get client(): Redis {
    return this.#redis
  }

  /** Connects and looks at the data. Rejects with `STORE_UNAVAILABLE` where that cannot be. */
  async open(): Promise<Dataset> {
    try {
      await this.#redis.connect()
      return await this.#look()
    } catch (error) {
      this.close()
      throw error instanceof GatewayError ? error : this.#unavailable(messageOf(this.#cause ?? error), error)
    }
  }

  /** What runs in it is known: connected, and its data looked at. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** For a line that is open and silent: the system would find out minutes later. */
  reconnect(): void {
    this.#redis.disconnect(true)
  }

  /** Asks the server what it is and how it is doing. */
  facts(): Promise<ServerFacts> {
    return readServer(this.#redis)
  }

  close(): void {
    clearTimeout(this.#checking)
    this.#isReady = false
    this.#reason = 'it is closed'
    this.#redis.disconnect()
  }

  /**
   * Runs one operation in one partition. Rejects with `STORE_UNAVAILABLE`: `notExecuted` where it was not sent or was refused, else
   * nobody knows whether it was carried out.
   */
  async run(name: ScriptName, partition: number, words: readonly Argument[]): Promise<Cell> {
    if (!this.#isReady) throw this.#unavailable(this.#reason, undefined, true)
    return this.#run(name, partition, words)
  }

  async #run(name: ScriptName, partition: number, words: readonly Argument[]): Promise<Cell> {
    const { sha, text } = SCRIPTS[name]
    const rest = [1, metaKey(this.#options.prefix, partition), ...words].map((word) =>
      word instanceof Uint8Array ? Buffer.from(word) : word,
    )
    try {
      return await this.#call('EVALSHA', sha, rest)
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw this.#failure(name, error)
    }
    try {
      return await this.#call('EVAL', text, rest)
    } catch (error) {
      throw this.#failure(name, error)
    }
  }

  async #call(command: string, first: string, rest: readonly (string | number | Buffer)[]): Promise<Cell> {
    const reply = await this.#redis.callBuffer(command, first, ...rest)
    return reply as Cell // what the protocol has: lists, bytes, numbers, nothing
  }

  #failure(name: ScriptName, error: unknown): GatewayError {
    const message = messageOf(error)
    if (message.startsWith('OOM')) {
      const full = 'its memory is full up to `maxmemory`'
      return this.#unavailable(full, error, true)
    }
    if (/^(?:ERR|WRONGTYPE|user_script)/u.test(message))
      return new GatewayError('INTERNAL', `the store could not carry out ${name}: ${message}`, {
        cause: error,
      })
    const isRefused = /^(?:READONLY|LOADING|MASTERDOWN|NOREPLICAS|MISCONF|NOAUTH|NOPERM|CLUSTERDOWN)/u.test(
      message,
    )
    return this.#unavailable(message, error, isRefused)
  }

  #unavailable(reason: string, cause?: unknown, notExecuted = false): GatewayError {
    return new GatewayError('STORE_UNAVAILABLE', `the store cannot be used: ${reason}`, {
      retryAfterMs: PROBE_MS,
      notExecuted,
      ...(cause !== undefined && { cause }),
    })
  }

  #lose(reason: string): void {
    if (!this.#isReady) return
    this.#isReady = false
    this.#reason = reason
    this.#options.log?.error('the store lost its Redis', { reason })
    this.#changed(undefined, reason)
  }

  /** After a reconnect, until it is known what data is there now. */
  async #check(): Promise<void> {
    if (this.#dataset === undefined) return // the first time `open` asks
    clearTimeout(this.#checking)
    try {
      await this.#look()
    } catch (error) {
      this.#reason = messageOf(error)
      this.#checking = setTimeout(() => void this.#check(), RECONNECT_MS)
    }
  }

  async #look(): Promise<Dataset> {
    const { replicationId, role } = await this.facts()
    if (role !== 'master') throw this.#unavailable(`it is a ${role}, which takes no writes`)
    const fresh = randomBytes(9).toString('base64url')
    const reply = await this.#run('dataset', 0, ['', '', replicationId, fresh, this.#options.partitions])
    const cells = new Cells(reply)
    const dataset = { incarnation: cells.text(0), partitions: cells.number(1) }
    if (cells.text(2) === 'other')
      this.#options.log?.warn('Redis is another one than before: cursors given out until now get a reset', {
        incarnation: dataset.incarnation,
      })
    const isBack = this.#dataset !== undefined
    this.#dataset = dataset
    this.#isReady = true
    if (isBack) this.#options.log?.info('the store has its Redis again', {})
    this.#changed(dataset, '')
    return dataset
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
