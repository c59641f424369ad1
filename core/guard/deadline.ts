// Ends a call at its deadline or with its caller, whether or not the call listens to its signal.
import { setImmediate } from 'node:timers'
import { GatewayError } from '../api.ts'
import type { Log } from '../api.ts'
import { hasNeverWritten } from './unwritten.ts'

export interface DeadlineOptions {
  /** How long the call may take, in milliseconds. Zero or less: it is not begun. */
  readonly ms: number
  /** Asked at its end, with `ms`. True: that the call was not done in them says nothing about the other side (`saysNothing`). */
  readonly shortened?: ((ms: number) => boolean) | undefined
  /** The caller's own end, the waiting client for example. */
  readonly signal?: AbortSignal | undefined
  /** What is called, for the error's text: `backend "orders" GetOrder`. */
  readonly what: string
  /** Hears at debug level what a call did after its end. */
  readonly log?: Log | undefined
}

/** Of the time something is given: with less a call that is too slow says nothing about it. Half, but for the timers. */
export const TELLING = 0.45

/** The longest delay a Node timer can hold; beyond it `setTimeout` fires at once. */
const longestTimerMs = 2_147_483_647

/**
 * Runs a call and settles when it does, but never later than its deadline or its caller's end (DESIGN §7).
 *
 * The call gets a signal of its own, aborted with the very reason this promise is rejected with; a call that ignores it
 * goes on unheard. Throws `DEADLINE_EXCEEDED`, with `notExecuted` if there was no time left to begin, the call never had a
 * connection, or it says so itself when its signal ends: it was still waiting for what it needs to begin. A caller's end
 * rejects with the reason the caller's signal carries: a `GatewayError` given there, else an `AbortError`.
 */
export function withDeadline<T>(
  options: DeadlineOptions,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const { ms, shortened, signal: caller, what, log } = options
  if (caller?.aborted === true) return Promise.reject(endOf(caller))
  if (!(ms > 0)) return Promise.reject(tooLate(what))

  return new Promise<T>((resolve, reject) => {
    const controller = new AbortController()
    let ended = false
    let late: GatewayError | undefined
    let isTelling = true
    const end = (reason: Error): void => {
      if (ended) return
      ended = true
      release()
      reject(reason)
      controller.abort(reason)
    }
    const onCallerGone = (): void => end(endOf(caller))
    const onTime = (): void => {
      const isUnwritten = hasNeverWritten(controller.signal)
      isTelling = shortened?.(ms) !== true
      const missing = isUnwritten ? 'connection' : 'answer'
      const reason = exceeded(`${what}: no ${missing} within ${Math.round(ms)} ms`, {
        notExecuted: isUnwritten,
        isTelling,
      })
      late = reason
      controller.abort(reason)
      setImmediate(() => end(reason)) // until then the call may say that it has done nothing
    }
    const timer = setTimeout(onTime, Math.min(ms, longestTimerMs))
    const release = (): void => {
      clearTimeout(timer)
      caller?.removeEventListener('abort', onCallerGone)
    }
    caller?.addEventListener('abort', onCallerGone)

    const onValue = (value: T): void => {
      if (ended || late !== undefined) return
      release()
      resolve(value)
    }
    const onThrown = (thrown: unknown): void => {
      // The caller has had his answer; whatever comes now is news for nobody but the log.
      if (ended) return log?.debug(`${what}: failed after its end`, { error: thrown })
      if (late !== undefined)
        return end(saysNotExecuted(thrown) ? exceeded(late.message, { notExecuted: true, isTelling }) : late)
      release()
      reject(thrown)
    }
    begin(call, controller.signal).then(onValue, onThrown)
  })
}

function begin<T>(call: (signal: AbortSignal) => Promise<T>, signal: AbortSignal): Promise<T> {
  try {
    return Promise.resolve(call(signal)) // a plain value from an untyped plugin too
  } catch (thrown) {
    return Promise.reject(thrown)
  }
}

/** A deadline that says nothing about the other side: nobody was asked, or it was given less than its time. */
export function saysNothing(thrown: unknown): boolean {
  return thrown instanceof GatewayError && untelling.has(thrown)
}
const untelling = new WeakSet<GatewayError>()

function saysNotExecuted(thrown: unknown): boolean {
  return thrown instanceof GatewayError && thrown.code !== 'DEADLINE_EXCEEDED' && thrown.notExecuted
}

function tooLate(what: string): GatewayError {
  return exceeded(`${what}: no time was left to begin`, { notExecuted: true, isTelling: false })
}

function exceeded(
  message: string,
  { notExecuted, isTelling }: { readonly notExecuted: boolean; readonly isTelling: boolean },
): GatewayError {
  const error = new GatewayError('DEADLINE_EXCEEDED', message, { notExecuted })
  if (!isTelling) untelling.add(error)
  return error
}

/** Never a bare string or undefined: the breaker tells a caller's end from a failure by its being an `AbortError`. */
function endOf(caller: AbortSignal | undefined): Error {
  const reason: unknown = caller?.reason
  if (reason instanceof GatewayError) return reason
  if (reason instanceof DOMException && reason.name === 'AbortError') return reason
  return Object.assign(new DOMException('the caller has gone', 'AbortError'), { cause: reason })
}
