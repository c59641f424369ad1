// Pushes by the customer-service API: every kind of part, every verdict, and never a secret in what is said about it.
import type { Delivery, Json, Part } from 'dragoman'
import { expect, test } from 'vitest'
import { SECRET, never, reply, trial } from './platform.ts'

const SEND = '/cgi-bin/message/custom/send'

test('sends a text with a token that was fetched once', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  expect(await t.platform.send(reply('你好 <b>&'), 'k1', never)).toEqual({ status: 'sent' })
  expect(await t.platform.send(reply('again'), 'k2', never)).toEqual({ status: 'sent' })
  expect(t.api.delivered.map(({ to, text }) => [to, text])).toEqual([
    ['oAnn', '你好 <b>&'],
    ['oAnn', 'again'],
  ])
  expect(t.api.asked.filter(({ path }) => path === '/cgi-bin/stable_token')).toHaveLength(1)
})

test('an answer of several parts in one push is sent part by part, in order', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  const parts: readonly Part[] = [
    { kind: 'link', text: 'Order 7', media: { url: 'https://example.com/7' } },
    { kind: 'text', text: 'as of yesterday' },
  ]
  expect(await t.platform.send({ ...reply(''), parts }, 'k1', never)).toEqual({ status: 'sent' })
  expect(t.api.delivered.map(({ text }) => text).at(-1)).toBe('as of yesterday')
  expect(t.api.delivered).toHaveLength(2)
})

test.each([40_001, 40_014, 42_001])('renews the token on %i and sends once', async (errcode) => {
  await using t = await trial()
  t.api.contact('oAnn')
  await t.platform.send(reply('first'), 'k1', never)
  if (errcode === 40_001) t.api.expireToken()
  else t.api.fail(SEND, { errcode })
  expect(await t.platform.send(reply('second'), 'k2', never)).toEqual({ status: 'sent' })
  expect(t.api.delivered.map(({ text }) => text)).toEqual(['first', 'second'])
})

test.each<[string, Parameters<typeof errorCase>[0], Partial<Delivery>]>([
  ['busy: nobody knows', { errcode: -1 }, { status: 'unknown' }],
  ['too often: later', { errcode: 45_011 }, { status: 'refused', retry: true }],
  ['no such customer: never', { errcode: 40_003 }, { status: 'refused', retry: false }],
  ['an unknown code: never', { errcode: 99_999 }, { status: 'refused', retry: false }],
  [
    'no right to the interface: an operator may give it',
    { errcode: 48_001 },
    { status: 'refused', retry: true },
  ],
  ['the window is closed: never', { errcode: 45_015 }, { status: 'refused', retry: false }],
  ['the quota is used up: never', { errcode: 45_047 }, { status: 'refused', retry: false }],
  ['cut before the answer: nobody knows', { cutAfter: true }, { status: 'unknown' }],
  ['a proxy in between: nobody knows', { status: 502 }, { status: 'unknown' }],
  ['not looked at: later', { status: 429 }, { status: 'refused', retry: true }],
])('%s (SEMANTICS 6)', async (_name, fault, expected) => {
  expect(await errorCase(fault)).toMatchObject(expected)
})

async function errorCase(fault: {
  errcode?: number
  status?: number
  cutAfter?: boolean
}): Promise<Delivery> {
  await using t = await trial()
  t.api.contact('oAnn')
  t.api.fail(SEND, fault)
  return await t.platform.send(reply('hello'), 'k1', never)
}

test('a platform that cannot be reached proves that nothing was sent', async () => {
  await using t = await trial({ apiBase: 'http://127.0.0.1:9' })
  const delivery = await t.platform.send(reply('hello'), 'k1', never)
  expect(delivery).toMatchObject({ status: 'refused', retry: true })
})

test('a push for which no token can be had is tried again no sooner than one that is told to come later', async () => {
  await using t = await trial()
  t.api.fail('/cgi-bin/stable_token', { errcode: -1 })
  const again = { status: 'refused', retry: true, afterMs: 10_000 }
  expect(await t.platform.send(reply('hello'), 'k1', never)).toMatchObject(again)
  // The platform would give one now; it is left alone for a moment.
  expect(await t.platform.send(reply('hello'), 'k2', never)).toMatchObject(again)
  expect(t.api.asked).toHaveLength(1)
})

