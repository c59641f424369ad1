// `dragoman rollback`: a generation that ran before runs again; the list of those that can.
import { GatewayError } from '../../core/api.ts'
import type { GenerationList } from '../../core/generations/history.ts'
import { adminOf, LONG_MS, table } from '../running/admin-client.ts'
import type { AdminOptions } from '../running/admin-client.ts'
import { fail } from '../fail.ts'
import { asJson, inLines } from '../printable.ts'

export interface RollbackOptions extends AdminOptions {
  readonly list?: boolean
  /** Back to what the files say. */
  readonly release?: boolean
}

export async function rollback(generation: number | undefined, options: RollbackOptions): Promise<void> {
  try {
    const admin = await adminOf(options)
    if (options.list === true) {
      const list = (await admin('generations')) as GenerationList // our own admin API
      console.log(options.json === true ? asJson(list) : readable(list))
      return
    }
    if (options.release === true) {
      const taken = (await admin('reload', { method: 'POST', limitMs: LONG_MS })) as {
        readonly generation: number
      } // as above
      console.log(
        options.json === true
          ? JSON.stringify(taken)
          : `Generation ${taken.generation} runs: what the files say.`,
      )
      return
    }
    const body = generation === undefined ? {} : { generation }
    const taken = (await admin('generations/rollback', {
      method: 'POST',
      body,
      limitMs: LONG_MS,
    })) as {
      readonly generation: number
      readonly rolledBackTo: number
    } // as above
    console.log(
      options.json === true
        ? JSON.stringify(taken)
        : `Generation ${taken.rolledBackTo} runs again, as generation ${taken.generation}.
It goes on, also after a restart, until the config, a file it names or a plugin changes, or until
dragoman rollback --release loads what the files say now.`,
    )
  } catch (error) {
    const problems = problemsIn(error)
    if (problems === undefined) return fail(error)
    console.error(inLines(problems))
    process.exitCode = 1
  }
}

/** Of the config that was refused, a line each, as `check` tells them. */
function problemsIn(error: unknown): string | undefined {
  const isRefused = error instanceof GatewayError && error.status === 422
  return isRefused && typeof error.detail === 'string' ? error.detail : undefined
}

function readable({ generations, rolledBackTo }: GenerationList): string {
  if (generations.length === 0) return 'No generation is kept.'
  const lines = [
    ['GENERATION', 'STATE', 'SINCE', 'VERSION', 'CHANGES'],
    ...generations.map(({ generation, last, isRunning, at, hash, changes }) => [
      String(generation),
      isRunning ? (last === generation ? 'running' : `running as ${last}`) : 'kept',
      at,
      hash.slice(0, 12),
      changes.join(', '),
    ]),
  ]
  const note = `\n\nGeneration ${rolledBackTo} was gone back to: what the files say is not used until one of them changes.`
  return `${table(lines)}${rolledBackTo === null ? '' : note}`
}
