// Secrets are known by their place, their variable or a URL, and shown nowhere.
import { z } from 'zod'
import { expect, test } from 'vitest'
import {
  isSecretName,
  isSecretPlace,
  redact,
  redactable,
  urlSecrets,
  withoutSecretQuery,
} from '../../../config/secrets.ts'
import rest from '../../../adapters/rest/index.ts'
import webhook from '../../../core/agents/webhook.ts'
import { adapter, known, load, problemsOf } from './fakes.ts'

test('a secret is known by the name of its key or variable', () => {
  for (const name of [
    'secret',
    'BOT_SECRET',
    'token',
    'previousEncodingAESKey',
    'password',
    'X-Api-Key',
    'Authorization',
  ])
    expect(isSecretName(name), name).toBe(true)
  for (const name of ['path', 'tokenUrl', 'secretFile', 'key', 'WECHAT_APPID', 'keepAliveTimeout'])
    expect(isSecretName(name), name).toBe(false)
  expect(isSecretPlace(['identity', 'keys', 'erp', 'key'])).toBe(true)
  expect(isSecretPlace(['http', 'tls', 'key'])).toBe(false)
  expect(isSecretPlace(['channels', 'w', 'tokens', 0])).toBe(true)
})

test('the user information of a URL is secret, as it stands and decoded (RFC 3986 §3.2.1)', () => {
  expect(urlSecrets('mqtt://me:p%40ss@host')).toEqual(['p%40ss', 'p@ss'])
  expect(urlSecrets('https://api-token@host')).toEqual(['api-token', 'api-token'])
  expect(urlSecrets('mqtt://me:100%@host')).toEqual(['100%', '100%'])
  expect(urlSecrets('https://host/path?mail=a@b')).toEqual([])
})

test.each([
  ['redis://:Pa#ssw0rd@h:6379', 'Pa#ssw0rd'],
  ['mqtt://u:se?cret99@h:1883', 'se?cret99'],
  ['https://user:hunter2/x@h/api', 'hunter2/x'],
  ['redis://u:pa ss@h', 'pa ss'],
  ['https://u:p@ss/word@h', 'p@ss/word'],
  ['mqtt://me:p%40ss@host/x@y', 'p%40ss'],
])('a password is secret up to the last @, also where it should have been encoded: %s', (url, password) => {
  expect(urlSecrets(url)).toContain(password)
})

test('what a query holds under a secret name is secret, as it stands and decoded', () => {
  expect(urlSecrets('https://h/bot?a=1&access_token=x%2Fy12&key=k-1234#part')).toEqual([
    'x%2Fy12',
    'x/y12',
    'k-1234',
    'k-1234',
  ])
  expect(urlSecrets('https://h/bot?monkey=banana&page=2')).toEqual([])
  expect(urlSecrets('see ?token=1234')).toEqual([])
})

test('an address is shown without the secrets of its query', () => {
  expect(withoutSecretQuery('/hook?a=1&token=x%2Fy&b=2&sig=zz#top')).toBe(
    '/hook?a=1&token=***&b=2&sig=***#top',
  )
  expect(withoutSecretQuery('https://h/a?b=1')).toBe('https://h/a?b=1')
})

