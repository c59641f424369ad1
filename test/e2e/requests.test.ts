// SEMANTICS "Calls to business systems", on a whole gateway: claimed before begun, answered once, unknown where nobody knows.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import type { Answer } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import type { HandBackend } from '../support/parts.ts'
import { metric, post, readLog } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest } }
backends: { erp: { adapter: erp, timeout: 5s, breaker: { minimumCalls: 1000 } } }
routes: [{ backend: erp }]
`

function erp(call: HandBackend['call']): HandBackend {
  return handBackend(
    'erp',
    { Look: { safe: true }, Pay: { safe: false }, Order: { safe: false, idempotent: true } },
    call,
  )
}

const never = (): Promise<Answer> => new Promise(() => undefined)
const request = (base: string, operation: string, key?: string, params: object = { n: 1 }) =>
  post<{ code?: string; n?: number; by?: string }>(
    `${base}/v1/requests/${operation}`,
    params,
    key === undefined ? {} : { key },
  )

const ways: readonly (readonly [string, HandBackend['call']])[] = [
  ['no answer in time', never],
  [
    'a cut connection',
    async () => {
      throw new GatewayError('BACKEND_FAILED', 'connection reset')
    },
  ],
  [
    'an answer nobody can read',
    async () => {
      throw new GatewayError('DECODE_FAILED', 'that is no answer')
    },
  ],
  ['an answer that is none', async () => 'done' as Answer],
]
test.each(ways)(
  'SEMANTICS 2: an unsafe call that ends in %s is OUTCOME_UNKNOWN for every duplicate, a dead letter, never called again',
  async (_way, call) => {
    const backend = erp(call)
    const short = yaml.replace('timeout: 5s', 'timeout: 200ms')
    await using house = await openHouse({ yaml: short, adapters: [backend.adapter] })
    const first = await request(house.base, 'Pay', 'p1')
    expect(first.status).toBe(409)
    expect(first.body).toMatchObject({ code: 'OUTCOME_UNKNOWN', retryable: false })
    backend.call = async () => ({ data: 'paid' })
    for (let n = 0; n < 3; n++) expect((await request(house.base, 'Pay', 'p1')).status).toBe(409)
    expect(backend.calls).toHaveLength(1)
    const [dead, ...more] = await house.dead()
    expect(more).toEqual([])
    expect(dead).toMatchObject({ failure: { code: 'OUTCOME_UNKNOWN' }, message: { type: 'Pay' } })
    expect(new TextDecoder().decode(dead?.raw?.bytes)).toBe('{"n":1}')
    expect(dead?.attempts).toHaveLength(1)
    expect((await request(house.base, 'Pay', 'p1', { n: 2 })).status).toBe(422)
  },
)

test('SEMANTICS 2: killed during an unsafe call: OUTCOME_UNKNOWN after the restart, in the dead letters, never called again', async () => {
  const backend = erp(never)
  const first = await openHouse({ yaml, adapters: [backend.adapter] })
  const cut = Promise.allSettled([request(first.base, 'Pay', 'p1'), request(first.base, 'Pay')])
  await until(() => (backend.calls.length === 2 ? true : undefined))
  await first.crash()
  await cut
  backend.call = async () => ({ data: 'paid' })
  await using house = await openHouse({ yaml, adapters: [backend.adapter], directory: first.directory })
  const again = await request(house.base, 'Pay', 'p1')
  expect(again.status).toBe(409)
  expect(again.body.code).toBe('OUTCOME_UNKNOWN')
  // The one without an id too: nobody will ask for it, an operator has to.
  const dead = await until(async () => {
    const letters = await house.dead()
    return letters.length === 2 ? letters : undefined
  })
  expect(dead.map(({ failure }) => failure.code)).toEqual(['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN'])
  expect(backend.calls).toHaveLength(2)
})

test('SEMANTICS 2: killed during an idempotent call: it is called again with the same key, and that is the answer', async () => {
  const backend = erp(never)
  const first = await openHouse({ yaml, adapters: [backend.adapter] })
  const cut = Promise.allSettled([request(first.base, 'Order', 'o1'), request(first.base, 'Look', 'l1')])
  await until(() => (backend.calls.length === 2 ? true : undefined))
  await first.crash()
  await cut
  backend.call = async ({ operation, attempt }) => ({ data: { by: `${operation} ${attempt}` } })
  await using house = await openHouse({ yaml, adapters: [backend.adapter], directory: first.directory })
  const again = await request(house.base, 'Order', 'o1')
  expect(again.body).toEqual({ by: 'Order 2' })
  const orders = backend.calls.filter(({ operation }) => operation === 'Order')
  expect(orders).toHaveLength(2)
  expect(new Set(orders.map(({ key }) => key)).size).toBe(1)
  expect(await house.dead()).toEqual([])
})

test('SEMANTICS 2: the answer is stored before the caller gets it: after a crash the same id gets it again', async () => {
  const backend = erp(async () => ({ data: { by: 'the first' } }))
  const first = await openHouse({ yaml, adapters: [backend.adapter] })
  expect((await request(first.base, 'Pay', 'p1')).body).toEqual({ by: 'the first' })
  await first.crash()
  backend.call = async () => ({ data: { by: 'the second' } })
  await using house = await openHouse({ yaml, adapters: [backend.adapter], directory: first.directory })
  expect((await request(house.base, 'Pay', 'p1')).body).toEqual({ by: 'the first' })
  expect((await request(house.base, 'Pay', 'p1', { n: 2 })).status).toBe(422)
  expect(backend.calls).toHaveLength(1)
})

test('a business fault is an answer: stored, and the same for a duplicate', async () => {
  const backend = erp(async () => ({ fault: { code: 'NoFunds', message: 'the account is empty' } }))
  await using house = await openHouse({ yaml, adapters: [backend.adapter] })
  const first = await request(house.base, 'Pay', 'p1')
  expect(first.status).toBe(422)
  expect(await request(house.base, 'Pay', 'p1')).toMatchObject({ status: 422, body: first.body })
  expect(backend.calls).toHaveLength(1)
  expect(await house.dead()).toEqual([])
})

test('SEMANTICS 2: without an id each arrival is a call of its own, at most once', async () => {
  const backend = erp(async () => {
    throw new GatewayError('BACKEND_FAILED', 'connection reset')
  })
  await using house = await openHouse({ yaml, adapters: [backend.adapter] })
  expect((await request(house.base, 'Pay')).status).toBe(409)
  expect((await request(house.base, 'Pay')).status).toBe(409)
  expect(backend.calls.map(({ attempt }) => attempt)).toEqual([1, 1])
  expect(new Set(backend.calls.map(({ key }) => key)).size).toBe(2)
  expect(await house.dead()).toHaveLength(2)
})

test('SEMANTICS 35: whoever comes during a call gets its outcome: the answer', async () => {
  const gate = Promise.withResolvers<void>()
  const backend = erp(async () => {
    await gate.promise
    return { data: { by: 'one call' } }
  })
  await using house = await openHouse({ yaml, adapters: [backend.adapter] })
  const all = ['Look', 'Look', 'Look', 'Look'].map((operation) => request(house.base, operation, 'l1'))
  await until(() => (backend.calls.length === 1 ? true : undefined))
  const late = request(house.base, 'Look', 'l1')
  gate.resolve()
  for (const { body } of await Promise.all([...all, late])) expect(body).toEqual({ by: 'one call' })
  expect(backend.calls).toHaveLength(1)
})

test('SEMANTICS 35: whoever comes during a call gets its outcome: the error', async () => {
  const gate = Promise.withResolvers<void>()
  const backend = erp(async () => {
    await gate.promise
    throw new GatewayError('BACKEND_FAILED', 'out of order', { retryAfterMs: 7000 })
  })
  await using house = await openHouse({ yaml, adapters: [backend.adapter] })
  const all = Array.from({ length: 4 }, () => request(house.base, 'Look', 'l1'))
  await until(async () =>
    (await metric(house.base, 'dragoman_intake_total{result="offered"}')) === 4 ? true : undefined,
  )
  gate.resolve()
  for (const { status, headers, body } of await Promise.all(all)) {
    expect(status).toBe(502)
    expect(body.code).toBe('BACKEND_FAILED')
    expect(headers.get('retry-after')).toBe('7')
  }
  expect(backend.calls).toHaveLength(1)
})

test('SEMANTICS 37: a client who goes takes a safe call along, an unsafe one runs to its end and is stored', async () => {
  const ended: string[] = []
  const gate = Promise.withResolvers<void>()
  const backend = erp(async ({ operation }, signal) => {
    signal.addEventListener('abort', () => ended.push(operation))
    await gate.promise
    return { data: { by: operation } }
  })
  await using house = await openHouse({ yaml, adapters: [backend.adapter] })
  const gone = new AbortController()
  const { signal } = gone
  const cut = Promise.allSettled([
    post(`${house.base}/v1/requests/Look`, {}, { signal }),
    post(`${house.base}/v1/requests/Pay`, {}, { signal, key: 'p1' }),
  ])
  await until(() => (backend.calls.length === 2 ? true : undefined))
  gone.abort()
  await cut
  await until(() => (ended.length > 0 ? true : undefined))
  gate.resolve()
  expect((await request(house.base, 'Pay', 'p1', {})).body).toEqual({ by: 'Pay' })
  expect(ended).toEqual(['Look'])
  expect(backend.calls).toHaveLength(2)
})

test('SEMANTICS 2: a message routed to an unsafe operation and orphaned by a crash is OUTCOME_UNKNOWN, not called again', async () => {
  const messages = yaml.replace('{ backend: erp }', '{ backend: erp, operation: Pay }')
  const backend = erp(never)
  const first = await openHouse({ yaml: messages, adapters: [backend.adapter] })
  const body = { sender: { id: 'ann' }, text: 'pay 5' }
  await post(`${first.base}/v1/messages`, body, { key: 'm1' })
  await until(() => (backend.calls.length === 1 ? true : undefined))
  await first.crash()
  backend.call = async () => ({ data: 'paid' })
  await using house = await openHouse({
    yaml: messages,
    adapters: [backend.adapter],
    directory: first.directory,
  })
  await until(async () => ((await house.dead()).length === 1 ? true : undefined))
  const again = await post(`${house.base}/v1/messages`, body, { key: 'm1' })
  expect(again.status).toBe(409)
  expect(again.body.code).toBe('OUTCOME_UNKNOWN')
  expect(backend.calls).toHaveLength(1)
  expect(await house.ledger()).toMatchObject({ accepted: 1, dead: 1, settled: 0, waiting: 0 })
  // The lane goes on.
  const next = await post(
    `${house.base}/v1/messages`,
    { ...body, text: 'pay 6' },
    { key: 'm2', waitSeconds: 10 },
  )
  expect(next.body.reply).toMatchObject({ data: 'paid' })
})

test('SEMANTICS 18: record: true stores the request and its answer; a duplicate gets the stored one', async () => {
  const backend = erp(async ({ key }) => ({ data: { by: key } }))
  const recorded = yaml.replace('{ backend: erp }', '{ backend: erp, record: true }')
  const first = await openHouse({ yaml: recorded, adapters: [backend.adapter] })
  const answer = await request(first.base, 'Pay', 'p1')
  expect(answer.status).toBe(200)
  await first.crash()
  await using house = await openHouse({
    yaml: recorded,
    adapters: [backend.adapter],
    directory: first.directory,
  })
  expect((await request(house.base, 'Pay', 'p1')).body).toEqual(answer.body)
  expect((await request(house.base, 'Pay', 'p1', { n: 2 })).status).toBe(422)
  expect(backend.calls).toHaveLength(1)
  const log = await readLog(house.base, 'web:web')
  expect(log.map(({ kind, direction, sequence }) => [kind, direction, sequence])).toEqual([
    ['request', 'inbound', 1],
    ['message', 'outbound', 2],
  ])
  expect(backend.calls[0]?.key).toBe(log[0]?.id)
})

test('SEMANTICS 18: recorded requests run side by side, with the same `ordered` one after the other', async () => {
  const running = new Map<string, number>()
  const order: number[] = []
  let together = 0
  const backend = erp(async ({ params }) => {
    const { account = '', n = 0 } = params as { account?: string; n?: number } // the test sends them
    running.set(account, (running.get(account) ?? 0) + 1)
    if ((running.get(account) ?? 0) > 1) throw new Error('two at once')
    together = Math.max(together, [...running.values()].filter((count) => count > 0).length)
    if (account === 'a') order.push(n)
    await new Promise((resolve) => setImmediate(resolve))
    running.set(account, 0)
    return { data: { n } }
  })
  const ordered = yaml.replace('{ backend: erp }', '{ backend: erp, record: true, ordered: data.account }')
  await using house = await openHouse({ yaml: ordered, adapters: [backend.adapter] })
  const calls: Promise<unknown>[] = []
  for (let n = 0; n < 12; n++) {
    for (const account of ['a', 'b', 'c'])
      calls.push(request(house.base, 'Pay', `${account}${n}`, { account, n }))
    await until(async () => ((await house.ledger()).accepted === (n + 1) * 3 ? true : undefined))
  }
  for (const answer of await Promise.all(calls)) expect(answer).toMatchObject({ status: 200 })
  expect(order).toEqual(Array.from({ length: 12 }, (_, index) => index))
  expect(together).toBeGreaterThan(1)
})

test('SEMANTICS 2, on a real socket: cut after the request went out, the outcome is unknown', async () => {
  let arrived = 0
  const server = createServer((incoming) => {
    arrived++
    incoming.resume().once('end', () => incoming.socket.destroy())
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
  const { port } = server.address() as AddressInfo // it listens on TCP
  await using _ = { [Symbol.asyncDispose]: async () => void server.close() }
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
backends: { shop: { adapter: rest, url: "http://127.0.0.1:${port}", operations: { Pay: { method: POST, path: /pay } } } }
routes: [{ backend: shop }]
`,
  })
  expect((await request(house.base, 'Pay', 'p1')).body.code).toBe('OUTCOME_UNKNOWN')
  expect((await request(house.base, 'Pay', 'p1')).status).toBe(409)
  expect(arrived).toBe(1)
})

