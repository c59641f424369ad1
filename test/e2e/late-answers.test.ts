// SEMANTICS 7, 17: an answer that comes when its conversation has changed hands is a note, and what it was to answer is still answered.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { accept } from '../conformance/store/world.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handBackend, handChannel } from '../support/parts.ts'
import type { HandAgent } from '../support/parts.ts'
import { post, readLog, say, texts } from '../support/rest.ts'

const yaml = (within = '1h'): string => `
channels: { web: { adapter: rest } }
agents:
  helper: { adapter: bot, callbackWithin: ${within} }
  slow: { adapter: slow }
  people: { adapter: desk, callbackWithin: 1h }
routes:
  - { when: "$contains(parts[0].text, 'slow')", agent: slow }
  - { agent: helper, fallback: people }
`

/** Answers what it was asked when it is told to. */
function holding(name: string): HandAgent & { readonly letGo: (() => void)[] } {
  const letGo: (() => void)[] = []
  const agent = handAgent(name, async (message) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    letGo.push(resolve)
    await promise
    return echo(message)
  })
  return Object.assign(agent, { letGo })
}

/** What the agent was given with the message of this text, posted to with a body. */
async function callBack(agent: HandAgent, about: string, body: object) {
  const asked = agent.asked.find(({ message }) => message.parts?.[0]?.text === about)
  const { url, token } = asked?.conversation.callback ?? {}
  return post(String(url), body, { headers: { authorization: `Bearer ${token}` } })
}

/** The conversation passes to somebody, as by a claim. */
async function handTo(house: House, agent: string, conversation = 'web:ann'): Promise<void> {
  const [place] = await house.store.find({ by: 'conversation', conversation })
  if (place?.row !== 'conversation') throw new Error(`there is no conversation ${conversation}`)
  const handed = accept(`to ${agent}`, { home: place.home, conversation, patch: { agent, raiseEpoch: true } })
  expect(await house.store.accept(handed)).toMatchObject({ status: 'accepted' })
}

/** A bot that promises an answer to everything, and hands off who asks for a person. */
const promising = () =>
  handAgent('bot', async ({ parts }) =>
    parts?.[0]?.text === 'a person!' ? { handoff: 'wants a person' } : undefined,
  )

test('a message at its bot while the conversation passes on: the answer is a note, it is asked again, and who waits gets that', async () => {
  const bot = handAgent('bot', async () => undefined)
  const slow = holding('slow')
  const desk = handAgent('desk', echo)
  await using house = await openHouse({
    yaml: yaml('500ms'),
    adapters: [bot.adapter, slow.adapter, desk.adapter],
  })
  await say(house.base, 'one')
  const waiting = say(house.base, 'slow two', { key: 'k2', waitSeconds: 15 })
  await until(() => slow.letGo[0])
  await until(async () => ((await readLog(house.base, 'web:ann')).length === 3 ? true : undefined))
  slow.letGo[0]?.()
  await until(() => slow.letGo[1])
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual([
    'inbound: one',
    'inbound: slow two',
    'outbound: echo one',
    'internal: echo slow two',
  ])
  slow.letGo[1]?.()
  const { status, body } = await waiting
  expect(status).toBe(200)
  expect(body.reply?.parts?.[0]?.text).toBe('echo slow two')
  expect(slow.asked.map(({ message }) => message.id)).toEqual([body.id, body.id])
  expect(texts(await readLog(house.base, 'web:ann')).slice(4)).toEqual(['outbound: echo slow two'])
  expect((await say(house.base, 'slow two', { key: 'k2' })).body.reply?.parts?.[0]?.text).toBe(
    'echo slow two',
  )
  expect(await house.ledger()).toMatchObject({ accepted: 2, settled: 2, dead: 0, waiting: 0 })
  expect(house.log()).toContain('changed hands')
})

test('a late callback, refused, does not end what the fallback is at work on', async () => {
  const bot = handAgent('bot', async () => undefined)
  const desk = holding('desk')
  await using house = await openHouse({
    yaml: yaml('500ms'),
    adapters: [bot.adapter, handAgent('slow', echo).adapter, desk.adapter],
  })
  await say(house.base, 'one')
  const waiting = say(house.base, 'two', { waitSeconds: 15 })
  await until(() => (desk.letGo.length === 2 ? true : undefined))
  const nth = desk.asked.findIndex(({ message }) => message.parts?.[0]?.text === 'one')
  desk.letGo[nth]?.()
  await until(async () => ((await readLog(house.base, 'web:ann')).length === 3 ? true : undefined))
  const late = [{ text: 'too late' }, { text: 'too late' }, { text: 'still' }, { handoff: 'gives up' }]
  for (const body of late)
    expect(await callBack(bot, 'two', body)).toMatchObject({ status: 409, body: { code: 'NOT_OWNER' } })
  desk.letGo[1 - nth]?.()
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('echo two')
  expect(texts(await readLog(house.base, 'web:ann')).slice(2)).toEqual([
    'outbound: echo one',
    'internal: too late',
    'internal: still',
    'outbound: echo two',
  ])
  expect(desk.asked).toHaveLength(2)
  expect(await house.ledger()).toMatchObject({ accepted: 2, settled: 2, dead: 0, waiting: 0 })
})

