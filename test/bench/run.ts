// `npm run bench`: the gateway beside bare node:http and bare Hono, in turn, three rounds, one table of medians.
// Options: --seconds N (of each measurement), --rounds N, --connections N, --soak MINUTES (2,000/s, memory watched).
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { cpus, tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Order, Result } from './load.ts'
import { WARM_S } from './warm.ts'

const HERE = dirname(fileURLToPath(import.meta.url))
const { values: options } = parseArgs({
  options: {
    seconds: { type: 'string', default: '5' },
    rounds: { type: 'string', default: '3' },
    soak: { type: 'string', default: '0' },
    connections: { type: 'string', default: '50' },
  },
})
/** Requests per second of the paced measurements. */
const RATE = 2000
const seconds = Number(options.seconds)
const connections = Number(options.connections)
const children: ChildProcess[] = []

/** Starts a program of ours and resolves with the first line that `read` understands. */
async function launch<T>(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  read: (line: string) => T | undefined,
) {
  const child = spawn(process.execPath, args, {
    cwd: HERE,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  children.push(child)
  for await (const line of createInterface({ input: child.stdout })) {
    const value = read(line)
    if (value !== undefined) {
      child.stdout.resume()
      return { value, child }
    }
  }
  throw new Error(`${args.join(' ')} ended before it was ready`)
}

async function load(one: Order): Promise<Result> {
  const child = spawn(process.execPath, [join(HERE, 'load.ts'), JSON.stringify(one)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  for await (const piece of child.stdout) text += String(piece)
  return JSON.parse(text) as Result // load.ts wrote it
}

const port = (line: string): number | undefined => (/^\d+$/u.test(line) ? Number(line) : undefined)
const data = await mkdtemp(join(tmpdir(), 'dragoman-bench-'))
try {
  const bareHttp = await launch(['bare.ts', 'http'], {}, port)
  const bareHono = await launch(['bare.ts', 'hono'], {}, port)
  const orders = await launch(['bare.ts', 'orders'], {}, port)
  const bareProxy = await launch(['bare.ts', 'proxy', `http://127.0.0.1:${orders.value}`], {}, port)
  const gateway = await launch(
    ['../../bin/dragoman.ts', 'start', '--config', 'gateway.yaml', '--data', data],
    { BENCH_BACKEND: `http://127.0.0.1:${orders.value}` },
    (line) => (line.startsWith('{"ready"') ? (JSON.parse(line) as { http: number }).http : undefined),
  )
  const json = { 'content-type': 'application/json' }
  const text = 'Where is my order? '.repeat(50)
  const message = JSON.stringify({ sender: { id: 'c-[<id>]' }, text })
  const envelope = `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><GetOrder xmlns="urn:example:crm"><orderNo>000777</orderNo></GetOrder></s:Body></s:Envelope>`
  const base = `http://127.0.0.1:${gateway.value}`
  const cases: readonly { name: string; order: Order }[] = [
    {
      name: 'bare node:http, POST',
      order: order(`http://127.0.0.1:${bareHttp.value}/v1/messages`, json, message),
    },
    {
      name: 'bare Hono, POST',
      order: order(`http://127.0.0.1:${bareHono.value}/v1/messages`, json, message),
    },
    {
      name: 'bare node:http → undici, passed through',
      order: order(`http://127.0.0.1:${bareProxy.value}/`, json, '{"orderNo":"000777"}'),
    },
    { name: 'gateway, durable accept', order: order(`${base}/v1/messages`, json, message) },
    {
      name: 'gateway, request → REST',
      order: order(`${base}/v1/requests/GetOrder`, json, '{"orderNo":"000777"}'),
    },
    {
      name: 'gateway, SOAP → REST',
      order: order(`${base}/crm`, { 'content-type': 'text/xml; charset=utf-8', soapaction: '""' }, envelope),
    },
  ]
  const results = new Map<string, Result[]>(cases.map(({ name }) => [name, []]))
  for (const { order: one } of cases) await load({ ...one, seconds: WARM_S })
  for (let round = 1; round <= Number(options.rounds); round++) {
    for (const { name, order: one } of cases) {
      const result = await load(one)
      results.get(name)?.push(result)
      process.stderr.write(
        `round ${round}: ${name}: ${Math.round(result.perSecond)}/s, ${result.failed} failed\n`,
      )
    }
  }
  const paced: [name: string, Result][] = []
  for (const { name, order: one } of cases.filter(({ order: { body } }) => body === message).slice(1))
    paced.push([name, await load({ ...one, rate: RATE, seconds: seconds * 2 })])
  const hono = median(results.get('bare Hono, POST') ?? [], 'perSecond')
  console.log(
    `\n${cpus()[0]?.model ?? 'unknown'}, ${cpus().length} cores, Node ${process.version}, ${connections} connections, 1 kB\n`,
  )
  console.log(
    '| | per second | × bare Hono | p50 ms | p99 ms | failed |\n| --- | ---: | ---: | ---: | ---: | ---: |',
  )
  for (const [name, all] of results) {
    const rate = median(all, 'perSecond')
    const cells = [
      name,
      Math.round(rate),
      (rate / hono).toFixed(2),
      median(all, 'p50Ms'),
      median(all, 'p99Ms'),
    ]
    console.log(`| ${cells.join(' | ')} | ${all.reduce((sum, { failed }) => sum + failed, 0)} |`)
  }
  for (const [name, { perSecond, p50Ms, p99Ms, failed }] of paced)
    console.log(
      `| ${name}, evenly at ${RATE}/s | ${Math.round(perSecond)} | | ${p50Ms} | ${p99Ms} | ${failed} |`,
    )
  if (Number(options.soak) > 0)
    await soak(gateway.child.pid ?? 0, order(`${base}/v1/messages`, json, message))
} finally {
  await Promise.all(children.map((child) => ended(child)))
  await rm(data, { recursive: true, force: true, maxRetries: 5, retryDelay: 500 })
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const { promise, resolve } = Promise.withResolvers<void>()
  child.once('exit', () => resolve())
  child.kill('SIGTERM')
  await promise
}

function order(url: string, headers: Readonly<Record<string, string>>, body: string): Order {
  return { url, headers, body, connections, seconds }
}

/** 2,000 messages a second for some minutes, the resident memory after each. */
async function soak(pid: number, one: Order): Promise<void> {
  console.log('\n| minute | MB resident | p99 ms | failed |\n| ---: | ---: | ---: | ---: |')
  for (let minute = 1; minute <= Number(options.soak); minute++) {
    const { p99Ms, failed } = await load({ ...one, rate: RATE, seconds: 60 })
    const status = await readFile(`/proc/${pid}/status`, 'utf8')
    const kilobytes = Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1] ?? Number.NaN)
    console.log(`| ${minute} | ${Math.round(kilobytes / 1024)} | ${p99Ms} | ${failed} |`)
  }
}

function median(results: readonly Result[], member: keyof Result): number {
  const sorted = results.map((result) => result[member]).toSorted((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
