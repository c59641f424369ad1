// The lanes' engine: takes due work from the partitions it holds, runs it, never two steps of one lane at once.
import { getHeapStatistics } from 'node:v8'
import { GatewayError } from '../api.ts'
import type { Log, Priority } from '../api.ts'
import type { Hold } from './lease.ts'
import type { Normalised } from '../normalise.ts'
import { PartitionLeases } from './partition-leases.ts'
import { READ_BYTES } from '../store/figures.ts'
import type { Fence, Store, Work, WorkKind } from '../store/store.ts'

export interface LanesOptions {
  readonly store: Store
  /** This process among the instances. */
  readonly owner: string
  readonly log: Log
  /** One step of work, to its settle. Must not reject. */
  readonly run: (work: Work, fence: Fence) => Promise<void>
  /** Steps in flight in this process. */
  readonly maxInFlight: number
  /** A take failed, and what it may have begun is not known. */
  readonly onDoubt: () => void
}

/** As the store orders lanes (SEMANTICS 27). */
export const PRIORITIES: Readonly<Record<Priority, number>> = { low: 0, normal: 1, high: 2, urgent: 3 }

const KINDS: readonly WorkKind[] = ['message', 'push', 'claim', 'timer']
const RETRY_MS = 500
/** Where there are several partitions a take claims no more of the room: else each would wait for the one before. */
const AT_ONCE = 32
/**
 * Of steps in flight: each holds its message, and what is made of it, in memory. Beyond it nothing that waits is taken; what `accept` begins
 * is in memory already.
 */
export const BYTES_IN_FLIGHT = Math.min(
  1024 * 1024 * 1024,
  Math.max(8 * READ_BYTES, getHeapStatistics().heap_size_limit / 4),
)

interface Partition {
  readonly number: number
  /** Work may wait that this process has not seen. */
  dirty: boolean
  pumping: boolean
  wake: NodeJS.Timeout | undefined
}

/** Work is begun in two ways: `accept` begins an idle lane's head in its own step (`begin`), everything else is taken. */
export class Lanes {
  readonly #options: LanesOptions
  readonly #partitions: readonly Partition[]
  readonly #inFlight = new Set<Promise<void>>()
  readonly #running = new Set<string>()
  readonly #taking = new Set<Promise<void>>()
  /** Partitions with due work for which there was no room in flight; the longest waiting first. */
  readonly #crowded = new Set<Partition>()
  /** What the takes under way may bring, in steps and in bytes. */
  #reserved = 0
  #reservedBytes = 0
  /** Of all steps in flight. */
  #bytes = 0
  /** The log has it that takes fail: all partitions fail together mostly, again and again, for one reason. */
  #isTold = false
  readonly #leases: PartitionLeases
  #stopped = false

