// What has changed lately, for operators: the last thousand changes of this process, in order.

export interface OperatorEvent {
  /** From 1, gapless in one process. */
  readonly n: number
  /** RFC 3339. */
  readonly at: string
  /** `breaker` … */
  readonly type: string
  readonly data: Readonly<Record<string, string | number | boolean>>
}

export interface OperatorEvents {
  add(type: string, data: OperatorEvent['data']): void
  /** Those after a number, oldest first; `missed`: some of them are forgotten already. */
  after(n: number, limit: number): { readonly events: readonly OperatorEvent[]; readonly missed: boolean }
}

const KEPT = 1000

export function createOperatorEvents(now: () => number): OperatorEvents {
  let events: OperatorEvent[] = []
  let last = 0
  return {
    add(type, data) {
      last += 1
      events.push({ n: last, at: new Date(now()).toISOString(), type, data })
      if (events.length >= 2 * KEPT) events = events.slice(-KEPT)
    },
    after(n, limit) {
      const kept = events.slice(-KEPT)
      const oldest = kept[0]?.n ?? last + 1
      return { events: kept.filter((event) => event.n > n).slice(0, limit), missed: n + 1 < oldest }
    },
  }
}
