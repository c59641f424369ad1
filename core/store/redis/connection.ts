// The way to Redis: usable only when it is known what data is behind it, and never longer silent than a second.
import { randomBytes } from 'node:crypto'
import { ReplyError, type Redis } from 'ioredis'
import { GatewayError } from '../../api.ts'
import type { Log } from '../../api.ts'
import { PROBE_MS, QUEUED_REQUESTS } from '../figures.ts'
import { markOf, refusalOf } from '../migrate/ends.ts'
import { sizeOf, type Argument } from './arguments.ts'
import { CLOSED, NODE_GONE, RECONNECT_MS, clientsFor, requireDatabase } from './clients.ts'
import type { Clients, ClientsOptions } from './clients.ts'
import { datasetOf, hasMark, incarnationAt, lookAtDataset, samplesOf } from './dataset.ts'
import { tellChange, tellEmptied, type Dataset, type Holder } from './dataset.ts'
import { Formers } from './formers.ts'
import { metaKey } from './partitions.ts'
import { BROKEN, ELSEWHERE, OURS, REFUSED, lineFailure, reasonOf, toldOf } from './refusals.ts'
import { Replicas } from './replicas.ts'
import { TEXT_BYTES } from './replies.ts'
import type { Cell } from './reply.ts'
import { SCRIPTS, teach, type ScriptName } from './scripts.ts'
import { readFsync, readServer, together, type Fsync, type ServerFacts } from './server.ts'
import { inOneWrite } from './turns.ts'

export interface ConnectionOptions extends ClientsOptions {
  readonly prefix: string
  readonly partitions: number
  /** How many replicas must acknowledge a write; undefined: all there were. */
  readonly replicas: number | undefined
  /** Called with what the servers say before they are used, each time they are others or were away. */
  readonly weigh: (connection: Connection, facts: ServerFacts) => Promise<void>
  readonly log: Log | undefined
}

/** On their way and not answered: beyond it nothing more is sent. */
const FLYING_BYTES = 64 * 1024 * 1024

/**
 * To one server. It reads 16 kB of a line at a time, about a dozen commands, and then writes and syncs its file once for what all lines
 * brought: with several of them more share that.
 */
const LINES = 4

const PREFIX = 'the store cannot be used: '

/** A migration's mark (`lua/guard.lua`). */
const HELD = 'HELD '

export class Connection {
  readonly #options: ConnectionOptions
  readonly #clients: Clients
  readonly replicas: Replicas
  readonly #formers = new Formers()
  #dataset: Dataset | undefined
  /** The one that was told to be gone. */
  #emptied: Dataset | undefined
  /** Partitions whose marks are looked at beside the first one's. */
  #samples: readonly number[] = []
  /** Whose data it was when it was looked at. */
  #replicationId = ''
  #reason = 'it was not reached yet'
  #isReady = false
  #isClosed = false
  /** Why the lines cannot be made; empty when all are there. */
  #cause = ''
  /** What was said in the log since it was lost. */
  readonly #said = new Set<string>()
  /** How often a line was gone. */
  #losses = 0
  #checking: NodeJS.Timeout | undefined
  #isChecking = false
  #flying = 0
  #flyingBytes = 0
  readonly #changed: (dataset: Dataset | undefined, reason: string) => void

