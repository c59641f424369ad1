import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterEach, expect, test } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import { recordTrace } from '../../../core/tracing.ts'
import { testMessage } from '../../../core/testing.ts'

afterEach(() => trace.disable())

const times = { begun: 1000, delivered: 1500, settled: 1600 }

test("an attempt is one span with one for each stage, in the caller's trace (W3C Trace Context §3.2)", () => {
  const exporter = new InMemorySpanExporter()
  trace.setGlobalTracerProvider(
    new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }),
  )
  const message = testMessage()
  const failure = new GatewayError('AGENT_FAILED', 'no answer')
  recordTrace({ message, attempt: 2 }, { outcome: 'failed', target: 'agent helper', failure }, times)
  const spans = exporter.getFinishedSpans()
  const root = spans.find(({ name }) => name === 'message test')
  const [, traceId, spanId] = message.traceparent.split('-')
  expect(root?.spanContext().traceId).toBe(traceId)
  expect(root?.parentSpanContext?.spanId).toBe(spanId)
  expect(root?.attributes).toMatchObject({ 'messaging.message.id': message.id, 'dragoman.outcome': 'failed' })
  expect(root?.status.message).toBe('no answer')
  const children = spans.filter(
    ({ parentSpanContext }) => parentSpanContext?.spanId === root?.spanContext().spanId,
  )
  expect(children.map(({ name, duration }) => [name, duration[1]])).toEqual([
    ['deliver', 500_000_000],
    ['settle', 100_000_000],
  ])
})

test('without an SDK nothing is recorded and nothing fails', () => {
  expect(() =>
    recordTrace({ message: testMessage(), attempt: 1 }, { outcome: 'answered', target: 'x' }, times),
  ).not.toThrow()
})
