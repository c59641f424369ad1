// The embedded store for the conformance suite: its own directory, a clock that is moved by hand, faults on order.
import { spawn } from 'node:child_process'
import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { openSqliteStore } from '../../../../core/store/sqlite.ts'
import type { SqliteOptions, StoreHooks } from '../../../../core/store/sqlite.ts'
import type { Store } from '../../../../core/store/store.ts'
import type { ScriptStep, StoreHarness } from '../../../conformance/store.ts'
import { World } from '../../../conformance/store/world.ts'

type Faults = ReturnType<NonNullable<StoreHooks['faults']>>
const CHILD = fileURLToPath(new URL('crash-child.ts', import.meta.url))
const EPOCH = Date.UTC(2026, 0, 2)

// A suite starts hundreds of writers. Without a cache each strips its TypeScript anew, by WebAssembly of its own: slow, and V8 has
// been seen to abort ("jit_page.has_value()", SIGTRAP) after some hundred of those have come and gone.
process.env['NODE_COMPILE_CACHE'] ??= join(tmpdir(), 'dragoman-test-cache')

export class SqliteHarness implements StoreHarness {
  readonly directory: string
  readonly #data: string
  #wall = EPOCH
  #monotonic = 0
  faults: Faults

  static async make(): Promise<SqliteHarness> {
    return new SqliteHarness(await mkdtemp(join(tmpdir(), 'dragoman-store-')))
  }

  private constructor(directory: string) {
    this.directory = directory
    this.#data = join(directory, 'data')
  }

  get data(): string {
    return this.#data
  }

  open(over: Partial<SqliteOptions> = {}): Promise<Store> {
    return openSqliteStore({
      directory: this.#data,
      reserveBytes: 1024,
      clock: { wall: () => this.#wall, monotonic: () => this.#monotonic },
      hooks: { faults: () => this.faults },
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
    return cp(this.#data, join(this.directory, 'copy'), { recursive: true })
  }

  async restore(): Promise<void> {
    await rm(this.#data, { recursive: true })
    await cp(join(this.directory, 'copy'), this.#data, { recursive: true })
  }

  setRoom(room: 'none' | 'reserve' | 'enough'): void {
    this.faults = room === 'none' ? { maxPages: 1 } : room === 'reserve' ? { freeBytes: 0 } : {}
  }

  async crash(point: string, script: readonly ScriptStep[]): Promise<readonly unknown[]> {
    const order = { directory: this.#data, point, script, wall: this.#wall }
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
    return out
      .split('\n')
      .filter((line) => line !== '')
      .map((line): unknown => JSON.parse(line))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true })
  }
}

/** A world on its harness, for what the shared suite cannot order. */
export async function worldOn(): Promise<{ readonly world: World; readonly harness: SqliteHarness }> {
  const harness = await SqliteHarness.make()
  return { world: await World.make(() => Promise.resolve(harness)), harness }
}
