// One socket's requests: one after the other, and what happens when the parser gives up in between.
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { rawProblem } from './problem.ts'
import type { CallerGone, Refusal } from './refusal.ts'
import type { Outgoing } from './respond.ts'

/** One request on its way. It is over when `outgoing` closes: the answer is flushed, or the caller is gone. */
export interface Turn {
  readonly incoming: IncomingMessage
  readonly outgoing: Outgoing
  readonly start: () => void
  /** Called once, when it is over. */
  readonly closed: () => void
  /** Why the body will never be complete. */
  failure: Refusal | CallerGone | undefined
  /** Ends the reading of the body. */
  fail: ((why: Refusal | CallerGone) => void) | undefined
}

export interface LingerLimits {
  readonly maxBytes: number
  readonly maxMs: number
}

/** Requests that may wait behind the one being answered; node:http would read on without bound. */
const MAX_PIPELINED = 100

/**
 * RFC 9112 §9.3.2: answers leave in the order of the requests, and only safe ones could run side by side; so the next
 * begins when the one before is over.
 */
export class Connection {
  readonly #socket: Socket
  readonly #draining: () => boolean
  readonly #waiting: Turn[] = []
  #running = false
  #newest: Turn | undefined
  #broken = false
  /** The refusal to be written when the answers before it are. */
  #owed: (() => void) | undefined
  #closing = false
  #lingering: { readonly from: number; readonly maxBytes: number } | undefined
  /** The caller's address behind trusted proxies, worked out once per connection and header. */
  caller: { readonly forwardedFor: string | undefined; readonly address: string } | undefined

  constructor(socket: Socket, draining: () => boolean) {
    this.#socket = socket
    this.#draining = draining
  }

  /** False: too many wait already, and the connection was cut. */
  enter(turn: Turn): boolean {
    if (this.#closing) return true
    this.#newest = turn
    if (!this.#running) this.#start(turn)
    else if (this.#waiting.length < MAX_PIPELINED) this.#waiting.push(turn)
    else {
      this.close()
      this.#socket.destroy()
      return false
    }
    return true
  }

  /** The answer in hand is the last one: nothing after `Connection: close` is processed (RFC 9112 §9.6). */
  close(): void {
    this.#closing = true
    this.#waiting.length = 0
    this.#owed = undefined
  }

  /** Something is being answered or said. */
  get busy(): boolean {
    return this.#running || this.#lingering !== undefined
  }

  get closing(): boolean {
    return this.#closing
  }

  /**
   * The parser has given up, or time is over: the request that is being read fails with the refusal, else it is written
   * after the answers still owed. True: it is to be counted here, because no request's way does it.
   */
  break(refusal: Refusal, limits: LingerLimits): boolean {
    if (this.#broken || this.#closing) {
      this.#checkLinger()
      return false
    }
    this.#broken = true
    const reading = this.#newest
    if (reading !== undefined && !reading.incoming.complete) {
      reading.failure = refusal
      reading.fail?.(refusal)
      return false
    }
    if (this.#running) this.#owed = () => this.#answerRaw(refusal, limits)
    else this.#answerRaw(refusal, limits)
    return true
  }

  #start(turn: Turn): void {
    this.#running = true
    turn.outgoing.on('close', () => {
      turn.closed()
      this.#running = false
      if (this.#socket.destroyed) this.close()
      const next = this.#waiting.shift()
      if (next !== undefined) this.#start(next)
      else if (this.#owed !== undefined) this.#owed()
      else if (this.#draining()) this.#socket.destroySoon() // its head may have promised to keep the connection
    })
    turn.start()
  }

  /** The answer, then reading and dropping for a while: a reset would take the answer away from one who still sends. */
  #answerRaw(refusal: Refusal, limits: LingerLimits): void {
    this.close()
    if (!this.#socket.writable) {
      this.#socket.destroy()
      return
    }
    if (this.#socket.readableEnded) {
      this.#socket.write(rawProblem(refusal.error))
      this.#socket.destroySoon()
      return
    }
    this.#lingering = { from: this.#socket.bytesRead, maxBytes: limits.maxBytes }
    const timer = setTimeout(() => this.#socket.destroy(), limits.maxMs)
    this.#socket.once('close', () => clearTimeout(timer))
    this.#socket.end(rawProblem(refusal.error))
  }

  #checkLinger(): void {
    if (this.#lingering === undefined) return
    if (this.#socket.bytesRead - this.#lingering.from > this.#lingering.maxBytes) this.#socket.destroy()
  }
}
