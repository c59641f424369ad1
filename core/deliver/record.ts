// Stage 10: exactly one outcome of each step: counted, and told in one line.
import type { Log } from '../api.ts'
import type { Verdict } from './deliver.ts'
import type { Work } from '../store/store.ts'
import type { Telemetry } from '../telemetry.ts'
import type { Ended } from '../return/waiters.ts'

export interface Step {
  /** Undefined: it has not ended. */
  readonly ended: Ended | undefined
  readonly durationMs: number
}

export function record(
  { kind: step, message }: Work,
  verdict: Verdict,
  { log, telemetry, ended, durationMs }: Step & { readonly log: Log; readonly telemetry: Telemetry },
): void {
  const { id, channel, kind, direction, conversation } = message
  const outcome = ended?.outcome ?? 'retry'
  if (ended !== undefined && step !== 'push')
    telemetry.settled({ channel, kind, direction, outcome, durationMs })
  const { target, failure, before, delayMs } = verdict
  const behind = before && { before: `${before.target}: ${before.failure.message}` }
  const fields = { id, channel, kind, conversation, outcome, target, ...behind, durationMs }
  const line = step === 'push' ? 'push' : step === 'timer' ? 'promised answer' : kind
  if (failure !== undefined) log.warn(line, { ...fields, againInMs: delayMs, error: failure })
  else if (verdict.idle !== true) log.info(line, fields)
}
