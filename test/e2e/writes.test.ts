// SEMANTICS 2, 3, 19: a write whose system is down is stored, answered 202 with its status, and made in order when it is back.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import type { House } from '../support/house.ts'
import { stopwatch } from '../support/processor.ts'
import { metric, post } from '../support/rest.ts'
import { OPEN, ended, refused, statusOf, world, yaml } from './writes-world.ts'
import type { Body } from './writes-world.ts'

const cut = async (): Promise<never> => {
  throw new GatewayError('BACKEND_FAILED', 'cut in the middle')
}

async function dead(house: House, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${house.base}/admin/v1/dead-letters${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: 'Bearer test-admin-token', 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return (await response.json()) as Record<string, unknown> // our own admin API
}

test('SEMANTICS 28: a full queue says that it is one', async () => {
  const { house, write, backend } = await world(undefined, { more: 'lanes: { limit: 2 }' })
  await using _ = house
  backend.call = refused
  let full = await write('1')
  for (let n = 2; full.status === 202 && n < 9; n++) full = await write(String(n))
  expect(full).toMatchObject({ status: 429, body: { code: 'OVERLOADED' } })
  expect(full.body.detail).toMatch(/^\d writes with the same queue key wait already; try again later$/u)
  expect((await write('other', { orderNo: '2' })).status).toBe(202)
})

test('while all is well it is answered as ever; a repeat gets that answer', async () => {
  const { house, write, backend } = await world()
  await using _ = house
  expect(await write('a', { key: 'k' })).toMatchObject({ status: 200, body: { done: 'a' } })
  expect(await write('a', { key: 'k' })).toMatchObject({ status: 200, body: { done: 'a' } })
  expect(await write('b', { key: 'k' })).toMatchObject({ status: 422 })
  expect(backend.calls).toHaveLength(1)
})

test('proven that nothing was done: 202 with a status, made when the system is back, in order per key, each once with one key', async () => {
  const { house, write, backend, made } = await world()
  await using _ = house
  backend.call = refused
  const first = await write('1', { key: 'k1' })
  expect(first.status).toBe(202)
  expect(first.headers.get('location')).toBe(first.body.status)
  expect(await statusOf(first.body.status)).toMatchObject({
    id: first.body.id,
    operation: 'Order',
    state: expect.stringMatching(OPEN),
  })
  const watch = stopwatch()
  const others = [await write('2'), await write('3', { operation: 'Cancel' })]
  expect(watch()).toBeLessThan(900) // they stand behind: nobody waits for the system
  expect(others.map(({ status }) => status)).toEqual([202, 202])
  // A repeat is told the same; other orders are not held up.
  expect(await write('1', { key: 'k1' })).toMatchObject({
    status: 202,
    body: { id: first.body.id, duplicate: true, status: first.body.status },
  })
  const keys = new Set(backend.calls.map(({ key }) => key))
  backend.call = async ({ params }) => ({ data: { done: (params as { n: string }).n } })
  expect(await write('x', { orderNo: '2' })).toMatchObject({ status: 200, body: { done: 'x' } })
  const before = backend.calls.length
  for (const [at, answer] of [first, ...others].entries())
    expect(await ended(answer.body.status)).toMatchObject({ state: 'done', result: { done: String(at + 1) } })
  expect(made().slice(before)).toEqual(['1', '2', '3'])
  for (const key of keys) expect(key).toBe(first.body.id)
  expect(backend.calls.slice(before).map(({ key }) => key)).toEqual(
    [first, ...others].map(({ body }) => body.id),
  )
  expect(await write('1', { key: 'k1' })).toMatchObject({ status: 200, body: { done: '1' } })
  expect(await metric(house.base, 'dragoman_queued_writes_total{channel="web",how="queued"}')).toBe(4)
  expect(await house.ledger()).toMatchObject({ accepted: 4, settled: 4, waiting: 0 })
})

test('an open breaker queues, and its probe is the queue’s own head', async () => {
  const { house, write, backend } = await world()
  await using _ = house
  await house.reload(yaml().replace('minimumCalls: 1000', 'minimumCalls: 2, openFor: 1s'))
  backend.call = refused
  const answers = [await write('1'), await write('2', { orderNo: '2' }), await write('3', { orderNo: '3' })]
  expect(answers.map(({ status }) => status)).toEqual([202, 202, 202])
  backend.call = async () => ({ data: { done: 'late' } })
  for (const { body } of answers) expect((await ended(body.status)).state).toBe('done')
})

test('a queue outlives the gateway: kill and start, the same key, in order, each once', async () => {
  const first = await world()
  first.backend.call = refused
  const answers = [await first.write('1'), await first.write('2'), await first.write('3')]
  await first.house.crash()
  await using second = await (async () => {
    const { house, backend, made } = await world(undefined, { directory: first.house.directory })
    return { house, backend, made, [Symbol.asyncDispose]: () => house[Symbol.asyncDispose]() }
  })()
  await until(() => (second.backend.calls.length === 3 ? true : undefined))
  expect(second.made()).toEqual(['1', '2', '3'])
  expect(second.backend.calls.map(({ key }) => key)).toEqual(answers.map(({ body }) => body.id))
})

test('an outcome nobody knows is said, stops its key and waits for the operator: never repeated', async () => {
  const { house, write, backend, made } = await world()
  await using _ = house
  backend.call = cut
  const unknown = await write('1', { key: 'k1' })
  expect(unknown).toMatchObject({ status: 409, body: { code: 'OUTCOME_UNKNOWN' } })
  backend.call = async ({ params }) => ({ data: { done: (params as { n: string }).n } })
  expect((await write('1', { key: 'k1' })).body.code).toBe('OUTCOME_UNKNOWN')
  const behind = await write('2')
  expect(behind.status).toBe(202)
  expect((await write('x', { orderNo: '2' })).status).toBe(200)
  const { letters } = await dead(house, '')
  expect(letters).toMatchObject([{ code: 'OUTCOME_UNKNOWN', halts: true, type: 'Order' }])
  expect(await metric(house.base, 'dragoman_queued_writes_total{channel="web",how="halted"}')).toBe(1)
  expect((await statusOf(behind.body.status)).state).toBe('queued')
  expect(made()).toEqual(['1', 'x'])
  // He has looked: it is there. The next one goes.
  const [{ id }] = letters as [{ id: string }]
  await dead(house, '/drop', { id, reason: 'the order is there' })
  expect(await ended(behind.body.status)).toMatchObject({ state: 'done', result: { done: '2' } })
  expect((await write('1', { key: 'k1' })).body).toMatchObject({
    code: 'OUTCOME_UNKNOWN',
    detail: expect.stringContaining('the order is there'),
  })
  expect(made()).toEqual(['1', 'x', '2'])
  expect(await house.dead()).toEqual([])
})

test('SEMANTICS 3: a write nobody knows the outcome of stays unknown when the operator gives it up: it may have been made', async () => {
  const { house, write, backend } = await world()
  await using _ = house
  backend.call = refused
  const { body } = await write('1')
  backend.call = cut
  expect(await ended(body.status)).toMatchObject({ state: 'unknown' })
  const [letter] = await house.dead()
  await dead(house, '/drop', { id: letter?.id, reason: 'the order is there' })
  expect(await statusOf(body.status)).toMatchObject({
    state: 'unknown',
    error: { code: 'OUTCOME_UNKNOWN', message: expect.stringContaining('the order is there') },
  })
})

test('let go by the operator it is made where it stands, under its own key, and the rest follows in order', async () => {
  const { house, write, backend, made } = await world()
  await using _ = house
  backend.call = cut
  const first = await write('1', { key: 'k1' })
  expect(first.status).toBe(409)
  const behind = await write('2')
  backend.call = async ({ params }) => ({ data: { done: (params as { n: string }).n } })
  const [letter] = await house.dead()
  expect(await dead(house, '/replay', { id: letter?.id })).toMatchObject({ as: letter?.id })
  await ended(behind.body.status)
  expect(made()).toEqual(['1', '1', '2'])
  expect(new Set(backend.calls.slice(0, 2).map(({ key }) => key)).size).toBe(1)
  expect(await write('1', { key: 'k1' })).toMatchObject({ status: 200, body: { done: '1' } })
})

test('an idempotent write is queued also where nobody knows, and made again with the same key', async () => {
  const { house, write, backend } = await world(undefined, { idempotent: true })
  await using _ = house
  backend.call = cut
  const answer = await write('1')
  expect(answer.status).toBe(202)
  await until(() => (backend.calls.length >= 2 ? true : undefined))
  backend.call = async () => ({ data: { done: '1' } })
  expect((await ended(answer.body.status)).state).toBe('done')
  expect(new Set(backend.calls.map(({ key }) => key)).size).toBe(1)
  expect(await house.dead()).toEqual([])
})

test('onPoison: what cannot be made once it was promised stops its key, or with `skip` is left behind', async () => {
  for (const onPoison of ['halt', 'skip']) {
    const { house, write, backend, made } = await world(
      `{ onFailure: queue, queueKey: orderNo, onPoison: ${onPoison} }`,
    )
    await using _ = house
    backend.call = refused
    const poison = await write('poison')
    const behind = await write('2')
    expect([poison.status, behind.status]).toEqual([202, 202])
    backend.call = async ({ params }) => {
      const { n } = params as { n: string } // as the tests send it
      if (n === 'poison') throw new GatewayError('ENCODE_FAILED', 'no such field', { notExecuted: true })
      return { data: { done: n } }
    }
    if (onPoison === 'halt') {
      await until(async () => ((await statusOf(poison.body.status)).state === 'halted' ? true : undefined))
      expect(made()).not.toContain('2')
      expect((await house.dead())[0]).toMatchObject({ halts: true, failure: { code: 'ENCODE_FAILED' } })
      // Put right, it goes as a new write behind the others.
      const [letter] = await house.dead()
      await dead(house, '/replay', { id: letter?.id, edit: { data: { n: 'mended', orderNo: '1' } } })
      await until(() => (made().includes('mended') ? true : undefined))
      expect(made().filter((n) => n !== 'poison')).toEqual(['2', 'mended'])
      expect((await statusOf(poison.body.status)).state).toBe('failed')
    } else {
      expect((await ended(behind.body.status)).state).toBe('done')
      expect(await statusOf(poison.body.status)).toMatchObject({
        state: 'failed',
        error: { code: 'ENCODE_FAILED' },
      })
      expect(await house.dead()).toHaveLength(1)
    }
  }
})

test('a refusal goes to who waits for it, and is nobody’s dead letter', async () => {
  const { house, write, backend } = await world()
  await using _ = house
  backend.call = async () => {
    throw new GatewayError('ENCODE_FAILED', 'no such field', { notExecuted: true })
  }
  expect(await write('1')).toMatchObject({ status: 500, body: { code: 'ENCODE_FAILED' } })
  backend.call = async () => ({ fault: { code: 'NoStock', message: 'sold out' } })
  expect((await write('2')).body.code).toBe('NoStock')
  expect(await house.dead()).toEqual([])
})

test('a write that was sent and not answered in time is unknown, to its caller and to who repeats it meanwhile; never 202', async () => {
  const { house, write, backend } = await world()
  await using _ = house
  backend.call = () => new Promise(() => undefined)
  const first = write('1', { key: 'k1' })
  await until(() => (backend.calls.length === 1 ? true : undefined))
  const again = write('1', { key: 'k1' })
  const unknown = { status: 409, body: { code: 'OUTCOME_UNKNOWN' } }
  expect(await first).toMatchObject(unknown)
  expect(await again).toMatchObject(unknown)
  expect(backend.calls).toHaveLength(1)
})

test('killed in the middle of a call: unknown, its key stopped, and nothing repeated', async () => {
  const first = await world()
  let isCalled = false
  first.backend.call = () => {
    isCalled = true
    return new Promise(() => undefined)
  }
  const hanging = first.write('1', { key: 'k1' }).catch(() => undefined)
  await until(() => (isCalled ? true : undefined))
  await first.house.crash()
  await hanging
  const second = await world(undefined, { directory: first.house.directory })
  await using _ = second.house
  const letter = await until(async () => (await second.house.dead())[0])
  expect(letter).toMatchObject({ halts: true, failure: { code: 'OUTCOME_UNKNOWN' } })
  expect((await second.write('1', { key: 'k1' })).body.code).toBe('OUTCOME_UNKNOWN')
  expect((await second.write('2')).status).toBe(202)
  expect(second.backend.calls).toEqual([])
})

test('without a key the writes of one customer keep their order, and those of nobody wait for nobody', async () => {
  const { house, backend } = await world('{ onFailure: queue }')
  await using _ = house
  backend.call = async ({ params }) =>
    (params as { n: string }).n === 'bad' ? refused() : { data: { done: 'ok' } }
  const write = (n: string, customer?: string) =>
    post<Body>(
      `${house.base}/v1/requests/Order`,
      { n },
      customer === undefined ? {} : { headers: { authorization: `Bearer ${customer}` } },
    )
  expect((await write('bad', 'ann')).status).toBe(202)
  expect((await write('good', 'ann')).status).toBe(202)
  expect((await write('good', 'bob')).status).toBe(200)
  expect((await write('bad')).status).toBe(202)
  expect((await write('good')).status).toBe(200)
})

test('callers of SOAP, plain XML, ASMX and GraphQL are told as well, in their way', async () => {
  const { house, backend } = await world()
  await using _ = house
  await house.reload(yaml().replace('Order: {', 'SubmitTicket: { onFailure: queue }, Order: {'))
  backend.call = refused
  const pox = await fetch(`${house.base}/erp`, {
    method: 'POST',
    headers: { 'content-type': 'text/xml' },
    body: '<Order><orderNo>1</orderNo></Order>',
  })
  expect(pox.status).toBe(202)
  expect((await statusOf(pox.headers.get('location') ?? '')).state).toMatch(OPEN)
  const soap = await fetch(`${house.base}/crm`, {
    method: 'POST',
    headers: { 'content-type': 'text/xml', soapaction: '""' },
    body: '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><SubmitTicket xmlns="urn:example:crm"><customerId>c</customerId><description>d</description><requestId>r</requestId></SubmitTicket></e:Body></e:Envelope>',
  })
  expect(soap.status).toBe(202)
  expect((await statusOf(soap.headers.get('location') ?? '')).state).toMatch(OPEN)
  const graphql = await post<{ data: { request: { status: string } } }>(`${house.base}/graphql`, {
    query: 'mutation { request(operation: "Order", params: { orderNo: "3" }) { id status } }',
  })
  expect((await statusOf(graphql.body.data.request.status)).state).toMatch(OPEN)
  const asmx = await fetch(`${house.base}/erp/Order?orderNo=2`)
  expect((await statusOf(asmx.headers.get('location') ?? '')).state).toMatch(OPEN)
})

test('the status is for who has its address, and for nobody else', async () => {
  const { house, write, backend } = await world()
  await using _ = house
  backend.call = refused
  const { body } = await write('1')
  const url = new URL(body.status ?? '')
  expect((await fetch(url, { method: 'POST' })).status).toBe(405)
  url.searchParams.set('token', 'x')
  expect((await fetch(url)).status).toBe(401)
  expect((await fetch(`${house.base}/v1/status/${body.id}`)).status).toBe(401)
})
