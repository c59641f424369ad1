// The load, in its own process: reads one JSON order from its arguments, prints one JSON result.
import autocannon from 'autocannon'
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

if (process.argv[2] !== undefined) {
  const order = JSON.parse(process.argv[2]) as Order // our own parent wrote it
  const summary = order.rate === undefined ? await unbounded(order) : await paced(order, order.rate)
  console.log(JSON.stringify(summary))
}

/** As many as there can be: each connection sends its next request when the last one is answered. */
async function unbounded(order: Order): Promise<Result> {
  const result = await autocannon({
    url: order.url,
    method: 'POST',
    headers: order.headers,
    body: order.body,
    idReplacement: true,
    connections: order.connections,
    duration: order.seconds,
  })
  return {
    perSecond: result.requests.total / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    answered: result['2xx'],
    failed: result.non2xx + result.errors + result.timeouts,
  }
}
