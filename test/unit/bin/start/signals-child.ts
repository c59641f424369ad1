// A process that keeps its signals: it says what it has heard, and whether Node's debugger is open.
import { url } from 'node:inspector'
import { keepSignals, onSignal, signalsOf } from '../../../../bin/start/signals.ts'
import type { Asking } from '../../../../bin/start/signals.ts'

const heard: Asking[] = []
keepSignals(signalsOf(['start', '--port', '0']))
process.on('message', (listen: readonly Asking[]) => {
  for (const signal of listen) onSignal(signal, () => heard.push(signal))
  process.send?.({ heard, debugger: url() ?? null })
})
process.send?.('it has begun')
