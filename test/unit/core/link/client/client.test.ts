// The whole client against a whole gateway: what it does when the gateway forgets, comes back from a backup, or wants another token.
import { cp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, memoryBox } from 'dragoman/client'
import type { Box, Client, ConnectOptions, Said, StateEvent } from 'dragoman/client'
import { afterEach, expect, test } from 'vitest'
import { temporaryDirectory, until } from '../../../../support/gateway.ts'
import { openHouse } from '../../../../support/house.ts'
import type { House } from '../../../../support/house.ts'
import { echo, handAgent } from '../../../../support/parts.ts'
import { post } from '../../../../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest } }
agents: { bot: { adapter: bot } }
routes: [ { agent: bot } ]
`

interface App {
  readonly client: Client
  readonly said: Said[]
  readonly states: StateEvent[]
  /** What they said, when it is so much. */
  theirs(count: number): Promise<readonly string[]>
  status(): string
}

const apps: Client[] = []
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close()
})

function start(base: string, box: Box, more: Partial<ConnectOptions> = {}): App {
  const said: Said[] = []
  const states: StateEvent[] = []
  const client = connect({ url: base, token: 'ann', box, links: ['websocket'], ...more })
  apps.push(client)
  client.onMessage((one) => said.push(one))
  client.onState((event) => states.push(event))
  const texts = (): readonly string[] => said.filter(({ from }) => from === 'them').map(({ text }) => text)
  return {
    client,
    said,
    states,
    theirs: (count) => until(() => (texts().length >= count ? texts() : undefined)),
    status: () => states.findLast((event) => event.what === 'link')?.status ?? '',
  }
}

const inTheName = (house: House, text: string): Promise<unknown> =>
  post(`${house.base}/v1/messages`, { text }, { headers: { authorization: 'Bearer ann' } })

async function trimAll(house: House): Promise<void> {
  const all = { partition: 0, olderThanMs: 0, maxBytes: Number.MAX_SAFE_INTEGER, budgetMs: 1000 }
  while ((await house.store.trim(all)).more) continue
}

/** Answers `slow` when it is let go. */
function slowBot() {
  const held = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    if (message.parts?.[0]?.text === 'slow') await held.promise
    return echo(message)
  })
  return { bot, held }
}

test('the inbox was cut while it was away: what the logs still have is fetched, in order, and the app is told (SEMANTICS 23)', async () => {
  const { bot, held } = slowBot()
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const box = memoryBox()
  const before = start(house.base, box)
  await before.client.send('first')
  expect(await before.theirs(1)).toEqual(['echo first'])
  await before.client.close()
  // Open work holds the log, not the inbox.
  for (const text of ['slow', 'then', 'last']) await inTheName(house, text)
  await trimAll(house)
  const after = start(house.base, box)
  await until(() => after.states.find(({ what }) => what === 'missed'))
  expect(after.states).toContainEqual({ what: 'missed', all: true, why: expect.any(String) })
  held.resolve()
  expect(await after.theirs(4)).toEqual(['echo first', 'echo slow', 'echo then', 'echo last'])
  expect(after.said.filter(({ from }) => from === 'me').map(({ text }) => text)).toEqual([
    'first',
    'slow',
    'then',
    'last',
  ])
})

test('what is gone from the logs too is said, and the rest goes on: never a silent hole (SEMANTICS 23)', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const box = memoryBox()
  const before = start(house.base, box)
  await before.client.send('first')
  await before.theirs(1)
  await before.client.close()
  await inTheName(house, 'gone')
  await until(async () => ((await house.ledger()).waiting === 0 ? true : undefined))
  await trimAll(house)
  const after = start(house.base, box)
  await until(() => after.states.find(({ what }) => what === 'missed'))
  expect(after.states).toContainEqual({ what: 'missed', all: false, why: expect.any(String) })
  await after.client.send('new')
  expect(await after.theirs(2)).toEqual(['echo first', 'echo new'])
  // A device of which nothing is known has no log to read: it is given what the inbox still has (SEMANTICS 10).
  const fresh = start(house.base, memoryBox(), { links: ['http'] })
  expect(await fresh.theirs(1)).toEqual(['echo new'])
  expect(fresh.said.map(({ text }) => text)).toEqual(['new', 'echo new'])
  const missed = await until(() => fresh.states.find(({ what }) => what === 'missed'))
  expect(missed).toEqual({ what: 'missed', all: false, why: 'the inbox no longer reaches back' })
})

test('a conversation begun while it was away is shown from the inbox, however much of that was cut before it (SEMANTICS 10, 23)', async () => {
  const { bot, held } = slowBot()
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const box = memoryBox()
  const before = start(house.base, box)
  await before.client.send('first')
  await before.theirs(1)
  await before.client.close()
  // Open work holds the log, not the inbox.
  await inTheName(house, 'slow')
  await trimAll(house)
  const other = start(house.base, memoryBox())
  await other.client.send({ text: 'about 7', conversation: 'order-7' })
  expect(await other.theirs(1)).toEqual(['echo about 7'])
  const after = start(house.base, box)
  expect(await after.theirs(2)).toEqual(['echo first', 'echo about 7'])
  expect(after.said.filter(({ from }) => from === 'me').map(({ text }) => text)).toEqual([
    'first',
    'slow',
    'about 7',
  ])
  const missed = await until(() => after.states.find(({ what }) => what === 'missed'))
  expect(missed).toEqual({ what: 'missed', all: true, why: 'the inbox no longer reaches back' })
  for (const { states } of [other, after])
    expect(states.filter(({ what }) => what === 'link')).toEqual([
      { what: 'link', status: 'connecting' },
      { what: 'link', status: 'online', link: 'websocket' },
    ])
  held.resolve()
  expect(await after.theirs(3)).toEqual(['echo first', 'echo about 7', 'echo slow'])
})

test('the gateway comes back from a backup: what it has lost is not shown twice, and nothing new is missed (SEMANTICS 12, 13)', async () => {
  const bot = handAgent('bot', echo)
  const directory = await temporaryDirectory()
  const backup = await temporaryDirectory()
  const open = (): Promise<House> => openHouse({ yaml, adapters: [bot.adapter], directory })
  const box = memoryBox()
  const live = async (house: House, texts: readonly string[], count: number): Promise<readonly string[]> => {
    const app = start(house.base, box)
    for (const text of texts) await app.client.send(text)
    const theirs = await app.theirs(count)
    await until(() =>
      app.states.some((event) => event.what === 'outbox' && event.waiting === 0) ? true : undefined,
    )
    await app.client.close()
    return theirs
  }
  let house = await open()
  await live(house, ['a', 'b'], 2)
  await house.stop()
  await cp(join(directory, 'data'), backup, { recursive: true })
  house = await open()
  await live(house, ['c', 'd'], 4)
  await house.stop()
  await rm(join(directory, 'data'), { recursive: true })
  await cp(backup, join(directory, 'data'), { recursive: true })
  house = await open()
  const all = await live(house, ['e', 'f'], 6)
  expect(all).toEqual(['a', 'b', 'c', 'd', 'e', 'f'].map((text) => `echo ${text}`))
  await house.stop()
  await Promise.all([directory, backup].map((each) => rm(each, { recursive: true })))
})

test('another inbox: what was said elsewhere in conversations that this device does not know is shown too (SEMANTICS 12)', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const box = memoryBox()
  const before = start(house.base, box)
  await before.client.send('hi')
  expect(await before.theirs(1)).toEqual(['echo hi'])
  await before.client.close()
  const other = start(house.base, memoryBox())
  await other.client.send({ text: 'about 77', conversation: 'order-77' })
  await other.theirs(2)
  await other.client.close()
  // Numbers of a device were lost: the customer's inbox begins anew (SEMANTICS 13).
  const hello = { t: 'hello', v: 1, device: 'third', boot: 'b', epoch: '', offset: 0 }
  for (const first of [1, 50])
    await post(
      `${house.base}/v1/link`,
      { frames: [{ ...hello, first }] },
      { headers: { authorization: 'Bearer ann' } },
    )
  const after = start(house.base, box)
  expect(await after.theirs(2)).toEqual(['echo hi', 'echo about 77'])
  expect(after.said.filter(({ from }) => from === 'me').map(({ text }) => text)).toEqual(['hi', 'about 77'])
  expect(after.states).toContainEqual({ what: 'missed', all: true, why: expect.any(String) })
})

test('what no frame can hold is refused by send, and what comes behind it arrives', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const app = start(house.base, memoryBox())
  await expect(app.client.send('x'.repeat(300_000))).rejects.toThrow(RangeError)
  await app.client.send('after')
  expect(await app.theirs(1)).toEqual(['echo after'])
})

test('an old copy of the outbox, written to before it hears of the gateway: all of it is stored, once, and nothing else is said to be (SEMANTICS 13)', async () => {
  const bot = handAgent('bot', echo)
  const house = await openHouse({ yaml, adapters: [bot.adapter] })
  const box = memoryBox()
  const live = async (kept: Box, texts: readonly string[], count: number): Promise<void> => {
    const app = start(house.base, kept)
    for (const text of texts) await app.client.send(text)
    await app.theirs(count)
    await app.client.close()
  }
  await live(box, ['1', '2', '3'], 3)
  const copy = memoryBox()
  await copy.write([...(await box.open())])
  await live(box, ['4', '5', '6', '7', '8', '9'], 9)
  const offline = start(house.base, copy, { links: [] })
  const after = Array.from({ length: 8 }, (_, n) => `after ${n}`)
  for (const text of after) await offline.client.send(text)
  await offline.client.close()
  const restored = start(house.base, copy)
  await restored.theirs(17)
  await until(
    () => restored.states.some((event) => event.what === 'outbox' && event.waiting === 0) || undefined,
  )
  const stored = bot.asked.map(({ message }) => message.parts?.[0]?.text)
  expect(stored).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9', ...after])
  await house.stop()
})

test('a token is asked for at each link; one that is no good is told', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  let asked = 0
  const app = start(house.base, memoryBox(), {
    token: async () => {
      asked++
      return 'ann'
    },
  })
  await until(() => (app.status() === 'online' ? true : undefined))
  expect(asked).toBe(1)
  const none = start(house.base, memoryBox(), { token: 'not a token', links: ['http'] })
  await until(() => (none.status() === 'refused' ? true : undefined))
})

test.each([undefined, null, '', ' ann', 5])(
  'a token function that gives %o, as after a logout, is told as refused, and why',
  async (given) => {
    const app = start('http://127.0.0.1:1', memoryBox(), { token: async () => given as never })
    expect(await until(() => app.states.find((event) => event.what === 'link' && event.reason))).toEqual({
      what: 'link',
      status: 'refused',
      reason: expect.stringContaining('TypeError: a token holds letters'),
    })
  },
)

test.each([undefined, null, 5, {}])(
  'a token that is neither a text nor a function, %o, is told at once',
  (token) => {
    expect(() => connect({ url: 'http://127.0.0.1:1', token: token as never, box: memoryBox() })).toThrow(
      new TypeError('token is neither a text nor a function'),
    )
  },
)

test.each(['localhost:8080', 'ws://gateway', 'ftp://gateway', '/chat'])(
  'the url %s is no address of a gateway',
  (url) => {
    expect(() => connect({ url, token: 'ann', box: memoryBox() })).toThrow(TypeError)
  },
)

test('a query and a fragment of the url are left out', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const app = start(`${house.base}/?page=1#top`, memoryBox())
  await app.client.send('x')
  expect(await app.theirs(1)).toEqual(['echo x'])
})

