// `node test/bench/redis.ts`: the store on a real redis-server (appendfsync always) beside the embedded one, in turn, in one run.
// Options: --seconds N, --rounds N, --producers N, --stored N (how many messages the flat cost is looked at with; --full: a million),
// --only rates|gateways|bus|flat.
import { spawn } from 'node:child_process'
import { randomUUIDv7 } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Redis } from 'ioredis'
import { partitionLease } from '../../core/store/figures.ts'
import { openRedisStore } from '../../core/store/redis.ts'
import { Bus } from '../../core/store/redis/bus.ts'
import { openSqliteStore } from '../../core/store/sqlite.ts'
import type { Accept, Fence, Store } from '../../core/store/store.ts'
import { startGateway } from '../support/gateway.ts'
import { RedisServer } from '../support/redis-server.ts'
import type { Order, Result } from './load.ts'
import { WARM_S } from './warm.ts'

const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '3' },
    rounds: { type: 'string', default: '3' },
    producers: { type: 'string', default: '128' },
    stored: { type: 'string', default: '100000' },
    full: { type: 'boolean', default: false },
    only: { type: 'string' },
  },
})
const SECONDS = Number(options.seconds)
const PRODUCERS = Number(options.producers)
const STORED = options.full ? 1_000_000 : Number(options.stored)
const CUSTOMERS = 5000
/** Messages a second of the paced measurement. */
const RATE = 2000
const TEXT = 'x'.repeat(560) // a message of 1 kB of JSON
let count = 0

function accept(fence: (home: string) => Fence): Accept {
  count++
  const customer = `u${Math.floor(Math.random() * CUSTOMERS)}`
  const id = randomUUIDv7()
  const [home, conversation] = [`web/${customer}`, `web:${customer}`]
  return {
    home,
    conversation,
    message: {
      id,
      kind: 'message',
      type: 'text',
      externalId: `k${count}`,
      sender: { id: customer, role: 'customer' },
      channel: 'web',
      conversation,
      direction: 'inbound',
      parts: [{ kind: 'text', text: TEXT }],
      receivedAt: '2026-01-02T03:04:05.678Z',
      correlationId: id,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    },
    inbox: true,
    dedupe: { key: `web  ${customer} k${count}`, fingerprint: 'f'.repeat(43), ttlMs: 259_200_000 },
    work: { lane: conversation, priority: 1, limit: 100_000 },
    fence: fence(home),
  }
}

async function fences(store: Store): Promise<(home: string) => Fence> {
  const all: Fence[] = []
  for (let partition = 0; partition < store.partitions; partition++) {
    const lease = await store.lease({ name: partitionLease(partition), owner: 'bench', ttlMs: 36_000_000 })
    if (lease.status !== 'held') throw new Error(`partition ${partition} is held by another`)
    all.push(lease.fence)
  }
  return (home) => {
    const fence = all[store.partitionOf(home)]
    if (fence === undefined) throw new Error(`no lease for ${home}`)
    return fence
  }
}

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
}

function summary(latencies: readonly number[], ms: number): Measured {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0
  return { perSecond: Math.round((sorted.length / ms) * 1000), p50Ms: at(0.5), p99Ms: at(0.99) }
}

/** As many as there can be: each producer stores its next message when the last one is durable. */
async function flood(store: Store, fence: (home: string) => Fence, seconds = SECONDS): Promise<Measured> {
  const latencies: number[] = []
  const began = performance.now()
  const produce = async (): Promise<void> => {
    while (performance.now() < began + seconds * 1000) {
      const from = performance.now()
      await store.accept(accept(fence))
      latencies.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: PRODUCERS }, produce))
  return summary(latencies, performance.now() - began)
}

/** Evenly, whatever the answers do; a message that comes late because of this process counts from when it was due. */
async function paced(
  store: Store,
  fence: (home: string) => Fence,
): Promise<Measured & { readonly refused: number }> {
  const latencies: number[] = []
  const asked: Promise<void>[] = []
  const began = performance.now()
  const total = RATE * SECONDS
  let refused = 0
  const one = async (due: number): Promise<void> => {
    try {
      await store.accept(accept(fence))
      latencies.push(performance.now() - due)
    } catch {
      refused++ // not within a command's time: the caller would be told to come again
    }
  }
  while (asked.length < total) {
    const due = Math.floor(((performance.now() - began) / 1000) * RATE)
    while (asked.length < Math.min(due, total)) asked.push(one(began + (asked.length / RATE) * 1000))
    await new Promise((turn) => setTimeout(turn, 1))
  }
  await Promise.all(asked)
  return { ...summary(latencies, performance.now() - began), refused }
}

interface ServerCounts {
  readonly scripts: number
  readonly cpuMicros: number
  readonly aofBytes: number
}

