// SEMANTICS 5, 6, 21, 30: the waiter or the push, never both; a push is sent once, or in doubt, and nobody guesses.
import { request } from 'node:http'
import { expect, test } from 'vitest'
import type { Answer, Delivery } from '../../core/api.ts'
import type { HandOver } from '../../core/store/store.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handChannel, said } from '../support/parts.ts'
import { metric, post, say } from '../support/rest.ts'
import type { AcceptedBody } from '../support/rest.ts'

const yaml = (more = ''): string => `
channels: { chat: { adapter: chat${more} }, web: { adapter: rest } }
agents: { helper: { adapter: bot, timeout: 5s } }
routes: [{ agent: helper }]
`

/** Nothing is owed any more: what was not pushed by now is not pushed. */
function quiet(house: House): Promise<true> {
  return until(async () =>
    (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
}

const hello = said('hello', { externalId: 'k1' })
const asked = (house: House, waitMs: number): Promise<{ readonly body: AcceptedBody }> =>
  post(`${house.base}/chat`, { draft: hello, waitMs })

test('SEMANTICS 5: a waiter in time gets the reply, and no push follows; a duplicate gets the same reply', async () => {
  const chat = handChannel('chat')
  await using house = await openHouse({
    yaml: yaml(),
    adapters: [chat.adapter, handAgent('bot', echo).adapter],
  })
  const first = await asked(house, 5000)
  expect(first.body.reply?.parts?.[0]?.text).toBe('echo hello')
  await quiet(house)
  const again = await asked(house, 5000)
  expect(again.body).toEqual({ ...first.body, duplicate: true })
  await quiet(house)
  expect(chat.sent).toEqual([])
})

test('SEMANTICS 5: of several who wait for one reply one gets it, the others the bare acknowledgement', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const chat = handChannel('chat')
  await using house = await openHouse({ yaml: yaml(), adapters: [chat.adapter, bot.adapter] })
  const all = Array.from({ length: 4 }, () => asked(house, 5000))
  await until(async () =>
    (await metric(house.base, 'dragoman_intake_total{result="offered"}')) === 4 ? true : undefined,
  )
  gate.resolve()
  const replies = (await Promise.all(all)).filter(({ body }) => body.reply !== undefined)
  expect(replies).toHaveLength(1)
  await quiet(house)
  expect(chat.sent).toEqual([])
  expect(bot.asked).toHaveLength(1)
})

test('SEMANTICS 5: a waiter too late: exactly one push, and duplicates get the bare acknowledgement', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const chat = handChannel('chat')
  await using house = await openHouse({ yaml: yaml(), adapters: [chat.adapter, bot.adapter] })
  expect((await asked(house, 50)).body.reply).toBeUndefined()
  gate.resolve()
  const sent = await until(() => chat.sent[0])
  expect(sent).toMatchObject({
    text: 'echo hello',
    message: { direction: 'outbound', conversation: 'chat:ann' },
  })
  expect((await asked(house, 1000)).body).toMatchObject({ duplicate: true })
  expect((await asked(house, 1000)).body.reply).toBeUndefined()
  await quiet(house)
  expect(chat.sent).toHaveLength(1)
})

test('SEMANTICS 5: a joining duplicate extends the time, and gets the reply instead of the push', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const chat = handChannel('chat')
  await using house = await openHouse({ yaml: yaml(), adapters: [chat.adapter, bot.adapter] })
  await asked(house, 50)
  const joined = asked(house, 5000)
  await until(async () => ((await metric(house.base, 'dragoman_duplicates_total')) === 1 ? true : undefined))
  gate.resolve()
  expect((await joined).body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
  await quiet(house)
  expect(chat.sent).toEqual([])
})

test('SEMANTICS 5: the caller has gone before the reply was flushed: it is pushed', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const chat = handChannel('chat')
  await using house = await openHouse({
    yaml: yaml(),
    adapters: [chat.adapter, bot.adapter],
    // The socket closes between the taking of the right and the first byte.
    around: (store) =>
      new Proxy(store, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name, target)
          if (typeof value !== 'function') return value
          if (name !== 'handOver') return value.bind(target) as unknown
          return async (step: HandOver): Promise<unknown> => {
            const result = await target.handOver(step)
            if (step.to !== 'taken') return result
            caller.destroy()
            await until(() => (chat.left === 1 ? true : undefined)) // the server's end has seen it
            return result
          }
        },
      }),
  })
  const caller = request(`${house.base}/chat`, { method: 'POST' })
  caller.on('error', () => undefined)
  caller.end(JSON.stringify({ draft: hello, waitMs: 5000 }))
  await until(() => (bot.asked.length === 1 ? true : undefined))
  gate.resolve()
  expect((await until(() => chat.sent[0])).text).toBe('echo hello')
  await quiet(house)
  expect(chat.sent).toHaveLength(1)
})

