// What one connection to another broker has received, and what of it is acknowledged: this, and nobody else, knows.
import { GatewayError } from 'dragoman'
import type { Log } from 'dragoman'

export interface Arrived {
  readonly topic: string
  readonly payload: Uint8Array
  readonly qos: 0 | 1 | 2
  readonly retain: boolean
}

export interface Turn {
  /** The next message may be taken, though this one has not ended. */
  readonly goOn: () => void
  /** Ends with the connection: what has not begun by then comes again on the next one. */
  readonly signal: AbortSignal
}

export interface ArrivalsOptions {
  /**
   * Called for one message at a time, in the order they came. Resolves: it is acknowledged. Rejects: neither it nor what came behind it is,
   * and nothing further is taken on this connection.
   */
  readonly take: (message: Arrived, turn: Turn) => Promise<void>
  /** What an earlier connection was taking. */
  readonly after: Promise<void>
  readonly log: Log
  /** A message was not taken: the connection has to be closed, for the broker to send it again. */
  readonly onRefused: () => void
}

interface Arrival {
  readonly message: Arrived
  readonly acknowledge: () => void
  isTaken: boolean
}

/** Received and not acknowledged; beyond either, nothing more is read. One alone has a place, whatever its size. */
const MAX_OWED = 256
const MAX_OWED_BYTES = 4 * 1024 * 1024

export class Arrivals {
  readonly #options: ArrivalsOptions
  readonly #owed: Arrival[] = []
  readonly #ending = new AbortController()
  readonly #begun = new Set<Promise<void>>()
  #bytes = 0
  #turns: Promise<void>
  #isStopped = false
  #onRoom: (() => void) | undefined

  constructor(options: ArrivalsOptions) {
    this.#options = options
    this.#turns = options.after
  }

  get isFull(): boolean {
    return this.#owed.length >= MAX_OWED || this.#bytes >= MAX_OWED_BYTES
  }

  /** Resolves when the next may be read. `acknowledge` is called in the order the messages came [MQTT-4.6.0-2]. */
  async add(message: Arrived, acknowledge: () => void): Promise<void> {
    const arrival: Arrival = { message, acknowledge, isTaken: false }
    this.#owed.push(arrival)
    this.#bytes += message.payload.byteLength
    this.#turns = this.#turns.then(() => this.#begin(arrival))
    if (!this.isFull) return
    await new Promise<void>((resolve) => (this.#onRoom = resolve))
  }

  /** Nothing more is begun. Resolves when what has begun has ended. */
  async stop(): Promise<void> {
    this.#isStopped = true
    await Promise.all(this.#begun)
  }

  /** The connection is closed: nothing of it is acknowledged any more. Resolves when the next one may begin. */
  end(): Promise<void> {
    this.#isStopped = true
    this.#owed.length = 0
    this.#ending.abort()
    return this.#turns
  }

  /** Resolves when the next may begin. */
  #begin(arrival: Arrival): Promise<void> {
    if (this.#isStopped) return Promise.resolve()
    const { promise, resolve: goOn } = Promise.withResolvers<void>()
    const taking = this.#take(arrival, goOn).finally(() => {
      this.#begun.delete(taking)
      goOn()
    })
    this.#begun.add(taking)
    return promise
  }

  async #take(arrival: Arrival, goOn: () => void): Promise<void> {
    const { take, log, onRefused } = this.#options
    const { topic, qos } = arrival.message
    const { signal } = this.#ending
    try {
      await take(arrival.message, { goOn, signal })
    } catch (error) {
      if (signal.aborted) return
      const { message: reason } = GatewayError.from(error)
      if (qos > 0) {
        log.warn('a message was not taken; the other broker will send it again', { topic, reason })
        this.#isStopped = true
        onRefused()
        return
      }
      log.warn('a message of QoS 0 was lost', { topic, reason })
    }
    arrival.isTaken = true
    this.#acknowledge()
  }

  #acknowledge(): void {
    while (this.#owed[0]?.isTaken === true) {
      const { message, acknowledge } = this.#owed.shift() ?? {}
      this.#bytes -= message?.payload.byteLength ?? 0
      acknowledge?.()
    }
    if (this.isFull) return
    this.#onRoom?.()
    this.#onRoom = undefined
  }
}
