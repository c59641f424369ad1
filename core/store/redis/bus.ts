// Operation 9 over all instances: hints travel by publish and subscribe. They may be lost and repeated (SEMANTICS 33).
import { randomUUID } from 'node:crypto'
import type { Redis } from 'ioredis'
import { Hints } from '../hints.ts'
import type { Watch } from '../store.ts'

const MOST = 10_000

/** What one turn of the event loop brings is one message to the others. */
export class Bus {
  readonly #hints = new Hints()
  readonly #redis: Redis
  readonly #subscriber: Redis
  readonly #channel: string
  readonly #self = randomUUID()
  #pending = new Set<string>()
  #isClosed = false

  constructor(redis: Redis, prefix: string) {
    this.#redis = redis
    this.#channel = `${prefix}hints`
    this.#subscriber = redis.duplicate({ retryStrategy: () => 500, autoResubscribe: true })
    this.#subscriber.on('error', () => undefined) // the main connection tells; hints may be lost
    this.#subscriber.on('message', (_channel: string, text: string) => this.#heard(text))
  }

  async open(): Promise<void> {
    await this.#subscriber.connect()
    await this.#subscriber.subscribe(this.#channel)
  }

  watch(names: readonly string[]): Watch {
    return this.#hints.watch(names)
  }

  hint(names: readonly string[]): void {
    for (const name of names) this.#hints.hint(name)
    if (this.#isClosed || this.#pending.size > MOST) return
    if (this.#pending.size === 0) setImmediate(() => this.#send())
    for (const name of names) this.#pending.add(name)
  }

  close(): void {
    this.#isClosed = true
    this.#subscriber.disconnect()
    this.#hints.close()
  }

  #send(): void {
    const names = [...this.#pending]
    this.#pending = new Set()
    if (this.#isClosed || names.length === 0) return
    this.#redis.publish(this.#channel, JSON.stringify([this.#self, ...names])).catch(() => undefined) // as above
  }

  #heard(text: string): void {
    if (this.#hints.isIdle) return
    const [from, ...names] = namesOf(text)
    if (from === this.#self) return
    for (const name of names) this.#hints.hint(name)
  }
}

/** Whoever may publish there may only wake somebody: anything but a list of texts is nothing. */
function namesOf(text: string): readonly string[] {
  try {
    const names: unknown = JSON.parse(text)
    return Array.isArray(names) ? names.filter((name) => typeof name === 'string') : []
  } catch {
    return []
  }
}
