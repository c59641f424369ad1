// What the fallback cache keeps, as operators see and drop it, and an answer that is renewed behind the caller.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import { metric, post } from '../support/rest.ts'

const yaml = (cache: string): string => `
channels: { web: { adapter: rest } }
backends:
  orders:
    adapter: orders
    operations:
      GetOrder: { public: true, cache: ${cache} }
      GetStock: { public: true, cache: ${cache} }
routes: [{ backend: orders }]
`

function orders() {
  let calls = 0
  return handBackend(
    'orders',
    { GetOrder: { safe: true }, GetStock: { safe: true } },
    async ({ params }) => ({
      data: { params, call: ++calls },
    }),
  )
}
const ask = (house: House, operation: string, params: object = {}) =>
  post<{ readonly call: number; readonly stale?: boolean }>(`${house.base}/v1/requests/${operation}`, params)
const invalidate = (house: House, wanted: object, token = 'test-admin-token') =>
  post<{ readonly invalidated?: number; readonly code?: string; readonly detail?: string }>(
    `${house.base}/admin/v1/cache/invalidate`,
    wanted,
    { headers: { authorization: `Bearer ${token}` } },
  )

test('the admin API drops one key, or all of an operation, and nothing beside it', async () => {
  const backend = orders()
  await using house = await openHouse({ yaml: yaml('{ fresh: 1h, stale: 2h }'), adapters: [backend.adapter] })
  const fill = async (): Promise<readonly number[]> => [
    (await ask(house, 'GetOrder', { no: '7' })).body.call,
    (await ask(house, 'GetOrder', { no: '8' })).body.call,
    (await ask(house, 'GetStock', { no: '7' })).body.call,
  ]
  expect(await fill()).toEqual([1, 2, 3])
  expect(await fill()).toEqual([1, 2, 3])
  const one = await invalidate(house, { backend: 'orders', operation: 'GetOrder', params: { no: '7' } })
  expect([one.status, one.body]).toEqual([200, { invalidated: 1 }])
  expect(await fill()).toEqual([4, 2, 3])
  expect((await invalidate(house, { backend: 'orders', operation: 'GetOrder' })).body).toEqual({
    invalidated: 2,
  })
  expect(await fill()).toEqual([5, 6, 3])
  const shown = await fetch(`${house.base}/admin/v1/cache`, {
    headers: { authorization: 'Bearer test-admin-token' },
  })
  const text = await shown.text()
  expect(text).toContain('"operation":"GetOrder"')
  expect(text).toContain('"entries":2')
})

test('without the token nothing is dropped, and what is wrong is named', async () => {
  const backend = orders()
  await using house = await openHouse({ yaml: yaml('{ fresh: 1h, stale: 2h }'), adapters: [backend.adapter] })
  await ask(house, 'GetOrder')
  expect((await invalidate(house, { backend: 'orders', operation: 'GetOrder' }, 'guess')).status).toBe(401)
  expect((await invalidate(house, { backend: 'orders' })).status).toBe(400)
  expect((await invalidate(house, { backend: 'orders', operation: 'GetOrder', all: true })).status).toBe(400)
  const nobody = await invalidate(house, { backend: 'nobody', operation: 'GetOrder' })
  expect([nobody.status, nobody.body.code]).toEqual([404, 'NOT_FOUND'])
  expect((await ask(house, 'GetOrder')).body.call).toBe(1)
})

test('an old answer is given at once and marked while it is renewed: the next one is new (stale-while-revalidate)', async () => {
  const backend = orders()
  await using house = await openHouse({
    yaml: yaml('{ fresh: 0s, revalidate: 1h, stale: 2h }'),
    adapters: [backend.adapter],
  })
  expect((await ask(house, 'GetOrder')).body).toMatchObject({ call: 1 })
  const gate = Promise.withResolvers<void>()
  backend.call = async () => {
    await gate.promise
    return { data: { call: 2 } }
  }
  const old = await Promise.all([ask(house, 'GetOrder'), ask(house, 'GetOrder')]) // nobody waits for the slow system
  for (const { body, headers } of old) {
    expect(body).toMatchObject({ call: 1, stale: true })
    expect(headers.get('cache-status')).toBe('dragoman; hit; detail=stale')
  }
  expect(backend.calls).toHaveLength(2)
  gate.resolve()
  await until(async () => ((await ask(house, 'GetOrder')).body.call === 2 ? true : undefined))
  const series = 'dragoman_cache_answers_total{backend="orders",operation="GetOrder",from="revalidating"}'
  expect(await metric(house.base, series)).toBeGreaterThanOrEqual(2)
})

test('a cache file that is broken under the running gateway fails no call, nor the next start', async () => {
  const backend = orders()
  const config = yaml('{ fresh: 0s, stale: 2h }')
  await using house = await openHouse({ yaml: config, adapters: [backend.adapter] })
  const file = join(house.directory, 'data', 'cache.db')
  for (let no = 0; no < 20; no += 1) expect((await ask(house, 'GetOrder', { no })).status).toBe(200)
  await writeFile(file, 'this is no database')
  for (let no = 0; no < 20; no += 1) expect((await ask(house, 'GetOrder', { no: no + 10 })).status).toBe(200)
  expect((await invalidate(house, { backend: 'orders', operation: 'GetOrder' })).status).toBe(200)
  expect(await house.stop()).toBe(0)
  await using after = await openHouse({
    yaml: config,
    adapters: [backend.adapter],
    directory: house.directory,
  })
  expect((await ask(after, 'GetOrder', { no: 1 })).status).toBe(200)
  expect((await fetch(`${after.base}/readyz`)).status).toBe(200)
})

test('a reload takes over how much is kept', async () => {
  const backend = orders()
  const text = yaml('{ fresh: 1h, stale: 2h }')
  await using house = await openHouse({ yaml: text, adapters: [backend.adapter] })
  for (const no of ['7', '8', '9']) await ask(house, 'GetOrder', { no })
  expect(await metric(house.base, 'dragoman_cache_entries')).toBe(3)
  await house.reload(`${text}cache: { entries: 2 }\n`)
  expect(await metric(house.base, 'dragoman_cache_entries')).toBe(2)
  expect((await ask(house, 'GetOrder', { no: '9' })).body.call).toBe(3)
  expect((await ask(house, 'GetOrder', { no: '7' })).body.call).toBe(4)
})
