// `node test/bench/mqtt.ts`: durable ingest over MQTT beside bare aedes and mosquitto, and what idle connections cost. One table.
// Options: --seconds N, --rounds N (0: no rates), --idle 1000,5000,10000 (empty: none). Needs cc; mosquitto where it is installed.
import { execFile, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { once } from 'node:events'
import { connect } from 'node:net'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { parseArgs, promisify } from 'node:util'
import { freePort } from '../../bin/demo/free-port.ts'
import { WARM_S } from './warm.ts'

const HERE = import.meta.dirname
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    idle: { type: 'string', default: '1000,5000,10000' },
  },
})
/** Messages per second of the paced measurements. */
const RATE = 2000
const PUBLISHERS = [1, 100, 1000] as const
/** Under way in all, so that what is measured is not a queue. */
const UNDER_WAY = 1000
const WINDOW = 100
/** What was opened lately is looked at again, and what is no longer needed given back. */
const SETTLE_MS = 5000
const COLLECT_MS = 2000
const REST_MS = 2000
const FIRST = 500

interface Server {
  readonly name: string
  readonly port: number
  /** Of a broker: somebody takes what is published. */
  readonly hasSubscriber: boolean
  /** Other than MQTT's. */
  readonly http?: number
  readonly child: ChildProcess
}

interface Result {
  /** From the first message on. */
  readonly total: number
  readonly acknowledged: number
  readonly delivered: number
  readonly p50Ms: number
  readonly p99Ms: number
}

const folder = await mkdtemp(join(tmpdir(), 'dragoman-bench-'))
const running = new Set<ChildProcess>()

/** Starts a program and resolves with the first line that `read` understands. */
async function launch<T>(
  command: string,
  args: readonly string[],
  read: (line: string) => T | undefined,
): Promise<{ readonly value: T; readonly child: ChildProcess }> {
  const child = spawn(command, args, { cwd: HERE, stdio: ['pipe', 'pipe', 'ignore'] })
  running.add(child)
  for await (const line of createInterface({ input: child.stdout })) {
    const value = read(line)
    if (value === undefined) continue
    child.stdout.resume()
    return { value, child }
  }
  throw new Error(`${command} ${args.join(' ')} ended before it was ready`)
}

async function end(child: ChildProcess): Promise<void> {
  running.delete(child)
  if (child.exitCode !== null || child.signalCode !== null) return
  const exited = new Promise((done) => child.once('exit', done))
  child.kill('SIGKILL')
  await exited
}

async function bareAedes(): Promise<Server> {
  const { value, child } = await launch(process.execPath, ['mqtt-bare.ts'], (line) =>
    /^\d+$/u.test(line) ? Number(line) : undefined,
  )
  return { name: 'bare aedes', port: value, hasSubscriber: true, child }
}

async function mosquitto(): Promise<Server> {
  const port = await freePort()
  const config = join(folder, 'mosquitto.conf')
  const lines = [`listener ${port} 127.0.0.1`, 'allow_anonymous true', 'max_queued_messages 0']
  await writeFile(config, [...lines, 'max_inflight_messages 0', ''].join('\n'))
  const child = spawn('mosquitto', ['-c', config], { stdio: 'ignore' })
  running.add(child)
  while (!(await isListening(port))) await pause(50)
  return { name: 'mosquitto', port, hasSubscriber: true, child }
}

