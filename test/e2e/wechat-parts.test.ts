// Which parts of an answer stand in the response to a push, which are sent by the API, and which are said to be lost (SEMANTICS 30).
import type { Part } from 'dragoman'
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { handAgent, handBackend } from '../support/parts.ts'
import { APP_ID, TOKEN, eventXml, plainPush, textXml } from '../unit/adapters/wechat/pushing.ts'
import { startPlatformStub } from './wechat-platform.ts'

const yaml = (channel: string): string => `
channels:
  wechat:
    adapter: wechat
    appId: ${APP_ID}
    token: ${TOKEN}
    operations: { subscribe: { kind: message, text: "'subscribe'" } }
    ${channel}
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`
const transfer: Part = { kind: 'card', text: '', data: { msgtype: 'transfer_customer_service' } }
const link: Part = { kind: 'link', text: 'look', media: { url: 'https://example.com/' } }
const text = (said: string): Part => ({ kind: 'text', text: said })
const articles = [1, 2].map((number) => ({ title: `t${number}`, url: `https://example.com/${number}` }))

async function push(house: House, xml: string): Promise<string> {
  const { query, body, headers } = plainPush(xml)
  const response = await fetch(`${house.base}/wechat?${query}`, {
    method: 'POST',
    body: Buffer.from(body),
    headers,
  })
  return response.text()
}

async function deadReasons(house: House): Promise<string> {
  return until(async () => {
    const dead = await house.dead()
    return dead.length > 0 ? JSON.stringify(dead) : undefined
  })
}

test('an empty text stops none of the parts beside it; one alone is a dead letter', async () => {
  await using platform = await startPlatformStub()
  const parts = [text(''), link, text(''), text('end')]
  const bot = handAgent('bot', async () => ({ parts }))
  await using house = await openHouse({
    yaml: yaml(`secret: s\n    apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  expect(await push(house, textXml('hi'))).toBe('success')
  await until(() => platform.sent[1])
  await until(async () =>
    (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
  expect(platform.sent.map(({ msgtype, text: said }) => said?.content ?? msgtype)).toEqual(['news', 'end'])
  expect(await house.dead()).toEqual([])
  bot.answer = async () => ({ parts: [text('')] })
  expect(await push(house, textXml('hi', { id: '2' }))).toBe('success')
  expect(await deadReasons(house)).toContain('the text is empty')
  expect(platform.sent).toHaveLength(2)
})

test('the sentence under a stale answer that is sent part by part stands once, under its last text', async () => {
  await using platform = await startPlatformStub()
  const picture: Part = { kind: 'image', text: 'one', media: { id: 'm1' } }
  const parts = [text('Two offers:'), picture, text('Bye.'), text('')]
  const shop = handBackend('shop', { Offers: { safe: true } }, async () => ({ parts }))
  const cached = `backends: { shop: { adapter: shop, operations: { Offers: { cache: { fresh: 0s, stale: 1h } } } } }
routes: [{ backend: shop, operation: Offers, params: '{}' }]`
  const channel = yaml(`secret: s\n    apiBase: "${platform.apiBase}"\n    staleText: (old)`)
  await using house = await openHouse({
    yaml: channel.replace(/^agents:.*/msu, cached),
    adapters: [shop.adapter],
  })
  const shown = (): readonly string[] =>
    platform.sent.map(({ msgtype, text: said }) => said?.content ?? msgtype)
  expect(await push(house, textXml('hi'))).toBe('success')
  await until(() => platform.sent[2])
  expect(shown()).toEqual(['Two offers:', 'image', 'Bye.'])
  shop.call = async () => {
    throw new Error('down')
  }
  expect(await push(house, textXml('hi', { id: '2' }))).toBe('success')
  await until(() => platform.sent[5])
  expect(shown().slice(3)).toEqual(['Two offers:', 'image', 'Bye.\n(old)'])
})

test('a transfer that comes after the response, or beside a text, is a dead letter that says so; the text is sent', async () => {
  await using platform = await startPlatformStub()
  const bot = handAgent('bot', async () => ({ parts: [text('a colleague will help you'), transfer] }))
  await using house = await openHouse({
    yaml: yaml(`secret: s\n    apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  expect(await push(house, textXml('hi'))).toBe('success')
  expect(await deadReasons(house)).toContain('in the response alone')
  expect(platform.sent.map(({ text: said }) => said?.content)).toEqual(['a colleague will help you'])
  bot.answer = async () => ({ parts: [transfer] })
  expect(await push(house, textXml('hi', { id: '2' }))).toContain('transfer_customer_service')
})

test('without a secret the transfer is done and the text beside it is lost', async () => {
  const bot = handAgent('bot', async () => ({ parts: [text('a colleague will help you'), transfer] }))
  await using house = await openHouse({ yaml: yaml(''), adapters: [bot.adapter] })
  expect(await push(house, textXml('hi'))).toContain('transfer_customer_service')
})

test('two articles stand in the response to an event, and are two messages where they answer a message', async () => {
  await using platform = await startPlatformStub()
  const news: Part = { kind: 'card', text: '', data: { articles } }
  const bot = handAgent('bot', async () => ({ parts: [news] }))
  await using house = await openHouse({
    yaml: yaml(`secret: s\n    apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  expect(await push(house, eventXml('subscribe'))).toContain('<ArticleCount>2</ArticleCount>')
  expect(await push(house, textXml('hi'))).toBe('success')
  await until(() => platform.sent[1])
  expect(platform.sent).toMatchObject(
    articles.map((article) => ({ msgtype: 'news', news: { articles: [article] } })),
  )
})

test('more articles than the API can send in one answer stand in the response, of which the first is shown', async () => {
  await using platform = await startPlatformStub()
  const six = [1, 2, 3, 4, 5, 6].map((number) => ({
    title: `t${number}`,
    url: `https://example.com/${number}`,
  }))
  const bot = handAgent('bot', async () => ({ parts: [{ kind: 'card', text: '', data: { articles: six } }] }))
  await using house = await openHouse({
    yaml: yaml(`secret: s\n    apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  const said = await push(house, textXml('hi'))
  expect(said).toContain('<ArticleCount>1</ArticleCount>')
  expect(said).toContain('t1')
  await until(async () =>
    (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
  expect(platform.sent).toEqual([])
  expect(await house.dead()).toEqual([])
})
