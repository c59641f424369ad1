// The store on Redis: each operation one Lua script in one partition. `store.ts` says what every operation promises.
import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { GatewayError, type Log } from '../api.ts'
import { CLOCK_HELD, CLOCK_HELD_MS, READ_BYTES, READ_ROWS } from './figures.ts'
import { acceptHints, handOverHints, leaseHints, settleHints, valueHints } from './hint-names.ts'
import {
  ackAnswer,
  acceptAnswer,
  claimAnswer,
  helloAnswer,
  leaseAnswer,
  readAnswer,
  settleAnswer,
  takeAnswer,
  valueAnswer,
} from './redis/answers.ts'
import {
  acceptArguments,
  claimArguments,
  deviceName,
  readArguments,
  settleArguments,
  takeArguments,
  valueArguments,
  type Argument,
} from './redis/arguments.ts'
import { Bus } from './redis/bus.ts'
import { Caller, statusOf } from './redis/caller.ts'
import type { TlsFiles } from './redis/clients.ts'
import { Connection } from './redis/connection.ts'
import type { Dataset } from './redis/dataset.ts'
import { findOver } from './redis/finding.ts'
import type { Memory } from './redis/health.ts'
import { Names } from './redis/names.ts'
import { PARTITIONS, partitionOf, partitionOfLease } from './redis/partitions.ts'
import { Pulse } from './redis/pulse.ts'
import { Cells, nonsense, type Cell } from './redis/reply.ts'
import type { ServerFacts } from './redis/server.ts'
import { ServerClock } from './redis/server-clock.ts'
import { sharedOver } from './redis/shared.ts'
import type { Shared } from './redis/shared.ts'
import { Trimming } from './redis/trimming.ts'
import {
  acceptResult,
  claimResult,
  readResult,
  settleResult,
  takeResult,
  valueResult,
} from './codec/decode.ts'
import type {
  Accept,
  AcceptResult,
  Ack,
  AckResult,
  Claim,
  ClaimResult,
  Find,
  HandOver,
  HandOverResult,
  Health,
  Hello,
  HelloResult,
  Lease,
  LeaseResult,
  Read,
  ReadResult,
  Row,
  Settle,
  SettleResult,
  Store,
  Take,
  TakeResult,
  Trim,
  TrimResult,
  ValueOp,
  ValueResult,
  Watch,
} from './store.ts'

export interface RedisOptions {
  /** One server, a master that Sentinels know, or a cluster: `addressOf` says in which form. */
  readonly url: string
  readonly tls?: TlsFiles | undefined
  /** Who asks the Sentinels, where they want to know. */
  readonly sentinel?: { readonly user?: string; readonly password?: string } | undefined
  /** What all keys begin with. Without braces, which mean something to Redis Cluster. */
  readonly prefix?: string
  /** How many partitions the data is made with, if it is not made yet; 256. */
  readonly partitions?: number
  /** `strict`: an acknowledged message survives a power loss and a failover, or the start is refused and later what writes. */
  readonly durability?: 'strict' | 'any'
  /** How many replicas must have a write before it is acknowledged; by default none, under `strict` all there were. */
  readonly replicas?: number | undefined
  /** What retention keeps: more than there is memory for is warned of. */
  readonly retentionBytes?: number | undefined
  /** As in the embedded store, in all partitions. */
  readonly confirmClockJump?: boolean | undefined
  readonly log?: Log
  readonly hooks?: RedisHooks
}

/** For tests alone. */
export interface RedisHooks {
  /** Both clocks, in milliseconds: the wall's stands for the server's. */
  readonly clock?: { readonly wall: () => number; readonly monotonic: () => number }
  /** As in the embedded store; what is written before the commit does not exist here, so it is as `begin`. */
  readonly crash?: string
  /** What the server says of its memory. */
  readonly memory?: () => Memory | undefined
}

const MESSAGES_KNOWN = 50_000