test('the sixth message after one of the customer is refused here, in words, and the platform is not asked', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  t.platform.noteInbound({ openId: 'oAnn', contact: 'message', at: t.here.now, id: 'm1' })
  for (let count = 1; count <= 5; count++)
    expect(await t.platform.send(reply(`m${count}`), `k${count}`, never)).toEqual({ status: 'sent' })
  expect(await t.platform.send(reply('m6'), 'k6', never)).toMatchObject({
    status: 'refused',
    retry: false,
    reason: expect.stringContaining('when he writes again'),
  })
  expect(t.api.asked.filter(({ path }) => path === SEND)).toHaveLength(5)
  t.api.contact('oAnn')
  t.platform.noteInbound({ openId: 'oAnn', contact: 'message', at: t.here.now, id: 'm2' })
  expect(await t.platform.send(reply('m6'), 'k6', never)).toEqual({ status: 'sent' })
})

test('a push of which nobody knows whether it arrived counts once, however often it is tried', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  t.platform.noteInbound({ openId: 'oAnn', contact: 'message', at: t.here.now, id: 'm' })
  for (let tries = 0; tries < 6; tries++) {
    t.api.fail(SEND, { errcode: -1 })
    expect(await t.platform.send(reply('m1'), 'k1', never)).toMatchObject({ status: 'unknown' })
  }
  for (let count = 1; count <= 5; count++)
    expect(await t.platform.send(reply(`m${count}`), `k${count}`, never)).toEqual({ status: 'sent' })
})

test('a backend of the same account shares the quota that the channel keeps', async () => {
  await using t = await trial()
  t.api.contact('oAnn', 99)
  const backend = t.another('backend')
  t.platform.noteInbound({ openId: 'oAnn', contact: 'menu', at: t.here.now, id: 'm3' })
  const body = { touser: 'oAnn', msgtype: 'text', text: { content: 'hi' } }
  for (let count = 0; count < 3; count++) await backend.call('sendCustomMessage', body, `k${count}`, never)
  expect(await backend.call('sendCustomMessage', body, 'k4', never)).toMatchObject({
    fault: { code: 'WINDOW_CLOSED' },
  })
})

test('a text longer than the platform takes goes in pieces, and a repeat goes on where it stopped', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  const text = '很长的回答。'.repeat(300)
  t.api.fail(SEND, {}, { errcode: 45_011 })
  expect(await t.platform.send(reply(text), 'k1', never)).toMatchObject({ status: 'refused', retry: true })
  expect(await t.platform.send(reply(text), 'k1', never)).toEqual({ status: 'sent' })
  expect(t.api.delivered.map((one) => one.text).join('')).toBe(text)
  expect(await t.platform.send(reply('x'.repeat(20_000)), 'k2', never)).toMatchObject({
    status: 'refused',
    retry: false,
    reason: expect.stringContaining('the answer needs 10 messages'),
  })
})

const long = '很长的回答。'.repeat(300)

test.each([
  [5, 26],
  [14, 6],
])('sentences of %i clauses that five messages can hold are sent, all %i', async (clauses, count) => {
  await using t = await trial()
  t.api.contact('oAnn')
  const sentence = Array<string>(clauses).fill('甲方应当在收到乙方书面通知之日起十五个工作日内').join('，')
  expect(await t.platform.send(reply(`${sentence}。`.repeat(count)), 'k', never)).toEqual({ status: 'sent' })
})

test('how much of a long text has come through is said, and the replay of its dead letter sends the whole', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  t.api.fail(SEND, {}, { errcode: 40_003 })
  const said = reply(long)
  expect(await t.platform.send(said, `${said.id}/0`, never)).toMatchObject({
    status: 'refused',
    retry: false,
    reason: expect.stringMatching(/^1 of 3 messages were sent: /u),
  })
  const [first] = t.api.delivered
  const replayed = { ...said, id: '01900000-0000-7000-8000-000000000002', causationId: said.id }
  expect(await t.platform.send(replayed, `${replayed.id}/0`, never)).toEqual({ status: 'sent' })
  expect(t.api.delivered.map(({ text }) => text).join('')).toBe(`${first?.text}${long}`)
})

