// SEMANTICS 14 over several instances on one Redis: what one refused for good, no other tells as stored.
import { expect, test } from 'vitest'
import { openLine } from '../support/app-line.ts'
import { startBot, textOf } from '../support/bot.ts'
import { until } from '../support/gateway.ts'
import { ADMIN_TOKEN, Instances } from '../support/instances.ts'

const yaml = (redis: string, bot: string): string => `
channels: { web: { adapter: rest } }
agents: { bot: { adapter: webhook, url: "${bot}" } }
routes: [{ agent: bot }]
admin: { token: ${ADMIN_TOKEN} }
store: { url: "${redis}" }
`

test('a frame that one instance refused is listed in the ok of another, to whom the device was connected before', async () => {
  await using bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  await using instances = await Instances.start(2, (redis) => yaml(redis, bot.url))
  const [a, b] = await instances.list()
  if (a === undefined || b === undefined) throw new Error('there are not two')
  const app = { customer: 'ann', device: 'phone' }
  const here = await openLine(a.gateway.base, app)
  const there = await openLine(b.gateway.base, app)
  there.tell({ t: 'send', n: 1, id: 'one', message: { text: 'one' } })
  there.tell({ t: 'send', n: 2, id: 'two', message: { text: 'two', color: 'red' } })
  await until(() => there.frames.find(({ t }) => t === 'nak'))
  here.tell({ t: 'send', n: 3, id: 'three', message: { text: 'three' } })
  expect(await until(() => here.frames.find(({ t }) => t === 'ok'))).toMatchObject({
    n: 3,
    refused: [{ n: 2, id: 'two', code: 'DECODE_FAILED' }],
  })
  for (const { socket } of [here, there]) socket.close()
}, 120_000)
