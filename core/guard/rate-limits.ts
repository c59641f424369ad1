// How often somebody may call: per caller, channel and operation, counted by rate-limiter-flexible. Its only import.
import { RateLimiterMemory, RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible'
import { GatewayError } from '../api.ts'
import type { LimitCount } from './limit-count.ts'

export interface RateRule {
  /** What comes in by this channel; absent: by any whose callers can be told to come again. */
  readonly channel?: string
  /** Messages of this type: a request's operation, an event's type; absent: any. */
  readonly operation?: string
  /** caller: each one for himself. all: together. */
  readonly by: 'caller' | 'all'
  readonly calls: number
  readonly perMs: number
  /** Nothing is refused; what would have been is counted. */
  readonly dryRun: boolean
}

export interface Calling {
  readonly channel: string
  /** It pushes, and a platform behind it cannot be told to come again: only rules that name it hold. */
  readonly pushes: boolean
  readonly operation: string
  readonly caller: string
}

/** Counts for all instances together. */
export interface SharedCounter {
  /** The count after this, and how long until it begins anew: `ms` after its first. Rejects where nobody can be asked. */
  add(key: string, by: number, ms: number): Promise<readonly [count: number, leftMs: number]>
}

export interface RateLimitsOptions {
  readonly countOf: (name: string) => LimitCount
  /** Absent: there are no other instances. */
  readonly shared?: SharedCounter | undefined
}

export interface RateLimits {
  /** Counts a call by every rule that is about it; undefined: there is none. Rejects with `RATE_LIMITED` (429, `retryAfterMs`). */
  check(calling: Calling): Promise<void> | undefined
}

interface Limiter {
  readonly name: string
  readonly rule: RateRule
  readonly count: LimitCount
  readonly take: Take
  readonly counting: Counting
}

/** Counts a call. Rejects with a `RateLimiterRes` where it is one too many; without a time in it, until the window ends. */
type Take = (window: Window) => Promise<unknown>

interface Window {
  readonly key: string
  /** SEMANTICS 25: by `performance.now()`. */
  readonly end: number
}

/** What this process counts for a rule, whatever number of calls it allows. */
interface Counting {
  readonly memory: RateLimiterMemory
  readonly windowOf: (caller: string) => Window
}

/** Makes the limits of a config. What `before` counted for a rule about the same calls counts on: a reload gives nobody a new start. */
export function createRateLimits(
  rules: Readonly<Record<string, RateRule>>,
  { countOf, shared }: RateLimitsOptions,
  before?: RateLimits,
): RateLimits {
  const known = new Map((before === undefined ? [] : (made.get(before) ?? [])).map((one) => [one.name, one]))
  const limiters = Object.entries(rules).map(([name, rule]) => {
    const old = known.get(name)
    if (old !== undefined && JSON.stringify(old.rule) === JSON.stringify(rule)) return old
    const counting = old !== undefined && countsAlike(old.rule, rule) ? old.counting : createCounting(rule)
    return createLimiter(name, rule, { count: countOf(name), shared, counting })
  })
  const limits: RateLimits = {
    check(calling) {
      const about = limiters.filter(({ rule }) => isAbout(rule, calling))
      return about.length === 0 ? undefined : consumeAll(about, calling.caller)
    },
  }
  made.set(limits, limiters)
  return limits
}

const made = new WeakMap<RateLimits, readonly Limiter[]>()

function countsAlike(one: RateRule, other: RateRule): boolean {
  return (['by', 'perMs', 'channel', 'operation'] as const).every((key) => one[key] === other[key])
}

/** Of its windows the limiter knows nothing: it would end them by the clock on the wall. */
function createCounting(rule: RateRule): Counting {
  const memory = new RateLimiterMemory({ points: rule.calls, duration: 0 })
  return { memory, windowOf: windowsOf(rule, (key) => void memory.delete(key)) }
}

function createLimiter(
  name: string,
  rule: RateRule,
  {
    count,
    shared,
    counting,
  }: {
    readonly count: LimitCount
    readonly shared: SharedCounter | undefined
    readonly counting: Counting
  },
): Limiter {
  const { memory } = counting
  memory.points = rule.calls
  const alone: Take = rule.dryRun ? ({ key }) => memory.consume(key) : acceptedOf(memory)
  const take = shared === undefined ? alone : together(name, { rule, shared, memory })
  return { name, rule, count, take, counting }
}

/** Counts what it lets through: who was refused often gains by a limit that is raised as others do. */
function acceptedOf(memory: RateLimiterMemory): Take {
  return async ({ key, end }) => {
    try {
      await memory.consume(key)
    } catch (rejected) {
      if (end > performance.now()) await memory.reward(key)
      throw rejected
    }
  }
}

/** While nobody can be asked each instance counts for itself, with the same rule. */
function together(
  name: string,
  {
    rule: { calls, perMs },
    shared,
    memory,
  }: { readonly rule: RateRule; readonly shared: SharedCounter; readonly memory: RateLimiterMemory },
): Take {
  // All that the limiter asks of a client of Redis; its own script counts in whole seconds.
  const client = {
    isReady: () => true,
    defineCommand: () => undefined,
    rlflxIncr: ([key = '', points = '1']: readonly string[]) => shared.add(key, Number(points), perMs),
  }
  const limiter = new RateLimiterRedis({
    storeClient: client,
    keyPrefix: name,
    points: calls,
    duration: Math.max(1, perMs / 1000),
    insuranceLimiter: memory,
  })
  // Who is over his limit is refused here until it begins anew. Not by the limiter's own block, which ends by the clock on the wall.
  const blocked = new WeakMap<Window, number>()
  return async (window) => {
    const leftMs = (blocked.get(window) ?? 0) - performance.now()
    if (leftMs > 0) throw new RateLimiterRes(0, leftMs)
    try {
      await limiter.consume(window.key)
    } catch (rejected) {
      if (rejected instanceof RateLimiterRes) blocked.set(window, performance.now() + rejected.msBeforeNext)
      throw rejected
    }
  }
}

function isAbout({ channel, operation }: RateRule, calling: Calling): boolean {
  if (channel === undefined ? calling.pushes : channel !== calling.channel) return false
  return operation === undefined || operation === calling.operation
}

async function consumeAll(limiters: readonly Limiter[], caller: string): Promise<void> {
  for (const limiter of limiters) await consume(limiter, caller)
}

async function consume({ name, rule, count, take, counting }: Limiter, caller: string): Promise<void> {
  count.offered()
  const window = counting.windowOf(caller)
  try {
    await take(window)
  } catch (rejected) {
    if (!(rejected instanceof RateLimiterRes)) {
      count.failed()
      throw rejected
    }
    if (!rule.dryRun) {
      const toldMs = rejected.msBeforeNext
      const retryAfterMs = toldMs >= 0 ? Math.min(toldMs, rule.perMs) : window.end - performance.now()
      count.refused()
      throw new GatewayError(
        'RATE_LIMITED',
        `limit "${name}": ${rule.calls} calls in ${rule.perMs / 1000} s are allowed${rule.by === 'caller' ? ' to each caller' : ''}`,
        { retryAfterMs: Math.max(0, Math.ceil(retryAfterMs)), notExecuted: true },
      )
    }
    count.wouldRefuse()
  }
  count.accepted()
}

/** A key costs some hundred bytes, and names may come from callers: beyond so many, new ones share. */
const MAX_KEYS = 50_000
const SHARED_KEYS = 1024

/** `ended` hears of each window once it is over, before the next one of its key begins. */
function windowsOf({ by, perMs }: RateRule, ended: (key: string) => void): Counting['windowOf'] {
  const live = new Map<string, Window>()
  const sharedKey = (caller: string): string => `#${hash(caller) % SHARED_KEYS}`
  return (caller) => {
    const now = performance.now()
    // In the order in which they end: each lasts as long.
    for (const [key, { end }] of live) {
      if (end > now) break
      live.delete(key)
      ended(key)
    }
    const own = by === 'all' ? '' : `=${caller}`
    const key = live.has(own) || live.size < MAX_KEYS ? own : sharedKey(caller)
    const window = live.get(key) ?? { key, end: now + perMs }
    live.set(key, window)
    return window
  }
}

/** FNV-1a */
function hash(text: string): number {
  let sum = 0x811c9dc5
  for (let at = 0; at < text.length; at += 1) sum = Math.imul(sum ^ text.charCodeAt(at), 0x01000193)
  return sum >>> 0
}
