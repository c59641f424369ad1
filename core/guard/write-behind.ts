// What is kept behind: written by one at a time, and again after a second as long as something is left.

export interface WriteBehindOptions {
  /** Writes what there is. What cannot be written is left, and may be thrown. */
  readonly write: () => Promise<void>
  readonly isLeft: () => boolean
  /** Hears of the first failure of a row. */
  readonly onFailure: (error: unknown) => void
}

const AGAIN_MS = 1000

export class WriteBehind implements Disposable {
  readonly #options: WriteBehindOptions
  #underWay: Promise<void> | undefined
  #again: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(options: WriteBehindOptions) {
    this.#options = options
  }

  /** Undefined: nothing is written now. */
  get underWay(): Promise<void> | undefined {
    return this.#underWay
  }

  /** Resolves when what there is was written, or could not be. Never rejects. */
  begin(): Promise<void> {
    this.#underWay ??= this.#write()
    return this.#underWay
  }

  async #write(): Promise<void> {
    try {
      await this.#options.write()
    } catch (error) {
      if (this.#again === undefined) this.#options.onFailure(error)
    }
    this.#underWay = undefined
    clearTimeout(this.#again)
    this.#again = undefined
    if (this.#options.isLeft() && !this.#isClosed)
      this.#again = setTimeout(() => void this.begin(), AGAIN_MS).unref()
  }

  [Symbol.dispose](): void {
    this.#isClosed = true
    clearTimeout(this.#again)
  }
}
