// What a plugin's worker holds, asked of Node from outside, so that it is ended before V8 itself ends the process.
import type { Worker } from 'node:worker_threads'
import type { Memory } from './contract.ts'

export interface MemoryWatchOptions {
  readonly worker: Worker
  /** Of the heap, and the same again for buffers. */
  readonly memoryMb: number
  /** Asks the worker to collect its garbage: what it holds then. Rejects when it is gone. */
  readonly collect: () => Promise<Memory>
  /** Called once, with the problem. */
  readonly onTooMuch: (problem: string) => void
}

export interface MemoryWatch extends Disposable {
  /** As of the last answer. */
  readonly memory: Memory
}

export const TOO_MUCH = (memoryMb: number): string =>
  `it needs more than ${memoryMb} MB of memory: keep less, or work in pieces`

/**
 * V8's own limit for a worker. One that meets it within a call of a built-in (JSON.parse, map, split) takes the whole
 * process along: nothing can stop such a call. So this is far above where a worker is ended, at the second of two sizes:
 * garbage that V8 has not collected yet may be as much as what is kept.
 */
export const heapLimitMb = (memoryMb: number): number => 2 * memoryMb + ROOM_MB

const ROOM_MB = 1024
const ASK_MS = 250

/** Node answers from where the worker stands in its code; in a long call of a built-in, at that call's end. */
export function watchMemory({ worker, memoryMb, collect, onTooMuch }: MemoryWatchOptions): MemoryWatch {
  let memory: Memory = { heap: 0, external: 0 }
  let isTold = false
  const ask = onceAtATime(async () => {
    const { used_heap_size: heap, external_memory: external } = await worker.getHeapStatistics()
    memory = { heap, external }
    const problem = problemOf(memory, 2 * memoryMb)
    if (problem !== undefined) tell(problem)
    else if (problemOf(memory, memoryMb) !== undefined) void weigh()
  })
  const weigh = onceAtATime(async () => {
    memory = await collect()
    const problem = problemOf(memory, memoryMb)
    if (problem !== undefined) tell(problem)
  })
  function tell(problem: string): void {
    if (isTold) return
    isTold = true
    clearInterval(timer)
    onTooMuch(problem)
  }
  function problemOf({ heap, external }: Memory, mostMb: number): string | undefined {
    const buffers = Math.round(external / MB)
    if (heap > mostMb * MB) return TOO_MUCH(memoryMb)
    return buffers > mostMb ? `its buffers take ${buffers} MB, more than ${memoryMb}: free them` : undefined
  }
  const timer = setInterval(() => void ask(), ASK_MS)
  timer.unref()
  return {
    get memory() {
      return memory
    },
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

const MB = 1_048_576

function onceAtATime(work: () => Promise<void>): () => Promise<void> {
  let isRunning = false
  return async () => {
    if (isRunning) return
    isRunning = true
    try {
      await work()
    } catch {
      return // it does not run yet, or not any more
    } finally {
      isRunning = false
    }
  }
}
