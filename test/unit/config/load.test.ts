// A whole file, and every class of problem with its exact place.
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ConfigError, readConfig, resolveConfig } from '../../../config/load.ts'
import { known, load, problemsOf } from './fakes.ts'

let folder = ''
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragoman-files-'))
  for (const name of ['cert.pem', 'key.pem', 'ca.pem', 'keys.json']) await writeFile(join(folder, name), 'x')
})
afterAll(async () => {
  await rm(folder, { recursive: true })
})

/** DESIGN §10 without `cache` and the adapters that come later. */
const SAMPLE = `
http: { host: 127.0.0.1, port: 8080, bodyLimit: 1mb }
data: ./data                        # the embedded store lives here
plugins: ./plugins                  # watched; default: the project's plugins/

channels:
  web:   { adapter: rest }          # /v1/… and the WebSocket
  crm:
    adapter: soap
    path: /services/CrmService.asmx # the legacy path, as it always was
    wsdl: ./crm.wsdl
    operations:                     # values are JSONata over the decoded body
      SubmitTicket:   { kind: message, sender: customerId, text: description, externalId: requestId }
      NotifyShipping: { kind: event, type: "'order.shipped'", sender: customerId }
      GetOrder:       { kind: request }
  wechat:
    adapter: wechat
    path: /wechat
    appId: \${WECHAT_APPID:-wx0000000000000000}
    token: \${WECHAT_TOKEN:-changeme}
    encodingAESKey: \${WECHAT_AES_KEY:-}      # set: only encrypted bodies are accepted
    secret: \${WECHAT_SECRET:-}               # for the customer-service API
    apiBase: \${WECHAT_API:-https://api.weixin.qq.com}
  devices: { adapter: mqtt, port: 1883, websocket: /mqtt }

backends:
  orders:
    adapter: soap
    wsdl: http://127.0.0.1:9001/orders?wsdl
    timeout: 2s
    breaker: { errorRate: 50, minimumCalls: 10, window: 10s, openFor: 5s }
    operations:
      GetOrder: { safe: true }

agents:
  desk:      { adapter: desk, capacity: 5 }
  helper:    { adapter: webhook, url: http://127.0.0.1:9100/bot, secret: \${BOT_SECRET:-} }

routes:
  - { when: "kind = 'request' and type = 'GetOrder'", backend: orders }
  - { when: "kind = 'event' and type = 'order.shipped'", notify: desk, reply: "Your order {{data.orderNo}} has shipped." }
  - { when: "sender.tier = 'vip'", agent: desk, priority: urgent, skills: [vip] }
  - { agent: helper, fallback: desk }
`

test('the file of DESIGN §10 loads as it stands', async () => {
  const config = await load(SAMPLE, { env: { BOT_SECRET: 'from-env' } })
  expect(config.http).toEqual({
    host: '127.0.0.1',
    port: 8080,
    bodyLimitBytes: 2 ** 20,
    trustedProxies: [],
    headerTimeoutMs: 10_000,
    requestTimeoutMs: 60_000,
    keepAliveTimeoutMs: 5000,
    maxConnections: 10_000,
    maxHeaderBytes: 16_384,
  })
  expect(config.store).toEqual({
    retention: { ageMs: 30 * 86_400_000, maxBytes: 10 * 2 ** 30 },
    dedupeMs: 72 * 3_600_000,
  })
  expect(config.lanes).toEqual({ limit: 1000, holdMs: 60_000, attempts: 3 })
  expect([config.admin, config.log, config.identity]).toEqual([{}, { level: 'info' }, undefined])
  const base = config.file.replace(/\/gateway\.yaml$/, '')
  expect([config.dataDirectory, config.plugins]).toEqual([`${base}/data`, { directory: `${base}/plugins` }])
  expect(config.channels['crm']).toEqual({
    id: 'crm',
    adapter: 'soap',
    config: { path: '/services/CrmService.asmx', wsdl: `${base}/crm.wsdl` },
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
    inDoubt: 'repeat',
    operations: {
      SubmitTicket: { kind: 'message', sender: 'customerId', text: 'description', externalId: 'requestId' },
      NotifyShipping: { kind: 'event', type: "'order.shipped'", sender: 'customerId' },
      GetOrder: { kind: 'request' },
    },
  })
  expect(config.channels['wechat']?.config).toMatchObject({
    appId: 'wx0000000000000000',
    token: 'changeme',
    secret: '',
  })
  expect(config.backends['orders']).toEqual({
    id: 'orders',
    adapter: 'soap',
    config: { wsdl: 'http://127.0.0.1:9001/orders?wsdl' },
    hash: expect.any(String),
    timeoutMs: 2000,
    breaker: { errorRate: 50, minimumCalls: 10, windowMs: 10_000, openForMs: 5000 },
    connections: 64,
    responseLimitBytes: 4 * 2 ** 20,
    operations: { GetOrder: { safe: true } },
  })
  expect(config.agents['helper']).toMatchObject({
    timeoutMs: 10_000,
    config: { url: 'http://127.0.0.1:9100/bot', secret: 'from-env' },
  })
  expect(config.routes).toEqual([
    { when: "kind = 'request' and type = 'GetOrder'", backend: 'orders', position: { line: 40, column: 5 } },
    {
      when: "kind = 'event' and type = 'order.shipped'",
      notify: 'desk',
      reply: 'Your order {{data.orderNo}} has shipped.',
      position: { line: 41, column: 5 },
    },
    {
      when: "sender.tier = 'vip'",
      agent: 'desk',
      priority: 'urgent',
      skills: ['vip'],
      position: { line: 42, column: 5 },
    },
    { agent: 'helper', fallback: 'desk', position: { line: 43, column: 5 } },
  ])
})

