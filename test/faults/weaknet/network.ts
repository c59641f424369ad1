// A profile over real TCP that loses packets: gateway and apps in two network namespaces with a bad wire between them. Root and TUN.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

import type { Profile } from './profiles.ts'
import { runProfile } from './run.ts'
import type { Report, Size } from './run.ts'

interface Task {
  readonly profile: Profile
  readonly size: Size
  readonly apps: string
  readonly wire: number
}

const PYTHON = '/usr/bin/python3'
const WIRE = join(import.meta.dirname, '../../support/tunnetem.py')
/** tunnetem.py gives the gateway's side this address. */
const SERVER = '10.99.0.1'
const READY_MS = 10_000

/** Why packets cannot be lost here; undefined: they can. */
export function networkProblem(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root'
  try {
    accessSync(PYTHON, constants.X_OK)
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
    accessSync('/run', constants.W_OK)
  } catch (error) {
    return String(error)
  }
  return undefined
}

/** One at a time on a machine: the addresses are fixed. */
export async function runOverNetwork(profile: Profile, size: Size): Promise<Report> {
  const name = `wn${process.pid}`
  const [apps, server] = [`${name}c`, `${name}s`]
  const { up = '', down = '' } = profile.network ?? {}
  const wire = spawn(
    PYTHON,
    [
      WIRE,
      '--cli-ns',
      apps,
      '--srv-ns',
      server,
      '--up',
      up,
      '--down',
      down,
      '--seed',
      String(size.seed),
      '--blackout',
      `for=${(profile.blackoutMs ?? 30_000) / 1000}`,
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  try {
    await firstLine(wire, (line) => line === 'READY', READY_MS)
    const task: Task = { profile, size, apps, wire: wire.pid ?? 0 }
    const main = spawn(
      'ip',
      ['netns', 'exec', server, process.execPath, import.meta.filename, JSON.stringify(task)],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    const line = await firstLine(main, (text) => text.startsWith('{"profile"'), size.deadlineMs + 60_000)
    return JSON.parse(line) as Report // written below
  } finally {
    await end(wire)
  }
}

async function firstLine(
  child: ChildProcess,
  wanted: (line: string) => boolean,
  ms: number,
): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  const timer = setTimeout(() => {
    child.kill('SIGTERM')
    reject(new Error(`nothing within ${ms} ms`))
  }, ms)
  child.once('error', reject)
  child.once('close', (code) => reject(new Error(`it ended with ${code}`)))
  if (child.stdout !== null)
    createInterface({ input: child.stdout }).on('line', (line) => void (wanted(line) && resolve(line)))
  return promise.finally(() => clearTimeout(timer))
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const closed = new Promise((done) => child.once('close', done))
  child.kill('SIGTERM')
  await closed
}

if (process.argv[1] === import.meta.filename && process.argv[2] !== undefined) {
  const { profile, size, apps, wire } = JSON.parse(process.argv[2]) as Task // written above
  const report = await runProfile(profile, size, {
    prefix: ['ip', 'netns', 'exec', apps],
    host: SERVER,
    darken: () => process.kill(wire, 'SIGUSR1'),
  })
  console.log(JSON.stringify(report))
}
