// The WeChat channel as the gateway runs it: what is taken in and what is answered.
import { describe, expect, test } from 'vitest'
import wechat from '../../../../adapters/wechat/index.ts'
import type { AcceptOptions, Draft, Message } from '../../../../core/api.ts'
import { testChannel, testMessage } from '../../../../core/testing.ts'
import {
  APP_ID,
  KEY,
  OTHER_KEY,
  TOKEN,
  eventXml,
  openReply,
  plainPush,
  sealedPush,
  textXml,
} from './pushing.ts'
import { plain, safe, stage, text } from './stage.ts'

const isText = { kind: 'message', type: 'text', externalId: '6054768590064713728' } as const

testChannel('a plain official account', {
  adapter: wechat,
  config: plain,
  request: plainPush(textXml('hi')),
  draft: isText,
  reply: text('hello'),
})
testChannel('an encrypted official account', {
  adapter: wechat,
  config: safe,
  request: sealedPush(textXml('hi')),
  draft: isText,
  reply: text('hello'),
})

describe('what is answered', () => {
  test('a reply in time stands in the response, and the core learns which one it carries', async () => {
    await using on = await stage(plain)
    on.host.answer(text('您好 ]]> <b>'))
    const { response, body } = await on.push(plainPush(textXml('hi')))
    expect(response).toMatchObject({
      status: 200,
      carries: 'm1',
      headers: { 'content-type': 'text/xml; charset=utf-8' },
    })
    expect(body).toMatch(
      /^<xml><ToUserName><!\[CDATA\[ann\]\]><\/ToUserName><FromUserName><!\[CDATA\[gh_10f6c3c3ac5a\]\]><\/FromUserName><CreateTime>\d{10}<\/CreateTime><MsgType><!\[CDATA\[text\]\]><\/MsgType><Content><!\[CDATA\[您好 \]\]\]\]><!\[CDATA\[> <b>\]\]><\/Content><\/xml>$/u,
    )
  })

  test('an encrypted account gets an encrypted reply that another library opens', async () => {
    await using on = await stage(safe)
    on.host.answer(text('好的 🙂'))
    const { response, body } = await on.push(sealedPush(textXml('hi')))
    expect(response.status).toBe(200)
    expect(body).not.toContain('好的')
    expect(openReply(body)).toContain('<Content><![CDATA[好的 🙂]]></Content>')
  })

  test('JSON is answered by JSON, with the names as they are there', async () => {
    await using on = await stage(safe)
    on.host.answer(text('ok'))
    const inner = JSON.stringify({
      ToUserName: 'gh_1',
      FromUserName: 'ann',
      CreateTime: 1482048670,
      MsgType: 'text',
      Content: 'hi',
      MsgId: 1,
    })
    const { response, body } = await on.push(
      sealedPush(inner.replace('"MsgId":1', '"MsgId":9007199254740993'), { format: 'json' }),
    )
    expect(on.host.drafts[0]?.externalId).toBe('9007199254740993')
    expect(response.headers?.['content-type']).toBe('application/json; charset=utf-8')
    expect(JSON.parse(openReply(body))).toMatchObject({
      ToUserName: 'ann',
      FromUserName: 'gh_1',
      Content: 'ok',
    })
  })

  test('without a reply in time: 200 and success, never encrypted', async () => {
    for (const [config, request] of [
      [plain, plainPush(textXml('hi'))],
      [safe, sealedPush(textXml('hi'))],
    ] as const) {
      await using on = await stage(config)
      const { response, body } = await on.push(request)
      expect([response.status, body, response.carries]).toEqual([200, 'success', undefined])
    }
  })

  test('during the change of keys the answer is closed with the key the platform still has', async () => {
    await using on = await stage({ ...safe, encodingAESKey: OTHER_KEY, previousEncodingAESKey: KEY })
    on.host.answer(text('ok'))
    for (const key of [KEY, OTHER_KEY]) {
      const { body } = await on.push(sealedPush(textXml('hi'), { key }))
      expect(openReply(body, { key })).toContain('[ok]')
    }
  })

  test('an answer that does not fit into one reply goes back to be pushed (SEMANTICS 5)', async () => {
    await using on = await stage({ ...safe, secret: 's' })
    for (const parts of [
      [
        { kind: 'text', text: 'a' },
        { kind: 'image', text: '', media: { id: 'm' } },
      ],
      [{ kind: 'text', text: 'x'.repeat(2048) }],
      [{ kind: 'text', text: '\u0001' }],
      [{ kind: 'image', text: '', media: { url: 'http://p' } }],
      [{ kind: 'card', text: 'Pick', data: { list: [{ id: '1', content: 'Yes' }] } }],
      [{ kind: 'card', text: 'Shop', data: { type: 'miniprogrampage', pagePath: 'index' } }],
    ] as const) {
      on.host.answer({ parts, origin: 'agent' })
      const { response, body } = await on.push(sealedPush(textXml('hi')))
      expect([response.status, body, response.carries]).toEqual([200, 'success', undefined])
    }
    expect(on.handed).toEqual([1, 2, 3, 4, 5, 6].map((number) => `m${number} back`))
  })

  test('several texts are one; without a secret, where nothing can be pushed, everything is said by its text', async () => {
    await using on = await stage(plain)
    const parts = [{ kind: 'text', text: 'a' } as const, { kind: 'text', text: 'b' } as const]
    on.host.answer({ parts, origin: 'agent' })
    expect((await on.push(plainPush(textXml('hi')))).body).toContain('[a\nb]')
    on.host.answer({ parts: [...parts, { kind: 'image', text: '[a picture]' }], origin: 'agent' })
    expect((await on.push(plainPush(textXml('hi')))).body).toContain('[a\nb\n[a picture]]')
    on.host.answer(text('长'.repeat(1000)))
    const { body } = await on.push(plainPush(textXml('hi')))
    expect(body).toContain('…]]>')
    expect(Buffer.byteLength(/<Content><!\[CDATA\[(.*?)\]\]>/u.exec(body)?.[1] ?? '')).toBeLessThanOrEqual(
      2047,
    )
  })

  test('a mini program shows no reply but a transfer: with a secret the answer is pushed', async () => {
    await using on = await stage({ ...safe, product: 'miniprogram', secret: 's' })
    on.host.answer(text('hello'))
    expect((await on.push(sealedPush(textXml('hi')))).body).toBe('success')
    expect(on.handed).toEqual(['m1 back'])
    on.host.answer({
      parts: [{ kind: 'card', text: '', data: { msgtype: 'transfer_customer_service' } }],
      origin: 'agent',
    })
    expect(openReply((await on.push(sealedPush(textXml('hi')))).body)).toContain('transfer_customer_service')
  })

  test('a mini program without a secret says nothing that nobody would see: the answer goes back, and is a dead letter', async () => {
    await using on = await stage({ ...safe, product: 'miniprogram' })
    on.host.answer(text('hello'))
    expect((await on.push(sealedPush(textXml('hi')))).body).toBe('success')
    expect(on.handed).toEqual(['m1 back'])
  })

  test('a bot gets its lower-case envelope and a stream that has ended', async () => {
    await using on = await stage({ product: 'wecom-bot', token: TOKEN, encodingAESKey: KEY })
    on.host.answer(text('done'))
    const inner = JSON.stringify({
      msgid: 'x1',
      from: { userid: 'li' },
      msgtype: 'text',
      text: { content: 'hi' },
    })
    const { body } = await on.push(sealedPush(inner, { format: 'bot', receiveId: '' }))
    expect(Object.keys(JSON.parse(body) as object)).toEqual(['encrypt', 'msgsignature', 'timestamp', 'nonce'])
    expect(JSON.parse(openReply(body, { receiveId: '' }))).toMatchObject({
      stream: { finish: true, content: 'done' },
    })
  })
})

