// How many calls of one backend or agent may run at once, so that a slow one cannot take everything with it.
import { GatewayError } from '../api.ts'
import type { LimitCount } from './limit-count.ts'

export interface BulkheadOptions {
  readonly maxCalls: number
  /** Nothing is refused; what would have been is counted. */
  readonly dryRun: boolean
}

export interface BulkheadAsk {
  /** What is called, for the refusal's text. */
  readonly what: string
  /** How long it may wait for a place, in milliseconds; 0: it is refused at once. */
  readonly waitMs: number
  readonly signal?: AbortSignal | undefined
}

export interface Bulkhead {
  /** A place, at once if there is one. Rejects with `OVERLOADED` (`notExecuted`, `retryAfterMs`); an abort with the signal's reason. */
  enter(ask: BulkheadAsk): Place | Promise<Place>
  readonly running: number
  readonly waiting: number
}

export interface Place {
  /** Makes the call and holds the place until it has really ended, whoever stopped waiting for it before. */
  hold<T>(call: () => Promise<T>): Promise<T>
  /** Gives the place back if no call was made. */
  [Symbol.dispose](): void
}

class Taken implements Place {
  #leave: (() => void) | undefined

  constructor(leave: () => void) {
    this.#leave = leave
  }

  hold<T>(call: () => Promise<T>): Promise<T> {
    const leave = this.#leave ?? (() => undefined)
    const result = call() // throws: the place is still to be given back
    this.#leave = undefined
    result.then(leave, leave)
    return result
  }

  [Symbol.dispose](): void {
    this.#leave?.()
    this.#leave = undefined
  }
}

const RETRY_MS = 1000

interface Waiter {
  admit(): void
}

/** Makes the bulkhead of one backend (DESIGN §7): outside the breaker, which never hears of a refusal (TRAPS opossum: capacity). */
export function createBulkhead(options: BulkheadOptions, count: LimitCount): Bulkhead {
  const { maxCalls, dryRun } = options
  const waiters = new Set<Waiter>()
  let running = 0

  function leave(): void {
    running -= 1
    if (running >= maxCalls) return
    for (const waiter of waiters) {
      waiters.delete(waiter)
      waiter.admit()
      return
    }
  }

  function placed(): Place {
    count.accepted()
    running += 1
    return new Taken(leave)
  }

  function refusal(what: string): GatewayError {
    count.refused()
    return new GatewayError('OVERLOADED', `${what}: ${maxCalls} calls are under way already`, {
      retryAfterMs: RETRY_MS,
      notExecuted: true,
    })
  }

  function waited({ what, waitMs, signal }: BulkheadAsk): Promise<Place> {
    const { promise, resolve, reject } = Promise.withResolvers<Place>()
    const end = (settle: () => void): void => {
      waiters.delete(waiter)
      clearTimeout(timer)
      signal?.removeEventListener('abort', gone)
      settle()
    }
    const gone = (): void =>
      end(() => {
        count.failed()
        reject(signal?.reason)
      })
    const waiter = { admit: () => end(() => resolve(placed())) }
    const timer = setTimeout(() => end(() => reject(refusal(what))), waitMs)
    signal?.addEventListener('abort', gone, { once: true })
    waiters.add(waiter)
    return promise
  }

  return {
    enter(ask) {
      count.offered()
      if (running < maxCalls) return placed()
      if (dryRun) {
        count.wouldRefuse()
        return placed()
      }
      if (ask.waitMs > 0 && ask.signal?.aborted !== true) return waited(ask)
      return Promise.reject(refusal(ask.what))
    },
    get running() {
      return running
    },
    get waiting() {
      return waiters.size
    },
  }
}
