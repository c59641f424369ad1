// SEMANTICS 2, 3, 26: a write that had begun when the gateway was cut off stays unknown, whatever became of its time and its route meanwhile.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handBackend } from '../support/parts.ts'
import { post, say } from '../support/rest.ts'

const SHOP = `
  - { when: "type = 'Order'", backend: shop, record: true }
  - { when: "type = 'Wire'", backend: shop }
  - { when: "kind = 'message'", backend: shop, operation: Note }`
const BOT = `
  - { when: "kind = 'message'", agent: helper }`
const NONE = `
  - { when: "type = 'nothing'", agent: helper }`
const yaml = (routes: string, operations = '{ Wire: { onFailure: queue, queueKey: n } }'): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: bot, timeout: 30s } }
backends:
  shop: { adapter: shop, timeout: 30s, breaker: { minimumCalls: 1000 }, operations: ${operations} }
routes:${routes}
`
const never = (): Promise<never> => new Promise(() => undefined)

function shop(operations: readonly string[]) {
  const known = Object.fromEntries(operations.map((name) => [name, { safe: false }]))
  return handBackend('shop', known, async () => ({ data: 'done' }))
}

async function world(routes: string, options: { operations?: string[]; directory?: string } = {}) {
  const { operations = ['Order', 'Wire', 'Note'], directory } = options
  const backend = shop(operations)
  const bot = handAgent('bot', echo)
  const config = operations.includes('Wire') ? yaml(routes) : yaml(routes, '{}')
  const adapters = [backend.adapter, bot.adapter]
  const house = await openHouse({ yaml: config, adapters, ...(directory !== undefined && { directory }) })
  return { backend, bot, house }
}

/** Begins each of these and is cut off before any of them ends. The folder it leaves. */
async function cutOff(begin: (base: string) => readonly Promise<unknown>[], routes = SHOP): Promise<string> {
  const { backend, bot, house } = await world(routes)
  backend.call = never
  bot.answer = never
  const begun = begin(house.base).map((one) => one.catch(() => undefined))
  await until(() => backend.calls.length + bot.asked.length === begun.length || undefined)
  await house.crash()
  await Promise.all(begun)
  return house.directory
}

const order = (base: string) => post(`${base}/v1/requests/Order`, { n: '1' }, { key: 'order' })
const wire = (base: string, n = '1', key = 'wire') => post(`${base}/v1/requests/Wire`, { n }, { key })
const note = (base: string, more: object = {}) => say(base, 'pay100', { key: 'note', more, waitSeconds: 10 })

/** Its message was cut off in the middle, and its time is over now. */
async function expired(routes?: string): Promise<{ directory: string; expiresAt: string }> {
  let expiresAt = ''
  const directory = await cutOff((base) => {
    expiresAt = new Date(Date.now() + 2000).toISOString()
    return [note(base, { expiresAt })]
  }, routes)
  await until(() => Date.now() > Date.parse(expiresAt) || undefined)
  return { directory, expiresAt }
}

const letters = (house: House, count: number) =>
  until(async () => {
    const dead = await house.dead()
    return dead.length >= count ? dead : undefined
  })
const replayAll = async (house: House, code: string) => {
  const headers = { authorization: 'Bearer test-admin-token' }
  return (await post(`${house.base}/admin/v1/dead-letters/replay-all`, { code }, { headers })).body
}

test('SEMANTICS 26: what had begun before it expired is unknown, not expired: an operator sees it, and a repeat is told', async () => {
  const { directory, expiresAt } = await expired()
  const { house, backend } = await world(SHOP, { directory })
  await using _ = house
  expect(await letters(house, 1)).toMatchObject([{ failure: { code: 'OUTCOME_UNKNOWN' } }])
  expect(await note(house.base, { expiresAt })).toMatchObject({
    status: 409,
    body: { code: 'OUTCOME_UNKNOWN' },
  })
  expect(backend.calls).toEqual([])
  expect(await house.ledger()).toMatchObject({ accepted: 1, dead: 1, expired: 0 })
})

test('SEMANTICS 26: to ask a bot again is another attempt: what expired meanwhile is not asked', async () => {
  const { directory, expiresAt } = await expired(BOT)
  const { house, bot } = await world(BOT, { directory })
  await using _ = house
  expect(await note(house.base, { expiresAt })).toMatchObject({ status: 410, body: { code: 'EXPIRED' } })
  expect(bot.asked).toEqual([])
  expect(await house.dead()).toEqual([])
})

test.each([
  ['its route is', NONE, undefined],
  ['its operation is', SHOP, ['Other']],
])(
  'SEMANTICS 2, 3: a begun write is unknown also where %s gone, and a routine replay does not make it again',
  async (_name, routes, operations) => {
    const directory = await cutOff((base) => [order(base), wire(base), note(base)])
    const bare = await world(routes, { directory, ...(operations !== undefined && { operations }) })
    const dead = await letters(bare.house, 3)
    expect(dead.map(({ failure }) => failure.code)).toEqual(Array(3).fill('OUTCOME_UNKNOWN'))
    // Each was made once; that it is not made again is said where a write queue stops its key.
    expect(dead.map(({ halts, attempts }) => [halts, attempts.length])).toEqual(
      expect.arrayContaining([
        [undefined, 1],
        [undefined, 1],
        [true, 2],
      ]),
    )
    expect(dead.find(({ halts }) => halts === true)?.attempts.at(-1)?.failure?.message).toContain(
      'it was not sent again',
    )
    // A write queue stops its key.
    expect(dead.filter(({ halts }) => halts === true)).toMatchObject([{ message: { type: 'Wire' } }])
    await bare.house.crash()

    const { house, backend } = await world(SHOP, { directory })
    await using _ = house
    const unknown = { status: 409, body: { code: 'OUTCOME_UNKNOWN' } }
    expect(await order(house.base)).toMatchObject(unknown)
    expect(await wire(house.base)).toMatchObject(unknown)
    expect(await note(house.base)).toMatchObject(unknown)
    expect(await replayAll(house, 'NO_ROUTE')).toMatchObject({ replayed: 0 })
    expect((await wire(house.base, '1', 'behind')).status).toBe(202)
    expect(backend.calls).toEqual([])
  },
)

test('SEMANTICS 19: a queued write whose route is gone stops its key, and goes on where it stands when the route is back', async () => {
  const first = await world(SHOP)
  const { directory } = first.house
  first.backend.call = async () => {
    throw new GatewayError('BACKEND_FAILED', 'connection refused', { notExecuted: true })
  }
  expect((await wire(first.house.base, '1', 'one')).status).toBe(202)
  expect((await wire(first.house.base, '1', 'two')).status).toBe(202)
  await first.house.stop()

  const bare = await world(NONE, { directory })
  expect(await letters(bare.house, 1)).toMatchObject([{ halts: true, failure: { code: 'NO_ROUTE' } }])
  await bare.house.stop()

  const { house, backend } = await world(SHOP, { directory })
  await using _ = house
  expect(backend.calls).toEqual([])
  expect(await replayAll(house, 'NO_ROUTE')).toMatchObject({ replayed: 1 })
  await until(() => backend.calls.length === 2 || undefined)
  for (const key of ['one', 'two']) expect((await wire(house.base, '1', key)).status).toBe(200)
  expect(await house.dead()).toEqual([])
})

test('SEMANTICS 7: what was at a bot when the gateway was cut off is asked again', async () => {
  const directory = await cutOff((base) => [note(base)], BOT)
  const { house, bot } = await world(BOT, { directory })
  await using _ = house
  expect(await note(house.base)).toMatchObject({
    status: 200,
    body: { reply: { parts: [{ text: 'echo pay100' }] } },
  })
  expect(bot.asked).toHaveLength(1)
})
