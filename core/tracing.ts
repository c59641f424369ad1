// Traces for OpenTelemetry (DESIGN §14): a span for each message and each attempt, and in it one for each stage. Without an SDK there is nothing.
import {
  context,
  isSpanContextValid,
  ProxyTracerProvider,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api'
import type { Context, Span, Tracer } from '@opentelemetry/api'
import { GatewayError } from './api.ts'
import type { Draft } from './api.ts'
import { traceparent } from './ids.ts'
import type { Work } from './store/store.ts'

/** As in DESIGN §5; to acknowledge and to record take no time. */
export type Stage = 'receive' | 'decode' | 'normalise' | 'accept' | 'route' | 'deliver' | 'settle' | 'return'

/** A message on its way, or an attempt; one stage after the other. */
export interface Traced {
  /** For whoever is called: its parent is this span (W3C Trace Context §3.2). */
  readonly traceparent: string
  /** The stage before ends, this one begins. */
  stage(name: Stage): void
  /** A failure is told without its causes. */
  end(outcome: Ending): void
}

export interface Ending {
  readonly outcome?: string
  readonly target?: string
  readonly failure?: unknown
  readonly id?: string
}

interface Arrival {
  readonly begun: number
  readonly received: number
}

interface Timed extends Traced {
  stage(name: Stage, at?: number): void
}

/** By the signal of their caller, which adapters hand on, whatever protocol they speak. */
const arrivals = new WeakMap<AbortSignal, Arrival>()

/** A request is here with its body, and goes to its adapter. `begun`: by `performance.now()`, when its head was here. */
export function traceArrival(signal: AbortSignal, begun: number): void {
  if (tracerInUse() !== undefined)
    arrivals.set(signal, { begun: performance.timeOrigin + begun, received: moment() })
}

export interface Intake {
  readonly channel: string
  readonly draft: Draft
  readonly signal: AbortSignal | undefined
}

/** Takes a message in. Undefined: the process was started without an SDK (`node --import`). */
export function traceIntake<T extends { readonly id: string }>(
  { channel, draft: { kind, metadata }, signal }: Intake,
  take: (traced: Traced | undefined) => Promise<T>,
): Promise<T> {
  const tracer = tracerInUse()
  if (tracer === undefined) return take(undefined)
  const arrival = signal === undefined ? undefined : arrivals.get(signal)
  const begun = arrival?.begun ?? moment()
  const attributes = { 'messaging.destination.name': channel, 'dragoman.kind': kind }
  const options = { kind: SpanKind.SERVER, startTime: begun, attributes }
  const traced = open(tracer, tracer.startSpan(`${kind} ${channel}`, options, callerOf(metadata)))
  if (arrival !== undefined) {
    traced.stage('receive', begun)
    traced.stage('decode', arrival.received)
  }
  return ended(traced, take(traced))
}

async function ended<T extends { readonly id: string }>(traced: Traced, taking: Promise<T>): Promise<T> {
  try {
    const taken = await taking
    traced.end({ id: taken.id })
    return taken
  } catch (error) {
    traced.end({ failure: error })
    throw error
  }
}

/** An attempt of stored work, in this life or a later one: its parent is the message's own span. */
export function traceAttempt({
  kind,
  message,
  attempt,
}: Pick<Work, 'kind' | 'message' | 'attempt'>): Traced | undefined {
  const tracer = tracerInUse()
  if (tracer === undefined) return undefined
  const attributes = {
    'messaging.message.id': message.id,
    'messaging.destination.name': message.channel,
    'dragoman.kind': message.kind,
    'dragoman.attempt': attempt,
  }
  const begun = moment()
  const options = { kind: SpanKind.CONSUMER, startTime: begun, attributes }
  const name = kind === 'message' ? 'attempt' : kind
  const traced = open(tracer, tracer.startSpan(name, options, remote(message.traceparent)))
  const isPush = kind === 'push' || message.direction === 'outbound'
  if (isPush) traced.stage('return')
  else if (kind !== 'message') traced.stage('deliver')
  return traced
}

/** Of what a message causes: its child, or where spans are kept the very same, for there will be none of the child's name. */
export function traceOn(parent: string): string {
  return tracerInUse() === undefined ? traceparent(parent) : parent
}

function open(tracer: Tracer, span: Span): Timed {
  const inside = trace.setSpan(context.active(), span)
  const { traceId, spanId, traceFlags } = span.spanContext()
  let last: Span | undefined
  return {
    traceparent: `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`,
    stage(name, at: number = moment()) {
      last?.end(at)
      last = tracer.startSpan(name, { startTime: at }, inside)
    },
    end({ outcome, target, failure, id }) {
      const at = moment()
      last?.end(at)
      if (id !== undefined) span.setAttribute('messaging.message.id', id)
      if (outcome !== undefined) span.setAttribute('dragoman.outcome', outcome)
      if (target !== undefined) span.setAttribute('dragoman.target', target)
      if (failure !== undefined)
        span.setStatus({ code: SpanStatusCode.ERROR, message: GatewayError.from(failure).message })
      span.end(at)
    },
  }
}

/** Milliseconds since the epoch, with their fractions. */
function moment(): number {
  return performance.timeOrigin + performance.now()
}

function tracerInUse(): Tracer | undefined {
  const provider = trace.getTracerProvider()
  return provider instanceof ProxyTracerProvider
    ? provider.getDelegateTracer('dragoman')
    : provider.getTracer('dragoman')
}

/** What the message says, unless the process is in a span of that very trace already (a server that traces itself). */
function callerOf(metadata: Draft['metadata']): Context {
  const active = context.active()
  const said = metadata?.['traceparent']
  const caller = said === undefined ? undefined : remote(said)
  if (caller === undefined) return active
  return trace.getSpanContext(active)?.traceId === trace.getSpanContext(caller)?.traceId ? active : caller
}

/** Undefined: it is none (W3C Trace Context §3.2). */
function remote(said: string): Context | undefined {
  const [version, traceId = '', spanId = '', flags = ''] = said.split('-')
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED
  const caller = { traceId, spanId, traceFlags, isRemote: true }
  return version === '00' && isSpanContextValid(caller)
    ? trace.setSpanContext(ROOT_CONTEXT, caller)
    : undefined
}
