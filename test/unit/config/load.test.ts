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
    origins: [],
    maxSockets: 10_000,
    maxSocketsPerAddress: 1000,
  })
  expect(config.store).toEqual({
    durability: 'any',
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
    definition: expect.stringMatching(/^[0-9a-f]{64}$/),
    inDoubt: 'repeat',
    priority: 'normal',
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
    definition: expect.any(String),
    timeoutMs: 2000,
    breaker: { errorRate: 50, minimumCalls: 10, windowMs: 10_000, openForMs: 5000, slowRate: 50 },
    retry: { attempts: 3, firstMs: 100, longestMs: 2000 },
    retryBudget: 20,
    bulkhead: { maxCalls: 512, dryRun: false },
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
    '5:1: unknown key "redis" (did you mean store: { url: redis://… }?)',
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
    '26:72: backends.soap.operations.A.cache: "30s": invalid input: expected object, received string',
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
