import { expect, test } from 'vitest'
import type { Credential, GatewayError, Identity } from '../../../../core/api.ts'
import { type Access, NOBODY } from '../../../../core/http/access.ts'
import { createIdentity, type IdentityConfig } from '../../../../core/http/identity.ts'
import { exchange, running } from './raw-client.ts'
import { recordingLog } from './recording-log.ts'

const ADMIN = 'an-admin-token-of-enough-characters'
const basic = (user: string, password: string): string =>
  `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`

interface Ask {
  readonly access?: Access
  readonly channel?: string
  readonly remote?: string
  readonly origin?: string
}

function identity(config?: IdentityConfig, host = '127.0.0.1') {
  const { log, lines } = recordingLog()
  const check = createIdentity(config, { host, adminToken: ADMIN, log })
  /** The identity, or the code and status of the refusal. */
  const ask = async (headers: Record<string, string>, options: Ask = {}): Promise<Identity | string> => {
    try {
      const { remote = '127.0.0.1', origin = 'http://127.0.0.1:8080' } = options
      const caller = { headers, remote, origin }
      return await check.forHttp(caller, options.access, options.channel ?? 'web')
    } catch (error) {
      const { code, status } = error as GatewayError // forHttp throws nothing else
      return `${code} ${status}`
    }
  }
  return { ask, check, lines }
}

const program = (id: string): Identity => ({ role: 'program', id })

test('without identity on loopback nobody needs a credential, and a bearer token is a name, which is logged once', async () => {
  const { ask, lines } = identity()
  expect(await ask({})).toEqual(program('web'))
  expect(await ask({ authorization: 'Bearer alice' })).toEqual({ role: 'customer', id: 'alice' })
  expect(await ask({ authorization: 'bearer  bob ' })).toEqual({ role: 'customer', id: 'bob' })
  expect(lines).toMatchObject([{ level: 'warn', message: expect.stringContaining('on loopback only') }])
})

test('without identity too a name is one that a sender can have', async () => {
  const { ask } = identity()
  expect(await ask({ authorization: `Bearer ${'a'.repeat(256)}` })).toMatchObject({ role: 'customer' })
  for (const name of ['a'.repeat(257), 'a\u0085b'])
    expect(await ask({ authorization: `Bearer ${name}` })).toBe('AUTH_FAILED 401')
})

test('without identity on any other address nobody is anybody', async () => {
  const { ask } = identity(undefined, '0.0.0.0')
  expect(await ask({})).toBe('AUTH_FAILED 401')
  expect(await ask({ authorization: 'Bearer alice' })).toBe('AUTH_FAILED 401')
})

test('with identity a missing credential is 401, on loopback too', async () => {
  expect(await identity({}).ask({})).toBe('AUTH_FAILED 401')
})

const keys: IdentityConfig = {
  keys: { erp: { key: 'key-of-the-erp' }, pos: { key: 'key-of-the-pos', channels: ['crm'] } },
}

test('an API key names its program, as a bearer token or as X-API-Key, on the channels it is for', async () => {
  const { ask } = identity(keys)
  expect(await ask({ authorization: 'Bearer key-of-the-erp' })).toEqual(program('erp'))
  expect(await ask({ 'x-api-key': 'key-of-the-erp' })).toEqual(program('erp'))
  expect(await ask({ 'x-api-key': 'key-of-the-pos' }, { channel: 'crm' })).toEqual(program('pos'))
  expect(await ask({ 'x-api-key': 'key-of-the-pos' }, { channel: 'web' })).toBe('FORBIDDEN 403')
  expect(await ask({ 'x-api-key': 'key-of-the-er' })).toBe('AUTH_FAILED 401')
  expect(await ask({ 'x-api-key': '' })).toBe('AUTH_FAILED 401')
  expect(await ask({ authorization: 'Bearer' })).toBe('AUTH_FAILED 401')
  expect(await ask({ authorization: 'Bearer key-of-the-erp, Bearer other' })).toBe('AUTH_FAILED 401') // two headers, joined
})

