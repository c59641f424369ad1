// What the pipeline tells the operators: the intake ledger, outcomes, calls. The metrics and the log listen.
import type { Kind } from './api.ts'

export type Intake = 'offered' | 'accepted' | 'duplicate' | 'refused' | 'failed'

export interface Settled {
  readonly channel: string
  readonly kind: Kind
  readonly direction: 'inbound' | 'outbound' | 'internal'
  readonly outcome: string
  readonly durationMs: number
}

export interface Called {
  readonly target: 'agent' | 'backend'
  readonly name: string
  readonly operation: string
  readonly result: string
  readonly durationMs: number
}

/** One method per fact; each is called exactly once per fact. */
export interface Telemetry {
  intake(result: Intake, channel: string): void
  settled(settled: Settled): void
  called(called: Called): void
  inDoubt(channel: string): void
  /** A caller was told that his write is queued; a queue was stopped until an operator decides. */
  write(how: 'queued' | 'halted', channel: string): void
}
