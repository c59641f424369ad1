// Calls scripts with what every one of them begins with: the clock's limits, and in tests a clock of their own.
import { crashAt } from '../crash.ts'
import type { Step } from '../crash.ts'
import type { OperationName } from '../codec/wire.ts'
import type { Argument } from './arguments.ts'
import type { Connection } from './connection.ts'
import type { Pulse } from './pulse.ts'
import type { Cell } from './reply.ts'
import type { ScriptName } from './scripts.ts'

export interface CallerOptions {
  readonly connection: Connection
  readonly pulse: Pulse
  /** For tests: both clocks, in milliseconds. */
  readonly clock: { wall(): number; monotonic(): number } | undefined
  readonly crash: string | undefined
}

export class Caller {
  readonly #options: CallerOptions
  readonly #step: Step | undefined
  /** When this process last had a partition's clock written, in its own monotonic time. */
  readonly #stamped = new Map<number, number>()

  constructor(options: CallerOptions) {
    this.#options = options
    this.#step = crashAt(options.crash)
  }

  /** The data is another one: what passed since this process wrote its clock is not known. */
  forget(): void {
    this.#stamped.clear()
  }

  /** Rejects with `STORE_UNAVAILABLE` as the connection does, at once while nothing answers. */
  async run(name: ScriptName, partition: number, words: readonly Argument[]): Promise<Cell> {
    const { connection, pulse, clock } = this.#options
    const monotonic = clock?.monotonic() ?? performance.now()
    const stamped = this.#stamped.get(partition)
    const most = stamped === undefined ? '' : Math.ceil(monotonic - stamped)
    if (this.#step !== undefined && isOperation(name))
      for (const point of ['begin', 'written'] as const) this.#step(name, point)
    pulse.requireAnswers(name, connection)
    try {
      const reply = await connection.run(name, partition, [clock?.wall() ?? '', most, ...words])
      pulse.answered()
      if (writes(name, reply)) pulse.wrote(() => connection.serverOf(partition))
      if (stamps(name, reply))
        this.#stamped.set(partition, Math.max(monotonic, this.#stamped.get(partition) ?? 0))
      return reply
    } catch (error) {
      pulse.saw(error, () => connection.serverOf(partition))
      throw error
    }
  }

  /** The operation is durable and nobody has been told. */
  done<T>(name: OperationName, result: T): T {
    this.#step?.(name, 'committed')
    return result
  }
}

/** Whether the partition's clock was written with it: only these tell. */
function stamps(name: ScriptName, reply: Cell): boolean {
  if (name === 'hello' || name === 'trim') return true
  if (name === 'lease') return statusOf(reply) === 'held'
  return name === 'take' && statusOf(reply) === 'taken'
}

/** Whether something was written for certain. */
function writes(name: ScriptName, reply: Cell): boolean {
  return stamps(name, reply) || (name === 'accept' && statusOf(reply) === 'accepted')
}

/** The first word of a reply that is a list. */
export function statusOf(reply: Cell): string {
  return Array.isArray(reply) ? String(reply[0]) : ''
}

function isOperation(name: ScriptName): name is OperationName & ScriptName {
  return !['bytes', 'clock', 'bind', 'dataset', 'rights', 'limit', 'answers'].includes(name)
}
