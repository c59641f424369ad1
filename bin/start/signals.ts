// What is asked of `dragoman start` by a signal, from its first moment. Left to Node, most of them end a process that does not listen
// yet, SIGUSR1 opens the debugger, and what is the first process of a container does not even hear SIGTERM.
import type { Log } from '../../core/api.ts'

export type Asking = 'SIGHUP' | 'SIGUSR1' | 'SIGUSR2' | 'SIGTERM' | 'SIGINT'

const ALL: readonly Asking[] = ['SIGHUP', 'SIGUSR1', 'SIGUSR2', 'SIGTERM', 'SIGINT']
/** As a shell tells of who ended by them. */
const ENDED: ReadonlyMap<Asking, number> = new Map([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])
const IDLE = {
  SIGUSR1:
    'SIGUSR1 does nothing: the debugger that Node opens by it would show every secret to whoever is on this machine',
  SIGUSR2:
    'SIGUSR2 does nothing: it is for the supervisor of --workers, which replaces them one after another',
} as const

const listeners = new Map<Asking, () => void>()
const kept = new Set<Asking>()

/**
 * To be called before anything else is loaded, which takes a second on a busy machine. What comes before its listener is kept, of
 * several of a kind one; what asks for the end is the end: the next start takes up what was begun.
 */
export function keepSignals(signals: readonly Asking[]): void {
  for (const signal of signals)
    process.on(signal, () => {
      const listener = listeners.get(signal)
      if (listener !== undefined) return listener()
      const status = ENDED.get(signal)
      if (status !== undefined) process.exit(status)
      kept.add(signal)
    })
}

/** From now on, each time; what came before is heard now. Of signals that are not kept there are none. */
export function onSignal(signal: Asking, listener: () => void): void {
  listeners.set(signal, listener)
  if (kept.delete(signal)) listener()
}

/** Of signals that ask for nothing there is here, each time. */
export function warnOf(signals: readonly (keyof typeof IDLE)[], log: Log): void {
  for (const signal of signals) onSignal(signal, () => log.warn(IDLE[signal]))
}

/** Of the words of a command: other commands leave all to Node. */
export function signalsOf(words: readonly string[]): readonly Asking[] {
  return words[0] === 'start' ? ALL : []
}
