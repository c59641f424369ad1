// Stage 8's persistence: a settle that cannot be written is tried again, before the agent is (SEMANTICS 42).
import { GatewayError } from '../api.ts'
import type { ErrorCode, Log } from '../api.ts'
import { errorTable } from '../api.ts'
import type { Ended } from '../return/waiters.ts'
import { outbound } from '../calls/answers.ts'
import type { ChannelInUse } from '../calls/calls.ts'
import type { Verdict } from './deliver.ts'
import { moment } from '../ids.ts'
import { pushesOf } from './push.ts'
import type { Failure, Fence, Settle, SettleResult, Store, Work } from '../store/store.ts'

const FIRST_PAUSE_MS = 50
const LONGEST_PAUSE_MS = 2000

export interface SettlingOptions {
  readonly log: Log
  /** The process ends: what is not written by now is found by the next life. */
  readonly stopped: AbortSignal
}

export interface Settling {
  readonly fence: Fence
  readonly channel: ChannelInUse | undefined
  readonly now: number
  readonly startedAt: string
  readonly durationMs: number
}

/** Everything a lane step leaves behind, as one transaction. */
export function settleOf(work: Work, verdict: Verdict, { fence, channel, now, ...step }: Settling): Settle {
  const { outcome, reply, target, promised } = verdict
  const isLogged = work.kind !== 'claim' // a claimed call is in no log: what it answers is said to nobody but its callers
  const said =
    reply === undefined || !isLogged
      ? undefined
      : outbound(work.message, reply, { id: verdict.by ?? 'gateway', now })
  const failure = verdict.failure === undefined ? undefined : failureOf(verdict.failure)
  return {
    home: work.home,
    kind: work.kind,
    id: work.id,
    attempt: work.attempt,
    fence,
    ...(isLogged && { conversation: work.message.conversation }),
    outcome,
    ...(verdict.idle !== true && triesOf(verdict, step)),
    // SEMANTICS 7: a bot's answer counts only under the owner it was begun under. What a business system did is done, whoever hears it.
    ...(said !== undefined &&
      reply?.origin === 'agent' && { expect: { ownerEpoch: verdict.ownerEpoch ?? work.ownerEpoch } }),
    ...(verdict.delayMs !== undefined && { delayMs: verdict.delayMs }),
    ...(failure !== undefined && { failure }),
    ...(reply !== undefined && { reply }),
    replies: said === undefined ? [] : [said],
    inbox: true,
    pushes: pushesOf(channel, said),
    ...(promised !== undefined && {
      timer: {
        id: timerId(work.message.id, promised.term),
        delayMs: promised.withinMs,
        target,
      },
    }),
    ...(verdict.dead === true && failure !== undefined && { dead: failure }),
    ...(verdict.patch !== undefined && { patch: verdict.patch }),
  }
}

/** Where the attempt asked two, the second was asked when the first had come to nothing. */
function triesOf(
  { target, failure, before }: Verdict,
  { startedAt, durationMs }: Pick<Settling, 'startedAt' | 'durationMs'>,
): Pick<Settle, 'tried' | 'triedBefore'> {
  const beforeMs = before?.durationMs ?? 0
  return {
    ...(before !== undefined && {
      triedBefore: {
        target: before.target,
        startedAt,
        durationMs: microseconds(beforeMs),
        failure: failureOf(before.failure),
      },
    }),
    tried: {
      target,
      startedAt: before === undefined ? startedAt : moment(Date.parse(startedAt) + beforeMs),
      durationMs: microseconds(durationMs - beforeMs),
      ...(failure !== undefined && { failure: failureOf(failure) }),
    },
  }
}

/** Milliseconds with no more digits than are measured. */
function microseconds(ms: number): number {
  return Math.round(ms * 1000) / 1000
}

/**
 * What an answer is promised under: the owner epoch, and whether by the agent that was asked first or by the fallback after it, which may
 * have had the conversation before.
 */