test('a program named like a member of every object is a name like any other', async () => {
  const hostile = JSON.parse(
    '{"__proto__":{"key":"key-of-proto"},"constructor":{"key":"key-of-constructor"}}',
  ) as NonNullable<IdentityConfig['keys']> // as the config parser makes it
  const { ask } = identity({ keys: hostile })
  expect(await ask({ 'x-api-key': 'key-of-constructor' })).toEqual(program('constructor'))
  expect(await ask({ 'x-api-key': 'key-of-proto' })).toEqual(program('__proto__'))
})

test('an open channel takes callers without a credential; one that is sent must be right', async () => {
  const { ask } = identity(keys)
  const open: Ask = { access: { open: true } }
  expect(await ask({}, open)).toEqual(program('web'))
  expect(await ask({ authorization: basic('any', 'thing') }, open)).toEqual(program('web'))
  expect(await ask({ 'x-api-key': 'key-of-the-erp' }, open)).toEqual(program('erp'))
  expect(await ask({ 'x-api-key': 'wrong' }, open)).toBe('AUTH_FAILED 401')
})

test.each([
  ['192.0.2.7', program('web')],
  ['10.9.9.9', program('web')],
  ['198.51.100.1', 'FORBIDDEN 403'],
])('access from some addresses: %s', async (remote, outcome) => {
  const access: Access = { from: ['10.0.0.0/8', '192.0.2.7'] }
  expect(await identity(keys).ask({}, { access, remote })).toEqual(outcome)
  expect(await identity(undefined).ask({}, { access, remote })).toEqual(outcome)
})

test('access by name and password (RFC 7617): the user is the program', async () => {
  const { ask } = identity(keys)
  const options: Ask = { access: { basic: { user: 'erp-7', password: 'päss:word' } } }
  expect(await ask({ authorization: basic('erp-7', 'päss:word') }, options)).toEqual(program('erp-7'))
  for (const wrong of [basic('erp-7', 'x'), basic('erp-8', 'päss:word'), 'Basic !!!', 'Basic', 'Digest x'])
    expect(await ask({ authorization: wrong }, options)).toBe('AUTH_FAILED 401')
  expect(await ask({}, options)).toBe('AUTH_FAILED 401')
})

test('addresses and password together: both must hold', async () => {
  const { ask } = identity(keys)
  const access: Access = { from: ['10.0.0.0/8'], basic: { user: 'u', password: 'p' } }
  const authorization = basic('u', 'p')
  expect(await ask({ authorization }, { access, remote: '10.1.1.1' })).toEqual(program('u'))
  expect(await ask({ authorization }, { access, remote: '11.1.1.1' })).toBe('FORBIDDEN 403')
  expect(await ask({}, { access, remote: '10.1.1.1' })).toBe('AUTH_FAILED 401')
})

test("without identity a made-up bearer name does not get past a channel's access", async () => {
  const { ask } = identity()
  const authorization = 'Bearer alice'
  expect(await ask({ authorization }, { access: { basic: { user: 'u', password: 'p' } } })).toBe(
    'AUTH_FAILED 401',
  )
  expect(await ask({ authorization }, { access: { from: ['10.0.0.0/8'] } })).toBe('FORBIDDEN 403')
  expect(await ask({ authorization }, { access: { from: ['127.0.0.1'] } })).toEqual({
    role: 'customer',
    id: 'alice',
  })
})

