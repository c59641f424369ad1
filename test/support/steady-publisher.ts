// A good neighbour in a process of its own: publishes at a steady pace over MQTT and tells how soon PUBACK came.
import { connectAsync } from 'mqtt'

/** What it tells when asked. */
export interface Steady {
  readonly count: number
  readonly p50Ms: number
  readonly p99Ms: number
  readonly failed: number
}

const PACE_MS = 10

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  const client = await connectAsync(process.argv[2] ?? '', {
    clientId: 'steady',
    username: 'app',
    password: 'steady',
  })
  let latencies: number[] = []
  let failed = 0
  let number = 0
  const publish = async (): Promise<void> => {
    const begun = performance.now()
    number += 1
    try {
      await client.publishAsync('shop/steady/alarm', JSON.stringify({ id: `s${number}` }), { qos: 1 })
      latencies.push(performance.now() - begun)
    } catch {
      failed++
    }
    // Not before it is acknowledged: what is measured is the gateway, not a queue of our own.
    setTimeout(() => void publish(), PACE_MS)
  }
  void publish()
  process.on('message', () => {
    const sorted = latencies.toSorted((a, b) => a - b)
    const at = (part: number): number => sorted[Math.floor(sorted.length * part)] ?? Infinity
    const told: Steady = { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), failed }
    process.send?.(told)
    latencies = []
    failed = 0
  })
  process.on('disconnect', () => process.exit())
  process.send('ready')
}
