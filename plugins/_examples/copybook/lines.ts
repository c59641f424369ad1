// Lines to a business system: TCP connections that are kept, each with one call at a time.
import { connect } from 'node:net'
import type { Socket } from 'node:net'
import { GatewayError } from 'dragoman'
import { framed, framesOf } from './frames.ts'
import type { FramingOptions } from './frames.ts'

export interface LinesOptions {
  readonly host: string
  readonly port: number
  readonly sockets: number
  readonly idleMs: number
  /** False: a connection is used once. */
  readonly keep: boolean
}

export interface Exchange {
  readonly request: { readonly record: Uint8Array; readonly options: FramingOptions }
  /** Absent: nothing comes back. */
  readonly reply?: FramingOptions
}

interface Waiting {
  readonly go: () => void
  readonly stop: (error: unknown) => void
}

/** Calls that wait for a line; beyond it they are refused. */
const MAX_WAITING = 1000

export class Lines implements AsyncDisposable {
  readonly #options: LinesOptions
  readonly #all = new Set<Socket>()
  readonly #idle: Socket[] = []
  readonly #waiting = new Set<Waiting>()
  #busy = 0
  #isClosed = false
  constructor(options: LinesOptions) {
    this.#options = options
  }

  /**
   * Sends one record and waits for the one that answers it. A line on which anything went wrong is closed: a late answer
   * never meets the next call. Throws `BACKEND_FAILED` (`notExecuted` where no byte went out) and what the signal says.
   */
  async exchange({ request, reply }: Exchange, signal: AbortSignal): Promise<Uint8Array> {
    const frame = framed(request.record, request.options)
    await this.#turn(signal)
    try {
      const socket = await this.#line(signal)
      const record = await talk(socket, { frame, signal, ...(reply !== undefined && { reply }) })
      this.#keep(socket)
      return record
    } finally {
      this.#busy -= 1
      this.#next()
    }
  }

  /** Resolves if somebody takes a connection. */
  async probe(signal: AbortSignal): Promise<void> {
    const socket = await this.#open(signal)
    socket.destroy()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    for (const { stop } of this.#waiting) stop(closed())
    this.#waiting.clear()
    for (const socket of this.#all) socket.destroy()
  }

  async #turn(signal: AbortSignal): Promise<void> {
    if (this.#isClosed) throw closed()
    if (this.#busy < this.#options.sockets) {
      this.#busy += 1
      return
    }
    if (this.#waiting.size >= MAX_WAITING)
      throw new GatewayError('OVERLOADED', `${MAX_WAITING} calls already wait for a line to ${this.#place}`, {
        notExecuted: true,
      })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting: Waiting = { go: resolve, stop: reject }
    this.#waiting.add(waiting)
    const leave = (): void => {
      this.#waiting.delete(waiting)
      reject(ended(signal, `no line to ${this.#place} was free in time`, true))
    }
    signal.addEventListener('abort', leave, { once: true })
    try {
      if (signal.aborted) leave()
      await promise
    } finally {
      signal.removeEventListener('abort', leave)
    }
  }

  #next(): void {
    const [first] = this.#waiting
    if (first === undefined || this.#busy >= this.#options.sockets) return
    this.#waiting.delete(first)
    this.#busy += 1
    first.go()
  }

  async #line(signal: AbortSignal): Promise<Socket> {
    for (let socket = this.#idle.pop(); socket !== undefined; socket = this.#idle.pop()) {
      socket.removeAllListeners('data')
      socket.setTimeout(0)
      if (isUsable(socket)) return socket
    }
    return this.#open(signal)
  }

  #keep(socket: Socket): void {
    if (!this.#options.keep || this.#isClosed || !isUsable(socket)) {
      socket.destroy()
      return
    }
    // Whatever comes without being asked for, an end included, makes the line useless.
    socket.once('data', () => socket.destroy())
    socket.setTimeout(this.#options.idleMs)
    this.#idle.push(socket)
  }

  async #open(signal: AbortSignal): Promise<Socket> {
    const { host, port } = this.#options
    if (this.#isClosed) throw closed()
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    this.#all.add(socket)
    socket.once('timeout', () => socket.destroy())
    socket.once('close', () => {
      this.#all.delete(socket)
      const at = this.#idle.indexOf(socket)
      if (at !== -1) this.#idle.splice(at, 1)
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // It stays: an error between two calls must not end the worker.
    socket.on('error', (error) =>
      reject(failed(`${this.#place} cannot be reached`, { cause: error, notExecuted: true })),
    )
    socket.once('close', () => reject(failed(`${this.#place} cannot be reached`, { notExecuted: true })))
    socket.once('end', () => socket.destroy())
    socket.once('connect', resolve)
    const stop = (): void => {
      socket.destroy()
      reject(ended(signal, `${this.#place} did not take the connection in time`, true))
    }
    signal.addEventListener('abort', stop, { once: true })
    try {
      if (signal.aborted) stop()
      await promise
    } finally {
      signal.removeEventListener('abort', stop)
    }
    return socket
  }

  get #place(): string {
    return `${this.#options.host}:${this.#options.port}`
  }
}

function isUsable(socket: Socket): boolean {
  return !socket.destroyed && socket.writable && socket.readable
}

interface Talk {
  readonly frame: Uint8Array
  readonly reply?: FramingOptions
  readonly signal: AbortSignal
}

async function talk(socket: Socket, { frame, reply, signal }: Talk): Promise<Uint8Array> {
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>()
  const frames = reply === undefined ? undefined : framesOf(reply)
  const heard = (piece: Buffer): void => {
    try {
      frames?.put(piece)
      const answer = frames?.next()
      // What follows an answer answers nothing: the line has lost its step.
      if (answer === undefined ? frames === undefined : frames?.pending !== 0) socket.destroy()
      if (answer !== undefined) resolve(answer.record)
    } catch (error) {
      reject(
        failed(`the answer cannot be read: ${error instanceof Error ? error.message : ''}`, { cause: error }),
      )
    }
  }
  const lost = (): void => reject(failed('the line was cut before the answer was there', {}))
  const stop = (): void => reject(ended(signal, 'the business system did not answer in time', false))
  socket.on('data', heard)
  socket.once('close', lost)
  signal.addEventListener('abort', stop, { once: true })
  try {
    if (signal.aborted) stop()
    else
      socket.write(frame, (error) =>
        frames === undefined && (error === null || error === undefined)
          ? resolve(new Uint8Array())
          : undefined,
      )
    return await promise
  } catch (error) {
    socket.destroy()
    throw error
  } finally {
    socket.off('data', heard)
    socket.off('close', lost)
    signal.removeEventListener('abort', stop)
  }
}

function failed(
  message: string,
  options: { readonly cause?: unknown; readonly notExecuted?: boolean },
): GatewayError {
  return new GatewayError('BACKEND_FAILED', message, options)
}

function closed(): GatewayError {
  return failed('this version of the backend has ended', { notExecuted: true })
}

/** The signal's own reason where it says one that callers may see. */
function ended({ reason }: AbortSignal, message: string, notExecuted: boolean): Error {
  if (reason instanceof GatewayError) return reason
  if (reason instanceof DOMException && reason.name === 'AbortError') return reason
  return new GatewayError('DEADLINE_EXCEEDED', message, { cause: reason, notExecuted })
}
