// The embedded store against a bare node:sqlite insert loop, in turn: node test/bench/store.ts [seconds] [producers]
import { randomUUIDv7 } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { availableParallelism, cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { partitionLease } from '../../core/store/figures.ts'
import { openSqliteStore } from '../../core/store/sqlite.ts'
import type { Accept, Fence, Settle, Store } from '../../core/store/store.ts'

const SECONDS = Number(process.argv[2] ?? 2)
const PRODUCERS = Number(process.argv[3] ?? 512)
const ROUNDS = 3
const AT = '2026-01-02T03:04:05.678Z'
const TEXT = 'x'.repeat(560) // a message of 1 kB of JSON

interface Measured {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Processor time of this thread, where the gateway lives, per operation. */
  readonly mainMicros: number
}

interface Load {
  readonly name: string
  /** Undefined: each message in a conversation of its own. */
  readonly customers?: number
  readonly plain?: boolean
  readonly settles?: boolean
}

const LOADS: readonly Load[] = [
  { name: 'accept: log only, 5,000 customers', plain: true, customers: 5000 },
  { name: 'accept: log only, new customers', plain: true },
  { name: 'accept: claim, inbox, work, 5,000 customers', customers: 5000 },
  { name: 'accept: claim, inbox, work, new customers' },
  { name: 'accept + settle with a reply, 5,000 customers', settles: true, customers: 5000 },
  { name: 'accept + settle with a reply, new customers', settles: true },
]

let count = 0

function accept({ customers, plain }: Load, fence: Fence): Accept {
  count++
  const customer = customers === undefined ? `u${count}` : `u${Math.floor(Math.random() * customers)}`
  const id = randomUUIDv7()
  const conversation = `web:${customer}`
  return {
    home: `web/${customer}`,
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
      receivedAt: AT,
      correlationId: id,
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    },
    inbox: plain !== true,
    ...(plain !== true && {
      dedupe: { key: `web  ${customer} k${count}`, fingerprint: 'f'.repeat(43), ttlMs: 259_200_000 },
      work: { lane: conversation, priority: 1, limit: 1000 },
      fence,
    }),
  }
}

function settle({ home, message }: Accept, fence: Fence): Settle {
  const parts = [{ kind: 'text', text: 'ok '.repeat(30) }] as const
  return {
    home,
    kind: 'message',
    id: message.id,
    attempt: 1,
    fence,
    outcome: 'answered',
    reply: { parts, origin: 'agent' },
    replies: [{ ...message, id: randomUUIDv7(), direction: 'outbound', parts, causationId: message.id }],
    inbox: true,
    pushes: [],
    tried: { target: 'agent helper', startedAt: AT, durationMs: 1 },
  }
}

async function measure(store: Store, load: Load): Promise<Measured> {
  const lease = await store.lease({ name: partitionLease(0), owner: 'bench', ttlMs: 3_600_000 })
  if (lease.status !== 'held') throw new Error('the partition is held by another')
  const { fence } = lease
  const latencies: number[] = []
  const began = performance.now()
  const cpu = process.threadCpuUsage()
  const end = began + SECONDS * 1000
  const produce = async (): Promise<void> => {
    while (performance.now() < end) {
      const asked = accept(load, fence)
      const from = performance.now()
      const result = await store.accept(asked)
      if (load.settles === true && result.status === 'accepted' && result.attempt === 1)
        await store.settle(settle(asked, fence))
      latencies.push(performance.now() - from)
    }
  }
  await Promise.all(Array.from({ length: PRODUCERS }, produce))
  return summary(latencies, { ms: performance.now() - began, cpu: process.threadCpuUsage(cpu) })
}

/** One table, two indexes, 1 kB a row, a commit every 256 rows; nothing is looked up, nobody waits. */
function bareLoop(directory: string): Measured {
  const db = new DatabaseSync(join(directory, 'bare.db'))
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4000')
  db.exec(
    'CREATE TABLE log (id INTEGER PRIMARY KEY, place INTEGER, n INTEGER, message TEXT, body TEXT) STRICT',
  )
  db.exec('CREATE UNIQUE INDEX a ON log (place, n); CREATE UNIQUE INDEX b ON log (message)')
  const insert = db.prepare('INSERT INTO log VALUES (?, ?, ?, ?, ?)')
  const latencies: number[] = []
  const began = performance.now()
  const cpu = process.threadCpuUsage()
  const body = 'x'.repeat(1024)
  for (let id = 0; performance.now() < began + SECONDS * 1000;) {
    const from = performance.now()
    db.exec('BEGIN IMMEDIATE')
    for (let n = 0; n < 256; n++, id++) insert.run(id, id % 5000, Math.floor(id / 5000), randomUUIDv7(), body)
    db.exec('COMMIT')
    const ms = performance.now() - from
    for (let n = 0; n < 256; n++) latencies.push(ms)
  }
  const measured = summary(latencies, { ms: performance.now() - began, cpu: process.threadCpuUsage(cpu) })
  db.close()
  return measured
}

function summary(
  latencies: number[],
  { ms, cpu }: { readonly ms: number; readonly cpu: NodeJS.CpuUsage },
): Measured {
  const sorted = latencies.toSorted((a, b) => a - b)
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? 0
  return {
    perSecond: Math.round((sorted.length / ms) * 1000),
    p50Ms: at(0.5),
    p99Ms: at(0.99),
    mainMicros: (cpu.user + cpu.system) / sorted.length,
  }
}

async function inFreshDirectory<T>(run: (directory: string) => T | Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'dragoman-bench-'))
  try {
    return await run(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

const rounds: Measured[][] = []
for (let round = 0; round < ROUNDS; round++) {
  const row = [await inFreshDirectory(bareLoop)]
  for (const load of LOADS)
    row.push(
      await inFreshDirectory(async (directory) => {
        await using store = await openSqliteStore({ directory })
        return await measure(store, load)
      }),
    )
  rounds.push(row)
}

console.log(
  `${cpus()[0]?.model ?? 'unknown'}, ${availableParallelism()} processors; ${PRODUCERS} producers, median of ${ROUNDS}`,
)
const bare = median(0).perSecond
for (const [index, name] of ['bare insert loop', ...LOADS.map((load) => load.name)].entries()) {
  const { perSecond, p50Ms, p99Ms, mainMicros } = median(index)
  console.log(
    `${name.padEnd(48)} ${String(perSecond).padStart(8)}/s  × ${(perSecond / bare).toFixed(2)}` +
      `  p50 ${p50Ms.toFixed(1)} ms  p99 ${p99Ms.toFixed(1)} ms  main ${mainMicros.toFixed(1)} µs`,
  )
}

function median(index: number): Measured {
  const all = rounds.flatMap((row) => row[index] ?? []).toSorted((a, b) => a.perSecond - b.perSecond)
  const middle = all[Math.floor(all.length / 2)]
  if (middle === undefined) throw new Error('nothing was measured')
  return middle
}
