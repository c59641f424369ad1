// Operations of the platform's API: what they send, what an error code becomes, and what an operator is told.
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

import { GatewayError } from 'dragoman'
import { expect, test } from 'vitest'
import { operationsOf } from '../../../../../adapters/wechat/api/operations.ts'
import { createWire } from '../../../../../adapters/wechat/api/wire.ts'
import { products } from '../../../../../adapters/wechat/account.ts'
import { SECRET, never, trial } from './platform.ts'

const text = { touser: 'oAnn', msgtype: 'text', text: { content: 'hi' } }

test('getUser asks by the query and answers plain data without the code', async () => {
  await using t = await trial()
  expect(await t.platform.call('getUser', { openid: 'oAnn' }, 'k', never)).toEqual({
    data: expect.objectContaining({ openid: 'oAnn', subscribe_time: 1_434_093_047 }),
  })
})

test('a file goes up and comes down byte for byte', async () => {
  await using t = await trial()
  const content = Buffer.from([0, 255, 13, 10, 13, 10, 45, 45, 1]).toString('base64')
  const { data } = await t.platform.call('uploadMedia', { type: 'image', content, name: 'a.jpg' }, 'k', never)
  const { media_id: id } = data as { media_id: string } // the simulator's own answer
  expect(await t.platform.call('getMedia', { media_id: id }, 'k', never)).toMatchObject({
    data: { content, mediaType: 'image/jpeg', name: 'media.jpg', bytes: 9 },
  })
})

test('a file that is fetched has the name its header says in bytes of UTF-8', async () => {
  const disposition = Buffer.from('attachment; filename="保单.pdf"').toString('latin1')
  const headers = { 'content-type': 'application/pdf', 'content-disposition': disposition }
  await using server = createServer((_, response) => response.writeHead(200, headers).end('x'))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo // it listens on TCP
  const wire = createWire(`http://127.0.0.1:${port}`, fetch)
  expect(await wire({ method: 'GET', path: '/x', file: true }, never)).toMatchObject({ name: '保单.pdf' })
  server.closeAllConnections()
})

test('a refusal of the call is a business fault with the code; our request id and address stay out of it', async () => {
  await using t = await trial()
  t.api.fail('/cgi-bin/user/info', {
    errcode: 40_003,
    errmsg: 'invalid openid hint: [abc] rid: 66f3bd4d, from ip: 49.74.77.205',
  })
  expect(await t.platform.call('getUser', { openid: 'x' }, 'k', never)).toEqual({
    fault: {
      code: '40003',
      message: 'there is no such openid (40003 invalid openid)',
      detail: { errcode: 40_003 },
    },
  })
})

test.each<[object, Partial<GatewayError>]>([
  [{ errcode: -1 }, { code: 'BACKEND_FAILED', notExecuted: false }],
  [{ errcode: 45_009 }, { code: 'BACKEND_FAILED', notExecuted: true, retryAfterMs: 10_000 }],
  [{ errcode: 48_001 }, { code: 'BACKEND_FAILED', notExecuted: true }],
  [{ status: 503 }, { code: 'BACKEND_FAILED', notExecuted: false }],
])('%o is a breakage %o', async (fault, expected) => {
  await using t = await trial()
  t.api.fail('/cgi-bin/message/custom/send', fault)
  await expect(t.platform.call('sendCustomMessage', text, 'k', never)).rejects.toMatchObject(expected)
})

test.each([45_015, 45_047])('%i is the fault WINDOW_CLOSED', async (errcode) => {
  await using t = await trial()
  t.api.fail('/cgi-bin/message/custom/send', { errcode })
  expect(await t.platform.call('sendCustomMessage', text, 'k', never)).toMatchObject({
    fault: { code: 'WINDOW_CLOSED' },
  })
})

test('a wrong secret is named as such, without itself', async () => {
  await using t = await trial({ secret: 'another' })
  const failure: unknown = await t.platform
    .call('getUser', { openid: 'x' }, 'k', never)
    .catch((e: unknown) => e)
  expect(failure).toBeInstanceOf(GatewayError)
  expect(String(failure)).toMatch(/the secret is wrong \(40125/u)
  expect(String(failure)).not.toContain('another')
})

test('no secret, an unknown operation and missing parameters are refused before anything is called', async () => {
  await using t = await trial()
  const calls: readonly [string, object, string][] = [
    ['noSuch', {}, 'NO_ROUTE'],
    ['__proto__', {}, 'NO_ROUTE'],
    ['getUser', {}, 'DECODE_FAILED'],
    ['uploadMedia', { type: 'image', content: 'not base64!' }, 'DECODE_FAILED'],
    ['uploadMedia', { type: 'thumb', content: 'AAAA'.repeat(64 * 1024) }, 'DECODE_FAILED'],
    ['uploadMedia', { type: 'constructor', content: 'AAEC' }, 'DECODE_FAILED'],
  ]
  for (const [name, params, code] of calls)
    await expect(t.platform.call(name, { ...params }, 'k', never)).rejects.toMatchObject({
      code,
      notExecuted: true,
    })
  expect(t.api.asked).toHaveLength(0)
  await using none = await trial({ product: 'component', appId: 'wxC' })
  await expect(none.platform.call('getUser', { authorizer: 'wxA', openid: 'x' }, 'k', never)).rejects.toThrow(
    /has not authorised/u,
  )
})

test('WeCom asks for its token by gettoken and renews it on 42001', async () => {
  await using t = await trial({ product: 'wecom' })
  t.api.fail('/cgi-bin/message/send', { errcode: 42_001 })
  const { fault } = await t.platform.call('sendMessage', { ...text, agentid: 1 }, 'k', never)
  expect(fault).toBeUndefined()
  expect(t.api.asked.map(({ path }) => path)).toEqual([
    '/cgi-bin/gettoken',
    '/cgi-bin/message/send',
    '/cgi-bin/gettoken',
    '/cgi-bin/message/send',
  ])
})

test('the same call of 微信客服 with the same key is sent once', async () => {
  await using t = await trial({ product: 'wecom-kf' })
  t.api.contact('wmAnn')
  const body = { ...text, touser: 'wmAnn', open_kfid: 'wk1' }
  for (let count = 0; count < 2; count++) await t.platform.call('sendMessage', body, 'key', never)
  expect(t.api.delivered).toHaveLength(1)
})

test('an answer with a 64-bit id keeps every digit', async () => {
  await using t = await trial()
  const { platform } = t
  t.api.fail('/cgi-bin/user/info', {})
  const huge = await platform.call('getUser', { openid: '9007199254740993' }, 'k', never)
  expect(huge.data).toMatchObject({ openid: '9007199254740993' })
})

test('every operation says what a repeat does, and no product lacks the common ones', () => {
  for (const product of products.filter((one) => one !== 'wecom-bot')) {
    const operations = operationsOf(product)
    expect(Object.keys(operations)).toEqual(
      expect.arrayContaining(['uploadMedia', 'getMedia', 'getCallbackIps']),
    )
    for (const [name, { safe }] of Object.entries(operations))
      expect(/^(?:get|list)/u.test(name), `${product} ${name}`).toBe(safe || name === 'getPhoneNumber')
  }
})

test('nothing that was asked for holds the secret but the question for a token', async () => {
  await using t = await trial()
  await t.platform.call('getUser', { openid: 'oAnn' }, 'k', never)
  for (const { path, body, query } of t.api.asked)
    if (path !== '/cgi-bin/stable_token') expect(JSON.stringify([body, query])).not.toContain(SECRET)
})
