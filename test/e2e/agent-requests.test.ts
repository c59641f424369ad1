// A request whose route leads to an agent: answered at once by the one who can, the fallback where the first one cannot.
import { expect, test } from 'vitest'
import { GatewayError } from '../../core/api.ts'
import { startBot } from '../support/bot.ts'
import type { Told } from '../support/bot.ts'
import { openHouse } from '../support/house.ts'
import { handAgent } from '../support/parts.ts'
import type { HandAgent } from '../support/parts.ts'
import { post } from '../support/rest.ts'

const yaml = (route: string): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: bot, timeout: 500ms }, people: { adapter: desk } }
routes: [{ ${route} }]
`
const ask = (base: string, key?: string) =>
  post<{ by?: string; code?: string; detail?: string }>(
    `${base}/v1/requests/WhoAmI`,
    { n: 1 },
    key === undefined ? {} : { key },
  )

const ways: readonly (readonly [string, HandAgent['answer']])[] = [
  ['hands off', async () => ({ handoff: 'not mine' })],
  ['only takes it', async () => undefined],
  ['fails', () => Promise.reject(new GatewayError('AGENT_FAILED', 'out of order'))],
  ['does not answer in time', () => new Promise(() => undefined)],
]

test.each(ways)('an agent who %s leaves a request to the fallback, claimed or not', async (_way, answer) => {
  const bot = handAgent('bot', answer)
  const desk = handAgent('desk', async () => ({ data: { by: 'people' } }))
  await using house = await openHouse({
    yaml: yaml('agent: helper, fallback: people'),
    adapters: [bot.adapter, desk.adapter],
  })
  for (const key of [undefined, 'k1', 'k1'])
    expect(await ask(house.base, key)).toMatchObject({ status: 200, body: { by: 'people' } })
  expect([bot.asked.length, desk.asked.length]).toEqual([2, 2])
  expect(house.log()).toContain('the fallback is asked')
})

test('a request to a bot nobody listens for goes to the fallback as well', async () => {
  const gone = await startBot(() => ({}))
  await gone[Symbol.asyncDispose]()
  const desk = handAgent('desk', async () => ({ data: { by: 'people' } }))
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${gone.url}" }, people: { adapter: desk } }
routes: [{ agent: helper, fallback: people }]
`,
    adapters: [desk.adapter],
  })
  expect(await ask(house.base)).toMatchObject({ status: 200, body: { by: 'people' } })
})

test('where nobody is left the caller is told why', async () => {
  const bot = handAgent('bot', async () => ({ handoff: 'not mine' }))
  const desk = handAgent('desk', async () => undefined)
  const adapters = [bot.adapter, desk.adapter]
  {
    await using house = await openHouse({ yaml: yaml('agent: helper'), adapters })
    expect(await ask(house.base)).toMatchObject({
      status: 502,
      body: { code: 'AGENT_FAILED', detail: 'agent "helper" hands off ("not mine")' },
    })
  }
  await using house = await openHouse({ yaml: yaml('agent: helper, fallback: people'), adapters })
  const { status, body } = await ask(house.base)
  expect([status, body.code]).toEqual([502, 'AGENT_FAILED'])
  expect(body.detail).toBe('agent "people" only took the request "WhoAmI", which is to be answered at once')
})

test('no callback is offered with a request that is not stored; with a recorded one there is', async () => {
  const told: Told = { body: { data: {} } }
  await using bot = await startBot(() => told)
  const webhook = (record: boolean): string => `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" } }
routes: [{ agent: helper, record: ${record} }]
`
  await using house = await openHouse({ yaml: webhook(false) })
  expect((await ask(house.base)).status).toBe(200)
  await house.reload(webhook(true))
  expect((await ask(house.base)).status).toBe(200)
  const [plain, recorded] = bot.asked
  expect(plain?.event).not.toHaveProperty('callbackurl')
  expect(plain?.event).not.toHaveProperty('callbacktoken')
  expect(recorded?.event.callbackurl).toContain('/v1/callbacks/')
})

test('SEMANTICS 7, 15: a request that is repeated under its key comes to the bot and to the fallback under the first id', async () => {
  await using bot = await startBot(() => ({ status: 500 }))
  const desk = handAgent('desk', () => Promise.reject(new GatewayError('AGENT_FAILED', 'out of order')))
  await using house = await openHouse({
    yaml: `
channels: { web: { adapter: rest } }
agents: { helper: { adapter: webhook, url: "${bot.url}" }, people: { adapter: desk } }
routes: [{ agent: helper, fallback: people }]
`,
    adapters: [desk.adapter],
  })
  for (let n = 0; n < 2; n++) expect((await ask(house.base, 'k1')).status).toBe(502)
  bot.answer = () => ({ body: { data: { by: 'helper' } } })
  expect(await ask(house.base, 'k1')).toMatchObject({ status: 200, body: { by: 'helper' } })
  expect(await ask(house.base, 'k2')).toMatchObject({ status: 200 })
  const [first, ...more] = bot.asked.map(({ headers, event }) => ({
    webhookId: headers['webhook-id'],
    id: event.id,
    message: event.data.id,
    correlation: event.correlationid,
  }))
  const other = more.pop()
  expect(more).toEqual([first, first])
  expect(new Set(Object.values(first ?? {})).size).toBe(1)
  expect(other?.id).not.toBe(first?.id)
  expect(desk.asked.map(({ message }) => message.id)).toEqual([first?.id, first?.id])
})
