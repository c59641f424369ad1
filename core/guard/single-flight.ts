// One call for all who ask the same at the same time. It can only save work: no rejection is shared, and nobody waits with nothing of his own (DESIGN §7).
import type { Reply } from '../api.ts'

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
  /** He has waited for another's call before: what is not done in `ms` might have been done in all his time. */
  readonly shortened: boolean
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
}

/** A call, the one it was replaced by, and one more where one of them failed: who found nothing in them is on his own. */
const MOST_JOINED = 3

/**
 * `eraNow` changes when something was written: a call that began before it may bring what was true before, and is not shared
 * with who asks after it (SEMANTICS 32).
 *
 * Who has waited for half of his time stops relying on the call of another: the first to do so begins a second one, the next
 * wait for that, and each is given whichever answers first.
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
    heard: readonly Flight[],
  ): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>()
    const era = eraNow()
    const flight: Flight = { era, reply: promise }
    // What began before a write is nothing for those who join this one after it.
    const same = heard.filter((before) => before.era === era)
    const running = flightOf(key)
    if (running === undefined || heard.includes(running)) flights.set(key, flight)
    try {
      const reply =
        heard.length === 0
          ? await call({ ms, signal, shortened: false })
          : await raced({ ms, signal }, call, same)
      resolve(reply)
      return reply
    } finally {
      if (flights.get(key) === flight) flights.delete(key)
      resolve(undefined)
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
        const reply = await answerOf(heard, { ms: left(isPatient ? ms / 2 : ms), signal })
        if (reply !== undefined) return reply
      }
      return fly({ ...asked, ms: heard.length === 0 ? ms : left(ms) }, call, heard)
    },
  }
}

/** Whichever answers first; his own call's error once neither can. Who is given another's reply takes his own call back. */
async function raced(
  { ms, signal }: Omit<Asked, 'key'>,
  call: (options: CallOptions) => Promise<Reply>,
  heard: readonly Flight[],
): Promise<Reply> {
  const answered = new AbortController()
  const either = signal === undefined ? answered.signal : AbortSignal.any([signal, answered.signal])
  const own = call({ ms, signal: either, shortened: true })
  const theirs = answerOf(heard, { ms, signal }).then((reply) => reply ?? own)
  try {
    return await Promise.any([own, theirs])
  } catch {
    return await own // both have failed as it has
  } finally {
    answered.abort()
  }
}

/** The first reply of any of them, within the time. Undefined: none. */
async function answerOf(
  flights: readonly Flight[],
  { ms, signal }: Omit<Asked, 'key'>,
): Promise<Reply | undefined> {
  const { promise: over, resolve } = Promise.withResolvers<undefined>()
  const stop = (): void => resolve(undefined)
  if (signal?.aborted === true) stop()
  const timer = setTimeout(stop, Math.ceil(ms))
  signal?.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([firstOf(flights), over])
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
