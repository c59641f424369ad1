// Operation 9 over all instances: hints travel by publish and subscribe, and what channels tell. They may be lost and repeated (SEMANTICS 33).
import { randomUUID } from 'node:crypto'
import { ReplyError } from 'ioredis'
import type { Redis } from 'ioredis'
import type { Json, Log } from '../../api.ts'
import { encodeTold } from '../../components/broadcast.ts'
import type { Broadcast, Ear } from '../../components/broadcast.ts'
import { Hints } from '../hints.ts'
import type { Watch } from '../store.ts'
import { keepUp } from './clients.ts'
import { reasonOf } from './refusals.ts'

const MOST = 10_000
/** Of tellings in one message: far below what a subscriber takes before it cuts its line. */
const TOGETHER_BYTES = 1024 * 1024
/** Of tellings that Redis has not answered for: what comes beyond it is dropped. */
const FLYING_BYTES = 4 * 1024 * 1024
const SAY_MS = 60_000
const RECONNECT_MS = 500
/** A line that is open and silent is not seen by who only listens. */
const PING_MS = 3000

/** What one turn of the event loop brings is one message to the others; of large tellings several. */
export class Bus implements Broadcast {
  readonly #hints = new Hints()
  readonly #redis: Redis
  readonly #subscriber: Redis
  readonly #kept: Disposable
  readonly #channel: string
  /** Beside the hints, which are many and go to those who look. */
  readonly #tellings: string
  readonly #ears: Ear[] = []
  #told: string[] = []
  #toldBytes = 0
  #flyingBytes = 0
  #dropped = 0
  #sayAt = 0
  readonly #toldRefusals = new Set<string>()
  readonly #log: Log | undefined
  readonly #self = randomUUID()
  /** How this process' own messages begin, which come back to it. */
  readonly #own = JSON.stringify([this.#self]).slice(0, -1)
  #pending = new Set<string>()
  #ping: NodeJS.Timeout | undefined
  #isOpen = false
  #isClosed = false

  constructor(redis: Redis, prefix: string, log?: Log) {
    this.#redis = redis
    this.#log = log
    // Unlike keys, channels belong to all databases of a server: SELECT does not part them.
    const { db = 0 } = redis.options
    const place = db === 0 ? prefix : `${prefix}${db}:`
    this.#channel = `${place}hints`
    this.#tellings = `${place}told`
    this.#subscriber = redis.duplicate({ retryStrategy: () => RECONNECT_MS, autoResubscribe: false })
    this.#kept = keepUp(this.#subscriber)
    this.#subscriber.on('error', () => undefined) // the main connection tells; hints may be lost
    this.#subscriber.on('message', (channel: string, text: string) => {
      if (channel === this.#channel) this.#heard(text)
      else this.#listened(text)
    })
    this.#subscriber.on('ready', () => void (this.#isOpen && this.#again()))
  }

  /** Rejects also where Redis refuses what is published: what is lost for that would be lost each time. */
  async open(): Promise<void> {
    await this.#subscriber.connect()
    await this.#subscriber.subscribe(this.#channel, this.#tellings)
    await this.#redis.publish(this.#channel, `${this.#own}]`)
    this.#isOpen = true
    this.#ping = setInterval(() => void this.#listen(), PING_MS).unref()
  }

  watch(names: readonly string[]): Watch {
    return this.#hints.watch(names)
  }

  hint(names: readonly string[]): void {
    for (const name of names) this.#hints.hint(name)
    if (this.#isClosed || names.length === 0 || this.#pending.size > MOST) return
    if (this.#pending.size === 0) setImmediate(() => this.#send())
    for (const name of names) this.#pending.add(name)
  }

  tell(name: string, said: Json): void {
    const text = encodeTold(name, said)
    const bytes = Buffer.byteLength(text)
    if (this.#isClosed) return
    if (this.#redis.status !== 'ready' || this.#flyingBytes + this.#toldBytes + bytes > FLYING_BYTES) {
      this.#drop()
      return
    }
    if (this.#toldBytes + bytes > TOGETHER_BYTES) this.#sendTold()
    if (this.#told.length === 0) setImmediate(() => this.#sendTold())
    this.#told.push(text)
    this.#toldBytes += bytes
  }

  hear(ear: Ear): void {
    this.#ears.push(ear)
  }

  /** Hints may have been lost, or could not be followed: everybody looks. */
  wake(): void {
    void this.#hints.hintAll()
  }

  close(): void {
    this.#isClosed = true
    clearInterval(this.#ping)
    this.#kept[Symbol.dispose]()
    this.#subscriber.disconnect()
    this.#hints.close()
  }

  #send(): void {
    const names = [...this.#pending]
    this.#pending = new Set()
    if (this.#isClosed || names.length === 0) return
    const text = JSON.stringify([this.#self, ...names])
    this.#redis.publish(this.#channel, text).catch((error: unknown) => this.#lost(error))
  }

  #sendTold(): void {
    const told = this.#told
    const bytes = this.#toldBytes
    this.#told = []
    this.#toldBytes = 0
    if (this.#isClosed || told.length === 0) return
    const text = `[${JSON.stringify(this.#self)},${told.join(',')}]`
    this.#flyingBytes += bytes
    this.#redis
      .publish(this.#tellings, text)
      .catch((error: unknown) => this.#lost(error))
      .finally(() => (this.#flyingBytes -= bytes))
  }

  /** A line that broke is told of by the main connection; what Redis refuses stays so until somebody changes it. */
  #lost(error: unknown): void {
    if (!(error instanceof ReplyError)) return
    const reason = reasonOf(error)
    if (this.#toldRefusals.has(reason)) return
    this.#toldRefusals.add(reason)
    this.#log?.error('the instances cannot tell each other what is new: answers may come late', { reason })
  }

  #drop(): void {
    this.#dropped++
    const now = performance.now()
    if (now < this.#sayAt) return
    this.#sayAt = now + SAY_MS
    this.#log?.warn('what channels tell the other instances is dropped: Redis is away, or does not keep up', {
      dropped: this.#dropped,
    })
  }

  #listened(text: string): void {
    const [from, ...told] = toldOf(text)
    if (from === this.#self) return
    for (const one of told) {
      const [name, said] = Array.isArray(one) ? (one as readonly Json[]) : [] // of what JSON.parse gave
      if (typeof name === 'string' && said !== undefined) for (const ear of this.#ears) ear(name, said)
    }
  }

  #heard(text: string): void {
    if (this.#hints.isIdle || text.startsWith(this.#own)) return
    const [, ...names] = namesOf(text)
    for (const name of names) this.#hints.hint(name)
  }

  /** Subscribed anew: nobody knows what was said meanwhile, so everybody looks. */
  async #again(): Promise<void> {
    try {
      await this.#subscriber.subscribe(this.#channel, this.#tellings)
      await this.#hints.hintAll()
    } catch (error) {
      this.#lost(error)
      if (!this.#isClosed) this.#subscriber.disconnect(true) // and once more
    }
  }

  async #listen(): Promise<void> {
    if (this.#subscriber.status !== 'ready') return
    try {
      await this.#subscriber.ping()
    } catch {
      if (!this.#isClosed) this.#subscriber.disconnect(true)
    }
  }
}

/** Anything but a list of texts is nothing. */
function namesOf(text: string): readonly string[] {
  return toldOf(text).filter((name) => typeof name === 'string')
}

/** Anything but a list is nothing. */
function toldOf(text: string): readonly Json[] {
  try {
    const told: Json = JSON.parse(text)
    return Array.isArray(told) ? (told as readonly Json[]) : []
  } catch {
    return []
  }
}
