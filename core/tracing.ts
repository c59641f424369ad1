// One trace per message for OpenTelemetry: a span for the message, one for each stage. Without an SDK it costs a microsecond.
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import type { Message } from './api.ts'

/** A stage's time, in milliseconds since the epoch. */
export interface Stage {
  readonly name: 'deliver' | 'settle'
  readonly begun: number
  readonly ended: number
}

export interface Traced {
  readonly message: Message
  readonly outcome: string
  readonly target: string
  readonly attempt: number
  readonly stages: readonly Stage[]
  /** What failed, without causes. */
  readonly error?: string | undefined
}

/**
 * Hands one attempt's spans to whatever SDK the process was started with (`node --import`). They join the caller's trace: their
 * parent is the message's `traceparent` (W3C Trace Context §3.2).
 */
export function recordTrace({ message, outcome, target, attempt, stages, error }: Traced): void {
  const [, traceId = '', spanId = '', flags = '01'] = message.traceparent.split('-')
  const parent = trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: flags === '01' ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
  })
  const tracer = trace.getTracer('dragoman')
  const begun = Math.min(...stages.map((stage) => stage.begun))
  const attributes = {
    'messaging.message.id': message.id,
    'messaging.destination.name': message.channel,
    'dragoman.kind': message.kind,
    'dragoman.target': target,
    'dragoman.attempt': attempt,
    'dragoman.outcome': outcome,
  }
  const name = `${message.kind} ${message.channel}`
  const span = tracer.startSpan(name, { kind: SpanKind.CONSUMER, startTime: begun, attributes }, parent)
  if (!span.isRecording()) return
  const inside = trace.setSpan(parent, span)
  for (const stage of stages)
    tracer.startSpan(stage.name, { startTime: stage.begun }, inside).end(stage.ended)
  if (error !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: error })
  span.end(Math.max(...stages.map((stage) => stage.ended)))
}
