// Who may begin, when more comes than can be done: begun work is metered by the event loop's turns, the rest waits by priority or is refused.
// Refusals are metered too: whoever asks again the moment he was refused would else fill the turns.
import { performance } from 'node:perf_hooks'
import { GatewayError } from '../api.ts'
import type { Priority } from '../api.ts'
import type { LimitCount } from './limit-count.ts'

export interface AdmissionOptions {
  /** The event loop shall come round in this time: as much is begun in a turn as fits. */
  readonly turnMs: number
  /** How long a request of normal priority may wait for its turn; low half as long, high twice, urgent four times. */
  readonly waitMs: number
  /** Nobody waits or is refused; what would have been refused is counted. */
  readonly dryRun: boolean
}

export interface Entry {
  readonly priority: Priority
  /** False: nobody behind it could be told to come again; it waits as long as it takes. */
  readonly sheds: boolean
  readonly signal?: AbortSignal | undefined
}

export interface Admission {
  /**
   * Undefined: go on at once. Else resolves when it is its turn. Throws or rejects with `OVERLOADED` (`notExecuted`,
   * `retryAfterMs`); an abort rejects with the signal's reason.
   */
  enter(entry: Entry): Promise<void> | undefined
  /**
   * For what has begun and goes on with an answer: many come at once. Undefined: at once. Else resolves when it is its turn; it is
   * never refused.
   */
  goOn(priority: Priority): Promise<void> | undefined
  readonly waiting: number
  /** What may begin in one turn by now. */
  readonly perTurn: number
}

/** What it needs of the event loop; tests bring their own. */
export interface Loop {
  /** Milliseconds, monotonic. */
  now(): number
  /** How many of them the loop has waited for something to happen. */
  idle(): number
  /** Calls at the end of the turn, which is not waited for: nothing is idle meanwhile. */
  atTurn(call: () => void): void
  later(ms: number, call: () => void): void
}

/** What each priority may have of a turn whoever else waits; what is left goes to the highest. */
export const SHARES: Readonly<Record<Priority, number>> = { urgent: 0.4, high: 0.3, normal: 0.2, low: 0.1 }
const PATIENCE: Readonly<Record<Priority, number>> = { urgent: 4, high: 2, normal: 1, low: 0.5 }
const ORDER = ['urgent', 'high', 'normal', 'low'] as const

const FIRST_PER_TURN = 64
/** Below this the turns are long for another reason than what is begun. */
const LEAST_PER_TURN = 4
const MOST_PER_TURN = 10_000
/** The rate follows what is measured while more comes than can be begun, over so many milliseconds. */
const RATE_OVER_MS = 100
const LEAST_RATE = 0.02
/** What a refusal takes of the event loop, and how much of it all of them may take: the others wait for theirs, and ask no more meanwhile. */
const REFUSAL_MS = 0.1
const REFUSALS_SHARE = 0.1
/** Given at once when none was for a while. */
const MOST_REFUSALS = 50
/** Where refusals alone are left to give, they are looked at so often: the processor rests between. */
const REFUSALS_EVERY_MS = 5
/** No longer than the longest `Retry-After`. */
const LONGEST_REFUSAL_MS = 3000

interface Waiter {
  /** Since when it waits to begin; once it cannot hope to, for its refusal. */
  since: number
  readonly sheds: boolean
  begin(): void
  refuse(): void
}

interface Rank {
  readonly priority: Priority
  readonly share: number
  readonly patience: number
  readonly count: LimitCount
  readonly waiting: Set<Waiter>
  /** Answers that are there. */
  going: (() => void)[]
  /** What is left of its share, in starts. */
  credit: number
}

