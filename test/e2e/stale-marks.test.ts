// The mark of a stale answer in every protocol: the business system goes down, the gateway is killed and comes back without it.
import { randomUUIDv7 } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { join, resolve } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { connectAsync } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { freePort } from '../../bin/demo/free-port.ts'
import { startGateway, temporaryDirectory, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { metric } from '../support/rest.ts'
import { APP_ID, KEY, TOKEN, openReply, sealedPush, textXml } from '../unit/adapters/wechat/pushing.ts'
import { startPlatformStub } from './wechat-platform.ts'
import type { PlatformStub } from './wechat-platform.ts'

const WSDL = resolve(import.meta.dirname, '../../config/crm.wsdl')
const order = {
  orderNo: '000777',
  id: '9007199254740993',
  customer: '王小明 <&>',
  status: 'shipped',
  total: '1.10',
  lines: [{ sku: '0012', quantity: 1 }],
}
const schema = `
type Order { orderNo: ID! id: ID total: String status: String }
type Query { order(orderNo: ID!): Order }
`

const yaml = (at: { readonly business: number; readonly mqtt: number; readonly api: string }): string => `
channels:
  web: { adapter: rest }
  crm: { adapter: soap, path: /crm, wsdl: "${WSDL}" }
  erp: { adapter: webservice, path: /erp, parameters: { GetOrder: [orderNo] } }
  app: { adapter: graphql }
  shop:
    adapter: graphql
    path: /shop/graphql
    schema: ./shop.graphql
    operations: { order: { kind: request, type: "'GetOrder'" } }
  wechat: { adapter: wechat, appId: ${APP_ID}, token: ${TOKEN}, encodingAESKey: ${KEY}, staleText: "(last known: {asOf})" }
  late:
    { adapter: wechat, path: /late, appId: ${APP_ID}, token: ${TOKEN}, encodingAESKey: ${KEY}, waitMs: 0, secret: s, apiBase: "${at.api}" }
  devices:
    adapter: mqtt
    port: ${at.mqtt}
    subscribe: ['till/+/display']
    topics:
      'till/+/ask': { kind: request, type: "'GetOrder'", sender: "topic[1]", reply: "'till/' & topic[1] & '/display'" }
backends:
  orders:
    adapter: rest
    url: http://127.0.0.1:${at.business}
    timeout: 10s
    operations:
      GetOrder: { method: GET, path: "/{orderNo}", cache: { fresh: 0s, stale: 1h } }
      SayOrder:
        method: GET
        path: "/{no}"
        result: '{ "text": "Order " & orderNo & " is " & status }'
        cache: { fresh: 0s, stale: 1h }
routes:
  - { when: "kind = 'request'", backend: orders }
  - { backend: orders, operation: SayOrder, params: '{ "no": $message.parts[0].text }' }
`

interface Answered {
  readonly text: string
  readonly headers: Headers
}

const envelope = (namespace: string): string =>
  `<e:Envelope xmlns:e="${namespace}"><e:Body><GetOrder xmlns="urn:example:crm"><orderNo>000777</orderNo></GetOrder></e:Body></e:Envelope>`
const http =
  (path: string, type?: string, body?: string) =>
  async ({ base }: GatewayProcess): Promise<Answered> => {
    const asked = {
      method: 'POST',
      headers: { 'content-type': type ?? '', soapaction: '""' },
      body: body ?? '',
    }
    const response = await fetch(`${base}${path}`, body === undefined ? {} : asked)
    const text = await response.text()
    expect(response.status, text).toBe(200)
    return { text, headers: response.headers }
  }

async function say(path: string, { base }: GatewayProcess): Promise<string> {
  const push = sealedPush(textXml('000777', { id: String(BigInt(Date.now()) * 1000n + next++) }))
  const { query, body, headers } = push
  const response = await fetch(`${base}${path}?${query}`, {
    method: 'POST',
    body: Buffer.from(body),
    headers,
  })
  expect(response.status).toBe(200)
  return response.text()
}
let next = 0n

/** Says the number of an order over the client protocol; the answer's message. */
async function overWebSocket({ base }: GatewayProcess): Promise<Answered> {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, ['dragoman.1', 'bearer.ann'])
  const frames: Readonly<Record<string, unknown>>[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString())))
  await once(socket, 'open')
  const id = randomUUIDv7()
  const hello = { t: 'hello', v: 1, device: id, boot: id, first: 1, epoch: '', offset: 0 }
  socket.send(JSON.stringify([hello, { t: 'send', n: 1, id, message: { text: '000777' } }]))
  const ok = await until(() => frames.find(({ t }) => t === 'ok'))
  const answer = await until(() =>
    frames
      .filter(({ t }) => t === 'msg')
      .map(({ message }) => message as Readonly<Record<string, unknown>>) // what a msg frame has
      .find(({ causationId }) => causationId === ok['messageId']),
  )
  socket.close()
  return { text: JSON.stringify(answer), headers: new Headers() }
}

