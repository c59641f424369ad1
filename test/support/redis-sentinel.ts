// A real Sentinel that watches one master, which it calls `main`, promotes a replica a second after it is gone, and wants a password.
import { execFileSync, spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../bin/demo/free-port.ts'
import { until } from './gateway.ts'
import { REDIS_CLI, REDIS_SERVER } from './redis-server.ts'
import type { RedisServer } from './redis-server.ts'

export const SENTINEL_PASSWORD = 'hunter22-of-sentinel'

export class RedisSentinel implements AsyncDisposable {
  readonly port: number
  readonly #directory: string
  readonly #process: ChildProcess

  static async start(master: RedisServer): Promise<RedisSentinel> {
    const directory = await mkdtemp(join(tmpdir(), 'dragoman-sentinel-'))
    const port = await freePort()
    const file = join(directory, 'sentinel.conf')
    const lines = [
      `port ${port}`,
      'bind 127.0.0.1',
      `dir ${directory}`,
      `sentinel monitor main 127.0.0.1 ${master.port} 1`,
      'sentinel down-after-milliseconds main 1000',
      'sentinel failover-timeout main 5000',
      `requirepass ${SENTINEL_PASSWORD}`,
    ]
    await writeFile(file, `${lines.join('\n')}\n`)
    const child = spawn(REDIS_SERVER, [file, '--sentinel'], { stdio: 'ignore' })
    const sentinel = new RedisSentinel({ port, directory, child })
    await until(() => (sentinel.#says('PING') === 'PONG' ? true : undefined))
    return sentinel
  }

  private constructor({ port, directory, child }: { port: number; directory: string; child: ChildProcess }) {
    this.port = port
    this.#directory = directory
    this.#process = child
  }

  /** Resolves when it knows that many replicas of its master. */
  async knows(replicas: number): Promise<void> {
    const wanted = `num-slaves\n${replicas}\n`
    await until(
      () => (`${this.#says('SENTINEL', 'MASTER', 'main')}\n`.includes(wanted) ? true : undefined),
      30_000,
    )
  }

  /** Where the master is now. */
  master(): number {
    return Number(this.#says('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', 'main').split('\n')[1])
  }

  #says(...words: readonly string[]): string {
    try {
      return execFileSync(REDIS_CLI, ['-p', String(this.port), ...words], {
        encoding: 'utf8',
        timeout: 5000,
        stdio: ['ignore', 'pipe', 'ignore'],
        env: { ...process.env, REDISCLI_AUTH: SENTINEL_PASSWORD },
      }).trim()
    } catch {
      return '' // it is not there yet
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#process.once('exit', () => resolve())
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) resolve()
    this.#process.kill('SIGKILL')
    await promise
    await rm(this.#directory, { recursive: true, force: true })
  }
}