test('SEMANTICS 8, 5: a duplicate over another channel takes the right too: what was pushed is not answered again', async () => {
  const chat = handChannel('chat')
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml: yaml(), adapters: [chat.adapter, bot.adapter] })
  const identity = { role: 'customer', id: 'ann' } as const
  await chat.host.accept(hello, { identity })
  await until(() => chat.sent[0])
  const again = await say(house.base, 'hello', {
    key: 'k1',
    waitSeconds: 5,
    headers: { authorization: 'Bearer ann' },
  })
  expect(again.status).toBe(202)
  expect(again.body).toMatchObject({ duplicate: true })
  await quiet(house)
  expect(chat.sent).toHaveLength(1)
})

test('DESIGN §1: an answer is not given before the one before it: it is pushed behind that, its caller gets the bare acknowledgement', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const chat = handChannel('chat')
  chat.deliver = async () =>
    chat.sent.length === 1 ? { status: 'refused', retry: true, afterMs: 700 } : { status: 'sent' }
  await using house = await openHouse({ yaml: yaml(), adapters: [chat.adapter, bot.adapter] })
  const first = await post(`${house.base}/chat`, { draft: said('one'), waitMs: 50 })
  expect(first.body.reply).toBeUndefined()
  const second = post(`${house.base}/chat`, { draft: said('two'), waitMs: 5000 })
  await until(async () =>
    (await metric(house.base, 'dragoman_intake_total{result="offered"}')) === 2 ? true : undefined,
  )
  gate.resolve()
  expect((await second).body.reply).toBeUndefined()
  await quiet(house)
  expect(chat.sent.map(({ text }) => text)).toEqual(['echo one', 'echo one', 'echo two'])
  const third = await post(`${house.base}/chat`, { draft: said('three'), waitMs: 5000 })
  expect(third.body.reply?.parts?.[0]?.text).toBe('echo three')
})

test('DESIGN §1: a caller whose channel pushes nothing has his answer at once, whatever another channel still owes', async () => {
  const chat = handChannel('chat')
  chat.deliver = () => new Promise(() => undefined)
  await using house = await openHouse({
    yaml: yaml(),
    adapters: [chat.adapter, handAgent('bot', echo).adapter],
  })
  const { conversation } = await chat.host.accept(said('one', { externalId: 'k1' }), {
    identity: { role: 'customer', id: 'ann' },
  })
  await until(() => chat.sent[0])
  const { body } = await say(house.base, 'two', {
    key: 'k2',
    waitSeconds: 5,
    headers: { authorization: 'Bearer ann' },
  })
  expect(body).toMatchObject({ conversation, reply: { parts: [{ text: 'echo two' }] } })
})

test.each(['repeat', 'park'] as const)(
  'SEMANTICS 5, 6: killed between taken and flushed: in doubt after 10 s, inDoubt: %s',
  async (inDoubt) => {
    const chat = handChannel('chat')
    const adapters = [chat.adapter, handAgent('bot', echo).adapter]
    const config = yaml(`, inDoubt: ${inDoubt}`)
    const first = await openHouse({ yaml: config, adapters })
    // Straight to the host: nobody says what became of the reply.
    expect(await chat.host.accept(hello, { waitMs: 5000 })).toMatchObject({ reply: { origin: 'agent' } })
    await first.crash()
    const soon = await openHouse({ yaml: config, adapters, directory: first.directory, emptyForMs: 1000 })
    expect((await chat.host.accept(hello, { waitMs: 1000 })).reply).toBeUndefined()
    expect(chat.sent).toEqual([])
    await soon.crash()
    await using house = await openHouse({
      yaml: config,
      adapters,
      directory: first.directory,
      emptyForMs: 20_000,
    })
    if (inDoubt === 'repeat') await until(() => chat.sent[0])
    await quiet(house)
    expect(chat.sent.map(({ text }) => text)).toEqual(inDoubt === 'repeat' ? ['echo hello'] : [])
    expect(await house.dead()).toHaveLength(inDoubt === 'repeat' ? 0 : 1)
    expect(await metric(house.base, 'dragoman_in_doubt_total')).toBe(1)
    expect(house.log()).toContain('a push is in doubt')
    expect(await house.ledger()).toMatchObject({ accepted: 1, settled: 1, inDoubt: 1 })
  },
)

