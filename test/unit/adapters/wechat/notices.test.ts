// What a platform says about itself (InfoType): who authorised us, tickets, and a WeCom suite, whose interfaces nobody calls.
import { expect, test } from 'vitest'
import type { Message } from '../../../../core/api.ts'
import { testMessage } from '../../../../core/testing.ts'
import { APP_ID, KEY, TOKEN, openReply, sealedPush, textXml } from './pushing.ts'
import { stage } from './stage.ts'

const { signal } = new AbortController()
const outbound = (conversation: string): Message => ({
  ...testMessage(),
  direction: 'outbound',
  conversation,
})

/** Takes every call for good. */
function counted() {
  const asked: string[] = []
  const fetch = async (input: string | URL | Request): Promise<Response> => {
    asked.push(String(input instanceof Request ? input.url : input))
    return Response.json({ errcode: 0, access_token: 't', component_access_token: 'c', expires_in: 7200 })
  }
  return { asked, fetch }
}

test('what the platform says about itself is answered by nobody: no customer is called like the channel, or sys', async () => {
  const { asked, fetch } = counted()
  const config = { product: 'component', appId: APP_ID, token: TOKEN, encodingAESKey: KEY, secret: 's' }
  await using on = await stage(config, { fetch })
  const notice = `<xml><AppId>${APP_ID}</AppId><CreateTime>1413192605</CreateTime><InfoType>unauthorized</InfoType><AuthorizerAppid>wxa</AuthorizerAppid></xml>`
  await on.push(sealedPush(notice))
  expect(on.host.drafts).toMatchObject([{ sender: { id: 'main', role: 'system' } }])
  for (const conversation of ['main:main', 'main:sys']) {
    expect(await on.channel.send?.(outbound(conversation), 'k', signal)).toMatchObject({
      status: 'refused',
      retry: false,
      reason: expect.stringContaining('nobody'),
    })
  }
  expect(asked).toEqual([])
})

test('a WeCom suite answers in the response alone: later nothing is sent, and nobody is asked for a token', async () => {
  const { asked, fetch } = counted()
  const suite = {
    product: 'component',
    appId: 'ww4asffe99e54c0f4c',
    token: TOKEN,
    encodingAESKey: KEY,
    secret: 's',
  }
  await using on = await stage(suite, { fetch })
  const receiveId = suite.appId
  const ticket =
    '<xml><SuiteId>ww4asffe99e54c0f4c</SuiteId><InfoType>suite_ticket</InfoType><TimeStamp>1403610513</TimeStamp><SuiteTicket>t</SuiteTicket></xml>'
  const created =
    '<xml><SuiteId>ww4asffe99e54c0f4c</SuiteId><AuthCode>SECRET</AuthCode><InfoType>create_auth</InfoType><TimeStamp>1403610513</TimeStamp></xml>'
  expect((await on.push(sealedPush(ticket, { receiveId }))).body).toBe('success')
  expect((await on.push(sealedPush(created, { receiveId }))).body).toBe('success')
  on.host.answer({ parts: [{ kind: 'card', text: 'a menu', data: { msgtype: 'msgmenu' } }], origin: 'agent' })
  const { body } = await on.push(sealedPush(textXml('hi'), { receiveId }))
  expect(openReply(body, { receiveId })).toContain('a menu')
  const late = await on.channel.send?.(outbound('main:ann'), 'k', signal)
  expect(late).toMatchObject({ status: 'refused', retry: false, reason: expect.stringContaining('suite') })
  expect(asked).toEqual([])
})
