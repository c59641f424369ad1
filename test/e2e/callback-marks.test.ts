// What an agent that has only taken a message says without answering it.
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handAgent } from '../support/parts.ts'
import { post, readLog, say } from '../support/rest.ts'
import { answer, chat, given, taking, takingYaml } from '../support/taking.ts'

test('a mark by callback is no answer: it is in the log once, and the answer that follows counts', async () => {
  const bot = taking()
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  const { body } = await say(house.base, 'hello')
  await until(() => bot.asked[0])
  const { url, token } = given(bot)
  const headers = { authorization: `Bearer ${token}` }
  for (let n = 0; n < 2; n++)
    for (const mark of ['delivered', 'read'])
      expect((await post(url, { metadata: { mark } }, { headers })).status).toBe(200)
  expect((await answer(given(bot), 'later')).status).toBe(200)
  // Sent again it is the same call; another one comes too late.
  expect((await post(url, { metadata: { mark: 'read' } }, { headers })).status).toBe(200)
  const late = await post(url, { metadata: { mark: 'read', by: 'bot' } }, { headers })
  expect(late).toMatchObject({ status: 409, body: { code: 'NOT_OWNER' } })
  const log = (await readLog(house.base, 'web:ann')) as unknown as readonly {
    type: string
    metadata: object
  }[]
  expect(log.map(({ type, metadata }) => ({ type, metadata }))).toEqual([
    { type: 'text' },
    { type: 'mark', metadata: { mark: 'delivered' } },
    { type: 'mark', metadata: { mark: 'read' } },
    { type: 'text' },
  ])
  expect(log[1]).toMatchObject({ sender: { id: 'helper' }, causationId: body.id })
  expect(await house.ledger()).toMatchObject({ dead: 0, waiting: 0 })
})

test('SEMANTICS 7: a mark of an agent that has the conversation no more is refused', async () => {
  const bot = handAgent('bot', async (message) =>
    message.parts?.[0]?.text === 'a person!' ? { handoff: 'wants a person' } : undefined,
  )
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  await say(house.base, 'hello')
  await until(() => bot.asked[0])
  await say(house.base, 'a person!')
  await until(async () => ((await house.ledger()).settled === 2 ? true : undefined))
  const { url, token } = given(bot)
  const headers = { authorization: `Bearer ${token}` }
  expect((await post(url, { metadata: { mark: 'read' } }, { headers })).status).toBe(409)
  expect(await readLog(house.base, 'web:ann')).toHaveLength(2)
})

test.each([[{ parts: [] }], [{ data: null }], [{ metadata: {} }], [{ metadata: { mood: 'good' } }]])(
  'a callback that says nothing (%j) is refused as an empty one is, and the answer that follows counts',
  async (nothing) => {
    const bot = taking()
    await using house = await openHouse({
      yaml: takingYaml(),
      adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
    })
    await say(house.base, 'hello')
    await until(() => bot.asked[0])
    const { url, token } = given(bot)
    const refused = await post(url, nothing, { headers: { authorization: `Bearer ${token}` } })
    expect(refused).toMatchObject({ status: 400, body: { code: 'DECODE_FAILED' } })
    expect((await answer(given(bot), 'later')).status).toBe(200)
  },
)