test('an event is acknowledged without waiting; a probe of the hosting is answered and nothing else', async () => {
  await using on = await stage(plain)
  expect((await on.push(plainPush(eventXml('VIEW', '<EventKey>x</EventKey>')))).body).toBe('success')
  expect(on.host.drafts).toMatchObject([{ kind: 'event', type: 'VIEW' }])
  expect((await on.push(plainPush('{"action":"CheckContainerPath"}'))).body).toBe('success')
  expect(on.host.drafts).toHaveLength(1)
})

describe('a menu key that is a request', () => {
  const operations = { ORDERS: { kind: 'request' } } as const
  const click = eventXml('CLICK', '<EventKey>ORDERS</EventKey>')

  test('its answer stands in the response: data as text, a fault by its message', async () => {
    await using on = await stage(plain, { operations })
    on.host.answer({ data: { text: 'your order 000777 has shipped' }, origin: 'backend' })
    const { response, body } = await on.push(plainPush(click))
    expect(response.carries).toBe('m1')
    expect(body).toContain('[your order 000777 has shipped]')
    on.host.answer({ data: { orderNo: '000777' }, origin: 'backend' })
    expect((await on.push(plainPush(click))).body).toContain('[{"orderNo":"000777"}]')
    on.host.answer({ fault: { code: 'NO_ORDER', message: 'there is no order' }, origin: 'backend' })
    expect((await on.push(plainPush(click))).body).toContain('[there is no order]')
    expect(on.host.drafts[0]).toMatchObject({ kind: 'request', type: 'ORDERS', data: { EventKey: 'ORDERS' } })
  })

  test('the core hears that the platform is acknowledged after waitMs, answered or not: what is late is stored, and the core’s to send', async () => {
    for (const waitMs of [20, 0]) {
      await using on = await stage({ ...plain, secret: 's', waitMs }, { operations })
      const { host } = on
      const accept = host.accept.bind(host)
      const told: (AcceptOptions | undefined)[] = []
      Object.assign(host, {
        async accept(draft: Draft, options?: AcceptOptions) {
          told.push(options)
          return accept(draft)
        },
      })
      expect((await on.push(plainPush(click))).body).toBe('success')
      expect(told).toMatchObject([{ acknowledges: true, ...(waitMs > 0 && { waitMs }) }])
    }
  })
})