test('a promise that was kept in time, and refused, is missed at its deadline as one of a bot that keeps silent', async () => {
  for (const late of [{ text: 'in time' }, { handoff: 'a person' }]) {
    const bot = promising()
    const desk = handAgent('desk', echo)
    await using house = await openHouse({
      yaml: yaml('3s'),
      adapters: [bot.adapter, handAgent('slow', echo).adapter, desk.adapter],
    })
    const waiting = say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
    await until(() => bot.asked[0])
    await say(house.base, 'a person!', { waitSeconds: 15 })
    for (let n = 0; n < 2; n++)
      expect(await callBack(bot, 'hello', late)).toMatchObject({ status: 409, body: { code: 'NOT_OWNER' } })
    expect((await waiting).body.reply?.parts?.[0]?.text).toBe('echo hello')
    const notes = 'text' in late ? ['internal: in time'] : []
    const log = texts(await readLog(house.base, 'web:ann'))
    expect(log.slice(2)).toEqual(['outbound: echo a person!', ...notes, 'outbound: echo hello'])
    expect(await house.ledger()).toMatchObject({ accepted: 2, settled: 2, dead: 0, waiting: 0 })
  }
})

test('SEMANTICS 7: each hand-off ends what the bot had promised before it, also where the fallback has the conversation already', async () => {
  const bot = promising()
  const desk = handAgent('desk', async (message) =>
    message.parts?.[0]?.text === 'a person!' ? undefined : await echo(message),
  )
  await using house = await openHouse({
    yaml: yaml('3s'),
    adapters: [bot.adapter, handAgent('slow', echo).adapter, desk.adapter],
  })
  await say(house.base, 'a person!')
  const waiting = say(house.base, 'two', { waitSeconds: 15 })
  await until(() => bot.asked[1])
  await say(house.base, 'a person!')
  await until(() => desk.asked[1])
  await say(house.base, 'four')
  await until(() => bot.asked[3])
  expect(await callBack(bot, 'two', { text: 'too late' })).toMatchObject({
    status: 409,
    body: { code: 'NOT_OWNER' },
  })
  // What the fallback promised before the second hand-off, it may still answer; and the bot what it was asked since.
  for (const [nth, text] of ['first', 'second'].entries()) {
    const { url = '', token = '' } = desk.asked[nth]?.conversation.callback ?? {}
    for (let n = 0; n < 2; n++) {
      const answered = await post(url, { text }, { headers: { authorization: `Bearer ${token}` } })
      expect(answered.status, text).toBe(200)
    }
  }
  expect((await callBack(bot, 'four', { text: 'four it is' })).status).toBe(200)
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('echo two')
  expect(texts(await readLog(house.base, 'web:ann')).slice(4)).toEqual([
    'internal: too late',
    'outbound: first',
    'outbound: second',
    'outbound: four it is',
    'outbound: echo two',
  ])
  expect(await house.ledger()).toMatchObject({ accepted: 4, settled: 4, dead: 0, waiting: 0 })
})

test('SEMANTICS 7: a promise that is missed while the fallback has the conversation already is no hand-off: the others’ promises count', async () => {
  const bot = promising()
  const slow = handAgent('slow', async () => undefined)
  const desk = handAgent('desk', async (message) =>
    message.parts?.[0]?.text === 'later' ? undefined : await echo(message),
  )
  await using house = await openHouse({
    yaml: yaml('500ms'),
    adapters: [bot.adapter, slow.adapter, desk.adapter],
  })
  await say(house.base, 'a person!', { waitSeconds: 15 })
  for (const text of ['slow one', 'two', 'later']) await say(house.base, text)
  await until(() => (desk.asked.length === 3 ? true : undefined))
  await until(async () => ((await readLog(house.base, 'web:ann')).length === 6 ? true : undefined))
  expect((await callBack(slow, 'slow one', { text: 'one in time' })).status).toBe(200)
  expect((await callBack(bot, 'two', { text: 'too late' })).status).toBe(409)
  for (let n = 0; n < 2; n++) expect((await callBack(desk, 'later', { text: 'at last' })).status).toBe(200)
  expect(texts(await readLog(house.base, 'web:ann')).slice(5)).toEqual([
    'outbound: echo two',
    'outbound: one in time',
    'outbound: at last',
  ])
  const [place] = await house.store.find({ by: 'conversation', conversation: 'web:ann' })
  expect(place).toMatchObject({ ownerEpoch: 1, agent: 'people' })
})