test('every problem is reported at once, in the order of the file', async () => {
  const text = `
htp: {}
http: { port: 70000, bodyLimit: 12, trustedProxies: [10.0.0.0/33], publicUrl: ftp://x }
log: { level: inof }
redis: redis://127.0.0.1
channels:
  web: { adapter: rset }
  crm:
    adapter: soap
    pth: /crm
    wsdl: 5
    access: { form: [10.0.0.1] }
    operations:
      A: { kind: mesage, sender: "a b", txt: x }
  _x: { adapter: rest, access: closed, inDoubt: maybe }
  desk: { adapter: desk }
  list: []
backends:
  orders:
    adapter: rest
    url: x
    timeout: 2
    cache: {}
    breaker: { errorRate: 0, openfor: 1s }
    operations: { Get: { saef: true, method: GTE }, Put: 5 }
  soap: { adapter: soap, wsdl: x, operations: { A: { safe: yes, cache: 30s } } }
agents:
  helper: { adapter: webhook, url: x, timeout: 2d, callbackWithin: 0s }
routes: { agent: helper }
`
  expect(await problemsOf(text)).toEqual([
    '2:1: unknown key "htp" (did you mean "http"?)',
    '3:15: http.port: 70000: too big: expected number to be <=65535',
    '3:33: http.bodyLimit: 12: a size is a whole number and a unit: 512b, 64kb, 1mb, 1gb',
    '3:54: http.trustedProxies[0]: "10.0.0.0/33": it is neither an address nor a range such as 10.0.0.0/8 or fd00::/8',
    '3:79: http.publicUrl: "ftp://x": it must be an address that begins with http:// or https://',
    '4:15: log.level: "inof": invalid option: expected one of "debug"|"info"|"warn"|"error" (did you mean "info"?)',
    '5:1: unknown key "redis"',
    '7:19: channels.web.adapter: no adapter is named "rset" (did you mean "rest"?)',
    '8:3: channels.crm: "path" is missing',
    '10:5: channels.crm: unknown key "pth" (did you mean "path"?)',
    '11:11: channels.crm.wsdl: 5: invalid input: expected string, received number',
    '12:13: channels.crm.access: one of "from" and "basic" is needed',
    '12:15: channels.crm.access: unknown key "form" (did you mean "from"?)',
    '14:18: channels.crm.operations.A.kind: "mesage": invalid option: expected one of "message"|"event"|"request" (did you mean "message"?)',
    '14:37: channels.crm.operations.A.sender: not a JSONata expression: syntax error: "b"',
    '14:41: channels.crm.operations.A: unknown key "txt" (did you mean "text"?)',
    '15:3: channels._x: a name has letters, digits, _ and -, begins with a letter or digit, at most 63',
    '15:32: channels._x.access: "closed": it must be open, or { from, basic }',
    '15:49: channels._x.inDoubt: "maybe": invalid option: expected one of "repeat"|"park"',
    '16:20: channels.desk.adapter: adapter "desk" is no channel, only agent',
    '17:9: channels.list: it must be a map of keys',
    '22:14: backends.orders.timeout: 2: a duration is a whole number and a unit: 300ms, 2s, 5m, 24h, 7d',
    '23:5: backends.orders: unknown key "cache"',
    '24:27: backends.orders.breaker.errorRate: 0: too small: expected number to be >=1',
    '24:30: backends.orders.breaker: unknown key "openfor" (did you mean "openFor"?)',
    '25:26: backends.orders.operations.Get: unknown key "saef" (did you mean "safe"?)',
    '25:46: backends.orders.operations.Get.method: "GTE": invalid option: expected one of "GET"|"POST" (did you mean "GET"?)',
    '25:58: backends.orders.operations.Put: it must be a map of keys',
    '26:60: backends.soap.operations.A.safe: "yes": invalid input: expected boolean, received string',
    '26:65: backends.soap.operations.A: unknown key "cache"',
    '28:36: agents.helper.url: "x": invalid URL',
    '28:48: agents.helper.timeout: "2d": from 1ms to 1d is allowed',
    '28:68: agents.helper.callbackWithin: "0s": from 1ms to 3650d is allowed',
    '29:9: routes: it must be a list',
  ])
})