test('the admin token is always needed for admin, for operators only where others reach the listener', async () => {
  const right = { authorization: `Bearer ${ADMIN}` }
  for (const host of ['127.0.0.1', '0.0.0.0']) {
    const { ask } = identity(keys, host)
    expect(await ask({}, { access: 'admin' })).toBe('AUTH_FAILED 401')
    expect(await ask({ 'x-api-key': 'key-of-the-erp' }, { access: 'admin' })).toBe('AUTH_FAILED 401')
    expect(await ask({ authorization: `Bearer ${ADMIN}x` }, { access: 'admin' })).toBe('AUTH_FAILED 401')
    expect(await ask(right, { access: 'admin' })).toEqual(program('admin'))
    expect(await ask(right, { access: 'operator' })).toEqual(program('admin'))
  }
  expect(await identity(keys, '127.0.0.1').ask({}, { access: 'operator' })).toEqual(program('admin'))
  expect(await identity(keys, '0.0.0.0').ask({}, { access: 'operator' })).toBe('AUTH_FAILED 401')
})

test('on loopback too operators need it who are elsewhere: behind a proxy, or by another name than this machine has', async () => {
  const { ask } = identity(keys)
  const access = 'operator'
  const local = ['localhost', 'LOCALHOST:8080', '127.0.0.1:8080', '[::1]:8080']
  for (const host of local) expect(await ask({ host }, { access }), host).toEqual(program('admin'))
  const forwarded = ['x-forwarded-for', 'forwarded', 'via', 'x-real-ip']
  for (const name of forwarded) expect(await ask({ [name]: '127.0.0.1' }, { access }), name).toContain('401')
  for (const host of ['desk.example.com', 'localhost.evil.example', '127.0.0.1.evil.example'])
    expect(await ask({ host }, { access }), host).toBe('AUTH_FAILED 401')
  expect(await ask({}, { access, remote: '192.0.2.7' })).toBe('AUTH_FAILED 401')
  expect(await ask({}, { access, origin: 'https://desk.example.com/gw' })).toBe('AUTH_FAILED 401')
  expect(await ask({ authorization: `Bearer ${ADMIN}`, via: 'x' }, { access })).toEqual(program('admin'))
})

test('without identity only names of this machine are answered, whatever is sent (RFC 9110 §15.5.20)', async () => {
  const { ask } = identity()
  const doors: readonly Ask[] = [{}, { access: { open: true } }, { access: 'later' }]
  for (const door of doors) {
    expect(await ask({ host: 'evil.example', authorization: 'Bearer alice' }, door)).toBe('FORBIDDEN 421')
    expect(await ask({ host: 'localhost:8080' }, door)).toEqual(program('web'))
  }
  expect(await ask({ host: 'evil.example' }, { access: 'operator' })).toBe('AUTH_FAILED 401')
  // Platforms come by any name, and the channel looks at their signature.
  expect(await ask({ host: 'tunnel.example' }, { access: 'handler' })).toEqual(program('web'))
  expect(await identity(keys).ask({ host: 'desk.example', 'x-api-key': 'key-of-the-erp' })).toEqual(
    program('erp'),
  )
})

test('a credential that did not come by HTTP: a password that is a key or a name counts as one', async () => {
  const named = identity().check
  expect(await named.forCredential({ scheme: 'none' }, 'devices')).toEqual(program('devices'))
  expect(await named.forCredential({ scheme: 'basic', user: 'x', password: 'alice' }, 'devices')).toEqual({
    role: 'customer',
    id: 'alice',
  })
  expect(await named.forCredential({ scheme: 'basic', user: 'alice', password: '' }, 'devices')).toEqual({
    role: 'customer',
    id: 'alice',
  })
  const keyed = identity(keys).check
  const key = { scheme: 'basic', user: 'any', password: 'key-of-the-erp' } as const
  expect(await keyed.forCredential(key, 'devices')).toEqual(program('erp'))
  expect(await keyed.forCredential({ scheme: 'bearer', token: 'key-of-the-erp' }, 'devices')).toEqual(
    program('erp'),
  )
  await expect(keyed.forCredential({ scheme: 'none' }, 'devices')).rejects.toMatchObject({
    code: 'AUTH_FAILED',
  })
})

