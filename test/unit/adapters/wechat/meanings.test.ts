// What each kind of push means: messages and events of the accounts, items of 微信客服, bots, notices to a third party.
import { expect, test } from 'vitest'
import type { ChannelOperation } from '../../../../core/api.ts'
import { testHost } from '../../../../core/testing.ts'
import { botMeaning, botReply } from '../../../../adapters/wechat/bot.ts'
import { noticeDraft, ticketOf } from '../../../../adapters/wechat/component.ts'
import { readDocument } from '../../../../adapters/wechat/document.ts'
import { digestOf, draftOf, meaningOf } from '../../../../adapters/wechat/drafts.ts'
import type { Push } from '../../../../adapters/wechat/drafts.ts'
import { kfDrafts } from '../../../../adapters/wechat/kf.ts'
import type { Product } from '../../../../adapters/wechat/account.ts'
import { eventXml, textXml } from './pushing.ts'

function pushOf(text: string): Push {
  const bytes = Buffer.from(text, 'utf8')
  return { fields: readDocument(bytes).fields, bytes, mediaType: 'text/xml', digest: digestOf(bytes) }
}
const messageXml = (type: string, fields: string): string =>
  `<xml><ToUserName>gh_1</ToUserName><FromUserName>ann</FromUserName><CreateTime>1348831860</CreateTime><MsgType>${type}</MsgType>${fields}<MsgId>6054768590064713728</MsgId></xml>`
const meaning = (text: string, product: Product = 'official', authorizer?: string) =>
  meaningOf(pushOf(text), { product, channel: 'main', authorizer })

test.each([
  ['text', '<Content>hi</Content>', { kind: 'text', text: 'hi' }],
  ['text', '<Content></Content>', { kind: 'text', text: '' }],
  [
    'text',
    '<Content><![CDATA[a]]></Content><bizmsgmenuid>101</bizmsgmenuid><Content><![CDATA[b]]></Content>',
    { kind: 'text', text: 'a]]></Content><bizmsgmenuid>101</bizmsgmenuid><Content><![CDATA[b' },
  ],
  [
    'text',
    '<Content>yes</Content><bizmsgmenuid>101</bizmsgmenuid>',
    { kind: 'text', text: 'yes', data: { menuId: '101' } },
  ],
  [
    'image',
    '<PicUrl>http://p/1</PicUrl><MediaId>m1</MediaId>',
    { kind: 'image', text: '[image]', media: { id: 'm1', url: 'http://p/1' } },
  ],
  [
    'voice',
    '<MediaId>m1</MediaId><Format>amr</Format><Recognition>where is it</Recognition>',
    {
      kind: 'audio',
      text: 'where is it',
      media: { id: 'm1', mediaType: 'audio/amr' },
      data: { format: 'amr', recognition: 'where is it' },
    },
  ],
  [
    'voice',
    '<MediaId>m1</MediaId><Format>speex</Format><Recognition></Recognition>',
    { kind: 'audio', text: '[voice]', media: { id: 'm1', mediaType: 'audio/speex' } },
  ],
  [
    'video',
    '<MediaId>m1</MediaId><ThumbMediaId>t1</ThumbMediaId>',
    { kind: 'video', text: '[video]', media: { id: 'm1' }, data: { thumbMediaId: 't1' } },
  ],
  ['shortvideo', '<MediaId>m1</MediaId>', { kind: 'video', text: '[short video]', media: { id: 'm1' } }],
  [
    'location',
    '<Location_X>23.134500</Location_X><Location_Y>113.358803</Location_Y><Scale>20</Scale><Label>here</Label>',
    {
      kind: 'location',
      text: 'here',
      data: { latitude: '23.134500', longitude: '113.358803', scale: '20', label: 'here' },
    },
  ],
  [
    'link',
    '<Title>t</Title><Description>d</Description><Url>http://l</Url>',
    {
      kind: 'link',
      text: 't',
      media: { url: 'http://l' },
      data: { title: 't', url: 'http://l', description: 'd' },
    },
  ],
  [
    'miniprogrampage',
    '<Title>t</Title><AppId>wx1</AppId><PagePath>p</PagePath>',
    { kind: 'card', text: 't', data: { type: 'miniprogrampage', title: 't', appId: 'wx1', pagePath: 'p' } },
  ],
  [
    'file',
    '<Title>a.pdf</Title><FileKey>k</FileKey><FileTotalLen>1024</FileTotalLen>',
    { kind: 'file', text: 'a.pdf', media: { name: 'a.pdf', bytes: 1024 }, data: { fileKey: 'k' } },
  ],
])('a %s message %s', (type, fields, part) => {
  const { base, ...rest } = meaning(messageXml(type, fields))
  expect(rest).toMatchObject({ type, contact: 'message' })
  expect(base).toMatchObject({
    kind: 'message',
    sender: { id: 'ann', role: 'customer' },
    externalId: '6054768590064713728',
    occurredAt: '2012-09-28T11:31:00.000Z',
    parts: [part],
    replyContext: { adapter: 'wechat', version: 1, to: 'ann', account: 'gh_1' },
  })
})

