// One connected client: what it may be sent, what it has acknowledged, and its publishes taken one at a time.
import type { Client } from 'aedes'

import type { Identity } from 'dragoman'

/** What a client has published, or its will. */
export interface Published {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
  /** MQTT 3.1.1 §3.1.2.5: sent by us, because the connection ended without DISCONNECT. */
  readonly will: boolean
}

export type Sent =
  /** QoS 1: PUBACK came. */
  | 'acknowledged'
  /** QoS 0: given to the connection. */
  | 'written'
  /** The connection ended, or the signal came first: nobody knows. */
  | 'unknown'
  /** Not sent: it is closed. */
  | 'refused'
  /** Not sent: it has left too many unacknowledged for too long. */
  | 'full'

export interface SendOptions {
  readonly qos: 0 | 1
  readonly signal?: AbortSignal
  /** PUBACK came, but after the signal's end. */
  readonly onLate?: () => void
}

export interface Session {
  /** The MQTT client identifier. */
  readonly id: string
  readonly who: Identity
  readonly closed: boolean
  /** When it was connected, on `performance.now()`, whole milliseconds. */
  readonly since: number
  /** Granted subscriptions with the QoS they are served with. */
  readonly filters: Map<string, 0 | 1>
  /** With QoS 1 it waits its turn while too many are unacknowledged: 10 s, or until the signal ends. */
  publish(topic: string, payload: string, options: SendOptions): Promise<Sent>
  /**
   * Resolves with the work of the publish that is being taken, or when others wait behind it: aedes reads on only when all of one read are
   * done, and what the work waits for, a PUBACK, may be what is not read.
   */
  unlessBehind(work: Promise<unknown>): Promise<void>
  /** Ends the connection at once. */
  close(): void
  /** Ends it when what was written is sent, or the peer does not take it. */
  finish(): void
}

export interface OpenSession extends Session {
  /** The QoS 2 messages whose handshake is under way (MQTT 3.1.1 §4.3.3). */
  readonly receiving: Set<number>
  /** The identifier of the packet that is being handed over just now: `authorizeForward` puts it in. */
  readonly sending: number | undefined
  /** Runs tasks one at a time, in order: aedes begins those of one read together. `bytes` wait until it has ended. Rejects as the task does. */
  inOrder<T>(task: () => Promise<T>, bytes: number): Promise<T>
  /** Of the tasks that have not ended. */
  readonly waitingBytes: number
  onAcknowledged(messageId: number): void
  /** The connection has ended. */
  end(): void
}

/** PUBLISH packets that one client may leave without PUBACK. */
const MAX_UNACKNOWLEDGED = 64
/** What waits for a place among them: the answers to as many requests as come in one read, whose PUBACKs are read only behind all of it. */
const MAX_QUEUED = 4096
const MAX_QUEUED_BYTES = 8 * 1024 * 1024
/** How long: shorter than the core waits for a push, which then knows that nothing was sent. */
const PLACE_MS = 10_000
/** What may wait for a peer that does not read, beside the largest message of it. */
const MAX_UNSENT_BYTES = 1024 * 1024
const FINISH_MS = 1000
const MAX_PACKET_ID = 65_535

/** One class, and nothing made before it is needed: there are thousands of them, and most hold still. */
class ClientSession implements OpenSession {
  readonly who: Identity
  readonly since = Math.floor(performance.now())
  readonly filters = new Map<string, 0 | 1>()
  readonly #client: Client
  #waiting: Map<number, (sent: Sent) => unknown> | undefined
  /** Each is given the identifier of its packet. */
  #queue: Set<(messageId?: number) => void> | undefined
  #queuedBytes = 0
  /** Messages that are given to the connection and not written, and the bytes of the largest since there were none. */
  #unwritten = 0
  #largest = 0
  #receiving: Set<number> | undefined
  #chain: Promise<unknown> | undefined
  #nextId = 0
  #sending: number | undefined
  #isClosed = false
  #waitingBytes = 0
  #waitingTasks = 0
  #onBehind: (() => void) | undefined

  constructor(client: Client, who: Identity) {
    this.#client = client
    this.who = who
  }

  get id(): string {
    return this.#client.id
  }

  get closed(): boolean {
    return this.#isClosed
  }

  get sending(): number | undefined {
    return this.#sending
  }

  get waitingBytes(): number {
    return this.#waitingBytes
  }

  get receiving(): Set<number> {
    this.#receiving ??= new Set()
    return this.#receiving
  }

