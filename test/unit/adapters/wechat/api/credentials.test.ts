// A third-party platform: its ticket, its token, and those of the accounts that authorise it.
import { expect, test } from 'vitest'
import { createAuthorisations } from '../../../../../adapters/wechat/api/authorisations.ts'
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
  expect(await credentials.of('wxA').get()).toBe('at1')
  expect(await credentials.of('wxA').renew('at1')).toBe('at2')
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

const code = (authorizer: string, said: string) => ({ type: 'authorized', authorizer, code: said }) as const
const ticket = { type: 'component_verify_ticket', appId: 'wxC', ticket: 't' } as const

test('a code is changed once by all who share the state, and the token it gives is everybody’s', async () => {
  const here = world()
  const { wire, asked } = wires({ api_component_token: componentToken, api_query_auth: authorization })
  const channel = createCredentials(account, { scope: here.scope('channel'), wire })
  const backend = createCredentials(account, { scope: here.scope('backend'), wire })
  await channel.note(ticket)
  await channel.note(code('wxA', 'c1'))
  expect(await backend.of('wxA').get()).toBe('at1')
  expect(await channel.of('wxA').get()).toBe('at1')
  expect(asked.filter(({ path }) => path.endsWith('/api_query_auth'))).toHaveLength(1)
})

test('an account that authorises us again gets a token of the new code, also while the old one is still good', async () => {
  const here = world()
  const answers = { api_component_token: componentToken, api_query_auth: authorization as object }
  const credentials = createCredentials(account, { scope: here.scope(), wire: wires(answers).wire })
  await credentials.note(ticket)
  await credentials.note(code('wxA', 'c1'))
  expect(await credentials.of('wxA').get()).toBe('at1')
  answers.api_query_auth = { authorization_info: { ...refreshed, authorizer_access_token: 'at9' } }
  await credentials.note(code('wxA', 'c2'))
  await expect.poll(() => here.values.get('authorizer/wxC/wxA')?.value, soon).toEqual({ refreshToken: 'r2' })
  expect(await credentials.of('wxA').get()).toBe('at9')
})

/** Nothing is renewed before `gate`. */
function renewingAfter(gate: Promise<void>, wire: Wire): Wire {
  return async (call, signal) => {
    if (call.path.endsWith('/api_authorizer_token')) await gate
    return wire(call, signal)
  }
}

test('a code that comes while the token is renewed is not lost with the renewal', async () => {
  const here = world()
  const gate = Promise.withResolvers<void>()
  const { wire, asked } = wires({
    api_component_token: componentToken,
    api_query_auth: authorization,
    api_authorizer_token: refreshed,
  })
  const slow = renewingAfter(gate.promise, wire)
  const channel = createCredentials(account, { scope: here.scope('channel'), wire })
  const backend = createCredentials(account, { scope: here.scope('backend'), wire: slow })
  await channel.note(ticket)
  await here.scope().state.put('authorizer/wxC/wxA', { refreshToken: 'r0' })
  const renewed = backend.of('wxA').get()
  await expect.poll(() => asked.length, soon).toBe(1)
  await channel.note(code('wxA', 'c1'))
  gate.resolve()
  expect(await renewed).toBe('at2')
  await expect.poll(() => here.values.get('authorizer/wxC/wxA')?.value, soon).toEqual({ refreshToken: 'r1' })
  expect(asked.at(-1)?.body).toMatchObject({ authorization_code: 'c1' })
})

test('an account that took its authorisation back while the token was renewed is not spoken for any more', async () => {
  const here = world()
  const gate = Promise.withResolvers<void>()
  const { wire, asked } = wires({ api_component_token: componentToken, api_authorizer_token: refreshed })
  const slow = renewingAfter(gate.promise, wire)
  const channel = createCredentials(account, { scope: here.scope('channel'), wire })
  const backend = createCredentials(account, { scope: here.scope('backend'), wire: slow })
  await channel.note(ticket)
  await here.scope().state.put('authorizer/wxC/wxA', { refreshToken: 'r0' })
  const renewed = backend.of('wxA').get()
  await expect.poll(() => asked.length, soon).toBe(1)
  await channel.note({ type: 'unauthorized', authorizer: 'wxA' })
  gate.resolve()
  await expect(renewed).rejects.toThrow(/has not authorised/u)
  expect(here.values.get('authorizer/wxC/wxA')?.value).toBeNull()
})

test('who has another secret of the same account has another token: of WeCom each application has its own', async () => {
  const here = world()
  const asked: WireCall[] = []
  const wire: Wire = async (call) => {
    asked.push(call)
    return { status: 'ok', fields: { access_token: `of ${call.query?.['corpsecret']}`, expires_in: 7200 } }
  }
  const corp = { product: 'wecom', appId: 'ww1', apiBase: 'http://x' } as const
  const of = (secret: string) => createCredentials({ ...corp, secret }, { scope: here.scope(secret), wire })
  expect(await of('s1').of().get()).toBe('of s1')
  expect(await of('s2').of().get()).toBe('of s2')
  expect(await of('s1').of().get()).toBe('of s1')
  expect(asked).toHaveLength(2)
  expect([...here.values.keys()].join()).not.toMatch(/s1|s2/u)
})

test('a code that another instance is told again does not take away the refresh token it has just been changed for', async () => {
  const here = world()
  const { state } = here.scope()
  const one = createAuthorisations('wxC', state)
  await one.given('wxA', 'c1')
  let meanwhile: (() => Promise<unknown>) | undefined = () => one.renewed('wxA', 'r1', 'c1')
  const other = createAuthorisations('wxC', {
    ...state,
    async get(key) {
      const found = await state.get(key)
      const work = meanwhile
      meanwhile = undefined
      await work?.()
      return found
    },
  })
  await other.given('wxA', 'c1')
  expect(await one.of('wxA')).toEqual({ code: 'c1', refreshToken: 'r1' })
})
