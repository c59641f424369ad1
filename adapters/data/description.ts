// What a component must have read before it can work, and may be missing for a while: the WSDL or schema of a system that is down.
import { GatewayError } from 'dragoman'
import type { Scope } from 'dragoman'

/** A document that has not come by then is not there, and whoever waits for the whole waits no longer either. */
const withinMs = 5000
/** How long one that could not be had is left alone. */
const pauseMs = 1000

export interface DescriptionOptions<T> {
  /** For people: `backend "crm": its WSDL`. */
  readonly what: string
  readonly scope: Scope
  /** Reads it. The `fetch` given gives each document its time. */
  readonly read: (fetch: typeof globalThis.fetch) => Promise<T>
}

/** Read once, by whoever needs it first; what could not be read is tried again by the next one. */
export class Description<T extends object> {
  readonly #options: DescriptionOptions<T>
  readonly #ending = new AbortController()
  #value: T | undefined
  #loading: Promise<T> | undefined
  #failedAt = -Infinity
  #failure: unknown
  #told: unknown

  constructor(options: DescriptionOptions<T>) {
    this.#options = options
  }

  /** Undefined as long as it is not there. */
  get value(): T | undefined {
    return this.#value
  }

  /**
   * For `start`: reads it if it can be had now. A system that is down keeps no gateway from starting (DESIGN §1). Throws what
   * waiting does not mend: a file that is not there, a document that is wrong.
   */
  async begin(signal: AbortSignal): Promise<void> {
    try {
      await this.load(signal)
    } catch (error) {
      const { code } = GatewayError.from(error)
      if (signal.aborted || code === 'DECODE_FAILED' || code === 'INTERNAL') throw error
      const { what, scope } = this.#options
      scope.log.warn(`${what} cannot be had yet; it is tried again at the next call`, { error })
    }
  }

  /** Throws why it cannot be had; the signal's reason where the signal ends first. */
  async load(signal: AbortSignal): Promise<T> {
    if (this.#value !== undefined) return this.#value
    const { what, scope } = this.#options
    if (scope.now() - this.#failedAt < pauseMs) throw this.#failure
    // everybody who waits shares one attempt; a waiter that gives up does not end it for the others
    this.#loading ??= this.#read()
    const within = AbortSignal.timeout(withinMs)
    try {
      return await orEnd(this.#loading, AbortSignal.any([signal, within]))
    } catch (error) {
      if (!within.aborted || error !== within.reason) throw error
      throw new GatewayError('BACKEND_FAILED', `${what} has not come within ${withinMs} ms`, { cause: error })
    }
  }

  /**
   * For a call. Without its description nothing was called, whatever ended the wait: a write may be queued (SEMANTICS 3).
   * What is wrong with it names files and addresses, and is no mistake of the caller: it is the cause, for the log.
   */
  async forCall(signal: AbortSignal): Promise<T> {
    try {
      return await this.load(signal)
    } catch (cause) {
      throw new GatewayError('BACKEND_FAILED', `${this.#options.what} cannot be had`, {
        cause,
        notExecuted: true,
      })
    }
  }

  /** For a channel, whose callers are only told that it is not there: undefined then, and the log has why. */
  async wanted(signal: AbortSignal): Promise<T | undefined> {
    try {
      return await this.load(signal)
    } catch (error) {
      if (!signal.aborted && error !== this.#told)
        this.#options.scope.log.warn(`${this.#options.what} cannot be had`, { error })
      this.#told = error // one attempt fails for many
      return undefined
    }
  }

  /** With the component: nothing is fetched any more. */
  end(): void {
    this.#ending.abort()
    this.#value = undefined
  }

  async #read(): Promise<T> {
    const { read, scope } = this.#options
    try {
      this.#value = await read((input, init) => {
        const signal = AbortSignal.any([this.#ending.signal, AbortSignal.timeout(withinMs)])
        return orEnd(scope.fetch(input, { ...init, signal }), signal).catch((cause: unknown) => {
          if (!signal.aborted) throw cause
          throw new GatewayError('BACKEND_FAILED', `no answer within ${withinMs} ms`, { cause })
        })
      })
      return this.#value
    } catch (error) {
      this.#failedAt = scope.now()
      this.#failure = error
      throw error
    } finally {
      this.#loading = undefined
    }
  }
}

async function orEnd<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise: ended, reject } = Promise.withResolvers<never>()
  const abort = (): void => reject(signal.reason)
  if (signal.aborted) abort()
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, ended])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
