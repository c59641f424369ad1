// The partitions this process holds: leased, renewed, shared out among the instances, and let go when nobody here uses them.
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import { askInTurns, Held, holds, isLapsed, newLease, release } from './lease.ts'
import type { Hold, Lease } from './lease.ts'
import { createRoster, ROSTER_KEY } from './roster.ts'
import type { Member, Roster } from './roster.ts'
import { shareOf, surplusOf } from './shares.ts'
import { partitionLease } from '../store/figures.ts'
import type { Store, Watch } from '../store/store.ts'

export interface PartitionLeasesOptions {
  readonly store: Store
  /** This process among the instances. */
  readonly owner: string
  readonly log: Log
  /** Held since now, or work may wait in it that this process has not seen. */
  readonly onWork: (partition: number) => void
}

const LEASE_MS = 8000
const RENEW_MS = 2000
/** What was let go is for who has too little; after this for whoever is there. */
const LEFT_MS = 2000
/** What was given away is counted there by then. */
const SHARE_MS = 3000
/** So long nothing new begins in a partition that is to be given away. */
const LEAVING_MS = 3000
/** Hints may be lost: a holder beside others looks for work in each of his partitions once in so many renewals. */
const LOOK_EVERY = 5
/** A lease of this process' own for calls is kept for a while after the last. */
const IDLE_MS = 30_000
const RETRY_MS = 500

interface Partition extends Lease {
  readonly number: number
  /** Nothing new begins; let go with its last user. */
  isLeaving: boolean
  leavingSince: number
  /** Not to be asked for before. */
  askAt: number
  /** Somebody has let it go. */
  isFreed: boolean
}

interface OwnLease extends Lease {
  usedAt: number
  asking: Promise<string | undefined> | undefined
}

export class PartitionLeases {
  readonly #options: PartitionLeasesOptions
  readonly #partitions: readonly Partition[]
  /** Below partitions of others, for calls that are claimed here. */
  readonly #own = new Map<number, OwnLease>()
  /** Absent where there is nothing to share out. */
  readonly #roster: Roster | undefined
  #watch: Watch | undefined
  #renewal: NodeJS.Timeout | undefined
  #asking: NodeJS.Timeout | undefined
  #tending: Promise<void> | undefined
  #renewals = 0
  #others = ''
  #sharedAt = -SHARE_MS
  #isStopped = false

