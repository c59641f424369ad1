// Each product from the push to the answer, in a running gateway, with keys of its own and the platform's API simulated.
import { randomBytes } from 'node:crypto'
import type { Part } from 'dragoman'
import { expect, test } from 'vitest'
import { startPlatformApi } from '../../bin/demo/simulator/api.ts'
import type { PlatformApi } from '../../bin/demo/simulator/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { echo, handAgent } from '../support/parts.ts'
import type { HandAgent } from '../support/parts.ts'
import { metric, readLog } from '../support/rest.ts'
import { now, openReply, sealedPush, textXml } from '../unit/adapters/wechat/pushing.ts'
import type { Account, PushRequest } from '../unit/adapters/wechat/pushing.ts'

interface Stage extends AsyncDisposable {
  readonly api: PlatformApi
  readonly house: House
  readonly bot: HandAgent
  readonly account: Required<Account>
  push(request: PushRequest, path?: string): Promise<{ readonly status: number; readonly body: string }>
}

const SECRET = randomBytes(16).toString('hex')

async function stage(id: string, channel: string): Promise<Stage> {
  const account = {
    token: randomBytes(9).toString('base64url'),
    key: randomBytes(32).toString('base64').slice(0, 43),
    receiveId: id,
  }
  const all = new AsyncDisposableStack()
  const api = all.use(await startPlatformApi({ appId: id === '' ? 'none' : id, secret: SECRET }))
  const bot = handAgent('bot', echo)
  const yaml = `
channels:
  wechat: { adapter: wechat, appId: "${id}", token: "${account.token}", encodingAESKey: "${account.key}", apiBase: "${api.base}", ${channel} }
  web: { adapter: rest }
agents: { helper: { adapter: bot } }
routes: [{ when: "kind = 'event'", notify: helper }, { agent: helper }]
`
  const house = all.use(await openHouse({ yaml, adapters: [bot.adapter] }))
  return {
    api,
    house,
    bot,
    account,
    async push({ query, body, headers }, path = '/wechat') {
      const response = await fetch(`${house.base}${path}?${query}`, {
        method: 'POST',
        body: Buffer.from(body),
        headers,
      })
      return { status: response.status, body: await response.text() }
    },
    [Symbol.asyncDispose]: () => all.disposeAsync(),
  }
}

const acknowledged = { status: 200, body: 'success' }
const withSecret = `secret: ${SECRET}`

test('miniprogram: JSON in, and the answer by the customer-service API, for nothing in the response is shown', async () => {
  await using on = await stage('wxaaaaaaaaaaaaaaaa', `product: miniprogram, ${withSecret}`)
  on.api.contact('oAnn')
  const said = {
    ToUserName: 'gh_1',
    FromUserName: 'oAnn',
    CreateTime: now(),
    MsgType: 'text',
    Content: '你好 🙂',
  }
  const json = JSON.stringify(said).replace(/\}$/u, ',"MsgId":9223372036854775807}')
  const push = sealedPush(json, { ...on.account, format: 'json' })
  expect(await on.push(push)).toEqual(acknowledged)
  await until(() => on.api.delivered[0])
  expect(on.api.delivered).toMatchObject([{ to: 'oAnn', type: 'text', text: 'echo 你好 🙂' }])
  expect(await readLog(on.house.base, 'wechat:oAnn')).toMatchObject([
    { externalId: '9223372036854775807' },
    {},
  ])
})

test('wecom: in time in the response, too late by message/send of the application that was asked', async () => {
  await using on = await stage('ww1111111111111111', `product: wecom, waitMs: 1500, ${withSecret}`)
  const xml = (id: string, said: string): string =>
    textXml(said, { id, from: 'ZhangSan' }).replace('</xml>', '<AgentID>1000002</AgentID></xml>')
  const { body } = await on.push(sealedPush(xml('1', 'quick'), on.account))
  expect(openReply(body, on.account)).toContain('<Content><![CDATA[echo quick]]></Content>')
  const gate = Promise.withResolvers<void>()
  on.bot.answer = async (message) => {
    await gate.promise
    return echo(message)
  }
  expect(await on.push(sealedPush(xml('2', 'slow'), on.account))).toEqual(acknowledged)
  gate.resolve()
  await until(() => on.api.delivered[0])
  expect(on.api.delivered.map(({ body: sent }) => sent)).toEqual([
    { touser: 'ZhangSan', agentid: 1_000_002, msgtype: 'text', text: { content: 'echo slow' } },
  ])
  expect(on.api.asked.map(({ path }) => path)).toContain('/cgi-bin/gettoken')
})