/**
 * Opens the store. Rejects with `STORE_UNAVAILABLE` where Redis is not reached or takes no writes, and where it would throw
 * messages away: with an evicting `maxmemory-policy` always, under `strict` with less than `appendfsync always` or with replicas that
 * need not acknowledge.
 */
export async function openRedisStore(options: RedisOptions): Promise<Store & { readonly shared: Shared }> {
  const store = new RedisStore(options)
  await store.open(options)
  return store
}

class RedisStore implements Store {
  readonly shared: Shared
  readonly #connection: Connection
  readonly #caller: Caller
  readonly #clock: ServerClock
  readonly #pulse: Pulse
  readonly #names: Names
  readonly #bus: Bus
  /** Where messages lie that were accepted here of late: most that are asked for are. */
  readonly #placed = new LRUCache<string, number>({ max: MESSAGES_KNOWN })
  readonly #trimming: Trimming
  /** What is let go when the store is closed, so that nobody waits for it. */
  readonly #leases = new Map<string, string>()
  #partitions: number
  #incarnation = ''

  constructor(options: RedisOptions) {
    const { url, tls, sentinel, prefix = 'dragoman:', partitions = PARTITIONS, log, hooks } = options
    const { durability = 'any', replicas = durability === 'strict' ? undefined : 0, retentionBytes } = options
    this.#partitions = partitions
    const { clock, crash } = hooks ?? {}
    this.#clock = new ServerClock(log, clock?.wall)
    const watched = { log, clock: this.#clock, memory: hooks?.memory }
    this.#pulse = new Pulse({ ...watched, durability, retentionBytes, onBack: () => this.#bus.wake() })
    const weigh = async (connection: Connection, facts: ServerFacts): Promise<void> => {
      await this.#pulse.weigh(connection, facts)
    }
    const to = { url, tls, sentinel, prefix, partitions, replicas, weigh, log }
    this.#connection = new Connection(to, (dataset, reason) => {
      if (dataset === undefined) this.#pulse.lost(reason)
      else this.#found(dataset)
    })
    this.#caller = new Caller({ connection: this.#connection, pulse: this.#pulse, clock, crash })
    const count = (): number => this.#partitions
    this.#names = new Names(this.#caller, count)
    this.#trimming = new Trimming(this.#caller)
    this.#bus = new Bus(this.#connection.client, prefix, log)
    this.shared = sharedOver(this.#caller, { pulse: this.#pulse, broadcast: this.#bus, partitions: count })
  }