test('a message of a type nobody knows is passed on with its fields, a known one with those its part does not say', () => {
  const unknown = meaning(messageXml('hologram', '<Beam><Hz>5</Hz></Beam>'))
  expect(unknown).toMatchObject({ type: 'hologram', data: { Beam: { Hz: '5' } } })
  expect(unknown.base.parts).toEqual([{ kind: 'text', text: '[hologram]' }])
  const wecom = meaning(messageXml('text', '<Content>hi</Content><AgentID>1000002</AgentID>'), 'wecom')
  expect(wecom.data).toEqual({ AgentID: '1000002' })
  expect(wecom.base.replyContext).toMatchObject({ agentId: '1000002' })
  expect(meaning(messageXml('text', '<Content>hi</Content>'))).not.toHaveProperty('data')
})

test('a message without an id is known again by its whole text', () => {
  const without = (content: string) =>
    meaning(textXml(content).replace(/<MsgId>.*<\/MsgId>/u, '')).base.externalId
  expect(without('a')).toBe(without('a'))
  expect(without('a')).not.toBe(without('b'))
})

test.each([
  ['subscribe', '', 'subscribe'],
  ['subscribe', '<EventKey>qrscene_7</EventKey><Ticket>t</Ticket>', 'subscribe'],
  ['unsubscribe', '', undefined],
  ['SCAN', '<EventKey>7</EventKey>', 'scan'],
  ['CLICK', '<EventKey>ORDERS</EventKey>', 'menu'],
  ['click', '<EventKey>ORDERS</EventKey><AgentID>1</AgentID>', 'menu'],
  ['scancode_push', '<EventKey>6</EventKey>', 'menu'],
  ['VIEW', '<EventKey>https://example.com</EventKey>', undefined],
  ['LOCATION', '<Latitude>23.1</Latitude>', undefined],
  ['TEMPLATESENDJOBFINISH', '<MsgID>200163836</MsgID><Status>success</Status>', undefined],
  ['kf_create_session', '<KfAccount>test1@test</KfAccount>', undefined],
  ['user_enter_tempsession', '<SessionFrom>x</SessionFrom>', 'enter'],
  ['enter_agent', '<EventKey></EventKey><AgentID>1</AgentID>', undefined],
  ['a_new_event', '<x><y>1</y></x>', undefined],
])('the event %s %s comes with all its fields', (event, fields, contact) => {
  const push = pushOf(eventXml(event, fields))
  const { base, type, data, ...rest } = meaningOf(push, { product: 'official', channel: 'main' })
  expect({ type, data, contact: rest.contact }).toEqual({ type: event, data: push.fields, contact })
  expect(base).toMatchObject({ kind: 'event', sender: { id: 'ann', role: 'customer' } })
  expect(base.externalId).toMatch(new RegExp(`^1409735668:${event}:`, 'u'))
})

