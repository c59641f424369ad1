// Operation 9, watch: wake-ups within one process. They may be lost and repeated; whoever waits reads again (SEMANTICS 33).
import type { Watch } from './store.ts'

/** Who watches what. Costs a look at an empty map while nobody does. */
export class Hints {
  readonly #watching = new Map<string, Set<Watching>>()

  watch(names: readonly string[]): Watch {
    const watching = new Watching(() => {
      for (const name of names) {
        const others = this.#watching.get(name)
        others?.delete(watching)
        if (others?.size === 0) this.#watching.delete(name)
      }
    })
    for (const name of names) {
      const others = this.#watching.get(name)
      if (others === undefined) this.#watching.set(name, new Set([watching]))
      else others.add(watching)
    }
    return watching
  }

  get isIdle(): boolean {
    return this.#watching.size === 0
  }

  hint(name: string): void {
    const watching = this.#watching.get(name)
    if (watching !== undefined) for (const one of watching) one.hint(name)
  }

  /** Ends every watch: nothing will come any more. */
  close(): void {
    const all = new Set([...this.#watching.values()].flatMap((watching) => [...watching]))
    for (const one of all) one.close()
  }
}

/** Holds each name at most once, so a reader that is slow costs nothing. */
class Watching implements Watch {
  readonly #pending = new Set<string>()
  readonly #left: () => void
  /** Iterators that wait; one may have been given up by who asked it. */
  readonly #waiting = new Set<() => void>()
  #isClosed = false

  constructor(left: () => void) {
    this.#left = left
  }

  hint(name: string): void {
    this.#pending.add(name)
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
        const [name] = this.#pending
        if (name !== undefined) {
          this.#pending.delete(name)
          yield name
        } else if (this.#isClosed) return
        else await this.#woken()
      }
    } finally {
      this.close()
    }
  }

  #wake(): void {
    for (const wake of this.#waiting) wake()
    this.#waiting.clear()
  }

  async #woken(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.add(resolve)
    await promise
  }
}
