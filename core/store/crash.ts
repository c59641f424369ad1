// Ends the process at a named point of an operation's way. Tests order it; nothing else does.
import type { OperationName } from './codec/wire.ts'

/** Called at each step of an operation's way, so that tests can end the process there. */
export type Step = (operation: OperationName, point: 'begin' | 'written' | 'committed') => void

const POINT = /^(?<operation>[a-zA-Z]+):(?<point>begin|written|committed)(?:#(?<nth>[1-9]\d*))?$/

/**
 * `settle:written#2`: at the second settle, when its rows are written and not committed. `begin`: nothing is written. `committed`:
 * it is on the disk and nobody has been told. Undefined orders nothing. Throws `TypeError` for a name that is no point.
 */
export function crashAt(name: string | undefined): Step | undefined {
  if (name === undefined) return undefined
  const wanted = POINT.exec(name)?.groups
  if (wanted === undefined)
    throw new TypeError(`crash point "${name}" is not OPERATION:begin|written|committed[#N]`)
  let left = Number(wanted['nth'] ?? 1)
  return (operation, point) => {
    if (operation !== wanted['operation'] || point !== wanted['point']) return
    left--
    // As kill -9 does it: no handler runs, nothing is flushed.
    if (left === 0) process.kill(process.pid, 'SIGKILL')
  }
}
