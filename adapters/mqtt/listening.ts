// What one connection to another broker hears: each filter that is wanted is asked for until it is granted.
import { setTimeout as pause } from 'node:timers/promises'

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
  /** Wanted, and not granted on this connection. */
  readonly missing: readonly string[]
  /** More is wanted than before. */
  look(): void
}

/** What was refused is asked for again this much later. */
const AGAIN_MS = 5000

/**
 * Asks for everything, also where the broker has kept a session: the connection before may have been cut off, or refused something, before the
 * session had it.
 */
export function listenTo(options: ListeningOptions): Listening {
  const { wanted, subscribe, refused, log, onComplete, signal } = options
  const granted = new Set<string>()
  let wakeUp: () => void = () => undefined
  const missing = (): readonly string[] => [...wanted().keys()].filter((filter) => !granted.has(filter))

  async function ask(filter: string, qos: 0 | 1): Promise<void> {
    try {
      await subscribe(filter, qos)
      granted.add(filter)
      refused.delete(filter)
    } catch (error) {
      if (signal.aborted) return
      if (!refused.has(filter)) log.error(GatewayError.from(error).message, { filter })
      refused.add(filter)
    }
  }

  async function run(): Promise<void> {
    while (!signal.aborted) {
      const woken = new AbortController()
      wakeUp = () => woken.abort()
      for (const [filter, qos] of wanted()) {
        if (!granted.has(filter)) await ask(filter, qos)
        if (signal.aborted) return
      }
      if (missing().length === 0) onComplete()
      const either = AbortSignal.any([signal, woken.signal])
      await pause(AGAIN_MS, undefined, { signal: either, ref: false }).catch(() => undefined)
    }
  }
  void run()

  return {
    get missing() {
      return missing()
    },
    look: () => wakeUp(),
  }
}