async function overMqtt(port: number): Promise<Answered> {
  const till = await connectAsync(`mqtt://127.0.0.1:${port}`)
  const came: string[] = []
  till.on('message', (_topic, payload) => came.push(payload.toString()))
  await till.subscribeAsync('till/7/display', { qos: 1 })
  // A CloudEvent: its id is not among the parameters, or each question would be another one.
  const event = { specversion: '1.0', id: randomUUIDv7(), source: '/till/7', type: 'ask' }
  const payload = JSON.stringify({ ...event, data: { orderNo: '000777' } })
  await till.publishAsync('till/7/ask', payload, { qos: 1 })
  const text = await until(() => came[0])
  await till.endAsync()
  return { text, headers: new Headers() }
}

interface Protocol {
  readonly name: string
  readonly ask: (gateway: GatewayProcess) => Promise<Answered>
  /** In what is said, and not before. */
  readonly mark: RegExp
  /** Age and Cache-Status (RFC 9111 §5.1, RFC 9211). */
  readonly inFields: boolean
}

let platform: PlatformStub
let gateway: GatewayProcess
let mqttPort = 0
const moment = /"asOf":"20\d\d-\d\d-\d\dT[\d:.]+Z"/u

const protocols: readonly Protocol[] = [
  {
    name: 'REST',
    ask: http('/v1/requests/GetOrder', 'application/json', '{"orderNo":"000777"}'),
    mark: /"stale":true/u,
    inFields: true,
  },
  {
    name: 'SOAP 1.1',
    ask: http('/crm', 'text/xml', envelope('http://schemas.xmlsoap.org/soap/envelope/')),
    mark: /Header>\s*<[^>]*Stale [^>]*asOf="20[^>]*>/u,
    inFields: true,
  },
  {
    name: 'SOAP 1.2',
    ask: http('/crm', 'application/soap+xml', envelope('http://www.w3.org/2003/05/soap-envelope')),
    mark: /Header>\s*<[^>]*Stale [^>]*asOf="20[^>]*>/u,
    inFields: true,
  },
  {
    name: 'plain XML (POX)',
    ask: http('/erp', 'text/xml', '<GetOrder><orderNo>000777</orderNo></GetOrder>'),
    mark: /<GetOrderResponse [^>]*stale="true"/u,
    inFields: true,
  },
  {
    name: 'ASMX by GET',
    ask: http('/erp/GetOrder?orderNo=000777'),
    mark: /^<\?xml[^>]*>\s*<\w+ [^>]*stale="true"/u,
    inFields: true,
  },
  {
    name: 'ASMX by POST',
    ask: http('/erp/GetOrder', 'application/x-www-form-urlencoded', 'orderNo=000777'),
    mark: /^<\?xml[^>]*>\s*<\w+ [^>]*stale="true"/u,
    inFields: true,
  },
  {
    name: 'XML-RPC',
    ask: http(
      '/erp',
      'text/xml',
      '<methodCall><methodName>GetOrder</methodName><params><param><value>000777</value></param></params></methodCall>',
    ),
    mark: /<name>stale<\/name>\s*<value><boolean>1</u,
    inFields: true,
  },
  {
    name: 'GraphQL',
    ask: http(
      '/graphql',
      'application/json',
      '{"query":"{ request(operation: \\"GetOrder\\", params: {orderNo: \\"000777\\"}) { data } }"}',
    ),
    mark: /"extensions":\{"stale":true,"asOf":"20/u,
    inFields: true,
  },
  {
    name: 'GraphQL, schema first',
    ask: http(
      '/shop/graphql',
      'application/json',
      '{"query":"{ order(orderNo: \\"000777\\") { orderNo id } }"}',
    ),
    mark: /"extensions":\{"stale":true,"asOf":"20/u,
    inFields: true,
  },
  {
    name: 'WeChat, in the response to the push',
    ask: async (asked) => ({ text: openReply(await say('/wechat', asked)), headers: new Headers() }),
    mark: /Order 000777 is shipped\n\(last known: 20\d\d-\d\d-\d\d \d\d:\d\d\)\]/u,
    inFields: false,
  },
  {
    name: 'WeChat, by the customer-service API',
    ask: async (asked) => {
      const before = platform.sent.length
      expect(await say('/late', asked)).toBe('success')
      const sent = await until(() => platform.sent[before])
      return { text: sent.text?.content ?? '', headers: new Headers() }
    },
    mark: /Order 000777 is shipped\n（系统暂时无法连接，以上信息可能不是最新的。）$/u,
    inFields: false,
  },
  { name: 'MQTT', ask: () => overMqtt(mqttPort), mark: /"stale":true/u, inFields: false },
  { name: 'WebSocket', ask: overWebSocket, mark: /"stale":true/u, inFields: false },
]

const fresh = new Map<string, Answered>()
let directory = ''
beforeAll(async () => {
  directory = await temporaryDirectory()
  platform = await startPlatformStub()
  const business = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(order))
  })
  const [port, mqtt] = [await freePort(), await freePort()]
  mqttPort = mqtt
  await new Promise<void>((listening) => business.listen(port, '127.0.0.1', listening))
  const config = yaml({ business: port, mqtt, api: platform.apiBase })
  const start = () => startGateway({ yaml: config, directory, files: { 'shop.graphql': schema } })
  gateway = await start()
  for (const { name, ask } of protocols) fresh.set(name, await ask(gateway))
  const entries = await metric(gateway.base, 'dragoman_cache_entries') // the dialects of one channel share theirs
  await until(() => (kept(join(directory, 'data', 'cache.db')) === entries ? true : undefined))
  business.close()
  business.closeAllConnections()
  await gateway.kill()
  gateway = await start()
}, 60_000)
afterAll(async () => {
  await gateway[Symbol.asyncDispose]()
  await platform[Symbol.asyncDispose]()
})

