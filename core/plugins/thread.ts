// One worker thread of a plugin, as the gateway sees it: started, watched, ended. How it died is told once.
import type { Worker } from 'node:worker_threads'
import type { Log } from '../api.ts'
import type { DescribedAdapter, Loading, Memory, WorkerOrder } from './contract.ts'
import { explainLate, failureAt, placeOf } from './explain.ts'
import type { Failure } from './explain.ts'
import { TOO_MUCH, watchMemory } from './memory-watch.ts'
import { createRpc } from './rpc.ts'
import type { Rpc, Serve } from './rpc.ts'
import { importedOf } from './snapshot.ts'
import type { Snapshot } from './snapshot.ts'
import type { Spawned } from './spawn.ts'
import { unpackError } from './wire.ts'
import type { PackedError } from './wire.ts'

export interface Limits {
  /** For an import, top-level awaits included. */
  readonly loadMs: number
  /** A worker that answers no sign of life for this long is ended. */
  readonly silenceMs: number
  /** The same while a call is past its deadline. */
  readonly suspectMs: number
  readonly beatMs: number
  /** Without a worker for longer than this a plugin is down, not only started again. */
  readonly downMs: number
  /** Of the heap, and the same again for buffers. */
  readonly memoryMb: number
  /** Of one message to the gateway. */
  readonly messageBytes: number
}

export const LIMITS: Limits = {
  loadMs: 10_000,
  silenceMs: 5000,
  suspectMs: 1500,
  beatMs: 1000,
  downMs: 10_000,
  memoryMb: 256,
  messageBytes: 32 * 1024 * 1024,
}

export interface ThreadOptions {
  readonly snapshot: Snapshot
  /** What the plugin asks of the gateway. */
  readonly serve: Serve
  /** Hears what the plugin writes to its output. */
  readonly log: Log
  readonly limits: Limits
  /** Hears of the connections that it tried to open though none may leave it. */
  readonly onAttempt?: ((attempt: string) => void) | undefined
}

export interface Thread {
  readonly adapter: DescribedAdapter
  readonly rpc: Rpc
  /** Resolves when it has died without being told to. */
  readonly died: Promise<Failure>
  readonly memory: Memory
  /** A call is past its deadline: the worker has to show soon that it is not stuck. */
  suspect(): void
  /** Ends it, whatever it is doing. */
  end(): Promise<void>
}

/** Thrown by `startThread`. */
export class NotLoaded extends Error {
  readonly failure: Failure
  constructor(failure: Failure) {
    super(failure.message)
    this.failure = failure
  }
}

