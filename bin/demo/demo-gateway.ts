// A gateway in a process of its own, for the demonstrations: started, asked for its port, ended or killed.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const BIN = fileURLToPath(new URL('../dragoman.ts', import.meta.url))
const READY_MS = 20_000

/** Port 0: any free one. Its log goes to our own error output. */
export function spawnGateway(config: string, data: string, port = 0): ChildProcess {
  return spawn(process.execPath, [BIN, 'start', '--config', config, '--data', data, '--port', String(port)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** Resolves when it is ready. Rejects where it ends first, or takes longer than 20 s. */
export async function portOf(gateway: ChildProcess): Promise<number> {
  const { promise, resolve: found, reject } = Promise.withResolvers<number>()
  const timer = setTimeout(() => reject(new Error('the gateway was not ready in time')), READY_MS)
  gateway.once('exit', (code) => reject(new Error(`the gateway ended with ${code}`)))
  if (gateway.stdout !== null)
    createInterface({ input: gateway.stdout }).on('line', (line) => {
      const port = /^\{"ready":true,"http":(\d+)/u.exec(line)?.[1]
      if (port !== undefined) found(Number(port))
    })
  try {
    return await promise
  } finally {
    clearTimeout(timer)
  }
}

/** Resolves when it is gone. */
export async function ended(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const { promise, resolve: done } = Promise.withResolvers<void>()
  child.once('exit', () => done())
  child.kill(signal)
  await promise
}
