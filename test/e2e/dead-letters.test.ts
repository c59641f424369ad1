// SEMANTICS 19, DESIGN §5: dead letters from the page: listed, shown, edited, replayed, dropped.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import type { Json } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { settlingUnless } from '../support/cut-store.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handBackend, handChannel, said } from '../support/parts.ts'
import { metric, post, readLog, say, texts } from '../support/rest.ts'
import { stopwatch } from '../support/processor.ts'

const yaml = `
channels: { web: { adapter: rest }, push: { adapter: push } }
backends: { erp: { adapter: erp, timeout: 2s } }
agents: { helper: { adapter: bot, timeout: 2s, breaker: { minimumCalls: 1000 } } }
lanes: { attempts: 2 }
routes: [{ when: "kind = 'request'", backend: erp }, { agent: helper }]
`
const broken = async (): Promise<never> => {
  throw new GatewayError('AGENT_FAILED', 'bot is out of order')
}

interface Page {
  readonly letters: readonly Record<string, unknown>[]
  readonly next?: string
}

async function admin(
  house: House,
  path: string,
  body?: unknown,
): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`${house.base}/admin/v1/${path}`, {
    method: body === undefined ? 'GET' : 'POST',
    headers: { authorization: 'Bearer test-admin-token', 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> } // our own admin API answers with objects
}
async function list(house: House, query = ''): Promise<Page> {
  const { body } = await admin(house, `dead-letters${query}`)
  return body as unknown as Page // our own admin API
}

async function world() {
  const agent = handAgent('bot', broken)
  const channel = handChannel('push')
  const backend = handBackend(
    'erp',
    { Order: { safe: false }, Look: { safe: true } },
    async ({ params }) => ({
      data: params,
    }),
  )
  const house = await openHouse({ yaml, adapters: [agent.adapter, channel.adapter, backend.adapter] })
  return { agent, channel, backend, house }
}

