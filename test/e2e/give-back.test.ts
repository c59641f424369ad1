// SEMANTICS 2, 3, 33: what a caller is told when the store is away while he waits: never less than is known, never more.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import type { Store } from '../../core/store/store.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent, handBackend } from '../support/parts.ts'
import { post, say } from '../support/rest.ts'

const yaml = (timeout: string): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: bot } }
backends:
  orders: { adapter: orders, timeout: ${timeout}, operations: { Order: { onFailure: queue, queueKey: orderNo } } }
routes: [{ when: "kind = 'request'", backend: orders }, { agent: helper }]
`
interface Body {
  readonly id: string
  readonly code?: string
  readonly done?: string
  readonly statusUrl?: string
}

/** A gateway whose store refuses the operations in `away`. */
async function world(timeout = '300ms') {
  const away = new Set<string | symbol>()
  const around = (store: Store): Store =>
    new Proxy(store, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target)
        if (typeof value !== 'function') return value
        return (...given: unknown[]): unknown =>
          away.has(name)
            ? Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away'))
            : Reflect.apply(value, target, given)
      },
    })
  const backend = handBackend('orders', { Order: { safe: false } }, async () => ({ data: { done: 'yes' } }))
  const bot = handAgent('bot', echo)
  const house = await openHouse({ yaml: yaml(timeout), adapters: [backend.adapter, bot.adapter], around })
  const order = (key?: string) =>
    post<Body>(`${house.base}/v1/requests/Order`, { orderNo: '1' }, key === undefined ? {} : { key })
  return { away, backend, bot, house, order }
}

test('SEMANTICS 3: a write that was made and whose end cannot be stored is not said to be queued', async () => {
  const { away, backend, house, order } = await world()
  await using _ = house
  away.add('settle')
  const answer = await order('k1')
  expect(answer).toMatchObject({ status: 504, body: { code: 'DEADLINE_EXCEEDED' } })
  away.clear()
  const status = async (): Promise<{ readonly state: string; readonly result?: unknown }> =>
    (await (await fetch(answer.body.statusUrl ?? '')).json()) as never // our own page
  await until(async () => ((await status()).state === 'done' ? true : undefined))
  expect(await status()).toMatchObject({ result: { done: 'yes' } })
  expect(await order('k1')).toMatchObject({ status: 200, body: { done: 'yes' } })
  expect(backend.calls).toHaveLength(1)
})

test('SEMANTICS 3: where a write stands cannot be read at first: its caller waits for its end all the same', async () => {
  const { away, backend, house, order } = await world()
  await using _ = house
  const { promise, resolve } = Promise.withResolvers<void>()
  backend.call = async () => {
    await promise
    return { data: { done: 'yes' } }
  }
  const first = order()
  await until(() => (backend.calls.length === 1 ? true : undefined))
  away.add('find')
  const behind = order()
  await until(async () => ((await house.ledger()).accepted === 2 ? true : undefined))
  resolve()
  expect(await Promise.all([first, behind])).toMatchObject([
    { status: 200, body: { done: 'yes' } },
    { status: 200, body: { done: 'yes' } },
  ])
})

test('SEMANTICS 33: a message is acknowledged once it is stored, also where its end cannot be read', async () => {
  const { away, bot, house } = await world()
  await using _ = house
  bot.answer = () => new Promise(() => undefined)
  away.add('find')
  const answer = await say(house.base, 'hello', { customer: 'ann', waitSeconds: 1 })
  expect(answer.status).toBe(202)
  expect((await house.ledger()).accepted).toBe(1)
})

test('SEMANTICS 19: refused for good once 202 was said, a write stops its key, however soon that comes', async () => {
  const { backend, house, order } = await world('20s')
  await using _ = house
  backend.call = async () => {
    throw new GatewayError('BACKEND_FAILED', 'connection refused', { notExecuted: true })
  }
  expect((await order()).status).toBe(202)
  const behind = await order()
  expect(behind.status).toBe(202)
  backend.call = async ({ key }) => {
    if (key !== behind.body.id) return { data: { done: 'yes' } }
    throw new GatewayError('ENCODE_FAILED', 'no such field', { notExecuted: true })
  }
  await until(async () => ((await house.dead()).length === 1 ? true : undefined))
  expect(await house.dead()).toMatchObject([{ id: behind.body.id, halts: true }])
})
