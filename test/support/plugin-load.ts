// A steady stream of calls to a gateway while its plugins change, and what came of it.
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Pool } from 'undici'
import type { PluginRow } from '../../core/plugins/plugins.ts'
import { startGateway, until } from './gateway.ts'
import type { GatewayProcess } from './gateway.ts'
import { versioned } from './plugin-sources.ts'

export interface PluginHouse extends AsyncDisposable {
  readonly gateway: GatewayProcess
  /** Saves a version of the plugin `shop`; resolves with the milliseconds until a call was answered by it. */
  save(version: number): Promise<number>
  write(text: string): Promise<void>
  rows(): Promise<readonly PluginRow[]>
  row(name: string): Promise<PluginRow | undefined>
  /** How many plugin workers the process has, as the system sees it. */
  workers(): Promise<number>
  /** Resident, in MB, when what nobody holds any more is collected: of a house that was opened to be measured. */
  memory(): Promise<number>
}

const YAML = `
channels: { web: { adapter: rest } }
backends: { shop: { adapter: shop, timeout: 10s }, other: { adapter: other } }
log: { level: warn }
routes:
  - { when: "type = 'Pay'", backend: other }
  - { backend: shop }
`

export interface PluginHouseOptions {
  /** It takes more time for everything, then. */
  readonly isMeasured?: boolean
}

export async function openPluginHouse(
  directory: string,
  { isMeasured = false }: PluginHouseOptions = {},
): Promise<PluginHouse> {
  const file = join(directory, 'plugins', 'shop.ts')
  await writeFile(file, versioned('shop', 0))
  await writeFile(join(directory, 'plugins', 'other.ts'), versioned('other', 'other'))
  const env = isMeasured ? { NODE_OPTIONS: '--inspect=127.0.0.1:0' } : {}
  const gateway = await startGateway({ yaml: YAML, directory, env })
  const token = (await readFile(join(directory, 'data', 'admin.token'), 'utf8')).trim()
  async function rows(): Promise<readonly PluginRow[]> {
    const response = await fetch(`${gateway.base}/admin/v1/plugins`, {
      headers: { authorization: `Bearer ${token}` },
    })
    return (await response.json()) as readonly PluginRow[] // our own admin API
  }
  return {
    gateway,
    rows,
    row: async (name) => (await rows()).find((each) => each.name === name),
    write: (text) => writeFile(file, text),
    async save(version) {
      await writeFile(file, versioned('shop', version))
      const saved = performance.now()
      await until(async () => ((await look(gateway.base)).version === version ? true : undefined), 60_000)
      return performance.now() - saved
    },
    async workers() {
      const tasks = `/proc/${gateway.pid}/task`
      const names = await Promise.all(
        (await readdir(tasks)).map((task) => readFile(join(tasks, task, 'comm'), 'utf8').catch(() => '')),
      )
      return names.filter((name) => name.startsWith('plugin')).length
    },
    async memory() {
      await collectGarbage(await until(() => /ws:\/\/\S+/.exec(gateway.log())?.[0]))
      const status = await readFile(`/proc/${gateway.pid}/status`, 'utf8')
      return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024
    },
    [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
  }
}

/** By the inspector. V8 itself lets garbage lie while there is room. */
async function collectGarbage(inspector: string): Promise<void> {
  const socket = new WebSocket(inspector)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.addEventListener('open', () => socket.send('{"id":1,"method":"HeapProfiler.collectGarbage"}'))
  socket.addEventListener('message', () => resolve())
  socket.addEventListener('error', () => reject(new Error(`no inspector at ${inspector}`)))
  await promise
  socket.close()
}

export interface Looked {
  readonly status: number
  readonly version: unknown
  /** The one its component was made by. */
  readonly madeBy: unknown
  /** Of a problem. */
  readonly code: unknown
}

export async function look(base: string): Promise<Looked> {
  const response = await fetch(`${base}/v1/requests/Look`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  })
  return lookedAt(response.status, await response.json())
}

function lookedAt(status: number, answer: unknown): Looked {
  const body = answer as { version?: unknown; madeBy?: unknown; code?: unknown } // versioned() answers, or a problem
  return { status, version: body.version, madeBy: body.madeBy, code: body.code }
}

export interface Stream {
  /** Ends it; resolves with what all its calls came to. */
  stop(): Promise<StreamReport>
}

export interface StreamReport {
  readonly calls: number
  readonly failed: readonly string[]
  /** Answers made of two versions. */
  readonly mixed: number
}

/** Calls both plugins in turn, so many times a second in all, whether answered or not. */
export function startStream(base: string, perSecond: number): Stream {
  const failed: string[] = []
  const running = new Set<Promise<void>>()
  // Not fetch, which needs as much of a small machine as the gateway does.
  const pool = new Pool(base, { connections: 100 })
  const begun = performance.now()
  let calls = 0
  let mixed = 0
  async function once(operation: string): Promise<void> {
    try {
      const { statusCode, body } = await pool.request({
        method: 'POST',
        path: `/v1/requests/${operation}`,
        headers: { 'content-type': 'application/json' },
        body: '{}',
      })
      const { status, version, madeBy, code } = lookedAt(statusCode, await body.json())
      if (status !== 200) failed.push(`${operation} ${status} ${String(code)}`)
      else if (version !== madeBy) mixed += 1
    } catch (error) {
      failed.push(
        `${operation} ${error instanceof Error ? `${error.message} ${String(error.cause)}` : String(error)}`,
      )
    }
  }
  const beat = setInterval(() => {
    const due = Math.floor(((performance.now() - begun) / 1000) * perSecond)
    for (; calls < due; calls++) {
      const call = once(calls % 2 === 0 ? 'Look' : 'Pay').finally(() => running.delete(call))
      running.add(call)
    }
  }, 5)
  async function end(): Promise<StreamReport> {
    clearInterval(beat)
    await Promise.all(running)
    await pool.close()
    return { calls, failed, mixed }
  }
  let ended: Promise<StreamReport> | undefined
  return { stop: () => (ended ??= end()) }
}
