// What stands around a call of a safe operation: fresh answer → call → last good answer, marked → fixed answer → error (DESIGN §7).
import type { Json, Log, Reply } from '../api.ts'
import { moment } from '../ids.ts'
import type { FallbackCache, Found, Place } from './cache.ts'
import type { SharedAnswers } from './shared-answers.ts'
import { createSingleFlight } from './single-flight.ts'
import type { CallOptions, Asked as Shared } from './single-flight.ts'
import { mayServeStale } from './verdict.ts'

/** Ages, each from the moment the call began that brought the answer; fresh ≤ revalidate ≤ stale. */
export interface CachePolicy {
  /** Younger ones are given without a call. */
  readonly freshMs: number
  /** Up to this age an answer is given at once, marked, and renewed behind it. */
  readonly revalidateMs: number
  /** Up to this age it stands in while the business system is down. */
  readonly staleMs: number
}

export interface FallbackOptions extends Place {
  readonly policy?: CachePolicy | undefined
  /** The answer where there is no other; it is marked as stale, without a moment. */
  readonly fixed?: Json | undefined
  readonly cache: FallbackCache
  /** What other instances have; looked at after this one's own. */
  readonly shared?: SharedAnswers | undefined
  readonly log: Log
  /** Hears where each answer came from, once. */
  readonly onServed: (from: Served) => void
}

/** call: the business system itself, or the running call of another. stale and fixed: because it failed. */
export type Served = 'fresh' | 'revalidating' | 'call' | 'stale' | 'fixed'

export interface Asked extends Shared {
  readonly params: string
}
export type MakeCall = (options: CallOptions) => Promise<Reply>

export interface Fallback {
  /** The call's own reply or error, unless an answer of the cache stands in: `origin: cache`. */
  run(asked: Asked, call: MakeCall): Promise<Reply>
}

/** Makes the fallback of one safe operation. The cache can only help: whatever fails in it is logged and the call is made. */
export function createFallback(options: FallbackOptions): Fallback {
  const { policy, fixed, cache, shared, log, onServed, backend, operation } = options
  const place = { backend, operation }
  const flights = createSingleFlight(() => tried(() => cache.begin(place))?.era)

  function tried<T>(what: () => T): T | undefined {
    try {
      return what()
    } catch (error) {
      log.warn('the fallback cache failed; the call goes on without it', { ...place, error })
      return undefined
    }
  }

  function served(from: Served, reply: Reply): Reply {
    onServed(from)
    return reply
  }

  function together(asked: Asked, call: MakeCall): Promise<Reply> {
    return flights.run(asked, (given) => kept(asked, () => call(given)))
  }

  async function kept({ key, params }: Asked, call: () => Promise<Reply>): Promise<Reply> {
    const ticket = tried(() => cache.begin(place))
    const era = shared?.eraOf(place)
    const begun = performance.now()
    const reply = await call()
    tried(() => {
      // A business fault is the system's last word on this: what it said before is no longer good.
      if (reply.fault !== undefined) {
        cache.drop(key)
        shared?.drop(key)
      } else if (ticket !== undefined && isWhole(reply)) {
        cache.put(ticket, { key, params, reply })
        if (era !== undefined) shared?.put(place, { key, reply, era, ageMs: performance.now() - begun })
      }
    })
    return reply
  }

  function ownAnswer({ key }: Pick<Asked, 'key'>): Found | undefined {
    return tried(() => cache.get(key))
  }

  /** This instance's own, unless it has none that is younger, and another has a better one. */
  async function lastKnown(asked: Asked, youngerMs: number, of: SharedAnswers): Promise<Found | undefined> {
    const { key, params } = asked
    const own = ownAnswer(asked)
    if (own?.current === true && own.ageMs < youngerMs) return own
    const theirs = await of.get(place, key)
    if (theirs === undefined) return own
    const isOwnBetter = own !== undefined && (own.current || !theirs.current) && own.ageMs <= theirs.ageMs
    if (isOwnBetter) return own
    const { reply, asOf, ageMs, current } = theirs
    const since = performance.now() - ageMs
    if (current) tried(() => cache.put({ ...cache.begin(place), asOf, since }, { key, params, reply }))
    return theirs
  }

  /** What may stand in for a call that has failed. */
  async function fallen(asked: Asked, { staleMs }: CachePolicy): Promise<Found | undefined> {
    return shared === undefined ? ownAnswer(asked) : lastKnown(asked, staleMs, shared)
  }

  async function renew(asked: Asked, call: MakeCall): Promise<void> {
    if (flights.isRunning(asked.key)) return
    try {
      await together({ ...asked, signal: undefined }, call)
    } catch (error) {
      log.debug('an answer could not be renewed', { ...place, error })
    }
  }

  return {
    async run(asked, call) {
      if (policy !== undefined) {
        const found =
          shared === undefined ? ownAnswer(asked) : await lastKnown(asked, policy.revalidateMs, shared)
        if (found?.current === true && found.ageMs < policy.freshMs)
          return served('fresh', fromCache(found, false))
        if (found?.current === true && found.ageMs < policy.revalidateMs) {
          void renew(asked, call)
          return served('revalidating', fromCache(found, true))
        }
      }
      try {
        const { ms, signal } = asked
        const reply = await (policy === undefined
          ? call({ ms, signal, shortened: () => false })
          : together(asked, call))
        return served('call', reply)
      } catch (error) {
        if (!mayServeStale(error)) throw error
        const last = policy === undefined ? undefined : await fallen(asked, policy)
        if (last !== undefined && policy !== undefined && last.ageMs < policy.staleMs)
          return served('stale', fromCache(last, true))
        if (fixed === undefined) throw error
        return served('fixed', { data: fixed, origin: 'cache', stale: true })
      }
    },
  }
}

/** Errors are never cached (DESIGN §7), nor what is only half an answer for one. */
function isWhole({ partial, metadata }: Reply): boolean {
  return partial !== true && metadata?.['incomplete'] === undefined
}

/** SEMANTICS 25: its age is monotonic, and so its moment is told by the clock as it is now, however that was set meanwhile. */
function fromCache({ reply, ageMs }: Found, stale: boolean): Reply {
  return { ...reply, origin: 'cache', asOf: moment(Date.now() - ageMs), ...(stale && { stale }) }
}
