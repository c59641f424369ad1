// Where components of one process meet by a channel's name: what goes out to its devices, and who waits for what they answer.
import type { Correlation } from './correlation.ts'
import { covers, matches } from './topics.ts'

/**
 * What became of a message for devices: nobody subscribes, who does leaves too much unacknowledged to be sent more, has gone before PUBACK,
 * is there and said nothing, or somebody did.
 */
export type Outcome = 'nobody' | 'full' | 'gone' | 'unknown' | 'sent'

/** A running channel that can reach devices. */
export interface Outlet {
  publish(
    topic: string,
    payload: string,
    options: { readonly qos: 0 | 1; readonly signal: AbortSignal },
  ): Promise<Outcome>
  /** False: there is a connection to another broker, and it is down now. */
  readonly connected?: boolean
  /** The filters on which nothing is heard now, though somebody waits there. */
  readonly missing?: readonly string[]
  /** Somebody waits on more filters from now on. */
  look?(): void
}

export type Listener = Pick<Correlation, 'arrived' | 'dropped'>

export interface Hub {
  /** The channel runs. Returns what takes it back. */
  attach(outlet: Outlet): () => void
  readonly outlet: Outlet | undefined
  /** Devices may subscribe to these, and publish where somebody listens. Returns what takes it back. */
  open(filters: {
    readonly out: readonly string[]
    readonly in: readonly string[]
    readonly to: Listener
  }): () => void
  /** Whether a subscription lies within what goes out. */
  goesOut(filter: string): boolean
  isAwaited(topic: string): boolean
  awaited(): Iterable<string>
  /** Hands a device's publish to who listens. Whether somebody took it; who has it as nobody's is told only where it is an answer or nothing, and on no topic of a question. */
  deliver(topic: string, payload: Uint8Array, options: { readonly isAnswer: boolean }): boolean
}

interface Opened {
  readonly out: readonly string[]
  readonly in: readonly string[]
  readonly to: Listener
}

/** Of several who subscribe one that has it is enough: its `sent` waits for no other. */
export async function bestOf(outcomes: readonly Promise<Outcome>[]): Promise<Outcome> {
  const all = Promise.all(outcomes)
  return Promise.race(outcomes.map(async (one) => ((await one) === 'sent' ? 'sent' : best(await all))))
}

/** What may have arrived counts before what has not. */
export function best(outcomes: readonly Outcome[]): Outcome {
  const order = ['sent', 'unknown', 'gone', 'full'] as const
  return order.find((outcome) => outcomes.includes(outcome)) ?? 'nobody'
}

const hubs = new Map<string, Hub>()

/** The meeting place of a channel's name; it is there before the channel is, and after it. */
export function hubOf(channel: string): Hub {
  const known = hubs.get(channel)
  if (known !== undefined) return known
  const made = createHub()
  hubs.set(channel, made)
  return made
}

/** A meeting place that only those know who are given it. */
export function createHub(): Hub {
  const outlets: Outlet[] = []
  const opened = new Set<Opened>()
  return {
    attach(outlet) {
      outlets.push(outlet)
      return () => {
        const index = outlets.indexOf(outlet)
        if (index !== -1) outlets.splice(index, 1)
      }
    },
    get outlet() {
      return outlets.at(-1)
    },
    open(filters) {
      opened.add(filters)
      for (const outlet of outlets) outlet.look?.()
      return () => void opened.delete(filters)
    },
    goesOut: (filter) => any(opened, ({ out }) => out.some((wide) => covers(wide, filter))),
    isAwaited: (topic) => any(opened, ({ in: awaited }) => awaited.some((filter) => matches(filter, topic))),
    *awaited() {
      for (const { in: filters } of opened) yield* filters
    },
    deliver(topic, payload, { isAnswer }) {
      const refusals: (() => void)[] = []
      for (const { in: filters, to } of opened) {
        if (!filters.some((filter) => matches(filter, topic))) continue
        const reason = to.arrived(topic, payload)
        if (reason === undefined) return true
        // At least once (QoS 1), or after the deadline: an answer all the same, and nobody's message.
        if (reason === 'ended') {
          to.dropped(topic, reason)
          return true
        }
        refusals.push(() => to.dropped(topic, reason))
      }
      // A question of ours, heard where the filter of answers is wide, is no answer that was lost.
      const isQuestion = any(opened, ({ out }) => out.some((filter) => matches(filter, topic)))
      if (isAnswer && !isQuestion) for (const drop of refusals) drop()
      return false
    },
  }
}

function any<T>(values: Iterable<T>, holds: (value: T) => boolean): boolean {
  for (const value of values) if (holds(value)) return true
  return false
}
