// What `dragoman top` shows of two readings: rates from the difference, what is broken first.
import { table } from '../running/admin-client.ts'

export interface Reading {
  readonly at: string
  readonly generation: number
  readonly intake: Counts
  readonly refused: Counts
  /** By limiter: `admission/low`, `bulkhead/orders`, `rate/NAME`. */
  readonly limits: Counts
  /** Since the start: `queued` while their system was down, and queues `halted`. */
  readonly writes: Counts
  readonly operations: readonly OperationReading[]
  readonly waiting: number
  readonly deadLetters: number
}

export interface OperationReading {
  readonly name: string
  /** By result: `ok`, or the code of the error. */
  readonly calls: Counts
  /** By where the answer came from: `fresh`, `revalidating`, `call`, `stale`, `fixed`. */
  readonly answers: Counts
  readonly retries: Counts
  readonly breaker: {
    readonly state: string
    readonly reason: string
    readonly openedAt: string | null
    readonly retryAfterMs: number
  } | null
}

type Counts = Readonly<Record<string, number>>

const NONE: OperationReading = { name: '', calls: {}, answers: {}, retries: {}, breaker: null }

/** The screen, line by line, at most `rows` of them. Counters that went back (a restart) count from 0. */
export function screenOf(before: Reading, now: Reading, rows = Infinity): readonly string[] {
  const seconds = Math.max(0.001, (Date.parse(now.at) - Date.parse(before.at)) / 1000)
  const perSecond = (was: number | undefined, is: number | undefined): number =>
    Math.max(0, (is ?? 0) - ((was ?? 0) > (is ?? 0) ? 0 : (was ?? 0))) / seconds
  const earlier = new Map(before.operations.map((each) => [each.name, each]))
  const lines = now.operations
    .map((each) => lineOf(earlier.get(each.name) ?? NONE, each, perSecond))
    .toSorted((one, other) => other.weight - one.weight)
  const intake = ['offered', 'accepted', 'duplicate', 'refused', 'failed'].map(
    (result) => `${result} ${figure(perSecond(before.intake[result], now.intake[result]))}`,
  )
  const rates = (of: 'refused' | 'limits'): string => {
    const shown = Object.entries(now[of])
      .map(([name, count]) => ({ name, rate: perSecond(before[of][name], count) }))
      .filter(({ rate }) => rate > 0)
      .map(({ name, rate }) => `${name} ${figure(rate)}`)
    return shown.length === 0 ? '0' : shown.join('   ')
  }
  const head = [
    `${now.at.slice(0, 19)}Z   generation ${now.generation}   waiting ${now.waiting}   dead letters ${now.deadLetters}`,
    `writes queued/s ${figure(perSecond(before.writes['queued'], now.writes['queued']))}   queues halted since the start ${now.writes['halted'] ?? 0}`,
    `intake/s   ${intake.join('   ')}`,
    `refused at the edge/s   ${rates('refused')}`,
    `refused by limits/s   ${rates('limits')}`,
    '',
  ]
  if (lines.length === 0) return [...head, 'Nothing has been called yet.'].slice(0, rows)
  const columns = ['OPERATION', 'BREAKER', 'CALLS/S', 'FAILED/S', 'REFUSED/S', 'CACHE/S', 'STALE/S', 'WHY']
  const shown = table([columns, ...lines.map(({ cells }) => cells)]).split('\n')
  return [...head, ...shown].slice(0, rows)
}

interface Line {
  readonly cells: readonly string[]
  readonly weight: number
}

function lineOf(
  was: OperationReading,
  is: OperationReading,
  perSecond: (was: number | undefined, is: number | undefined) => number,
): Line {
  const rate = (of: 'calls' | 'answers', wanted: (label: string) => boolean): number =>
    Object.keys(is[of])
      .filter(wanted)
      .reduce((sum, label) => sum + perSecond(was[of][label], is[of][label]), 0)
  const refused = rate('calls', (result) => result === 'BREAKER_OPEN' || result === 'OVERLOADED')
  const calls = rate('calls', () => true) - refused
  const failed = calls - rate('calls', (result) => result === 'ok')
  const cached = rate('answers', (from) => from !== 'call')
  const stale = rate('answers', (from) => from !== 'call' && from !== 'fresh')
  const { state = '-', reason = '', retryAfterMs = 0 } = is.breaker ?? {}
  const isBroken = state !== 'ACTIVE' && state !== '-'
  const standing = isBroken ? `${state} ${Math.ceil(retryAfterMs / 1000)}s` : state
  return {
    cells: [
      is.name,
      standing,
      ...[calls, failed, refused, cached, stale].map(figure),
      isBroken ? reason : '',
    ],
    weight: (isBroken ? 1e9 : 0) + calls + refused + cached,
  }
}

function figure(rate: number): string {
  return rate === 0 || rate >= 10 ? rate.toFixed(0) : rate.toFixed(1)
}
