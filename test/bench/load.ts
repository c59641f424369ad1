// The load, in its own process: reads one JSON order from its arguments, prints one JSON result.
import autocannon from 'autocannon'

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
  const result = await autocannon({
    url: order.url,
    method: 'POST',
    headers: order.headers,
    body: order.body,
    idReplacement: true,
    connections: order.connections,
    duration: order.seconds,
    ...(order.rate !== undefined && { overallRate: order.rate }),
  })
  const summary: Result = {
    perSecond: result.requests.total / result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    answered: result['2xx'],
    failed: result.non2xx + result.errors + result.timeouts,
  }
  console.log(JSON.stringify(summary))
}
