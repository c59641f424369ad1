// A failed call is made again where that can help and harms nobody (DESIGN §7, SEMANTICS 2, 3), on a whole gateway.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handBackend, handChannel, said } from '../support/parts.ts'
import { metric, post, say } from '../support/rest.ts'

const yaml = (retry = '{ first: 5ms }'): string => `
channels: { web: { adapter: rest } }
backends: { erp: { adapter: erp, timeout: 2s, retry: ${retry}, breaker: { minimumCalls: 1000 } } }
routes: [{ backend: erp }]
`

/** Fails so often, then answers. */
function erp(times: number, error = new GatewayError('BACKEND_FAILED', 'reset')) {
  let left = times
  return handBackend(
    'erp',
    { Look: { safe: true }, Order: { safe: false, idempotent: true }, Pay: { safe: false } },
    async () => {
      if (left-- > 0) throw error
      return { data: 'done' }
    },
  )
}
const ask = (base: string, operation: string) => post(`${base}/v1/requests/${operation}`, {})

test.each(['Look', 'Order'])(
  '%s: two failures and an answer, with one key and rising attempts',
  async (name) => {
    const backend = erp(2)
    await using house = await openHouse({ yaml: yaml(), adapters: [backend.adapter] })
    expect(await ask(house.base, name)).toMatchObject({ status: 200, body: 'done' })
    expect(backend.calls.map(({ attempt }) => attempt)).toEqual([1, 2, 3])
    expect(new Set(backend.calls.map(({ key }) => key)).size).toBe(1)
    const series = `dragoman_retries_total{backend="erp",operation="${name}",result="made"}`
    expect(await metric(house.base, series)).toBe(2)
  },
)

test('what is neither safe nor idempotent is called once, whatever it fails with', async () => {
  const backend = erp(1)
  await using house = await openHouse({ yaml: yaml(), adapters: [backend.adapter] })
  expect((await ask(house.base, 'Pay')).status).toBe(409)
  expect(backend.calls).toHaveLength(1)
})

test('an answer that says the request is wrong is not asked for again, in a call nor in a lane', async () => {
  const backend = erp(9, new GatewayError('BACKEND_FAILED', 'answered 403', { detail: { status: 403 } }))
  const routed = yaml().replace('backend: erp', 'backend: erp, operation: Look')
  await using house = await openHouse({ yaml: routed, adapters: [backend.adapter] })
  expect((await ask(house.base, 'Look')).status).toBe(502)
  expect(backend.calls).toHaveLength(1)
  await say(house.base, 'hello', { waitSeconds: 5 })
  expect(backend.calls).toHaveLength(2)
  expect(await house.dead()).toHaveLength(1)
})

test('in an outage retries are a fifth of the calls, not two for each', async () => {
  const backend = erp(1e9)
  await using house = await openHouse({
    yaml: yaml('{ first: 1ms, longest: 1ms }'),
    adapters: [backend.adapter],
  })
  const begun = performance.now()
  for (let n = 0; n < 100; n++) await ask(house.base, 'Look')
  const seconds = (performance.now() - begun) / 1000
  expect(backend.calls.length).toBeGreaterThan(100)
  expect(backend.calls.length).toBeLessThanOrEqual(100 + 10 + 20 + seconds / 5 + 1) // the reserve, a fifth, and some seconds' worth
  const series = 'dragoman_retries_total{backend="erp",operation="Look",result="refused"}'
  expect(await metric(house.base, series)).toBeGreaterThan(0)
})

const lanes = `
channels: { web: { adapter: rest }, chat: { adapter: chat } }
agents: { helper: { adapter: bot, breaker: { minimumCalls: 1000 } } }
routes: [{ agent: helper }]
`

test.each(['in flight', 'waiting for its next try'])(
  'SEMANTICS 19: what was %s during a stop longer than `hold` is tried again after it as ever',
  async (how) => {
    const bot = handAgent('bot', echo)
    const chat = handChannel('chat')
    const adapters = [bot.adapter, chat.adapter]
    const busy = async (): Promise<never> => {
      throw new GatewayError('AGENT_FAILED', 'busy', { detail: { status: 503 }, retryAfterMs: 300 })
    }
    const first = await openHouse({ yaml: lanes, adapters })
    const { directory } = first
    bot.answer = how === 'in flight' ? () => new Promise(() => undefined) : busy
    const { body } = await say(first.base, 'hello', { key: 'k1' })
    const began = () => (how === 'in flight' ? bot.asked.length === 1 : tried(first, body.id))
    await until(async () => (await began()) || undefined)
    await first.crash()

    const before = bot.asked.length
    bot.answer = async (message) => (bot.asked.length === before + 1 ? busy() : echo(message))
    await using house = await openHouse({ yaml: lanes, adapters, directory, emptyForMs: 3_600_000 })
    const answered = await say(house.base, 'hello', { key: 'k1', waitSeconds: 10 })
    expect(answered.body.reply?.parts?.[0]?.text).toBe('echo hello')
    expect(bot.asked).toHaveLength(before + 2)
    expect(await house.dead()).toEqual([])
  },
)

test('SEMANTICS 19: a push that is to be tried again during a stop longer than `hold` is tried again after it as ever', async () => {
  const chat = handChannel('chat')
  const adapters = [handAgent('bot', echo).adapter, chat.adapter]
  chat.deliver = async () => ({ status: 'refused', retry: true, reason: 'busy', afterMs: 300 })
  const short = `${lanes}lanes: { hold: 1500ms }\n`
  const first = await openHouse({ yaml: short, adapters })
  const { directory } = first
  await chat.host.accept(said('hello'))
  const { key } = await until(() => chat.sent[0])
  await until(async () => (await tried(first, key)) || undefined)
  await first.crash()
  const over = Date.now() + 1700
  await until(() => Date.now() > over || undefined)

  const before = chat.sent.length
  const { deliver } = chat
  chat.deliver = async (...push) => (chat.sent.length === before + 1 ? deliver(...push) : { status: 'sent' })
  await using house = await openHouse({ yaml: short, adapters, directory })
  await until(async () => (await house.store.find({ by: 'open', limit: 5 })).length === 0 || undefined)
  expect(chat.sent).toHaveLength(before + 2)
  expect(await house.dead()).toEqual([])
})

/** It has failed once, and waits. */
async function tried(house: House, id: string): Promise<boolean> {
  const rows = await house.rows(id)
  return rows.some((row) => row.row === 'work' && row.state === 'waiting' && row.attempts.length > 0)
}
