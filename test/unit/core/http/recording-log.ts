// A log that keeps what it is told, for tests.
import type { Log } from '../../../../core/api.ts'

export interface RecordedLine {
  readonly level: keyof Log
  readonly message: string
  readonly fields: Readonly<Record<string, unknown>>
}

export function recordingLog(): { readonly log: Log; readonly lines: readonly RecordedLine[] } {
  const lines: RecordedLine[] = []
  const at =
    (level: keyof Log): Log['debug'] =>
    (message, fields = {}) =>
      void lines.push({ level, message, fields })
  return { log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, lines }
}
