// What `check` says of WeChat set-ups in which customers would hear nothing: mistakes are problems, what is legal is a notice.
import { expect, test } from 'vitest'
import { loadBuiltIn } from '../../../bin/adapters.ts'
import { load, problemsOf } from './fakes.ts'

const adapters = new Map((await loadBuiltIn()).map((adapter) => [adapter.name, adapter]))
const KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG'

async function noticesOf(text: string): Promise<readonly string[]> {
  const { notices } = await load(text, { adapters })
  return notices.map((notice) => notice.replace(/^.*gateway\.yaml:/u, ''))
}
const channel = (keys: string): string => `channels:\n  w: { adapter: wechat, appId: wx1, ${keys} }\n`
const sealed = `encodingAESKey: ${KEY}`

test.each([
  ['an official account', 'token: abc', /only what is ready within waitMs .*subscribe/u],
  ['a WeCom application', `token: abc, product: wecom, ${sealed}`, /only what is ready within waitMs/u],
  ['微信客服', `token: abc, product: wecom-kf, ${sealed}`, /nothing that customers write comes in/u],
  ['a mini program', 'token: abc, product: miniprogram', /shows no answer in the response/u],
  ['no waiting', 'token: abc, waitMs: 0', /waitMs is 0: no answer ever goes out/u],
])('%s without a secret is told who will hear nothing', async (_who, keys, said) => {
  const notices = await noticesOf(channel(keys))
  expect(notices).toHaveLength(1)
  expect(notices[0]).toMatch(/^2:3: channels\.w\.secret: is missing/u)
  expect(notices[0]).toMatch(said)
})

test.each([
  'token: abc, secret: s',
  'token: abc, secret: s, waitMs: 0',
  `token: abc, product: wecom-bot, ${sealed}`,
  `token: abc, product: component, secret: s, ${sealed}`,
])('of { %s } there is nothing to tell', async (keys) => {
  expect(await noticesOf(channel(keys))).toEqual([])
})

test.each(['ab', 'a-token', ' abc ', 'x'.repeat(33)])(
  'the platform takes no token %j, and the notice does not show it',
  async (token) => {
    const notices = await noticesOf(channel(`secret: s, token: "${token}"`))
    expect(notices).toEqual([
      '2:48: channels.w.token: the platform takes 3 to 32 letters and digits: this cannot be entered there',
    ])
  },
)

test.each([
  ['appId: gh_10f6c3c3ac5a', 'appId: this is the original id of an account: the AppID begins with wx'],
  [
    `product: component, ${sealed}, appId: gh_10f6c3c3ac5a`,
    'appId: this is the original id of an account: the AppID begins with wx',
  ],
  [
    'appId: ww1',
    'appId: this is the corpid of a company: product official has an AppID, which begins with wx',
  ],
  ['appId: "wx1 "', 'appId: has a blank in it, which the platform’s has not'],
  [
    `product: wecom, ${sealed}, appId: ww1, agentId: shop`,
    'agentId: this is no AgentId: it consists of digits',
  ],
])('{ %s } cannot be right, and the notice says why', async (keys, said) => {
  for (const text of [
    `channels:\n  w: { adapter: wechat, token: abc, secret: s, ${keys} }\n`,
    `backends:\n  w: { adapter: wechat, secret: s, ${keys.replace(`${sealed}, `, '')} }\n`,
  ]) {
    const notices = await noticesOf(text)
    expect(notices.filter((notice) => notice.endsWith(`.w.${said}`))).toHaveLength(1)
    expect(notices.join('\n')).not.toContain('suite')
  }
})

test('a secret with a blank in it is told without being shown; a corpid of WeCom may begin with wx', async () => {
  const notices = await noticesOf(channel('token: abc, secret: "hidden "'))
  expect(notices).toEqual([
    expect.stringMatching(/w\.secret: has a blank in it, which the platform’s has not$/u),
  ])
  expect(notices.join('\n')).not.toContain('hidden')
  expect(await noticesOf(channel(`token: abc, secret: s, product: wecom, agentId: "7", ${sealed}`))).toEqual(
    [],
  )
})

test('a WeCom suite is passive only, and a third-party platform’s backend needs its channel', async () => {
  const suite = `channels:\n  s: { adapter: wechat, product: component, appId: ww1, token: abc, secret: s, ${sealed} }\n`
  expect(await noticesOf(suite)).toEqual([
    expect.stringMatching(/^2:45: channels\.s\.appId: .*suite.* in the response alone/u),
  ])
  expect(
    await noticesOf('backends:\n  b: { adapter: wechat, product: component, appId: wx1, secret: s }\n'),
  ).toEqual([expect.stringMatching(/^2:3: backends\.b\.channel: is missing: .*ticket/u)])
})

const backend = (keys: string): string =>
  `${channel('token: abc, secret: s')}backends:\n  b: { adapter: wechat, ${keys} }\n`
const route = (operation: string): string => `routes:\n  - { backend: b, operation: ${operation} }\n`

test('a route’s operation is one of the product, as the channel or the backend says it', async () => {
  const wecom = 'product: wecom, appId: ww1, secret: s'
  expect(await problemsOf(backend(wecom) + route('getMenu'), { adapters })).toEqual([
    '6:30: route 1: backend "b" has no operation "getMenu"',
  ])
  expect(await problemsOf(backend('channel: w') + route('getMenus'), { adapters })).toEqual([
    '6:30: route 1: backend "b" has no operation "getMenus" (did you mean "getMenu"?)',
  ])
  expect(await problemsOf(backend('channel: w') + route('getMenu'), { adapters })).toEqual([])
  expect(await problemsOf(backend('channel: w') + route('data.name'), { adapters })).toEqual([])
})

test('what is set of an operation is of one the product has; `*` is any', async () => {
  const set = (name: string): string =>
    backend(`product: wecom, appId: ww1, secret: s, operations: { ${name}: { timeout: 3s } }`)
  expect(await problemsOf(set('sendCustomMessage'), { adapters })).toEqual([
    '4:78: backends.b.operations.sendCustomMessage: the backend has no operation "sendCustomMessage"',
  ])
  expect(await problemsOf(set('sendMesage'), { adapters })).toEqual([
    expect.stringContaining('(did you mean "sendMessage"?)'),
  ])
  expect(await problemsOf(set('sendMessage'), { adapters })).toEqual([])
  expect(await problemsOf(set('"*"'), { adapters })).toEqual([])
  // Any name goes for `*`, but the operations of the product stay what they are.
  expect(await problemsOf(set('"*"') + route('getMenu'), { adapters })).toHaveLength(1)
})