test('SEMANTICS 2, 3: while its plugin is broken nothing that was begun is made again, and queued writes wait', async () => {
  const recorded = `
channels: { web: { adapter: rest } }
backends:
  erp: { adapter: erp, timeout: 5s, operations: { Pay: {}, Write: { onFailure: queue, queueKey: orderNo } } }
routes:
  - { when: "type = 'Pay'", backend: erp, record: true }
  - { backend: erp }
`
  const make = (call: HandBackend['call']): HandBackend =>
    handBackend('erp', { Pay: { safe: false }, Write: { safe: false } }, call)
  const backend = make(async ({ operation }) => {
    if (operation === 'Pay') return never()
    throw new GatewayError('BACKEND_FAILED', 'no connection', { notExecuted: true })
  })
  const first = await openHouse({ yaml: recorded, adapters: [backend.adapter] })
  const { directory } = first
  const cut = Promise.allSettled([request(first.base, 'Pay', 'p1')])
  expect((await request(first.base, 'Write', 'w1', { orderNo: 1, n: 1 })).status).toBe(202)
  await until(() => (backend.calls.some(({ operation }) => operation === 'Pay') ? true : undefined))
  await first.crash()
  await cut

  const broken = await openHouse({ yaml: recorded, directory, plugins: { 'erp.ts': 'export default (' } })
  expect((await request(broken.base, 'Write', 'w2', { orderNo: 1, n: 2 })).status).toBe(202)
  expect((await request(broken.base, 'Pay', 'p1')).body.code).toBe('OUTCOME_UNKNOWN')
  await broken.crash()

  const mended = make(async ({ params }) => ({ data: params }))
  await using house = await openHouse({ yaml: recorded, directory, adapters: [mended.adapter] })
  await until(() => (mended.calls.length === 2 ? true : undefined))
  expect(mended.calls.map(({ params }) => params)).toEqual([
    { orderNo: 1, n: 1 },
    { orderNo: 1, n: 2 },
  ])
  expect((await request(house.base, 'Pay', 'p1')).body.code).toBe('OUTCOME_UNKNOWN')
})
