// A real gateway in its own process, for tests: started from YAML text, stopped or killed by its pid.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { freePort } from '../../bin/demo/free-port.ts'

export interface GatewayProcess extends AsyncDisposable {
  readonly base: string
  readonly port: number
  readonly directory: string
  readonly pid: number
  /** Everything it wrote to its error output so far: JSON lines. */
  log(): string
  /** Everything it wrote to its output so far. */
  output(): string
  /** SIGTERM; resolves with its exit status. */
  stop(): Promise<number | null>
  /** SIGKILL. */
  kill(): Promise<void>
}

export interface GatewayOptions {
  /** The config; `http` and `data` are given on the command line. */
  readonly yaml: string
  /** More files beside it. */
  readonly files?: Readonly<Record<string, string>>
  /** An earlier life's folder. */
  readonly directory?: string
  readonly port?: number
  readonly env?: NodeJS.ProcessEnv
  /** More words for `dragoman start`. */
  readonly words?: readonly string[]
}

const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
/** On a machine that is busy with other things as well. */
const READY_MS = 45_000

export async function temporaryDirectory(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'dragoman-test-'))
}

/** Starts a gateway and resolves when it is ready. Rejects with its error output if it ends first. */
export async function startGateway(options: GatewayOptions): Promise<GatewayProcess> {
  const directory = options.directory ?? (await temporaryDirectory())
  await writeFile(join(directory, 'gateway.yaml'), options.yaml)
  for (const [name, text] of Object.entries(options.files ?? {})) await writeFile(join(directory, name), text)
  const args = [BIN, 'start', '--config', join(directory, 'gateway.yaml'), '--data', join(directory, 'data')]
  const port = ['--port', String(options.port ?? (await freePort()))]
  const child = spawn(process.execPath, [...args, ...port, ...(options.words ?? [])], {
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let log = ''
  let output = ''
  child.stderr.on('data', (piece) => (log += String(piece)))
  const listening = await ready(
    child,
    () => log,
    (line) => (output += `${line}\n`),
  )
  return {
    base: `http://127.0.0.1:${listening}`,
    port: listening,
    directory,
    pid: child.pid ?? 0,
    log: () => log,
    output: () => output,
    stop: () => end(child, 'SIGTERM'),
    kill: async () => void (await end(child, 'SIGKILL')),
    async [Symbol.asyncDispose]() {
      await end(child, 'SIGKILL')
      if (options.directory === undefined)
        await rm(directory, { recursive: true, force: true, maxRetries: 3 })
    },
  }
}

async function ready(child: ChildProcess, log: () => string, seen: (line: string) => void): Promise<number> {
  const { promise, resolve: found, reject } = Promise.withResolvers<number>()
  const timer = setTimeout(() => reject(new Error(`not ready after ${READY_MS} ms:\n${log()}`)), READY_MS)
  child.once('close', (code) => reject(new Error(`ended with ${code} before it was ready:\n${log()}`)))
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => {
      seen(line)
      const match = /^\{"ready":true,"http":(\d+)/u.exec(line)
      if (match !== null) found(Number(match[1]))
    })
  try {
    return await promise
  } catch (error) {
    child.kill('SIGKILL')
    throw error
  } finally {
    clearTimeout(timer)
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const { promise, resolve: ended } = Promise.withResolvers<number | null>()
  // What it said last comes by its pipes, which may be behind its end. Workers it leaves behind keep them open.
  child.once(signal === 'SIGKILL' ? 'exit' : 'close', (code: number | null) => ended(code))
  child.kill(signal)
  return promise
}

/** Polls until the condition gives something; rejects after `ms`, which are many: what holds is not waited for any longer. */
export async function until<T>(
  condition: () => Promise<T | undefined> | T | undefined,
  ms = 30_000,
): Promise<T> {
  const deadline = performance.now() + ms
  for (;;) {
    const value = await condition()
    if (value !== undefined) return value
    if (performance.now() > deadline) throw new Error(`the condition did not hold within ${ms} ms`)
    await new Promise((again) => setTimeout(again, 20))
  }
}
