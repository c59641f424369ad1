// `node test/bench/workers-idle.ts`: idle WebSockets over `--workers 4` on Redis: how evenly they are spread, what each costs in memory, and
// that each is still told what is said to it. Options: --connections N (8000; the goal speaks of 60000), --workers N, --rest SECONDS before
// memory is looked at, --rate messages a second over all. Each process may open 20,000 files here, so clients come from several, each with
// an address of its own in 127.0.0.0/8 (Linux).
import { fork } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { InstanceRow } from '../../core/operators/cluster.ts'
import { startGateway } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { RedisServer } from '../support/redis-server.ts'
import type { Figures, FromClients, Order, ToClients } from './workers-idle-clients.ts'

const { values: options } = parseArgs({
  options: {
    connections: { type: 'string', default: '8000' },
    workers: { type: 'string', default: '4' },
    rest: { type: 'string', default: '20' },
    rate: { type: 'string', default: '500' },
  },
})
const CONNECTIONS = Number(options.connections)
const EACH = 15_000
const ADMIN_TOKEN = 'token-of-the-idle-bench-0123456789'

/** One process of clients. */
class Clients implements Disposable {
  readonly count: number
  readonly #child: ChildProcess
  readonly #held = Promise.withResolvers<void>()
  readonly #figures = Promise.withResolvers<Figures>()

  constructor(order: Order) {
    this.count = order.count
    this.#child = fork(join(import.meta.dirname, 'workers-idle-clients.ts'))
    this.#child.on('message', (message: FromClients) => {
      if (message.kind === 'figures') this.#figures.resolve(message.figures)
      else if (message.count === order.count) this.#held.resolve()
    })
    this.#child.once('exit', (status) => {
      const why = new Error(`the clients from ${order.from} ended with ${status}`)
      this.#held.reject(why)
      this.#figures.reject(why)
    })
    this.#figures.promise.catch(() => undefined) // heard by who waits for it
    this.#tell({ kind: 'open', order })
  }

  get held(): Promise<void> {
    return this.#held.promise
  }

  say(perSecond: number): Promise<Figures> {
    this.#tell({ kind: 'say', perSecond })
    return this.#figures.promise
  }

  [Symbol.dispose](): void {
    this.#child.removeAllListeners('exit')
    this.#child.disconnect()
  }

  #tell(message: ToClients): void {
    this.#child.send(message)
  }
}

interface Process {
  readonly name: string
  readonly connections: number
  readonly residentBytes: number
  /** V8's, and what it holds outside: garbage that is not collected yet included. */
  readonly heapBytes: number
}

/** The workers; the supervisor holds no connection. */
async function processes(gateway: GatewayProcess): Promise<readonly Process[]> {
  const rows = (await (await ask(gateway, '/admin/v1/cluster')).json()) as readonly InstanceRow[] // our own admin API
  const figures = await (await ask(gateway, '/metrics')).text()
  const figure = (name: string, worker: number | null): number =>
    Number(new RegExp(`^${name}\\{worker="${worker}"\\} (\\S+)`, 'mu').exec(figures)?.[1] ?? NaN)
  return rows.map(({ name, pid, worker, connections }) => ({
    name,
    connections: connections.websocket,
    residentBytes: rssOf(pid),
    heapBytes: figure('nodejs_heap_size_used_bytes', worker) + figure('nodejs_external_memory_bytes', worker),
  }))
}

function ask({ base }: GatewayProcess, path: string): Promise<Response> {
  return fetch(`${base}${path}`, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })
}

function rssOf(pid: number): number {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/mu.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kilobytes) * 1024
}

const rest = (seconds: number): Promise<void> => new Promise((over) => setTimeout(over, seconds * 1000))
const sum = (all: readonly number[]): number => all.reduce((total, one) => total + one, 0)
const kilobytes = (
  of: 'residentBytes' | 'heapBytes',
  before: readonly Process[],
  after: readonly Process[],
): string =>
  ((sum(after.map((one) => one[of])) - sum(before.map((one) => one[of]))) / CONNECTIONS / 1000).toFixed(1)

async function run(gateway: GatewayProcess): Promise<void> {
  // What a process allocates once, it has allocated by then.
  await rest(Number(options.rest))
  const before = await processes(gateway)
  using stack = new DisposableStack()
  const began = performance.now()
  const crowd = Array.from({ length: Math.ceil(CONNECTIONS / EACH) }, (_, index) => {
    const first = index * EACH
    const count = Math.min(EACH, CONNECTIONS - first)
    return stack.use(new Clients({ port: gateway.port, from: `127.0.1.${index + 1}`, first, count }))
  })
  await Promise.all(crowd.map(({ held }) => held))
  console.log(`${CONNECTIONS} connected and welcomed in ${((performance.now() - began) / 1000).toFixed(0)} s`)
  await rest(Number(options.rest))
  const idle = await processes(gateway)
  console.log('\n| worker | WebSockets | MB before | MB with them |\n| --- | ---: | ---: | ---: |')
  for (const { name, connections, residentBytes } of idle) {
    const was = before.find((one) => one.name === name)?.residentBytes ?? 0
    console.log(
      `| ${name} | ${connections} | ${(was / 1e6).toFixed(0)} | ${(residentBytes / 1e6).toFixed(0)} |`,
    )
  }
  const [heap, resident] = [kilobytes('heapBytes', before, idle), kilobytes('residentBytes', before, idle)]
  console.log(`\na connection: ${heap} kB of heap (goal 12 kB), ${resident} kB of resident memory`)
  const figures = await Promise.all(
    crowd.map((one) => one.say((Number(options.rate) * one.count) / CONNECTIONS)),
  )
  const total = (of: (one: Figures) => number): number => sum(figures.map(of))
  const latencies = figures.flatMap(({ latenciesMs }) => latenciesMs).toSorted((a, b) => a - b)
  const at = (part: number): string => (latencies[Math.floor((latencies.length - 1) * part)] ?? 0).toFixed(0)
  const counts = (['answered', 'lost', 'doubled', 'closed', 'again'] as const).map(
    (name) => `${total((one) => one[name])} ${name === 'again' ? 'told to come again' : name}`,
  )
  console.log(
    `each asked once, ${options.rate}/s: ${counts.join(', ')}; p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`,
  )
  const { letters } = (await (await ask(gateway, '/admin/v1/dead-letters?limit=100')).json()) as Dead // our own admin API
  for (const { failure } of letters) console.log(`dead letter: ${failure.code} ${failure.message}`)
}

interface Dead {
  readonly letters: readonly { readonly failure: { readonly code: string; readonly message: string } }[]
}

console.log(`${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} processors, Node ${process.version}`)
await using server = await RedisServer.start(['--appendonly', 'no']) // what the disk costs is not the question here
await using gateway = await startGateway({
  yaml: `
http: { maxConnections: 20000, maxSockets: 20000, maxSocketsPerAddress: 20000 }
plugins: ${join(import.meta.dirname, 'plugins')}
log: { level: warn }
admin: { token: ${ADMIN_TOKEN} }
channels: { web: { adapter: rest } }
agents: { echo: { adapter: echo } }
routes: [{ agent: echo }]
store: { url: "${server.url}" }`,
  words: ['--workers', options.workers],
})
await run(gateway)