test.each(['repeat', 'park'] as const)(
  'SEMANTICS 6: killed during a push: it may have arrived; inDoubt: %s, with the same key',
  async (inDoubt) => {
    const chat = handChannel('chat')
    chat.deliver = () => new Promise(() => undefined)
    const adapters = [chat.adapter, handAgent('bot', echo).adapter]
    const config = yaml(`, inDoubt: ${inDoubt}`)
    const first = await openHouse({ yaml: config, adapters })
    await chat.host.accept(hello)
    await until(() => chat.sent[0])
    await first.crash()
    chat.deliver = async () => ({ status: 'sent' })
    await using house = await openHouse({ yaml: config, adapters, directory: first.directory })
    await quiet(house)
    expect(chat.sent).toHaveLength(inDoubt === 'repeat' ? 2 : 1)
    expect(new Set(chat.sent.map(({ key }) => key)).size).toBe(1)
    expect(await house.dead()).toHaveLength(inDoubt === 'repeat' ? 0 : 1)
    expect(await metric(house.base, 'dragoman_in_doubt_total')).toBe(1)
  },
)

test.each<readonly [string, 'repeat' | 'park', () => Promise<Delivery>, number]>([
  ['unknown', 'repeat', async () => ({ status: 'unknown' }), 2],
  ['unknown', 'park', async () => ({ status: 'unknown' }), 1],
  ['a throw', 'repeat', () => Promise.reject(new Error('socket hang up')), 2],
  ['a throw', 'park', () => Promise.reject(new Error('socket hang up')), 1],
  ['refused, to be tried again', 'park', async () => ({ status: 'refused', retry: true, afterMs: 1 }), 2],
  ['refused for good', 'repeat', async () => ({ status: 'refused', retry: false, reason: 'blocked' }), 1],
])('SEMANTICS 6: send answers %s, inDoubt %s', async (_what, inDoubt, deliver, times) => {
  const chat = handChannel('chat')
  chat.deliver = () => (chat.sent.length === 1 ? deliver() : Promise.resolve({ status: 'sent' }))
  const bot = handAgent('bot', echo)
  await using house = await openHouse({
    yaml: yaml(`, inDoubt: ${inDoubt}`),
    adapters: [chat.adapter, bot.adapter],
  })
  await chat.host.accept(hello)
  await until(() => chat.sent[0])
  await quiet(house)
  expect(chat.sent).toHaveLength(times)
  expect(new Set(chat.sent.map(({ key }) => key)).size).toBe(1)
  const dead = await house.dead()
  expect(dead).toHaveLength(times === 1 ? 1 : 0)
  if (times === 1)
    expect(dead[0]).toMatchObject({ failure: { code: 'CHANNEL_GONE' }, message: { direction: 'outbound' } })
  // The message itself is settled: its dead letter is the push alone.
  expect(await house.ledger()).toMatchObject({ accepted: 1, settled: 1, dead: 0 })
})

const threeParts: Answer = { parts: ['one', 'two', 'three'].map((text) => ({ kind: 'text', text })) }

test('SEMANTICS 30: parts are pushed one after the other, each with its own key', async () => {
  const chat = handChannel('chat')
  let running = 0
  chat.deliver = async () => {
    running++
    await new Promise((resolve) => setImmediate(resolve))
    return running-- === 1 ? { status: 'sent' } : { status: 'refused', retry: false, reason: 'two at once' }
  }
  const bot = handAgent('bot', async () => threeParts)
  await using house = await openHouse({ yaml: yaml(), adapters: [chat.adapter, bot.adapter] })
  await chat.host.accept(hello)
  await chat.host.accept(said('again'))
  await until(() => (chat.sent.length === 6 ? true : undefined))
  await quiet(house)
  expect(chat.sent.map(({ text }) => text)).toEqual(['one', 'two', 'three', 'one', 'two', 'three'])
  expect(chat.sent.every(({ message }) => message.parts?.length === 1)).toBe(true)
  expect(chat.sent.map(({ message }) => message.aside)).toEqual([
    true,
    true,
    undefined,
    true,
    true,
    undefined,
  ])
  expect(new Set(chat.sent.map(({ key }) => key)).size).toBe(6)
  expect(await house.dead()).toEqual([])
})

