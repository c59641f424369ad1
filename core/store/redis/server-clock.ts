// SEMANTICS 25: the wall clock of all who share a Redis is its server's.
import type { Redis } from 'ioredis'
import type { Log } from '../../api.ts'

/** Nearer than that two clocks are the same. */
const SAME_MS = 100
/** Further from Redis than that, this machine's clock is to be set. */
const APART_MS = 30_000

/** This machine's clock, and how far the server's is ahead of it: that is looked at with every pulse. */
export class ServerClock {
  readonly #log: Log | undefined
  readonly #wall: (() => number) | undefined
  #aheadMs = 0
  #isToldApart = false

  /** `wall`: for tests, in place of both. */
  constructor(log: Log | undefined, wall?: () => number) {
    this.#log = log
    this.#wall = wall
  }

  /** In milliseconds since the epoch. */
  get now(): number {
    return this.#wall?.() ?? Date.now() + this.#aheadMs
  }

  /** Asks for the server's `TIME`. Throws what the connection throws. */
  async look(server: Pick<Redis, 'time'>): Promise<void> {
    const [wall, begun] = [Date.now(), performance.now()]
    const [seconds, microseconds] = await server.time()
    const tookMs = performance.now() - begun
    const aheadMs = Number(seconds) * 1000 + Number(microseconds) / 1000 - wall - tookMs / 2
    // A difference that the way there and back may have made is none.
    if (Math.abs(aheadMs - this.#aheadMs) <= Math.max(SAME_MS, tookMs)) return
    this.#aheadMs = Math.round(aheadMs)
    this.#tell()
  }

  /** Once when they are apart, and once when they are not any more. */
  #tell(): void {
    const isApart = Math.abs(this.#aheadMs) > APART_MS
    if (isApart === this.#isToldApart) return
    this.#isToldApart = isApart
    const fields = { redisAheadMs: this.#aheadMs }
    if (isApart)
      this.#log?.warn("this machine's clock is not that of Redis, by which messages come and expire", fields)
    else this.#log?.info("this machine's clock is that of Redis again", fields)
  }
}
