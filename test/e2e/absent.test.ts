// Pushes whose receiver is away: they wait without counting tries, in order, and go out when the channel says that he has come.
import { expect, test } from 'vitest'
import type { Delivery } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handChannel, said } from '../support/parts.ts'
import type { HandChannel } from '../support/parts.ts'
import { post } from '../support/rest.ts'

const yaml = (more = ''): string => `
channels: { chat: { adapter: chat${more} } }
agents: { helper: { adapter: bot, timeout: 5s } }
routes: [{ agent: helper }]
lanes: { hold: 100ms }
`
const absent: Delivery = { status: 'absent', keepMs: 3_600_000, reason: 'he is out' }

async function open(chat: HandChannel, more?: string): Promise<House> {
  return openHouse({ yaml: yaml(more), adapters: [chat.adapter, handAgent('bot', echo).adapter] })
}

const say = (house: House, text: string) => post(`${house.base}/chat`, { draft: said(text) })

/** Nothing of it is in flight: it is settled, and waits. */
const waits = (house: House, key: string) =>
  until(async () => {
    for (const row of await house.store.find({ by: 'id', id: key }))
      if (row.row === 'work' && row.state === 'waiting') return row
    return undefined
  })

test('longer than `hold`, without an attempt, in order, and at once when he comes', async () => {
  const chat = handChannel('chat')
  let isThere = false
  chat.deliver = async () => (isThere ? { status: 'sent' } : absent)
  await using house = await open(chat)
  for (const text of ['one', 'two', 'three']) await say(house, text)
  // Tried again by itself: longer ago than `hold` by then.
  await until(() => chat.sent.length > 1 || undefined)
  expect(new Set(chat.sent.map(({ text }) => text))).toEqual(new Set(['echo one']))
  const key = chat.sent[0]?.key ?? ''
  await waits(house, key)
  isThere = true
  const before = chat.sent.length
  const begun = performance.now()
  chat.host.arrived(key)
  await until(() => chat.sent.length === before + 3 || undefined)
  expect(performance.now() - begun).toBeLessThan(10_000)
  expect(chat.sent.slice(before).map(({ text }) => text)).toEqual(['echo one', 'echo two', 'echo three'])
  expect(await house.dead()).toEqual([])
})

test('he comes while the try that missed him is under way: it is made again at once', async () => {
  const chat = handChannel('chat')
  const came = Promise.withResolvers<void>()
  let tries = 0
  chat.deliver = async () => {
    tries += 1
    if (tries > 3) return { status: 'sent' }
    if (tries === 3) await came.promise
    return absent
  }
  await using house = await open(chat)
  await say(house, 'hello')
  const key = (await until(() => chat.sent[2])).key
  chat.host.arrived(key)
  chat.host.arrived('nobody knows this one')
  came.resolve()
  await until(() => chat.sent.length === 4 || undefined)
})

test('kept no longer than the channel says: then it is a dead letter, and says why', async () => {
  const chat = handChannel('chat')
  chat.deliver = async () => ({ ...absent, keepMs: 1200 })
  await using house = await open(chat)
  await say(house, 'hello')
  const [letter] = await until(async () => {
    const dead = await house.dead()
    return dead.length > 0 ? dead : undefined
  })
  expect(letter?.failure).toMatchObject({
    code: 'CHANNEL_GONE',
    message: expect.stringMatching(/he is out \(kept for 1\.2 s\)/u),
  })
  chat.deliver = async () => ({ ...absent, keepMs: Number.NaN })
  await say(house, 'a plugin that says nonsense')
  await until(async () => (await house.dead()).length === 2 || undefined)
})

test.each([
  ['repeat', 2],
  ['park', 1],
] as const)(
  'he goes before he could acknowledge it: in doubt (SEMANTICS 6), with `inDoubt: %s` sent %i times',
  async (inDoubt, times) => {
    const chat = handChannel('chat')
    chat.deliver = async (_message, key) => {
      if (chat.sent.length > 1) return { status: 'sent' }
      setImmediate(() => chat.host.arrived(key))
      return { status: 'unknown', keepMs: 3_600_000, reason: 'the line broke' }
    }
    await using house = await open(chat, `, inDoubt: ${inDoubt}`)
    await say(house, 'hello')
    await until(async () => (await house.store.find({ by: 'open', limit: 5 })).length === 0 || undefined)
    expect(chat.sent).toHaveLength(times)
    expect(await house.dead()).toHaveLength(2 - times)
  },
)
