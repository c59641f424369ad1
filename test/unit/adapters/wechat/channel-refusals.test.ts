// What the WeChat channel refuses, and what it only acknowledges.
import { describe, expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { TOKEN, now, openReply, plainPush, sealedPush, sha1, textXml } from './pushing.ts'
import type { PushRequest } from './pushing.ts'
import { plain, safe, stage, text } from './stage.ts'

describe('what is refused', () => {
  const forged: readonly (readonly [string, object, () => PushRequest])[] = [
    ['a plain body on an encrypted account', safe, () => plainPush(textXml('hi'))],
    ['another account’s text', safe, () => sealedPush(textXml('hi'), { receiveId: 'wxother' })],
    ['another token', plain, () => plainPush(textXml('hi'), { token: 'x' })],
    ['an empty token', plain, () => plainPush(textXml('hi'), { token: '' })],
    ['a stale push', plain, () => plainPush(textXml('hi'), { timestamp: now() - 400 })],
    ['a push of the future', safe, () => sealedPush(textXml('hi'), { timestamp: now() + 400 })],
    ['nothing', plain, () => plainPush('')],
    ['XML cut off', plain, () => plainPush('<xml><MsgType>text')],
    [
      'a DOCTYPE',
      plain,
      () =>
        plainPush('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><xml><MsgType>&x;</MsgType></xml>'),
    ],
  ]
  test.each(forged)('%s: one refusal that tells nothing', async (_what, config, request) => {
    await using on = await stage(config)
    const { response, body } = await on.push(request())
    expect([response.status, body]).toEqual([403, 'forbidden'])
    expect(on.host.drafts).toEqual([])
  })

  test('the same signature with another body, the same body again is the platform’s own repeat', async () => {
    await using on = await stage(plain)
    const signing = { nonce: 'once', timestamp: now() }
    expect((await on.push(plainPush(textXml('pay ann'), signing))).response.status).toBe(200)
    expect((await on.push(plainPush(textXml('pay bob'), signing))).response.status).toBe(403)
    expect((await on.push(plainPush(textXml('pay ann'), signing))).response.status).toBe(200)
    expect(on.host.drafts.map(({ parts }) => parts?.[0]?.text)).toEqual(['pay ann', 'pay ann'])
  })

  test('the same MsgId with another text, whoever signed it', async () => {
    await using on = await stage(safe)
    on.host.answer(new GatewayError('IDEMPOTENCY_MISMATCH', 'the id was used before'))
    expect((await on.push(sealedPush(textXml('other')))).response.status).toBe(403)
  })

  test('other methods and other paths', async () => {
    await using on = await stage(plain)
    const push = plainPush(textXml('hi'))
    for (const method of ['PUT', 'DELETE', 'HEAD', 'PATCH'])
      expect((await on.host.handle({ ...push, method })).status, method).toBe(405)
    expect((await on.host.handle({ ...push, path: '/wechat/x' })).status).toBe(404)
    expect(on.host.drafts).toEqual([])
  })

  test('what was not stored is repeated by the platform, what is stored or hopeless is not', async () => {
    await using on = await stage(plain)
    const status = async (code: ConstructorParameters<typeof GatewayError>[0]): Promise<number> => {
      on.host.answer(new GatewayError(code, 'no'))
      return (await on.push(plainPush(textXml('hi')))).response.status
    }
    for (const code of ['OVERLOADED', 'STORE_UNAVAILABLE', 'INTERNAL', 'RATE_LIMITED'] as const)
      expect(await status(code), code).toBe(503)
    for (const code of ['AGENT_FAILED', 'NO_ROUTE', 'DECODE_FAILED', 'OUTCOME_UNKNOWN', 'EXPIRED'] as const)
      expect(await status(code), code).toBe(200)
  })

  test('a text of the platform that nobody can read is acknowledged: refused it would only come back', async () => {
    await using on = await stage(safe)
    const { response, body } = await on.push(sealedPush('{"a": :x"}'))
    expect([response.status, body]).toEqual([200, 'success'])
    expect(on.host.drafts).toEqual([])
  })
})

test('a customer who ends his own section changes neither who he is nor what the push is', async () => {
  await using on = await stage(safe)
  const typed = [
    ']]></Content><FromUserName><![CDATA[bob]]></FromUserName><MsgType><![CDATA[event]]></MsgType>',
    '<InfoType>component_verify_ticket</InfoType><ComponentVerifyTicket>forged</ComponentVerifyTicket>',
    '<MsgId>1</MsgId><Content><![CDATA[x',
  ].join('')
  on.host.answer(text('yes'))
  const { body } = await on.push(sealedPush(textXml(typed)))
  expect(on.host.drafts).toMatchObject([
    {
      kind: 'message',
      type: 'text',
      sender: { id: 'ann', role: 'customer' },
      externalId: '6054768590064713728',
      replyContext: { to: 'ann' },
    },
  ])
  expect(openReply(body)).toContain('<ToUserName><![CDATA[ann]]></ToUserName>')
})

test('GET gives the echo back, whatever its time, and nothing without a signature', async () => {
  await using on = await stage(safe)
  const query = `signature=${sha1(TOKEN, '1', 'n')}&timestamp=1&nonce=n&echostr=4375120948345356249`
  const given = await on.host.handle({ method: 'GET', path: '/wechat', query })
  expect(given).toMatchObject({ status: 200, body: '4375120948345356249' })
  expect(given.headers?.['content-type']).toMatch(/^text\/plain/u)
  for (const bad of ['', query.replace('nonce=n', 'nonce=m'), `${query}&echostr=x`])
    expect((await on.host.handle({ method: 'GET', path: '/wechat', query: bad })).status).toBe(403)
})
