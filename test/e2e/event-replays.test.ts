// SEMANTICS 29: an event that is replayed is the same event, and what it does for its customer is done once.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent } from '../support/parts.ts'
import { post, readLog, say, texts } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: bot }, desk: { adapter: desk, breaker: { minimumCalls: 1000 } } }
lanes: { attempts: 1 }
store: { dedupe: 1h }
routes:
  - { when: "type = 'order.shipped'", notify: desk, reply: "Your order {{data.orderNo}} has shipped." }
  - { agent: helper }
`

async function world() {
  const bot = handAgent('bot', echo)
  const desk = handAgent('desk', async () => {
    throw new GatewayError('AGENT_FAILED', 'nobody there')
  })
  const adapters = [bot.adapter, desk.adapter]
  let house = await openHouse({ yaml, adapters })
  await say(house.base, 'hello', { waitSeconds: 10 })
  const data = { orderNo: '007' }
  const event = { specversion: '1.0', source: '/crm', type: 'order.shipped', subject: 'ann', data }
  const headers = { 'content-type': 'application/cloudevents+json' }
  const ship = (id: string) => post(`${house.base}/v1/events`, { ...event, id }, { headers })
  const ask = async (edit?: object): Promise<number> => {
    const letter = await until(async () => (await house.dead())[0])
    const { status } = await post(
      `${house.base}/admin/v1/dead-letters/replay`,
      { id: letter.id, ...(edit !== undefined && { edit }) },
      { headers: { authorization: 'Bearer test-admin-token' } },
    )
    return status
  }
  /** Resolves when the event's agent was asked once more and all has ended. */
  const replay = async (edit?: object): Promise<void> => {
    const asked = desk.asked.length
    expect(await ask(edit)).toBe(200)
    await until(async () => {
      const open = await house.store.find({ by: 'open', limit: 5 })
      return desk.asked.length > asked && open.length === 0 ? true : undefined
    })
  }
  const told = async () =>
    texts(await readLog(house.base, 'web:ann')).filter((line) => line.includes('shipped'))
  /** The same store some hours later. */
  const later = async (hours: number) => {
    await house.stop()
    house = await openHouse({
      yaml,
      adapters,
      directory: house.directory,
      emptyForMs: hours * 3_600_000,
    })
    return house
  }
  return { house, desk, ship, ask, replay, told, later }
}
const first = 'outbound: Your order 007 has shipped.'

test('an event that is replayed, and dies again, tells its customer nothing a second time', async () => {
  const { house, desk, ship, replay, told } = await world()
  await using _ = house
  await ship('e1')
  await replay()
  await replay({ priority: 'high', expiresAt: null })
  desk.answer = async () => undefined
  await replay()
  expect(desk.asked).toHaveLength(4)
  expect(await house.dead()).toEqual([])
  expect(await told()).toEqual([first])
  // Another event of the same content is another one.
  await ship('e2')
  await until(async () => ((await told()).length === 2 ? true : undefined))
})

test('nor does a replay that comes when the store has forgotten what it told', async () => {
  const { house, desk, ship, replay, told, later } = await world()
  await using _ = house
  await ship('e1')
  await until(async () => (await house.dead())[0])
  await using _later = await later(2)
  await replay()
  await replay({ data: { orderNo: '008' } })
  const both = [first, 'outbound: Your order 008 has shipped.']
  expect(await told()).toEqual(both)
  await using _latest = await later(4)
  desk.answer = async () => undefined
  await replay()
  expect(await told()).toEqual(both)
})

test('an event whose content an operator has put right is told again, once', async () => {
  const { house, desk, ship, replay, told } = await world()
  await using _ = house
  await ship('e1')
  await replay({ data: { orderNo: '008' } })
  const both = [first, 'outbound: Your order 008 has shipped.']
  expect(await told()).toEqual(both)
  desk.answer = async () => undefined
  await replay()
  expect(await house.dead()).toEqual([])
  expect(await told()).toEqual(both)
})

test('an edit of an event that was cut off in the middle is the same edit when it is sent again', async () => {
  const { house, ship, ask, replay, told } = await world()
  await using _ = house
  await ship('e1')
  const letter = await until(async () => (await house.dead())[0])
  const settle = house.store.settle.bind(house.store)
  house.store.settle = async (one) => {
    if (one.id === letter.id) throw new GatewayError('STORE_UNAVAILABLE', 'cut')
    return settle(one)
  }
  const edit = { data: { orderNo: '008' } }
  expect(await ask(edit)).toBe(503)
  house.store.settle = settle
  await replay(edit)
  expect(await told()).toEqual([first, 'outbound: Your order 008 has shipped.'])
})