test('nor is an agent asked again that was at work meanwhile, however many promises are missed', async () => {
  const bot = promising()
  const slow = holding('slow')
  await using house = await openHouse({
    yaml: yaml('500ms'),
    adapters: [bot.adapter, slow.adapter, handAgent('desk', echo).adapter],
  })
  await say(house.base, 'a person!', { waitSeconds: 15 })
  for (const text of ['one', 'two']) await say(house.base, text)
  const waiting = say(house.base, 'slow three', { waitSeconds: 15 })
  await until(() => slow.letGo[0])
  await until(async () => ((await readLog(house.base, 'web:ann')).length === 7 ? true : undefined))
  slow.letGo[0]?.()
  await until(async () => ((await readLog(house.base, 'web:ann')).length === 8 ? true : undefined))
  const log = texts(await readLog(house.base, 'web:ann'))
  expect(log.slice(5).toSorted()).toEqual([
    'outbound: echo one',
    'outbound: echo slow three',
    'outbound: echo two',
  ])
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('echo slow three')
  expect(slow.asked).toHaveLength(1)
})

test('a person who takes the conversation while the fallback takes a missed promise keeps it', async () => {
  const bot = promising()
  const { promise: claimed, resolve: claim } = Promise.withResolvers<void>()
  const desk = handAgent('desk', async (message) => {
    if (message.parts?.[0]?.text === 'a person!') return await echo(message)
    await claimed
    return undefined
  })
  await using house = await openHouse({
    yaml: yaml('500ms'),
    adapters: [bot.adapter, handAgent('slow', echo).adapter, desk.adapter],
  })
  await say(house.base, 'a person!', { waitSeconds: 15 })
  const { body } = await say(house.base, 'two')
  await until(() => desk.asked[1])
  await handTo(house, 'a clerk')
  claim()
  await until(async () =>
    (await house.rows(body.id)).some(({ row, ...of }) => row === 'work' && 'id' in of && of.id.endsWith('b'))
      ? true
      : undefined,
  )
  const [place] = await house.store.find({ by: 'conversation', conversation: 'web:ann' })
  expect(place).toMatchObject({ ownerEpoch: 2, agent: 'a clerk' })
  expect((await callBack(desk, 'two', { text: 'too late' })).status).toBe(409)
})

test('a fallback that has the conversation may hand off what it promised before the last hand-off', async () => {
  const bot = handAgent('bot', async () => ({ handoff: 'wants a person' }))
  const desk = handAgent('desk', async () => undefined)
  await using house = await openHouse({
    yaml: yaml(),
    adapters: [bot.adapter, handAgent('slow', echo).adapter, desk.adapter],
  })
  for (const text of ['one', 'two']) await say(house.base, text)
  await until(() => desk.asked[1])
  await until(async () =>
    (await house.rows(desk.asked[1]?.message.id ?? '')).some(({ row }) => row === 'settled')
      ? true
      : undefined,
  )
  for (let n = 0; n < 2; n++) expect((await callBack(desk, 'one', { handoff: 'gives up' })).status).toBe(200)
  const { failure } = await until(async () => (await house.dead())[0])
  expect(failure.message).toBe('agent people hands off ("gives up"), but nobody is left')
  expect((await callBack(desk, 'two', { text: 'two it is' })).status).toBe(200)
})

test('a callback of the fallback counts also where the conversation is handed to it once more in that very moment', async () => {
  const bot = handAgent('bot', async () => ({ handoff: 'wants a person' }))
  const desk = handAgent('desk', async () => undefined)
  let meanwhile: (() => Promise<void>) | undefined
  await using house = await openHouse({
    yaml: yaml(),
    adapters: [bot.adapter, handAgent('slow', echo).adapter, desk.adapter],
    around: (store) =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (typeof value !== 'function') return value
          if (name !== 'settle') return value.bind(target) as unknown
          return async (...given: unknown[]): Promise<unknown> => {
            const first = meanwhile
            meanwhile = undefined
            await first?.()
            return await Reflect.apply(value, target, given)
          }
        },
      }),
  })
  const { body } = await say(house.base, 'one')
  await until(async () =>
    (await house.rows(body.id)).some(({ row }) => row === 'settled') ? true : undefined,
  )
  meanwhile = () => handTo(house, 'people')
  expect((await callBack(desk, 'one', { text: 'one it is' })).status).toBe(200)
  expect(texts(await readLog(house.base, 'web:ann')).at(-1)).toBe('outbound: one it is')
})

