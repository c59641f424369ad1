// The order of open work in memory: which lane's head is due, which waits for time, which is in flight. Rebuilt from `work` at open.
import { DueHeap } from './due-heap.ts'

export const WAITING = 0
export const IN_FLIGHT = 1
export const HANDED = 2
/** In memory only: in flight by its row, but its owner is gone and nobody knows how the attempt ended. */
export const ORPHANED = 3
export type State = typeof WAITING | typeof IN_FLIGHT | typeof HANDED | typeof ORPHANED

/** One open row. `due` of a handed one is the moment its holder's time is over. */
export interface Item {
  readonly id: number
  readonly lane: Lane
  readonly priority: number
  due: number
  state: State
  /** Counter of the lease it is in flight under. */
  fence: number
}

export interface Lane {
  readonly name: string
  readonly items: Item[]
  /** How many of each priority are in it. */
  readonly counts: [number, number, number, number]
  /** The ready set it is in. */
  ready: number | undefined
  /** Its one valid entry in the heap. */
  timed: number | undefined
}

export interface NewItem {
  readonly id: number
  readonly lane: string
  readonly priority: number
  readonly due: number
  readonly state: State
  readonly fence: number
}

/**
 * All lanes of one kind. A lane shows its head only; lanes are ordered by the highest priority of what is in them (SEMANTICS 27),
 * equal ones by when they became ready. Nothing here can fail, so operations change it after their last statement.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  readonly #ready = [new Set<Lane>(), new Set<Lane>(), new Set<Lane>(), new Set<Lane>()]
  readonly #timed = new DueHeap<Lane>()
  #open = 0
  #flying = 0

  /** All open rows. */
  get open(): number {
    return this.#open
  }

  /** Open rows that are not in flight. */
  get waiting(): number {
    return this.#open - this.#flying
  }

  /** Rows of one lane that wait, the one in flight not among them. */
  waitingIn(name: string): number {
    const lane = this.#lanes.get(name)
    if (lane === undefined) return 0
    return lane.items.length - (lane.items[0]?.state === IN_FLIGHT ? 1 : 0)
  }

  isIdle(name: string): boolean {
    return !this.#lanes.has(name)
  }

  items(name: string): readonly Item[] {
    return this.#lanes.get(name)?.items ?? []
  }

  add({ id, lane: name, priority, due, state, fence }: NewItem, now: number): void {
    let lane = this.#lanes.get(name)
    if (lane === undefined) {
      lane = { name, items: [], counts: [0, 0, 0, 0], ready: undefined, timed: undefined }
      this.#lanes.set(name, lane)
    }
    const level = clamp(priority)
    lane.items.push({ id, lane, priority: level, due, state, fence })
    lane.counts[level]++
    this.#open++
    if (state === IN_FLIGHT) this.#flying++
    this.#place(lane, now)
  }

  /** Ends a row. */
  remove(name: string, id: number, now: number): void {
    const lane = this.#lanes.get(name)
    const index = lane === undefined ? -1 : lane.items.findIndex((item) => item.id === id)
    const item = lane?.items[index]
    if (lane === undefined || item === undefined) return
    lane.items.splice(index, 1)
    lane.counts[clamp(item.priority)]--
    this.#open--
    if (item.state === IN_FLIGHT) this.#flying--
    this.#place(lane, now)
  }

  change(name: string, id: number, to: { state: State; due: number; fence: number; now: number }): void {
    const item = this.#lanes.get(name)?.items.find((candidate) => candidate.id === id)
    if (item === undefined) return
    this.#flying += Number(to.state === IN_FLIGHT) - Number(item.state === IN_FLIGHT)
    item.state = to.state
    item.due = to.due
    item.fence = to.fence
    this.#place(item.lane, to.now)
  }

  /** Heads in flight whose owner is gone become due. */
  orphan(isOwned: (fence: number) => boolean, now: number): void {
    for (const lane of this.#lanes.values()) {
      const head = lane.items[0]
      if (head?.state !== IN_FLIGHT || isOwned(head.fence)) continue
      head.state = ORPHANED
      head.due = now
      this.#flying--
      this.#place(lane, now)
    }
  }

  /** The heads that are due, highest lane priority first; they stay due until they are begun. */
  due(now: number, max: number): Item[] {
    this.#ripen(now)
    const found: Item[] = []
    for (let level = 3; level >= 0; level--)
      for (const lane of this.#ready[level] ?? []) {
        if (found.length >= max) return found
        const head = lane.items[0]
        if (head !== undefined) found.push(head)
      }
    return found
  }

  /** Whether a head is due that nobody has begun. */
  hasDue(now: number): boolean {
    this.#ripen(now)
    return this.#ready.some((lanes) => lanes.size > 0)
  }

  /** When the next head is due; undefined if none waits for time. Heads that are due already are not looked at. */
  nextDue(): number | undefined {
    return this.#timed.first()?.due
  }

  #ripen(now: number): void {
    for (
      let entry = this.#timed.first();
      entry !== undefined && entry.due <= now;
      entry = this.#timed.first()
    ) {
      const { lane } = entry
      this.#timed.pop()
      lane.timed = undefined
      this.#place(lane, now)
    }
  }

  #place(lane: Lane, now: number): void {
    const head = lane.items[0]
    if (head === undefined) {
      this.#leaveReady(lane)
      lane.timed = undefined
      this.#lanes.delete(lane.name)
      return
    }
    if (head.state === IN_FLIGHT) {
      this.#leaveReady(lane)
      lane.timed = undefined
      return
    }
    if (head.due > now) {
      this.#leaveReady(lane)
      if (lane.timed === head.due) return
      lane.timed = head.due
      this.#timed.push({ due: head.due, lane })
      return
    }
    lane.timed = undefined
    const level = highest(lane.counts)
    if (lane.ready === level) return
    this.#leaveReady(lane)
    lane.ready = level
    this.#ready[level]?.add(lane)
  }

  #leaveReady(lane: Lane): void {
    if (lane.ready === undefined) return
    this.#ready[lane.ready]?.delete(lane)
    lane.ready = undefined
  }
}

function clamp(priority: number): 0 | 1 | 2 | 3 {
  return priority >= 3 ? 3 : priority >= 2 ? 2 : priority >= 1 ? 1 : 0
}

function highest(counts: readonly [number, number, number, number]): 0 | 1 | 2 | 3 {
  return counts[3] > 0 ? 3 : counts[2] > 0 ? 2 : counts[1] > 0 ? 1 : 0
}