const NONE = { scheme: 'none' } as const
const OWN = { scheme: 'basic', user: 'u', password: 'p' } as const
const WRONG = { scheme: 'basic', user: 'u', password: 'x' } as const
const AS_KEY = { scheme: 'basic', user: 'any', password: 'key-of-the-erp' } as const
const U = { basic: { user: 'u', password: 'p' } }
const NEAR = { from: ['10.0.0.0/8'] }

test.each<[string, Access, IdentityConfig | undefined, readonly unknown[]]>([
  ['open', { open: true }, keys, [program('devices'), 'AUTH_FAILED', 'AUTH_FAILED', program('erp')]],
  ['from here', NEAR, keys, [program('devices'), 'AUTH_FAILED', 'AUTH_FAILED', program('erp')]],
  [
    'from elsewhere',
    { from: ['192.0.2.7'] },
    keys,
    ['FORBIDDEN', 'AUTH_FAILED', 'AUTH_FAILED', program('erp')],
  ],
  ['basic', U, keys, ['AUTH_FAILED', program('u'), 'AUTH_FAILED', program('erp')]],
  ['both', { ...U, ...NEAR }, keys, ['AUTH_FAILED', program('u'), 'AUTH_FAILED', program('erp')]],
  ['basic, without identity', U, undefined, ['AUTH_FAILED', program('u'), 'AUTH_FAILED', 'AUTH_FAILED']],
  ['elsewhere, without identity', { from: ['192.0.2.7'] }, undefined, Array(4).fill('FORBIDDEN')],
])(
  'what access lets in that did not come by HTTP is what it lets in over HTTP, keys besides: %s',
  async (_, access, config, outcomes) => {
    const { check } = identity(config)
    const found: unknown[] = []
    for (const credential of [NONE, OWN, WRONG, AS_KEY])
      found.push(
        await check
          .forCredential(credential, 'devices', { access, remote: '::ffff:10.1.1.1' })
          .catch(({ code }: GatewayError) => code),
      )
    expect(found).toEqual(outcomes)
  },
)

test('where the handler asks everybody, nobody is known at the handshake, and without identity only names of this machine are answered', async () => {
  for (const config of [undefined, keys])
    expect(await identity(config).ask({ host: 'localhost' }, { access: { asked: undefined } })).toEqual({
      role: 'customer',
      id: '',
    })
  expect(await identity().ask({ host: 'evil.example' }, { access: { asked: undefined } })).toBe(
    'FORBIDDEN 421',
  )
})

test('at the edge a refusal is 401 with the right challenge before the body is read, and counted (RFC 9110 §11.6.1)', async () => {
  const handler = () => Promise.resolve({ status: 200 })
  await using edge = await running({
    identity: keys,
    mounts: [
      { path: '/web', channel: 'web', handler },
      { path: '/old', channel: 'o"ld', handler, access: { basic: { user: 'u', password: 'p' } } },
    ],
  })
  const post = (path: string, header = '') =>
    exchange(edge.port, `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\n${header}\r\n`)
  const [bearer, basicOne] = await Promise.all([post('/web'), post('/old', 'Content-Type: text/xml\r\n')])
  expect(bearer).toMatch(
    /^HTTP\/1\.1 401 [^]*www-authenticate: Bearer realm="web"\r\n[^]*"code":"AUTH_FAILED"/u,
  )
  expect(basicOne).toMatch(
    /^HTTP\/1\.1 401 [^]*www-authenticate: Basic realm="o_ld", charset="UTF-8"\r\n[^]*\r\n\r\nAUTH_FAILED: /u,
  )
  expect([...edge.refused].sort()).toEqual(['credential o"ld', 'credential web'])
})

test('two Authorization headers are never one of them', async () => {
  await using edge = await running({ identity: keys })
  const answer = await exchange(
    edge.port,
    'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer key-of-the-erp\r\nAuthorization: Bearer key-of-the-erp\r\n\r\n',
  )
  expect(answer).toMatch(/^HTTP\/1\.1 401/u)
})

