// SEMANTICS "Accepting" and lanes, on a whole gateway: duplicates, scopes, order, limits, expiry.
import { expect, test, vi } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent, handBackend, handChannel, said } from '../support/parts.ts'
import { metric, post, readLog, say, texts } from '../support/rest.ts'

const yaml = `
channels: { web: { adapter: rest }, chat: { adapter: chat } }
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`

test('SEMANTICS 1, 35: duplicates during the work join it: one call, one reply, the same for all', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const chat = handChannel('chat')
  await using house = await openHouse({ yaml, adapters: [bot.adapter, chat.adapter] })
  const all = Array.from({ length: 8 }, () => say(house.base, 'hello', { key: 'k1', waitSeconds: 10 }))
  await until(() => (bot.asked.length === 1 ? true : undefined))
  const early = await say(house.base, 'hello', { key: 'k1' })
  expect(early.status).toBe(202)
  expect(early.body).toMatchObject({ duplicate: true })
  gate.resolve()
  const answers = await Promise.all(all)
  expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(200))
  expect(new Set(answers.map(({ body }) => body.id)).size).toBe(1)
  expect(answers.filter(({ body }) => !body.duplicate)).toHaveLength(1)
  for (const { body } of answers) expect(body.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(bot.asked).toHaveLength(1)
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: hello', 'outbound: echo hello'])
})

test('SEMANTICS 1, 8: after a restart a duplicate gets the stored answer, and nobody is asked again', async () => {
  const bot = handAgent('bot', echo)
  const chat = handChannel('chat')
  const adapters = [bot.adapter, chat.adapter]
  const first = await openHouse({ yaml, adapters })
  const { body } = await say(first.base, 'hello', { key: 'k1', waitSeconds: 10 })
  await first.crash()
  await using house = await openHouse({ yaml, adapters, directory: first.directory })
  const again = await say(house.base, 'hello', { key: 'k1' })
  expect(again.status).toBe(200)
  expect(again.body).toEqual({ ...body, duplicate: true })
  expect(bot.asked).toHaveLength(1)
})

test.each(['AGENT_FAILED', 'ENCODE_FAILED', 'RATE_LIMITED'] as const)(
  'what its channel acknowledges is stored, also when it comes again and has ended in %s',
  async (code) => {
    const bot = handAgent('bot', async () => {
      throw new GatewayError(code, 'bot is out of order')
    })
    const chat = handChannel('chat')
    await using house = await openHouse({
      yaml: `${yaml}\nlanes: { attempts: 1 }`,
      adapters: [bot.adapter, chat.adapter],
    })
    const accept = () => chat.host.accept(said('hello', { externalId: 'k1' }), { acknowledges: true })
    const first = await accept()
    await until(async () => ((await metric(house.base, 'dragoman_waiting')) === 0 ? true : undefined))
    expect(await accept()).toEqual({ ...first, duplicate: true })
  },
)

test("SEMANTICS 8: a customer's own id is one id over every channel, another caller's is another", async () => {
  const bot = handAgent('bot', echo)
  const chat = handChannel('chat')
  await using house = await openHouse({ yaml, adapters: [bot.adapter, chat.adapter] })
  const identity = { role: 'customer', id: 'ann' } as const
  const over = await say(house.base, 'hello', {
    key: 'k1',
    waitSeconds: 10,
    headers: { authorization: 'Bearer ann' },
  })
  const again = await chat.host.accept(said('hello', { externalId: 'k1' }), { identity })
  expect(again).toEqual({ ...over.body, duplicate: true })
  // The channel itself answers for this sender: another namespace, another message.
  const other = await chat.host.accept(said('hello', { externalId: 'k1' }))
  expect(other.duplicate).toBe(false)
  await until(() => (bot.asked.length === 2 ? true : undefined))
})

test('SEMANTICS 8: the same id with other content is 422, and the stored answer does not leave', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter, handChannel('chat').adapter] })
  await say(house.base, 'my secret', { key: 'k1', waitSeconds: 10 })
  const other = await say(house.base, 'something else', { key: 'k1', waitSeconds: 10 })
  expect(other.status).toBe(422)
  expect(other.body).toMatchObject({ code: 'IDEMPOTENCY_MISMATCH', retryable: false })
  expect(JSON.stringify(other.body)).not.toContain('secret')
  expect(bot.asked).toHaveLength(1)
})

test('SEMANTICS 9: a conversation belongs to its first customer for ever', async () => {
  await using house = await openHouse({
    yaml,
    adapters: [handAgent('bot', echo).adapter, handChannel('chat').adapter],
  })
  const more = { conversation: 'case-7' }
  expect((await say(house.base, 'mine', { more })).status).toBe(202)
  const other = await say(house.base, 'mine too', { customer: 'bob', more })
  expect(other.status).toBe(403)
  expect(other.body).toMatchObject({ code: 'FORBIDDEN' })
  const stolen = await fetch(`${house.base}/v1/conversations/case-7/messages`, {
    headers: { authorization: 'Bearer bob' },
  })
  expect(stolen.status).toBe(403)
  expect(await readLog(house.base, 'case-7')).not.toContainEqual(
    expect.objectContaining({ sender: { id: 'bob' } }),
  )
})

