// A fixed rate, whatever the answers do: requests leave evenly spaced, and each one's time counts from the moment it was due, so that
// a server that stops for a while is not spared. (autocannon's `overallRate` sends in bursts of one request a connection.)
import { Agent, request } from 'node:http'
import type { Order, Result } from './load.ts'

const TICK_MS = 1
/** Not counted: this process and its connections are not warm yet. */
const WARM_S = 2

/** Resolves when every answer is there. */
export async function paced(order: Order, rate: number): Promise<Result> {
  const agent = new Agent({ keepAlive: true, maxSockets: order.connections * 4 })
  const latencies: number[] = []
  const run = Math.random().toString(36).slice(2)
  const begun = performance.now()
  let sent = 0
  let answered = 0
  let failed = 0
  const { promise: over, resolve } = Promise.withResolvers<void>()

  function send(due: number): void {
    const body = Buffer.from(order.body.replace('[<id>]', `${run}-${sent++}`))
    const ended = (hasFailed: boolean): void => {
      answered++
      if (hasFailed) failed++
      if (due >= begun + WARM_S * 1000) latencies.push(performance.now() - due)
    }
    const headers = { ...order.headers, 'content-length': body.length }
    request(order.url, { method: 'POST', agent, headers }, (response) => {
      response.resume()
      response.once('end', () => ended((response.statusCode ?? 0) >= 300))
    })
      .once('error', () => ended(true))
      .end(body)
  }

  const total = Math.round(rate * (WARM_S + order.seconds))
  const timer = setInterval(() => {
    const now = performance.now()
    while (sent < total && begun + (sent * 1000) / rate <= now) send(begun + (sent * 1000) / rate)
    if (answered < total) return
    clearInterval(timer)
    resolve()
  }, TICK_MS)
  await over
  agent.destroy()
  latencies.sort((a, b) => a - b)
  const at = (part: number): number =>
    Math.round((latencies[Math.floor(latencies.length * part)] ?? 0) * 10) / 10
  return {
    perSecond: total / ((performance.now() - begun) / 1000),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    answered: answered - failed,
    failed,
  }
}
