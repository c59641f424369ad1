// What is at work for the callers of a channel, or of one socket, that ends: it ends after that.

/** Counts it. */
export class Answering {
  #count = 0
  #over: PromiseWithResolvers<void> | undefined

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#count++
    try {
      return await work()
    } finally {
      if (--this.#count === 0) {
        this.#over?.resolve()
        this.#over = undefined
      }
    }
  }

  /** Resolves when nothing is at work, `withinMs` later at the latest. */
  async idle(withinMs: number): Promise<void> {
    if (this.#count === 0) return
    this.#over ??= Promise.withResolvers()
    const late = Promise.withResolvers<void>()
    const timer = setTimeout(late.resolve, withinMs).unref()
    await Promise.race([this.#over.promise, late.promise])
    clearTimeout(timer)
  }
}
