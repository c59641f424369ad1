// What one connection to another broker hears: each filter that is wanted is asked for until it is granted.
import { GatewayError } from 'dragoman'
import type { Log } from 'dragoman'

export interface ListeningOptions {
  /** The filters, with the QoS that is asked for; looked at each time. */
  readonly wanted: () => ReadonlyMap<string, 0 | 1>
  /** Rejects where the broker refuses. */
  readonly subscribe: (filter: string, qos: 0 | 1) => Promise<void>
  /** Of this connection and those before it: a refusal is said once, until the filter is granted. */
  readonly refused: Set<string>
  readonly log: Log
  /** Nothing is missing. */
  readonly onComplete: () => void
  /** Ends with the connection. */
  readonly signal: AbortSignal
}

export interface Listening {
  /** Wanted, and not asked for yet on this connection, or refused and not granted since. */
  readonly missing: readonly string[]
  /** Asks at once for what is wanted and has not been asked for: the connection has just begun, or more is wanted than before. */
  look(): void
}

/** What was refused is asked for again this much later. */
const AGAIN_MS = 5000

/**
 * Asks for everything, also where the broker has kept a session: the connection before may have been cut off, or refused something, before the
 * session had it. Nothing is asked for before the first `look`.
 */
export function listenTo(options: ListeningOptions): Listening {
  const { wanted, subscribe, refused, log, onComplete, signal } = options
  const granted = new Set<string>()
  /** Granted, or its SUBSCRIBE is on the way. */
  const asked = new Set<string>()

  async function ask(filter: string, qos: 0 | 1): Promise<void> {
    asked.add(filter)
    try {
      await subscribe(filter, qos)
      granted.add(filter)
      refused.delete(filter)
    } catch (error) {
      asked.delete(filter)
      if (signal.aborted) return
      if (!refused.has(filter)) log.error(GatewayError.from(error).message, { filter })
      refused.add(filter)
    }
  }

  async function look(): Promise<void> {
    if (signal.aborted) return
    const open = [...wanted()].filter(([filter]) => !asked.has(filter))
    await Promise.all(open.map(async ([filter, qos]) => ask(filter, qos)))
    if ([...wanted().keys()].every((filter) => granted.has(filter))) onComplete()
  }

  const again = setInterval(() => void look(), AGAIN_MS).unref()
  signal.addEventListener('abort', () => clearInterval(again), { once: true })

  return {
    // What is on the way counts as heard: its SUBSCRIBE stands before any PUBLISH, and a broker answers in order (MQTT 3.1.1 §4.6).
    get missing() {
      return [...wanted().keys()].filter((filter) => refused.has(filter) || !asked.has(filter))
    },
    look: () => void look(),
  }
}
