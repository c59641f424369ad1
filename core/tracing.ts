// One trace per message for OpenTelemetry: a span for the message, one for each stage. Without an SDK it costs a microsecond.
import { ROOT_CONTEXT, SpanKind, SpanStatusCode, TraceFlags, trace } from '@opentelemetry/api'
import type { Verdict } from './deliver.ts'
import type { Work } from './store/store.ts'

/** Of one attempt, in milliseconds since the epoch. */
export interface AttemptTimes {
  readonly begun: number
  readonly delivered: number
  readonly settled: number
}

/**
 * Hands one attempt's spans to whatever SDK the process was started with (`node --import`). They join the caller's trace: their
 * parent is the message's `traceparent` (W3C Trace Context §3.2).
 */
export function recordTrace(
  { message, attempt }: Pick<Work, 'message' | 'attempt'>,
  { outcome, target, failure }: Pick<Verdict, 'outcome' | 'target' | 'failure'>,
  { begun, delivered, settled }: AttemptTimes,
): void {
  const [, traceId = '', spanId = '', flags = '01'] = message.traceparent.split('-')
  const parent = trace.setSpanContext(ROOT_CONTEXT, {
    traceId,
    spanId,
    traceFlags: flags === '01' ? TraceFlags.SAMPLED : TraceFlags.NONE,
    isRemote: true,
  })
  const tracer = trace.getTracer('dragoman')
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
  tracer.startSpan('deliver', { startTime: begun }, inside).end(delivered)
  tracer.startSpan('settle', { startTime: delivered }, inside).end(settled)
  if (failure !== undefined) span.setStatus({ code: SpanStatusCode.ERROR, message: failure.message })
  span.end(settled)
}
