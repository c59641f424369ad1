// SEMANTICS 29: what an event does for its customer is done once, whoever delivers it again and wherever the gateway dies.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handChannel, said } from '../support/parts.ts'
import { post, readLog, say, texts } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest }, crm: { adapter: rest, path: /crm }, chat: { adapter: chat } }
agents: { helper: { adapter: bot }, desk: { adapter: desk }, night: { adapter: night } }
routes:
  - { when: "type = 'order.shipped'", notify: desk, fallback: night, reply: "Your order {{data.orderNo}} has shipped." }
  - { agent: helper }
`
const shipped = (
  base: string,
  key: string,
  { orderNo = '007', by }: { orderNo?: string; by?: string } = {},
) =>
  post(
    `${base}/crm/events`,
    { specversion: '1.0', id: key, source: '/crm', type: 'order.shipped', subject: 'ann', data: { orderNo } },
    {
      headers: {
        'content-type': 'application/cloudevents+json',
        ...(by !== undefined && { authorization: `Bearer ${by}` }),
      },
    },
  )
const text = 'Your order 007 has shipped.'

function parts() {
  const chat = handChannel('chat')
  const desk = handAgent('desk', async () => undefined)
  const night = handAgent('night', async () => undefined)
  const bot = handAgent('bot', echo)
  return { chat, desk, night, adapters: [chat.adapter, desk.adapter, night.adapter, bot.adapter] }
}

function settled(house: House, accepted: number): Promise<true> {
  return until(async () => {
    const ledger = await house.ledger()
    const open = await house.store.find({ by: 'open', limit: 5 })
    return ledger.accepted >= accepted && open.length === 0 ? true : undefined
  })
}

test('the text reaches each of the customer’s active conversations once, pushed where the channel pushes', async () => {
  const { chat, desk, adapters } = parts()
  await using house = await openHouse({ yaml, adapters })
  await say(house.base, 'hello', { waitSeconds: 10 })
  await chat.host.accept(said('hello'))
  await say(house.base, 'hello', { customer: 'bob', waitSeconds: 10 })
  await until(() => chat.sent[0])
  for (let n = 0; n < 3; n++) {
    const event = await shipped(house.base, 'e1')
    expect(event).toMatchObject({ status: 202, body: { duplicate: n > 0 } })
    await settled(house, 4)
  }
  expect(texts(await readLog(house.base, 'web:ann')).slice(2)).toEqual([`outbound: ${text}`])
  expect(texts(await readLog(house.base, 'web:bob'))).toHaveLength(2)
  expect(chat.sent.map((sent) => sent.text)).toEqual(['echo hello', text])
  expect(desk.asked).toHaveLength(1)
  const event = (await readLog(house.base, 'crm:ann')).find(({ kind }) => kind === 'event')
  const [effect] = (await readLog(house.base, 'web:ann')).slice(2)
  expect(effect).toMatchObject({ causationId: event?.id })
  // Another event is another text.
  await shipped(house.base, 'e2')
  await until(() => (chat.sent.length === 3 ? true : undefined))
})

test('SEMANTICS 9: the text is for the customer, not for a person at the desk or a program of his name, and theirs is not for him', async () => {
  const { chat, adapters } = parts()
  await using house = await openHouse({ yaml, adapters })
  const ann = { identity: { role: 'agent', id: 'ann' } } as const
  await chat.host.accept(said('from the desk'), ann)
  await say(house.base, 'hello')
  await say(house.base, 'hello', { customer: 'crm' })
  await shipped(house.base, 'e1')
  // Without `identity` a bearer token is a customer's name.
  expect(await shipped(house.base, 'e2', { by: 'bob' })).toMatchObject({
    status: 403,
    body: { code: 'FORBIDDEN', detail: expect.stringContaining('an event about another customer ("ann")') },
  })
  const own = { kind: 'event', type: 'order.shipped', sender: { id: 'ann', role: 'agent' } } as const
  await chat.host.accept({ ...own, data: { orderNo: 'of the desk' } }, ann)
  await post(`${house.base}/crm/events/order.shipped`, { orderNo: 'of nobody' })
  await settled(house, 6)
  const told = async (conversation: string) =>
    texts(await readLog(house.base, conversation)).filter((line) => line.includes('shipped'))
  expect(await told('web:ann')).toEqual([`outbound: ${text}`])
  expect(await told('web:crm')).toEqual([])
  expect(await told('crm:crm')).toEqual(['outbound: Your order of nobody has shipped.'])
  expect(await told('~agent:ann')).toEqual(['outbound: Your order of the desk has shipped.'])
})

test('the gateway dies after the text went out and before the event is settled: nothing is said twice', async () => {
  const { chat, desk, adapters } = parts()
  desk.answer = () => new Promise(() => undefined)
  const first = await openHouse({ yaml, adapters })
  await chat.host.accept(said('hello'))
  await until(() => chat.sent[0])
  await shipped(first.base, 'e1')
  await until(() => desk.asked[0])
  await until(() => chat.sent[1])
  await first.crash()
  desk.answer = async () => undefined
  await using house = await openHouse({ yaml, adapters, directory: first.directory })
  await until(() => desk.asked[1])
  await settled(house, 2)
  const own = texts(await readLog(house.base, 'chat:ann')).filter((line) => line.endsWith(text))
  expect(own).toEqual([`outbound: ${text}`])
  expect(new Set(chat.sent.map(({ key }) => key)).size).toBe(2)
  expect(desk.asked.map(({ message }) => message.id)).toEqual(Array(2).fill(desk.asked[0]?.message.id))
  expect(await house.ledger()).toMatchObject({ dead: 0, waiting: 0 })
})

test('the customer is told though nobody at the desk can be; then the fallback is shown the event', async () => {
  const { desk, night, adapters } = parts()
  desk.answer = async () => {
    throw new GatewayError('AGENT_FAILED', 'nobody there', { retryAfterMs: 1 })
  }
  await using house = await openHouse({ yaml, adapters })
  await say(house.base, 'hello', { waitSeconds: 10 })
  await shipped(house.base, 'e1')
  await settled(house, 2)
  expect(texts(await readLog(house.base, 'web:ann')).slice(2)).toEqual([`outbound: ${text}`])
  expect(desk.asked).toHaveLength(3)
  expect(night.asked).toHaveLength(1)
  expect(await house.dead()).toEqual([])
})

test('an agent who hands a notice off: the fallback is shown it at once, and where there is none it is a dead letter', async () => {
  const { desk, night, adapters } = parts()
  desk.answer = async () => ({ handoff: 'not on duty' })
  await using house = await openHouse({ yaml, adapters })
  const { body } = await shipped(house.base, 'e1')
  await settled(house, 1)
  expect([desk.asked.length, night.asked.length]).toEqual([1, 1])
  const end = (await house.rows(body.id)).find((row) => row.row === 'settled')
  expect(end?.attempts.map(({ target, failure }) => [target, failure?.message])).toEqual([
    ['agent desk', 'hands off ("not on duty")'],
    ['agent night', undefined],
  ])
  night.answer = async () => ({ handoff: 'asleep' })
  await shipped(house.base, 'e2')
  const { failure } = await until(async () => (await house.dead())[0])
  expect(failure.message).toBe('agent night hands off ("asleep"), but nobody is left')
  await house.reload(yaml.replace(', fallback: night', ''))
  await shipped(house.base, 'e3')
  const [, { failure: second }] = await until(async () => {
    const [one, two] = await house.dead()
    return one !== undefined && two !== undefined ? ([one, two] as const) : undefined
  })
  expect(second.message).toBe('agent desk hands off ("not on duty"), but nobody is left')
})

test('what is answered to a notice is said to nobody, and no callback is offered for it', async () => {
  const { desk, adapters } = parts()
  desk.answer = async () => ({ text: 'noted' })
  await using house = await openHouse({ yaml, adapters })
  await say(house.base, 'hello', { waitSeconds: 10 })
  await shipped(house.base, 'e1')
  await settled(house, 2)
  expect(texts(await readLog(house.base, 'web:ann')).slice(2)).toEqual([`outbound: ${text}`])
  expect(desk.asked[0]?.conversation.callback).toBeUndefined()
})

test('a reload between two tries of an event moves its route down the table: the customer is told once', async () => {
  const { desk, adapters } = parts()
  await using house = await openHouse({ yaml, adapters })
  desk.answer = async () => {
    if (desk.asked.length > 1) return undefined
    await house.reload(yaml.replace('routes:', "routes:\n  - { when: type = 'other', agent: helper }"))
    throw new GatewayError('AGENT_FAILED', 'nobody there', { retryAfterMs: 1 })
  }
  await say(house.base, 'hello', { waitSeconds: 10 })
  await shipped(house.base, 'e1')
  await settled(house, 2)
  expect(desk.asked).toHaveLength(2)
  expect(texts(await readLog(house.base, 'web:ann')).slice(2)).toEqual([`outbound: ${text}`])
})

test('a customer with many active conversations is told in each of them', async () => {
  const { adapters } = parts()
  await using house = await openHouse({ yaml, adapters })
  const topics = Array.from({ length: 40 }, (_, n) => `topic-${n}`)
  for (const conversation of topics) await say(house.base, 'hello', { more: { conversation } })
  await shipped(house.base, 'e1')
  await settled(house, 41)
  for (const conversation of topics)
    expect(texts(await readLog(house.base, conversation)).at(-1)).toBe(`outbound: ${text}`)
})

test('a customer whose own event is the first thing he sends is told in the conversation it came in by', async () => {
  const { chat, adapters } = parts()
  await using house = await openHouse({ yaml, adapters })
  const own = { kind: 'event', type: 'order.shipped', data: { orderNo: '007' } } as const
  await chat.host.accept({ ...own, sender: { id: 'ann', role: 'customer' } })
  await settled(house, 1)
  await until(() => chat.sent[0])
  expect(chat.sent.map((sent) => sent.text)).toEqual([text])
})

test('a text that comes while a reply goes out waits for its last part: never two pushes of a conversation at once', async () => {
  const { chat, desk, night } = parts()
  const bot = handAgent('bot', async () => ({
    parts: ['one', 'two', 'three'].map((part) => ({ kind: 'text' as const, text: part })),
  }))
  const adapters = [chat.adapter, desk.adapter, night.adapter, bot.adapter]
  await using house = await openHouse({ yaml, adapters })
  const told = Promise.withResolvers<void>()
  let running = 0
  let most = 0
  chat.deliver = async () => {
    most = Math.max(most, ++running)
    await told.promise
    await new Promise((gone) => setTimeout(gone, 20)) // as long as a platform takes
    running--
    return { status: 'sent' }
  }
  await chat.host.accept(said('hello'))
  await until(() => chat.sent[0])
  await shipped(house.base, 'e1')
  await until(() => desk.asked[0])
  // By now the text is in the log, and would have gone out.
  await until(async () => ((await readLog(house.base, 'chat:ann')).length === 3 ? true : undefined))
  told.resolve()
  await until(() => (chat.sent.length === 4 && running === 0 ? true : undefined))
  expect(chat.sent.map((sent) => sent.text)).toEqual(['one', 'two', 'three', text])
  expect(most).toBe(1)
})

test('DESIGN §1: a text does not overtake a late answer that stands before it and is not due yet', async () => {
  const { chat, desk, night } = parts()
  const bot = handAgent('bot', async () => undefined)
  const adapters = [chat.adapter, desk.adapter, night.adapter, bot.adapter]
  await using house = await openHouse({ yaml, adapters })
  // Nobody waits any more, but the push is due half a second after the last moment at which somebody might have.
  expect((await chat.host.accept(said('hello'), { waitMs: 1000 })).reply).toBeUndefined()
  const { url, token } = bot.asked[0]?.conversation.callback ?? {}
  const headers = { authorization: `Bearer ${token}` }
  expect((await post(String(url), { text: 'late' }, { headers })).status).toBe(200)
  await shipped(house.base, 'e1')
  await settled(house, 2)
  expect(chat.sent.map((sent) => sent.text)).toEqual(['late', text])
})

test('a text that cannot be made of an event is a dead letter that names its route', async () => {
  const { chat, desk, adapters } = parts()
  const config = yaml.replace('{{data.orderNo}}', '{{$number(data.orderNo)}}')
  await using house = await openHouse({ yaml: config, adapters })
  await chat.host.accept(said('hello'))
  await until(() => chat.sent[0])
  await shipped(house.base, 'e1', { orderNo: 'A-7' })
  const letter = await until(async () => (await house.dead())[0])
  expect(letter.failure).toEqual({
    code: 'NO_ROUTE',
    message: 'route 1: reply cannot be evaluated: Unable to cast value to a number: "A-7"',
  })
  expect([chat.sent.length, desk.asked.length]).toEqual([1, 0])
  expect(house.log()).toContain('route 1: reply cannot be evaluated')
  expect(house.log()).not.toContain('the gateway made a mistake')
})
