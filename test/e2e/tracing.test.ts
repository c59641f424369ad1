// DESIGN §14: what OpenTelemetry sees of a message and of a request, from the caller's trace to the systems behind.
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterEach, expect, test } from 'vitest'
import { startBot } from '../support/bot.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { post, say } from '../support/rest.ts'

afterEach(() => trace.disable())

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const headers = { traceparent: `00-${TRACE}-b7ad6b7169203331-01` }

test("a message and a request are spans of their caller's trace, stage by stage, and so is what is called", async () => {
  const exporter = new InMemorySpanExporter()
  const spanProcessors = [new SimpleSpanProcessor(exporter)]
  trace.setGlobalTracerProvider(new BasicTracerProvider({ spanProcessors }))
  const called: unknown[] = []
  const system = createServer((request, response) => {
    called.push(request.headers['traceparent'])
    response.writeHead(200, { 'content-type': 'application/json' }).end('{}')
  }).listen(0, '127.0.0.1')
  await once(system, 'listening')
  const { port } = system.address() as AddressInfo // it listens on TCP
  await using bot = await startBot(() => ({ body: { text: 'here' } }))
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
backends: { shop: { adapter: rest, url: "http://127.0.0.1:${port}", operations: { Look: { safe: true, path: /look } } } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ when: "kind = 'request'", backend: shop }, { agent: helper }]
`,
    adapters: [],
  })
  await say(house.base, 'hello', { headers, waitSeconds: 15 })
  await post(`${house.base}/v1/requests/Look`, {}, { headers })
  system.close()
  const spans = await until(() => {
    const finished = exporter.getFinishedSpans()
    const names = new Set(finished.map(({ name }) => name))
    return ['message web', 'request web', 'attempt'].every((name) => names.has(name)) ? finished : undefined
  })
  expect(new Set(spans.map((span) => span.spanContext().traceId))).toEqual(new Set([TRACE]))
  const stagesOf = (name: string): readonly string[] => {
    const span = spans.find((one) => one.name === name)?.spanContext()
    return spans.filter((one) => one.parentSpanContext?.spanId === span?.spanId).map((one) => one.name)
  }
  expect(stagesOf('message web').toSorted()).toEqual(
    ['receive', 'decode', 'normalise', 'accept', 'attempt', 'return'].toSorted(),
  )
  expect(stagesOf('attempt')).toEqual(['route', 'deliver', 'settle'])
  expect(stagesOf('request web')).toEqual(['receive', 'decode', 'normalise', 'route', 'deliver', 'return'])
  const idOf = (name: string): string => {
    const { traceId, spanId } = spans.find((one) => one.name === name)?.spanContext() ?? {}
    return `00-${traceId}-${spanId}-01`
  }
  expect(called).toEqual([idOf('request web')])
  expect((bot.asked[0]?.event as { traceparent?: string } | undefined)?.traceparent).toBe(idOf('message web'))
})
