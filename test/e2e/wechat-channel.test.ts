// A WeChat channel in a running gateway: the 5-second rule, the platform's repeats, and what is stored (SEMANTICS 1, 5, 6, 8).
import { expect, test } from 'vitest'
import { startGateway, until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent, handBackend } from '../support/parts.ts'
import { metric, readLog } from '../support/rest.ts'
import {
  APP_ID,
  KEY,
  OTHER_KEY,
  TOKEN,
  eventXml,
  now,
  openReply,
  plainPush,
  sealedPush,
  textXml,
} from '../unit/adapters/wechat/pushing.ts'
import type { PushRequest } from '../unit/adapters/wechat/pushing.ts'
import { startPlatformStub } from './wechat-platform.ts'

interface Options {
  readonly more?: string
  readonly routes?: string
}

const yaml = (channel: string, { more = '', routes = '[{ agent: helper }]' }: Options = {}): string => `
channels:
  wechat: { adapter: wechat, appId: ${APP_ID}, token: ${TOKEN}, ${channel} }
  web: { adapter: rest }
agents: { helper: { adapter: bot, timeout: 20s } }
${more}
routes: ${routes}
`
const safe = `encodingAESKey: ${KEY}`

async function send(house: House, { path, query, body, headers }: PushRequest) {
  const response = await fetch(`${house.base}${path}?${query}`, {
    method: 'POST',
    body: Buffer.from(body),
    headers,
  })
  return { status: response.status, body: await response.text() }
}

