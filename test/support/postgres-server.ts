// A real PostgreSQL of Debian with a data folder of its own, on a free port: started, stopped and started again by its own process.
import { execFile, execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { chownSync, readdirSync } from 'node:fs'
import { appendFile, copyFile, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ended } from '../../bin/demo/demo-gateway.ts'
import { freePort } from '../../bin/demo/free-port.ts'

/** It refuses to run as root. */
const account =
  process.getuid?.() === 0
    ? { uid: idOf('-u'), gid: idOf('-g') }
    : { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
const run = promisify(execFile)

function idOf(which: '-u' | '-g'): number {
  return Number(execFileSync('id', [which, 'postgres'], { encoding: 'utf8' }))
}

function program(name: string): string {
  const versions = readdirSync('/usr/lib/postgresql').toSorted((a, b) => Number(b) - Number(a))
  return join('/usr/lib/postgresql', versions[0] ?? '', 'bin', name)
}

export interface PostgresOptions {
  /** A certificate and its key: TLS is offered beside plain connections. */
  readonly tls?: { readonly cert: string; readonly key: string }
}

export class PostgresServer implements AsyncDisposable {
  readonly port: number
  readonly #directory: string
  #process: ChildProcess | undefined

  /** With the database `postgres` and its owner `postgres`, who needs no password from this machine. */
  static async start({ tls }: PostgresOptions = {}): Promise<PostgresServer> {
    const directory = await mkdtemp(join(tmpdir(), 'dragoman-postgres-'))
    chownSync(directory, account.uid, account.gid)
    const how = [
      '--auth=trust',
      '--username=postgres',
      '--encoding=UTF8',
      '--no-locale',
      '--no-sync',
      '--no-instructions',
    ]
    await run(program('initdb'), ['-D', directory, ...how], { ...account, cwd: directory, env: {} })
    if (tls !== undefined) {
      for (const [file, from] of [
        ['server.crt', tls.cert],
        ['server.key', tls.key],
      ] as const) {
        await copyFile(from, join(directory, file))
        chownSync(join(directory, file), account.uid, account.gid)
      }
      await run('chmod', ['600', join(directory, 'server.key')])
      await appendFile(join(directory, 'postgresql.conf'), 'ssl = on\n')
    }
    const server = new PostgresServer(directory, await freePort())
    await server.begin()
    return server
  }

  private constructor(directory: string, port: number) {
    this.#directory = directory
    this.port = port
  }

  /** Starts it, on the data that is there. */
  async begin(): Promise<void> {
    const settings = ['fsync=off', 'listen_addresses=127.0.0.1', `unix_socket_directories=${this.#directory}`]
    const args = settings.flatMap((setting) => ['-c', setting])
    const child = spawn(program('postgres'), ['-D', this.#directory, '-p', String(this.port), ...args], {
      ...account,
      cwd: this.#directory,
      env: {},
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#process = child
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000)
      if (said.includes('ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`postgres ended: ${said}`)))
    await promise
  }

  /** SIGQUIT: at once, as by a crash. Its own processes end with it. */
  async end(signal: NodeJS.Signals = 'SIGQUIT'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child !== undefined) await ended(child, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end()
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 })
  }
}
