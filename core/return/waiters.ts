// Callers who wait for an outcome, by the id of the message it will belong to.
import type { Reply } from '../api.ts'
import type { Failure, Outcome, Store, Watch, Work } from '../store/store.ts'
import { isAtWork } from '../calls/writes.ts'

export interface Ended {
  readonly outcome: Outcome
  readonly reply?: Reply | undefined
  readonly failure?: Failure | undefined
}

export interface Waiter {
  /** Undefined when the time was over or the caller went first. */
  readonly ended: Promise<Ended | undefined>
  readonly cancel: () => void
}

export interface WaitOptions {
  readonly ms: number
  readonly signal?: AbortSignal | undefined
  /** Who waits for what has begun waits for its end: at most as long again, and for that to be stored. */
  readonly toEnd?: boolean | undefined
}

/** Beyond it a timer of Node's fires at once. */
const LONGEST_MS = 2_147_483_647
/** For the end of a call to be stored and told. */
const SETTLE_MS = 5000

export interface WaitersOptions {
  readonly store: Pick<Store, 'watch' | 'find' | 'partitions'>
  /** How the message has ended by now, as the store has it; undefined: not yet. */
  readonly look: (id: string) => Promise<Ended | undefined>
}

interface Waiting {
  readonly finish: Set<(ended: Ended | undefined) => void>
  readonly watch: Watch
}

/**
 * Register before the work can end, then read the store: a wake-up is only a hint (SEMANTICS 33). An end that this process brings about
 * is told by it; one of another instance is hinted at, and read.
 */
export class Waiters {
  readonly #options: WaitersOptions
  readonly #byId = new Map<string, Waiting>()
  #isReleased = false

  constructor(options: WaitersOptions) {
    this.#options = options
  }

  register(id: string, { ms, signal, toEnd }: WaitOptions): Waiter {
    let finish: (ended: Ended | undefined) => void = () => undefined
    const ended = new Promise<Ended | undefined>((resolve) => {
      const waiting = this.#byId.get(id) ?? this.#begin(id)
      const gone = (): void => finish(undefined)
      const over = async (): Promise<void> => {
        const goesOn = toEnd === true && (await this.#isAtWork(id))
        if (!waiting.finish.has(finish)) return
        if (goesOn) timer = setTimeout(gone, Math.min(ms + SETTLE_MS, LONGEST_MS))
        // What has just ended is stored before it is told.
        else finish(toEnd === true ? await this.#looked(id) : undefined)
      }
      let timer = setTimeout(() => void over(), Math.min(ms, LONGEST_MS))
      finish = (result) => {
        clearTimeout(timer)
        signal?.removeEventListener('abort', gone)
        waiting.finish.delete(finish)
        if (waiting.finish.size === 0) this.#end(id, waiting)
        resolve(result)
      }
      waiting.finish.add(finish)
      if (signal?.aborted === true || this.#isReleased) gone()
      else signal?.addEventListener('abort', gone, { once: true })
    })
    return { ended, cancel: () => finish(undefined) }
  }

  isAwaited(id: string): boolean {
    return this.#byId.has(id)
  }

  /**
   * Here or on another instance. Whoever waited was told when it was first tried in vain; of this process' own callers it is known
   * who has gone.
   */
  isAwaitedAnywhere({ message: { id }, awaited, attempts }: Work): boolean {
    return (
      attempts.length === 0 &&
      (this.isAwaited(id) || (awaited === true && this.#options.store.partitions > 1))
    )
  }

  resolve(id: string, ended: Ended): void {
    const waiting = this.#byId.get(id)
    if (waiting !== undefined) for (const finish of waiting.finish) finish(ended)
  }

  /** Nobody waits any longer, also who comes later: the process ends. */
  release(): void {
    this.#isReleased = true
    for (const { finish: all } of this.#byId.values()) for (const finish of all) finish(undefined)
  }

  #begin(id: string): Waiting {
    const waiting = {
      finish: new Set<(ended: Ended | undefined) => void>(),
      watch: this.#options.store.watch([`reply:${id}`]),
    }
    this.#byId.set(id, waiting)
    void this.#listen(id, waiting.watch)
    return waiting
  }

  #end(id: string, waiting: Waiting): void {
    waiting.watch.close()
    if (this.#byId.get(id) === waiting) this.#byId.delete(id)
  }

  async #listen(id: string, watch: Watch): Promise<void> {
    for await (const _ of watch) {
      // What this process has brought about it tells within the same turn.
      await new Promise((turn) => setImmediate(turn))
      if (!this.isAwaited(id)) return
      const ended = await this.#looked(id)
      if (ended !== undefined) this.resolve(id, ended)
    }
  }

  /** Whether an attempt of it has begun and not ended, on this instance or another one; or it is still being stored, and may begin with that. */
  async #isAtWork(id: string): Promise<boolean> {
    try {
      const rows = await this.#options.store.find({ by: 'id', id })
      return rows.length === 0 || isAtWork(rows, id)
    } catch {
      return false // the wait is over; what it was for is read then, and that failure is the waiter's to hear
    }
  }

  async #looked(id: string): Promise<Ended | undefined> {
    try {
      return await this.#options.look(id)
    } catch {
      return undefined // read again at the wait's end, whose failure is the waiter's to hear
    }
  }
}