test('a problem has file, line, column, path and message; the error prints them one a line', async () => {
  const file = join(folder, 'bad.yaml')
  await writeFile(file, 'log:\n  level: x\n')
  const error = await readConfig(file, { env: {} }).then((document) => {
    try {
      return resolveConfig(document, known)
    } catch (thrown) {
      return thrown
    }
  })
  const message = 'log.level: "x": invalid option: expected one of "debug"|"info"|"warn"|"error"'
  expect(error).toBeInstanceOf(ConfigError)
  expect(error).toMatchObject({
    problems: [{ file, line: 2, column: 10, path: 'log.level', message }],
    message: `${file}:2:10: ${message}`,
  })
})

test('a file that cannot be read says why', async () => {
  const missing = join(folder, 'missing.yaml')
  await expect(readConfig(missing, { env: {} })).rejects.toThrow(
    `${missing}:1:1: the file cannot be read: there is no such file`,
  )
  await expect(readConfig(folder, { env: {} })).rejects.toThrow('the file cannot be read: it is a folder')
})

test('without identity only loopback is served, whatever the channels’ access says (DESIGN §16 "Callers")', async () => {
  const reach = (host: string, more = '') =>
    problemsOf(`http: { host: "${host}" }\nchannels: { web: { adapter: rest, access: open } }\n${more}`)
  const told = (host: string) => [
    `1:15: http.host: "${host}" can be reached from other machines, and nothing says who may call: add "identity" (customers, agents or keys), or listen on 127.0.0.1`,
  ]
  for (const host of ['127.0.0.1', '127.3.2.1', 'localhost', '::1', '[::1]'])
    expect(await reach(host), host).toEqual([])
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'desk.example.com', '127.0.0.1.example.com'])
    expect(await reach(host), host).toEqual(told(host))
  expect(await reach('0.0.0.0', 'identity: {}')).toEqual(told('0.0.0.0'))
  expect(await reach('0.0.0.0', 'identity: { keys: { erp: { key: k1 } } }')).toEqual([])
})

test('identity: a secret or a key set, keys of their own, channels that exist', async () => {
  const jwks = join(folder, 'keys.json')
  const config = await load(`
identity:
  customers: { jwks: ${jwks}, issuer: me, audience: [a, b] }
  agents: { jwks: https://id.example.com/keys }
  keys: { erp: { key: k1, channels: [web] } }
channels: { web: { adapter: rest } }
`)
  expect(config.identity).toEqual({
    customers: { jwks, issuer: 'me', audience: ['a', 'b'] },
    agents: { jwks: 'https://id.example.com/keys' },
    keys: { erp: { key: 'k1', channels: ['web'] } },
  })
  expect(
    await problemsOf(`
identity:
  customers: { issuer: me }
  agents: { secret: a, jwks: ./keys.json }
  keys: { "a b": { key: k2 } }
`),
  ).toEqual([
    '3:14: identity.customers: exactly one of "secret" and "jwks" is needed',
    '4:11: identity.agents: exactly one of "secret" and "jwks" is needed',
    '5:11: identity.keys["a b"]: a name has letters, digits, _ and -, at most 63',
  ])
  const [missing] = await problemsOf('identity: { customers: { jwks: ./none.json } }')
  expect(missing).toBe('1:32: identity.customers.jwks: "./none.json" cannot be read: there is no such file')
})

