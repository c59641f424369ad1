// What a plugin hands over that is not what the interface asks for: the caller is told, the plugin is to blame, nothing is emptied.
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { PluginRow } from '../../core/plugins/plugins.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { post, say } from '../support/rest.ts'

const source = `
import { defineAdapter, GatewayError } from 'dragoman'
import { z } from 'zod'
const schema = z.strictObject({})
class Money { get cents() { return 7 } }
const answers = {
  text: () => 'text',
  unwrapped: () => ({ orderNo: 1 }),
  map: () => ({ data: new Map([[1, 2]]) }),
  error: () => ({ data: new Error('x') }),
  bytes: () => ({ data: Buffer.from('x') }),
  money: () => ({ data: { total: new Money() } }),
  promise: () => ({ data: { items: [fetch('data:,x')] } }),
  url: () => ({ data: { u: new URL('http://a') } }),
  wanted: () => ({ data: [{ f() {} }] }),
  kept: async ({ state }) => { await state.put('k', new Map()); return { data: await state.get('k') } },
  'kept money': async ({ state }) => { await state.put('k', { total: new Money() }) },
  detail: () => { throw new GatewayError('BACKEND_FAILED', 'the ERP says no', { detail: { total: 10n } }) },
  code: () => { throw new GatewayError('BACKEND_FAILED', 'the ERP says no', { detail: { f() {} } }) },
  circle: ({ log }) => {
    const o = { response: { token: 'not for anybody' } }
    o.response.request = o
    log.error('the ERP failed', o)
    log.error('the ERP failed again', { many: 'x'.repeat(40e6), list: [1], deed: () => 1 })
    return { data: 'said' }
  },
}
const responses = {
  nothing: () => undefined,
  map: () => ({ status: 200, body: new Map() }),
  status: () => ({ status: 99999 }),
  interim: () => ({ status: 103 }),
  text: () => ({ status: '200' }),
  headers: () => ({ status: 200, headers: new Headers({ a: 'b' }) }),
  header: () => ({ status: 200, headers: { 'x-a': 'Ω' } }),
  object: () => ({ status: 200, headers: { 'x-a': { b: 1 } } }),
  fine: () => ({ status: 200, headers: { 'content-length': 4 }, body: 'fine' }),
  undefined: ({ 'x-request-id': id }) => ({ status: 200, headers: { 'x-a': id, 'x-b': 'b' } }),
  null: () => ({ status: 204, headers: { 'x-a': null } }),
  values: () => ({ status: 200, headers: { 'x-a': 1, 'x-b': true, 'x-c': 5n, 'x-d': ['a', null] } }),
  date: () => ({ status: 200, headers: { 'x-a': new Date(0) } }),
  'no-headers': () => ({ status: 200, headers: null, body: Buffer.from('b') }),
  'false-headers': () => ({ status: 200, headers: false, body: new (class extends Uint8Array {})([98]) }),
  stream: () => ({ status: 200, body: new Response('b').body }),
  piece: () => ({ status: 200, body: (async function* () { yield { a: 1 } })() }),
}
const deliveries = { ok: { status: 'ok' }, true: true, absent: { status: 'absent' }, fine: { status: 'sent' } }
export default defineAdapter({
  name: 'm',
  apiVersion: 1,
  channel: {
    config: schema,
    create: () => ({
      async start(host) {
        host.serve('/said', async ({ body }) => {
          const text = Buffer.from(body).toString()
          await host.accept({ kind: 'message', type: 'text', sender: { id: text, role: 'customer' }, parts: [{ kind: 'text', text }] })
          return { status: 202 }
        })
        host.serve('/odd', async ({ query, headers }) => responses[query](headers))
      },
      send: async ({ parts }) => deliveries[parts[0].text],
      async [Symbol.asyncDispose]() {},
    }),
  },
  backend: {
    config: schema,
    create: (_config, scope) => ({
      operations: { M: { safe: true } },
      call: async ({ params }) => answers[params.how](scope),
      async [Symbol.asyncDispose]() {},
    }),
  },
  agent: {
    config: schema,
    create: () => ({
      answer: async ({ parts, channel }) => channel === 'said' ? { text: parts[0].text } : JSON.parse(parts[0].text),
      async [Symbol.asyncDispose]() {},
    }),
  },
})
`
const yaml = `
channels: { web: { adapter: rest }, said: { adapter: m, inDoubt: park } }
backends: { m: { adapter: m, retry: { attempts: 1 }, breaker: { minimumCalls: 1000 } } }
agents: { mb: { adapter: m, breaker: { minimumCalls: 1000 } } }
routes:
  - { when: "type = 'M'", backend: m }
  - { when: "kind = 'message'", agent: mb }
`
let house: House

