// The way of one captured request with adapters that are as little like HTTP as the interface allows.
import { expect, test } from 'vitest'
import { defineAdapter } from '../../../../core/api.ts'
import type { Adapter, Answer, Backend, Channel, Json, Scope } from '../../../../core/api.ts'
import { readCapturedRequest } from '../../../../core/map/capture.ts'
import type { Told } from '../../../../core/map/recorder.ts'
import { mapRequest } from '../../../../core/map/report.ts'
import type { MapOptions, MapReport } from '../../../../core/map/report.ts'

const anything = {
  '~standard': { version: 1, vendor: 'test', validate: (value: unknown) => ({ value }) },
} as const
const calls = { timeoutMs: 1000, connections: 1, responseLimitBytes: 1000 }
const breaker = { errorRate: 50, minimumCalls: 2, windowMs: 1000, openForMs: 1000 }
const end = async (): Promise<void> => undefined

/** A channel that takes JSON as it is: `{ op, body }`; with `push` it answers nothing and sends by its platform. */
function channelOf(push: boolean) {
  return (_config: unknown, scope: Scope): Channel => ({
    async start(host) {
      host.serve('/in', async (request) => {
        const { op, body } = JSON.parse(new TextDecoder().decode(request.body)) as { op: string; body: Json } // the test's own
        const draft = await host.draft(op, body, {
          kind: push ? 'message' : 'request',
          sender: { id: 'ann', role: 'customer' },
        })
        if (draft === undefined) return { status: 404 }
        const { reply } = await host.accept(draft, { identity: request.identity })
        return {
          status: 200,
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify(reply?.data ?? {}),
        }
      })
    },
    ...(push && {
      async send(message) {
        const body = JSON.stringify({ to: message.sender.id, text: message.parts?.[0]?.text })
        await scope.fetch('http://platform.example.com/send', { method: 'POST', body })
        return { status: 'sent' as const }
      },
    }),
    [Symbol.asyncDispose]: end,
  })
}

function run(
  backend: (scope: Scope) => Backend['call'],
  given: { readonly body: Json; readonly told?: Told; readonly own?: Json; readonly push?: boolean },
): Promise<MapReport> {
  const adapter: Adapter = defineAdapter({
    name: 'odd',
    apiVersion: 1,
    channel: { config: anything, create: channelOf(given.push === true) },
    backend: {
      config: anything,
      create: (_config, scope) => ({
        operations: { '*': { safe: false } },
        call: backend(scope),
        [Symbol.asyncDispose]: end,
      }),
    },
  })
  const options: MapOptions = {
    request: readCapturedRequest(
      Buffer.from(`POST /in/below HTTP/1.1\n\n${JSON.stringify({ op: 'Do', body: given.body })}`),
    ),
    settings: {
      channels: { in: { id: 'in', adapter: 'odd', config: {}, hash: '', operations: {}, inDoubt: 'park' } },
      backends: {
        out: { id: 'out', adapter: 'odd', config: {}, hash: '', operations: {}, ...calls, breaker },
      },
      agents: {},
      routes: [{ when: "kind = 'event'" }, { backend: 'out' }],
    },
    adapters: new Map([['odd', adapter]]),
    dedupeMs: 1000,
    bodyLimitBytes: 1000,
    now: Date.parse('2026-01-01T00:00:00Z'),
    answer: async () => ({ told: given.told ?? json({}), from: 'the test' }),
    ...(given.own !== undefined && { ownAnswer: { data: given.own, from: 'the test' } }),
    identify: async () => ({ role: 'program', id: 'test' }),
    xml: () => [],
  }
  return mapRequest(options)
}

function json(value: Json): Told {
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: new TextEncoder().encode(JSON.stringify(value)),
  }
}

test('a backend that asks nobody over HTTP is called once, and its call is what is shown', async () => {
  let called = 0
  const report = await run(
    () =>
      async ({ params }): Promise<Answer> => {
        called += 1
        return { data: { seen: params } }
      },
    { body: { a: '007', b: ['x'] } },
  )
  expect(called).toBe(1)
  expect(report).toMatchObject({
    channel: { id: 'in', adapter: 'odd' },
    operation: 'Do',
    route: { number: 2 },
    unmatched: [{ number: 1, when: "kind = 'event'" }],
    target: { kind: 'backend', operation: 'Do', params: { a: '007', b: ['x'] } },
    outbound: [],
    reply: { data: { seen: { a: '007', b: ['x'] } } },
    encoded: { status: 200, body: '{"seen":{"a":"007","b":["x"]}}' },
  })
  expect(report.values.request.map(({ path, became }) => [path, became])).toEqual([
    ['a', 'kept'],
    ['b[0]', 'kept'],
  ])
})