test('events are the same again by CreateTime, Event, EventKey and AgentID; results of two jobs in one second are two', () => {
  const key = (event: string, fields: string) => meaning(eventXml(event, fields), 'wecom').base.externalId
  expect(key('click', '<EventKey>A</EventKey><AgentID>1</AgentID>')).toBe('1409735668:click:A:1')
  const ids = [
    key('click', '<EventKey>A</EventKey><AgentID>1</AgentID>'),
    key('click', '<EventKey>A</EventKey><AgentID>2</AgentID>'),
    key('click', '<EventKey>B</EventKey><AgentID>1</AgentID>'),
    key('view', '<EventKey>A</EventKey><AgentID>1</AgentID>'),
    key('TEMPLATESENDJOBFINISH', '<MsgID>1</MsgID>'),
    key('TEMPLATESENDJOBFINISH', '<MsgID>2</MsgID>'),
    key('VIEW', `<EventKey>https://example.com/${'x'.repeat(900)}</EventKey>`),
    key('VIEW', `<EventKey>https://example.com/${'x'.repeat(901)}</EventKey>`),
  ]
  expect(new Set(ids).size).toBe(ids.length)
  for (const id of ids) expect(id?.length).toBeLessThan(200)
})

test('an event of the platform itself has no customer', () => {
  const kf = meaning(
    '<xml><ToUserName>ww1</ToUserName><CreateTime>1</CreateTime><MsgType>event</MsgType><Event>kf_msg_or_event</Event><Token>T</Token><OpenKfId>wk1</OpenKfId></xml>',
  )
  expect(kf).toMatchObject({
    type: 'kf_msg_or_event',
    base: { sender: { id: 'main', role: 'system' }, externalId: 'wk1:1:T' },
  })
  expect(kf.base).not.toHaveProperty('replyContext')
  expect(meaning(eventXml('change_contact', '', 'sys')).base.sender).toEqual({ id: 'sys', role: 'system' })
})

test('a third party’s keys hold the account of the cipher, not of the address', () => {
  const push = textXml('hi')
  const one = meaning(push, 'component', 'wxba5fad812f8e6fb9')
  expect(one.base.externalId).toBe('gh_10f6c3c3ac5a:6054768590064713728')
  expect(one.base.externalId).toBe(meaning(push, 'component', 'wx0000000000000000').base.externalId)
  expect(one.base.replyContext).toMatchObject({ authorizer: 'wxba5fad812f8e6fb9' })
})

test('menu keys, scenes, events and message types are operations, the most exact name first', async () => {
  const operations: Record<string, ChannelOperation> = {
    ORDERS: { kind: 'request' },
    click: { kind: 'event' },
    scene7: { kind: 'message' },
    101: { kind: 'request' },
    image: { kind: 'message' },
  }
  const host = testHost(operations)
  const typeOf = async (text: string) => {
    const push = pushOf(text)
    const { kind, type } = await draftOf(
      meaningOf(push, { product: 'official', channel: 'm' }),
      host,
      push.fields,
    )
    return `${kind} ${type}`
  }
  expect(await typeOf(eventXml('CLICK', '<EventKey>ORDERS</EventKey>'))).toBe('request ORDERS')
  expect(await typeOf(eventXml('CLICK', '<EventKey>OTHER</EventKey>'))).toBe('event click')
  expect(await typeOf(eventXml('SCAN', '<EventKey>scene7</EventKey>'))).toBe('message scene7')
  expect(await typeOf(eventXml('subscribe', '<EventKey>qrscene_scene7</EventKey>'))).toBe('message scene7')
  expect(await typeOf(eventXml('VIEW', '<EventKey>http://x</EventKey>'))).toBe('event VIEW')
  expect(await typeOf(messageXml('text', '<Content>yes</Content><bizmsgmenuid>101</bizmsgmenuid>'))).toBe(
    'request 101',
  )
  expect(await typeOf(messageXml('image', ''))).toBe('message image')
  expect(await typeOf(messageXml('text', '<Content>ORDERS</Content>'))).toBe('message text')
  expect(await typeOf(eventXml('constructor', '<EventKey>toString</EventKey>'))).toBe('event constructor')
})

