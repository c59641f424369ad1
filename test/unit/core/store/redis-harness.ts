// The store on Redis for the conformance suite: a real server, emptied for each test, and clocks that are moved by hand.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { openRedisStore } from '../../../../core/store/redis.ts'
import type { RedisOptions } from '../../../../core/store/redis.ts'
import type { Store } from '../../../../core/store/store.ts'
import type { ScriptStep, StoreHarness } from '../../../conformance/store.ts'
import type { RedisServer } from '../../../support/redis-server.ts'

const CHILD = fileURLToPath(new URL('redis-crash-child.ts', import.meta.url))
const EPOCH = Date.UTC(2026, 0, 2)
export const CHILD_LEASE_MS = 1000
const ROOMY = { usedMemory: 1000, maxMemory: 0, evictionPolicy: 'noeviction' }

export class RedisHarness implements StoreHarness {
  readonly #server: RedisServer
  #wall = EPOCH
  #monotonic = 0
  /** What the server is made to say; undefined: what it says. */
  #memory: typeof ROOMY | undefined

  static async make(server: RedisServer): Promise<RedisHarness> {
    await server.empty()
    return new RedisHarness(server)
  }

  private constructor(server: RedisServer) {
    this.#server = server
  }

  /** The suite holds and takes partition 0, so its data has one; what spans several is tested beside it. */
  open(over: Partial<RedisOptions> = {}): Promise<Store> {
    return openRedisStore({
      url: this.#server.url,
      partitions: 1,
      hooks: {
        clock: { wall: () => this.#wall, monotonic: () => this.#monotonic },
        memory: () => this.#memory,
      },
      ...over,
    })
  }

  advance(ms: number): void {
    this.#wall += ms
    this.#monotonic += ms
  }

  shiftWall(ms: number): void {
    this.#wall += ms
  }

  backUp(): Promise<void> {
    return this.#server.backUp()
  }

  restore(): Promise<void> {
    return this.#server.restore()
  }

  setRoom(room: 'none' | 'reserve' | 'enough'): void {
    if (room === 'reserve') this.#memory = { ...ROOMY, maxMemory: 1100 }
    else this.#memory = room === 'none' || this.#memory === undefined ? undefined : ROOMY
    this.#server.cli('CONFIG', 'SET', 'maxmemory', room === 'none' ? '1' : '0')
  }

  async crash(point: string, script: readonly ScriptStep[]): Promise<readonly unknown[]> {
    const order = { url: this.#server.url, point, script, wall: this.#wall }
    const child = spawn(process.execPath, [CHILD, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const { promise, resolve } = Promise.withResolvers<NodeJS.Signals | null>()
    let out = ''
    let errors = ''
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()))
    child.once('close', (_code, signal) => resolve(signal))
    const signal = await promise
    if (signal !== 'SIGKILL') throw new Error(`the child did not die at ${point}: ${errors}${out}`)
    // What it held runs out: nobody lets go of a dead one's leases.
    this.advance(CHILD_LEASE_MS)
    return out
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve()
  }
}
