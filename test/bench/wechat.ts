// `node test/bench/wechat.ts`: encrypted text in → durable → passive reply, beside the same message by REST, in turn in one run.
// Options: --seconds N (of each measurement), --rounds N.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Result } from './load.ts'
import type { BenchAccount, PoolOrder } from './pool.ts'

const HERE = dirname(fileURLToPath(import.meta.url))
/** Made before the time begins, and more than can be sent in it. */
const MOST_PER_SECOND = 6000
const { values: options } = parseArgs({
  options: { seconds: { type: 'string', default: '4' }, rounds: { type: 'string', default: '5' } },
})

const kinds = ['rest', 'wechat'] as const
type Kind = (typeof kinds)[number]
interface Measured extends Result {
  /** Milliseconds of all of the gateway's threads for one message: what other work on the machine changes least. */
  readonly cpuMs: number
}
/** USER_HZ of Linux. */
const TICK_MS = 10
const account: BenchAccount = {
  appId: 'wx5823bf96d3bd56c7',
  token: randomBytes(8).toString('hex'),
  key: randomBytes(32).toString('base64').slice(0, 43),
}

const data = await mkdtemp(join(tmpdir(), 'dragoman-bench-'))
const gateway = spawn(
  process.execPath,
  ['../../bin/dragoman.ts', 'start', '--config', 'wechat.yaml', '--data', data],
  {
    cwd: HERE,
    env: {
      ...process.env,
      BENCH_APP_ID: account.appId,
      BENCH_TOKEN: account.token,
      BENCH_KEY: account.key,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)
try {
  const base = `http://127.0.0.1:${await portOf(gateway)}`
  const measure = async (kind: Kind, seconds: number): Promise<Measured> => {
    const before = await cpuMsOf(gateway)
    const order = { kind, base, account, connections: 50, seconds, requests: MOST_PER_SECOND * seconds }
    const result = await load(order)
    return { ...result, cpuMs: ((await cpuMsOf(gateway)) - before) / result.answered }
  }
  for (const kind of kinds) await measure(kind, 2) // warm
  const results: Record<Kind, Measured[]> = { rest: [], wechat: [] }
  for (let round = 1; round <= Number(options.rounds); round += 1)
    for (const kind of kinds) {
      const result = await measure(kind, Number(options.seconds))
      results[kind].push(result)
      process.stderr.write(`round ${round}: ${kind}: ${Math.round(result.perSecond)}/s\n`)
    }
  report(results)
} finally {
  await ended(gateway)
  await rm(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 })
}

function report(results: Readonly<Record<Kind, readonly Measured[]>>): void {
  console.log(`
${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}, 50 connections

| | per second | × REST | p50 ms | p99 ms | CPU ms | failed |
| --- | ---: | ---: | ---: | ---: | ---: | ---: |`)
  const names: Readonly<Record<Kind, string>> = {
    rest: 'REST: stored, answered in the response',
    wechat: 'WeChat, encrypted: stored, passive reply',
  }
  for (const kind of kinds) {
    const all = results[kind]
    // Round by round: what else the machine does is most alike for two that follow each other.
    const ratios = all.map(
      ({ perSecond }, round) => perSecond / (results.rest[round]?.perSecond ?? Number.NaN),
    )
    const of = (member: keyof Measured): number => median(all.map((result) => result[member]))
    const failed = all.reduce((sum, result) => sum + result.failed, 0)
    const cells = [names[kind], Math.round(of('perSecond')), median(ratios).toFixed(2)]
    console.log(`| ${[...cells, of('p50Ms'), of('p99Ms'), of('cpuMs').toFixed(2), failed].join(' | ')} |`)
  }
}

async function cpuMsOf({ pid }: ChildProcess): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // proc(5): the fields behind the name in brackets; utime and stime are the 14th and 15th of all.
  const [user = '0', system = '0'] = stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .slice(11, 13)
  return (Number(user) + Number(system)) * TICK_MS
}

async function load(order: PoolOrder): Promise<Result> {
  const child = spawn(process.execPath, [join(HERE, 'pool.ts'), JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  for await (const piece of child.stdout) text += String(piece)
  return JSON.parse(text) as Result // pool.ts wrote it
}

async function portOf(child: ChildProcess): Promise<number> {
  if (child.stdout !== null)
    for await (const line of createInterface({ input: child.stdout })) {
      const port = /^\{"ready":true,"http":(\d+)/u.exec(line)?.[1]
      if (port === undefined) continue
      child.stdout.resume()
      return Number(port)
    }
  throw new Error('the gateway ended before it was ready')
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const { promise, resolve } = Promise.withResolvers<void>()
  child.once('exit', () => resolve())
  child.kill('SIGTERM')
  await promise
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