/** Resolves with the imported plugin. Throws `NotLoaded`; nothing is left running then. */
export async function startThread(spawned: Spawned, options: ThreadOptions): Promise<Thread> {
  const { snapshot, limits, log } = options
  const { file, root } = snapshot
  const { worker, port } = spawned
  const { sources, others, own } = snapshot
  const order: WorkerOrder = { file, root, sources, others, own }
  const died = Promise.withResolvers<Failure>()
  let isEnding = false
  let said: Failure | undefined
  const rpc = createRpc(port, {
    serve(method, args, signal) {
      if (method === 'exiting') return noteExit(unpackError(args[0] as PackedError)) // worker.ts packs it
      if (method === 'attempted') return options.onAttempt?.(String(args[0]))
      return options.serve(method, args, signal)
    },
  })
  writeLines(worker, log)
  const exited = new Promise<void>((resolve) => {
    worker.on('exit', (code) => {
      clearInterval(beat)
      watch[Symbol.dispose]()
      clearTimeout(silence)
      resolve()
      const ended = (): Failure =>
        said ?? failureAt(root, { file }, `its worker ended by itself with status ${code}`)
      rpc.close(() => new WorkerGone(ended().message))
      const failure = ended()
      if (!isEnding) died.resolve(failure)
    })
  })
  worker.on('error', noteError)
  worker.on('messageerror', noteError)

  function noteError(thrown: unknown): void {
    said ??= deathOf(thrown, snapshot, limits)
  }
  /** Node itself ends a worker so, after it has said what was not caught. */
  function noteExit(called: Error): void {
    if (placeOf(called, root) !== undefined) noteError(called)
  }
  async function kill(problem: string): Promise<void> {
    said ??= failureAt(root, { file }, problem)
    await worker.terminate()
  }

  const watch = watchMemory({
    worker,
    memoryMb: limits.memoryMb,
    collect: async () => (await rpc.call('collect', [])) as Memory, // worker.ts answers
    onTooMuch: (problem) => void kill(problem),
  })
  let silence: NodeJS.Timeout | undefined
  let dueAt = Infinity
  let isPinging = false
  /** A sign of life is due then; an earlier moment stands. A gateway that was busy itself first reads what has arrived meanwhile. */
  function expectSign(ms: number): void {
    if (performance.now() + ms >= dueAt) return
    dueAt = performance.now() + ms
    clearTimeout(silence)
    silence = setTimeout(() => {
      silence = setTimeout(() => void kill(STUCK(ms)), GRACE_MS)
    }, ms)
  }
  async function beatOnce(ms: number): Promise<void> {
    expectSign(ms)
    if (isPinging) return
    isPinging = true
    try {
      await rpc.call('ping', [])
    } catch {
      return // it is gone, which `exit` tells
    }
    isPinging = false
    dueAt = Infinity
    clearTimeout(silence)
  }
  let beat: NodeJS.Timeout | undefined

  async function end(): Promise<void> {
    isEnding = true
    await worker.terminate()
    await exited
  }

  const late = Promise.withResolvers<Loading>()
  const problem = `it has not finished loading after ${limits.loadMs / 1000} s: await nothing outside of \`start\`, and let every loop end`
  const timer = setTimeout(() => late.resolve({ failure: failureAt(root, { file }, problem) }), limits.loadMs)
  try {
    const loaded = await Promise.race([rpc.call('load', [order]), late.promise, died.promise])
    const loading = 'message' in (loaded as object) ? { failure: loaded as Failure } : (loaded as Loading) // the three above
    if (loading.failure !== undefined) throw new NotLoaded(loading.failure)
    worker.unref()
    // Not before: an import is one long piece of work, and has a deadline of its own.
    beat = setInterval(() => void beatOnce(limits.silenceMs), limits.beatMs)
    beat.unref()
    return {
      adapter: loading.adapter,
      rpc,
      died: died.promise,
      get memory() {
        return watch.memory
      },
      suspect: () => void beatOnce(limits.suspectMs),
      end,
    }
  } catch (error) {
    const failure = error instanceof NotLoaded ? error.failure : await died.promise
    await end()
    throw new NotLoaded(failure)
  } finally {
    clearTimeout(timer)
  }
}

/** A call's worker has died, or is not there. */
export class WorkerGone extends Error {}

const GRACE_MS = 100
const STUCK = (ms: number): string =>
  `it has not reacted for ${ms / 1000} s: a loop without end, or work that blocks; await between its steps`

function deathOf(thrown: unknown, snapshot: Snapshot, limits: Limits): Failure {
  const { file, root } = snapshot
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined
  if (code === 'ERR_WORKER_OUT_OF_MEMORY') return failureAt(root, { file }, TOO_MUCH(limits.memoryMb))
  if (!(thrown instanceof Error))
    return failureAt(
      root,
      { file },
      `nobody caught what it threw (${String(thrown).slice(0, 80)}): await it, and catch it`,
    )
  const late = explainLate(thrown, importedOf(snapshot))
  if (late !== undefined) return { ...late, message: `${late.message} (nobody caught it)` }
  const place = placeOf(thrown, root) ?? { file }
  if (thrown.message.startsWith('it calls process.exit'))
    return failureAt(root, place, `${thrown.message}: throw an error instead; a plugin never ends its worker`)
  return failureAt(root, place, `nobody caught "${thrown.message}": await what may fail, and catch it`)
}

const MAX_LINE = 2000

/** Its output belongs to the log: the gateway's own says where it listens. */
function writeLines(worker: Worker, log: Log): void {
  for (const [stream, level] of [
    [worker.stdout, 'info'],
    [worker.stderr, 'warn'],
  ] as const) {
    let rest = ''
    stream.setEncoding('utf8')
    stream.on('data', (text: string) => {
      const lines = (rest + text).split('\n')
      rest = (lines.pop() ?? '').slice(0, MAX_LINE)
      for (const line of lines) if (line !== '') log[level](line.slice(0, MAX_LINE))
    })
  }
}