test('wecom-kf: the event is acknowledged, what customers wrote is read, answered with an id of ours, and not read again by the next life', async () => {
  await using on = await stage('ww2222222222222222', `product: wecom-kf, ${withSecret}`)
  on.api.contact('wmAnn')
  const item = (msgid: string, content: string) => ({
    msgid,
    open_kfid: 'wkA',
    external_userid: 'wmAnn',
    send_time: now(),
    origin: 3,
    msgtype: 'text',
    text: { content },
  })
  on.api.kfItems.push(item('m1', 'one'), item('m2', 'two'), { ...item('m3', 'ours'), origin: 5 })
  const event = `<xml><ToUserName><![CDATA[ww2]]></ToUserName><CreateTime>${now()}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[ENC]]></Token><OpenKfId><![CDATA[wkA]]></OpenKfId></xml>`
  const push = sealedPush(event, on.account)
  expect(await on.push(push)).toEqual(acknowledged)
  expect(await on.push(push)).toEqual(acknowledged)
  await until(() => on.api.delivered[1])
  expect(on.api.delivered.map(({ to, text }) => [to, text])).toEqual([
    ['wmAnn', 'echo one'],
    ['wmAnn', 'echo two'],
  ])
  for (const { body } of on.api.delivered)
    expect(body).toMatchObject({ open_kfid: 'wkA', msgid: expect.stringMatching(/^[0-9A-Za-z_-]{32}$/u) })
  const sync = on.api.asked.find(({ path }) => path === '/cgi-bin/kf/sync_msg')
  expect(sync?.body).toMatchObject({ token: 'ENC', open_kfid: 'wkA' })
  expect(sync?.body).not.toHaveProperty('cursor')

  await on.house.stop()
  const asked = on.api.asked.length
  await using next = await openHouse({
    yaml: `
channels: { wechat: { adapter: wechat, product: wecom-kf, appId: ww2222222222222222, token: "${on.account.token}", encodingAESKey: "${on.account.key}", apiBase: "${on.api.base}", ${withSecret} }, web: { adapter: rest } }
agents: { helper: { adapter: bot } }
routes: [{ agent: helper }]
`,
    adapters: [on.bot.adapter],
    directory: on.house.directory,
  })
  // It looks what has come meanwhile, from its cursor on, without an event.
  const again = await until(() =>
    on.api.asked.slice(asked).find(({ path }) => path === '/cgi-bin/kf/sync_msg'),
  )
  expect(again.body).toMatchObject({ cursor: 'cursor-3' })
  expect(on.bot.asked).toHaveLength(2)
  expect(await next.dead()).toEqual([])
})

test('wecom-kf: a menu item that is a request holds up nobody who is read after it, and its answer is sent', async () => {
  const operations = `operations: { ORDERS: { kind: request, type: "'Orders'" } }`
  await using on = await stage('ww4444444444444444', `product: wecom-kf, ${withSecret}, ${operations}`)
  const { promise, resolve } = Promise.withResolvers<void>()
  on.bot.answer = async ({ kind }) => {
    if (kind === 'request') await promise
    return { text: `answer to a ${kind}` }
  }
  const item = (customer: string, said: object) => ({
    msgid: `of ${customer}`,
    open_kfid: 'wkA',
    external_userid: customer,
    send_time: now(),
    origin: 3,
    msgtype: 'text',
    text: { content: 'hi', ...said },
  })
  on.api.contact('wmAnn')
  on.api.contact('wmBob')
  on.api.kfItems.push(item('wmAnn', { menu_id: 'ORDERS' }), item('wmBob', {}))
  const event = `<xml><ToUserName><![CDATA[ww2]]></ToUserName><CreateTime>${now()}</CreateTime><MsgType><![CDATA[event]]></MsgType><Event><![CDATA[kf_msg_or_event]]></Event><Token><![CDATA[ENC]]></Token><OpenKfId><![CDATA[wkA]]></OpenKfId></xml>`
  expect(await on.push(sealedPush(event, on.account))).toEqual(acknowledged)
  await until(() => on.api.delivered[0])
  resolve()
  await until(() => on.api.delivered[1])
  expect(on.api.delivered.map(({ to, text }) => [to, text])).toEqual([
    ['wmBob', 'answer to a message'],
    ['wmAnn', 'answer to a request'],
  ])
})