test('a fallback that failed has nobody after it: its late answer is told so, and is no note of a conversation that passed on', async () => {
  const bot = handAgent('bot', async () => ({ handoff: 'wants a person' }))
  const desk = handAgent('desk', async () => {
    throw new GatewayError('AGENT_FAILED', 'not today', { detail: { status: 400 } })
  })
  await using house = await openHouse({
    yaml: yaml(),
    adapters: [bot.adapter, handAgent('slow', echo).adapter, desk.adapter],
  })
  await say(house.base, 'hello')
  await until(async () => (await house.dead())[0])
  const late = await callBack(desk, 'hello', { text: 'late' })
  expect(late).toMatchObject({ status: 409, body: { detail: expect.stringContaining('no answer to the') } })
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: hello'])
})

test('no bot is asked again in the place of a person who has taken the conversation, by its message nor by a promise', async () => {
  const bot = handAgent('bot', async () => undefined)
  const slow = holding('slow')
  const desk = handAgent('desk', echo)
  await using house = await openHouse({
    yaml: yaml('2s'),
    adapters: [bot.adapter, slow.adapter, desk.adapter],
  })
  const expiresAt = new Date(Date.now() + 1900).toISOString()
  await say(house.base, 'one', { more: { expiresAt } })
  const waiting = say(house.base, 'slow two', { waitSeconds: 15 })
  await until(() => slow.letGo[0])
  await handTo(house, 'a clerk')
  slow.letGo[0]?.()
  expect((await waiting).status).toBe(202)
  await until(() => (house.log().includes('did not come in time') ? true : undefined))
  const log = await readLog(house.base, 'web:ann')
  // He reads what has expired meanwhile: nobody is asked about it any more.
  expect(log[0]).not.toHaveProperty('gone')
  expect(texts(log).slice(2)).toEqual(['inbound: text of to a clerk', 'internal: echo slow two'])
  expect([slow.asked.length, desk.asked.length]).toEqual([1, 0])
  expect(await house.ledger()).toMatchObject({ accepted: 3, settled: 3, dead: 0, waiting: 0 })
})

test('SEMANTICS 21: an agent that a reload has removed is gone and no person: what was promised is the present fallback’s, or a dead letter', async () => {
  for (const next of ['colleague', undefined]) {
    const bot = promising()
    const desk = handAgent('desk', echo)
    await using house = await openHouse({
      yaml: yaml('3s'),
      adapters: [bot.adapter, handAgent('slow', echo).adapter, desk.adapter],
    })
    const waiting = say(house.base, 'hello', { waitSeconds: 15 })
    await until(() => bot.asked[0])
    await say(house.base, 'a person!', { waitSeconds: 15 })
    const renamed =
      next === undefined
        ? yaml('3s').replace(', fallback: people', '')
        : yaml('3s').replaceAll('people', next)
    await house.reload(renamed.replace(/^ {2}people:.*\n/mu, ''))
    const { status, body } = await waiting
    const log = await readLog(house.base, 'web:ann')
    if (next === undefined) {
      expect(status).toBe(502)
      expect((await house.dead())[0]?.failure.message).toContain('did not come in time, but nobody is left')
    } else {
      expect(body.reply?.parts?.[0]?.text).toBe('echo hello')
      expect(log.at(-1)).toMatchObject({ sender: { id: next } })
    }
  }
})

test('what a business system did is said, whoever has the conversation by then, and not done again', async () => {
  const { promise: paid, resolve: pay } = Promise.withResolvers<void>()
  const erp = handBackend('erp', { Pay: { safe: false } }, async () => {
    await paid
    return { data: 'paid' }
  })
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
backends: { erp: { adapter: erp } }
routes: [{ backend: erp, record: true }]
`,
    adapters: [erp.adapter, handChannel('chat').adapter],
  })
  const request = { data: {}, sender: { id: 'ann' } }
  const answer = post(`${house.base}/v1/requests/Pay`, request, { key: 'p1', waitSeconds: 15 })
  const { message } = await until(() => erp.calls[0])
  await handTo(house, 'people', message.conversation)
  pay()
  expect(await answer).toMatchObject({ status: 200, body: 'paid' })
  expect(erp.calls).toHaveLength(1)
  const log = await readLog(house.base, message.conversation)
  expect(log.map(({ direction }) => direction)).toEqual(['inbound', 'inbound', 'outbound'])
})