test('an answer that is given replaces what such a backend says itself', async () => {
  const report = await run(() => async () => ({ data: 1 }), { body: {}, own: { mine: true } })
  expect(report.reply).toEqual({ data: { mine: true } })
})

test('every request of a backend is recorded as it would go, in its order', async () => {
  const report = await run(
    (scope) =>
      async ({ params }) => {
        await scope.fetch('http://erp.example.com/token', { method: 'POST', body: 'secret=1' })
        const response = await scope.fetch('http://erp.example.com/do?x=1', {
          method: 'PUT',
          headers: { 'X-Id': '7' },
          body: JSON.stringify(params),
        })
        return { data: (await response.json()) as Json } // the test's own
      },
    { body: { a: '1.10' }, told: json({ ok: 'yes' }) },
  )
  expect(report.outbound.map(({ method, url, body }) => [method, url, body])).toEqual([
    ['POST', 'http://erp.example.com/token', 'secret=1'],
    ['PUT', 'http://erp.example.com/do?x=1', '{"a":"1.10"}'],
  ])
  expect(report.outbound[1]?.headers).toMatchObject({
    host: 'erp.example.com',
    'x-id': '7',
    'content-length': '12',
  })
  expect(report.values.answer).toMatchObject([
    { path: 'ok', became: 'kept', to: [{ path: 'body ok', text: 'yes' }] },
  ])
})

test('a request that could not be sent fails here as it would there', async () => {
  const report = await run(
    (scope) => async () => {
      await scope.fetch('http://erp.example.com/', { headers: { 'x-a': 'b\r\nc: d' } })
      return {}
    },
    { body: {} },
  )
  expect(report.failure).toMatchObject({ stage: 'call', code: 'ENCODE_FAILED' })
  expect(report.outbound).toEqual([])
})

test('a value that is dropped on the way is unused, and one the code table turns into another is changed', async () => {
  const report = await run(
    (scope) =>
      async ({ params }) => {
        const { state } = params as { state: string } // the test's own
        await scope.fetch(`http://erp.example.com/${state === '01' ? 'open' : 'closed'}`)
        return {}
      },
    { body: { state: '01', note: 'hidden' } },
  )
  expect(report.values.request).toMatchObject([
    { path: 'state', became: 'changed', to: [{ path: 'path segment 1', text: 'open' }] },
    { path: 'note', became: 'unused' },
  ])
})

test('a breaker does not open, however often the way is gone with values that fail', async () => {
  const report = await run(
    (scope) =>
      async ({ params }) => {
        if (JSON.stringify(params) !== '{"a":"1","b":"2","c":"3","d":"4","e":"x"}') throw new Error('refused')
        await scope.fetch('http://erp.example.com/4')
        return {}
      },
    { body: { a: '1', b: '2', c: '3', d: '4', e: 'x' } },
  )
  expect(report.values.request.map(({ became }) => became)).toEqual([
    'checked',
    'checked',
    'checked',
    'kept',
    'checked',
  ])
})

test('the answer of a channel that only pushes is what it would send to its platform', async () => {
  const report = await run(() => async () => ({ text: 'hello ann' }), { body: { text: 'hi' }, push: true })
  expect(report.encoded).toMatchObject({ status: 200, body: '{}' })
  expect(report.pushed).toMatchObject([{ method: 'POST', url: 'http://platform.example.com/send' }])
  expect(report.pushed[0]?.body).toContain('hello ann')
})

test('a path that no channel serves is refused with the paths there are', async () => {
  const wrong = readCapturedRequest(Buffer.from('GET /out HTTP/1.1\n\n'))
  await expect(
    mapRequest({
      request: wrong,
      settings: { channels: {}, backends: {}, agents: {}, routes: [] },
      adapters: new Map(),
      dedupeMs: 1,
      bodyLimitBytes: 1,
      now: 0,
      answer: async () => ({ told: json({}), from: '' }),
      identify: async () => ({ role: 'program', id: 'test' }),
      xml: () => [],
    }),
  ).rejects.toThrow('no channel serves /out: there is no channel over HTTP')
})
