// DESIGN §7: a business system that is away for a while, under load: who asks what was answered before still gets it, marked.
import { createServer } from 'node:http'
import type { Server } from 'node:http'
import type { Socket } from 'node:net'
import { expect, test } from 'vitest'
import { Agent, request } from 'undici'
import { freePort, startGateway, until } from '../support/gateway.ts'

// In full: OUTAGE_SECONDS=30 OUTAGE_RATE=500 npm run faults -- outage
const SECONDS = Number(process.env['OUTAGE_SECONDS'] ?? 4)
const RATE = Number(process.env['OUTAGE_RATE'] ?? 150)
const KEYS = 50
const TICK_MS = 20

interface Business {
  readonly start: () => Promise<void>
  readonly stop: () => void
  calls: number
}

function businessAt(port: number): Business {
  let server: Server | undefined
  const sockets = new Set<Socket>()
  const business: Business = {
    calls: 0,
    async start() {
      server = createServer((asked, response) => {
        business.calls += 1
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ no: asked.url, id: '9007199254740993' }))
      })
      server.on('connection', (socket) => {
        sockets.add(socket)
        socket.on('close', () => sockets.delete(socket))
      })
      await new Promise<void>((listening) => server?.listen(port, '127.0.0.1', listening))
    },
    stop() {
      server?.close()
      for (const socket of sockets) socket.destroy()
    },
  }
  return business
}

interface Tally {
  asked: number
  answered: number
  marked: number
  readonly failures: string[]
  slowestMs: number
}

/** Asks at a steady rate, whoever has been answered or not, and waits for the last answer. */
async function load(base: string, seconds: number): Promise<Tally> {
  const tally: Tally = { asked: 0, answered: 0, marked: 0, failures: [], slowestMs: 0 }
  const agent = new Agent({ connections: 64 })
  const one = async (no: number): Promise<void> => {
    const begun = performance.now()
    try {
      const { statusCode, headers, body } = await request(`${base}/v1/requests/GetOrder`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ no: String(no) }),
        dispatcher: agent,
      })
      const text = await body.text()
      if (statusCode !== 200 || !text.includes('9007199254740993')) {
        tally.failures.push(`${statusCode} ${text}`)
        return
      }
      tally.answered += 1
      if (headers['cache-status'] === 'dragoman; hit; detail=stale' && text.includes('"stale":true'))
        tally.marked += 1
    } catch (error) {
      tally.failures.push(String(error))
    } finally {
      tally.slowestMs = Math.max(tally.slowestMs, performance.now() - begun)
    }
  }
  const asking: Promise<void>[] = []
  const begun = performance.now()
  for (let elapsed = 0; elapsed < seconds * 1000; elapsed = performance.now() - begun) {
    const due = Math.min(RATE * seconds, Math.floor((RATE * elapsed) / 1000) + 1)
    while (tally.asked < due) asking.push(one(tally.asked++ % KEYS))
    await new Promise((tick) => setTimeout(tick, TICK_MS))
  }
  await Promise.all(asking)
  await agent.close()
  return tally
}

test(
  `an outage of ${SECONDS} s at ${RATE}/s: 99.9 % of what was asked before is answered, all of it marked, and 5 s after it nothing is`,
  { timeout: SECONDS * 1000 + 60_000 },
  async () => {
    const port = await freePort()
    const business = businessAt(port)
    await business.start()
    await using gateway = await startGateway({
      yaml: `
channels: { web: { adapter: rest } }
backends:
  orders:
    adapter: rest
    url: http://127.0.0.1:${port}
    timeout: 2s
    breaker: { openFor: 1s }
    operations:
      GetOrder: { method: GET, path: "/{no}", cache: { fresh: 0s, stale: 1h } }
routes: [{ backend: orders }]
`,
    })
    const { base } = gateway
    const before = await load(base, KEYS / RATE + 1)
    expect({ failures: before.failures, marked: before.marked }).toEqual({ failures: [], marked: 0 })

    business.stop()
    const calls = business.calls
    const during = await load(base, SECONDS)
    const { asked, answered, marked, failures, slowestMs } = during
    process.stdout.write(
      `outage: ${asked} asked, ${answered} answered, ${marked} marked, slowest ${Math.round(slowestMs)} ms\n`,
    )
    expect(failures.slice(0, 3)).toEqual([])
    expect(answered / asked).toBeGreaterThanOrEqual(0.999)
    expect(marked).toBe(answered)
    expect(business.calls).toBe(calls)

    await business.start()
    const since = performance.now()
    await until(async () => ((await load(base, 0.2)).marked === 0 ? true : undefined), 15_000)
    const backMs = performance.now() - since
    process.stdout.write(`outage: the system's own answers again after ${Math.round(backMs)} ms\n`)
    expect(backMs).toBeLessThan(5000)
    business.stop()
  },
)
