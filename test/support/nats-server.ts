// A real nats-server with JetStream on a port of its own: stopped, killed and started again on the same data.
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ended } from '../../bin/demo/demo-gateway.ts'
import { freePort } from '../../bin/demo/free-port.ts'

export class NatsServer implements AsyncDisposable {
  readonly port: number
  readonly #directory: string
  readonly #more: readonly string[]
  #process: ChildProcess | undefined
  #said = ''

  /** `more`: further arguments, such as `--auth TOKEN`. */
  static async start(more: readonly string[] = []): Promise<NatsServer> {
    const directory = await mkdtemp(join(tmpdir(), 'dragoman-nats-'))
    const server = new NatsServer(directory, await freePort(), more)
    await server.begin()
    return server
  }

  private constructor(directory: string, port: number, more: readonly string[]) {
    this.#directory = directory
    this.port = port
    this.#more = more
  }

  get url(): string {
    return `nats://127.0.0.1:${this.port}`
  }

  /** What it has logged since it was started last. */
  log(): string {
    return this.#said
  }

  /** Starts it, on the data that is there. */
  async begin(more = this.#more, { jetstream = true } = {}): Promise<void> {
    const streams = jetstream ? ['-js', '-sd', this.#directory] : []
    const place = ['-a', '127.0.0.1', '-p', String(this.port), ...streams]
    const child = spawn('nats-server', [...place, ...more], { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process = child
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      this.#said += chunk.toString()
      if (this.#said.includes('Server is ready')) resolve()
    })
    child.once('error', reject)
    child.once('exit', () => reject(new Error(`nats-server ended: ${this.#said}`)))
    await promise
  }

  async end(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child !== undefined) await ended(child, signal)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL')
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 3 })
  }
}
