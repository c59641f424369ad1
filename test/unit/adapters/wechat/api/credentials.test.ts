// A third-party platform: its ticket, its token, and those of the accounts that authorise it.
import { expect, test } from 'vitest'
import { createCredentials } from '../../../../../adapters/wechat/api/credentials.ts'
import type { Wire, WireCall } from '../../../../../adapters/wechat/api/wire.ts'
import { world } from './scopes.ts'

/** On a busy machine, too. */
const soon = { timeout: 10_000 }

const account = { product: 'component', appId: 'wxC', secret: 's', apiBase: 'http://x' } as const

/** A wire that answers by path, and remembers what was asked. */
function wires(answers: Readonly<Record<string, object>>) {
  const asked: WireCall[] = []
  const wire: Wire = async (call) => {
    asked.push(call)
    const fields = answers[call.path.split('/').at(-1) ?? ''] ?? { errcode: 61_003 }
    if ('errcode' in fields) return { status: 'error', code: Number(fields.errcode), text: '' }
    return { status: 'ok', fields: { ...fields } }
  }
  return { wire, asked }
}

const componentToken = { component_access_token: 'ct', expires_in: 7200 }
const authorization = {
  authorization_info: {
    authorizer_appid: 'wxA',
    authorizer_access_token: 'at1',
    expires_in: 7200,
    authorizer_refresh_token: 'r1',
  },
}
const refreshed = { authorizer_access_token: 'at2', expires_in: 7200, authorizer_refresh_token: 'r2' }

test('without a ticket it says what is missing', async () => {
  const { wire, asked } = wires({})
  const credentials = createCredentials(account, { scope: world().scope(), wire })
  await expect(credentials.of().get()).rejects.toThrow(/no component_verify_ticket of "wxC" has come yet/u)
  expect(asked).toHaveLength(0)
})

test('the ticket makes the token of the platform, the code that of an account, the refresh token the next one', async () => {
  const here = world()
  const { wire, asked } = wires({
    api_component_token: componentToken,
    api_query_auth: authorization,
    api_authorizer_token: refreshed,
  })
  const credentials = createCredentials(account, { scope: here.scope(), wire })
  await credentials.note({ type: 'component_verify_ticket', appId: 'wxC', ticket: 'ticket@@@1' })
  expect(await credentials.of().get()).toBe('ct')
  expect(asked[0]?.body).toMatchObject({ component_verify_ticket: 'ticket@@@1' })
  await credentials.note({ type: 'authorized', authorizer: 'wxA', code: 'code1' })
  // The code is changed at once: it lives an hour, the refresh token for ever.
  await expect.poll(() => here.values.get('authorizer/wxC/wxA')?.value, soon).toEqual({ refreshToken: 'r1' })
  expect(await credentials.of('wxA').get()).toBe('at2')
  expect(asked.at(-1)).toMatchObject({
    query: { component_access_token: 'ct' },
    body: { component_appid: 'wxC', authorizer_appid: 'wxA', authorizer_refresh_token: 'r1' },
  })
  expect(here.values.get('authorizer/wxC/wxA')?.value).toEqual({ refreshToken: 'r2' })
})

test('a code that cannot be changed does not lose the authorisation before it', async () => {
  const here = world()
  const { wire } = wires({ api_component_token: componentToken, api_authorizer_token: refreshed })
  const credentials = createCredentials(account, { scope: here.scope(), wire })
  await credentials.note({ type: 'component_verify_ticket', appId: 'wxC', ticket: 't' })
  await here.scope().state.put('authorizer/wxC/wxA', { refreshToken: 'r0' })
  await credentials.note({ type: 'authorized', authorizer: 'wxA', code: 'used already' })
  await expect.poll(() => here.values.get('authorizer/wxC/wxA')?.value, soon).toEqual({ refreshToken: 'r2' })
})

test('an account that takes its authorisation back is not spoken for any more', async () => {
  const here = world()
  const { wire } = wires({
    api_component_token: componentToken,
    api_query_auth: authorization,
    api_authorizer_token: refreshed,
  })
  const credentials = createCredentials(account, { scope: here.scope(), wire })
  await credentials.note({ type: 'component_verify_ticket', appId: 'wxC', ticket: 't' })
  await credentials.note({ type: 'authorized', authorizer: 'wxA', code: 'c' })
  expect(await credentials.of('wxA').get()).toMatch(/^at/u)
  await credentials.note({ type: 'unauthorized', authorizer: 'wxA' })
  await expect(credentials.of('wxA').get()).rejects.toThrow(/has not authorised/u)
})

test('a ticket is stored before it is acknowledged, and never logged', async () => {
  const here = world()
  const { wire } = wires({})
  const credentials = createCredentials(account, { scope: here.scope(), wire })
  await credentials.note({ type: 'suite_ticket', suiteId: 'tj1', ticket: 'secret-ticket' })
  expect(here.values.get('ticket/suite/tj1')?.value).toBe('secret-ticket')
  here.isDown = true
  const lost = credentials.note({ type: 'component_verify_ticket', appId: 'wxC', ticket: 'secret-ticket' })
  await expect(lost).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' })
  expect(here.logged.join()).not.toContain('secret-ticket')
})
