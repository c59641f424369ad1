// The standard output, where nobody takes it: a pipe whose reader is gone, a disk that is full.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'

const SLOWLY_MS = 60_000
const BIN = resolve(import.meta.dirname, '../../bin/dragoman.ts')
const yaml = 'channels: { web: { adapter: rest } }\n'

function run(out: 'gone' | 'full', ...words: readonly string[]): ChildProcess {
  const full = openSync('/dev/full', 'w')
  const child = spawn(process.execPath, [BIN, ...words], {
    stdio: ['ignore', out === 'gone' ? 'pipe' : full, 'pipe'],
  })
  closeSync(full)
  child.stdout?.destroy()
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function ended(
  child: ChildProcess,
): Promise<{ readonly status: number | null; readonly errors: string }> {
  let errors = ''
  child.stderr?.on('data', (piece) => (errors += String(piece)))
  const [status] = (await once(child, 'close')) as [number | null]
  return { status, errors }
}

async function folder(): Promise<{ readonly config: string; readonly data: string }> {
  const directory = await temporaryDirectory()
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 3 }))
  await writeFile(join(directory, 'gateway.yaml'), yaml)
  return { config: join(directory, 'gateway.yaml'), data: join(directory, 'data') }
}

test.each(['gone', 'full'] as const)(
  'a gateway runs, and ends in order, though its output is %s',
  { timeout: SLOWLY_MS },
  async (out) => {
    const { config, data } = await folder()
    const port = await freePort()
    const child = run(out, 'start', '--config', config, '--data', data, '--port', String(port))
    const status = ended(child)
    // Made in the same turn in which it begins to listen to signals; what answers after that has.
    await until(() => existsSync(join(data, 'gateway.lock')) || undefined)
    expect((await fetch(`http://127.0.0.1:${port}/healthz`)).status).toBe(200)
    child.kill('SIGTERM')
    expect(await status).toMatchObject({ status: 0 })
  },
)

test.each(['schema', 'check', '--version'])(
  'what %s cannot write is told, with exit status 1',
  { timeout: SLOWLY_MS },
  async (command) => {
    const { config } = await folder()
    const words = command === '--version' ? [command] : [command, '--config', config]
    expect(await ended(run('full', ...words))).toEqual({
      status: 1,
      errors: expect.stringMatching(/^dragoman: the output cannot be written: ENOSPC.*\n$/u),
    })
  },
)

test.each(['top', 'cluster'])(
  '%s ends without a word when its reader is gone',
  { timeout: SLOWLY_MS },
  async (command) => {
    await using gateway = await startGateway({ yaml })
    const where = [
      '--config',
      join(gateway.directory, 'gateway.yaml'),
      '--data',
      join(gateway.directory, 'data'),
    ]
    expect(await ended(run('gone', command, '--every', '100ms', ...where))).toEqual({ status: 0, errors: '' })
  },
)
