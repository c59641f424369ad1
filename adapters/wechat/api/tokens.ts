// One access token: fetched by one caller at a time in all instances, renewed early, kept in the store, proof against a clock that jumps.
import { GatewayError } from 'dragoman'
import type { Json, Scope } from 'dragoman'

import { isFields } from './answer-text.ts'

export interface FreshToken {
  readonly token: string
  readonly lifeMs: number
}

export interface TokenOptions {
  readonly scope: Pick<Scope, 'state' | 'log' | 'now'>
  /** In the store: `token/wx123`. */
  readonly key: string
  /** For people: `the access token of wx123`. */
  readonly what: string
  /** Asks the platform. Called by one instance at a time. */
  readonly fetch: (signal: AbortSignal) => Promise<FreshToken>
  /** Milliseconds that never go back; default `performance.now`. */
  readonly monotonic?: () => number
  readonly pause?: (ms: number) => Promise<void>
}

export interface Tokens {
  /**
   * The current token. Throws `BACKEND_FAILED` with what the platform's refusal means, always with `notExecuted` (nothing was called
   * with it) and `retryAfterMs`: until then nobody asks the platform, whoever wants the token.
   */
  get(): Promise<string>
  /** The platform did not take `used`. Another one is fetched only if that was the current one: a late refusal of an old token does nothing. */
  renew(used: string): Promise<string>
  close(): void
}

interface Held {
  readonly token: string
  /** By the monotonic clock. */
  readonly renewAt: number
  readonly until: number
}

/** No token of the platform lives longer; what claims to was written by a clock that has jumped. */
const MAX_LIFE_MS = 7_200_000
/** From then on the platform gives out the next one, and takes both (stable_token, 5 min). */
const EARLY_MS = 300_000
/** The clocks of two instances differ by no more. */
const SKEW_MS = 60_000
/** The platform gave the refused token out again: it is not asked a second time within that. */
const CONFIRMED_MS = 5000
const FETCH_MS = 10_000
const LEASE_MS = 15_000
const POLL_MS = 100
/** After a failure the platform is left alone for a while, so that a wrong secret is not asked about with every message. */
const PAUSE_FIRST_MS = 500
const PAUSE_LONGEST_MS = 60_000

/** Keeps one token. Created without I/O. */
export function createTokens(options: TokenOptions): Tokens {
  const { scope, key, what } = options
  const monotonic = options.monotonic ?? (() => performance.now())
  const pause = options.pause ?? ((ms) => new Promise((resolve) => setTimeout(resolve, ms)))
  const closed = new AbortController()
  let held: Held | undefined
  let running: Promise<Held> | undefined
  let confirmed = { token: '', until: 0 }
  let failed: { readonly thrown: unknown; readonly until: number; readonly times: number } | undefined

  /** Joined by everybody who needs another token than `old`. */
  function another(old: string | undefined): Promise<Held> {
    running ??= fetchAnother(old).finally(() => {
      running = undefined
    })
    return running
  }

  async function fetchAnother(old: string | undefined): Promise<Held> {
    const restMs = failed === undefined ? 0 : failed.until - monotonic()
    if (failed !== undefined && restMs > 0) throw notCalled(failed.thrown, what, restMs)
    try {
      held = await underLease(old)
      failed = undefined
      if (held.token === old) confirmed = { token: old, until: monotonic() + CONFIRMED_MS }
      return held
    } catch (thrown) {
      const times = (failed?.times ?? 0) + 1
      // The token of a third party's customer waits for the third party's own.
      const askedMs = GatewayError.from(thrown).retryAfterMs ?? 0
      const ms = Math.min(Math.max(PAUSE_FIRST_MS * 2 ** (times - 1), askedMs), PAUSE_LONGEST_MS)
      failed = { thrown, until: monotonic() + ms, times }
      const error = notCalled(thrown, what, ms)
      scope.log.warn(`${what} could not be renewed`, { error: error.message, againInMs: ms })
      throw error
    }
  }

  async function underLease(old: string | undefined): Promise<Held> {
    const deadline = monotonic() + FETCH_MS
    for (;;) {
      const lease = await attempt(() => scope.state.lease(`${key}/fetch`, LEASE_MS))
      // Without a store there is nobody to agree with: a token is fetched all the same.
      if (lease !== undefined || monotonic() > deadline) {
        try {
          return (await stored(old)) ?? (await fetched())
        } finally {
          if (lease !== undefined && lease !== NO_STORE) await attempt(() => lease.release())
        }
      }
      await pause(POLL_MS)
      const found = await stored(old)
      if (found !== undefined) return found
    }
  }

  /** What another instance, or an earlier life, has fetched; undefined where it is the old one or not fit for use. */
  async function stored(old: string | undefined): Promise<Held | undefined> {
    const found = await attempt(() => scope.state.get(key))
    if (found === undefined || found === NO_STORE || !isFields(found.value)) return undefined
    const { token, at, lifeMs } = found.value
    if (typeof token !== 'string' || typeof at !== 'number' || typeof lifeMs !== 'number') return undefined
    if (token === old) return undefined
    const age = Math.max(scope.now() - at, 0)
    // Written in the future: the clock has gone back since, and nobody knows how old it is.
    const isLater = at - scope.now() > SKEW_MS
    if (isLater || age >= lifeMs || lifeMs > MAX_LIFE_MS) return undefined
    const next = hold(token, lifeMs, age)
    return monotonic() >= next.renewAt ? undefined : next
  }

  async function fetched(): Promise<Held> {
    const signal = AbortSignal.any([closed.signal, AbortSignal.timeout(FETCH_MS)])
    const { token, lifeMs } = await options.fetch(signal)
    const life = Math.min(Math.max(lifeMs, 1000), MAX_LIFE_MS)
    const value: Json = { token, at: scope.now(), lifeMs: life }
    await attempt(() => scope.state.put(key, value, { ttlMs: life }))
    return hold(token, life, 0)
  }

  function hold(token: string, lifeMs: number, ageMs: number): Held {
    const born = monotonic() - ageMs
    const early = Math.min(EARLY_MS, lifeMs / 10)
    return { token, renewAt: born + lifeMs - early, until: born + lifeMs }
  }

  /** The store's failure is not the token's. */
  async function attempt<T>(use: () => Promise<T>): Promise<T | typeof NO_STORE> {
    try {
      return await use()
    } catch (error) {
      scope.log.warn(`${what}: the store cannot be used, this instance acts alone`, {
        error: GatewayError.from(error).message,
      })
      return NO_STORE
    }
  }

  return {
    async get() {
      if (held === undefined) held = await stored(undefined)
      const now = monotonic()
      if (held === undefined || now >= held.until) return (await another(held?.token)).token
      // It is good for minutes to come: whoever asks does not wait for the next one, and its failure is no failure yet.
      if (now >= held.renewAt) void another(held.token).catch(() => undefined) // logged there
      return held.token
    },
    async renew(used) {
      if (held !== undefined && held.token !== used && monotonic() < held.until) return held.token
      if (confirmed.token === used && monotonic() < confirmed.until) return used
      return (await another(used)).token
    },
    close() {
      closed.abort(new GatewayError('CHANNEL_GONE', `${what}: the component is closed`))
    },
  }
}

const NO_STORE = Symbol('the store cannot be used')

function notCalled(thrown: unknown, what: string, restMs: number): GatewayError {
  return new GatewayError('BACKEND_FAILED', `${what} cannot be had: ${GatewayError.from(thrown).message}`, {
    cause: thrown,
    notExecuted: true,
    retryAfterMs: Math.ceil(restMs),
  })
}
