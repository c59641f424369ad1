// When a worker that has died is started again: at once mostly, later and later if it goes on dying.

const FIRST_MS = 100
const LONGEST_MS = 5000
/** Who has lived for longer begins with the shortest pause again. */
const FORGIVEN_MS = 60_000
const HOPELESS = 5

export interface Restart {
  readonly pauseMs: number
  /** It has died five times in a minute without having been ready once. */
  readonly isHopeless: boolean
}

/** The deaths of one worker's place; `now` in milliseconds, monotonic. */
export class Restarts {
  readonly #now: () => number
  #deaths: readonly number[] = []
  #unready: readonly number[] = []

  constructor(now: () => number) {
    this.#now = now
  }

  died({ wasReady }: { readonly wasReady: boolean }): Restart {
    const now = this.#now()
    const recent = (at: number): boolean => now - at < FORGIVEN_MS
    const before = this.#deaths.filter(recent).length
    this.#deaths = [...this.#deaths.filter(recent), now]
    this.#unready = wasReady ? [] : [...this.#unready.filter(recent), now]
    return {
      pauseMs: Math.min(LONGEST_MS, FIRST_MS * 2 ** before),
      isHopeless: this.#unready.length >= HOPELESS,
    }
  }
}