  async open({ confirmClockJump, log }: RedisOptions): Promise<void> {
    const { heldMs } = await this.#connection.open()
    try {
      await this.#pulse.requireDurability(this.#connection)
      const all = Array.from({ length: this.#partitions }, (_, partition) => partition)
      if (confirmClockJump === true) await Promise.all(all.map((one) => this.#caller.run('clock', one, [])))
      else if (heldMs > CLOCK_HELD_MS) log?.warn(CLOCK_HELD, { heldMs })
      await this.#bus.open()
    } catch (error) {
      this.#close()
      throw error instanceof GatewayError ? error : this.#connection.unavailable(error)
    }
    this.#pulse.start(this.#connection)
  }

  get partitions(): number {
    return this.#partitions
  }

  get incarnation(): string {
    return this.#incarnation
  }

  partitionOf(home: string): number {
    return partitionOf(home, this.#partitions)
  }

  now(): number {
    return this.#clock.now
  }

  health(): Health {
    return this.#pulse.health
  }

  async accept(accept: Accept): Promise<AcceptResult> {
    const { home, conversation } = accept
    const partition = this.partitionOf(home)
    const ask = (isRegistered: boolean): Promise<Cell> => {
      const isPressed = this.#pulse.isPressed
      return this.#caller.run(
        'accept',
        partition,
        acceptArguments(accept, { partition, isRegistered, isPressed }),
      )
    }
    let reply = await ask(this.#names.isSettled(conversation, home))
    if (isAsking(reply)) {
      if ((await this.#names.bind(conversation, home)) !== home)
        return this.#caller.done('accept', { status: 'forbidden' })
      reply = await ask(true)
    }
    if (new Cells(reply).text(0) === 'pressed') throw this.#pulse.noRoom()
    const answer = acceptAnswer(reply, conversation)
    if (Array.isArray(answer)) {
      this.#placed.set(accept.message.id, partition)
      const { fence, ...unfenced } = accept
      const isOthers = fence !== undefined && new Cells(reply).flag(5)
      this.#bus.hint(acceptHints(isOthers ? unfenced : accept, partition))
    }
    const result = acceptResult(answer)
    if (result.status === 'duplicate') this.#placed.set(result.id, partition)
    return this.#caller.done('accept', result)
  }

  async claim(claim: Claim): Promise<ClaimResult> {
    const partition = this.partitionOf(claim.home)
    const reply = await this.#caller.run('claim', partition, claimArguments(claim, this.#pulse.isPressed))
    const status = new Cells(reply).text(0)
    if (status === 'pressed') throw this.#pulse.noRoom()
    if (status === 'fenced') throw claimFenced(claim.id)
    const result = claimResult(claimAnswer(reply))
    if ('id' in result) this.#placed.set(result.id, partition)
    return this.#caller.done('claim', result)
  }

  async take(take: Take): Promise<TakeResult> {
    const result = takeResult(takeAnswer(await this.#caller.run('take', take.partition, takeArguments(take))))
    return this.#caller.done('take', result)
  }

  async settle(settle: Settle): Promise<SettleResult> {
    const { home } = settle
    const partition = this.partitionOf(home)
    const named = settle.conversation ?? settle.replies[0]?.conversation
    const ask = (isRegistered: boolean, tombstone?: string): Promise<Cell> =>
      this.#caller.run('settle', partition, settleArguments(settle, { partition, isRegistered, tombstone }))
    let reply = await ask(named === undefined || this.#names.isSettled(named, home))
    if (isAsking(reply)) {
      const conversation = new Cells(reply).text(1)
      if ((await this.#names.bind(conversation, home)) !== home)
        throw new GatewayError('FORBIDDEN', `conversation "${conversation}" belongs to another customer`)
      reply = await ask(true)
    }
    if (statusOf(reply) === 'bury')
      reply = await ask(true, await this.#tombstone(partition, new Cells(reply).text(1)))
    const answer = settleAnswer(reply)
    this.#bus.hint(settleHints(settle, partition))
    return this.#caller.done('settle', settleResult(answer))
  }

  async handOver(handOver: HandOver): Promise<HandOverResult> {
    const partition = this.partitionOf(handOver.home)
    const { replyId, by, to } = handOver
    const reply = await this.#caller.run('handOver', partition, [replyId, by, to])
    const status = String(reply)
    if (status !== 'ok' && status !== 'pushed' && status !== 'other')
      throw nonsense('ok, pushed or other', reply)
    this.#bus.hint(handOverHints(handOver, partition))
    return this.#caller.done('handOver', { status })
  }

  async hello(hello: Hello): Promise<HelloResult> {
    const { home, first, epoch, offset } = hello
    const words = [home, deviceName(hello), first, epoch, offset, this.#incarnation]
    return this.#caller.done(
      'hello',
      helloAnswer(await this.#caller.run('hello', this.partitionOf(home), words)),
    )
  }

  async ack(ack: Ack): Promise<AckResult> {
    const { home, first, epoch, offset } = ack
    const words = [home, deviceName(ack), epoch, offset, first ?? '', this.#incarnation]
    return this.#caller.done('ack', ackAnswer(await this.#caller.run('ack', this.partitionOf(home), words)))
  }

  async read(read: Read): Promise<ReadResult> {
    const { home, log } = read
    const conversation = 'inbox' in log ? undefined : log.conversation
    const ask = (isRegistered: boolean): Promise<Cell> => {
      const limit = Math.max(0, Math.min(Math.floor(read.limit), READ_ROWS))
      const asking = { incarnation: this.#incarnation, isRegistered, limit, bytes: READ_BYTES }
      return this.#caller.run('read', this.partitionOf(home), readArguments(read, asking))
    }
    let reply = await ask(conversation === undefined || this.#names.isSettled(conversation, home))
    let owner: string | undefined = home
    if (isAsking(reply) && conversation !== undefined) {
      owner = await this.#names.ownerOf(conversation)
      reply = await ask(true)
    }
    if (new Cells(reply).text(0) === 'forbidden' || (owner !== undefined && owner !== home))
      throw new GatewayError('FORBIDDEN', `conversation "${conversation ?? ''}" belongs to another customer`)
    return this.#caller.done('read', readResult(readAnswer(reply, conversation === undefined)))
  }

  watch(names: readonly string[]): Watch {
    return this.#bus.watch(names)
  }

  async lease(lease: Lease): Promise<LeaseResult> {
    const { name, owner, ttlMs, release } = lease
    const partition = partitionOfLease(name, this.#partitions)
    const random = randomUUID() // out of a store of random bytes: each renewal asks for one
    const words = [name, owner, ttlMs, release === true ? '1' : '0', random, `partition/${partition}`]
    const result = leaseAnswer(await this.#caller.run('lease', partition, words))
    if (result.status === 'held') this.#leases.set(name, owner)
    else this.#leases.delete(name)
    this.#bus.hint(leaseHints(lease))
    return this.#caller.done('lease', result)
  }

  async value(value: ValueOp): Promise<ValueResult> {
    const partition = partitionOf(value.key, this.#partitions)
    const reply = await this.#caller.run('value', partition, valueArguments(value))
    const result = valueResult(valueAnswer(reply))
    this.#bus.hint(valueHints(value, result.status === 'ok'))
    return this.#caller.done('value', result)
  }

  async find(find: Find): Promise<readonly Row[]> {
    const run = (partition: number, words: readonly Argument[]): Promise<Cell> =>
      this.#caller.run('find', partition, words)
    return findOver(find, { run, partitions: this.#partitions, placed: (id) => this.#placed.get(id) })
  }

  async trim(trim: Trim): Promise<TrimResult> {
    return this.#caller.done('trim', await this.#trimming.trim(trim, this.#partitions))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#pulse.stop()
    const release = [...this.#leases].map(([name, owner]) =>
      this.lease({ name, owner, ttlMs: 0, release: true }),
    )
    await Promise.allSettled(release) // what cannot be let go runs out
    this.#close()
  }

  #close(): void {
    this.#pulse.stop()
    this.#bus.close()
    this.#connection.close()
  }

  #found({ incarnation, partitions }: Dataset): void {
    if (incarnation !== this.#incarnation) {
      this.#names.forget()
      this.#caller.forget()
      this.#bus.wake() // what this process keeps in it may be gone
    }
    this.#incarnation = incarnation
    this.#partitions = partitions
    this.#pulse.found()
  }

  async #tombstone(partition: number, id: string): Promise<string | undefined> {
    const run = (_partition: number, words: readonly Argument[]): Promise<Cell> =>
      this.#caller.run('find', partition, words)
    const rows = await findOver({ by: 'id', id }, { run, partitions: 1, placed: () => undefined })
    const own = rows.find((row) => row.row === 'message' && row.message.id === id)
    if (own?.row !== 'message') return undefined
    const {
      parts: _,
      data: _data,
      metadata: _metadata,
      replyContext: _context,
      sequence: _n,
      ...rest
    } = own.message
    return JSON.stringify({ ...rest, gone: 'expired' })
  }
}

function claimFenced(id: string): GatewayError {
  return new GatewayError('STORE_UNAVAILABLE', `the lease under which "${id}" was to begin is gone`, {
    notExecuted: true,
    retryAfterMs: 500,
  })
}

function isAsking(reply: Cell): boolean {
  return statusOf(reply) === 'ask'
}
