// What others take of the machine: a promise in seconds is a promise of a processor that is there when it is wanted.
import { readFileSync, readdirSync } from 'node:fs'

/**
 * How long the threads of a process could have run and got no processor, in milliseconds since each began: the kernel's
 * account of it. 0 where the kernel keeps none.
 */
export function waitedForProcessor(pid: number = process.pid): number {
  try {
    return readdirSync(`/proc/${pid}/task`).reduce((sum, thread) => sum + waitOf(pid, thread), 0)
  } catch {
    return 0 // no such process any more, or no such system
  }
}

function waitOf(pid: number, thread: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0 // it has ended meanwhile
  }
}

/** Starts a watch that stands while this process or one of the others waits for a processor. What it returns reads it, in milliseconds. */
export function stopwatch(...others: readonly number[]): () => number {
  const waited = (): number => [process.pid, ...others].reduce((sum, pid) => sum + waitedForProcessor(pid), 0)
  const before = waited()
  const begun = performance.now()
  return () => performance.now() - begun - Math.max(0, waited() - before)
}
