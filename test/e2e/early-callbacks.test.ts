// SEMANTICS 17: a callback that is quicker than the 202 it belongs to.
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handAgent } from '../support/parts.ts'
import type { HandAgent } from '../support/parts.ts'
import { readLog, say, texts } from '../support/rest.ts'
import { answer, chat, given, taking, takingYaml } from '../support/taking.ts'

test('a bot that is quicker with its callback than with its 202 is heard', async () => {
  const bot: HandAgent = handAgent('bot', async () => {
    early = answer(given(bot), 'early')
    await new Promise((resolve) => setTimeout(resolve, 100))
    return undefined
  })
  let early: ReturnType<typeof answer> | undefined
  await using house = await openHouse({
    yaml: takingYaml(),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  const { body } = await say(house.base, 'hello', { waitSeconds: 15 })
  expect(body.reply?.parts?.[0]?.text).toBe('early')
  expect((await until(() => early)).status).toBe(200)
})

test('so is a fallback that is asked because a promise was missed', async () => {
  const bot = taking()
  let early: ReturnType<typeof answer> | undefined
  const desk: HandAgent = handAgent('desk', async () => {
    early = answer(given(desk), 'already')
    await new Promise((taken) => setTimeout(taken, 200))
    return undefined
  })
  await using house = await openHouse({
    yaml: takingYaml('50ms'),
    adapters: [bot.adapter, desk.adapter, chat().adapter],
  })
  await say(house.base, 'hello')
  expect((await until(() => early)).status).toBe(200)
  expect(texts(await readLog(house.base, 'web:ann'))).toEqual(['inbound: hello', 'outbound: already'])
})

test('a bot that waits for its callback before it answers is told in its time to send it again', async () => {
  const told: number[] = []
  const bot: HandAgent = handAgent('bot', async () => {
    told.push((await answer(given(bot), 'early')).status)
    return undefined
  })
  await using house = await openHouse({
    yaml: takingYaml().replace('adapter: bot,', 'adapter: bot, timeout: 2s,'),
    adapters: [bot.adapter, taking('desk').adapter, chat().adapter],
  })
  const waiting = say(house.base, 'hello', { waitSeconds: 15 })
  await until(() => told[0])
  await until(async () => ((await house.ledger()).settled === 1 ? true : undefined))
  expect((await answer(given(bot), 'early')).status).toBe(200)
  expect((await waiting).body.reply?.parts?.[0]?.text).toBe('early')
  expect(told).toEqual([503])
})
