// SEMANTICS 16: what was begun twice and did not end is begun by itself, so that poison takes no innocent message with it.
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import type { Lanes } from '../lanes/lanes.ts'
import { settleDurably } from './settling.ts'
import type { Attempt, Fence, Store, Work } from '../store/store.ts'

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
/** Of more than so many several have their turn together: the last one begins in about two minutes, whatever those before it do. */
const MOST_TURNS = 64
const KEPT_MS = 72 * 3_600_000
const AGAIN_MS = 500

/** Begun, and its owner was gone before it ended: the store notes it so when it hands the work out again. */
export function isLost({ target, failure }: Attempt): boolean {
  return target === '' && failure?.code === 'OUTCOME_UNKNOWN'
}

interface Waiting {
  readonly trials: number
  begin(turn: Turn): void
  letGo(): void
}

/** Those who are begun together. */
interface Turn {
  readonly size: number
  /** Of them have not ended. */
  left: number
  /** Nobody from an earlier turn is under way. */
  readonly isAlone: boolean
}

/**
 * A process that dies says nothing of who killed it: each death counts against all that was in flight, and most of it had nothing to do
 * with it. So the store's count of three (`Work.poison`) decides alone where a suspect has no company. Among several each is tried by
 * itself, which is noted durably before the call; who was tried longest ago comes first, and only who dies alone twice is given up. Where
 * they are too many for that, several are tried together: a death then counts a share against each, and those are the last of the next life.
 * Who is given up is routed once more, since his route says what becomes of him; that is noted too, and who dies at it is given up without.
 */
export class Suspects {
  readonly #options: SuspectsOptions
  #line: Waiting[] = []
  #isMoving = false
  #timer: NodeJS.Timeout | undefined
  /** The last one. */
  #turn: Turn | undefined
  /** How many have a turn together, until nobody is left. */
  #atOnce = 1
  #inFlight = 0
  /** In this life; one that is put back comes again. */
  readonly #seen = new Set<string>()

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
    const key = `suspect/${work.kind}/${work.id}`
    const givenUp = `given-up/${work.kind}/${work.id}`
    if (this.#seen.size === 0)
      log.warn('the gateway died twice with work in flight: it is begun apart from the rest')
    this.#seen.add(key)
    try {
      const { value } = await store.value({ key })
      const trials = typeof value === 'number' ? value : 0
      const turn = await this.#myTurn(trials)
      if (turn === undefined) return await this.#putBack(work, fence)
      using _ = { [Symbol.dispose]: () => this.#left(turn) }
      const hasCompany = this.#seen.size > 1
      const isPoison = work.poison && (trials >= TRIALS || (trials === 0 && !hasCompany))
      if (turn.isAlone && !isPoison)
        await store.value({ key, put: hasCompany ? trials + 1 / turn.size : TRIALS, ttlMs: KEPT_MS })
      const isUnroutable = isPoison && (await store.value({ key: givenUp })).value === true
      if (isPoison && !isUnroutable) await store.value({ key: givenUp, put: true, ttlMs: KEPT_MS })
      using hold = lanes.ownHold(work.home)
      // SEMANTICS 20: it has waited, and what is begun now may be begun elsewhere.
      if (hold?.fence.counter !== fence.counter) return await this.#putBack(work, fence)
      await step({ ...work, poison: isPoison, ...(isUnroutable && { isUnroutable }) }, fence)
      await store.value({ key, delete: true })
      if (isPoison) await store.value({ key: givenUp, delete: true })
    } catch (error) {
      log.warn('what was begun twice and did not end is looked into later', {
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
    // Put back it would be a call that was let go, and free to be made again. In flight it is found as cut off: by the next start, or where its lease ends.
    if (kind === 'claim') return
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
    this.#line.push({ trials, begin: resolve, letGo: () => resolve(undefined) })
    if (!this.#isMoving) this.#nextIn(GATHER_MS)
    return promise
  }

  #left(turn: Turn): void {
    this.#inFlight--
    turn.left--
    if (this.#turn === turn && turn.left === 0) this.#next()
  }

  #nextIn(ms: number): void {
    this.#isMoving = true
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#next(), ms)
  }

  #next(): void {
    clearTimeout(this.#timer)
    const { length } = this.#line
    this.#isMoving = length > 0
    this.#atOnce = Math.max(length > 0 ? this.#atOnce : 1, Math.ceil(length / MOST_TURNS))
    if (length === 0) return
    const sorted = this.#line.toSorted((a, b) => a.trials - b.trials)
    const next = sorted.slice(0, this.#atOnce)
    this.#line = sorted.slice(this.#atOnce)
    this.#nextIn(TURN_MS)
    const turn = { size: next.length, left: next.length, isAlone: this.#inFlight === 0 }
    this.#turn = turn
    this.#inFlight += next.length
    for (const one of next) one.begin(turn)
  }

  #letGo(): void {
    clearTimeout(this.#timer)
    for (const waiting of this.#line.splice(0)) waiting.letGo()
  }
}

function isSuspect({ attempts, poison }: Work): boolean {
  return poison || (attempts.length >= DEATHS && attempts.slice(-DEATHS).every(isLost))
}
