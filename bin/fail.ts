// How a command ends badly: what is wrong on the error output, in words, and a status.
import { GatewayError } from '../core/api.ts'
import { ConfigError, formatProblem } from '../config/load.ts'
import { inLines } from './printable.ts'

/** Prints the reason and sets the exit status. A stack is shown of what is neither ours nor the system's: it is a mistake of the program. */
export function fail(error: unknown, status = 1): void {
  if (error instanceof ConfigError)
    for (const problem of error.problems) console.error(inLines(formatProblem(problem)))
  else if (error instanceof GatewayError) console.error(inLines(`dragoman: ${error.message}`))
  else if (error instanceof Error && 'code' in error) console.error(inLines(`dragoman: ${error.message}`))
  else console.error(error)
  process.exitCode = status
}