test('the replay of a part that failed is sent although an equal part of the same answer came through', async () => {
  await using t = await trial()
  t.api.contact('oAnn', 99)
  const said = reply(long)
  expect(await t.platform.send(said, `${said.id}/0`, never)).toEqual({ status: 'sent' })
  t.api.fail(SEND, { errcode: 40_003 })
  expect(await t.platform.send(said, `${said.id}/1`, never)).toMatchObject({ status: 'refused' })
  const replayed = { ...said, id: '01900000-0000-7000-8000-000000000002', causationId: said.id }
  expect(await t.platform.send(replayed, `${replayed.id}/0`, never)).toEqual({ status: 'sent' })
  expect(t.api.delivered.map(({ text }) => text).join('')).toBe(long + long)
})

test('articles with uploaded pictures go on where they stopped, also on another instance that uploads them anew', async () => {
  await using t = await trial({ product: 'wecom-kf' })
  await using other = await trial()
  const uploaded = await other.platform.call('uploadMedia', { type: 'image', content: 'AAEC' }, 'k', never)
  const { media_id: id } = uploaded.data as { media_id: string } // the simulator's own answer
  const picurl = `${other.api.base}/cgi-bin/media/get?media_id=${id}`
  const articles = [1, 2, 3].map((n) => ({ title: `t${n}`, url: `https://a.example/${n}`, picurl }))
  const message = reply([{ kind: 'card', text: '', data: { articles } }], { to: 'wmAnn', openKfId: 'wk1' })
  const send = '/cgi-bin/kf/send_msg'
  t.api.contact('wmAnn')
  t.api.fail(send, {}, { errcode: 45_009 })
  expect(await t.platform.send(message, 'id/0', never)).toMatchObject({ status: 'refused', retry: true })
  expect(await t.another('two').send(message, 'id/0', never)).toEqual({ status: 'sent' })
  const asked = t.api.asked.filter(({ path }) => path === send).map(({ body }) => body)
  expect(asked).toMatchObject(['t1', 't2', 't2', 't3'].map((title) => ({ link: { title } })))
})

test('an equal text as another part of the same answer is another text', async () => {
  await using t = await trial()
  t.api.contact('oAnn', 99)
  for (const key of ['id/0', 'id/1'])
    expect(await t.platform.send(reply(long), key, never)).toEqual({ status: 'sent' })
  expect(t.api.delivered.map(({ text }) => text).join('')).toBe(long + long)
})

test('a text for which the window has no room is refused before its first piece', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  t.platform.noteInbound({ openId: 'oAnn', contact: 'message', at: t.here.now, id: 'm' })
  for (const key of ['k1', 'k2', 'k3']) await t.platform.send(reply('hi'), key, never)
  expect(await t.platform.send(reply(long), 'k4', never)).toMatchObject({
    status: 'refused',
    retry: false,
    reason: expect.stringContaining('allows 2 more: nothing of it was sent'),
  })
  expect(t.api.delivered).toHaveLength(3)
})

test('a piece of which nobody knows whether it arrived takes no room from its own repeat', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  t.platform.noteInbound({ openId: 'oAnn', contact: 'message', at: t.here.now, id: 'm' })
  for (const key of ['k1', 'k2']) await t.platform.send(reply('hi'), key, never)
  t.api.fail(SEND, { errcode: -1 })
  expect(await t.platform.send(reply(long), 'k3', never)).toMatchObject({ status: 'unknown' })
  expect(await t.platform.send(reply(long), 'k3', never)).toEqual({ status: 'sent' })
})

test('a transfer to the platform’s staff that comes too late is refused and says why; it is no text', async () => {
  await using t = await trial()
  for (const data of [{ msgtype: 'transfer_customer_service' }, { type: 'transfer_customer_service' }])
    expect(await t.platform.send(reply([{ kind: 'card', text: 'wait', data }]), 'k', never)).toMatchObject({
      status: 'refused',
      retry: false,
      reason: expect.stringContaining('in the response alone'),
    })
  expect(t.api.asked).toEqual([])
})