describe('what we say first', () => {
  const outbound = (conversation: string, more: Partial<Message> = {}): Message => ({
    ...testMessage(),
    direction: 'outbound',
    conversation,
    ...more,
  })
  const signal = new AbortController().signal

  test('a conversation is known by its name or by what its customer last wrote; another adapter’s context is refused', async () => {
    const sent: unknown[] = []
    const api = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      if (!String(input instanceof Request ? input.url : input).includes('send'))
        return Response.json({ errcode: 0, access_token: 't', expires_in: 7200 })
      sent.push(JSON.parse(init?.body as string)) // the wire sends texts
      return Response.json({ errcode: 0, errmsg: 'ok' })
    }
    const config = { product: 'wecom', appId: APP_ID, token: TOKEN, encodingAESKey: KEY, secret: 's' }
    await using on = await stage(config, { fetch: api })
    expect(await on.channel.send?.(outbound('elsewhere'), 'k1', signal)).toMatchObject({
      status: 'refused',
      retry: false,
    })
    const foreign = outbound('main:ann', { replyContext: { adapter: 'other', version: 1 } })
    expect(await on.channel.send?.(foreign, 'k2', signal)).toMatchObject({ status: 'refused', retry: false })
    await on.push(sealedPush(textXml('hi').replace('</xml>', '<AgentID>1000002</AgentID></xml>')))
    // The test's host names every conversation `c`.
    await expect.poll(() => on.channel.send?.(outbound('c'), 'k3', signal)).toEqual({ status: 'sent' })
    expect(sent).toMatchObject([{ touser: 'ann', agentid: 1000002 }])
  })
})