test('items of 微信客服: the customer’s messages and the events, not our own words', async () => {
  const drafts = kfDrafts(testHost(), 'kf')
  const item = (msgtype: string, said: object, more: object = {}) => ({
    msgid: 'm1',
    open_kfid: 'wk1',
    external_userid: 'wm1',
    send_time: 1615478585,
    origin: 3,
    msgtype,
    [msgtype]: { ...said },
    ...more,
  })
  expect(await drafts(item('text', { content: 'hi', menu_id: '7' }))).toMatchObject({
    kind: 'message',
    type: 'text',
    externalId: 'm1',
    sender: { id: 'wm1', role: 'customer' },
    occurredAt: '2021-03-11T16:03:05.000Z',
    parts: [{ kind: 'text', text: 'hi', data: { menuId: '7' } }],
    replyContext: { to: 'wm1', openKfId: 'wk1' },
  })
  expect(await drafts(item('image', { media_id: 'x' }))).toMatchObject({ parts: [{ media: { id: 'x' } }] })
  expect(
    await drafts(item('location', { latitude: 23.1, longitude: 113.2, name: 'n', address: 'a' })),
  ).toMatchObject({ parts: [{ kind: 'location', text: 'n', data: { latitude: '23.1' } }] })
  expect(await drafts(item('note', { a: 1 }))).toMatchObject({ data: { note: { a: 1 } } })
  const menu = { head_content: 'Pick', list: [{ type: 'click', click: { id: '1', content: 'A' } }] }
  expect(await drafts(item('msgmenu', menu))).toMatchObject({ parts: [{ text: 'Pick\nA', data: menu }] })
  const entered = { event_type: 'enter_session', open_kfid: 'wk1', external_userid: 'wm2', welcome_code: 'w' }
  expect(
    await drafts({ msgid: 'm2', send_time: 1, origin: 4, msgtype: 'event', event: entered }),
  ).toMatchObject({
    kind: 'event',
    type: 'enter_session',
    sender: { id: 'wm2' },
    data: entered,
    replyContext: { to: 'wm2', openKfId: 'wk1' },
  })
  expect(await drafts(item('text', { content: 'ours' }, { origin: 5 }))).toBeUndefined()
})

test('a bot’s messages in JSON and XML, without the addresses that are its credentials', () => {
  const options = { product: 'wecom-bot', channel: 'bot' } as const
  const said = {
    msgid: 'CAIQ16HMjQYY',
    aibotid: 'AIBOTID',
    chatid: 'c1',
    chattype: 'group',
    from: { userid: 'zhang' },
    response_url: 'https://qyapi.weixin.qq.com/x?response_code=secret',
    msgtype: 'text',
    text: { content: '@bot hi' },
  }
  const push = pushOf(JSON.stringify(said))
  const understood = botMeaning(push, options)
  expect(understood).toMatchObject({
    type: 'text',
    base: {
      kind: 'message',
      sender: { id: 'zhang', role: 'customer' },
      externalId: 'CAIQ16HMjQYY',
      parts: [{ kind: 'text', text: '@bot hi' }],
      replyContext: { to: 'zhang', account: 'AIBOTID', chatId: 'c1', responseUrl: said.response_url },
    },
    data: { chattype: 'group' },
  })
  expect(JSON.stringify(understood?.data)).not.toContain('secret')
  const mixed = {
    ...said,
    msgtype: 'mixed',
    mixed: {
      msg_item: [
        { msgtype: 'text', text: { content: 'a' } },
        { msgtype: 'image', image: { url: 'http://i' } },
      ],
    },
  }
  expect(botMeaning(pushOf(JSON.stringify(mixed)), options)?.base.parts).toEqual([
    { kind: 'text', text: 'a' },
    { kind: 'image', text: '[image]', media: { url: 'http://i' } },
  ])
  const event = { ...said, msgtype: 'event', event: { eventtype: 'enter_chat' } }
  expect(botMeaning(pushOf(JSON.stringify(event)), options)).toMatchObject({
    type: 'enter_chat',
    base: { kind: 'event' },
  })
  expect(botMeaning(pushOf('{"msgid":"1","msgtype":"stream","stream":{"id":"s"}}'), options)).toBeUndefined()
  const xml =
    '<xml><WebhookUrl>http://w/?key=secret</WebhookUrl><ChatId>c1</ChatId><MsgId>m1</MsgId><From><UserId>T1</UserId><Name>Li</Name></From><MsgType>text</MsgType><Text><Content>hi</Content></Text></xml>'
  expect(botMeaning(pushOf(xml), options)).toMatchObject({
    base: { sender: { id: 'T1', name: 'Li' }, externalId: 'm1', parts: [{ text: 'hi' }] },
  })
  const reply = { parts: [{ kind: 'text', text: 'yes' } as const] }
  expect(JSON.parse(botReply(reply, push, 'json')?.text ?? '')).toMatchObject({
    msgtype: 'stream',
    stream: { finish: true, content: 'yes' },
  })
  expect(JSON.parse(botReply(reply, pushOf(JSON.stringify(event)), 'json')?.text ?? '')).toEqual({
    msgtype: 'text',
    text: { content: 'yes' },
  })
  expect(botReply({ parts: [{ kind: 'text', text: 'a]]>b' }] }, pushOf(xml), 'xml')?.text).toBe(
    '<xml><MsgType><![CDATA[text]]></MsgType><Text><Content><![CDATA[a]]]]><![CDATA[>b]]></Content></Text></xml>',
  )
  expect(botReply({ parts: [{ kind: 'text', text: '' }] }, push, 'json')).toBeUndefined()
})