async function isListening(port: number): Promise<boolean> {
  const socket = connect({ port, host: '127.0.0.1' })
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

async function gateway(): Promise<Server> {
  const config = join(folder, 'gateway.yaml')
  await writeFile(
    config,
    `
http: { port: 0, maxSockets: 20000, maxSocketsPerAddress: 20000, maxConnections: 20000 }
log: { level: error }
plugins: ${join(HERE, 'plugins')}
channels:
  web: { adapter: rest }
  devices: { adapter: mqtt, port: 0, connections: 20000, topics: { 'bench/+': { kind: message, sender: id } } }
agents: { sink: { adapter: sink } }
routes: [ { agent: sink } ]
`,
  )
  const data = await mkdtemp(join(folder, 'data-'))
  const preload = ['--expose-gc', '--import', join(HERE, 'collect.ts')]
  const args = ['../../bin/dragoman.ts', 'start', '--config', config, '--data', data]
  const { value, child } = await launch(process.execPath, [...preload, ...args], (line) =>
    line.startsWith('{"ready"') ? (JSON.parse(line) as { http: number; mqtt: number }) : undefined,
  ) // DESIGN §10, the ready line
  return { name: 'gateway, durable', port: value.mqtt, http: value.http, hasSubscriber: false, child }
}

async function load(server: Server, args: readonly (string | number)[]): Promise<Result | undefined> {
  const [mode = 'thr', ...more] = args
  const all = [mode, '-p', server.port, '-s', 128, '-d', options.seconds, ...more]
  if (server.hasSubscriber) all.push('-S')
  try {
    const limit = (Number(options.seconds) + 30) * 1000
    const { stdout } = await promisify(execFile)(join(folder, 'load'), all.map(String), { timeout: limit })
    return JSON.parse(stdout) as Result // mqtt-load.c wrote it
  } catch {
    return undefined
  }
}

/** With the processor time of one message, all threads together: it says more than a rate on a machine that others use too. */
interface Measured extends Result {
  readonly microseconds: number
}

const TICK_MS = 10

async function processorMs({ child }: Server): Promise<number> {
  const fields = (await readFile(`/proc/${child.pid}/stat`, 'utf8')).split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS // proc(5): utime and stime
}

/** One fresh server for each measurement: none suffers from what another one left behind. */
async function measured(
  start: () => Promise<Server>,
  args: readonly (string | number)[],
): Promise<Measured | undefined> {
  const server = await start()
  try {
    await load(server, ['thr', '-n', 10, '-w', 10, '-d', WARM_S]) // what was only stored is then settled
    await pause(REST_MS)
    if (server.child.exitCode !== null) return undefined // bare aedes does not outlive every client that goes
    const before = await processorMs(server)
    const result = await load(server, args)
    if (result === undefined) return undefined
    return { ...result, microseconds: (((await processorMs(server)) - before) * 1000) / result.total }
  } finally {
    await end(server.child)
  }
}

function median(results: readonly Measured[], of: keyof Measured): number {
  const sorted = results.map((result) => result[of]).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}

async function memoryOf({ child }: Server): Promise<number> {
  const status = await readFile(`/proc/${child.pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1])
}

async function idle(
  kind: 'mqtt' | 'ws',
  state: 'connected' | 'welcomed',
  counts: readonly number[],
): Promise<void> {
  const server = await gateway()
  const port = kind === 'mqtt' ? server.port : server.http
  const holders: ChildProcess[] = []
  try {
    // The first ones bring what is there once: code, and its compiled form.
    let held = 0
    let base = 0
    for (const count of [FIRST, ...counts]) {
      const { child } = await launch(
        process.execPath,
        ['mqtt-idle.ts', kind, String(port), String(count - held), state],
        (line) => line.startsWith('HELD') || undefined,
      )
      holders.push(child)
      held = count
      await pause(SETTLE_MS)
      server.child.kill('SIGUSR2')
      await pause(COLLECT_MS)
      const now = await memoryOf(server)
      if (base === 0) base = now
      else
        console.log(
          `| ${kind}, ${state} | ${count} | ${Math.round(now / 1024)} | ${((now - base) / (count - FIRST)).toFixed(1)} |`,
        )
    }
  } finally {
    for (const child of holders) await end(child)
    await end(server.child)
  }
}

/** Rates in turn, each in rounds; then what 2,000 a second wait. */
async function rates(): Promise<void> {
  const starts: (readonly [string, () => Promise<Server>])[] = [
    ['bare aedes', bareAedes],
    ['mosquitto', mosquitto],
    ['gateway, durable', gateway],
  ]
  console.log(
    `${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)} before it began, Node ${process.version}, QoS 1, 128 bytes\n`,
  )
  console.log('| Publishers | | PUBACKs per second | × bare aedes | µs of processor each | p50 ms | p99 ms |')
  console.log('| ---: | --- | ---: | ---: | ---: | ---: | ---: |')
  for (const publishers of PUBLISHERS) {
    const window = Math.max(1, Math.min(WINDOW, Math.floor(UNDER_WAY / publishers)))
    const results = new Map<string, Measured[]>()
    for (let round = 0; round < Number(options.rounds); round++)
      for (const [name, start] of starts) {
        const result = await measured(start, ['thr', '-n', publishers, '-w', window])
        if (result !== undefined) results.set(name, [...(results.get(name) ?? []), result])
      }
    const bare = median(results.get('bare aedes') ?? [], 'acknowledged')
    for (const [name] of starts) {
      const all = results.get(name) ?? []
      const rate = median(all, 'acknowledged')
      const cells = [
        Math.round(rate),
        (rate / bare).toFixed(2),
        Math.round(median(all, 'microseconds')),
        median(all, 'p50Ms'),
        median(all, 'p99Ms'),
      ]
      console.log(
        all.length === 0
          ? `| ${publishers} | ${name} | ended each time | | | | |`
          : `| ${publishers} | ${name} | ${cells.join(' | ')} |`,
      )
    }
  }
  console.log('\n| At 2,000/s, 100 publishers | per second | p50 ms | p99 ms |\n| --- | ---: | ---: | ---: |')
  for (const [name, start] of starts) {
    const result = await measured(start, ['rate', '-n', 100, '-r', RATE])
    if (result !== undefined)
      console.log(`| ${name} | ${result.acknowledged} | ${result.p50Ms} | ${result.p99Ms} |`)
  }
}

try {
  await promisify(execFile)('cc', ['-O2', '-o', join(folder, 'load'), join(HERE, 'mqtt-load.c')])
  if (Number(options.rounds) > 0) await rates()
  const counts = options.idle.split(',').filter(Boolean).map(Number)
  if (counts.length > 0) {
    console.log('\n| Idle | connections | MB in all | kB each |\n| --- | ---: | ---: | ---: |')
    for (const state of ['connected', 'welcomed'] as const)
      for (const kind of ['mqtt', 'ws'] as const) await idle(kind, state, counts)
  }
} finally {
  for (const child of running) child.kill('SIGKILL')
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
}