  constructor(options: PartitionLeasesOptions) {
    const { store, owner } = options
    this.#options = options
    this.#partitions = Array.from({ length: store.partitions }, (_, number) => ({
      ...newLease(partitionLease(number)),
      number,
      isLeaving: false,
      leavingSince: 0,
      askAt: 0,
      isFreed: false,
    }))
    if (store.partitions > 1)
      this.#roster = createRoster({ store, instance: owner, goneMs: LEASE_MS + RENEW_MS })
  }

  /** Takes what is free. */
  async start(): Promise<void> {
    const { store } = this.#options
    const names = this.#partitions.flatMap(({ number, name }) => [`partition:${number}`, `lease:${name}`])
    this.#watch = store.watch([...names, `value:${ROSTER_KEY}`])
    void this.#listen(this.#watch)
    await this.#tend()
    this.#renew()
  }

  /** Undefined: another instance has it, or this one gives it away, or will not have it for long enough (SEMANTICS 20). */
  hold(number: number): Hold | undefined {
    const partition = this.#partitions[number]
    if (partition === undefined || partition.isLeaving || !holds(partition)) return undefined
    return this.#held(partition)
  }

  /** Also while it is to be given away: to end what was begun, not to begin anything. */
  ownHold(number: number): Hold | undefined {
    const partition = this.#partitions[number]
    return partition !== undefined && holds(partition) ? this.#held(partition) : undefined
  }

  /** Whether it is known of each partition whose it is: one that lapsed may go on under its fence, with what is in flight there. */
  get isKnown(): boolean {
    return !this.#partitions.some(isLapsed)
  }

  /** Something that was begun under the partition's fence is at work. */
  occupy(number: number): Disposable {
    const partition = this.#partitions[number]
    if (partition === undefined) throw new GatewayError('INTERNAL', `there is no partition ${number}`)
    partition.users++
    return { [Symbol.dispose]: () => this.#left(partition) }
  }

  /** Of whoever the partition is: a call is claimed by the instance that makes it. Throws `STORE_UNAVAILABLE`. */
  async forCall(number: number): Promise<Hold> {
    const held = this.hold(number)
    if (held !== undefined) return held
    const { owner } = this.#options
    const own = this.#own.get(number) ?? {
      ...newLease(`${partitionLease(number)}/calls/${owner}`),
      usedAt: 0,
      asking: undefined,
    }
    this.#own.set(number, own)
    own.usedAt = performance.now()
    if (!holds(own)) {
      own.asking ??= this.#ask(own).finally(() => (own.asking = undefined))
      await own.asking
    }
    if (!holds(own))
      throw new GatewayError('STORE_UNAVAILABLE', 'the lease for a call could not be had; try again', {
        retryAfterMs: RETRY_MS,
        notExecuted: true,
      })
    return this.#held(own)
  }

  /** The store has said so; it may be that nobody else has it, and the same fence goes on. */
  lost(number: number): void {
    const partition = this.#partitions[number]
    if (partition !== undefined) partition.heldUntil = 0
  }

  get held(): number {
    return this.#partitions.filter(holds).length
  }

  /** Gives everything back: what is not in use at once, the rest, which is renewed until then, with its last user. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#renewal?.unref()
    clearTimeout(this.#asking)
    this.#watch?.close()
    await this.#tending
    const free = this.#partitions.filter((partition) => {
      partition.isLeaving = true
      return partition.users === 0 && partition.fence !== undefined
    })
    // First, so that the others take at once what is let go.
    await this.#leaveRoster()
    await Promise.all(free.map((partition) => this.#letGo(partition)))
  }

  async #leaveRoster(): Promise<void> {
    try {
      await this.#roster?.leave()
    } catch (error) {
      this.#options.log.debug('the others were not told of the end', { error })
    }
  }

  #held(from: Lease): Hold {
    const { fence } = from
    if (fence === undefined) throw new GatewayError('INTERNAL', `${from.name} is not held`)
    if (this.#isStopped) this.#renew()
    return new Held(from, fence, this.#left)
  }

  readonly #left = (from: Lease): void => {
    from.users--
    if (from.users === 0 && isPartition(from) && from.isLeaving) void this.#letGo(from)
  }

  async #listen(watch: Watch): Promise<void> {
    for await (const name of watch) {
      if (name.startsWith('value:')) void this.#tend()
      else if (name.startsWith('partition:')) this.#options.onWork(Number(name.slice('partition:'.length)))
      else this.#freed(name.slice('lease:'.length))
    }
  }

  /** Who has too little asks at once, the others when nobody wanted it. */
  #freed(name: string): void {
    const partition = this.#partitions.find((one) => one.name === name)
    if (partition === undefined || partition.fence !== undefined) return
    partition.isFreed = true
    partition.askAt = performance.now() + (this.#wanted() > 0 ? 0 : LEFT_MS)
    this.#askSoon()
  }

  #wanted(): number {
    const { owner, store } = this.#options
    return shareOf(owner, this.#roster?.members() ?? [], store.partitions) - this.held
  }

  /** Renews, takes what is free, sees who else lives, and lets go what is theirs. One at a time. */
  #tend(): Promise<void> {
    if (this.#isStopped) return this.#renewUsed()
    this.#tending ??= this.#tendOnce().finally(() => (this.#tending = undefined))
    return this.#tending
  }

  #renew(): void {
    this.#renewal ??= setInterval(() => void this.#tend(), RENEW_MS)
    if (this.#isStopped) this.#renewal.unref()
  }

  /** At the end: a step that takes its time must not be taken for an orphan by who comes next. */
  async #renewUsed(): Promise<void> {
    const used = [...this.#partitions, ...this.#own.values()].filter(
      ({ users, fence }) => users > 0 && fence !== undefined,
    )
    if (used.length === 0) {
      clearInterval(this.#renewal)
      this.#renewal = undefined
    }
    await Promise.all(used.map((one) => this.#ask(one)))
  }

  async #tendOnce(): Promise<void> {
    const now = performance.now()
    this.#dropIdle(now)
    this.#keepBusy(now)
    const asked = this.#partitions.filter((one) => isDue(one, now))
    const { failed, reason } = await this.#askAll([...asked, ...this.#own.values()])
    // All for one reason, mostly: a store that is away, and then one line says it for all partitions.
    if (failed > 0)
      this.#options.log.warn('partition leases could not be renewed', { partitions: failed, error: reason })
    else await this.#shareOut()
    this.#askSoon()
    this.#renewals++
  }

  async #shareOut(): Promise<void> {
    if (this.#roster === undefined) return
    const { log, onWork } = this.#options
    try {
      await this.#roster.beat(this.held)
    } catch (error) {
      log.warn('the other instances cannot be seen', { error: GatewayError.from(error).message })
      return
    }
    const members = this.#roster.members()
    const others = members.map(({ instance }) => instance).join(' ')
    const hasChanged = others !== this.#others
    if (hasChanged) log.info('instances', { living: members.length, share: this.#wanted() + this.held })
    this.#others = others
    // What somebody let go before it was known that he leaves.
    if (hasChanged && this.#wanted() > 0)
      for (const partition of this.#partitions) if (partition.isFreed) partition.askAt = 0
    // Who is gone left calls behind that nobody else looks for; and hints may be lost.
    if (members.length > 1 || hasChanged)
      for (const { number, fence } of this.#partitions)
        if (fence !== undefined && (hasChanged || number % LOOK_EVERY === this.#renewals % LOOK_EVERY))
          onWork(number)
    this.#giveAway(members)
  }

  /** Those nobody uses first; the others with their last user. */
  #giveAway(members: readonly Member[]): void {
    const { owner, store } = this.#options
    const now = performance.now()
    if (now - this.#sharedAt < SHARE_MS) return
    const leaving = this.#partitions.filter(({ isLeaving }) => isLeaving).length
    let surplus = surplusOf({ instance: owner, held: this.held }, members, store.partitions) - leaving
    for (const partition of this.#partitions.toSorted(
      (a, b) => a.users - b.users || a.leavingSince - b.leavingSince,
    )) {
      if (surplus <= 0) break
      if (partition.fence === undefined || partition.isLeaving) continue
      surplus--
      this.#sharedAt = now
      partition.isLeaving = true
      partition.leavingSince = now
      if (partition.users === 0) void this.#letGo(partition)
    }
  }

  /** When the first of the others' leases could be free. */
  #askSoon(): void {
    clearTimeout(this.#asking)
    if (this.#isStopped) return
    const now = performance.now()
    const next = Math.min(
      ...this.#partitions.map(({ fence, askAt }) => (fence === undefined ? askAt : Infinity)),
    )
    if (next === Infinity) return
    this.#asking = setTimeout(() => void this.#askFree(), Math.max(0, next - now))
  }

  async #askFree(): Promise<void> {
    const now = performance.now()
    const due = this.#partitions.filter(({ fence, askAt }) => fence === undefined && askAt <= now)
    const before = this.held
    await this.#askAll(due)
    // Who gives away is to know at once that it was enough.
    if (this.held > before) void this.#tend()
    this.#askSoon()
  }

  #askAll(leases: readonly Lease[]): ReturnType<typeof askInTurns> {
    return askInTurns(leases, async (one) => {
      // Looked at again: what was let go since the turns began is for the others.
      if (this.#isStopped || (isPartition(one) && !isDue(one, performance.now()))) return undefined
      return this.#ask(one)
    })
  }

  /** Acquires or renews it. Why not; undefined if the store has answered. */
  async #ask(one: Lease): Promise<string | undefined> {
    const { store, owner, onWork } = this.#options
    const begun = performance.now()
    const { turn } = one
    const hadLapsed = !holds(one)
    if (isPartition(one)) {
      one.askAt = begun + RETRY_MS
      one.isFreed = false
    }
    try {
      const answer = await store.lease({ name: one.name, owner, ttlMs: LEASE_MS })
      if (turn !== one.turn) return undefined
      if (answer.status !== 'held') {
        release(one)
        if (isPartition(one) && answer.status === 'busy') one.askAt = begun + answer.remainingMs
        return undefined
      }
      const isFresh = one.fence?.counter !== answer.fence.counter || one.fence.random !== answer.fence.random
      one.fence = answer.fence
      one.heldUntil = begun + answer.remainingMs
      if (!isPartition(one)) return undefined
      if (this.#isStopped) one.isLeaving = true
      else if (isFresh || hadLapsed) {
        // What was poked while nothing could be begun waits for this.
        if (isFresh) one.isLeaving = false
        onWork(one.number)
      }
      if (one.isLeaving && one.users === 0) void this.#letGo(one)
      return undefined
    } catch (error) {
      return GatewayError.from(error).message
    }
  }

  async #letGo(one: Lease): Promise<void> {
    const { store, owner, log } = this.#options
    release(one)
    one.turn++
    if (isPartition(one)) {
      one.isLeaving = this.#isStopped
      one.askAt = performance.now() + LEFT_MS
    }
    try {
      await store.lease({ name: one.name, owner, ttlMs: 0, release: true })
    } catch (error) {
      log.debug('a lease runs out by itself', { name: one.name, error: GatewayError.from(error).message })
    }
  }

  /** A long step must not stop the other lanes of its partition: another one is given away instead. */
  #keepBusy(now: number): void {
    for (const partition of this.#partitions) {
      if (!partition.isLeaving || now - partition.leavingSince < LEAVING_MS) continue
      partition.isLeaving = false
      this.#options.onWork(partition.number)
    }
  }

  #dropIdle(now: number): void {
    for (const [number, own] of this.#own) {
      if (own.users > 0 || now - own.usedAt < IDLE_MS) continue
      this.#own.delete(number)
      void this.#letGo(own)
    }
  }
}

/** To be renewed, or to be asked for by now. */
function isDue({ fence, askAt }: Partition, now: number): boolean {
  return fence !== undefined || askAt <= now
}

function isPartition(one: Lease): one is Partition {
  return 'number' in one
}
