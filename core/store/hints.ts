// Operation 9, watch: wake-ups within one process. They may be lost and repeated; whoever waits reads again (SEMANTICS 33).
import { setTimeout as sleep } from 'node:timers/promises'
import type { Watch } from './store.ts'

const AT_ONCE = 64
const PAUSE_MS = 3
const AGAIN_MS = 1000
const END: IteratorResult<never, undefined> = { done: true, value: undefined }

/** Who watches what. Costs a look at an empty map while nobody does. */
export class Hints {
  /** Most names have one who watches. */
  readonly #watching = new Map<string, Watching | Set<Watching>>()

  watch(names: readonly string[]): Watch {
    const watching = new Watching(this, names)
    for (const name of names) {
      const others = this.#watching.get(name)
      if (others === undefined) this.#watching.set(name, watching)
      else if (others instanceof Set) others.add(watching)
      else if (others !== watching) this.#watching.set(name, new Set([others, watching]))
    }
    return watching
  }

  /** What a watch does when it is closed. */
  leave(watching: Watching, names: readonly string[]): void {
    for (const name of names) {
      const others = this.#watching.get(name)
      if (others instanceof Set && others.delete(watching) && others.size > 0) continue
      if (others instanceof Set ? others.size === 0 : others === watching) this.#watching.delete(name)
    }
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

/** Holds each name at most once, so a reader that is slow costs nothing. There is one for every link: nothing is made before it is needed. */
class Watching implements Watch, AsyncIterator<string, undefined> {
  readonly #hints: Hints
  readonly #names: readonly string[]
  #pending: string[] | undefined
  /** Who waits for the next name; one may have been given up by who asked, so all of them get it. */
  #waiting: readonly ((result: IteratorResult<string, undefined>) => void)[] | undefined
  #isClosed = false

  constructor(hints: Hints, names: readonly string[]) {
    this.#hints = hints
    this.#names = names
  }

  hint(name: string): void {
    if (this.#waiting !== undefined) this.#wake({ done: false, value: name })
    else if (this.#pending === undefined) this.#pending = [name]
    else if (!this.#pending.includes(name)) this.#pending.push(name)
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#hints.leave(this, this.#names)
    this.#wake(END)
  }

  [Symbol.asyncIterator](): AsyncIterator<string, undefined> {
    return this
  }

  next(): Promise<IteratorResult<string, undefined>> {
    const value = this.#pending?.shift()
    if (value !== undefined) return Promise.resolve({ done: false, value })
    if (this.#isClosed) return Promise.resolve(END)
    return new Promise((resolve) => {
      this.#waiting = this.#waiting === undefined ? [resolve] : [...this.#waiting, resolve]
    })
  }

  return(): Promise<IteratorResult<string, undefined>> {
    this.close()
    return Promise.resolve(END)
  }

  #wake(result: IteratorResult<string, undefined>): void {
    const waiting = this.#waiting ?? []
    this.#waiting = undefined
    for (const resolve of waiting) resolve(result)
  }
}

/**
 * Reads at each hint, and again after a second while it cannot be read: nobody has to give another hint. Resolves when the watch is
 * closed. `onFailure` hears of the first failure of a row.
 */
export async function readAtHints(
  watch: Watch,
  read: () => Promise<void>,
  onFailure: (error: unknown) => void,
): Promise<void> {
  const hints = watch[Symbol.asyncIterator]()
  let next = hints.next()
  let hasFailed = false
  for (;;) {
    const hint = hasFailed
      ? await Promise.race([next, sleep(AGAIN_MS, undefined, { ref: false })])
      : await next
    if (hint?.done === true) return
    if (hint !== undefined) next = hints.next()
    try {
      await read()
      hasFailed = false
    } catch (error) {
      if (!hasFailed) onFailure(error)
      hasFailed = true
    }
  }
}
