// What others take of the machine: a promise in seconds is a promise of a processor that is there when it is wanted.
import { readFileSync, readdirSync } from 'node:fs'

/** How long each thread of a process could have run and got no processor, in milliseconds since it began. */
type Waits = ReadonlyMap<string, number>

/**
 * How long that thread of a process waited for a processor which waited longest, in milliseconds since the process began: the
 * kernel's account of it. 0 where the kernel keeps none.
 */
export function waitedForProcessor(pid: number = process.pid): number {
  return longest(pid, new Map())
}

/** Starts a watch that stands while this process or one of the others waits for a processor. What it returns reads it, in milliseconds. */
export function stopwatch(...others: readonly number[]): () => number {
  const before = [process.pid, ...others].map((pid) => [pid, waitsOf(pid)] as const)
  const begun = performance.now()
  return () => {
    const wall = performance.now() - begun
    return Math.max(0, wall - before.reduce((sum, [pid, waits]) => sum + longest(pid, waits), 0))
  }
}

function longest(pid: number, before: Waits): number {
  const waits = [...waitsOf(pid)].map(([thread, ms]) => ms - (before.get(thread) ?? 0))
  return Math.max(0, ...waits)
}

function waitsOf(pid: number): Waits {
  try {
    return new Map(readdirSync(`/proc/${pid}/task`).map((thread) => [thread, waitOf(pid, thread)]))
  } catch {
    return new Map() // no such process any more, or no such system
  }
}

function waitOf(pid: number, thread: string): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0 // it has ended meanwhile
  }
}