beforeAll(async () => {
  house = await openHouse({ yaml, plugins: { 'm.ts': source } })
})
afterAll(async () => house[Symbol.asyncDispose]())

function row(): PluginRow {
  const [found] = house.plugins.list()
  if (found === undefined) throw new Error('there is no plugin')
  return found
}

const ask = (how: string): ReturnType<typeof post> => post(`${house.base}/v1/requests/M`, { how })

test.each([
  ['text', /is no object/],
  ['unwrapped', /has none of .*; it has `orderNo`/],
  ['map', /class Map, which is not plain data/],
  ['error', /class Error, which is not plain data/],
  ['bytes', /class Uint8Array, which is not plain data/],
])('a backend that answers %s is 502, and its plugin is told why', async (how, problem) => {
  const { errors } = row()
  expect(await ask(how)).toMatchObject({
    status: 502,
    body: { code: 'BACKEND_FAILED', detail: expect.stringMatching(problem) },
  })
  expect(row().errors).toBe(errors + 1)
  expect(row().failure?.message).toMatch(/^m\.ts: backend "m" failed: the answer of operation "M": /u)
  expect(row().failure?.message).toMatch(problem)
})

test.each([
  ['money', 'data.total is an object of the class Money, which is not plain data'],
  ['promise', 'data.items[0] is a Promise: await it'],
  ['url', 'data.u is a URL: write String(…)'],
  ['wanted', 'data[0].f is a function, which is not plain data'],
  ['kept money', 'total is an object of the class Money, which is not plain data'],
])(
  'what a clone would empty, or cannot take, is 502, and the author is told where it is (%s)',
  async (how, problem) => {
    expect(await ask(how)).toMatchObject({ status: 502, body: { code: 'BACKEND_FAILED' } })
    expect(row().failure?.message).toContain(`backend "m" failed: ${problem}`)
  },
)

test('a state value that JSON would empty is refused', async () => {
  expect(await ask('kept')).toMatchObject({ status: 502, body: { code: 'BACKEND_FAILED' } })
  expect(row().failure?.message).toContain('a state value holds an object of the class Map')
})

test.each(['detail', 'code'])(
  'an error keeps its code and message where its detail is no plain data (%s)',
  async (how) => {
    expect(await ask(how)).toMatchObject({
      status: 502,
      body: { code: 'BACKEND_FAILED', detail: 'the ERP says no' },
    })
    expect(house.log()).toMatch(/the ERP says no.*: the detail is left out/)
  },
)

test.each([
  ['{"answer":"hi"}', /has none of .*; it has `answer`/],
  ['{"handoff":true}', /has a handoff that is no text/],
])('an agent that answers %s has failed, and its plugin is told why', async (answer, problem) => {
  const { errors } = row()
  const said = await say(house.base, answer, { waitSeconds: 5, customer: `ann ${answer.length}` })
  expect(said).toMatchObject({ status: 502, body: { code: 'AGENT_FAILED' } })
  expect(row().errors).toBeGreaterThan(errors) // it is asked again, as after any breakage
  expect(row().failure?.message).toMatch(problem)
})