test('SEMANTICS 30: a part that fails stops the rest of its reply, and nothing else', async () => {
  const chat = handChannel('chat')
  chat.deliver = async (message) =>
    message.parts?.[0]?.text === 'two'
      ? { status: 'refused', retry: false, reason: 'blocked' }
      : { status: 'sent' }
  const bot = handAgent('bot', async (message) =>
    message.parts?.[0]?.text === 'hello' ? threeParts : echo(message),
  )
  await using house = await openHouse({ yaml: yaml(), adapters: [chat.adapter, bot.adapter] })
  await chat.host.accept(hello)
  await chat.host.accept(said('next'))
  await until(() => (chat.sent.some(({ text }) => text === 'echo next') ? true : undefined))
  await quiet(house)
  expect(chat.sent.map(({ text }) => text)).toEqual(['one', 'two', 'echo next'])
  expect((await house.dead()).map(({ failure }) => failure.message)).toEqual([
    expect.stringContaining('blocked'),
    expect.stringContaining('the part before it was not sent'),
  ])
})

test('SEMANTICS 21: a channel that is gone: its pushes park, are no attempts, and go out when it is back', async () => {
  const chat = handChannel('chat')
  const other = handChannel('other')
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  await using house = await openHouse({ yaml: yaml(), adapters: [chat.adapter, other.adapter, bot.adapter] })
  chat.deliver = async () => ({ status: 'refused', retry: true, afterMs: 500 })
  const { id } = await chat.host.accept(hello)
  gate.resolve()
  await until(() => chat.sent[0])
  // The same name with another adapter is not that channel.
  await house.reload(yaml().replace('adapter: chat', 'adapter: other'))
  const parked = await until(async () => {
    const row = (await house.rows(id)).find((one) => one.row === 'work' && one.kind === 'push')
    return row?.row === 'work' && row.state === 'waiting' && row.dueMs > 500 ? row : undefined
  })
  const tries = chat.sent.length
  expect(parked.attempts).toHaveLength(tries)
  chat.deliver = async () => ({ status: 'sent' })
  await house.reload(yaml())
  await until(() => (chat.sent.length > tries ? true : undefined))
  await quiet(house)
  expect(chat.sent).toHaveLength(tries + 1)
  expect(other.sent).toEqual([])
  expect(await house.dead()).toEqual([])
})

test('DESIGN §6: what a send throws is in the log, at each try; the dead letter says that the channel failed', async () => {
  const chat = handChannel('chat')
  chat.deliver = async () => {
    throw new Error('boom', { cause: new Error('the socket was closed') })
  }
  const adapters = [chat.adapter, handAgent('bot', echo).adapter]
  await using house = await openHouse({ yaml: yaml(), adapters })
  await chat.host.accept(hello)
  const lines = (message: string): readonly object[] =>
    house
      .log()
      .split('\n')
      .filter((line) => line.includes(`"msg":"${message}"`))
      .map((line) => JSON.parse(line) as object) // the log is JSON lines
  await until(() => lines('push')[1])
  const error = { message: 'the channel failed', causes: ['boom', 'the socket was closed'] }
  expect(lines('push').slice(0, 2)).toMatchObject([{ error }, { error }])
  expect(lines('a push is in doubt')[0]).toMatchObject({ push: chat.sent[0]?.key, reason: error.message })

  await house.reload(yaml(', inDoubt: park'))
  const [dead] = await until(async () => {
    const letters = await house.dead()
    return letters.length > 0 ? letters : undefined
  })
  expect(dead?.failure).toMatchObject({ message: 'channel chat: the channel failed' })
  expect(lines('push').at(-1)).toMatchObject({ outcome: 'failed', error: { causes: error.causes } })
})