test('while the key set cannot be had callers are told to try again, and operators why', async () => {
  await using edge = await running({ identity: { customers: { jwks: 'http://127.0.0.1:1/jwks' } } })
  const token = [{ alg: 'RS256' }, { sub: 'a' }].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  const answer = await fetch(edge.origin, { headers: { authorization: `Bearer ${token.join('.')}.c2ln` } })
  expect([answer.status, await answer.json()]).toMatchObject([
    502,
    { code: 'BACKEND_FAILED', retryable: true },
  ])
  expect(edge.lines).toMatchObject([
    { level: 'error', fields: { channel: 'web', error: { code: 'BACKEND_FAILED' } } },
  ])
  expect(edge.refused).toEqual(['credential web'])
})

test('on loopback alone who is let in without a credential comes by a name of this machine, with identity too (RFC 9110 §15.5.20)', async () => {
  const { log } = recordingLog()
  const outcome = async (
    access: Access,
    headers: Record<string, string>,
    more: object = {},
  ): Promise<unknown> => {
    const check = createIdentity(keys, { host: '127.0.0.1', adminToken: ADMIN, log, ...more })
    const caller = {
      headers: { host: 'evil.example', ...headers },
      remote: '127.0.0.1',
      origin: 'http://evil.example',
    }
    return Promise.resolve()
      .then(() => check.forHttp(caller, access, 'web'))
      .catch(({ status }: GatewayError) => status)
  }
  const near = { from: ['127.0.0.1'] }
  for (const access of [{ open: true }, near] as const) {
    expect(await outcome(access, {})).toBe(421)
    expect(await outcome(access, { host: 'localhost:8080' })).toEqual(program('web'))
    for (const more of [
      { publicUrl: 'https://desk.example' },
      { trustedProxies: ['127.0.0.1'] },
      { host: '10.0.0.1' },
    ])
      expect(await outcome(access, {}, more)).toEqual(program('web'))
  }
  expect(await outcome(near, { 'x-api-key': 'key-of-the-erp' })).toEqual(program('erp'))
  const named = { basic: { user: 'u', password: 'p' } }
  expect(await outcome(named, { authorization: basic('u', 'p') })).toEqual(program('u'))
})

test('where the handler asks everybody, the name in the handshake counts when it asks about somebody who shows no credential', async () => {
  const { ask, check } = identity(keys)
  const access = { from: ['127.0.0.1'] }
  expect(await ask({ host: 'evil.example' }, { access: { asked: access } })).toEqual(NOBODY)
  const came = async (credential: Credential, headers: Record<string, string>): Promise<unknown> =>
    check
      .forCredential(credential, 'web', { access, remote: '127.0.0.1', headers })
      .catch(({ status }: GatewayError) => status)
  expect(await came(NONE, { host: 'evil.example' })).toBe(421)
  expect(await came(NONE, { host: 'localhost:8080' })).toEqual(program('web'))
  expect(await came(NONE, {})).toEqual(program('web')) // over TCP there are no names
  expect(await came(AS_KEY, { host: 'desk.example' })).toEqual(program('erp'))
})

test.each<[string, Record<string, string>, Identity | string]>([
  ['none', {}, NOBODY],
  ['a scheme that is none of ours', { authorization: 'Negotiate x' }, NOBODY],
  ["a proxy's name and password", { authorization: basic('proxy', 'x') }, NOBODY],
  ["the channel's name and password", { authorization: basic('u', 'p') }, program('u')],
  ['a key', { 'x-api-key': 'key-of-the-erp' }, program('erp')],
  ['a wrong key', { 'x-api-key': 'wrong' }, 'AUTH_FAILED 401'],
])('where the handler asks everybody, a handshake shows %s', async (_what, headers, outcome) => {
  const { ask } = identity(keys)
  expect(await ask(headers, { access: { asked: { basic: { user: 'u', password: 'p' } } } })).toEqual(outcome)
})
