// SEMANTICS 32: a write that was cut off may have been done, so what the cache knows of the operations it touches is no longer good.
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handBackend } from '../support/parts.ts'
import { post } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest } }
backends:
  shop:
    adapter: shop
    timeout: 30s
    operations:
      Get: { cache: { fresh: 10m, stale: 1h } }
      Claimed: { invalidates: [Get] }
      Recorded: { invalidates: [Get] }
      Queued: { onFailure: queue, invalidates: [Get] }
      Repeatable: { onFailure: queue, invalidates: [Get] }
routes:
  - { when: "type = 'Recorded'", backend: shop, record: true }
  - { when: "kind = 'request'", backend: shop }
`

async function world(directory?: string) {
  const operations = {
    Get: { safe: true },
    Claimed: { safe: false },
    Recorded: { safe: false },
    Queued: { safe: false },
    Repeatable: { safe: false, idempotent: true },
  }
  const backend = handBackend('shop', operations, async () => ({ data: 'before' }))
  const adapters = [backend.adapter]
  const house = await openHouse({ yaml, adapters, ...(directory !== undefined && { directory }) })
  const get = async (): Promise<unknown> => (await post(`${house.base}/v1/requests/Get`, { n: '1' })).body
  return { backend, house, get }
}

const write = (base: string, operation: string) =>
  post(`${base}/v1/requests/${operation}`, { n: '1' }, { key: operation })

/** The folder of a gateway that was cut off with this write at the system, and the answer from before it in its cache. */
async function cutOff(operation: string): Promise<string> {
  const { backend, house, get } = await world()
  expect([await get(), await get()]).toEqual(['before', 'before'])
  expect(backend.calls).toHaveLength(1)
  backend.call = () => new Promise(() => undefined)
  const begun = write(house.base, operation).catch(() => undefined)
  await until(() => backend.calls.length === 2 || undefined)
  await house.crash()
  await begun
  return house.directory
}

test.each(['Claimed', 'Recorded', 'Queued'])(
  'SEMANTICS 32: a write (%s) that was cut off leaves no answer from before it in the cache',
  async (operation) => {
    const { backend, house, get } = await world(await cutOff(operation))
    await using _ = house
    backend.call = async () => ({ data: 'after' })
    // Until it is looked into, a queued one is said to wait.
    const told = await until(async () => {
      const answer = await write(house.base, operation)
      return answer.status === 202 ? undefined : answer
    })
    expect(told).toMatchObject({ status: 409, body: { code: 'OUTCOME_UNKNOWN' } })
    expect(await get()).toBe('after')
  },
)

test('SEMANTICS 32: nobody has to ask again for it', async () => {
  const { backend, house, get } = await world(await cutOff('Claimed'))
  await using _ = house
  backend.call = async () => ({ data: 'after' })
  await until(async () => ((await house.dead()).length === 1 ? true : undefined))
  expect(await get()).toBe('after')
})

test('SEMANTICS 32: what may be repeated makes it untrue as well, however long its second attempt takes', async () => {
  const { backend, house, get } = await world(await cutOff('Repeatable'))
  await using _ = house
  backend.call = ({ operation }) =>
    operation === 'Get' ? Promise.resolve({ data: 'after' }) : new Promise(() => undefined)
  await until(() => backend.calls.length === 1 || undefined)
  expect(await get()).toBe('after')
  await house.crash()
})