  constructor(options: LanesOptions) {
    this.#options = options
    this.#partitions = Array.from({ length: options.store.partitions }, (_, number) => ({
      number,
      dirty: true,
      pumping: false,
      wake: undefined,
    }))
    const { store, owner, log } = options
    this.#leases = new PartitionLeases({ store, owner, log, onWork: (number) => this.#pokeAt(number) })
  }

  /** Takes the leases and what an earlier life left behind. */
  start(): Promise<void> {
    return this.#leases.start()
  }

  /** To be held while an accept is under way, if an idle lane's step may begin with it here and now. */
  hold(home: string): Hold | undefined {
    if (this.#stopped || this.#inFlight.size >= this.#options.maxInFlight) return undefined
    return this.#leases.hold(this.#options.store.partitionOf(home))
  }

  /** The partition's own, whatever the load, for what only its holder may do. Undefined: another instance has it. */
  ownHold(home: string): Hold | undefined {
    return this.#leases.ownHold(this.#options.store.partitionOf(home))
  }

  /** Whether an `ownHold` that was refused was refused for good: the store has said who has each partition. */
  get isKnown(): boolean {
    return this.#leases.isKnown
  }

  /** To be held until a claimed call has ended, whoever has the partition. Throws `STORE_UNAVAILABLE`. */
  callHold(home: string): Promise<Hold> {
    return this.#leases.forCall(this.#options.store.partitionOf(home))
  }

  holds(partition: number): boolean {
    using hold = this.#leases.hold(partition)
    return hold !== undefined
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  isRunning(kind: WorkKind, id: string): boolean {
    return this.#running.has(`${kind}/${id}`)
  }

  /** Runs work that is begun already. */
  begin(work: Work, fence: Fence): void {
    const key = `${work.kind}/${work.id}`
    this.#running.add(key)
    const number = this.#options.store.partitionOf(work.home)
    const place = this.#leases.occupy(number)
    this.#bytes += work.bytes
    const running = this.#options.run(work, fence).finally(() => {
      this.#bytes -= work.bytes
      this.#running.delete(key)
      this.#inFlight.delete(running)
      place[Symbol.dispose]()
      const partition = this.#partitions[number]
      if (partition?.dirty === true) this.#crowded.add(partition)
      this.#pumpCrowded()
    })
    this.#inFlight.add(running)
  }

  /** Other instances run lanes, too. */
  get isShared(): boolean {
    return this.#leases.held < this.#partitions.length
  }

  /** Something waits that this process did not begin. */
  poke(home: string): void {
    this.#pokeAt(this.#options.store.partitionOf(home))
  }

  #pokeAt(number: number): void {
    const partition = this.#partitions[number]
    if (partition === undefined) return
    partition.dirty = true
    this.#pump(partition)
  }

  /**
   * Takes nothing new and waits for what runs, at most `deadlineMs`. Resolves how many steps were left behind. What an accept on its
   * way begins afterwards still runs; called again, it waits for that too.
   */
  async stop(deadlineMs: number): Promise<number> {
    this.#stopped = true
    for (const partition of this.#partitions) clearTimeout(partition.wake)
    const end = performance.now() + deadlineMs
    const deadline = Promise.withResolvers<void>()
    const timer = setTimeout(deadline.resolve, deadlineMs)
    await Promise.race([this.#leases.stop(), deadline.promise])
    let rest = this.#unfinished()
    // What is being taken is begun durably: it runs, or the next life takes it for a call that nobody saw end.
    while (rest.length > 0 && performance.now() < end) {
      await Promise.race([Promise.allSettled(rest), deadline.promise])
      rest = this.#unfinished()
    }
    clearTimeout(timer)
    return this.#inFlight.size
  }

  #unfinished(): Promise<void>[] {
    return [...this.#taking, ...this.#inFlight]
  }

  #pump(partition: Partition): void {
    if (partition.pumping || this.#stopped) return
    partition.pumping = true
    const taking = this.#takeAll(partition).finally(() => this.#taking.delete(taking))
    this.#taking.add(taking)
  }

  async #takeAll(partition: Partition): Promise<void> {
    try {
      while (partition.dirty && !this.#stopped) {
        using hold = this.#leases.hold(partition.number)
        if (hold === undefined) return
        const max = Math.min(this.#room, this.#partitions.length > 1 ? AT_ONCE : Infinity)
        if (max <= 0) {
          this.#crowded.add(partition) // the next step or take that ends pumps again
          return
        }
        if (!(await this.#takeSome(partition, hold, max))) return
      }
    } finally {
      // In the same turn as the last look at `dirty`: a poke in between would be nobody's.
      partition.pumping = false
      this.#pumpCrowded()
    }
  }

  get #room(): number {
    if (this.#bytes + this.#reservedBytes >= BYTES_IN_FLIGHT) return 0
    return this.#options.maxInFlight - this.#inFlight.size - this.#reserved
  }

  #pumpCrowded(): void {
    const [next] = this.#crowded
    if (next === undefined || this.#room <= 0) return
    this.#crowded.delete(next)
    this.#pump(next)
  }

  /** False: not now; something else pumps again. */
  async #takeSome(partition: Partition, hold: Hold, max: number): Promise<boolean> {
    const { store, log } = this.#options
    const { fence } = hold
    partition.dirty = false
    try {
      this.#reserved += max
      this.#reservedBytes += READ_BYTES
      const taken = await store
        .take({ partition: partition.number, fence, max, kinds: KINDS })
        .finally(() => {
          this.#reserved -= max
          this.#reservedBytes -= READ_BYTES
        })
      this.#isTold = false
      if (taken.status === 'fenced') {
        partition.dirty = true
        this.#leases.lost(partition.number)
        return false
      }
      // This process stood still: by now it may be begun elsewhere.
      if (taken.work.length > 0 && !hold.isLive)
        throw new GatewayError('STORE_UNAVAILABLE', 'the lease ended before the work was here')
      for (const { kind, id } of taken.lost ?? [])
        log.error('open work without its message was given up', { kind, id })
      for (const work of taken.work) this.begin(work, fence)
      if (taken.nextDueMs !== undefined) this.#wakeIn(partition, taken.nextDueMs)
      // What is behind heads in flight is found when their settle says so.
      if (taken.work.length === max || taken.nextDueMs === 0) partition.dirty = true
      return true
    } catch (error) {
      partition.dirty = true
      if (!this.#isTold) log.warn('due work could not be taken', { error: GatewayError.from(error).message })
      this.#isTold = true
      this.#options.onDoubt()
      this.#wakeIn(partition, RETRY_MS)
      return false
    }
  }

  #wakeIn(partition: Partition, ms: number): void {
    clearTimeout(partition.wake)
    if (this.#stopped) return
    partition.wake = setTimeout(
      () => {
        partition.dirty = true
        this.#pump(partition)
      },
      Math.min(ms, 60_000),
    )
  }
}

/** The step that `accept` began itself. */
export function firstStep(
  { message, raw, home }: Normalised,
  stored: { sequence: number; attempt: number; ownerEpoch: number; lane: string | undefined },
): Work {
  return {
    kind: 'message',
    id: message.id,
    home,
    lane: stored.lane ?? message.conversation,
    attempt: stored.attempt,
    poison: false,
    orphan: false,
    message: Object.freeze({ ...message, sequence: stored.sequence }),
    ...(raw !== undefined && { raw }),
    // Made of these bytes: nothing else is at hand that says how large it is.
    bytes: 2 * (raw?.bytes.byteLength ?? 0),
    ownerEpoch: stored.ownerEpoch,
    heldMs: 0,
    attempts: [],
  }
}
