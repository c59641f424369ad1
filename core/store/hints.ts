// Operation 9, watch: wake-ups within one process. They may be lost and repeated; whoever waits reads again (SEMANTICS 33).
import type { Watch } from './store.ts'

const AT_ONCE = 500
const PAUSE_MS = 20

/** Who watches what. Costs a look at an empty map while nobody does. */
export class Hints {
  /** Most names have one who watches. */
  readonly #watching = new Map<string, Watching | Set<Watching>>()

  watch(names: readonly string[]): Watch {
    const watching = new Watching(() => {
      for (const name of names) {
        const others = this.#watching.get(name)
        if (others instanceof Set && others.delete(watching) && others.size > 0) continue
        if (others instanceof Set ? others.size === 0 : others === watching) this.#watching.delete(name)
      }
    })
    for (const name of names) {
      const others = this.#watching.get(name)
      if (others === undefined) this.#watching.set(name, watching)
      else if (others instanceof Set) others.add(watching)
      else if (others !== watching) this.#watching.set(name, new Set([others, watching]))
    }
    return watching
  }

  get isIdle(): boolean {
    return this.#watching.size === 0
  }

  hint(name: string): void {
    const watching = this.#watching.get(name)
    if (watching instanceof Set) for (const one of watching) one.hint(name)
    else watching?.hint(name)
  }

  /** Hints may have been lost: everybody looks, some after the others, for the store's sake. */
  async hintAll(): Promise<void> {
    let hinted = 0
    for (const name of this.#watching.keys()) {
      this.hint(name)
      if (++hinted % AT_ONCE === 0) await new Promise((next) => setTimeout(next, PAUSE_MS))
    }
  }

  /** Ends every watch: nothing will come any more. */
  close(): void {
    const all = new Set(
      [...this.#watching.values()].flatMap((watching) =>
        watching instanceof Set ? [...watching] : [watching],
      ),
    )
    for (const one of all) one.close()
  }
}

/** Holds each name at most once, so a reader that is slow costs nothing. */
class Watching implements Watch {
  /** Few names, most of the time none: lists cost less than sets, and there is one of these for every link. */
  #pending: string[] = []
  readonly #left: () => void
  /** Iterators that wait; one may have been given up by who asked it. */
  #waiting: (() => void)[] = []
  #isClosed = false

  constructor(left: () => void) {
    this.#left = left
  }

  hint(name: string): void {
    if (!this.#pending.includes(name)) this.#pending.push(name)
    this.#wake()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#left()
    this.#wake()
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<string, void, undefined> {
    try {
      for (;;) {
        const name = this.#pending.shift()
        if (name !== undefined) {
          yield name
          continue
        }
        if (this.#isClosed) return
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#waiting.push(resolve)
        await promise
      }
    } finally {
      this.close()
    }
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const wake of waiting) wake()
  }
}
