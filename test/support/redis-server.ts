// A real redis-server on a free port with its own folder, as durable as it can be: what a test does with Redis it does with this.
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { ended } from '../../bin/demo/demo-gateway.ts'
import { freePort } from '../../bin/demo/free-port.ts'

/** Another version, or Valkey, by the path of its server; its client is taken from beside it. */
export const REDIS_SERVER = process.env['REDIS_SERVER'] ?? 'redis-server'
export const REDIS_CLI = REDIS_SERVER.replace(/server$/u, 'cli')

export class RedisServer implements AsyncDisposable {
  readonly port: number
  readonly #directory: string
  readonly #settings: readonly string[]
  #process: ChildProcess | undefined

  static async start(settings: readonly string[] = [], port?: number): Promise<RedisServer> {
    const directory = await mkdtemp(join(tmpdir(), 'dragoman-redis-'))
    const server = new RedisServer(directory, port ?? (await freePort()), settings)
    await server.begin()
    return server
  }

  private constructor(directory: string, port: number, settings: readonly string[]) {
    this.#directory = directory
    this.port = port
    this.#settings = settings
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#process?.pid ?? 0
  }

  /** Starts it, on the data that is there. */
  async begin(): Promise<void> {
    const settings = ['--appendonly', 'yes', '--appendfsync', 'always', '--save', '', '--bind', '127.0.0.1']
    const sync = ['--repl-diskless-sync-delay', '0'] // a replica need not wait for another one
    const place = ['--port', String(this.port), '--dir', this.#directory]
    const child = spawn(REDIS_SERVER, [...place, ...settings, ...sync, ...this.#settings], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    this.#process = child
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let said = ''
    child.stdout.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4000)
      if (said.includes('Ready to accept connections')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`${REDIS_SERVER} ended: ${said}`)))
    await promise
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined) return
    child.kill('SIGCONT')
    await ended(child, signal)
  }

  /** A command by the server's own client, done when it returns. */
  cli(...words: readonly string[]): string {
    return execFileSync(REDIS_CLI, ['-p', String(this.port), ...words], {
      encoding: 'utf8',
      timeout: 10_000,
    }).trim()
  }

  /** One setting after the other: Redis 7 and later alone takes several at once. */
  set(settings: Readonly<Record<string, string>>): void {
    for (const [name, value] of Object.entries(settings)) this.cli('CONFIG', 'SET', name, value)
  }

  /** Nothing in it, and no limit to it. */
  async empty(): Promise<void> {
    const redis = new Redis(this.url, { lazyConnect: true })
    await redis.connect()
    await redis.config('SET', 'maxmemory', '0')
    await redis.flushall()
    redis.disconnect()
  }

  /** Copies the data of the stopped server, or puts the copy in its place. */
  async backUp(): Promise<void> {
    await this.end()
    await rm(this.#copy, { recursive: true, force: true })
    await cp(this.#directory, this.#copy, { recursive: true })
    await this.begin()
  }

  async restore(): Promise<void> {
    await this.end()
    await rm(this.#directory, { recursive: true })
    await cp(this.#copy, this.#directory, { recursive: true })
    await this.begin()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
    for (const directory of [this.#directory, this.#copy])
      await rm(directory, { recursive: true, force: true })
  }

  get #copy(): string {
    return `${this.#directory}-copy`
  }
}