test('an official account gets each article in a message of its own, whichever way the card is spelled', async () => {
  const articles = [1, 2].map((number) => ({ title: `t${number}`, url: `https://a.example/${number}` }))
  for (const data of [{ articles }, { msgtype: 'news', news: { articles } }]) {
    await using t = await trial()
    t.api.contact('oAnn')
    await t.platform.send(reply([{ kind: 'card', text: '', data }]), 'k', never)
    expect(t.api.asked.filter(({ path }) => path === SEND).map(({ body }) => body)).toMatchObject(
      articles.map((article) => ({ msgtype: 'news', news: { articles: [article] } })),
    )
  }
})

test('an empty text, no address and a context of another version are refused for good', async () => {
  await using t = await trial()
  for (const message of [
    reply(''),
    reply([]),
    { ...reply('x', null), conversation: 'somewhere else' },
    { ...reply('x'), replyContext: { adapter: 'wechat', version: 2, to: 'oAnn', account: 'a' } },
  ])
    expect(await t.platform.send(message, 'k', never)).toMatchObject({ status: 'refused', retry: false })
  expect(t.api.asked).toHaveLength(0)
})

test('a message that answers nothing goes to the customer its conversation names (SEMANTICS 9)', async () => {
  await using t = await trial()
  t.api.contact('oAnn')
  expect(await t.platform.send(reply('Your order has shipped.', null), 'k', never)).toEqual({
    status: 'sent',
  })
  expect(t.api.delivered[0]?.to).toBe('oAnn')
})

const image: Part = { kind: 'image', text: 'a photo', media: { id: 'm1' } }
const video: Part = { kind: 'video', text: 'a film', media: { id: 'm2' }, data: { thumb_media_id: 't' } }
const link: Part = {
  kind: 'link',
  text: 'Look',
  data: { url: 'https://a.example/', picurl: 'https://a.example/p.png' },
}
const place: Part = { kind: 'location', text: 'Here', data: { latitude: '23.1', longitude: '113.3' } }
const page: Part = {
  kind: 'card',
  text: 'Shop',
  data: { appid: 'wxM', pagepath: 'index', thumb_media_id: 't' },
}

const view = { type: 'view', view: { url: 'https://a.example/7', content: '查订单' } }
const click = { type: 'click', click: { id: '1', content: '人工' } }
const menu = (...list: readonly Json[]): Part => ({
  kind: 'card',
  text: '',
  data: { head_content: '请选择', list },
})

test.each<[string, Part, object]>([
  [
    'wecom-kf',
    menu(view, click, { id: '2', content: '好' }),
    { msgmenu: { list: [view, click, { type: 'click', click: { id: '2', content: '好' } }] } },
  ],
  ['official', menu(click), { msgmenu: { head_content: '请选择', list: [{ id: '1', content: '人工' }] } }],
  ['official', menu(view, click), { text: { content: '请选择\n查订单\nhttps://a.example/7\n人工' } }],
  ['official', image, { msgtype: 'image', image: { media_id: 'm1' } }],
  ['official', { ...image, kind: 'audio' }, { msgtype: 'voice', voice: { media_id: 'm1' } }],
  ['official', video, { msgtype: 'video', video: { media_id: 'm2', thumb_media_id: 't', title: 'a film' } }],
  ['official', link, { msgtype: 'news', news: { articles: [{ title: 'Look', url: 'https://a.example/' }] } }],
  ['official', page, { msgtype: 'miniprogrampage', miniprogrampage: { appid: 'wxM', pagepath: 'index' } }],
  ['official', place, { msgtype: 'text', text: { content: 'Here' } }],
  [
    'official',
    { kind: 'card', text: '', data: { list: [{ id: '1', content: 'Yes' }] } },
    { msgtype: 'msgmenu' },
  ],
  [
    'official',
    { kind: 'card', text: '', data: { msgtype: 'wxcard', wxcard: { card_id: '1' } } },
    { msgtype: 'wxcard', wxcard: { card_id: '1' } },
  ],
  [
    'official',
    { kind: 'file', text: 'Terms', media: { url: 'https://a.example/t.pdf' } },
    { msgtype: 'text', text: { content: 'Terms\nhttps://a.example/t.pdf' } },
  ],
  ['miniprogram', link, { msgtype: 'link', link: { title: 'Look', thumb_url: 'https://a.example/p.png' } }],
  ['miniprogram', { ...image, kind: 'audio' }, { msgtype: 'text', text: { content: 'a photo' } }],
  ['wecom', { ...image, kind: 'file' }, { msgtype: 'file', file: { media_id: 'm1' }, agentid: 7 }],
  ['wecom-kf', place, { msgtype: 'location', location: { name: 'Here', latitude: 23.1, longitude: 113.3 } }],
  ['wecom-kf', page, { msgtype: 'miniprogram', miniprogram: { appid: 'wxM', pagepath: 'index' } }],
  [
    'wecom-kf',
    { ...link, data: { url: 'https://a.example/' } },
    { msgtype: 'text', text: { content: 'Look\nhttps://a.example/' } },
  ],
])('%s: %o goes as the type the product knows', async (product, part, body) => {
  await using t = await trial({ product: product as 'official', agentId: '7' }) // one of the products
  await t.platform.send(reply([part], { openKfId: 'wk1' }), 'k', never)
  expect(t.api.asked.at(-1)?.body).toMatchObject(body)
})