test('listed and shown: the original bytes, the error, every attempt with its moment and duration', async () => {
  const { house } = await world()
  await using _ = house
  const raw = '{ "sender":{"id":"ann"},  "text":"grüezi" }'
  await fetch(`${house.base}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: raw,
  })
  const [letter] = await until(async () => {
    const { letters } = await list(house)
    return letters.length > 0 ? letters : undefined
  })
  expect(letter).toMatchObject({
    work: 'message',
    code: 'AGENT_FAILED',
    error: 'bot is out of order',
    attempts: 2,
    kind: 'message',
    channel: 'web',
    sender: 'ann',
    conversation: 'web:ann',
  })
  expect(letter).not.toHaveProperty('raw')
  const shown = await admin(house, `dead-letters?id=${String(letter?.['id'])}`)
  expect(shown.body).toMatchObject({
    home: 'web/ann',
    message: { parts: [{ text: 'grüezi' }], sequence: 1 },
    failure: { code: 'AGENT_FAILED' },
    attempts: [
      { attempt: 1, target: 'agent helper', failure: { code: 'AGENT_FAILED' } },
      { attempt: 2, target: 'agent helper', failure: { code: 'AGENT_FAILED' } },
    ],
    raw: { mediaType: 'application/json', base64: Buffer.from(raw).toString('base64') },
  })
  for (const attempt of shown.body['attempts'] as { startedAt: string; durationMs: number }[]) {
    expect(Date.parse(attempt.startedAt)).toBeGreaterThan(Date.now() - 60_000)
    expect(attempt.durationMs).toBeGreaterThanOrEqual(0)
  }
  expect(await admin(house, 'dead-letters?id=nobody')).toMatchObject({ status: 404 })
})

test('a replay is a new message at the end that names the old one; its answer counts, the dead letter is gone', async () => {
  const { agent, house } = await world()
  await using _ = house
  await say(house.base, 'first', { key: 'k1' })
  const [letter] = await until(async () => ((await house.dead()).length === 1 ? house.dead() : undefined))
  agent.answer = echo
  await say(house.base, 'second', { waitSeconds: 10 })
  const id = letter?.id ?? ''
  const replayed = await admin(house, 'dead-letters/replay', { id })
  expect(replayed).toMatchObject({ status: 200, body: { id, conversation: 'web:ann', sequence: 4 } })
  const log = await until(async () => {
    const now = await readLog(house.base, 'web:ann')
    return now.length === 5 ? now : undefined
  })
  expect(texts(log)).toEqual([
    'inbound: first',
    'inbound: second',
    'outbound: echo second',
    'inbound: first',
    'outbound: echo first',
  ])
  expect(log[3]).toMatchObject({ causationId: id, id: replayed.body['as'] })
  const { body: trace } = await admin(house, `trace?id=${id}`)
  const steps = (trace['steps'] as { step: string }[]).map(({ step }) => step) // our own admin API
  expect(steps.filter((step) => /^(?:accepted|replayed|reply)$/u.test(step))).toEqual([
    'accepted',
    'replayed',
  ])
  expect(await house.dead()).toEqual([])
  expect(await admin(house, 'dead-letters/replay', { id })).toMatchObject({ status: 404 })
  expect(await house.ledger()).toMatchObject({ accepted: 3, settled: 2, dead: 1, waiting: 0, deadLetters: 0 })
  expect(await metric(house.base, 'dragoman_dead_letters_ended_total{how="replayed"}')).toBe(1)
})

test('replayed at the same moment by two, or again after a crash between its two steps, it is one new message', async () => {
  const agent = handAgent('bot', broken)
  let isCut = false
  await using house = await openHouse({
    yaml: 'channels: { web: { adapter: rest } }\nagents: { helper: { adapter: bot } }\nlanes: { attempts: 1 }\nroutes: [{ agent: helper }]\n',
    adapters: [agent.adapter],
    around: (store) => settlingUnless(() => isCut, store),
  })
  await say(house.base, 'first')
  const [letter] = await until(async () => ((await house.dead()).length === 1 ? house.dead() : undefined))
  agent.answer = echo
  const body = { id: letter?.id }
  isCut = true
  expect((await admin(house, 'dead-letters/replay', body)).status).toBe(503)
  isCut = false
  expect((await house.ledger()).accepted).toBe(2)
  expect((await admin(house, 'dead-letters/replay', { ...body, edit: { text: 'other' } })).status).toBe(422)
  const both = await Promise.all([
    admin(house, 'dead-letters/replay', body),
    admin(house, 'dead-letters/replay', body),
  ])
  const made = both.filter(({ status }) => status === 200).map(({ body: { as } }) => as)
  expect(new Set(made).size).toBe(1)
  await until(async () => ((await readLog(house.base, 'web:ann')).length === 3 ? true : undefined))
  expect((await house.ledger()).accepted).toBe(2)
  expect(await house.dead()).toEqual([])
})

test('what keeps failing is a dead letter again, under its new id', async () => {
  const { house } = await world()
  await using _ = house
  await say(house.base, 'first')
  const [letter] = await until(async () => ((await house.dead()).length === 1 ? house.dead() : undefined))
  const { body } = await admin(house, 'dead-letters/replay', { id: letter?.id })
  const again = await until(async () => (await house.dead()).find(({ id }) => id === body['as']))
  expect(again.message.causationId).toBe(letter?.id)
  expect(await house.dead()).toHaveLength(1)
})

test('edited: what is written anew goes, all else stays; nonsense is refused and nothing is sent', async () => {
  const { agent, house } = await world()
  await using _ = house
  await post(`${house.base}/v1/messages`, {
    sender: { id: 'ann' },
    text: 'wrong',
    data: { order: '007' },
    expiresAt: new Date(Date.now() + 60_000).toISOString(),
  })
  const [letter] = await until(async () => ((await house.dead()).length === 1 ? house.dead() : undefined))
  const id = letter?.id
  agent.answer = echo
  for (const edit of [
    {},
    { nonsense: 1 },
    { text: 'a', parts: [{ kind: 'text', text: 'b' }] },
    { priority: 'x' },
    { type: '' },
  ])
    expect((await admin(house, 'dead-letters/replay', { id, edit })).status, JSON.stringify(edit)).toBe(400)
  expect(await house.dead()).toHaveLength(1)
  const edit = { text: 'right', data: { order: '007', id: '12345678901234567890' }, expiresAt: null }
  expect((await admin(house, 'dead-letters/replay', { id, edit })).status).toBe(200)
  await until(() => (agent.asked.at(-1)?.message.parts?.[0]?.text === 'right' ? true : undefined))
  const { message } = agent.asked.at(-1) ?? {}
  expect(message).toMatchObject({ data: edit.data, sender: { id: 'ann' }, conversation: 'web:ann' })
  expect(message).not.toHaveProperty('expiresAt')
})

test('what has expired meanwhile says so instead of vanishing', async () => {
  const { agent, house } = await world()
  await using _ = house
  agent.answer = async () => {
    throw new GatewayError('AGENT_FAILED', 'bot is out of order', { retryAfterMs: 1 })
  }
  const expiresAt = new Date(Date.now() + 4000).toISOString()
  await post(`${house.base}/v1/messages`, { sender: { id: 'ann' }, text: 'soon', expiresAt })
  const [letter] = await until(async () => ((await house.dead()).length === 1 ? house.dead() : undefined))
  await until(() => (Date.now() > Date.parse(expiresAt) ? true : undefined))
  const answer = await admin(house, 'dead-letters/replay', { id: letter?.id })
  expect(answer).toMatchObject({ status: 410, body: { detail: expect.stringContaining('expiresAt') } })
  expect(await house.dead()).toHaveLength(1)
})

test('all of a kind, the oldest first, each in its conversation; the others stay', async () => {
  const { agent, house } = await world()
  await using _ = house
  for (const text of ['one', 'two', 'three']) await say(house.base, text)
  await post(`${house.base}/v1/events/order.shipped`, { orderNo: '1' })
  await until(async () => ((await house.dead()).length === 4 ? true : undefined))
  expect((await admin(house, 'dead-letters/replay-all', {})).status).toBe(400)
  expect((await list(house, '?kind=event')).letters).toHaveLength(1)
  expect((await list(house, '?code=NO_ROUTE')).letters).toEqual([])
  const first = await list(house, '?kind=message&limit=2')
  expect(first.letters).toHaveLength(2)
  expect((await list(house, `?kind=message&limit=2&after=${first.next}`)).letters).toHaveLength(1)
  agent.answer = echo
  const { body } = await admin(house, 'dead-letters/replay-all', { kind: 'message' })
  expect(body).toMatchObject({ replayed: 3, failed: [] })
  const log = await until(async () => {
    const now = await readLog(house.base, 'web:ann')
    return now.length === 9 ? now : undefined
  })
  expect(texts(log.slice(3)).filter((line) => line.startsWith('out'))).toEqual([
    'outbound: echo one',
    'outbound: echo two',
    'outbound: echo three',
  ])
  expect((await house.dead()).map(({ message }) => message.kind)).toEqual(['event'])
  expect((await admin(house, 'dead-letters/replay-all', { all: true })).body).toMatchObject({ replayed: 1 })
})

test('a call whose outcome nobody knows waits for the operator: dropped, its id is told why; replayed, it is called', async () => {
  const { backend, house } = await world()
  await using _ = house
  backend.call = async () => {
    throw new GatewayError('BACKEND_FAILED', 'cut in the middle')
  }
  const order = (key: string) =>
    post<{ detail?: string }>(`${house.base}/v1/requests/Order`, { n: key }, { key })
  expect((await order('a')).status).toBe(409)
  expect((await order('b')).status).toBe(409)
  expect((await order('a')).status).toBe(409)
  expect(backend.calls).toHaveLength(2)
  const letters = (await list(house)).letters
  expect(letters).toMatchObject([
    { work: 'claim', code: 'OUTCOME_UNKNOWN', type: 'Order' },
    { work: 'claim', code: 'OUTCOME_UNKNOWN', type: 'Order' },
  ])
  const [a, b] = letters.map(({ id }) => id)
  const reason = 'the order is there as 4711'
  expect((await admin(house, 'dead-letters/drop', { id: a, reason })).status).toBe(200)
  expect((await order('a')).body.detail).toContain(reason)
  backend.call = async ({ params }) => ({ data: { done: params } as Json })
  expect((await admin(house, 'dead-letters/replay', { id: b })).status).toBe(200)
  await until(() => (backend.calls.length === 3 ? true : undefined))
  expect(backend.calls[2]?.params).toEqual({ n: 'b' })
  expect(await house.dead()).toEqual([])
  expect(await metric(house.base, 'dragoman_dead_letters_ended_total{how="dropped"}')).toBe(1)
})

test('a push the platform refuses is shown, edited and replayed as that part alone', async () => {
  const { agent, channel, house } = await world()
  await using _ = house
  agent.answer = async () => ({
    parts: [
      { kind: 'text', text: 'one' },
      { kind: 'text', text: 'two' },
      { kind: 'text', text: 'three' },
    ],
  })
  channel.deliver = async () => ({ status: 'refused', retry: false, reason: 'window closed' })
  await channel.host.accept(said('hi'))
  await until(async () => ((await house.dead()).length === 3 ? true : undefined))
  const { letters } = await list(house)
  for (const [part, text] of ['one', 'two', 'three'].entries()) {
    const id = String(letters[part]?.['id'])
    expect(id).toMatch(new RegExp(`/${part}$`, 'u'))
    const { body } = await admin(house, `dead-letters?${new URLSearchParams({ id })}`)
    expect(body).toMatchObject({ part, message: { parts: [{ kind: 'text', text }] } })
    expect((body['message'] as { parts: unknown[] }).parts).toHaveLength(1)
    const { body: trace } = await admin(house, `trace?${new URLSearchParams({ id })}`)
    expect(trace).toMatchObject({
      id,
      steps: expect.arrayContaining([expect.objectContaining({ step: 'dead letter' })]),
    })
  }
  channel.deliver = async () => ({ status: 'sent' })
  const before = channel.sent.length
  const edit = { parts: [{ kind: 'text', text: 'three, mended' }] }
  expect(await admin(house, 'dead-letters/replay', { id: letters[2]?.['id'], edit })).toMatchObject({
    status: 200,
  })
  await until(() => (channel.sent.length === before + 1 ? true : undefined))
  expect((await admin(house, 'dead-letters/replay-all', { all: true })).body).toMatchObject({ replayed: 2 })
  await until(() => (channel.sent.length === before + 3 ? true : undefined))
  expect(channel.sent.slice(before).map(({ text }) => text)).toEqual(['three, mended', 'one', 'two'])
  expect(await house.dead()).toEqual([])
})

test('SEMANTICS 19: a push that fails holds what is behind it no longer than `hold`, and other lanes not at all', async () => {
  const agent = handAgent('bot', echo)
  const channel = handChannel('push')
  await using house = await openHouse({
    yaml: yaml.replace('lanes: { attempts: 2 }', 'lanes: { hold: 1s }'),
    adapters: [agent.adapter, channel.adapter, handBackend('erp', {}, async () => ({})).adapter],
  })
  channel.deliver = async (message) =>
    message.parts?.[0]?.text === 'echo poison'
      ? { status: 'refused', retry: true, reason: 'no' }
      : { status: 'sent' }
  const watch = stopwatch()
  const went = async (text: string): Promise<number> => {
    await until(() => (channel.sent.some((one) => one.text === `echo ${text}`) ? true : undefined))
    return watch()
  }
  await channel.host.accept(said('poison'))
  await channel.host.accept(said('behind'))
  await went('poison')
  await channel.host.accept(said('beside', { sender: { id: 'bob', role: 'customer' } }))
  expect(await went('beside')).toBeLessThan(1000)
  expect(await went('behind')).toBeLessThan(3000)
  expect((await house.dead())[0]?.failure.message).toContain('"hold"')
})

test('SEMANTICS 19: in a flood of poison the other lanes are served as if there were none', async () => {
  const { agent, house } = await world()
  await using _ = house
  agent.answer = async (message) => (message.parts?.[0]?.text === 'poison' ? broken() : echo(message))
  await Promise.all(
    Array.from({ length: 50 }, (_each, n) => say(house.base, 'poison', { customer: `p${n}` })),
  )
  const times = await Promise.all(
    Array.from({ length: 20 }, async (_each, n) => {
      const watch = stopwatch()
      const { status } = await say(house.base, 'fine', { customer: `c${n}`, waitSeconds: 10 })
      expect(status).toBe(200)
      return watch()
    }),
  )
  expect(Math.max(...times)).toBeLessThan(1000)
  await until(async () => ((await house.ledger()).dead === 50 ? true : undefined), 20_000)
})
