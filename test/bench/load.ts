// The load, in its own process: reads one JSON order from its arguments, prints one JSON result.
import { setTimeout } from 'node:timers/promises'
import { Caller } from './callers.ts'
import { paced } from './paced.ts'

/** What one process of load is asked for. */
export interface Order {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  /** `[<id>]` in it becomes another id for each request. */
  readonly body: string
  readonly connections: number
  readonly seconds: number
  /** Requests per second; absent: as many as there can be. */
  readonly rate?: number
}

export interface Result {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly answered: number
  readonly failed: number
}

/** For the last answers. */
const PATIENCE_MS = 10_000

if (process.argv[2] !== undefined) {
  const order = JSON.parse(process.argv[2]) as Order // our own parent wrote it
  const summary = order.rate === undefined ? await unbounded(order) : await paced(order, order.rate)
  console.log(JSON.stringify(summary))
}

/** As many as there can be: each connection sends its next request when the last one is answered. */
async function unbounded(order: Order): Promise<Result> {
  const latencies: number[] = []
  let failed = 0
  let isOver = false
  const { promise: over, resolve } = Promise.withResolvers<void>()
  const callers = new Set<Caller>()
  for (let left = order.connections; left > 0; left -= 1) {
    const caller: Caller = new Caller(order, () => callers.delete(caller) && callers.size === 0 && resolve())
    callers.add(caller)
    const ask = (): void => {
      const begun = performance.now()
      caller.send((status) => {
        if (!isOver && status >= 200 && status < 300) latencies.push(performance.now() - begun)
        else if (!isOver) failed += 1
        if (isOver || status === 0) caller.close()
        else ask()
      })
    }
    ask()
  }
  const begun = performance.now()
  await setTimeout(order.seconds * 1000)
  isOver = true
  const seconds = (performance.now() - begun) / 1000
  const patience = globalThis.setTimeout(() => callers.forEach((caller) => caller.close()), PATIENCE_MS)
  await over
  clearTimeout(patience)
  latencies.sort((a, b) => a - b)
  const at = (part: number): number =>
    Math.round((latencies[Math.floor(latencies.length * part)] ?? 0) * 10) / 10
  return {
    perSecond: latencies.length / seconds,
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    answered: latencies.length,
    failed,
  }
}