function kept(file: string): number {
  const reader = new DatabaseSync(file, { readOnly: true })
  try {
    return Number(reader.prepare('SELECT count(*) AS n FROM answer').get()?.['n'])
  } finally {
    reader.close()
  }
}

describe('after a restart with the business system down', () => {
  test.each(protocols)('$name gives the last good answer, marked', async ({ name, ask, mark, inFields }) => {
    const before = fresh.get(name)
    expect(before?.text).toContain('000777')
    expect(before?.text).not.toMatch(/stale|last known|不是最新/iu)
    expect(before?.headers.has('age') || before?.headers.has('cache-status')).toBe(false)
    const { text, headers } = await ask(gateway)
    expect(text).toContain('000777')
    expect(text).toMatch(mark)
    if (!inFields) return
    expect(headers.get('cache-status')).toBe('dragoman; hit; detail=stale')
    expect(headers.get('age')).toMatch(/^\d+$/u)
  })

  test('the frames of MQTT and WebSocket, the log and a subscription say since when', async () => {
    const { text } = await overWebSocket(gateway)
    expect(text).toMatch(moment)
    expect((await overMqtt(mqttPort)).text).toMatch(moment)
    const log = await http('/v1/conversations/link:ann/messages')(gateway)
    expect(log.text).toMatch(moment)
    const query = '{ conversation(id: \\"link:ann\\") { messages { direction stale asOf } } }'
    const read = await http('/graphql', 'application/json', `{"query":"${query}"}`)(gateway)
    expect(read.text).toMatch(/"direction":"outbound","stale":true,"asOf":"20/u)
    expect(read.text).toContain('"direction":"outbound","stale":null,"asOf":null') // while the system was up
  })

  test('each is counted', async () => {
    const series = (operation: string): string =>
      `dragoman_stale_answers_total{backend="orders",operation="${operation}"}`
    expect(await metric(gateway.base, series('GetOrder'))).toBeGreaterThanOrEqual(10)
    expect(await metric(gateway.base, series('SayOrder'))).toBeGreaterThanOrEqual(3)
  })
})