test('a URL that is refused is told without its password', async () => {
  const problems = await problemsOf('store: { url: "redis://:Pa#ssw0rd@h:6379" }\n')
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain('a / # ? or blank in a password is percent-encoded')
  expect(problems[0]).not.toMatch(/Pa#|ssw0rd/u)
})

test('the longest secret is replaced first, also inside JSON text; short and common ones would hide everything', () => {
  const secrets = redactable(['hunter2', 'hunter2-more', 'hunter2', 'abc', 'true', 'quo"te'])
  expect(secrets).toEqual(['hunter2-more', 'hunter2', 'quo"te'])
  expect(redact('hunter2-more, hunter2 and "quo\\"te"', secrets)).toBe('***, *** and "***"')
})

test('the config names its secrets: by key, by variable, in URLs and lists', async () => {
  const text = `
admin: { token: literal-token }
identity: { keys: { erp: { key: erp-key-1 } }, customers: { secret: jwt-secret } }
channels:
  w: { adapter: wechat, path: /w, appId: "app-\${DB_PASSWORD}", token: \${T:-default-token}, apiBase: "https://me:url-pass@h/" }
`
  const config = await load(text, { env: { DB_PASSWORD: 'from-env-pass' } })
  expect(config.secrets.toSorted()).toEqual(
    ['literal-token', 'erp-key-1', 'jwt-secret', 'from-env-pass', 'default-token', 'url-pass'].toSorted(),
  )
})

test('no problem shows a secret, whoever words it', async () => {
  const careless = adapter('careless', {
    channel: z.strictObject({
      token: z.string().superRefine((value, context) => {
        context.addIssue({ code: 'custom', message: `"${value}" is too weak` })
      }),
      pin: z.string().optional(),
      url: z.string().refine((value) => value === '', { error: (issue) => `bad url ${String(issue.input)}` }),
      other: z.unknown().superRefine((_, context) => {
        context.addIssue({ code: 'custom', message: 'the token is hunter2-token' })
      }),
    }),
  })
  const text = `
channels:
  c:
    adapter: careless
    token: hunter2-token
    url: mqtt://me:hunter2-url@h
    other: hunter2-token
    hunter2-token: x
  d: { adapter: careless, token: "a1", url: "\${U}", other: 1 }
  e: { adapter: wechat, path: "wechat-\${MY_SECRET}", appId: 5, token: \${MY_SECRET} }
routes:
  - { agent: hunter2-token }
  - { agent: "\${MY_SECRET}" }
`
  const adapters = new Map([...known, ['careless', careless]])
  const env = { MY_SECRET: 'hunter2-env', U: 'mqtt://me:hunter2-two@h' }
  const problems = await problemsOf(text, { adapters, env })
  expect(problems.join('\n')).not.toContain('hunter2')
  expect(problems.join('\n')).not.toContain('a1')
  expect(problems).toContain('5:12: channels.c.token: "***" is too weak')
  expect(problems).toContain('9:34: channels.d.token: it is not valid')
  expect(problems).toContain('9:45: channels.d.url: "${U}": bad url ${U}')
  expect(problems).toContain(
    '10:31: channels.e.path: "wechat-${MY_SECRET}": invalid string: must start with "/"',
  )
  expect(problems).toContain('13:14: route 2: agent "${MY_SECRET}" is not defined')
})

test('a constant that is no expression is explained without anything of a secret', async () => {
  const text = `
backends:
  erp:
    adapter: rest
    url: http://erp.test
    headers: { authorization: "Bearer hunter2pw", x-tenant: north sea, x-token: "a b" }
routes: []
`
  const problems = await problemsOf(text, { adapters: new Map([...known, ['rest', rest]]) })
  expect(problems.join('\n')).not.toMatch(/Bearer|hunter2/u)
  expect(problems).toContain(
    `6:31: backends.erp.headers.authorization: "***" is not JSONata: Syntax error: "***"; a constant text stands in quotes of its own: "'text'"`,
  )
  expect(problems).toContain(
    `6:61: backends.erp.headers.x-tenant: "north sea" is not JSONata: Syntax error: "sea"; a constant text stands in quotes of its own: "'text'"`,
  )
  expect(problems).toContain('6:81: backends.erp.headers.x-token: it is not valid')
})

test('a syntax error quotes nothing of the file', async () => {
  const problems = await problemsOf('admin:\n  token: "a" hunter2: hunter2\n')
  expect(problems[0]).toMatch(/^2:\d+: not valid YAML: /)
  expect(problems.join('\n')).not.toContain('hunter2')
})

test('what is wrong with the secret of a webhook is understood without it', async () => {
  const adapters = new Map([...known, ['webhook', webhook]])
  const text = 'agents: { a: { adapter: webhook, url: "https://b.example/", secret: "whsec_!!!notbase64" } }'
  expect(await problemsOf(text, { adapters })).toEqual([
    '1:69: agents.a.secret: by its beginning a Standard Webhooks one, but what follows the _ is not base64',
  ])
})
