// Open-loop load on a whole gateway at 3 and 10 times its capacity, and a storm of retries: what still gets done, and for whom.
// node test/bench/overload.ts --seconds 10 --connections 1000
import { spawn } from 'node:child_process'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startGateway } from '../support/gateway.ts'
import type { FloodOrder, FloodResult } from './flood.ts'
import { WARM_S } from './warm.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '8' },
    connections: { type: 'string', default: '1000' },
    /** What the business system takes: what a request takes of it does not grow with the load. */
    backend: { type: 'string', default: '100' },
  },
})
const seconds = Number(options.seconds)
const connections = Number(options.connections)
const URGENT = { rate: 50, connections: 50, urgency: 0 }

if (process.env['BENCH_BACKEND_MS'] !== undefined) await backend(Number(process.env['BENCH_BACKEND_MS']))
else await run()

async function run(): Promise<void> {
  const slow = spawn(process.execPath, [import.meta.filename], {
    env: { ...process.env, BENCH_BACKEND_MS: options.backend },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const target = await new Promise<string>((found) => slow.stdout.once('data', (text) => found(String(text))))
  await using gateway = await startGateway({
    yaml: `
log: { level: error }
channels: { web: { adapter: rest } }
overload: { wait: 250ms }
backends:
  slow: { adapter: rest, url: "http://127.0.0.1:${target.trim()}", connections: 2000, bulkhead: { calls: 10000 }, operations: { Look: { method: GET, path: /, safe: true } } }
routes: [{ backend: slow }]
`,
  })
  const port = Number(new URL(gateway.base).port)
  const flood = (order: Partial<FloodOrder>): Promise<FloodResult> =>
    load({ port, rate: 50, seconds, connections: 50, urgency: 3, ...order })
  try {
    await flood({ rate: 3000, seconds: WARM_S, connections: 200 })
    const calm = await flood(URGENT)
    const peak = await capacity(flood)
    console.log(`\nunloaded p99 ${calm.p99Ms.toFixed(0)} ms, peak goodput ${peak.toFixed(0)}/s\n`)
    console.log(
      '| offered | goodput/s | of peak | refused | urgent served | urgent p99 ms | × unloaded |\n| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    )
    for (const times of [3, 10]) {
      const rate = times * peak
      await flood({ rate, seconds: 2, connections }) // the first moments teach it what fits
      const [normal, urgent] = await Promise.all([flood({ rate, connections }), flood(URGENT)])
      const goodput = (normal.served + urgent.served) / seconds
      const cells = [
        `${times} × peak`,
        goodput.toFixed(0),
        (goodput / peak).toFixed(2),
        normal.refused,
        `${((100 * urgent.served) / urgent.offered).toFixed(2)} %`,
        urgent.p99Ms.toFixed(0),
        (urgent.p99Ms / calm.p99Ms).toFixed(2),
      ]
      console.log(`| ${cells.join(' | ')} |`)
    }
    await flood({ rate: 2 * peak, connections, retries: 5 })
    const after = await flood({ rate: peak / 2, seconds: 12, connections: 400, retries: 5 })
    const healthy = after.perSecond.findIndex(
      (_, second) =>
        second > 0 &&
        after.perSecond
          .slice(second)
          .every((served, later) => served >= 0.99 * (after.offeredPerSecond[second + later] ?? 0)),
    )
    console.log(`\nafter a storm of retries: 99 % are served again from second ${healthy} on`)
  } finally {
    slow.kill()
  }
}

/** The most that it serves, whatever is offered: where offering more brings no more. */
async function capacity(flood: (order: Partial<FloodOrder>) => Promise<FloodResult>): Promise<number> {
  let best = 0
  for (let rate = 500; ; rate *= 1.5) {
    const { served } = await flood({ rate, seconds: 4, connections: 1000 })
    const goodput = served / 4
    process.stderr.write(`offered ${rate.toFixed(0)}/s, served ${goodput.toFixed(0)}/s\n`)
    if (goodput < 0.8 * rate && goodput < best * 1.05) return Math.max(best, goodput)
    best = Math.max(best, goodput)
  }
}

/** In a process of its own: neither the gateway nor the other callers shall pay for it. */
async function load(order: FloodOrder): Promise<FloodResult> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'flood.ts'), JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  for await (const piece of child.stdout) text += String(piece)
  return JSON.parse(text) as FloodResult // flood.ts wrote it
}

async function backend(ms: number): Promise<void> {
  const server = createServer((_request, response) => {
    setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}'), ms)
  })
  await new Promise<void>((listening) =>
    server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, listening),
  )
  console.log((server.address() as AddressInfo).port) // it listens on TCP
}