test('tickets of a third party go into the small store; who has authorised us is an event without the code', async () => {
  const config = { product: 'component', appId: APP_ID, token: TOKEN, encodingAESKey: KEY, secret: 's' }
  await using on = await stage(config)
  const notice = (type: string, fields: string): string =>
    `<xml><AppId>${APP_ID}</AppId><CreateTime>1413192605</CreateTime><InfoType>${type}</InfoType>${fields}</xml>`
  const ticket = notice(
    'component_verify_ticket',
    '<ComponentVerifyTicket>ticket@@@1</ComponentVerifyTicket>',
  )
  expect((await on.push(sealedPush(ticket))).body).toBe('success')
  expect(on.host.drafts).toEqual([])
  const push = sealedPush(textXml('hi'))
  expect((await on.push({ ...push, path: '/wechat/wxba5fad812f8e6fb9/callback' })).body).toBe('success')
  expect(on.host.drafts).toMatchObject([{ replyContext: { authorizer: 'wxba5fad812f8e6fb9' } }])
})

test.each([
  [{ token: '' }, 'token'],
  [{ token: 't', appId: 'wx1', encodingAESKey: 'short' }, 'encodingAESKey'],
  [{ token: 't', encodingAESKey: KEY }, 'appId'],
  [{ token: 't', product: 'wecom', appId: 'ww1' }, 'encodingAESKey'],
  [{ token: 't', previousEncodingAESKey: KEY }, 'previousEncodingAESKey'],
  [{ token: 't', secret: 's' }, 'appId'],
  [{ token: 't', waitMs: 5000 }, 'waitMs'],
  [{ token: 't', apiBase: 'https://api.example.com/?key=1' }, 'apiBase'],
  [{ token: 't', apiBase: 'https://api.example.com/#top' }, 'apiBase'],
  [{ token: 't', apiBase: 'https://api.example.com/a b' }, 'apiBase'],
  [{ token: 't', apiBase: 'https://api.example.com ' }, 'apiBase'],
  [{ token: 't', apiBase: 'https://[::1/' }, 'apiBase'],
  [{ token: 't', apiBase: 'https://api.example.com:99999' }, 'apiBase'],
  [{ token: 't', skew: '5' }, 'skew'],
  [{ token: 't', path: 'wechat' }, 'path'],
  [{ token: 't', product: 'weibo' }, 'product'],
])('the config %j is refused at %s', (config, key) => {
  const result = wechat.channel?.config['~standard'].validate(config)
  expect(result).toMatchObject({ issues: [{ path: [key] }] })
})

test.each([
  { token: 't' },
  { token: 't', encodingAESKey: '', secret: '', apiBase: '', appId: '' },
  { token: 't', apiBase: 'https://me:password@api.example.com:8443/weixin/' },
  { token: 't', product: 'wecom-bot', encodingAESKey: KEY },
  { token: 't', encodingAESKey: KEY, receiveIds: ['ww1', 'wwsuite'] },
])('the config %j is taken', (config) => {
  expect(wechat.channel?.config['~standard'].validate(config)).not.toHaveProperty('issues.0')
})

test('only the example’s token is shown in a command, and only where a shell can sign', async () => {
  await using example = await stage({ ...plain, token: 'changeme' })
  expect(example.channel.hint?.('http://h')).toMatch(
    /^T=\$\(date \+%s\);.* curl -s "http:\/\/h\/wechat\?signature=\$S/u,
  )
  await using own = await stage(plain)
  expect(own.channel.hint?.('http://h')).toBeUndefined()
  await using encrypted = await stage({ ...safe, token: 'changeme' })
  expect(encrypted.channel.hint?.('http://h')).toBeUndefined()
})
