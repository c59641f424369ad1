// SEMANTICS 7, 16, 19: an agent is asked again, then its fallback, then it is a dead letter; no head holds its lane for ever.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { startBot, textOf } from '../support/bot.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { echo, handAgent } from '../support/parts.ts'
import { readLog, say, texts } from '../support/rest.ts'
import { traceOf } from '../../core/operators/trace.ts'
import type { Attempt } from '../../core/store/store.ts'
import { stopwatch } from '../support/processor.ts'

const yaml = `
channels: { web: { adapter: rest } }
agents:
  helper: { adapter: bot, timeout: 5s, breaker: { minimumCalls: 1000 } }
  people: { adapter: desk, timeout: 5s }
routes: [{ agent: helper, fallback: people }]
`
const alone = yaml.replace(', fallback: people', '')
const soon = { retryAfterMs: 1 }

function failing(name = 'bot') {
  return handAgent(name, async () => {
    throw new GatewayError('AGENT_FAILED', `${name} is out of order`, soon)
  })
}

/** Of each attempt its number, whom it asked, and what came of that. */
function told(attempts: readonly Attempt[] = []): readonly string[] {
  return attempts.map(({ attempt, target, failure }) => `${attempt} ${target}: ${failure?.message ?? 'done'}`)
}

test('SEMANTICS 7: a failing bot is asked again with the same webhook-id, and its answer counts once', async () => {
  await using bot = await startBot((asked) =>
    bot.asked.length < 3
      ? { status: bot.asked.length === 1 ? 500 : 503 }
      : { body: { text: `echo ${textOf(asked)}` } },
  )
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ agent: helper }]
`,
  })
  const answer = await say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  expect(answer.body.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(bot.asked.map(({ headers }) => headers['webhook-id'])).toEqual(Array(3).fill(answer.body.id))
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: hello', 'outbound: echo hello'])
  const settled = (await house.rows(answer.body.id)).find((row) => row.row === 'settled')
  expect(settled?.attempts.map(({ attempt, failure }) => [attempt, failure?.code])).toEqual([
    [1, 'AGENT_FAILED'],
    [2, 'AGENT_FAILED'],
    [3, undefined],
  ])
})

test('after its last attempt the fallback gets the conversation: the owner epoch rises', async () => {
  const bot = failing()
  const desk = handAgent('desk', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter, desk.adapter] })
  const { body } = await say(house.base, 'hello', { waitSeconds: 15 })
  expect(body.reply?.parts?.[0]?.text).toBe('echo hello')
  expect(bot.asked).toHaveLength(3)
  expect(new Set(bot.asked.map(({ message }) => message.id))).toEqual(new Set([body.id]))
  expect(desk.asked).toHaveLength(1)
  const [place] = await house.store.find({ by: 'conversation', conversation: 'web:ann' })
  expect(place).toMatchObject({ ownerEpoch: 1, agent: 'people' })
  expect((await readLog(house.base, 'web:ann'))[1]).toMatchObject({ sender: { id: 'people' } })
  expect(await house.dead()).toEqual([])
  const settled = (await house.rows(body.id)).find((row) => row.row === 'settled')
  expect(told(settled?.attempts)).toEqual([
    ...[1, 2, 3].map((n) => `${n} agent helper: bot is out of order`),
    '3 agent people: done',
  ])
  const [, , last, own] = settled?.attempts ?? []
  expect(Date.parse(own?.startedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(last?.startedAt ?? ''))
})

test('a bot that cannot be asked at all is not waited for: no attempt is spent before the fallback', async () => {
  const bot = failing()
  const desk = handAgent('desk', echo)
  const nervous = yaml.replace('minimumCalls: 1000', 'minimumCalls: 1, errorRate: 1, openFor: 60s')
  await using house = await openHouse({ yaml: nervous, adapters: [bot.adapter, desk.adapter] })
  // The first failure opens the breaker; what comes then goes on at once.
  const { body } = await say(house.base, 'hello', { waitSeconds: 15 })
  expect(body.reply?.parts?.[0]?.text).toBe('echo hello')
  const second = await say(house.base, 'hello', { customer: 'bob', waitSeconds: 15 })
  expect(bot.asked).toHaveLength(1)
  expect(desk.asked).toHaveLength(2)
  const settled = (await house.rows(second.body.id)).find((row) => row.row === 'settled')
  expect(settled?.attempts.map(({ target, failure }) => [target, failure?.code])).toEqual([
    ['agent helper', 'BREAKER_OPEN'],
    ['agent people', undefined],
  ])
})

test('without a fallback it is a dead letter with the original bytes, the error and every attempt; the lane goes on', async () => {
  const bot = failing()
  await using house = await openHouse({
    yaml: alone,
    adapters: [bot.adapter, handAgent('desk', echo).adapter],
  })
  const raw = '{"sender":{"id":"ann"},  "text":"hello"}'
  const response = await fetch(`${house.base}/v1/messages`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=15', 'idempotency-key': 'k1' },
    body: raw,
  })
  expect(response.status).toBe(502)
  expect(await response.json()).toMatchObject({ code: 'AGENT_FAILED', retryable: true })
  const [dead] = await house.dead()
  expect(dead?.failure).toMatchObject({ code: 'AGENT_FAILED', message: 'bot is out of order' })
  expect(dead?.raw?.mediaType).toContain('application/json')
  expect(new TextDecoder().decode(dead?.raw?.bytes)).toBe(raw)
  expect(dead?.attempts.map(({ target, failure }) => `${target}: ${failure?.code}`)).toEqual(
    Array(3).fill('agent helper: AGENT_FAILED'),
  )
  expect(bot.asked).toHaveLength(3)
  // A duplicate gets that outcome; nothing is tried behind its back.
  expect((await say(house.base, 'hello', { key: 'k1' })).status).toBe(502)
  expect(bot.asked).toHaveLength(3)
  bot.answer = echo
  expect((await say(house.base, 'again', { waitSeconds: 15 })).status).toBe(200)
  expect(await house.ledger()).toMatchObject({ accepted: 2, settled: 1, dead: 1, waiting: 0, deadLetters: 1 })
})

test('bot and fallback fail: a dead letter, and the conversation has not changed hands', async () => {
  const bot = failing()
  const desk = failing('desk')
  await using house = await openHouse({ yaml, adapters: [bot.adapter, desk.adapter] })
  expect((await say(house.base, 'hello', { waitSeconds: 15 })).status).toBe(502)
  const [letter, ...more] = await house.dead()
  expect(more).toEqual([])
  expect(letter?.failure.message).toBe('desk is out of order')
  expect(told(letter?.attempts)).toEqual([
    ...[1, 2, 3].map((n) => `${n} agent helper: bot is out of order`),
    '3 agent people: desk is out of order',
  ])
  expect([bot.asked.length, desk.asked.length]).toEqual([3, 1])
  const [place] = await house.store.find({ by: 'conversation', conversation: 'web:ann' })
  expect(place).toMatchObject({ ownerEpoch: 0 })
})

test('a hand-off nobody takes is a dead letter at once: asking again would change nothing', async () => {
  const bot = handAgent('bot', async () => ({ handoff: 'wants a person' }))
  await using house = await openHouse({
    yaml: alone,
    adapters: [bot.adapter, handAgent('desk', echo).adapter],
  })
  expect((await say(house.base, 'hello', { waitSeconds: 15 })).status).toBe(502)
  expect(bot.asked).toHaveLength(1)
  expect((await house.dead())[0]?.failure.message).toContain('wants a person')
})

test('who handed off, and why, stands in the trace, the log and the dead letter, also where the fallback has answered', async () => {
  const bot = handAgent('bot', async () => ({ handoff: 'wants a person' }))
  const desk = handAgent('desk', echo)
  await using house = await openHouse({ yaml, adapters: [bot.adapter, desk.adapter] })
  const { body } = await say(house.base, 'hello', { waitSeconds: 15 })
  const steps = (await traceOf(house.store, body.id))?.steps.filter(({ step }) => step === 'attempt 1')
  const ms = String.raw`\d+\.\d ms`
  expect(steps?.map(({ detail }) => detail)).toEqual([
    expect.stringMatching(`^agent helper, ${ms}: AGENT_FAILED: hands off \\("wants a person"\\)$`),
    expect.stringMatching(`^agent people, ${ms}: done$`),
  ])
  expect(house.log()).toContain(String.raw`"before":"agent helper: hands off (\"wants a person\")"`)
  desk.answer = async () => ({ handoff: 'is at lunch' })
  expect((await say(house.base, 'again', { waitSeconds: 15 })).status).toBe(502)
  expect(told((await house.dead())[0]?.attempts)).toEqual([
    '1 agent helper: hands off ("wants a person")',
    '1 agent people: agent people hands off ("is at lunch"), but nobody is left',
  ])
  const headers = { authorization: 'Bearer test-admin-token' }
  const page = await (await fetch(`${house.base}/admin/v1/dead-letters`, { headers })).json()
  expect(page).toMatchObject({ letters: [{ attempts: 1 }] })
})

test('SEMANTICS 19: a head holds its lane at most `hold`, all attempts: then dead letter and release', async () => {
  const bot = handAgent('bot', async (message) =>
    message.parts?.[0]?.text === 'hang' ? new Promise(() => undefined) : echo(message),
  )
  await using house = await openHouse({
    yaml: `${alone}\nlanes: { hold: 700ms, attempts: 100 }\n`,
    adapters: [bot.adapter, handAgent('desk', echo).adapter],
  })
  const begun = performance.now()
  const watch = stopwatch()
  const hanging = say(house.base, 'hang', { waitSeconds: 15 })
  const next = await say(house.base, 'next', { waitSeconds: 15 })
  const [held, ownMs] = [performance.now() - begun, watch()]
  expect(next.body.reply?.parts?.[0]?.text).toBe('echo next')
  expect(held).toBeGreaterThan(600)
  expect(ownMs).toBeLessThan(2500) // its agent would have had 5 s
  expect((await hanging).status).toBe(504)
  expect((await house.dead())[0]?.failure.code).toBe('DEADLINE_EXCEEDED')
})

test('SEMANTICS 19: of the time that is left a hanging bot leaves half to the fallback', async () => {
  const bot = handAgent('bot', () => new Promise(() => undefined))
  const desk = handAgent('desk', echo)
  await using house = await openHouse({
    yaml: `${yaml}\nlanes: { hold: 2s, attempts: 1 }\n`,
    adapters: [bot.adapter, desk.adapter],
  })
  const { body } = await say(house.base, 'hello', { waitSeconds: 15 })
  expect(body.reply?.parts?.[0]?.text).toBe('echo hello')
})

test('SEMANTICS 19: a stop is no holding: what is taken up after an hour gets its whole call', async () => {
  const bot = handAgent('bot', () => new Promise(() => undefined))
  const adapters = [bot.adapter, handAgent('desk', echo).adapter]
  const first = await openHouse({ yaml: alone, adapters })
  const { body } = await say(first.base, 'hello', { key: 'k1' })
  await until(() => (bot.asked.length === 1 ? true : undefined))
  await first.crash()
  bot.answer = async (message) => {
    await new Promise((resolve) => setImmediate(resolve))
    return echo(message)
  }
  await using house = await openHouse({
    yaml: alone,
    adapters,
    directory: first.directory,
    emptyForMs: 3_600_000,
  })
  const again = await say(house.base, 'hello', { key: 'k1', waitSeconds: 15 })
  expect(again.body).toMatchObject({ id: body.id, reply: { parts: [{ text: 'echo hello' }] } })
  expect(bot.asked.map(({ message }) => message.id)).toEqual([body.id, body.id])
})

test('SEMANTICS 16: begun three times and never ended, a message goes to the dead letters without another call', async () => {
  const bot = handAgent('bot', () => new Promise(() => undefined))
  const adapters = [bot.adapter, handAgent('desk', echo).adapter]
  let house = await openHouse({ yaml: alone, adapters })
  const { directory } = house
  await say(house.base, 'killer', { key: 'k1' })
  for (let life = 1; life <= 3; life++) {
    await until(() => (bot.asked.length === life ? true : undefined))
    await house.crash()
    house = await openHouse({ yaml: alone, adapters, directory })
  }
  await using last = house
  const dead = await until(async () => (await last.dead())[0])
  expect(bot.asked).toHaveLength(3)
  expect(dead.failure.message).toContain('begun 3 times')
  expect(dead.attempts).toHaveLength(4)
  bot.answer = echo
  expect((await say(last.base, 'next', { waitSeconds: 15 })).status).toBe(200)
  expect((await say(last.base, 'killer', { key: 'k1' })).status).toBe(502)
  expect(await last.ledger()).toMatchObject({ accepted: 2, settled: 1, dead: 1, waiting: 0 })
})