export function termOf(ownerEpoch: number, isFallback = false): string {
  return `${ownerEpoch}${isFallback ? 'b' : ''}`
}

/** Under which term a later answer is taken, and of which agent. */
export interface Offer {
  readonly term: string
  readonly agent: string
}

export function epochIn(term: string): number {
  return Number.parseInt(term, 10)
}

/**
 * The store's name for an answer promised under a term. The callback and its deadline settle the same row; the first one wins. A fallback
 * that promises in its turn does so under another term, so its row is another one.
 */
export function timerId(messageId: string, term: string): string {
  return `callback:${messageId}:${term}`
}

/** The promise that stands in for one an agent has given back: due at once. */
export function handedOffId(messageId: string, term: string): string {
  return `${timerId(messageId, term)}${HANDED_OFF}`
}
const HANDED_OFF = ':handoff'

export function isHandedOff(timer: string): boolean {
  return timer.endsWith(HANDED_OFF)
}

/** The promise that a handed-off one stands in for. */
export function promiseGivenBack(timer: string): string {
  return isHandedOff(timer) ? timer.slice(0, -HANDED_OFF.length) : timer
}

/** The id of the message to which an answer was promised. */
function questionOf(timer: string): string {
  return timer.split(':')[1] ?? ''
}

/** The owner epoch it was promised under. */
export function promisedUnder(timer: string): number {
  return epochIn(timer.split(':')[2] ?? '')
}

export function isPromiseOf(timer: string, messageId: string): boolean {
  return timer.startsWith('callback:') && questionOf(timer) === messageId
}

/**
 * Undefined: the process stopped first. A settle that was sent again may be told its first result, which does not say how many wait
 * now: one is assumed, for somebody to look.
 */
export async function settleDurably(
  store: Store,
  settle: Settle,
  { log, stopped }: SettlingOptions,
): Promise<SettleResult | undefined> {
  for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
    try {
      const result = await store.settle(settle)
      return pause > FIRST_PAUSE_MS && result.status === 'settled' ? { ...result, waiting: 1 } : result
    } catch (error) {
      const failure = GatewayError.from(error)
      if (failure.code !== 'STORE_UNAVAILABLE' && failure.code !== 'OVERLOADED') throw failure
      log.warn('a settle waits for the store', { id: settle.id, error: failure.message })
    }
    if (!(await sleep(pause, stopped))) return undefined
  }
}

/** False if the signal came first. */
export async function sleep(ms: number, signal: AbortSignal): Promise<boolean> {
  if (signal.aborted) return false
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(resolve, ms, true)
  const stop = (): void => resolve(false)
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
    signal.removeEventListener('abort', stop)
  }
}

/**
 * Whether a failed call has done nothing for certain, so that it may be made again (SEMANTICS 3): no byte went out, or what was to go
 * out could not be written. Any other failure of an unsafe call leaves its outcome unknown, whoever says it.
 */
export function provesNothingDone({ notExecuted, code }: GatewayError): boolean {
  return notExecuted || code === 'ENCODE_FAILED' || code === 'NO_ROUTE'
}

export function failureOf(error: GatewayError): Failure {
  return { code: error.code, message: error.message }
}

/** The error a caller gets for an outcome that is none of answered and taken; undefined for those two. */
export function errorOf({ outcome, failure }: Ended): GatewayError | undefined {
  if (outcome === 'answered' || outcome === 'taken') return undefined
  if (failure !== undefined && isErrorCode(failure.code))
    return new GatewayError(failure.code, failure.message)
  if (outcome === 'expired') return new GatewayError('EXPIRED', 'the message expired before it was delivered')
  if (outcome === 'unknown') return new GatewayError('OUTCOME_UNKNOWN', outcomeUnknown('the call'))
  return new GatewayError('AGENT_FAILED', failure?.message ?? 'the message could not be delivered')
}

export function outcomeUnknown(what: string): string {
  return `${what} was begun and its outcome is not known; it is not repeated, an operator settles it`
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(errorTable, code)
}
