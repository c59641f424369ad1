// Work that takes long: that of one name in order, that of several beside each other, so much at once.

export class Turns {
  readonly #max: number
  readonly #last = new Map<string, Promise<void>>()
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(max: number) {
    this.#max = max
  }

  /** Rejects as the task does, or with what the signal says if that ended before the task's turn came. */
  async run<T>(name: string, task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    const before = this.#last.get(name)
    const { promise: ended, resolve: end } = Promise.withResolvers<void>()
    this.#last.set(name, ended)
    await before
    await this.#place()
    try {
      signal.throwIfAborted()
      return await task()
    } finally {
      this.#leave()
      if (this.#last.get(name) === ended) this.#last.delete(name)
      end()
    }
  }

  async #place(): Promise<void> {
    if (this.#running < this.#max) this.#running += 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
  }

  /** The place goes to who waits longest. */
  #leave(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#running -= 1
    else next()
  }
}