test('a closed client sends nothing more; what it keeps is sent by the next one', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const box = memoryBox()
  const first = start(house.base, box, { links: ['http'], addresses: { http: 'http://127.0.0.1:1/nothing' } })
  const { id } = await first.client.send('kept')
  await first.client.close()
  await expect(first.client.send('late')).rejects.toThrow('the client is closed')
  const next = start(house.base, box, { links: ['http'] })
  expect(await next.theirs(1)).toEqual(['echo kept'])
  expect(next.said[0]).toMatchObject({ id, text: 'kept', from: 'me' })
  expect(next.status()).toBe('online')
})

test('what is no JSON is refused by send, and harms nothing else', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const app = start(house.base, memoryBox())
  const circular: Record<string, unknown> = {}
  circular['self'] = circular
  await expect(app.client.send({ text: 'x', data: circular as never })).rejects.toThrow(TypeError)
  await app.client.send('good')
  expect(await app.theirs(1)).toEqual(['echo good'])
})

test.each([
  [undefined, 'a message is a text or an object, not undefined'],
  [null, 'a message is a text or an object, not null'],
  [5, 'a message is a text or an object, not number'],
  [['x'], 'a message is a text or an object, not array'],
  [() => 1, 'a message is a text or an object, not function'],
  [{ text: 5 }, 'text is no text'],
  [{ parts: 'x' }, 'parts is no list of parts'],
  [{ parts: [{ kind: 'text', text: 'x' }, null] }, 'parts[1].text is missing'],
  [{ parts: [{ kind: 'text' }] }, 'parts[0].text is missing'],
  [{ text: 'x', conversation: 5 }, 'conversation is no text'],
])('%o is no message: send says what is wrong with it, and uses no number up', async (given, message) => {
  const box = memoryBox()
  const client = connect({ url: 'http://127.0.0.1:1', token: 'ann', box, links: [] })
  apps.push(client)
  await expect(client.send(given as never)).rejects.toThrow(new TypeError(message))
  await client.send('good')
  const values = await box.open()
  expect([...values.keys()].filter((key) => key.startsWith('out/'))).toEqual(['out/000000000000001'])
  expect(values.get('place')).toMatchObject({ next: 2 })
})

