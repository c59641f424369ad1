// Running out of open files refuses and never kills: an edge in a child process with 64 of them.
import { spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test, vi } from 'vitest'
import { exchange, statuses } from './raw-client.ts'

const program = fileURLToPath(new URL('./open-files-child.ts', import.meta.url))
const REQUEST = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

interface Told {
  readonly port: number
  readonly refused: Readonly<Record<string, number>>
  /** Files it may still open. */
  readonly left: number
}

/** A child with 64 open files, and 120 sockets that want to talk to it. */
async function crowd(
  mode: string,
): Promise<AsyncDisposable & { told: Told[]; sockets: Socket[]; giveBack: () => void }> {
  const child = spawn('bash', ['-c', 'ulimit -n 64 && exec "$0" "$@"', process.execPath, program, mode], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const told: Told[] = []
  createInterface(child.stdout).on('line', (line) => told.push(JSON.parse(line) as Told)) // what the program beside prints
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  await vi.waitFor(() => expect(told.length).toBeGreaterThan(1), { timeout: 10_000 })
  const sockets = Array.from({ length: 120 }, () => {
    const socket = connect({ port: told[0]?.port ?? 0, host: '127.0.0.1' })
    socket.on('error', () => socket.destroy())
    return socket.resume()
  })
  return {
    told,
    sockets,
    giveBack: () => child.stdin.write('give back\n'),
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      child.stdin.end()
      expect(await exited).toBe(0)
    },
  }
}

test('a limit above what the system allows is lowered: callers are turned away and counted before files run out', async () => {
  await using child = await crowd('wide-limit')
  await vi.waitFor(() => expect(child.told.at(-1)?.refused['connections']).toBeGreaterThan(50), {
    timeout: 10_000,
  })
  expect(child.told.at(-1)?.left).toBeGreaterThan(5)
  for (const socket of child.sockets) socket.destroy()
  await answers(child.told[0]?.port ?? 0)
}, 40_000)

test('when files run out all the same (EMFILE) callers are turned away, and nothing ends', async () => {
  await using child = await crowd('eat-files')
  await vi.waitFor(() => expect(child.sockets.every((socket) => socket.destroyed)).toBe(true), {
    timeout: 10_000,
  })
  expect(child.told.at(-1)?.left).toBeLessThan(1)
  child.giveBack()
  await answers(child.told[0]?.port ?? 0)
}, 40_000)

async function answers(port: number): Promise<void> {
  await vi.waitFor(async () => expect(statuses(await exchange(port, REQUEST))).toEqual([200]), {
    timeout: 10_000,
  })
}