export function createAdmission(
  options: () => AdmissionOptions,
  countOf: (priority: Priority) => LimitCount,
  loop: Loop = processLoop,
): Admission {
  const ranks: readonly Rank[] = ORDER.map((priority) => ({
    priority,
    share: SHARES[priority],
    patience: PATIENCE[priority],
    count: countOf(priority),
    waiting: new Set(),
    going: [],
    credit: 0,
  }))
  const rankOf = new Map(ranks.map((rank) => [rank.priority, rank]))
  let perTurn = FIRST_PER_TURN
  let begun = 0
  /** Of what began before: what went on in this turn, and what waits for that. */
  let gone = 0
  let going = 0
  let waiting = 0
  /** Starts in a millisecond, when as much was begun as could be. */
  let rate = FIRST_PER_TURN / options().turnMs
  /** In a dry run: how many would wait. */
  let backlog = 0
  let isArmed = false
  let isResting = false
  /** Who is going to be refused. */
  const hopeless = new Set<Waiter>()
  /** How many refusals may be given now. */
  let refusals = MOST_REFUSALS
  let refusalsAt = loop.now()
  let turnAt = 0
  let idleAt = 0

  function arm(): void {
    if (isArmed) return
    isArmed = true
    turnAt = loop.now()
    idleAt = loop.idle()
    loop.atTurn(turn)
  }

  /** At the end of each turn in which something was begun or waits. */
  function turn(): void {
    const now = loop.now()
    const idle = loop.idle()
    const tookMs = now - turnAt
    backlog = options().dryRun ? Math.max(0, backlog + begun - perTurn) : 0
    adapt(tookMs - (idle - idleAt), tookMs)
    begun = 0
    gone = 0
    if (going > 0) goOn()
    if (waiting > 0) {
      expire(now)
      begin()
    }
    if (hopeless.size > 0) refuse(now)
    turnAt = now
    idleAt = idle
    if (begun > 0 || gone > 0 || waiting > 0) return loop.atTurn(turn)
    isArmed = false
    if (hopeless.size > 0) rest()
  }

  function rest(): void {
    if (isResting) return
    isResting = true
    loop.later(REFUSALS_EVERY_MS, () => {
      isResting = false
      arm()
    })
  }

  function adapt(busyMs: number, tookMs: number): void {
    const { turnMs } = options()
    const isFull = waiting > 0 || going > 0 || begun + gone >= perTurn - 1
    if (isFull && tookMs > 0) {
      const weight = Math.min(0.3, tookMs / RATE_OVER_MS)
      rate = Math.max(LEAST_RATE, rate + (begun / tookMs - rate) * weight)
    }
    if (busyMs > turnMs) perTurn = Math.max(LEAST_PER_TURN, perTurn * Math.max(0.5, turnMs / busyMs))
    else if (isFull) perTurn = Math.min(MOST_PER_TURN, perTurn * 1.25 + 1)
  }

  /** Those that are due, oldest first. */
  function refuse(now: number): void {
    for (const waiter of hopeless) {
      if (!mayRefuse(now) && now - waiter.since <= LONGEST_REFUSAL_MS) break
      refusals = Math.max(0, refusals - 1)
      waiter.refuse()
    }
  }

  function mayRefuse(now: number): boolean {
    refusals = Math.min(MOST_REFUSALS, refusals + ((now - refusalsAt) * REFUSALS_SHARE) / REFUSAL_MS)
    refusalsAt = now
    return refusals >= 1
  }

  function refusedBy(rank: Rank): GatewayError | undefined {
    rank.count.refused()
    return refusal()
  }

  function expire(now: number): void {
    for (const { waiting: queue, patience } of ranks) {
      const longest = options().waitMs * patience
      for (const waiter of queue) {
        if (now - waiter.since <= longest) break
        if (!waiter.sheds) continue
        queue.delete(waiter)
        waiting -= 1
        waiter.since = now
        hopeless.add(waiter)
      }
    }
  }

  /** The highest first: what is begun shall end. */
  function goOn(): void {
    for (const rank of ranks) {
      const due = rank.going.splice(0, Math.max(0, Math.ceil(perTurn - gone)))
      gone += due.length
      going -= due.length
      for (const next of due) next()
    }
  }

  /** Each priority its share, then the highest first what is left. */
  function begin(): void {
    for (const rank of ranks) {
      rank.credit = (rank.credit % 1) + rank.share * perTurn
      for (const waiter of rank.waiting) {
        if (rank.credit < 1) break
        rank.credit -= 1
        waiter.begin()
      }
    }
    for (const { waiting: queue } of ranks)
      for (const waiter of queue) {
        if (begun + gone >= perTurn) return
        waiter.begin()
      }
  }

  function started(rank: Rank): void {
    begun += 1
    rank.count.accepted()
  }

  /** Those who are served before, and as well as, one who comes now. */
  function ahead(of: Rank): number {
    let sum = 0
    for (const rank of ranks) {
      sum += rank.waiting.size
      if (rank === of) break
    }
    return sum
  }

  function isHopeless(rank: Rank): boolean {
    const ms = (ahead(rank) + backlog) / rate
    // What a rank gets for certain, whoever else waits.
    const certainMs = rank.waiting.size / (rate * rank.share)
    const longest = options().waitMs * rank.patience
    return ms > longest && (options().dryRun || certainMs > longest)
  }

  function waited(rank: Rank, { sheds, signal }: Entry, isLost = false): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const end = (settle: () => void): void => {
      if (rank.waiting.delete(waiter)) waiting -= 1
      else if (!hopeless.delete(waiter)) return
      signal?.removeEventListener('abort', left)
      settle()
    }
    const left = (): void =>
      end(() => {
        rank.count.failed()
        reject(signal?.reason)
      })
    const waiter: Waiter = {
      since: loop.now(),
      sheds,
      begin: () =>
        end(() => {
          started(rank)
          resolve()
        }),
      refuse: () =>
        end(() => {
          reject(refusedBy(rank))
        }),
    }
    signal?.addEventListener('abort', left, { once: true })
    if (isLost) hopeless.add(waiter)
    else {
      rank.waiting.add(waiter)
      waiting += 1
    }
    return promise
  }

  return {
    enter(entry) {
      const rank = rankOf.get(entry.priority) ?? ranks[0]
      if (rank === undefined) return undefined
      rank.count.offered()
      arm()
      if (options().dryRun) {
        if (isHopeless(rank)) rank.count.wouldRefuse()
        started(rank)
        return undefined
      }
      if (waiting === 0 && begun + gone < perTurn) {
        started(rank)
        return undefined
      }
      if (rank.waiting.size === 0 && rank.credit >= 1) {
        rank.credit -= 1
        started(rank)
        return undefined
      }
      if (!entry.sheds || !isHopeless(rank)) return waited(rank, entry)
      if (hopeless.size > 0 || !mayRefuse(loop.now())) return waited(rank, entry, true)
      refusals -= 1
      throw refusedBy(rank)
    },
    goOn(priority) {
      arm()
      const rank = rankOf.get(priority)
      if (
        rank === undefined ||
        options().dryRun ||
        priority === 'urgent' ||
        (going === 0 && begun + gone < perTurn)
      ) {
        gone += 1
        return undefined
      }
      going += 1
      const { promise, resolve } = Promise.withResolvers<void>()
      rank.going.push(resolve)
      return promise
    },
    get waiting() {
      return waiting + hopeless.size
    },
    get perTurn() {
      return perTurn
    },
  }
}

/** Made once: who is refused by the thousand shall cost nothing. Different times, so that not all come again at once. */
const REFUSALS = [1000, 2000, 3000].map(
  (retryAfterMs) =>
    new GatewayError('OVERLOADED', 'more is asked than can be done now: come again later', {
      retryAfterMs,
      notExecuted: true,
    }),
)
let refused = 0

function refusal(): GatewayError | undefined {
  refused = (refused + 1) % REFUSALS.length
  return REFUSALS[refused]
}

const processLoop: Loop = {
  now: () => performance.now(),
  idle: () => performance.nodeTiming.idleTime,
  atTurn: (call) => void setImmediate(call),
  later: (ms, call) => void setTimeout(call, ms),
}