test('in time: the encrypted reply stands in the response; a repeat gets it again, and nothing is pushed', async () => {
  await using platform = await startPlatformStub()
  const bot = handAgent('bot', echo)
  await using house = await openHouse({
    yaml: yaml(`${safe}, secret: s, apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  const push = sealedPush(textXml('你好 🙂'))
  const first = await send(house, push)
  expect(first.status).toBe(200)
  expect(openReply(first.body)).toContain('<Content><![CDATA[echo 你好 🙂]]></Content>')
  const again = await send(house, push)
  expect(openReply(again.body)).toContain('<Content><![CDATA[echo 你好 🙂]]></Content>')
  expect(bot.asked).toHaveLength(1)
  const log = await readLog(house.base, 'wechat:ann')
  expect(log).toMatchObject([
    { direction: 'inbound', externalId: '6054768590064713728', sender: { id: 'ann' } },
    { direction: 'outbound', parts: [{ text: 'echo 你好 🙂' }] },
  ])
  expect((await house.store.find({ by: 'open', limit: 5 })).length).toBe(0)
  expect(platform.sent).toEqual([])
})

test('too late: 200 and success after waitMs, and the answer by the customer-service API, once', async () => {
  await using platform = await startPlatformStub()
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  await using house = await openHouse({
    yaml: yaml(`${safe}, waitMs: 60, secret: s, apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  const push = sealedPush(textXml('hi'))
  expect(await send(house, push)).toEqual({ status: 200, body: 'success' })
  expect(await send(house, push)).toEqual({ status: 200, body: 'success' })
  gate.resolve()
  await until(() => platform.sent[0])
  expect(await send(house, push)).toEqual({ status: 200, body: 'success' })
  expect(platform.sent).toEqual([{ touser: 'ann', msgtype: 'text', text: { content: 'echo hi' } }])
  expect(bot.asked).toHaveLength(1)
})

test('the platform’s repeats join the running work: one of them gets the reply, the others success', async () => {
  await using platform = await startPlatformStub()
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  await using house = await openHouse({
    yaml: yaml(`${safe}, secret: s, apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  const push = sealedPush(textXml('hi'))
  const tries = [send(house, push), send(house, push), send(house, push)]
  await until(async () =>
    (await metric(house.base, 'dragoman_intake_total{result="offered"}')) === 3 ? true : undefined,
  )
  gate.resolve()
  const answers = await Promise.all(tries)
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200])
  expect(answers.filter(({ body }) => body !== 'success')).toHaveLength(1)
  await until(async () =>
    (await house.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
  expect(bot.asked).toHaveLength(1)
  expect(platform.sent).toEqual([])
})

test('two messages within a second are two, in their order; one id with two texts is refused', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml: yaml(safe), adapters: [bot.adapter] })
  const [one, two] = await Promise.all([
    send(house, sealedPush(textXml('one', { id: '1' }))),
    send(house, sealedPush(textXml('two', { id: '2' }))),
  ])
  expect([openReply(one.body), openReply(two.body)].map((text) => /echo \w+/u.exec(text)?.[0])).toEqual([
    'echo one',
    'echo two',
  ])
  expect(await send(house, sealedPush(textXml('three', { id: '2' })))).toEqual({
    status: 403,
    body: 'forbidden',
  })
  // Of another customer the same id is another message.
  expect((await send(house, sealedPush(textXml('three', { id: '2', from: 'bob' })))).status).toBe(200)
  expect(bot.asked).toHaveLength(3)
})

test('a multi-part answer, a failed agent and an id of 64 bits', async () => {
  await using platform = await startPlatformStub()
  const bot = handAgent('bot', async ({ parts }) => {
    if (parts?.[0]?.text === 'fail') throw new Error('no')
    return {
      parts: [
        { kind: 'text', text: 'first' },
        { kind: 'link', text: 'second', media: { url: 'https://example.com/2' } },
      ],
    }
  })
  await using house = await openHouse({
    yaml: yaml(`secret: s, apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  expect(await send(house, plainPush(textXml('hi', { id: '9223372036854775807' })))).toEqual({
    status: 200,
    body: 'success',
  })
  await until(() => (platform.sent.length === 2 ? true : undefined))
  expect(platform.sent.map(({ msgtype }) => msgtype)).toEqual(['text', 'news'])
  const [{ externalId } = {}] = await readLog(house.base, 'wechat:ann')
  expect(externalId).toBe('9223372036854775807')
})

test('the sixth part of an answer is refused here and says why; the platform’s repeat brings no new quota', async () => {
  await using platform = await startPlatformStub()
  const link = (number: number) =>
    ({ kind: 'link', text: `l${number}`, media: { url: `https://example.com/${number}` } }) as const
  const bot = handAgent('bot', async () => ({ parts: [1, 2, 3, 4, 5, 6, 7].map(link) }))
  await using house = await openHouse({
    yaml: yaml(`${safe}, secret: s, apiBase: "${platform.apiBase}"`),
    adapters: [bot.adapter],
  })
  const push = sealedPush(textXml('hi'))
  expect(await send(house, push)).toEqual({ status: 200, body: 'success' })
  await until(async () => ((await house.dead()).length > 0 ? true : undefined))
  expect(await send(house, push)).toEqual({ status: 200, body: 'success' })
  expect(platform.sent).toHaveLength(5)
  expect(JSON.stringify(await house.dead())).toContain(
    'are used up: the next can be sent when he writes again',
  )
  // He writes again: it goes on.
  bot.answer = async () => ({ parts: [link(8), link(9)] })
  await send(house, sealedPush(textXml('more', { id: '2' })))
  await until(() => (platform.sent.length === 7 ? true : undefined))
})

test('a menu key asks a business system, an event’s route speaks first, other events are stored', async () => {
  await using platform = await startPlatformStub()
  const bot = handAgent('bot', echo)
  const orders = handBackend('orders', { LastOrder: { safe: true } }, async ({ params }) => ({
    data: { text: `order of ${JSON.stringify(params)}` },
  }))
  await using house = await openHouse({
    yaml: `
channels:
  wechat:
    adapter: wechat
    appId: ${APP_ID}
    token: ${TOKEN}
    secret: s
    apiBase: "${platform.apiBase}"
    operations:
      ORDERS: { kind: request, type: "'LastOrder'", data: "{ 'customer': FromUserName }" }
  web: { adapter: rest }
backends: { orders: { adapter: orders } }
agents: { helper: { adapter: bot } }
routes:
  - { when: "kind = 'request'", backend: orders }
  - { when: "kind = 'event' and type = 'order.shipped'", reply: "Your order {{data.no}} has shipped." }
  - { agent: helper }
`,
    adapters: [bot.adapter, orders.adapter],
  })
  const click = plainPush(eventXml('CLICK', '<EventKey><![CDATA[ORDERS]]></EventKey>'))
  const { status, body } = await send(house, click)
  expect(status).toBe(200)
  expect(body).toContain('[order of {"customer":"ann"}]')
  // The same but for the second in which it is said.
  const timeless = (xml: string): string => xml.replace(/<CreateTime>\d+/u, '<CreateTime>')
  expect(timeless((await send(house, click)).body)).toBe(timeless(body))
  expect(orders.calls).toHaveLength(1)

  expect((await send(house, plainPush(textXml('hi')))).body).toContain('[echo hi]')
  const shipped = await fetch(`${house.base}/v1/events/order.shipped`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({
      specversion: '1.0',
      id: 'e1',
      source: '/erp',
      type: 'order.shipped',
      subject: 'ann',
      data: { no: '000777' },
    }),
  })
  expect(shipped.status).toBe(202)
  await until(() => platform.sent[0])
  expect(platform.sent).toEqual([
    { touser: 'ann', msgtype: 'text', text: { content: 'Your order 000777 has shipped.' } },
  ])
})

test('two events of one customer in one second with one key are two; each repeated is one', async () => {
  const bot = handAgent('bot', echo)
  await using house = await openHouse({ yaml: yaml(safe), adapters: [bot.adapter] })
  const card = (code: string) => eventXml('user_get_card', `<UserCardCode>${code}</UserCardCode>`)
  for (const code of ['1', '2', '1', '2', '3'])
    expect(await send(house, sealedPush(card(code)))).toEqual({ status: 200, body: 'success' })
  expect(await metric(house.base, 'dragoman_intake_total{result="accepted"}')).toBe(3)
  expect(await metric(house.base, 'dragoman_intake_total{result="duplicate"}')).toBe(2)
})

test('without a secret an answer that comes too late is not lost silently: it is among the dead letters with the reason', async () => {
  const gate = Promise.withResolvers<void>()
  const bot = handAgent('bot', async (message) => {
    await gate.promise
    return echo(message)
  })
  await using house = await openHouse({ yaml: yaml('waitMs: 20'), adapters: [bot.adapter] })
  expect(await send(house, plainPush(textXml('hi')))).toEqual({ status: 200, body: 'success' })
  gate.resolve()
  const [dead] = await until(async () => {
    const rows = await house.dead()
    return rows.length > 0 ? rows : undefined
  })
  expect(JSON.stringify(dead)).toContain('secret')
})

test('after a crash between the work and its answer the customer gets one answer, once', async () => {
  await using platform = await startPlatformStub()
  const config = yaml(`${safe}, waitMs: 50, secret: s, apiBase: "${platform.apiBase}"`)
  const stuck = handAgent('bot', async () => new Promise<never>(() => undefined))
  await using before = await openHouse({ yaml: config, adapters: [stuck.adapter] })
  const push = sealedPush(textXml('hi'))
  expect(await send(before, push)).toEqual({ status: 200, body: 'success' })
  await until(() => stuck.asked[0])
  await before.crash()

  const bot = handAgent('bot', echo)
  await using after = await openHouse({
    yaml: config,
    adapters: [bot.adapter],
    directory: before.directory,
  })
  await until(() => platform.sent[0])
  expect(await send(after, push)).toEqual({ status: 200, body: 'success' })
  await until(async () =>
    (await after.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
  expect(platform.sent).toEqual([{ touser: 'ann', msgtype: 'text', text: { content: 'echo hi' } }])
})

test('who writes again and gets his answer only after a crash has his new quota: the window was noted before the bot was asked', async () => {
  await using platform = await startPlatformStub()
  const config = yaml(`${safe}, secret: s, apiBase: "${platform.apiBase}"`)
  const parts = [1, 2, 3, 4, 5].map((number) => ({ kind: 'card', text: `c${number}`, data: [] }) as const)
  const bot = handAgent('bot', async () => ({ parts }))
  await using before = await openHouse({ yaml: config, adapters: [bot.adapter] })
  await send(before, sealedPush(textXml('hi')))
  await until(() => (platform.sent.length === 5 ? true : undefined))
  bot.answer = async () => new Promise<never>(() => undefined)
  const cut = send(before, sealedPush(textXml('more', { id: '2' }))).catch(() => undefined)
  await until(() => bot.asked[1])
  await before.crash()
  await cut

  const next = handAgent('bot', echo)
  await using after = await openHouse({
    yaml: config,
    adapters: [next.adapter],
    directory: before.directory,
  })
  await until(async () =>
    (await after.store.find({ by: 'open', limit: 5 })).length === 0 ? true : undefined,
  )
  expect(platform.sent[5]?.text?.content).toBe('echo more')
  expect(await after.dead()).toEqual([])
})

test('where every caller needs a credential the platform’s signature is one; what the channel’s access says holds all the same', async () => {
  await using gateway = await startGateway({
    yaml: `
identity: { keys: { shop: { key: secret-key-of-the-shop, channels: [web] } } }
channels:
  wechat: { adapter: wechat, appId: ${APP_ID}, token: ${TOKEN}, ${safe}, waitMs: 0 }
  fenced: { adapter: wechat, path: /fenced, appId: ${APP_ID}, token: ${TOKEN}, ${safe}, waitMs: 0, access: { from: [192.0.2.0/24] } }
  web: { adapter: rest }
agents: { helper: { adapter: webhook, url: "http://127.0.0.1:9/" } }
routes: [{ agent: helper }]
`,
  })
  const { query, body, headers } = sealedPush(textXml('hi'))
  const post = async (path: string) => {
    const response = await fetch(`${gateway.base}${path}`, {
      method: 'POST',
      body: Buffer.from(body),
      headers,
    })
    return [response.status, await response.text()]
  }
  expect(await post(`/wechat?${query}`)).toEqual([200, 'success'])
  expect(await post(`/wechat?${query.replace('nonce=', 'nonce=x')}`)).toEqual([403, 'forbidden'])
  const [status, text] = await post(`/fenced?${query}`)
  expect([status, text === 'success']).toEqual([403, false])
  expect((await post('/v1/messages'))[0]).toBe(401)
})

test('a replay with another body is refused after a restart, too; a reload changes the key without losing a push', async () => {
  const bot = handAgent('bot', echo)
  const signing = { nonce: 'heard', timestamp: now() }
  await using house = await openHouse({ yaml: yaml('waitMs: 2000'), adapters: [bot.adapter] })
  expect((await send(house, plainPush(textXml('pay ann'), signing))).status).toBe(200)
  await house.stop()
  await using next = await openHouse({
    yaml: yaml('waitMs: 2000'),
    adapters: [bot.adapter],
    directory: house.directory,
  })
  expect((await send(next, plainPush(textXml('pay bob', { id: '2' }), signing))).status).toBe(403)
  await next.reload(yaml(safe))
  expect((await send(next, sealedPush(textXml('a', { id: '3' })))).status).toBe(200)
  await next.reload(yaml(`encodingAESKey: ${OTHER_KEY}, previousEncodingAESKey: ${KEY}`))
  for (const key of [KEY, OTHER_KEY]) {
    const { body } = await send(next, sealedPush(textXml('b', { id: key }), { key }))
    expect(openReply(body, { key })).toContain('echo b')
  }
  await next.reload(yaml(`encodingAESKey: ${OTHER_KEY}`))
  expect((await send(next, sealedPush(textXml('c', { id: '5' }), { key: KEY }))).status).toBe(403)
  expect(bot.asked).toHaveLength(4)
})
