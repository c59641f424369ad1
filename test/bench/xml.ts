// `node test/bench/xml.ts`: SOAP through the gateway beside a bare node-soap server, and reading XML beside saxes alone.
// Options: --seconds N (of each measurement), --rounds N, --profile DIR (of the gateway, a .cpuprofile).
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import type { Order, Result } from './load.ts'
import { comment, envelope } from './xml/documents.ts'
import type { Reading } from './xml/read.ts'
import type { StageCost } from './xml/stages.ts'

const HERE = import.meta.dirname
const BARE = 'bare node-soap'
const SHAPES = [
  ['1 kB in 25 elements', envelope],
  ['1 kB in one text', comment],
] as const
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    profile: { type: 'string' },
  },
})

interface Launched<T> {
  readonly value: T
  readonly child: ChildProcess
}
interface Server {
  readonly name: string
  readonly port: number
  readonly pid: number
}
interface Measured extends Result {
  /** Processor time of the server's process a request, all its threads: what other programs take does not count. */
  readonly cpuMicros: number
}

const children: ChildProcess[] = []
const data = await mkdtemp(join(tmpdir(), 'dragoman-bench-'))
try {
  const reading = await launch(['xml/read.ts'], (line) => JSON.parse(line) as Reading) // read.ts wrote it
  const stages = await launch(['xml/stages.ts'], (line) => JSON.parse(line) as StageCost[]) // stages.ts wrote it
  const bare = await launch(['xml/node-soap.ts'], (line) => (/^\d+$/u.test(line) ? Number(line) : undefined))
  const least = await launch(['xml/hono-saxes.ts'], (line) =>
    /^\d+$/u.test(line) ? Number(line) : undefined,
  )
  const profile = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`]
  const gateway = await launch([...profile, 'xml/gateway.ts', '--data', join(data, 'own')], (line) =>
    /^\d+$/u.test(line) ? Number(line) : undefined,
  )
  const plugin = await launch(
    ['../../bin/dragoman.ts', 'start', '--config', 'xml/gateway.yaml', '--data', join(data, 'plugin')],
    (line) => (line.startsWith('{"ready"') ? (JSON.parse(line) as { http: number }).http : undefined), // the gateway wrote it
  )
  const servers = [
    { name: BARE, port: bare.value, pid: bare.child.pid ?? 0 },
    { name: 'Hono and saxes, no more', port: least.value, pid: least.child.pid ?? 0 },
    { name: 'gateway, backend in process', port: gateway.value, pid: gateway.child.pid ?? 0 },
    { name: 'gateway, plugin in its worker', port: plugin.value, pid: plugin.child.pid ?? 0 },
  ]
  printReading(reading.value)
  printStages(stages.value)
  for (const [shape, body] of SHAPES) printSoap(shape, await compare(servers, body))
} finally {
  for (const child of children) child.kill('SIGTERM')
  await Promise.all(children.map(ended))
  await rm(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 })
}

/** Starts a program of ours; resolves with the first line that `read` understands. */
async function launch<T>(
  args: readonly string[],
  read: (line: string) => T | undefined,
): Promise<Launched<T>> {
  const child = spawn(process.execPath, args, { cwd: HERE, stdio: ['ignore', 'pipe', 'inherit'] })
  children.push(child)
  for await (const line of createInterface({ input: child.stdout })) {
    const value = read(line)
    if (value === undefined) continue
    child.stdout.resume()
    return { value, child }
  }
  throw new Error(`${args.join(' ')} ended before it was ready`)
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

/** In turn, round after round: what else the machine does meets both. */
async function compare(
  servers: readonly Server[],
  body: string,
): Promise<ReadonlyMap<string, readonly Measured[]>> {
  const results = new Map<string, Measured[]>(servers.map(({ name }) => [name, []]))
  for (const server of servers) await measure(server, { body, seconds: 3 }) // warm
  for (let round = 1; round <= Number(options.rounds); round += 1)
    for (const server of servers)
      results.get(server.name)?.push(await measure(server, { body, seconds: Number(options.seconds) }))
  return results
}

async function measure(
  { port, pid }: Server,
  { body, seconds }: { readonly body: string; readonly seconds: number },
): Promise<Measured> {
  const order: Order = {
    url: `http://127.0.0.1:${port}/orders`,
    headers: { 'content-type': 'text/xml; charset=utf-8', soapaction: '""' },
    body,
    connections: 50,
    seconds,
  }
  const before = cpuMicros(pid)
  const { value } = await launch(['load.ts', JSON.stringify(order)], (line) => JSON.parse(line) as Result) // load.ts wrote it
  return { ...value, cpuMicros: Math.round((cpuMicros(pid) - before) / value.answered) }
}

/** User and system time of a process, which Linux counts in hundredths of a second (proc(5)). */
function cpuMicros(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * 10_000
}

function printReading({ ours, saxes, megabytes }: Reading): void {
  const [one, ten] = [megabytes[1], megabytes[10]]
  if (one === undefined || ten === undefined) return
  console.log(`${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}\n`)
  console.log('| reading | ours | saxes alone | ours × saxes | goal |\n| --- | ---: | ---: | ---: | --- |')
  console.log(
    `| 1 kB, documents a CPU second | ${Math.round(ours)} | ${Math.round(saxes)} | ${(ours / saxes).toFixed(2)} | ≥ 0.5 |`,
  )
  for (const [size, { ours: mine, saxes: theirs }] of Object.entries(megabytes))
    console.log(
      `| ${size} MB, CPU ms | ${mine.toFixed(1)} | ${theirs.toFixed(1)} | ${(theirs / mine).toFixed(2)} | ≥ 0.5 |`,
    )
  const growth = (ten.ours / one.ours).toFixed(1)
  console.log(`| 10 MB to 1 MB | × ${growth} | × ${(ten.saxes / one.saxes).toFixed(1)} | | × 10 |`)
}

function printStages(stages: readonly StageCost[]): void {
  console.log('\n| stage of one SOAP request, 25 elements | CPU µs |\n| --- | ---: |')
  for (const { stage, micros } of stages) console.log(`| ${stage} | ${micros.toFixed(1)} |`)
}

function printSoap(shape: string, results: ReadonlyMap<string, readonly Measured[]>): void {
  const base = median(results.get(BARE) ?? [], 'perSecond')
  const columns = ['per second', '× node-soap', 'p50 ms', 'p99 ms', 'CPU µs a request', 'failed', 'goal']
  console.log(`\n| SOAP, ${shape}, 50 connections | ${columns.join(' | ')} |`)
  console.log(`| --- |${' ---: |'.repeat(columns.length)}`)
  for (const [name, all] of results) {
    const rate = median(all, 'perSecond')
    const cells = [
      name,
      Math.round(rate),
      (rate / base).toFixed(2),
      median(all, 'p50Ms'),
      median(all, 'p99Ms'),
      median(all, 'cpuMicros'),
      all.reduce((sum, result) => sum + result.failed, 0),
      name.endsWith('in process') ? '≥ 2, p99 no worse' : '',
    ]
    console.log(`| ${cells.join(' | ')} |`)
  }
}

function median(results: readonly Measured[], member: keyof Measured): number {
  const sorted = results.map((result) => result[member]).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
