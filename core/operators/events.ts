// What has changed lately, for operators: the last thousand changes of this process, in order.

export interface OperatorEvent {
  /** Its moment, in milliseconds since the epoch, or one more than that of the last: ascending, also over restarts and among processes. */
  readonly n: number
  /** RFC 3339. */
  readonly at: string
  /** `breaker` … */
  readonly type: string
  readonly data: Readonly<Record<string, string | number | boolean>>
}

export interface OperatorEventPage {
  readonly events: readonly OperatorEvent[]
  /** What to ask after the next time. */
  readonly next: number
  readonly missed: boolean
}

export interface OperatorEvents {
  add(type: string, data: OperatorEvent['data']): void
  /**
   * Those after a number, oldest first; 0: from the first. `missed`: some of them are forgotten already, or the number is of the time before
   * this process, or beyond its clock; then all that there are.
   */
  after(n: number, limit: number): OperatorEventPage
}

const KEPT = 1000

export function createOperatorEvents(now: () => number): OperatorEvents {
  const kept: OperatorEvent[] = []
  const begin = now()
  let last = begin
  let forgotten = begin
  return {
    add(type, data) {
      const at = now()
      last = Math.max(last + 1, at)
      kept.push({ n: last, at: new Date(at).toISOString(), type, data })
      if (kept.length > KEPT) forgotten = kept.shift()?.n ?? forgotten
    },
    after(n, limit) {
      // A clock was set back.
      const isAhead = n > Math.max(last, now())
      const from = n === 0 || isAhead ? begin : n
      const missed = isAhead || from < forgotten
      const events = kept.filter((event) => event.n > from).slice(0, limit)
      return { events, next: events.at(-1)?.n ?? (missed ? last : n), missed }
    },
  }
}

/**
 * One page of those of several processes with the same clock; events of one number stay together, also beyond `limit`. What is as young as the
 * question `askedAt` (milliseconds since the epoch) comes the next time: another may be about to add one before it.
 */
export function joinEventPages(
  pages: readonly OperatorEventPage[],
  { after, limit, askedAt }: { readonly after: number; readonly limit: number; readonly askedAt: number },
): OperatorEventPage {
  const all = pages.flatMap(({ events }) => events.filter(({ n }) => n < askedAt))
  const inOrder = all.toSorted((one, other) => one.n - other.n)
  const last = inOrder.slice(0, limit).at(-1)?.n
  const missed = pages.some((page) => page.missed)
  const events = last === undefined ? [] : inOrder.filter(({ n }) => n <= last)
  // Beyond the begin of every process: what was missed is told once.
  const next = missed && inOrder.length < limit ? askedAt - 1 : (last ?? after)
  return { events, next, missed }
}
