// A channel without a secret: what it can say, and the cure that its README names for the welcome.
import { expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'
import { handAgent } from '../support/parts.ts'
import { TOKEN, eventXml, plainPush } from '../unit/adapters/wechat/pushing.ts'

test('an event that is a message by `operations` is answered in the response; any other is not', async () => {
  const bot = handAgent('bot', async () => ({ parts: [{ kind: 'text', text: 'welcome' }] }))
  const yaml = `
channels:
  wechat: { adapter: wechat, token: ${TOKEN}, operations: { subscribe: { kind: message, text: "'subscribe'" } } }
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const push = async (event: string): Promise<string> => {
    const { query, body, headers } = plainPush(eventXml(event))
    const address = `${house.base}/wechat?${query}`
    return (await fetch(address, { method: 'POST', body: Buffer.from(body), headers })).text()
  }
  expect(await push('subscribe')).toContain('<Content><![CDATA[welcome]]></Content>')
  expect(await push('VIEW')).toBe('success')
})
