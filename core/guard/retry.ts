// Makes a failed call again, where that can help: full jitter, within the deadline, within a budget (DESIGN §7).
import { GatewayError } from '../api.ts'
import { classify } from './verdict.ts'

export interface RetryPolicy {
  /** The first one included; 1: no retry. */
  readonly attempts: number
  /** The first pause is a random one below this, each further bound twice the one before… */
  readonly firstMs: number
  /** …up to this. */
  readonly longestMs: number
}

/** Of one backend: retries may be this share of its calls, so that they never become the load that keeps it down. */
export interface RetryBudget {
  /** A call is made that is no retry. */
  called(): void
  /** False: it is used up. */
  take(): boolean
}

export interface RetryOptions {
  readonly policy: RetryPolicy
  readonly budget: RetryBudget
  /** For all attempts together, in milliseconds. */
  readonly ms: number
  readonly signal?: AbortSignal | undefined
  /** Hears of each retry that is made, or refused because the budget is used up. */
  readonly onRetry: (result: 'made' | 'refused') => void
}

/** What a backend that is hardly called may retry all the same. */
const RESERVE = 10

/** `percent` of the calls, and of one call a second where there are fewer. */
export function createRetryBudget(percent: number): RetryBudget {
  const share = percent / 100
  let tokens = percent > 0 ? RESERVE : 0
  let at = performance.now()
  const add = (calls: number): void => {
    tokens = Math.min(RESERVE, tokens + calls * share)
  }
  return {
    called: () => add(1),
    take() {
      const now = performance.now()
      add((now - at) / 1000)
      at = now
      if (tokens < 1) return false
      tokens -= 1
      return true
    },
  }
}

/**
 * Calls until it succeeds, fails for good, or nothing is left of attempts, time or budget. A throttled system is asked again no sooner
 * than it said. What comes out is the call's own error: the last one, unless that only says that nothing was done any more where an
 * earlier attempt may have done something.
 */
export async function withRetry<T>(
  options: RetryOptions,
  call: (attempt: number, ms: number) => Promise<T>,
): Promise<T> {
  const { policy, budget, signal, onRetry } = options
  const end = performance.now() + options.ms
  budget.called()
  let telling: unknown
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await call(attempt, end - performance.now())
    } catch (error) {
      telling = moreTelling(telling, error)
      const kind = classify(error)
      if (kind === 'permanent' || attempt >= policy.attempts) throw telling
      const pauseMs = pause(attempt, policy, error)
      if (performance.now() + pauseMs >= end || signal?.aborted === true) throw telling
      if (!budget.take()) {
        onRetry('refused')
        throw telling
      }
      onRetry('made')
      if (!(await slept(pauseMs, signal))) throw telling
    }
  }
}

function pause(attempt: number, { firstMs, longestMs }: RetryPolicy, error: unknown): number {
  const jitter = Math.random() * Math.min(firstMs * 2 ** (attempt - 1), longestMs)
  const asked = error instanceof GatewayError ? (error.retryAfterMs ?? 0) : 0
  return asked + jitter // together: all who were told the same moment do not come at it
}

/** SEMANTICS 3: `notExecuted` of a later attempt proves nothing about an earlier one. */
function moreTelling(before: unknown, error: unknown): unknown {
  const provesNothing = error instanceof GatewayError && error.notExecuted
  const mayHaveDone = before !== undefined && !(before instanceof GatewayError && before.notExecuted)
  return provesNothing && mayHaveDone ? before : error
}

/** False: the caller went first. */
async function slept(ms: number, signal: AbortSignal | undefined): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, ms, true)
  const gone = (): void => resolve(false)
  signal?.addEventListener('abort', gone, { once: true })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', gone)
  }
}
