// Single flight on a whole gateway (DESIGN §7): a slow, healthy system answers all who share a call, and its breaker stays ACTIVE.
import { setTimeout as after } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { Reply } from '../../core/api.ts'
import { openHouse } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import { post } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest } }
backends:
  orders:
    adapter: orders
    timeout: 3s
    retry: { attempts: 1 }
    breaker: { minimumCalls: 2, openFor: 1m }
    operations: { GetOrder: { public: true, cache: { fresh: 0s, stale: 1h } } }
routes: [{ backend: orders }]
`

async function world(answer: () => Promise<Reply | { data: string }>) {
  const backend = handBackend('orders', { GetOrder: { safe: true } }, answer)
  const house = await openHouse({ yaml, adapters: [backend.adapter] })
  const ask = () => post(`${house.base}/v1/requests/GetOrder`, { orderNo: '7' })
  return { backend, house, ask }
}

test('who asks while a slow call runs gets its answer, with one more call at most', async () => {
  const { backend, house, ask } = await world(async () => {
    await after(2000)
    return { data: 'shipped' }
  })
  await using _ = house
  const first = ask()
  await after(300)
  const all = [first, ...Array.from({ length: 14 }, ask)]
  for (const answer of await Promise.all(all)) expect(answer).toMatchObject({ status: 200, body: 'shipped' })
  expect(backend.calls.length).toBeLessThanOrEqual(2)
})

test('a system that never answers opens its breaker, though the second call had half of its time only', async () => {
  const { house, ask } = await world(() => new Promise(() => undefined))
  await using _ = house
  const first = ask()
  await after(300)
  expect((await Promise.all([first, ask()])).map(({ status }) => status)).toEqual([504, 504])
  expect((await ask()).status).toBe(503)
})
