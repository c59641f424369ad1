// Several gateways on one Redis, and a config that comes to one after the other.
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startBot, textOf } from '../support/bot.ts'
import { until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { ADMIN_TOKEN, Instances } from '../support/instances.ts'
import { post } from '../support/rest.ts'

const yaml = (redis: string, bot: string): string => `
channels: { web: { adapter: rest } }
agents: { bot: { adapter: webhook, url: "${bot}" } }
routes: [{ when: "channel = 'web'", agent: bot }]
lanes: { hold: 60s }
store: { url: "${redis}" }
admin: { token: ${ADMIN_TOKEN} }
`

async function change(gateway: GatewayProcess, text: string): Promise<void> {
  await writeFile(join(gateway.directory, 'gateway.yaml'), text)
  await until(() => gateway.log().includes('a new generation runs') || undefined)
}

test('what one has taken in on a new channel waits for the others to know it', async () => {
  await using bot = await startBot((asked) => ({ body: { text: `echo ${textOf(asked)}` } }))
  await using instances = await Instances.start(2, (redis) => yaml(redis, bot.url))
  await instances.shared(2)
  const [first, second] = await instances.list()
  if (first === undefined || second === undefined) throw new Error('there are not two')
  const next = instances.yaml
    .replace(' }\nagents', ', next: { adapter: rest, path: /next, openapi: /next.json } }\nagents')
    .replace(`channel = 'web'`, `channel in ['web', 'next']`)
  await change(first.gateway, next)
  const said = Array.from({ length: 12 }, (_, number) => `new${number}`)
  const answers = said.map((text) =>
    post(`${first.gateway.base}/next/messages`, { sender: { id: text }, text }, { waitSeconds: 30 }),
  )
  await until(() => bot.asked.length > 0 || undefined)
  await change(second.gateway, next)
  const ended = await Promise.all(answers)
  expect(ended.map(({ status, body }) => [status, body.reply?.parts?.[0]?.text])).toEqual(
    said.map((text) => [200, `echo ${text}`]),
  )
  expect(bot.asked.map((one) => textOf(one)).toSorted()).toEqual(said.toSorted())
})
