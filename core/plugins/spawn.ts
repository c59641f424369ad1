// A plugin's worker thread before it is told which version it runs: begun, with the gateway's half of it loaded.
import { getCompileCacheDir } from 'node:module'
import { dirname } from 'node:path'
import { MessageChannel, Worker } from 'node:worker_threads'
import type { MessagePort } from 'node:worker_threads'
import type { WorkerBirth } from './contract.ts'
import { heapLimitMb } from './memory-watch.ts'

export interface SpawnOptions {
  /** Of the plugin. */
  readonly name: string
  /** What its heap may hold; `watchMemory` ends a worker that holds more. */
  readonly memoryMb: number
  /** Of one message to the gateway. */
  readonly messageBytes: number
  /** No connection may leave it. */
  readonly isOffline: boolean
  /** Nobody waits for it yet: it may load what nearly every plugin uses. */
  readonly isEarly: boolean
}

export interface Spawned {
  readonly worker: Worker
  readonly port: MessagePort
}

const ENTRY = new URL('worker.ts', import.meta.url)

/**
 * Before anything of ours is loaded the cache of what Node has compiled is on, which a worker does not inherit: it halves
 * what a start costs. So these lines are no file of their own, which would have to be compiled first.
 *
 * What Node gives to such lines goes with them: a plugin's module has no `require`, and one of the gateway's own folder would be
 * taken for it.
 */
const BEGIN = `const { entry, cache } = require('node:worker_threads').workerData
if (cache !== undefined) require('node:module').enableCompileCache(cache)
for (const name of ['require', 'module', 'exports', '__filename', '__dirname']) delete globalThis[name]
import(entry)`

/** Its environment is empty, and it is told nothing of the gateway's arguments. */
export function spawnWorker({ name, memoryMb, messageBytes, isOffline, isEarly }: SpawnOptions): Spawned {
  const { port1, port2 } = new MessageChannel()
  const cache = getCompileCacheDir()
  const birth: WorkerBirth = {
    port: port2,
    limitBytes: messageBytes,
    offline: isOffline,
    isEarly,
    entry: ENTRY.href,
    ...(cache !== undefined && { cache: dirname(cache) }), // below it is a folder for each version of Node
  }
  const worker = new Worker(BEGIN, {
    eval: true,
    name: `plugin ${name}`,
    workerData: birth,
    transferList: [port2],
    env: {},
    argv: [],
    execArgv: [],
    stdin: false,
    stdout: true,
    stderr: true,
    resourceLimits: { maxOldGenerationSizeMb: heapLimitMb(memoryMb) },
  })
  return { worker, port: port1 }
}

/** Longer than a file is written, settles and is read. */
const KEPT_MS = 4000

/** One worker that is begun when a plugin's file begins to change, so that it is there when the file is whole. */
export class Spare implements AsyncDisposable {
  readonly #spawn: (name: string) => Spawned
  #kept: { readonly name: string; readonly spawned: Spawned; readonly timer: NodeJS.Timeout } | undefined
  #ending: Promise<unknown> = Promise.resolve()
  #isOver = false

  constructor(spawn: (name: string) => Spawned) {
    this.#spawn = spawn
  }

  /** Begins one, unless there is one already: of many files saved together one has a head start. */
  prepare(name: string): void {
    if (this.#kept !== undefined || this.#isOver) return
    const spawned = this.#spawn(name)
    const { worker } = spawned
    worker.unref()
    worker.on('error', () => void this.drop()) // the one that is begun instead says what is wrong
    const timer = setTimeout(() => void this.drop(), KEPT_MS)
    timer.unref()
    this.#kept = { name, spawned, timer }
  }

  /** The one begun for this plugin, to whoever asks first; undefined: there is none. */
  take(name: string): Spawned | undefined {
    if (this.#kept?.name !== name) return undefined
    const { spawned, timer } = this.#kept
    this.#kept = undefined
    clearTimeout(timer)
    spawned.worker.removeAllListeners('error')
    spawned.worker.ref()
    return spawned
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true
    await this.drop()
    await this.#ending
  }

  /** Nothing follows the sign: it is ended. */
  async drop(): Promise<void> {
    const kept = this.#kept
    this.#kept = undefined
    if (kept === undefined) return
    clearTimeout(kept.timer)
    kept.spawned.port.close()
    this.#ending = kept.spawned.worker.terminate()
    await this.#ending
  }
}
