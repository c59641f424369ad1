// A third-party platform and the backend that names its channel: what the platform pushed to the one is what the other calls with.
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { startPlatformApi } from '../../bin/demo/simulator/api.ts'
import { until } from '../support/gateway.ts'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'
import { now, sealedPush } from '../unit/adapters/wechat/pushing.ts'

const SECRET = randomBytes(16).toString('hex')
const APP_ID = 'wx3333333333333333'
const SHOP = 'wxbbbbbbbbbbbbbbbb'
const account = {
  token: 'T0ken',
  key: randomBytes(32).toString('base64').slice(0, 43),
  receiveId: APP_ID,
}

const yaml = (base: string): string => `
channels:
  wechat: { adapter: wechat, product: component, appId: ${APP_ID}, token: ${account.token}, encodingAESKey: "${account.key}", secret: ${SECRET}, apiBase: "${base}" }
  web: { adapter: rest }
backends:
  weixin: { adapter: wechat, channel: wechat }
  stranger: { adapter: wechat, product: component, appId: ${APP_ID}, secret: ${SECRET}, apiBase: "${base}" }
routes:
  - { when: "type = 'getUser'", backend: weixin }
  - { when: "type = 'listTags'", backend: stranger }
`

async function notice(house: House, type: string, fields: string): Promise<void> {
  const { query, body, headers } = sealedPush(
    `<xml><AppId>${APP_ID}</AppId><CreateTime>${now()}</CreateTime><InfoType>${type}</InfoType>${fields}</xml>`,
    account,
  )
  const response = await fetch(`${house.base}/wechat?${query}`, {
    method: 'POST',
    body: Buffer.from(body),
    headers,
  })
  expect(response.status).toBe(200)
}

async function request(house: House, operation: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`${house.base}/v1/requests/${operation}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer me' },
    body: JSON.stringify({ authorizer: SHOP, openid: 'oAnn' }),
  })
  return { status: response.status, body: await response.text() }
}

test('a backend that names the channel calls for the accounts that authorised it, also after a restart; another one does not', async () => {
  await using api = await startPlatformApi({ appId: APP_ID, secret: SECRET })
  await using house = await openHouse({ yaml: yaml(api.base) })
  await notice(house, 'component_verify_ticket', '<ComponentVerifyTicket>ticket@@@1</ComponentVerifyTicket>')
  const code = '<AuthorizationCode>code-1</AuthorizationCode>'
  await notice(house, 'authorized', `<AuthorizerAppid>${SHOP}</AuthorizerAppid>${code}`)
  const asked = (path: string): number => api.asked.filter((each) => each.path.endsWith(path)).length
  await until(() => asked('/api_query_auth') === 1)
  expect(await request(house, 'getUser')).toMatchObject({
    status: 200,
    body: expect.stringContaining('oAnn'),
  })
  // One token of the platform and one of the account are enough for both.
  expect([asked('/api_component_token'), asked('/api_query_auth'), asked('/api_authorizer_token')]).toEqual([
    1, 1, 0,
  ])
  expect(await request(house, 'listTags')).toMatchObject({
    status: 502,
    body: expect.stringContaining('has not authorised'),
  })
  await house.stop()
  await using next = await openHouse({ yaml: yaml(api.base), directory: house.directory })
  expect(await request(next, 'getUser')).toMatchObject({ status: 200 })
})