function countsOf(server: RedisServer): ServerCounts {
  const info = server.cli('INFO', 'everything')
  const number = (pattern: RegExp): number => Number(pattern.exec(info)?.[1] ?? 0)
  const cpu = number(/used_cpu_user:([\d.]+)/u) + number(/used_cpu_sys:([\d.]+)/u)
  return {
    scripts: number(/cmdstat_evalsha:calls=(\d+)/u) + number(/cmdstat_eval:calls=(\d+)/u),
    cpuMicros: cpu * 1e6,
    aofBytes: number(/aof_current_size:(\d+)/u),
  }
}

/** Write calls of this process to the system; 0 where the system does not say. */
async function writesOfMine(): Promise<number> {
  const io = await readFile('/proc/self/io', 'utf8').catch(() => '')
  return Number(/syscw: (\d+)/u.exec(io)?.[1] ?? 0)
}

function show(name: string, { perSecond, p50Ms, p99Ms }: Measured, more = ''): void {
  console.log(`| ${name} | ${perSecond} | ${p50Ms.toFixed(1)} | ${p99Ms.toFixed(1)} | ${more} |`)
}

const median = (all: readonly number[]): number =>
  all.toSorted((a, b) => a - b)[Math.floor(all.length / 2)] ?? 0

async function embedded<T>(run: (store: Store, fence: (home: string) => Fence) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'dragoman-bench-'))
  try {
    await using store = await openSqliteStore({ directory })
    return await run(store, await fences(store))
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function onRedis<T>(
  run: (store: Store, fence: (home: string) => Fence, server: RedisServer) => Promise<T>,
  settings: readonly string[] = [],
): Promise<T> {
  await using server = await RedisServer.start(settings)
  await using store = await openRedisStore({ url: server.url })
  return await run(store, await fences(store), server)
}

async function rates(): Promise<void> {
  console.log(
    '\n| durable accept, 1 kB, 5,000 customers | per second | p50 ms | p99 ms | |\n| --- | ---: | ---: | ---: | --- |',
  )
  await embedded((store, fence) => flood(store, fence, WARM_S))
  await onRedis((store, fence) => flood(store, fence, WARM_S))
  const ratios: number[] = []
  for (let round = 1; round <= Number(options.rounds); round++) {
    const file = await embedded((store, fence) => flood(store, fence))
    const { measured, more } = await onRedis(async (store, fence, server) => {
      const [before, writes] = [countsOf(server), await writesOfMine()]
      const stored = count
      const flooded = await flood(store, fence)
      const [after, written] = [countsOf(server), await writesOfMine()]
      const per = (of: number): number => of / (count - stored)
      const costs = [
        `${per(after.scripts - before.scripts).toFixed(2)} calls in ${per(written - writes).toFixed(2)} writes to the socket`,
        `${per(after.cpuMicros - before.cpuMicros).toFixed(0)} µs of the server's processor`,
        `${per(after.aofBytes - before.aofBytes).toFixed(0)} bytes of its file`,
      ]
      return { measured: flooded, more: `a message: ${costs.join(', ')}` }
    })
    ratios.push(measured.perSecond / file.perSecond)
    show(`embedded, round ${round}`, file)
    show(`Redis, round ${round}`, measured, more)
  }
  console.log(`\nRedis is ${median(ratios).toFixed(2)} × embedded (goal 0.4), ${PRODUCERS} at once.`)
  const even = await onRedis((store, fence) => paced(store, fence))
  console.log(
    `Evenly at ${RATE}/s: ${even.perSecond}/s, p50 ${even.p50Ms.toFixed(1)} ms, p99 ${even.p99Ms.toFixed(1)} ms (goal 20 ms), ${even.refused} refused.`,
  )
}

/** What a message costs the server with a thousand stored, ten thousand, and so on. What the disk costs does not depend on that. */
async function flat(): Promise<void> {
  console.log(
    "\n| messages stored | µs of the server's processor for the next 1,000, each | bytes of its memory, each | s to store them |\n| ---: | ---: | ---: | ---: |",
  )
  const began = performance.now()
  const measure = async (
    store: Store,
    fence: (home: string) => Fence,
    server: RedisServer,
  ): Promise<void> => {
    const empty = memoryOf(server)
    const put = async (messages: number): Promise<void> => {
      let left = messages
      const produce = async (): Promise<void> => {
        while (left-- > 0) await store.accept(accept(fence))
      }
      await Promise.all(Array.from({ length: PRODUCERS }, produce))
    }
    let stored = 0
    for (let at = 1000; at <= STORED; at *= 10) {
      await put(at - stored)
      const before = countsOf(server)
      await put(1000)
      stored = at + 1000
      const micros = (countsOf(server).cpuMicros - before.cpuMicros) / 1000
      const bytes = (memoryOf(server) - empty) / stored
      const seconds = (performance.now() - began) / 1000
      console.log(`| ${at} | ${micros.toFixed(0)} | ${bytes.toFixed(0)} | ${seconds.toFixed(0)} |`)
    }
  }
  await onRedis(measure, ['--appendonly', 'no'])
}

function memoryOf(server: RedisServer): number {
  return Number(/used_memory:(\d+)/u.exec(server.cli('INFO', 'memory'))?.[1] ?? 0)
}

/** Hints from one process' bus to another's: each turn's are one message. */
async function bus(): Promise<void> {
  await using server = await RedisServer.start()
  const lines = [0, 1].map(() => new Redis(server.url, { lazyConnect: true })) as [Redis, Redis] // two
  await Promise.all(lines.map((line) => line.connect()))
  const [says, hears] = [new Bus(lines[0], 'bench:'), new Bus(lines[1], 'bench:')]
  await Promise.all([says.open(), hears.open()])
  const BATCH = 1000
  const names = Array.from({ length: BATCH }, (_, index) => `log:web:u${index}`)
  const watch = hears.watch([...names, 'end'])
  const began = performance.now()
  let sent = 0
  const send = (): void => {
    says.hint(names)
    sent += BATCH
    if (performance.now() < began + SECONDS * 1000) setImmediate(() => setImmediate(send))
    else setImmediate(() => setImmediate(() => says.hint(['end'])))
  }
  send()
  for await (const name of watch) if (name === 'end') break
  const seconds = (performance.now() - began) / 1000
  console.log(
    `\nThrough the bus: ${Math.round(sent / seconds)} hints/s in messages of ${BATCH} (goal 200,000/s), from the first sent to the last heard.`,
  )
  watch.close()
  for (const one of [says, hears]) one.close()
  for (const line of lines) line.disconnect()
}

/** The same through whole gateways over HTTP, in turn. */
async function gateways(): Promise<void> {
  console.log(
    '\n| gateway, durable accept, 50 connections | per second | p50 ms | p99 ms | failed |\n| --- | ---: | ---: | ---: | ---: |',
  )
  const yaml = (store: string): string => `
plugins: ${join(import.meta.dirname, 'plugins')}
log: { level: warn }
channels: { web: { adapter: rest } }
agents: { sink: { adapter: sink } }
routes: [{ agent: sink }]
${store}`
  await using server = await RedisServer.start()
  await using file = await startGateway({ yaml: yaml('') })
  await using redis = await startGateway({
    yaml: yaml(`store: { url: "${server.url}", durability: strict }`),
  })
  for (const { base } of [file, redis]) await load({ ...order(base), seconds: WARM_S })
  const ratios: number[] = []
  for (let round = 1; round <= Number(options.rounds); round++) {
    const both: number[] = []
    for (const [name, { base }] of [
      ['embedded', file],
      ['Redis', redis],
    ] as const) {
      const before = countsOf(server)
      const { perSecond, p50Ms, p99Ms, failed, answered } = await load(order(base))
      both.push(perSecond)
      const calls = ((countsOf(server).scripts - before.scripts) / answered).toFixed(2)
      const more = name === 'Redis' ? `${calls} calls a message, stored, taken and settled` : ''
      console.log(
        `| ${name}, round ${round} | ${Math.round(perSecond)} | ${p50Ms} | ${p99Ms} | ${failed} | ${more} |`,
      )
    }
    ratios.push((both[1] ?? 0) / (both[0] ?? 1))
  }
  const { perSecond, p50Ms, p99Ms, failed } = await load({ ...order(redis.base), rate: RATE })
  console.log(
    `\nA gateway on Redis is ${median(ratios).toFixed(2)} × one with the embedded store (goal 0.4); evenly at ${RATE}/s: ` +
      `${Math.round(perSecond)}/s, p50 ${p50Ms} ms, p99 ${p99Ms} ms (goal 20 ms), ${failed} failed.`,
  )
}

function order(base: string): Order {
  const body = JSON.stringify({ sender: { id: 'c-[<id>]' }, text: 'Where is my order? '.repeat(50) })
  const headers = { 'content-type': 'application/json' }
  return { url: `${base}/v1/messages`, headers, body, connections: 50, seconds: SECONDS }
}

async function load(one: Order): Promise<Result> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'load.ts'), JSON.stringify(one)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  for await (const piece of child.stdout) text += String(piece)
  return JSON.parse(text) as Result // load.ts wrote it
}

console.log(`${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} processors, Node ${process.version}`)
const PARTS = { rates, gateways, bus, flat }
for (const [name, measure] of Object.entries(PARTS)) if ((options.only ?? name) === name) await measure()