test('two programs cannot share a key, and a channel named for one must exist', async () => {
  expect(
    await problemsOf(`
identity: { keys: { erp: { key: key-one, channels: [wbe] }, pos: { key: key-one } } }
channels: { web: { adapter: rest } }
`),
  ).toEqual([
    '2:53: identity.keys.erp.channels[0]: no channel is named "wbe" (did you mean "web"?)',
    '2:73: identity.keys.pos.key: it is the key of "erp" too',
  ])
})

test('files that the gateway opens itself are absolute and must be readable', async () => {
  const text = (name: string) => `
http: { tls: { cert: ${folder}/cert.pem, key: ${folder}/${name}, ca: ${folder}/ca.pem } }
backends: { o: { adapter: soap, wsdl: x, tls: { ca: ${folder}/${name}, serverName: o } } }
agents: { h: { adapter: webhook, url: "http://h", tls: { cert: ./c.pem, verify: false } } }
`
  const good = text('key.pem').replace('{ cert: ./c.pem, verify: false }', '{ verify: false }')
  const config = await load(good)
  expect(config.http.tls).toEqual({
    certFile: join(folder, 'cert.pem'),
    keyFile: join(folder, 'key.pem'),
    caFile: join(folder, 'ca.pem'),
  })
  expect(config.backends['o']?.tls).toEqual({ ca: join(folder, 'key.pem'), serverName: 'o', verify: true })
  expect(config.agents['h']?.tls).toEqual({ verify: false })
  const problems = await problemsOf(text('none.pem'))
  expect(problems.map((problem) => problem.replace(folder, ''))).toEqual([
    expect.stringMatching(/^2:\d+: http\.tls\.key: "\/none\.pem" cannot be read: there is no such file$/),
    expect.stringMatching(
      /^3:\d+: backends\.o\.tls\.ca: "\/none\.pem" cannot be read: there is no such file$/,
    ),
    '4:56: agents.h.tls: "cert" and "key" belong together',
  ])
})

test('texts of an adapter’s config that begin with ./ or ../ are relative to the file, at any depth', async () => {
  const config = await load('channels:\n  c: { adapter: soap, path: /a/./b, wsdl: ../x/./y.wsdl }\n')
  const base = config.file.replace(/\/[^/]+\/gateway\.yaml$/, '')
  expect(config.channels['c']?.config).toEqual({ path: '/a/./b', wsdl: `${base}/x/y.wsdl` })
})

test('access, body limit and pushes in doubt of a channel; null operations are empty ones', async () => {
  const config = await load(`
channels:
  a: { adapter: rest, access: open, bodyLimit: 64kb, inDoubt: park, operations: { Get: , '王': { example: { a: [1] } } } }
  b: { adapter: rest, access: { from: [10.0.0.0/8, "::1"], basic: { user: u, password: p } } }
`)
  expect(config.channels['a']).toMatchObject({
    access: { open: true },
    bodyLimitBytes: 65_536,
    inDoubt: 'park',
    operations: { Get: { kind: 'request' }, 王: { kind: 'request', example: { a: [1] } } },
  })
  expect(config.channels['b']?.access).toEqual({
    from: ['10.0.0.0/8', '::1'],
    basic: { user: 'u', password: 'p' },
  })
})

