// What callers of a plugin's channel still wait for when another version has taken over: its worker ends after that.
import type { Channel } from '../api.ts'

/** As for what is under way of other calls, beyond their deadlines. */
const LONGEST_MS = 30_000

const known = new WeakMap<Channel, Answering>()

/** The handlers of one channel that are at work for a caller. */
export class Answering {
  #count = 0
  #onIdle: (() => void) | undefined

  /** What it is asked of is `channel`. */
  belongsTo(channel: Channel): void {
    known.set(channel, this)
  }

  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#count++
    try {
      return await work()
    } finally {
      if (--this.#count === 0) this.#onIdle?.()
    }
  }

  /** Resolves when none is, or late. */
  async idle(): Promise<void> {
    if (this.#count === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onIdle = resolve
    const timer = setTimeout(resolve, LONGEST_MS).unref()
    await promise
    clearTimeout(timer)
  }
}

/** Resolves when no handler of a channel that gets no new requests is at work, after 30 s at the latest. One in this process needs no wait. */
export async function lastAnswers(channel: Channel): Promise<void> {
  await known.get(channel)?.idle()
}
