// What has changed lately, for operators: the last thousand changes of this process, in order.

export interface OperatorEvent {
  /** Gapless in one process, which begins with the milliseconds since the epoch: no later life has the same numbers. */
  readonly n: number
  /** RFC 3339. */
  readonly at: string
  /** `breaker` … */
  readonly type: string
  readonly data: Readonly<Record<string, string | number | boolean>>
}

export interface OperatorEvents {
  add(type: string, data: OperatorEvent['data']): void
  /**
   * Those after a number, oldest first; 0: from the first. `next`: what to ask after the next time. `missed`: some of them are forgotten
   * already, or the number is of an earlier life; then all that there are.
   */
  after(
    n: number,
    limit: number,
  ): { readonly events: readonly OperatorEvent[]; readonly next: number; readonly missed: boolean }
}

const KEPT = 1000

export function createOperatorEvents(now: () => number): OperatorEvents {
  let events: OperatorEvent[] = []
  const before = now()
  let last = before
  return {
    add(type, data) {
      last += 1
      events.push({ n: last, at: new Date(now()).toISOString(), type, data })
      if (events.length >= 2 * KEPT) events = events.slice(-KEPT)
    },
    after(n, limit) {
      const kept = events.slice(-KEPT)
      const oldest = kept[0]?.n ?? last + 1
      const isKnown = n <= last
      const from = n === 0 || !isKnown ? before : n
      const found = kept.filter((event) => event.n > from).slice(0, limit)
      const missed = !isKnown || from + 1 < oldest
      return { events: found, next: found.at(-1)?.n ?? (missed ? last : n), missed }
    },
  }
}