test('DESIGN §6: one at a time and in order within a conversation, in parallel across', async () => {
  const running = new Map<string, number>()
  let most = 0
  let mostOfOne = 0
  const seen = new Map<string, string[]>()
  const bot = handAgent('bot', async (message) => {
    const { conversation } = message
    running.set(conversation, (running.get(conversation) ?? 0) + 1)
    mostOfOne = Math.max(mostOfOne, running.get(conversation) ?? 0)
    most = Math.max(
      most,
      [...running.values()].reduce((a, b) => a + b, 0),
    )
    seen.set(conversation, [...(seen.get(conversation) ?? []), message.parts?.[0]?.text ?? ''])
    await new Promise((resolve) => setImmediate(resolve))
    running.set(conversation, (running.get(conversation) ?? 0) - 1)
    return echo(message)
  })
  await using house = await openHouse({ yaml, adapters: [bot.adapter, handChannel('chat').adapter] })
  const customers = Array.from({ length: 8 }, (_, index) => `c${index}`)
  const count = 30
  // Without waiting for the answers: the lanes fill.
  await Promise.all(
    customers.map(async (customer) => {
      for (let n = 0; n < count; n++) await say(house.base, `${n}`, { customer })
    }),
  )
  await until(async () => ((await house.ledger()).waiting === 0 ? true : undefined))
  const inOrder = Array.from({ length: count }, (_, index) => `${index}`)
  for (const customer of customers) {
    expect(seen.get(`web:${customer}`)).toEqual(inOrder)
    const log = await readLog(house.base, `web:${customer}`)
    expect(log.map(({ sequence }) => sequence)).toEqual(log.map((_entry, index) => index + 1))
    expect(log.filter(({ direction }) => direction === 'outbound')).toHaveLength(count)
  }
  expect(mostOfOne).toBe(1)
  expect(most).toBeGreaterThan(1)
})

test('SEMANTICS 28: a full lane refuses with 429 and Retry-After, other lanes and channels that push do not notice', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  const chat = handChannel('chat')
  await using house = await openHouse({
    yaml: `${yaml}\nlanes: { limit: 2 }\n`,
    adapters: [bot.adapter, chat.adapter],
  })
  const accepted = [await say(house.base, '0'), await say(house.base, '1'), await say(house.base, '2')]
  expect(accepted.map(({ status }) => status)).toEqual([202, 202, 202]) // one at work, two wait
  const refused = await say(house.base, '3', { key: 'k3' })
  expect(refused.status).toBe(429)
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0)
  expect(refused.body).toMatchObject({ code: 'OVERLOADED', retryable: true })
  expect((await say(house.base, 'bob', { customer: 'bob' })).status).toBe(202)
  for (let n = 0; n < 5; n++) await chat.host.accept(said(`${n}`))
  gate.resolve()
  // A refused one is not remembered: the same id is taken when there is room.
  await until(async () => ((await house.ledger()).waiting === 0 ? true : undefined))
  const later = await say(house.base, '3', { key: 'k3', waitSeconds: 10 })
  expect(later.body).toMatchObject({ duplicate: false, reply: { parts: [{ text: 'echo 3' }] } })
  expect(await house.ledger()).toMatchObject({ accepted: 10, settled: 10, waiting: 0, dead: 0 })
})

test('SEMANTICS 26: what has expired when its turn comes is not delivered: 410, a tombstone, counted', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  await using house = await openHouse({ yaml, adapters: [bot.adapter, handChannel('chat').adapter] })
  await say(house.base, 'long')
  const expiresAt = new Date(Date.now() + 200).toISOString()
  const late = say(house.base, 'too late', { key: 'k2', waitSeconds: 10, more: { expiresAt } })
  await until(async () => ((await house.ledger()).accepted === 2 ? true : undefined))
  await until(() => (Date.now() > Date.parse(expiresAt) ? true : undefined))
  gate.resolve()
  const answer = await late
  expect(answer.status).toBe(410)
  expect(answer.body).toMatchObject({ code: 'EXPIRED' })
  expect(bot.asked).toHaveLength(1)
  const [, tombstone] = (await readLog(house.base, 'web:ann')).filter(
    ({ direction }) => direction === 'inbound',
  )
  expect(tombstone).toMatchObject({ sequence: 2, gone: 'expired' })
  expect(tombstone).not.toHaveProperty('parts')
  expect(await house.ledger()).toMatchObject({ accepted: 2, settled: 1, expired: 1, dead: 0, waiting: 0 })
  expect((await say(house.base, 'too late', { key: 'k2', more: { expiresAt } })).status).toBe(410)
})

