// Writes to a box one group after the other: what comes while one is being written goes with the next.
import type { Box, Change } from './box.ts'

interface Group {
  readonly changes: Change[]
  readonly written: PromiseWithResolvers<void>
}

export class Writer {
  readonly #box: Box
  readonly #onFailure: (error: unknown) => void
  #next: Group | undefined
  #running: Promise<void> = Promise.resolve()
  #failure: { readonly error: unknown } | undefined

  constructor(box: Box, onFailure: (error: unknown) => void) {
    this.#box = box
    this.#onFailure = onFailure
  }

  /** Durable when it resolves. After one failure nothing is written any more: the box would no longer say what happened. */
  write(changes: readonly Change[]): Promise<void> {
    if (this.#next === undefined) {
      const group: Group = { changes: [], written: Promise.withResolvers() }
      this.#next = group
      this.#running = this.#running.then(() => this.#write(group))
      // Who does not wait for it hears of it by `onFailure`.
      group.written.promise.catch(() => undefined)
    }
    this.#next.changes.push(...changes)
    return this.#next.written.promise
  }

  /** Resolves when everything so far is durable. */
  settled(): Promise<void> {
    return this.write([])
  }

  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  async close(): Promise<void> {
    await this.#running
    await this.#box.close()
  }

  async #write(group: Group): Promise<void> {
    this.#next = undefined
    try {
      if (this.#failure !== undefined) throw this.#failure.error
      if (group.changes.length > 0) await this.#box.write(group.changes)
      group.written.resolve()
    } catch (error) {
      group.written.reject(error)
      if (this.#failure !== undefined) return
      this.#failure = { error }
      this.#onFailure(error)
    }
  }
}
