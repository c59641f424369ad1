// A channel without a secret: what it can say, and the cure that its README names for the welcome.
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import { handAgent } from '../support/parts.ts'
import { TOKEN, eventXml, plainPush, textXml } from '../unit/adapters/wechat/pushing.ts'

test('an event that is a message by `operations` is answered in the response, any other is not; what is lost of an answer is told', async () => {
  const bot = handAgent('bot', async () => ({ parts: [{ kind: 'text', text: 'welcome' }] }))
  const yaml = `
channels:
  wechat: { adapter: wechat, token: ${TOKEN}, operations: { subscribe: { kind: message, text: "'subscribe'" } } }
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`
  await using house = await openHouse({ yaml, adapters: [bot.adapter] })
  const push = async (xml: string): Promise<string> => {
    const { query, body, headers } = plainPush(xml)
    const address = `${house.base}/wechat?${query}`
    return (await fetch(address, { method: 'POST', body: Buffer.from(body), headers })).text()
  }
  expect(await push(eventXml('subscribe'))).toContain('<Content><![CDATA[welcome]]></Content>')
  expect(await push(eventXml('VIEW'))).toBe('success')

  // What is lost of an answer that came in time is told, and why.
  bot.answer = async () => ({ parts: [{ kind: 'text', text: '汉'.repeat(1000) }] })
  expect(await push(textXml('hi', { id: '1' }))).toContain('汉…]]></Content>')
  expect(house.log()).toContain('its end is lost')
  const articles = [{ title: 'Payment', url: 'https://a.example/7' }]
  bot.answer = async () => ({
    parts: [
      { kind: 'text', text: 'Pay here:' },
      { kind: 'card', text: '', data: { articles } },
      { kind: 'image', text: '', media: { id: 'm' } },
    ],
  })
  expect(await push(textXml('hi', { id: '3' }))).toContain('[Pay here:\nPayment\nhttps://a.example/7]')
  expect(house.log()).toContain('no text and no address')
  bot.answer = async () => ({ parts: [{ kind: 'text', text: 'bell\u0007x' }] })
  expect(await push(textXml('hi', { id: '2' }))).toBe('success')
  const reasons = await until(async () => {
    const dead = JSON.stringify(await house.dead())
    return dead.includes('U+0007') ? dead : undefined
  })
  expect(reasons).toContain('the response cannot carry this answer')
  expect(house.log()).toContain('the response cannot carry this answer')
})