test('SEMANTICS 26: a request that has expired is refused before anybody is called', async () => {
  const orders = handBackend('erp', { Do: { safe: false } }, async () => ({ data: 'done' }))
  const chat = handChannel('chat')
  await using house = await openHouse({
    yaml: 'channels: { chat: { adapter: chat } }\nbackends: { orders: { adapter: erp } }\nroutes: [{ backend: orders }]',
    adapters: [orders.adapter, chat.adapter],
  })
  const draft = {
    kind: 'request',
    type: 'Do',
    sender: { id: 'chat', role: 'system' },
    data: {},
    expiresAt: '2026-01-01T00:00:00Z',
  } as const
  await expect(chat.host.accept(draft)).rejects.toMatchObject({ code: 'EXPIRED' })
  expect(orders.calls).toHaveLength(0)

  // SEMANTICS 25: by the clock of all who share the store, whatever this machine's says.
  vi.spyOn(house.store, 'now').mockReturnValue(Date.parse(draft.expiresAt) - 1)
  await chat.host.accept(draft)
  expect(orders.calls).toHaveLength(1)
  vi.mocked(house.store).now.mockReturnValue(Date.now() + 600_000)
  const late = { ...draft, expiresAt: new Date(Date.now() + 300_000).toISOString() }
  await expect(chat.host.accept(late)).rejects.toMatchObject({ code: 'EXPIRED' })
})

test('SEMANTICS 21: what no route takes is a dead letter NO_ROUTE, and a waiting caller is told', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({
    yaml: yaml.replace('{ agent: helper }', `{ when: "type = 'image'", agent: helper }`),
    adapters: [bot.adapter, handChannel('chat').adapter],
  })
  expect((await say(house.base, 'one')).status).toBe(202)
  const waited = await say(house.base, 'two', { waitSeconds: 10 })
  expect(waited.status).toBe(404)
  expect(waited.body).toMatchObject({ code: 'NO_ROUTE' })
  const dead = await until(async () => {
    const letters = await house.dead()
    return letters.length === 2 ? letters : undefined
  })
  expect(dead[0]?.failure.code).toBe('NO_ROUTE')
  expect(await house.ledger()).toMatchObject({ accepted: 2, dead: 2, settled: 0, waiting: 0 })
  const request = await post(`${house.base}/v1/requests/GetOrder`, {})
  expect(request.status).toBe(404)
})

test('SEMANTICS 37: a client who goes ends the waiting only; the work goes on and a repeat gets its answer', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  await using house = await openHouse({ yaml, adapters: [bot.adapter, handChannel('chat').adapter] })
  const gone = new AbortController()
  const first = say(house.base, 'hello', { key: 'k1', waitSeconds: 20, signal: gone.signal })
  await until(() => (bot.asked.length === 1 ? true : undefined))
  gone.abort()
  await expect(first).rejects.toThrow('abort')
  const again = say(house.base, 'hello', { key: 'k1', waitSeconds: 10 })
  await until(async () => ((await metric(house.base, 'dragoman_duplicates_total')) === 1 ? true : undefined))
  gate.resolve()
  expect((await again).body).toMatchObject({ duplicate: true, reply: { parts: [{ text: 'echo hello' }] } })
  expect(bot.asked).toHaveLength(1)
})

test('a waiting is over in time: 202, and the answer is there for the same id later', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  await using house = await openHouse({ yaml, adapters: [bot.adapter, handChannel('chat').adapter] })
  const early = await say(house.base, 'hello', { key: 'k1', waitSeconds: 1 })
  expect(early.status).toBe(202)
  gate.resolve()
  const later = await say(house.base, 'hello', { key: 'k1', waitSeconds: 10 })
  expect(later.body.reply?.parts?.[0]?.text).toBe('echo hello')
})

test('SEMANTICS 36: per process, offered = accepted + duplicate + refused + failed', async () => {
  await using house = await openHouse({
    yaml,
    adapters: [handAgent('bot', echo).adapter, handChannel('chat').adapter],
  })
  await say(house.base, 'one', { key: 'k1', waitSeconds: 10 })
  await say(house.base, 'one', { key: 'k1' })
  await say(house.base, 'two', { key: 'k1' })
  await say(house.base, 'other', { customer: 'bob', more: { conversation: 'web:ann' } })
  const intake = await Promise.all(
    ['offered', 'accepted', 'duplicate', 'refused', 'failed'].map((result) =>
      metric(house.base, `dragoman_intake_total{result="${result}"}`),
    ),
  )
  expect(intake).toEqual([4, 1, 1, 2, 0])
})
