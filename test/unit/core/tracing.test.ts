// Spans of one message's way, on OpenTelemetry's own SDK.
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { afterEach, expect, test } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import { testMessage } from '../../../core/testing.ts'
import { traceArrival, traceAttempt, traceIntake, traceOn } from '../../../core/tracing.ts'

afterEach(() => trace.disable())

function exporting(): InMemorySpanExporter {
  const exporter = new InMemorySpanExporter()
  const spanProcessors = [new SimpleSpanProcessor(exporter)]
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))
  return exporter
}

const CALLER = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const draft = { kind: 'message', type: 'text', sender: { id: 'ann', role: 'customer' } } as const
const message = testMessage()
const named = (spans: readonly ReadableSpan[], name: string): ReadableSpan | undefined =>
  spans.find((span) => span.name === name)
const childrenOf = (spans: readonly ReadableSpan[], span: ReadableSpan | undefined): readonly string[] =>
  spans
    .filter(({ parentSpanContext }) => parentSpanContext?.spanId === span?.spanContext().spanId)
    .map(({ name }) => name)

test("a message taken in is a span in its caller's trace, with one for each stage (W3C Trace Context §3.2)", async () => {
  const exporter = exporting()
  const { signal } = new AbortController()
  traceArrival(signal, performance.now() - 5)
  const intake = { channel: 'web', draft: { ...draft, metadata: { traceparent: CALLER } }, signal }
  let told: string | undefined
  await traceIntake(intake, async (traced) => {
    told = traced?.traceparent
    for (const stage of ['normalise', 'accept', 'return'] as const) traced?.stage(stage)
    return { id: 'm1' }
  })
  const spans = exporter.getFinishedSpans()
  const root = named(spans, 'message web')
  const { traceId, spanId } = root?.spanContext() ?? {}
  expect(told).toBe(`00-${traceId}-${spanId}-01`)
  expect(CALLER).toBe(`00-${traceId}-${root?.parentSpanContext?.spanId}-01`)
  expect(root?.attributes).toMatchObject({ 'messaging.message.id': 'm1', 'dragoman.kind': 'message' })
  expect(childrenOf(spans, root)).toEqual(['receive', 'decode', 'normalise', 'accept', 'return'])
  expect(named(spans, 'receive')?.startTime).toEqual(root?.startTime)
  for (const [earlier, later] of [
    ['receive', 'decode'],
    ['decode', 'normalise'],
    ['accept', 'return'],
  ] as const)
    expect(named(spans, later)?.startTime).toEqual(named(spans, earlier)?.endTime)
  // What it causes later, in this life or another, stands below it.
  const attempt = traceAttempt({
    kind: 'message',
    attempt: 1,
    message: { ...message, traceparent: `${told}` },
  })
  attempt?.end({})
  expect(childrenOf(exporter.getFinishedSpans(), root)).toContain('attempt')
  expect(traceOn(`${told}`)).toBe(told)
})

test('what refuses a message is told by its span, without causes', async () => {
  const exporter = exporting()
  const refusal = new GatewayError('NO_ROUTE', 'no way', { cause: new Error('a secret') })
  const refused = traceIntake({ channel: 'web', draft, signal: undefined }, async (traced) => {
    traced?.stage('normalise')
    throw refusal
  })
  await expect(refused).rejects.toBe(refusal)
  const [stage, root] = exporter.getFinishedSpans()
  expect([stage?.name, root?.name, root?.status.message]).toEqual(['normalise', 'message web', 'no way'])
  expect(root?.parentSpanContext).toBeUndefined()
})

test.each([
  '',
  '00',
  '00-0-0-01',
  CALLER.replace('0af7651916cd43dd8448eb211c80319c', '0'.repeat(32)),
  `ff${CALLER}`,
])('what is no traceparent begins a new trace (%s)', async (traceparent) => {
  const exporter = exporting()
  const intake = { channel: 'web', draft: { ...draft, metadata: { traceparent } }, signal: undefined }
  await traceIntake(intake, async () => ({ id: 'm1' }))
  expect(exporter.getFinishedSpans()[0]?.parentSpanContext).toBeUndefined()
})

test('each attempt is a span with its stages; one that fails says with what', () => {
  const exporter = exporting()
  const attempt = traceAttempt({ kind: 'message', attempt: 2, message })
  for (const stage of ['route', 'deliver', 'settle'] as const) attempt?.stage(stage)
  const failure = new GatewayError('AGENT_FAILED', 'no answer')
  attempt?.end({ outcome: 'failed', target: 'agent helper', failure })
  const push = traceAttempt({ kind: 'push', attempt: 1, message })
  push?.stage('settle')
  push?.end({ outcome: 'answered', target: 'channel chat' })
  const spans = exporter.getFinishedSpans()
  const span = named(spans, 'attempt')
  expect(`00-${span?.spanContext().traceId}-${span?.parentSpanContext?.spanId}-01`).toBe(message.traceparent)
  expect(span?.attributes).toMatchObject({
    'messaging.message.id': message.id,
    'dragoman.attempt': 2,
    'dragoman.outcome': 'failed',
    'dragoman.target': 'agent helper',
  })
  expect(span?.status.message).toBe('no answer')
  expect(childrenOf(spans, span)).toEqual(['route', 'deliver', 'settle'])
  expect(childrenOf(spans, named(spans, 'push'))).toEqual(['return', 'settle'])
})

test('without an SDK there are no spans, and what a message causes is its child', async () => {
  traceArrival(new AbortController().signal, 0)
  const seen: unknown[] = []
  await traceIntake({ channel: 'web', draft, signal: undefined }, async (traced) => {
    seen.push(traced)
    return { id: 'm1' }
  })
  expect(seen).toEqual([undefined])
  expect(traceAttempt({ kind: 'message', attempt: 1, message })).toBeUndefined()
  expect(traceOn(CALLER)).toMatch(new RegExp(`^${CALLER.slice(0, 36)}[0-9a-f]{16}-01$`))
  expect(traceOn(CALLER)).not.toBe(CALLER)
})