test('tickets and codes go to the platform’s half and into no message', () => {
  const notice = (type: string, fields: string): Push =>
    pushOf(
      `<xml><AppId>wxcomp</AppId><CreateTime>1413192605</CreateTime><InfoType>${type}</InfoType>${fields}</xml>`,
    )
  const verify = notice(
    'component_verify_ticket',
    '<ComponentVerifyTicket>ticket@@@x</ComponentVerifyTicket>',
  )
  expect(ticketOf(verify)).toEqual({ type: 'component_verify_ticket', appId: 'wxcomp', ticket: 'ticket@@@x' })
  expect(noticeDraft(verify, 'main')).toBeUndefined()
  const suite = notice('suite_ticket', '<SuiteId>ww1</SuiteId><SuiteTicket>s</SuiteTicket>')
  expect(ticketOf(suite)).toEqual({ type: 'suite_ticket', suiteId: 'ww1', ticket: 's' })
  expect(noticeDraft(suite, 'main')).toBeUndefined()
  // A corporation authorises a suite by another exchange than an account a third-party platform: none is begun.
  const created = notice('create_auth', '<SuiteId>ww1</SuiteId><AuthCode>SECRET</AuthCode>')
  expect(ticketOf(created)).toBeUndefined()
  expect(noticeDraft(created, 'main')).toMatchObject({ type: 'create_auth', data: { SuiteId: 'ww1' } })
  expect(JSON.stringify(noticeDraft(created, 'main'))).not.toContain('SECRET')
  const authorized = notice(
    'authorized',
    '<AuthorizerAppid>wxa</AuthorizerAppid><AuthorizationCode>SECRET</AuthorizationCode><PreAuthCode>SECRET</PreAuthCode>',
  )
  expect(ticketOf(authorized)).toEqual({ type: 'authorized', authorizer: 'wxa', code: 'SECRET' })
  const draft = noticeDraft(authorized, 'main')
  expect(draft).toMatchObject({
    kind: 'event',
    type: 'authorized',
    sender: { id: 'main', role: 'system' },
    data: { AuthorizerAppid: 'wxa' },
  })
  expect(JSON.stringify(draft)).not.toContain('SECRET')
  expect(draft).not.toHaveProperty('raw')
  const taken = (user: string) =>
    noticeDraft(notice('change_contact', `<UserID>${user}</UserID>`), 'main')?.externalId
  expect(taken('a')).toBe(taken('a'))
  expect(taken('a')).not.toBe(taken('b'))
  expect(
    ticketOf(notice('unauthorized', `<AuthorizerAppid>${'a'.repeat(600)}</AuthorizerAppid>`)),
  ).toBeUndefined()
  expect(ticketOf(notice('unauthorized', '<AuthorizerAppid>wxa</AuthorizerAppid>'))).toEqual({
    type: 'unauthorized',
    authorizer: 'wxa',
  })
})

test('a bot’s push is the same again also where the address for its answer is another', () => {
  const said = { msgid: 'x1', from: { userid: 'li' }, msgtype: 'text', text: { content: 'hi' } }
  const print = (more: object) =>
    botMeaning(pushOf(JSON.stringify({ ...said, ...more })), { product: 'wecom-bot', channel: 'main' })
      ?.fingerprint
  expect(print({ response_url: 'https://q/1' })).toBe(print({ response_url: 'https://q/2' }))
  expect(print({ text: { content: 'ho' } })).not.toBe(print({}))
})