  constructor(options: ConnectionOptions, changed: (dataset: Dataset | undefined, reason: string) => void) {
    this.#options = options
    this.#changed = changed
    this.replicas = new Replicas(options.replicas)
    const events = {
      ready: () => {
        this.#cause = ''
        void this.#check()
      },
      lost: (reason: string) => {
        this.#losses++
        const isWhyless = BROKEN.test(reason) || reason === NODE_GONE
        const isNews = reason !== CLOSED && !(isWhyless && this.#cause !== '')
        if (isNews) this.#cause = reason
        if (this.#isReady) this.#lose(reason)
        else if (isNews) this.#stillAway(reason)
      },
    }
    this.#clients = clientsFor(options, events, LINES)
  }

  /** For what belongs to no partition. */
  get client(): Redis {
    return this.#clients.client
  }

  /** Who has the first partition: one server, whoever asks. */
  get first(): Redis | undefined {
    return this.#holder(0)
  }

  /** Connects and looks at the data. Rejects with `STORE_UNAVAILABLE` where that cannot be. */
  async open(): Promise<Dataset> {
    try {
      await this.#clients.connect()
      return await this.#look()
    } catch (error) {
      this.close()
      throw error instanceof GatewayError ? error : this.unavailable(error)
    }
  }

  /** What went wrong with a line while it was made. */
  unavailable(error: unknown): GatewayError {
    return this.#unavailable(this.#cause || toldOf(error), error)
  }

  /** What runs in it is known: connected, and its data looked at. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Why it is not ready. */
  get reason(): string {
    return this.#reason
  }

  /** How many servers share the data. */
  get masters(): number {
    return this.#clients.servers().length
  }

  /** Who holds a partition, as a name that others do not have. */
  serverOf(partition: number): string {
    const { host = '', port = '' } = this.#holder(partition)?.options ?? {}
    return `${host}:${port}`
  }

  /** For a line that is open and silent: the system would find out minutes later. */
  reconnect(): void {
    this.#clients.reconnect()
  }

  /** Asks the servers what they are and how they are doing, and their replicas whether they follow. */
  async facts(): Promise<ServerFacts> {
    const facts = await this.#ask()
    this.replicas.saw(facts.masters)
    if (this.#isReady && (facts.replicationId !== this.#replicationId || facts.role !== 'master')) {
      // A failover that cut no line, or one of the cluster's.
      this.#lose('another server is behind its address')
    }
    await this.#lookForData()
    // A cluster does not say that it is whole again.
    if (!this.#isReady) void this.#check()
    await this.replicas.look(this.#clients.lines())
    return facts
  }

  /** Data that was emptied is told of once and made anew, under a new incarnation: cursors of before get a reset. Other data is gone on with. */
  async #lookForData(): Promise<void> {
    const known = this.#dataset
    const line = this.first
    if (!this.#isReady || known === undefined || line === undefined) return
    const { prefix, log } = this.#options
    const [there, ...marks] = await Promise.all([
      incarnationAt(line, prefix),
      ...this.#samples.map((partition) => hasMark(this.#holder(partition), prefix, partition)),
    ])
    const isEmptied = there === null || (there === known.incarnation && marks.includes(false))
    if (isEmptied && this.#emptied !== known) {
      this.#emptied = known
      tellEmptied(log, known)
    }
    if (!isEmptied && (there === undefined || there === known.incarnation)) return
    try {
      await this.#look()
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error // who asks is told: a migration has it, or nothing can be written
    }
  }

  async #ask(): Promise<ServerFacts> {
    const all = this.#clients.lines().map(async (line) => {
      const facts = await readServer(line)
      this.replicas.leads(line, facts.replicationId)
      return facts
    })
    return together(await Promise.all(all))
  }

  /** Rejects with `STORE_UNAVAILABLE` where a server refuses a command that the scripts use. */
  async requireRights(): Promise<void> {
    const samples = samplesOf(this.#dataset?.partitions ?? this.#options.partitions, this.#holder)
    await Promise.all(samples.map((partition) => this.#run('rights', partition, ['', ''])))
  }

  fsync(): Promise<Fsync> {
    return readFsync(this.#clients.servers())
  }

  close(): void {
    clearTimeout(this.#checking)
    this.#isClosed = true
    this.#isReady = false
    this.#reason = 'it is closed'
    this.#clients.close()
  }

  /**
   * Runs one operation in one partition. Rejects with `STORE_UNAVAILABLE`: `notExecuted` where it was not sent or was refused, else
   * nobody knows whether it was carried out, or whether a failover would keep it.
   */
  async run(name: ScriptName, partition: number, words: readonly Argument[]): Promise<Cell> {
    // Why is in health and log: the driver's words name the server's address.
    if (!this.#isReady)
      throw this.#unavailable(
        'it cannot be reached',
        new GatewayError('STORE_UNAVAILABLE', this.#reason),
        true,
      )
    if (this.#flying >= QUEUED_REQUESTS || this.#flyingBytes >= FLYING_BYTES)
      throw this.#unavailable(`${this.#flying} operations are on their way to it`, undefined, true)
    const sizes = words.map(sizeOf)
    const largest = Math.max(...sizes)
    if (largest > TEXT_BYTES)
      throw new GatewayError('TOO_LARGE', `Redis keeps texts of ${TEXT_BYTES} bytes, and this has ${largest}`)
    const bytes = sizes.reduce((sum, size) => sum + size, 0)
    this.#flying++
    this.#flyingBytes += bytes
    try {
      return await this.#run(name, partition, words)
    } finally {
      this.#flying--
      this.#flyingBytes -= bytes
    }
  }

  async #run(name: ScriptName, partition: number, words: readonly Argument[]): Promise<Cell> {
    const { sha, text } = SCRIPTS[name]
    const key = metaKey(this.#options.prefix, partition)
    const line = this.#clients.holder(key)
    if (line === undefined) {
      this.#clients.refresh()
      throw this.#unavailable(`no node of it holds partition ${partition}`, undefined, true)
    }
    const rest = [1, key, ...words].map((word) => (word instanceof Uint8Array ? Buffer.from(word) : word))
    const call = async (command: string, first: string): Promise<Cell> => {
      inOneWrite(line)
      const replying = line.callBuffer(command, first, ...rest)
      // On the same line and behind it, in the same turn: both are one round trip.
      const kept = this.replicas.isWaitedFor(name, line) ? this.replicas.haveIt(line) : undefined
      const reply = await replying
      await kept
      return reply as Cell // what the protocol has: lists, bytes, numbers, nothing
    }
    try {
      return await call('EVALSHA', sha)
    } catch (error) {
      if (!messageOf(error).startsWith('NOSCRIPT')) throw this.#failure(name, error)
    }
    try {
      return await call('EVAL', text)
    } catch (error) {
      throw this.#failure(name, error)
    }
  }

  #failure(name: ScriptName, error: unknown): GatewayError {
    if (error instanceof GatewayError) return error
    const message = reasonOf(error)
    if (message.startsWith('OOM'))
      return this.#unavailable('its memory is full up to `maxmemory`', error, true)
    const isElsewhere = ELSEWHERE.test(message)
    // A redirection from what is no cluster is nonsense, and may stand where another answer was: nobody knows what was done.
    const isNonsense = isElsewhere && this.#clients.kind !== 'cluster'
    const isRefused = REFUSED.test(message) && !isNonsense
    if (!isRefused && OURS.test(messageOf(error)))
      return new GatewayError('INTERNAL', `the store could not carry out ${name}: ${message}`, {
        cause: error,
      })
    if (isElsewhere) this.#clients.refresh()
    const mark = message.startsWith(HELD) ? markOf(message.slice(HELD.length)) : undefined
    if (mark !== undefined) return refusalOf(mark, 'the store on this Redis')
    // MOVED and ASK name a node's address.
    const told = isElsewhere ? 'another node has it now' : (lineFailure(error) ?? message.slice(0, 200))
    return this.#unavailable(told, error, isRefused)
  }

  #unavailable(reason: string, cause?: unknown, notExecuted = false): GatewayError {
    return new GatewayError('STORE_UNAVAILABLE', `${PREFIX}${reason}`, {
      retryAfterMs: PROBE_MS,
      notExecuted,
      ...(cause !== undefined && { cause }),
    })
  }

  #lose(reason: string): void {
    if (!this.#isReady) return
    this.#isReady = false
    this.#reason = reason
    this.#said.clear()
    this.#said.add(reason)
    this.#options.log?.error('the store lost its Redis', { reason })
    this.#changed(undefined, reason)
  }

  /** Why, as far as it is known by now; each reason is logged once, because lines and nodes fail in turn. */
  #stillAway(reason: string): void {
    if (this.#dataset === undefined || this.#isClosed || reason === this.#reason) return
    this.#reason = reason
    if (!this.#said.has(reason)) this.#options.log?.warn('the store has no Redis yet', { reason })
    this.#said.add(reason)
    this.#changed(undefined, reason)
  }

  /** After a reconnect, until it is known what data is there now. */
  async #check(): Promise<void> {
    if (this.#dataset === undefined || this.#isReady || this.#isClosed) return // the first time `open` asks
    if (this.#isChecking) return
    this.#isChecking = true
    clearTimeout(this.#checking)
    try {
      await this.#look()
    } catch (error) {
      // A line that is not there has told why, or will.
      const isTold = this.#cause !== '' || lineFailure(error) !== undefined
      this.#stillAway(isTold ? this.#cause || this.#reason : toldOf(error).replace(PREFIX, ''))
      this.#checking = setTimeout(() => void this.#check(), RECONNECT_MS)
    }
    this.#isChecking = false
  }

  async #look(): Promise<Dataset> {
    const { prefix, partitions } = this.#options
    const [lines, losses] = [this.#clients.lines(), this.#losses]
    this.#requireHolders()
    await Promise.all(lines.map(requireDatabase))
    const facts = await this.#ask()
    const { replicationId, role, version, needed, masters, isOne } = facts
    if (!isOne && this.#clients.kind !== 'cluster') {
      // Some went to a new master, and the old one still answers the others.
      this.#clients.reconnect()
      throw this.#unavailable('its lines lead to different servers')
    }
    if (role !== 'master') {
      this.#clients.refresh()
      throw this.#unavailable(`it is a ${role}, which takes no writes`)
    }
    if (needed !== undefined) throw this.#unavailable(`it is ${version}: ${needed}`)
    // Those that were asked are those that hold it: a cluster's nodes come and go meanwhile.
    const held = this.#clients.lines()
    if (held.length !== lines.length || held.some((line) => !lines.includes(line)))
      throw this.#unavailable('its nodes change')
    await this.#formers.end(lines)
    await Promise.all(this.#clients.servers().map(teach))
    await this.requireRights()
    const ask = async (lost?: string): Promise<Dataset> => {
      const fresh = randomBytes(9).toString('base64url')
      const words = [replicationId, fresh, partitions, lost === undefined ? '' : `+${lost}`]
      return datasetOf(await this.#run('dataset', 0, ['', '', ...words]))
    }
    const dataset = await lookAtDataset({ prefix, holder: this.#holder, ask }).catch((error: unknown) => {
      throw error instanceof ReplyError ? this.#failure('dataset', error) : error
    })
    if (replicationId !== this.#replicationId) this.replicas.countAnew(masters)
    await this.#options.weigh(this, facts)
    // A line that was made anew meanwhile may lead to a server nobody looked at.
    if (this.#losses !== losses) throw this.#unavailable('its lines change')
    this.#replicationId = replicationId
    const isBack = this.#dataset !== undefined && !this.#isReady
    const isTold = this.#emptied !== undefined && this.#emptied === this.#dataset
    if (!isTold) tellChange(this.#options.log, this.#dataset, dataset)
    this.#dataset = dataset
    this.#samples = dataset.isMarked ? samplesOf(dataset.partitions, this.#holder).slice(1) : []
    this.#isReady = !this.#isClosed
    this.#cause = ''
    if (isBack) this.#options.log?.info('the store has its Redis again', {})
    this.#changed(dataset, '')
    return dataset
  }

  readonly #holder: Holder = (partition) => this.#clients.holder(metaKey(this.#options.prefix, partition))

  /** All partitions of a cluster, or none is used. */
  #requireHolders(): void {
    const count = this.#dataset?.partitions ?? this.#options.partitions
    for (let partition = 0; partition < count; partition++) {
      if (this.#holder(partition) !== undefined) continue
      this.#clients.refresh()
      throw this.#unavailable(`no node of it holds partition ${partition}`)
    }
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