test('微信客服 gets the same msgid for the same key: what arrived unseen is not sent again', async () => {
  await using t = await trial({ product: 'wecom-kf' })
  t.api.contact('wmAnn')
  t.api.fail('/cgi-bin/kf/send_msg', { cutAfter: true })
  const message = reply('hello', { to: 'wmAnn', openKfId: 'wk1' })
  expect(await t.platform.send(message, 'id/0', never)).toMatchObject({ status: 'refused', retry: true })
  expect(await t.platform.send(message, 'id/0', never)).toEqual({ status: 'sent' })
  expect(t.api.delivered).toHaveLength(1)
  expect(await t.platform.send(message, 'id/1', never)).toEqual({ status: 'sent' })
  expect(t.api.delivered).toHaveLength(2)
})

test('a WeCom bot answers at the address it was given, without a token', async () => {
  await using t = await trial({ product: 'wecom-bot' })
  const responseUrl = `${t.api.base}/cgi-bin/aibot/response`
  await t.platform.send(reply('**hi**', { responseUrl }), 'k', never)
  expect(t.api.asked).toMatchObject([{ body: { msgtype: 'markdown', markdown: { content: '**hi**' } } }])
  expect(await t.platform.send(reply('hi'), 'k', never)).toMatchObject({ status: 'refused', retry: false })
})

test('a WeCom bot’s later answer is one message whatever it has, cut where it is too long: the address takes no second', async () => {
  await using t = await trial({ product: 'wecom-bot' })
  const responseUrl = `${t.api.base}/cgi-bin/aibot/response?response_code=r1`
  const parts: readonly Part[] = [{ kind: 'text', text: '答'.repeat(7000) }, link]
  expect(await t.platform.send(reply(parts, { responseUrl }), 'k', never)).toEqual({ status: 'sent' })
  const other = { responseUrl: responseUrl.replace('r1', 'r2') }
  expect(await t.platform.send(reply([link, image], other), 'k2', never)).toEqual({ status: 'sent' })
  const said = t.api.asked.map(({ body }) => (body['markdown'] as { content: string }).content) // it is markdown
  expect(said).toEqual([`${'答'.repeat(6665)}…`, 'Look\nhttps://a.example/\na photo'])
  expect(Buffer.byteLength(said[0] ?? '')).toBeLessThanOrEqual(20_000)
  expect(t.here.logged).toEqual([expect.stringContaining('its end is lost')])
})

test('no secret and no token stands in any log line or verdict', async () => {
  await using t = await trial()
  const said: unknown[] = []
  t.api.fail('/cgi-bin/stable_token', { status: 500 })
  said.push(await t.platform.send(reply('x'), 'k0', never))
  for (const fault of [{ errcode: 40_003 }, { status: 500 }, { cutAfter: true }]) {
    t.api.fail(SEND, fault)
    said.push(await t.platform.send(reply('x'), 'k', never))
  }
  const text = `${JSON.stringify(said)}${t.here.logged.join('\n')}`
  expect(text.length).toBeGreaterThan(50)
  expect(text).not.toContain(SECRET)
  expect(text).not.toMatch(/token-[0-9a-f]/u)
})
