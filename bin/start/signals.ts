// What an operator asks of `dragoman start` by a signal, also while it starts: by default that ends a process that does not listen yet.

export type Asking = 'SIGHUP' | 'SIGUSR2'

const listeners = new Map<Asking, () => void>()
const kept = new Set<Asking>()

/** To be called before anything else is loaded, which takes a second on a busy machine. Of several of a kind one is kept. */
export function keepSignals(signals: readonly Asking[]): void {
  for (const signal of signals)
    process.on(signal, () => {
      const listener = listeners.get(signal)
      if (listener === undefined) kept.add(signal)
      else listener()
    })
}

/** What came before is heard now. Of signals that are not kept there are none. */
export function onSignal(signal: Asking, listener: () => void): void {
  listeners.set(signal, listener)
  if (kept.delete(signal)) listener()
}

/** Of the words of `dragoman start`: only a supervisor replaces workers, and to all others SIGUSR2 stays what it is. */
export function signalsOf(words: readonly string[]): readonly Asking[] {
  if (words[0] !== 'start') return []
  return words.some((word) => word.startsWith('--workers')) ? ['SIGHUP', 'SIGUSR2'] : ['SIGHUP']
}
