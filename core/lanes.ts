// The lanes' engine: holds partitions by lease, takes due work from the store, runs it, never two steps of one lane at once.
import { GatewayError } from './api.ts'
import type { Log, Priority } from './api.ts'
import type { Normalised } from './normalise.ts'
import type { Fence, Store, Work, WorkKind } from './store/store.ts'

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
const LEASE_MS = 10_000
const RENEW_MS = 3000
const RETRY_MS = 500
/** By so much the lease must outlast the moment at which a step begins. */
const MARGIN_MS = 2000

interface Partition {
  readonly number: number
  fence: Fence | undefined
  /** Monotonic moment at which the lease ends by this process' own clock. */
  heldUntil: number
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
  /** What the takes under way may bring. */
  #reserved = 0
  #renewal: NodeJS.Timeout | undefined
  #stopped = false

  constructor(options: LanesOptions) {
    this.#options = options
    this.#partitions = Array.from({ length: options.store.partitions }, (_, number) => ({
      number,
      fence: undefined,
      heldUntil: 0,
      dirty: true,
      pumping: false,
      wake: undefined,
    }))
  }

  /** Takes the leases and what an earlier life left behind. */
  async start(): Promise<void> {
    await this.#renewAll()
    this.#renewal = setInterval(() => void this.#renewAll(), RENEW_MS)
  }

  /** The fence to accept under, if an idle lane's step may begin here and now. */
  fence(home: string): Fence | undefined {
    if (this.#stopped || this.#inFlight.size >= this.#options.maxInFlight) return undefined
    const partition = this.#partitions[this.#options.store.partitionOf(home)]
    return partition !== undefined && holds(partition) ? partition.fence : undefined
  }

  /** The partition's fence whatever the load, for what must be settled or claimed by its owner. Throws `STORE_UNAVAILABLE`. */
  ownFence(home: string): Fence {
    const partition = this.#partitions[this.#options.store.partitionOf(home)]
    if (partition?.fence !== undefined && holds(partition)) return partition.fence
    throw new GatewayError('STORE_UNAVAILABLE', 'this instance does not hold the lease it needs; try again', {
      retryAfterMs: RETRY_MS,
      notExecuted: true,
    })
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
    const running = this.#options.run(work, fence).finally(() => {
      this.#running.delete(key)
      this.#inFlight.delete(running)
      const partition = this.#partitions[this.#options.store.partitionOf(work.home)]
      if (partition?.dirty === true) this.#crowded.add(partition)
      this.#pumpCrowded()
    })
    this.#inFlight.add(running)
  }

  /** Something waits that this process did not begin. */
  poke(home: string): void {
    const partition = this.#partitions[this.#options.store.partitionOf(home)]
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
    clearInterval(this.#renewal)
    for (const partition of this.#partitions) clearTimeout(partition.wake)
    const end = performance.now() + deadlineMs
    const deadline = Promise.withResolvers<void>()
    const timer = setTimeout(deadline.resolve, deadlineMs)
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

  async #renewAll(): Promise<void> {
    const errors = await Promise.all(this.#partitions.map((partition) => this.#renew(partition)))
    const failed = errors.filter((error) => error !== undefined)
    // All for one reason, mostly: a store that is away, and then one line says it for all partitions.
    if (failed.length > 0)
      this.#options.log.warn('partition leases could not be renewed', {
        partitions: failed.length,
        error: failed[0],
      })
  }

  /** Why it could not be renewed; undefined if the store has answered. */
  async #renew(partition: Partition): Promise<string | undefined> {
    const begun = performance.now()
    try {
      const lease = await this.#options.store.lease({
        name: `partition/${partition.number}`,
        owner: this.#options.owner,
        ttlMs: LEASE_MS,
      })
      if (lease.status !== 'held') {
        release(partition)
        return undefined
      }
      const fresh = partition.fence?.counter !== lease.fence.counter
      partition.fence = lease.fence
      partition.heldUntil = begun + lease.remainingMs
      if (fresh) partition.dirty = true
      if (partition.dirty) this.#pump(partition)
      return undefined
    } catch (error) {
      return GatewayError.from(error).message
    }
  }

  #pump(partition: Partition): void {
    if (partition.pumping || this.#stopped) return
    partition.pumping = true
    const taking = this.#takeAll(partition).finally(() => this.#taking.delete(taking))
    this.#taking.add(taking)
  }

  async #takeAll(partition: Partition): Promise<void> {
    try {
      while (partition.dirty && !this.#stopped && holds(partition)) {
        if (partition.fence === undefined) return
        const max = this.#room
        if (max <= 0) {
          this.#crowded.add(partition) // the next step or take that ends pumps again
          return
        }
        if (!(await this.#takeSome(partition, partition.fence, max))) return
      }
    } finally {
      // In the same turn as the last look at `dirty`: a poke in between would be nobody's.
      partition.pumping = false
      this.#pumpCrowded()
    }
  }

  get #room(): number {
    return this.#options.maxInFlight - this.#inFlight.size - this.#reserved
  }

  #pumpCrowded(): void {
    const [next] = this.#crowded
    if (next === undefined || this.#room <= 0) return
    this.#crowded.delete(next)
    this.#pump(next)
  }

  /** False: not now; something else pumps again. */
  async #takeSome(partition: Partition, fence: Fence, max: number): Promise<boolean> {
    const { store, log } = this.#options
    partition.dirty = false
    try {
      this.#reserved += max
      const taken = await store
        .take({ partition: partition.number, fence, max, kinds: KINDS })
        .finally(() => (this.#reserved -= max))
      if (taken.status === 'fenced') {
        partition.dirty = true
        release(partition)
        return false
      }
      for (const work of taken.work) this.begin(work, fence)
      if (taken.nextDueMs !== undefined) this.#wakeIn(partition, taken.nextDueMs)
      // What is behind heads in flight is found when their settle says so.
      if (taken.work.length === max) partition.dirty = true
      return true
    } catch (error) {
      partition.dirty = true
      log.warn('due work could not be taken', { error: GatewayError.from(error).message })
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

// SEMANTICS 20: an owner begins only what the lease, by his own clock, outlasts.
function holds(partition: Partition): boolean {
  return partition.fence !== undefined && performance.now() + MARGIN_MS < partition.heldUntil
}

function release(partition: Partition): void {
  partition.fence = undefined
  partition.heldUntil = 0
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
    ownerEpoch: stored.ownerEpoch,
    heldMs: 0,
    attempts: [],
  }
}