test('a log line with a circle, or with more than crosses, goes out in outline, without what is secret by its name', async () => {
  expect((await ask('circle')).body).toBe('said')
  const line = (said: string): unknown => {
    const found = house
      .log()
      .split('\n')
      .find((each) => each.includes(`"${said}"`))
    return found === undefined ? undefined : JSON.parse(found)
  }
  expect(await until(() => line('the ERP failed'))).toMatchObject({
    level: 'error',
    component: 'backend m',
    response: { token: '***', request: { response: '<deeper>' } },
  })
  expect(await until(() => line('the ERP failed again'))).toMatchObject({
    many: expect.stringContaining('(40000000 characters)'),
    list: [1],
    deed: '() => 1',
  })
})

test.each([
  ['ok', 'channel "said" returned { status: \'ok\' } from send: write { status: "sent" }'],
  ['true', 'channel "said" returned true from send'],
  ['absent', 'write { status: "absent", keepMs: 60000 }'],
])(
  'SEMANTICS 6: a channel that returns %s from send: the push is in doubt, and parked if its config says so',
  async (text, reason) => {
    await fetch(`${house.base}/said`, { method: 'POST', body: text })
    const dead = await until(async () =>
      (await house.dead()).find(({ message }) => message.parts?.[0]?.text === text),
    )
    expect(dead.failure).toMatchObject({ code: 'CHANNEL_GONE', message: expect.stringContaining(reason) })
    expect(row().failure?.message).toContain(`channel "said" failed: channel "said" returned`)
    expect(house.log()).not.toContain('Cannot read properties')
  },
)

test.each([
  ['nothing', '; it returns undefined'],
  ['map', '; its body is of the class Map'],
  ['status', '; its status is 99999'],
  ['interim', '; its status is 103'],
  ['text', '; its status is "200"'],
  ['headers', '; its headers are of the class Headers, not { name: text }'],
  ['header', '; its header "x-a" is "Ω"'],
  ['object', '; its header "x-a" is an object'],
])(
  'a handler that answers with %s: 500, and the author is told his line, his path and what to return',
  async (how, wrong) => {
    expect((await fetch(`${house.base}/odd?${how}`)).status).toBe(500)
    const line = source.split('\n').findIndex((text) => text.includes("host.serve('/odd'")) + 1
    expect(row().failure?.message).toBe(
      `m.ts:${line}: channel "said" failed: the handler of /odd must return { status: 200…599, body?: text, bytes or an async iterable of them }${wrong}`,
    )
  },
)

test.each([
  ['undefined', 200, { 'x-a': null, 'x-b': 'b' }, ''],
  ['null', 204, { 'x-a': 'null' }, ''],
  ['values', 200, { 'x-a': '1', 'x-b': 'true', 'x-c': '5', 'x-d': 'a, null' }, ''],
  ['date', 200, { 'x-a': String(new Date(0)) }, ''],
  ['no-headers', 200, {}, 'b'],
  ['false-headers', 200, {}, 'b'],
  ['stream', 200, {}, 'b'],
])(
  'a handler may answer with what Node writes all the same, and a header that is undefined is left out (%s)',
  async (how, status, headers, body) => {
    const response = await fetch(`${house.base}/odd?${how}`)
    expect([response.status, await response.text()]).toEqual([status, body])
    for (const [name, value] of Object.entries(headers)) expect(response.headers.get(name)).toBe(value)
  },
)

test('a handler that streams what is neither text nor bytes: the response is cut, and the author is told', async () => {
  expect(await (await fetch(`${house.base}/odd?fine`)).text()).toBe('fine')
  await expect(fetch(`${house.base}/odd?piece`).then(async (response) => response.text())).rejects.toThrow(
    'terminated',
  )
  expect(row().failure?.message).toMatch(
    /^m\.ts:\d+: channel "said" failed: the handler of \/odd must stream texts or bytes; a piece of its body is an object$/,
  )
})