test('a backend’s operations: the core’s keys are taken out, the adapter sees the rest or nothing', async () => {
  const config = await load(`
backends:
  r:
    adapter: rest
    url: http://r
    breaker: { errorRate: 20 }
    operations:
      Get: { method: GET, safe: true, timeout: 1s, breaker: { openFor: 1m } }
      '*': { path: "/{operation}", idempotent: true, public: true }
      Plain:
  s: { adapter: soap, wsdl: x, operations: { A: { safe: true } } }
`)
  expect(config.backends['r']?.config).toEqual({
    url: 'http://r',
    operations: { Get: { method: 'GET' }, '*': { path: '/{operation}' }, Plain: {} },
  })
  expect(config.backends['r']?.operations).toEqual({
    Get: {
      safe: true,
      timeoutMs: 1000,
      breaker: { errorRate: 20, minimumCalls: 10, windowMs: 10_000, openForMs: 60_000 },
    },
    '*': { idempotent: true, public: true },
    Plain: {},
  })
  expect(config.backends['s']?.config).toEqual({ wsdl: 'x' })
})

test('the hash changes with the content, not with the order, the writing or the name', async () => {
  const hash = async (entry: string) => (await load(`backends:\n  b: ${entry}\n`)).backends['b']?.hash
  const first = await hash('{ adapter: soap, wsdl: x, operations: { A: { safe: true }, B: } }')
  expect(await hash('{ operations: { B: , A: { "safe": true } }, wsdl: "x", adapter: soap }')).toBe(first)
  expect(await hash('{ adapter: soap, wsdl: ${W:-x}, operations: { A: { safe: true }, B: } }')).toBe(first)
  expect(await hash('{ adapter: soap, wsdl: x, operations: { A: { safe: false }, B: } }')).not.toBe(first)
  expect(await hash('{ adapter: soap, wsdl: y, operations: { A: { safe: true }, B: } }')).not.toBe(first)
})

test('overrides for one run are stronger than the file, also where it has no such key', async () => {
  const overrides = { data: join(folder, 'elsewhere'), port: 0, mqttPort: 0 }
  const bare = await load('', { overrides })
  expect([bare.http.port, bare.dataDirectory]).toEqual([0, join(folder, 'elsewhere')])
  const config = await load(
    'http: { port: 1, host: localhost }\ndata: x\nchannels:\n  far: { adapter: mqtt, url: "mqtt://h" }\n  near: { adapter: mqtt, port: 1 }\n  web: { adapter: rest }\n',
    { overrides },
  )
  expect(config.http).toMatchObject({ port: 0, host: 'localhost' })
  expect(config.channels['near']?.config).toEqual({ port: 0 })
  expect(config.channels['far']?.config).toEqual({ url: 'mqtt://h' })
  expect(await problemsOf('http: []', { overrides })).toEqual([
    '1:7: http: invalid input: expected object, received array',
  ])
})

test('plugins are a folder, or a folder and a list; the default lies beside the file', async () => {
  const read = async (text: string) => {
    const file = join(folder, 'p.yaml')
    await writeFile(file, text)
    return (await readConfig(file, { env: { D: 'd' } })).plugins
  }
  expect(await read('')).toEqual({ directory: join(folder, 'plugins') })
  expect(await read('plugins: ../${D}')).toEqual({ directory: join(folder, '../d') })
  expect(await read('plugins: { path: /p, allow: [a] }')).toEqual({ directory: '/p', allow: ['a'] })
  expect(await read('plugins: { allow: [] }')).toEqual({ directory: join(folder, 'plugins'), allow: [] })
})

test('nothing is said to be loaded from a folder that the file does not clearly name', async () => {
  for (const text of [
    'plugins: ${NOPE}',
    'plugins: a\nplugins: b',
    'plugins: 5',
    'plugins: { pth: a }',
    'plugins: ""',
  ]) {
    const file = join(folder, 'p.yaml')
    await writeFile(file, text)
    await expect(readConfig(file, { env: {} }), text).rejects.toBeInstanceOf(ConfigError)
  }
  await writeFile(join(folder, 'p.yaml'), 'htp: 1\nplugins: ok\n')
  const document = await readConfig(join(folder, 'p.yaml'), { env: {} })
  expect(document.plugins.directory).toBe(join(folder, 'ok'))
})

test('what belongs to later work is an unknown key today', async () => {
  const problems = await problemsOf(`
redis: x
backends: { o: { adapter: soap, wsdl: x, retry: {}, cache: {}, invalidates: [], onFailure: queue } }
agents: { h: { adapter: webhook, url: "http://h", overflow: x } }
routes: [{ agent: h, overflow: h }]
`)
  expect(problems).toHaveLength(7)
  for (const problem of problems) expect(problem).toContain('unknown key')
})
