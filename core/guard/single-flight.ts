// One call for all who ask the same at the same time. It can only save work: no rejection is shared, and nobody waits with nothing of his own (DESIGN §7).
import type { Reply } from '../api.ts'
import { TELLING } from './deadline.ts'

export interface Asked {
  /** Who asks by the same key asks the same. */
  readonly key: string
  /** All his time. */
  readonly ms: number
  readonly signal?: AbortSignal | undefined
}

export interface CallOptions {
  readonly ms: number
  readonly signal?: AbortSignal | undefined
  /** Asked when `ms` are over: he has waited for another's call, and that may still answer, or he was left too little. */
  readonly shortened: () => boolean
}

export interface SingleFlight {
  /** The reply of a call that runs already, or of his own; rejects with what his own call threw. */
  run(asked: Asked, call: (options: CallOptions) => Promise<Reply>): Promise<Reply>
  /** Whether who asks now would find a call to share. */
  isRunning(key: string): boolean
}

interface Flight {
  readonly era: unknown
  /** Undefined: there is none to share. */
  readonly reply: Promise<Reply | undefined>
  /** Its own call has ended. */
  isOver: boolean
}

/** A call, the one it was replaced by, and one more where one of them failed: who found nothing in them is on his own. */
const MOST_JOINED = 3

/** Of a caller's time: with less left no call is begun. */
const SLIVER = 0.05

/**
 * `eraNow` changes when something was written: a call that began before it may bring what was true before, and is not shared
 * with who asks after it (SEMANTICS 32).
 *
 * Who has waited for half of his time stops relying on the call of another: the first to do so begins a second one, the next
 * wait for that, and each is given whichever answers first. What has less than about half left is joined by nobody, else under
 * steady traffic each would lead with what the one before left him, and none with all his time again.
 */
export function createSingleFlight(eraNow: () => unknown): SingleFlight {
  const flights = new Map<string, Flight>()

  function flightOf(key: string): Flight | undefined {
    const flight = flights.get(key)
    return flight !== undefined && flight.era === eraNow() ? flight : undefined
  }

  /** His own call, which others share unless they have a better one, against those he has waited for. */
  async function fly(
    { key, ms, signal }: Asked,
    call: (options: CallOptions) => Promise<Reply>,
    { heard, leftMs }: { readonly heard: readonly Flight[]; readonly leftMs: number },
  ): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>()
    const era = eraNow()
    const flight: Flight = { era, reply: promise, isOver: false }
    const end = (): void => {
      flight.isOver = true
      if (flights.get(key) === flight) flights.delete(key)
      resolve(undefined)
    }
    // It ends with his own call, not when he gives up those before it: who waits for it needs one of his own.
    const own = async (options: CallOptions): Promise<Reply> => {
      try {
        return await call(options)
      } catch (error) {
        end()
        throw error
      }
    }
    // What began before a write is nothing for those who join this one after it.
    const same = heard.filter((before) => before.era === era)
    const running = flightOf(key)
    const begins = leftMs >= ms * SLIVER
    // For others to join it, and for the breaker to count that it was too slow.
    const isShort = leftMs < ms * TELLING
    if (!isShort && (running === undefined || heard.includes(running))) flights.set(key, flight)
    const shortened = (): boolean => isShort || heard.some(({ isOver }) => !isOver)
    try {
      const reply = await raced(same, { ms: leftMs, signal }, (either) =>
        own({ ms: begins ? leftMs : 0, signal: either, shortened }),
      )
      resolve(reply)
      return reply
    } finally {
      end()
    }
  }

  return {
    isRunning: (key) => flightOf(key) !== undefined,

    async run(asked, call) {
      const { key, ms, signal } = asked
      const begun = performance.now()
      const left = (of: number): number => begun + of - performance.now()
      const heard: Flight[] = []
      while (heard.length < MOST_JOINED) {
        const running = flightOf(key)
        if (running === undefined || heard.includes(running) || signal?.aborted === true) break
        heard.push(running)
        const isPatient = left(ms / 2) >= 1 // timers keep whole milliseconds
        const until = isPatient ? undefined : running.reply
        const reply = await answerOf(heard, { ms: left(isPatient ? ms / 2 : ms), signal, until })
        if (reply !== undefined) return reply
      }
      return fly(asked, call, { heard, leftMs: heard.length === 0 ? ms : left(ms) })
    },
  }
}

/** Whichever answers first; his own call's error once neither can. Who is given another's reply takes his own call back. */
async function raced(
  heard: readonly Flight[],
  { ms, signal }: Omit<Asked, 'key'>,
  call: (signal: AbortSignal | undefined) => Promise<Reply>,
): Promise<Reply> {
  if (heard.length === 0) return call(signal)
  const answered = new AbortController()
  const either = signal === undefined ? answered.signal : AbortSignal.any([signal, answered.signal])
  const own = call(either)
  const theirs = answerOf(heard, { ms, signal }).then((reply) => reply ?? own)
  try {
    return await Promise.any([own, theirs])
  } catch {
    return await own // both have failed as it has
  } finally {
    answered.abort()
  }
}

/** The first reply of any of them, within the time, or what `until` brings before. Undefined: none. */
async function answerOf(
  flights: readonly Flight[],
  { ms, signal, until }: Omit<Asked, 'key'> & { readonly until?: Flight['reply'] | undefined },
): Promise<Reply | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>()
  const stop = (): void => resolve(undefined)
  if (signal?.aborted === true) stop()
  const timer = setTimeout(stop, Math.max(1, Math.ceil(ms)))
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([firstOf(flights), over, ...(until === undefined ? [] : [until])])
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', stop)
  }
}

async function firstOf(flights: readonly Flight[]): Promise<Reply | undefined> {
  const replies = flights.map(async ({ reply }) => (await reply) ?? Promise.reject(nothing))
  try {
    return await Promise.any(replies)
  } catch {
    return undefined // no rejection is shared
  }
}
const nothing = new Error('this call has no reply to share')
