// DESIGN §4: a built-in adapter moved into a plugin folder passes the same suite there, through its worker.
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { connectAsync } from 'mqtt'
import { testAgent, testBackend, testChannel, testPlugin } from 'dragoman/testing'
import type { PluginSuite, TestRequest } from 'dragoman/testing'
import { createSchema, createYoga } from 'graphql-yoga'
import { afterAll, describe } from 'vitest'
import { loadBuiltIn } from '../../bin/adapters.ts'
import { freePort } from '../../bin/demo/free-port.ts'
import { startPlatformApi } from '../../bin/demo/simulator/api.ts'
import { movedIntoPlugins } from '../support/moved.ts'
import { startMosquitto } from '../unit/adapters/mqtt/mosquitto.ts'
import { envelope, getTicket, orders, wsdl } from '../unit/adapters/soap/service.ts'
import { plainPush, sealedPush, textXml } from '../unit/adapters/wechat/pushing.ts'
import { plain, safe, text } from '../unit/adapters/wechat/stage.ts'

const yoga = createYoga({
  logging: false,
  schema: createSchema({
    typeDefs: 'type Query { order(no: ID!): Order } type Order { no: ID! total: String }',
    resolvers: { Query: { order: (_: unknown, { no }: { no: string }) => ({ no, total: '1.10' }) } },
  }),
})
const documents = new Map([
  ['/erp', '<R><no>007</no></R>'],
  ['/ws', envelope(`<o:WhoAmIResponse xmlns:o="${orders}"><o:user>x</o:user></o:WhoAmIResponse>`)],
])
const server = createServer((request, response) => {
  if (request.url?.startsWith('/graphql') === true) return void yoga(request, response)
  const document = documents.get(request.url ?? '')
  if (document !== undefined) {
    response.writeHead(200, { 'content-type': 'text/xml; charset=utf-8' }).end(document)
    return
  }
  if (request.url === '/bot') {
    response.writeHead(200, { 'content-type': 'application/json' }).end('{"text":"I heard you"}')
    return
  }
  const found = request.url?.endsWith('/000777') ?? false
  response.writeHead(found ? 200 : 404, { 'content-type': 'application/json' })
  response.end(
    found ? '{"orderNo":"000777","total":1.10}' : '{"code":"OrderNotFound","title":"no such order"}',
  )
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const { port } = server.address() as AddressInfo // a TCP server has one
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const mosquitto = await startMosquitto()
const service = await connectAsync(mosquitto.url)
service.on('message', (_topic, payload) => {
  const { replyto, correlationid } = JSON.parse(payload.toString()) as Record<string, string> // our own backend wrote it
  service.publish(String(replyto), JSON.stringify({ correlationid, data: { total: '1.10' } }), { qos: 1 })
})
await service.subscribeAsync('svc/orders', { qos: 1 })
afterAll(async () => {
  await service.endAsync()
  await mosquitto[Symbol.asyncDispose]()
})

const mqttPort = await freePort()

/** What a device is answered before the PUBACK of its question, or before its connection is closed without one. */
async function asked(payload: Uint8Array = bytes('{"customer":"ann","orderNo":"000777"}')): Promise<string> {
  const device = await connectAsync(`mqtt://127.0.0.1:${mqttPort}`, { reconnectPeriod: 0 })
  let answers = ''
  device.on('message', (_topic, answer) => (answers += answer.toString()))
  await device.subscribeAsync('shop/answers', { qos: 1 })
  const closed = new Promise<void>((resolve) => device.once('close', () => resolve()))
  await Promise.race([device.publishAsync('shop/7/ask', Buffer.from(payload), { qos: 1 }), closed])
  device.end(true)
  await closed
  return answers
}

const json = { 'content-type': 'application/json' }
const xml = { 'content-type': 'text/xml; charset=utf-8' }
const bytes = (content: string): Uint8Array => new TextEncoder().encode(content)

/** An account in one of its modes. */
const wechat = (config: object, request: TestRequest): NonNullable<PluginSuite['channel']> => ({
  config,
  request,
  draft: { kind: 'message', type: 'text', externalId: '6054768590064713728' },
  reply: text('hello'),
})
const api = await startPlatformApi({ appId: 'wx1', secret: 'a secret' })
afterAll(() => api[Symbol.asyncDispose]())
const platform: PluginSuite['backend'] = {
  config: { appId: 'wx1', secret: 'a secret', apiBase: api.base },
  calls: [{ operation: 'getUser', params: { openid: 'oAnn' }, answer: { data: { openid: 'oAnn' } } }],
}

const suites: readonly (readonly [string, string, Omit<PluginSuite, 'file'>, string?])[] = [
  [
    'rest',
    'adapters/rest',
    {
      channel: {
        config: {},
        operations: { GetOrder: { kind: 'request' } },
        request: { path: '/v1/requests/GetOrder', headers: json, body: bytes('{"orderNo":"000777"}') },
        draft: { kind: 'request', type: 'GetOrder', data: { orderNo: '000777' } },
        reply: { data: { total: '1.10' }, origin: 'backend' },
      },
      backend: {
        config: {
          url: `http://127.0.0.1:${port}`,
          operations: { GetOrder: { method: 'GET', path: '/orders/{orderNo}' } },
        },
        calls: [
          {
            operation: 'GetOrder',
            params: { orderNo: '000777' },
            answer: { data: { orderNo: '000777', total: '1.10' } },
          },
          {
            operation: 'GetOrder',
            params: { orderNo: '1' },
            answer: { fault: { code: 'OrderNotFound', message: 'no such order' } },
          },
        ],
      },
    },
  ],
  [
    'soap',
    'adapters/soap',
    {
      channel: {
        config: { path: '/orders', wsdl: wsdl('orders') },
        request: { path: '/orders', headers: xml, body: bytes(envelope(getTicket())) },
        draft: { kind: 'request', type: 'GetTicket', data: { ticketId: '1' } },
        reply: {
          origin: 'backend',
          data: {
            ticket: {
              '@ticketId': '1',
              '@status': 'NEW',
              subject: 'T',
              opened: '2024-01-01T00:00:00Z',
              comment: [],
            },
          },
        },
      },
      backend: {
        config: { wsdl: wsdl('orders'), endpoint: `http://127.0.0.1:${port}/ws` },
        calls: [{ operation: 'WhoAmI', params: {}, answer: { data: { user: 'x' } } }],
      },
    },
  ],
  [
    'webservice',
    'adapters/webservice',
    {
      channel: {
        config: { path: '/erp' },
        request: {
          path: '/erp',
          headers: xml,
          body: bytes('<GetOrder><orderNo>000777</orderNo></GetOrder>'),
        },
        draft: { kind: 'request', type: 'GetOrder', data: { orderNo: '000777' } },
        reply: { origin: 'backend', data: { status: 'NEW' } },
      },
      backend: {
        config: { dialect: 'pox', url: `http://127.0.0.1:${port}/erp`, operations: { GetOrder: {} } },
        calls: [{ operation: 'GetOrder', params: { no: '7' }, answer: { data: { no: '007' } } }],
      },
    },
  ],
  [
    'graphql',
    'adapters/graphql',
    {
      channel: {
        config: { path: '/graphql' },
        request: {
          path: '/graphql',
          headers: json,
          body: bytes('{"query":"mutation{sendMessage(sender:{id:\\"ann\\"},text:\\"hello\\"){id}}"}'),
        },
        draft: {
          kind: 'message',
          sender: { id: 'ann', role: 'customer' },
          parts: [{ kind: 'text', text: 'hello' }],
        },
        reply: { origin: 'agent', parts: [{ kind: 'text', text: 'hi' }] },
      },
      backend: {
        config: {
          url: `http://127.0.0.1:${port}/graphql`,
          operations: {
            GetOrder: {
              document: 'query($orderNo: ID!) { order(no: $orderNo) { no total } }',
              result: 'order',
            },
          },
        },
        calls: [
          {
            operation: 'GetOrder',
            params: { orderNo: '000777' },
            answer: { data: { no: '000777', total: '1.10' } },
          },
        ],
      },
    },
  ],
  ['wechat', 'adapters/wechat', { channel: wechat(plain, plainPush(textXml('hi'))), backend: platform }],
  ['wechat', 'adapters/wechat', { channel: wechat(safe, sealedPush(textXml('hi'))) }],
  [
    'mqtt',
    'adapters/mqtt',
    {
      channel: {
        config: {
          port: mqttPort,
          topics: {
            'shop/+/ask': {
              kind: 'request',
              type: "'GetOrder'",
              sender: 'customer',
              reply: "'shop/answers'",
            },
          },
          subscribe: ['shop/answers'],
        },
        request: asked,
        draft: { kind: 'request', type: 'GetOrder', sender: { id: 'ann', role: 'customer' } },
        reply: { data: { total: '1.10' }, origin: 'backend' },
      },
      backend: {
        config: {
          url: mosquitto.url,
          operations: { GetOrder: { topic: 'svc/orders', replyTopic: 'svc/answers' } },
        },
        calls: [
          { operation: 'GetOrder', params: { orderNo: '000777' }, answer: { data: { total: '1.10' } } },
        ],
      },
    },
  ],
  [
    'webhook',
    'core/agents',
    {
      agent: {
        config: { url: `http://127.0.0.1:${port}/bot` },
        says: [{ text: 'hello', answer: { text: 'I heard you' } }],
      },
    },
    'webhook.ts',
  ],
]

for (const [name, folder, suite, entry] of suites) {
  const moved = await movedIntoPlugins(name, folder, entry)
  afterAll(() => moved[Symbol.asyncDispose]())
  const adapter = (await loadBuiltIn()).find((each) => each.name === name)
  if (adapter === undefined) throw new Error(`there is no built-in ${name}`)
  describe('built in', () => {
    if (suite.channel !== undefined) testChannel(name, { ...suite.channel, adapter })
    if (suite.backend !== undefined) testBackend(name, { ...suite.backend, adapter })
    if (suite.agent !== undefined) testAgent(name, { ...suite.agent, adapter })
  })
  describe('moved into a plugin folder', async () => {
    await testPlugin(name, { file: moved.file, ...suite })
  })
}
