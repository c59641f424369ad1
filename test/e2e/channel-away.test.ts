// SEMANTICS 21, DESIGN §6: what is said while its channel is out of the config goes out when the line is back, and is dropped nowhere.
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handChannel, said } from '../support/parts.ts'
import type { HandAgent } from '../support/parts.ts'
import { post, readLog, say, texts } from '../support/rest.ts'

const CHAT = 'chat: { adapter: chat }'
const WEB = 'web: { adapter: rest }'
const yaml = (channels: readonly string[], within = '1h'): string => `
channels: { ${[...channels, 'crm: { adapter: rest, path: /crm }'].join(', ')} }
agents: { helper: { adapter: bot, callbackWithin: ${within} }, desk: { adapter: desk } }
routes:
  - { when: "type = 'order.shipped'", notify: desk, reply: "Your order has shipped." }
  - { agent: helper, fallback: desk }
`
const BOTH = [CHAT, WEB]

async function callBack({ asked }: HandAgent, text: string): Promise<void> {
  const { url, token } = asked[0]?.conversation.callback ?? {}
  const { status } = await post(String(url), { text }, { headers: { authorization: `Bearer ${token}` } })
  expect(status).toBe(200)
}

async function open(house: House): Promise<number> {
  return (await house.store.find({ by: 'open', limit: 10 })).length
}

/** The promise of the one message is stored. */
function promised(house: House): Promise<true> {
  return until(async () => ((await house.ledger()).settled === 1 ? true : undefined))
}

/** All that was owed has gone out, in this order, and is no dead letter. */
async function expectSent(house: House, sent: readonly { text: string }[], expected: string[]) {
  await until(async () => ((await open(house)) === 0 ? true : undefined))
  expect(sent.map(({ text }) => text)).toEqual(expected)
  expect(await house.dead()).toEqual([])
}

test('a late answer that comes while its channel is away is pushed once the channel is back', async () => {
  const chat = handChannel('chat')
  const bot = handAgent('bot', async () => undefined)
  const adapters = [chat.adapter, bot.adapter, handAgent('desk', echo).adapter]
  await using house = await openHouse({ yaml: yaml(BOTH), adapters })
  await chat.host.accept(said('hello'))
  await promised(house)
  await house.reload(yaml([WEB]))
  await callBack(bot, 'late')
  expect(chat.sent).toEqual([])
  await house.reload(yaml(BOTH))
  await expectSent(house, chat.sent, ['late'])
})

test('it goes to the adapter of its channel, and before what is said when that is back', async () => {
  const chat = handChannel('chat')
  const other = handChannel('other')
  const bot = handAgent('bot', async (message) => (bot.asked.length === 1 ? undefined : echo(message)))
  const adapters = [chat.adapter, other.adapter, bot.adapter, handAgent('desk', echo).adapter]
  await using house = await openHouse({ yaml: yaml(BOTH), adapters })
  const replyContext = { adapter: 'chat', version: 1 }
  await chat.host.accept(said('hello', { replyContext }))
  await promised(house)
  await house.reload(yaml([WEB]))
  await callBack(bot, 'late')
  await house.reload(yaml(['chat: { adapter: other }', WEB]))
  await pause(1500)
  await house.reload(yaml(BOTH))
  await chat.host.accept(said('again', { replyContext }))
  await expectSent(house, chat.sent, ['late', 'echo again'])
  expect(other.sent).toEqual([])
})

test('so is what the fallback answers to a missed promise meanwhile', async () => {
  const chat = handChannel('chat')
  const desk = handAgent('desk', echo)
  const adapters = [chat.adapter, handAgent('bot', async () => undefined).adapter, desk.adapter]
  await using house = await openHouse({ yaml: yaml(BOTH, '2s'), adapters })
  await chat.host.accept(said('hello'))
  await promised(house)
  await house.reload(yaml([WEB], '2s'))
  await until(() => desk.asked[0])
  await until(async () => ((await readLog(house.base, 'chat:ann')).length === 2 ? true : undefined))
  await house.reload(yaml(BOTH, '2s'))
  await expectSent(house, chat.sent, ['echo hello'])
})

test('SEMANTICS 29: so is the text of an event', async () => {
  const chat = handChannel('chat')
  const desk = handAgent('desk', async () => undefined)
  const adapters = [chat.adapter, handAgent('bot', echo).adapter, desk.adapter]
  await using house = await openHouse({ yaml: yaml(BOTH), adapters })
  await chat.host.accept(said('hello'))
  await until(() => chat.sent[0])
  await house.reload(yaml([WEB]))
  const event = { specversion: '1.0', source: '/crm', id: 'e1', type: 'order.shipped', subject: 'ann' }
  const headers = { 'content-type': 'application/cloudevents+json' }
  expect((await post(`${house.base}/crm/events`, event, { headers })).status).toBe(202)
  await until(() => desk.asked[0])
  await house.reload(yaml(BOTH))
  await expectSent(house, chat.sent, ['echo hello', 'Your order has shipped.'])
})

test('so is the answer of a bot that was at work when the gateway died, and its channel is away at the next start', async () => {
  const chat = handChannel('chat')
  const never = new Promise<never>(() => undefined)
  const bot = handAgent('bot', () => never)
  const adapters = [chat.adapter, bot.adapter, handAgent('desk', echo).adapter]
  await using before = await openHouse({ yaml: yaml(BOTH), adapters })
  await chat.host.accept(said('hello'))
  await until(() => bot.asked[0])
  await before.crash()
  bot.answer = echo
  await using house = await openHouse({ yaml: yaml([WEB]), adapters, directory: before.directory })
  await until(async () => ((await house.ledger()).settled === 1 ? true : undefined))
  expect(chat.sent).toEqual([])
  await house.reload(yaml(BOTH))
  await expectSent(house, chat.sent, ['echo hello'])
})

test('of a channel that is pulled from nothing is owed when it is back: the answer is in the log, and a duplicate gets it', async () => {
  const chat = handChannel('chat')
  const bot = handAgent('bot', async () => undefined)
  const adapters = [chat.adapter, bot.adapter, handAgent('desk', echo).adapter]
  await using house = await openHouse({ yaml: yaml(BOTH), adapters })
  await say(house.base, 'hello', { key: 'k1' })
  await promised(house)
  await house.reload(yaml([CHAT]))
  await callBack(bot, 'late')
  expect((await say(house.base, 'hello', { key: 'k1' })).status).toBe(404)
  await house.reload(yaml(BOTH))
  await expectSent(house, chat.sent, [])
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: hello', 'outbound: late'])
  for (const waitSeconds of [0, 5]) {
    const again = await say(house.base, 'hello', { key: 'k1', waitSeconds })
    expect(again.body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'late' }] } })
  }
})
