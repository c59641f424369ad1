// Callers who wait for an outcome, by the id of the message it will belong to.
import type { Reply } from './api.ts'
import type { Failure, Outcome } from './store/store.ts'

export interface Ended {
  readonly outcome: Outcome
  readonly reply?: Reply | undefined
  readonly failure?: Failure | undefined
}

export interface Waiter {
  /** Undefined when the time was over or the caller went first. */
  readonly ended: Promise<Ended | undefined>
  cancel(): void
}

export interface WaitOptions {
  readonly ms: number
  readonly signal?: AbortSignal | undefined
}

/** Beyond it a timer of Node's fires at once. */
const LONGEST_MS = 2_147_483_647

/** Register before the work can end, then read the store: a wake-up is only a hint (SEMANTICS 33). */
export class Waiters {
  readonly #byId = new Map<string, Set<(ended: Ended | undefined) => void>>()
  #isReleased = false

  register(id: string, { ms, signal }: WaitOptions): Waiter {
    let finish: (ended: Ended | undefined) => void = () => undefined
    const ended = new Promise<Ended | undefined>((resolve) => {
      const waiting = this.#byId.get(id) ?? new Set()
      this.#byId.set(id, waiting)
      const gone = (): void => finish(undefined)
      const timer = setTimeout(gone, Math.min(ms, LONGEST_MS))
      finish = (result) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', gone)
        waiting.delete(finish)
        if (waiting.size === 0) this.#byId.delete(id)
        resolve(result)
      }
      waiting.add(finish)
      if (signal?.aborted === true || this.#isReleased) gone()
      else signal?.addEventListener('abort', gone, { once: true })
    })
    return { ended, cancel: () => finish(undefined) }
  }

  isAwaited(id: string): boolean {
    return this.#byId.has(id)
  }

  resolve(id: string, ended: Ended): void {
    const waiting = this.#byId.get(id)
    if (waiting !== undefined) for (const finish of waiting) finish(ended)
  }

  /** Nobody waits any longer, also who comes later: the process ends. */
  release(): void {
    this.#isReleased = true
    for (const waiting of this.#byId.values()) for (const finish of waiting) finish(undefined)
  }
}