  async publish(topic: string, payload: string, { qos, signal, onLate }: SendOptions): Promise<Sent> {
    if (this.#isClosed || !this.#isRead()) return 'refused'
    if (qos === 0) {
      await this.#hand(topic, payload, undefined)
      return 'written'
    }
    const messageId = this.#reserve() ?? (await this.#place(Buffer.byteLength(payload), signal))
    if (this.closed || !this.#isRead()) return 'refused'
    if (messageId === undefined) return 'full'
    const { promise, resolve } = Promise.withResolvers<Sent>()
    this.#waiting?.set(messageId, resolve)
    const onAbort = (): void => {
      // One given up keeps its identifier until its PUBACK: it would be taken for another's.
      if (this.#waiting?.get(messageId) === resolve)
        this.#waiting.set(messageId, (sent) => sent === 'acknowledged' && onLate?.())
      resolve('unknown')
    }
    signal?.addEventListener('abort', onAbort, { once: true })
    try {
      void this.#hand(topic, payload, messageId)
      if (signal?.aborted === true) onAbort()
      return await promise
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  close(): void {
    this.#client.conn.destroy()
  }

  finish(): void {
    this.#client.conn.end()
    setTimeout(() => this.#client.conn.destroy(), FINISH_MS).unref()
  }

  async unlessBehind(work: Promise<unknown>): Promise<void> {
    if (this.#waitingTasks > 1) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#onBehind = resolve
    await Promise.race([work, promise])
    this.#onBehind = undefined
  }

  inOrder<T>(task: () => Promise<T>, bytes: number): Promise<T> {
    this.#waitingBytes += bytes
    this.#waitingTasks += 1
    if (this.#waitingTasks > 1) this.#onBehind?.()
    const next = this.#chain === undefined ? task() : this.#chain.then(task)
    const settled: Promise<void> = next.then(
      () => this.#settled(settled, bytes),
      () => this.#settled(settled, bytes),
    )
    this.#chain = settled
    return next
  }

  onAcknowledged(messageId: number): void {
    this.#waiting?.get(messageId)?.('acknowledged')
    this.#waiting?.delete(messageId)
    const [first] = this.#queue ?? []
    const freed = first === undefined ? undefined : this.#reserve()
    if (freed !== undefined) first?.(freed)
  }

  end(): void {
    this.#isClosed = true
    for (const resolve of this.#waiting?.values() ?? []) resolve('unknown')
    this.#waiting?.clear()
    for (const leave of this.#queue ?? []) leave()
  }

  #settled(last: Promise<unknown>, bytes: number): void {
    this.#waitingBytes -= bytes
    this.#waitingTasks -= 1
    if (this.#chain === last) this.#chain = undefined
  }

  /** An identifier of its own for a packet; undefined: too many are unacknowledged. */
  #reserve(): number | undefined {
    this.#waiting ??= new Map()
    if (this.#waiting.size >= MAX_UNACKNOWLEDGED) return undefined
    do this.#nextId = (this.#nextId % MAX_PACKET_ID) + 1
    while (this.#waiting.has(this.#nextId)) // far fewer are waiting than there are
    this.#waiting.set(this.#nextId, () => undefined)
    return this.#nextId
  }

  /** The same when its turn has come; undefined: it did not, or the connection has ended. */
  async #place(bytes: number, signal: AbortSignal | undefined): Promise<number | undefined> {
    this.#queue ??= new Set()
    const queue = this.#queue
    // One alone has a place, whatever its size.
    const isTooMuch = queue.size > 0 && this.#queuedBytes + bytes > MAX_QUEUED_BYTES
    if (isTooMuch || queue.size >= MAX_QUEUED) return undefined
    this.#queuedBytes += bytes
    const { promise, resolve } = Promise.withResolvers<number | undefined>()
    const end = (messageId?: number): void => {
      queue.delete(end)
      resolve(messageId)
    }
    const onAbort = (): void => end()
    queue.add(end)
    const timer = setTimeout(onAbort, PLACE_MS)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (signal?.aborted === true) onAbort()
    try {
      return await promise
    } finally {
      this.#queuedBytes -= bytes
      clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
  }

  /** One that does not read is cut. A single message may be larger: it would not be smaller the next time. */
  #isRead(): boolean {
    if (this.#client.conn.writableLength - this.#largest <= MAX_UNSENT_BYTES) return true
    this.close()
    return false
  }

  #hand(topic: string, payload: string, messageId: number | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#unwritten += 1
    this.#largest = Math.max(this.#largest, Buffer.byteLength(payload))
    const written = (): void => {
      this.#unwritten -= 1
      if (this.#unwritten === 0) this.#largest = 0
      resolve()
    }
    const qos = messageId === undefined ? 0 : 1
    this.#sending = messageId
    // Synchronous up to the hook that puts the identifier in.
    this.#client.publish({ cmd: 'publish', topic, payload, qos, dup: false, retain: false }, written)
    this.#sending = undefined
    return promise
  }
}

export function createSession(client: Client, who: Identity): OpenSession {
  return new ClientSession(client, who)
}
