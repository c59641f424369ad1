// Pushes whose receivers are not there: their lanes wait in the store, and go on at once when the channel says that one has come.
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import type { Lanes } from '../lanes/lanes.ts'
import type { Store, Work } from '../store/store.ts'

export interface AbsentOptions {
  readonly store: Pick<Store, 'settle'>
  readonly log: Log
  readonly lanes: Pick<Lanes, 'isRunning' | 'ownHold' | 'poke'>
}

type Waiting = Pick<Work, 'id' | 'home' | 'attempt'>

/** Beyond it the oldest are only looked at from time to time, as all are after a take-over. */
const MOST = 100_000

/** Those this instance has tried. It may forget any of them: each is due again by itself (SEMANTICS 33). */
export class Absent {
  readonly #options: AbsentOptions
  readonly #waiting = new Map<string, Waiting>()
  /** Came while the push that found nobody was not settled yet. */
  readonly #early = new Set<string>()

  constructor(options: AbsentOptions) {
    this.#options = options
  }

  /** `ChannelHost.arrived`. */
  arrived(key: string): void {
    const waiting = this.#waiting.get(key)
    if (waiting !== undefined) void this.#release(waiting)
    else if (this.#options.lanes.isRunning('push', key)) this.#early.add(key)
  }

  /** A push is settled; `isAbsent`: it waits for its receiver. */
  settled({ id, home, attempt }: Work, isAbsent: boolean): void {
    if (!isAbsent) return this.#forget(id)
    const waiting = { id, home, attempt }
    if (this.#early.delete(id)) return void this.#release(waiting)
    this.#waiting.delete(id) // the newest are at the end
    this.#waiting.set(id, waiting)
    for (const oldest of this.#waiting.keys()) {
      if (this.#waiting.size <= MOST) break
      this.#waiting.delete(oldest)
    }
  }

  #forget(key: string): void {
    this.#waiting.delete(key)
    this.#early.delete(key)
  }

  async #release({ id, home, attempt }: Waiting): Promise<void> {
    this.#waiting.delete(id)
    const { store, log, lanes } = this.#options
    using hold = lanes.ownHold(home)
    if (hold === undefined) return // of another instance by now, which looks by itself
    try {
      const { fence } = hold
      const nothing = { replies: [], inbox: false, pushes: [] }
      await store.settle({ home, kind: 'push', id, attempt, fence, outcome: 'retry', delayMs: 0, ...nothing })
      lanes.poke(home)
    } catch (error) {
      log.debug('a push goes out when it is looked at', { id, error: GatewayError.from(error).message })
    }
  }
}
