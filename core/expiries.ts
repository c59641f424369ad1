// What ends at a time of the clock: one look a second for all of them, and none where there are none.

/** A timer each would cost every idle link memory, and overflow beyond 24 days; a clock that jumps is followed. */
const LOOK_MS = 1000

export class Expiries<T> {
  readonly #ends = new Map<T, number>()
  readonly #end: (thing: T) => void
  readonly #now: () => number
  #looking: NodeJS.Timeout | undefined

  /** `end` is called once for each whose time has come, up to a second later; it must not throw. */
  constructor(end: (thing: T) => void, now: () => number = Date.now) {
    this.#end = end
    this.#now = now
  }

  get size(): number {
    return this.#ends.size
  }

  /** The one that was set first. */
  get oldest(): T | undefined {
    return this.#ends.keys().next().value
  }

  /** Ends it at this time, in milliseconds since the epoch, instead of one set before; undefined: never. */
  set(thing: T, at: number | undefined): void {
    if (at === undefined) {
      this.delete(thing)
      return
    }
    this.#ends.set(thing, at)
    this.#looking ??= setInterval(() => this.#look(), LOOK_MS).unref()
  }

  delete(thing: T): void {
    if (!this.#ends.delete(thing) || this.#ends.size > 0) return
    clearInterval(this.#looking)
    this.#looking = undefined
  }

  #look(): void {
    const now = this.#now()
    for (const [thing, at] of this.#ends)
      if (at <= now) {
        this.delete(thing)
        this.#end(thing)
      }
  }
}