test('a handler that is registered by a handler gets each message once', async () => {
  const box = memoryBox()
  const links = { links: [] }
  const live = start('http://127.0.0.1:1', box, links)
  const whileLive: string[] = []
  live.client.onMessage(({ text }) => {
    if (text === 'one') live.client.onMessage((said) => whileLive.push(said.text))
  })
  await Promise.all([live.client.send('one'), live.client.send('two')])
  await live.client.send('three')
  expect(whileLive).toEqual(['one', 'two', 'three'])
  await live.client.close()
  const next = start('http://127.0.0.1:1', box, links)
  const kept: string[] = []
  next.client.onMessage(({ text }) => {
    if (text === 'one') next.client.onMessage((said) => kept.push(said.text))
  })
  await next.client.send('four')
  expect(kept).toEqual(['one', 'two', 'three', 'four'])
  expect(next.said.map(({ text }) => text)).toEqual(['one', 'two', 'three', 'four'])
})

test('a handler that throws takes nothing from the others', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const thrown: unknown[] = []
  const caught = (error: unknown): void => void thrown.push(error)
  const listeners = process.listeners('uncaughtException')
  process.removeAllListeners('uncaughtException').on('uncaughtException', caught)
  try {
    const app = start(house.base, memoryBox())
    app.client.onMessage(() => {
      throw new Error('the app is broken')
    })
    const seen: string[] = []
    app.client.onMessage(({ text }) => seen.push(text))
    await app.client.send('x')
    await until(() => (seen.length === 2 && thrown.length === 2 ? true : undefined))
    expect(seen).toEqual(['x', 'echo x'])
  } finally {
    process.off('uncaughtException', caught)
    for (const listener of listeners) process.on('uncaughtException', listener)
  }
})