test('wecom-bot: JSON in lower case, a stream in the response, later the address that came with the message', async () => {
  await using on = await stage('', 'product: wecom-bot, waitMs: 1500')
  const said = (msgid: string, content: string) =>
    JSON.stringify({
      msgid,
      aibotid: 'AIB',
      chatid: 'c1',
      chattype: 'group',
      from: { userid: 'Li' },
      response_url: `${on.api.base}/cgi-bin/aibot/response?response_code=${msgid}`,
      msgtype: 'text',
      text: { content },
    })
  const { body } = await on.push(sealedPush(said('b1', 'quick'), { ...on.account, format: 'bot' }))
  expect(Object.keys(JSON.parse(body) as object)).toEqual(['encrypt', 'msgsignature', 'timestamp', 'nonce'])
  expect(JSON.parse(openReply(body, on.account))).toMatchObject({
    msgtype: 'stream',
    stream: { finish: true, content: 'echo quick' },
  })
  const gate = Promise.withResolvers<void>()
  on.bot.answer = async () => {
    await gate.promise
    const link: Part = { kind: 'link', text: 'look', media: { url: 'https://a.example/' } }
    return { parts: [{ kind: 'text', text: 'slow' }, link] }
  }
  expect(await on.push(sealedPush(said('b2', 'slow'), { ...on.account, format: 'bot' }))).toEqual(
    acknowledged,
  )
  gate.resolve()
  await until(() => on.api.delivered[0])
  expect(on.api.delivered).toMatchObject([
    { to: 'b2', type: 'markdown', body: { markdown: { content: 'slow\nlook\nhttps://a.example/' } } },
  ])
})

test('component: the ticket is kept and no message, the account’s token is made of it, and the answer goes out for the account', async () => {
  await using on = await stage('wx3333333333333333', `product: component, waitMs: 20, ${withSecret}`)
  const notice = (type: string, fields: string): PushRequest =>
    sealedPush(
      `<xml><AppId><![CDATA[wx3333333333333333]]></AppId><CreateTime>${now()}</CreateTime><InfoType><![CDATA[${type}]]></InfoType>${fields}</xml>`,
      on.account,
    )
  const ticket = notice(
    'component_verify_ticket',
    '<ComponentVerifyTicket>ticket@@@1</ComponentVerifyTicket>',
  )
  expect(await on.push(ticket)).toEqual(acknowledged)
  const fields =
    '<AuthorizerAppid>wxbbbbbbbbbbbbbbbb</AuthorizerAppid><AuthorizationCode>code-1</AuthorizationCode>'
  expect(await on.push(notice('authorized', fields))).toEqual(acknowledged)
  on.api.contact('oAnn')
  const gate = Promise.withResolvers<void>()
  on.bot.answer = async (message) => {
    await gate.promise
    return echo(message)
  }
  const push = sealedPush(textXml('hi', { from: 'oAnn' }), on.account)
  expect(await on.push(push, '/wechat/wxbbbbbbbbbbbbbbbb/callback')).toEqual(acknowledged)
  gate.resolve()
  await until(() => on.api.delivered[0])
  expect(on.api.delivered).toMatchObject([{ to: 'oAnn', text: 'echo hi' }])
  expect(on.api.asked.map(({ path }) => path.split('/').at(-1))).toEqual(
    expect.arrayContaining(['api_component_token', 'api_query_auth', 'send']),
  )
  // The ticket is nobody's message; who has authorised us is an event.
  expect(await metric(on.house.base, 'dragoman_intake_total{result="accepted"}')).toBe(2)
  expect(on.house.log()).not.toMatch(/ticket@@@|code-1|refresh-1/u)
  expect(JSON.stringify(on.bot.asked)).not.toMatch(/ticket@@@|code-1|refresh-1/u)
})
