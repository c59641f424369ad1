// SEMANTICS 16: what was begun twice and did not end is begun by itself, so that poison takes no innocent message with it.
import { GatewayError } from './api.ts'
import type { Log } from './api.ts'
import type { Lanes } from './lanes.ts'
import { settleDurably } from './settling.ts'
import type { Attempt, Fence, Store, Work } from './store/store.ts'

export interface SuspectsOptions {
  readonly store: Store
  readonly log: Log
  readonly lanes: Pick<Lanes, 'ownHold' | 'poke'>
  readonly stopped: AbortSignal
  /** One step of work, to its settle. Must not reject. */
  readonly step: (work: Work, fence: Fence) => Promise<void>
}

/** Deaths in a row that make a suspect of whatever was in flight. */
const DEATHS = 2
/** Deaths of the gateway while it was tried alone that a message is given up for, if there are others it may have been. */
const TRIALS = 2
/** What an earlier life left behind comes in several takes: so long the first one waits for its company. */
const GATHER_MS = 250
/** Who takes longer than this has the next one begun beside him. */
const TURN_MS = 2000
const KEPT_MS = 72 * 3_600_000
const AGAIN_MS = 500

/** Begun, and its owner was gone before it ended: the store notes it so when it hands the work out again. */
export function isLost({ target, failure }: Attempt): boolean {
  return target === '' && failure?.code === 'OUTCOME_UNKNOWN'
}

interface Waiting {
  readonly trials: number
  begin(isAlone: boolean): void
  letGo(): void
}

interface Turn extends Disposable {
  readonly isAlone: boolean
}

/**
 * A process that dies says nothing of who killed it: each death counts against all that was in flight, and most of it had nothing to do
 * with it. So the store's count of three (`Work.poison`) decides alone where a suspect has no company. Among several each is tried by
 * itself, which is noted durably before the call; who was tried longest ago comes first, and only who dies alone twice is given up.
 */
export class Suspects {
  readonly #options: SuspectsOptions
  #line: Waiting[] = []
  #isMoving = false
  #timer: NodeJS.Timeout | undefined
  /** The last one begun. */
  #turn: Turn | undefined
  #inFlight = 0
  /** In this life. */
  #seen = 0

  constructor(options: SuspectsOptions) {
    this.#options = options
    options.stopped.addEventListener('abort', () => this.#letGo(), { once: true })
  }

  /** Makes the step at once, or for a suspect in its turn. Never rejects. */
  run(work: Work, fence: Fence): Promise<void> {
    return isSuspect(work) ? this.#try(work, fence) : this.#options.step(work, fence)
  }

  async #try(work: Work, fence: Fence): Promise<void> {
    const { store, log, lanes, step } = this.#options
    this.#seen++
    if (this.#seen === 1) log.warn('the gateway died twice with work in flight: it is begun one by one')
    const key = `suspect/${work.kind}/${work.id}`
    try {
      const { value } = await store.value({ key })
      const trials = typeof value === 'number' ? value : 0
      using turn = await this.#myTurn(trials)
      if (turn === undefined) return await this.#putBack(work, fence)
      const hasCompany = this.#seen > 1
      const isPoison = work.poison && (trials >= TRIALS || (trials === 0 && !hasCompany))
      if (turn.isAlone && !isPoison)
        await store.value({ key, put: hasCompany ? trials + 1 : TRIALS, ttlMs: KEPT_MS })
      using hold = lanes.ownHold(work.home)
      // SEMANTICS 20: it has waited, and what is begun now may be begun elsewhere.
      if (hold?.fence.counter !== fence.counter) return await this.#putBack(work, fence)
      await step({ ...work, poison: isPoison }, fence)
      await store.value({ key, delete: true })
    } catch (error) {
      log.warn('what was begun twice and did not end is tried later', {
        id: work.id,
        error: GatewayError.from(error).message,
      })
      await this.#putBack(work, fence)
    }
  }

  /** Nobody was asked: it is no attempt. What has ended by now or is another's stays as it is. */
  async #putBack(work: Work, fence: Fence): Promise<void> {
    const { store, log, lanes, stopped } = this.#options
    const { home, kind, id, attempt } = work
    const waits = { outcome: 'retry', delayMs: AGAIN_MS, replies: [], inbox: false, pushes: [] } as const
    try {
      await settleDurably(store, { home, kind, id, attempt, fence, ...waits }, { log, stopped })
      lanes.poke(home)
    } catch (error) {
      log.error('a step of work cannot be put back; it holds its lane until the next start', { id, error })
    }
  }

  /** Undefined: the process ends, and what still waits here is no death of it. */
  #myTurn(trials: number): Promise<Turn | undefined> {
    if (this.#options.stopped.aborted) return Promise.resolve(undefined)
    const { promise, resolve } = Promise.withResolvers<Turn | undefined>()
    const begin = (isAlone: boolean): void => {
      const turn = { isAlone, [Symbol.dispose]: () => this.#left(turn) }
      this.#turn = turn
      resolve(turn)
    }
    this.#line.push({ trials, begin, letGo: () => resolve(undefined) })
    if (!this.#isMoving) this.#nextIn(GATHER_MS)
    return promise
  }

  #left(turn: Turn): void {
    this.#inFlight--
    if (this.#turn === turn) this.#next()
  }

  #nextIn(ms: number): void {
    this.#isMoving = true
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#next(), ms)
  }

  #next(): void {
    clearTimeout(this.#timer)
    const next = this.#line.toSorted((a, b) => a.trials - b.trials)[0]
    this.#isMoving = next !== undefined
    if (next === undefined) return
    this.#line = this.#line.filter((one) => one !== next)
    this.#nextIn(TURN_MS)
    next.begin(this.#inFlight++ === 0)
  }

  #letGo(): void {
    clearTimeout(this.#timer)
    for (const waiting of this.#line.splice(0)) waiting.letGo()
  }
}

function isSuspect({ attempts, poison }: Work): boolean {
  return poison || (attempts.length >= DEATHS && attempts.slice(-DEATHS).every(isLost))
}
