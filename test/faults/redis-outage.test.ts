// Redis is away: what has to be stored is refused properly in each protocol, what need not is answered, and readyz says why.
import { randomUUIDv7 } from 'node:crypto'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { startBot } from '../support/bot.ts'
import { startGateway, until } from '../support/gateway.ts'
import type { GatewayProcess } from '../support/gateway.ts'
import { RedisServer } from '../support/redis-server.ts'
import { post, say } from '../support/rest.ts'
import { APP_ID, KEY, TOKEN, sealedPush, textXml } from '../unit/adapters/wechat/pushing.ts'
import { startBusiness } from './business.ts'

const WSDL = resolve(import.meta.dirname, '../../config/crm.wsdl')
const TICKET = '{ kind: message, sender: customerId, text: description, externalId: requestId }'
const yaml = (at: { readonly redis: string; readonly bot: string; readonly business: string }): string => `
channels:
  web: { adapter: rest }
  crm: { adapter: soap, path: /crm, wsdl: "${WSDL}", operations: { SubmitTicket: ${TICKET} } }
  erp: { adapter: webservice, path: /erp, operations: { SubmitTicket: ${TICKET} } }
  app: { adapter: graphql }
  wechat: { adapter: wechat, appId: ${APP_ID}, token: ${TOKEN}, encodingAESKey: ${KEY} }
store: { url: "${at.redis}" }
backends:
  shop:
    adapter: rest
    url: ${at.business}
    operations:
      Look: { method: GET, path: "/look/{n}", safe: true, public: true, cache: { fresh: 1h, stale: 1h } }
      Ask: { method: GET, path: "/ask/{n}", safe: true }
      Order: { method: POST, path: "/order/{n}" }
agents: { helper: { adapter: webhook, url: "${at.bot}" } }
routes: [{ when: "kind = 'request' and type = 'Talk'", agent: helper }, { when: "kind = 'request'", backend: shop }, { agent: helper }]
`

const ticket =
  '<SubmitTicket xmlns="urn:example:crm"><requestId>r1</requestId><customerId>ann</customerId><description>broken</description></SubmitTicket>'
const envelope = `<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>${ticket}</e:Body></e:Envelope>`

interface Refusal {
  readonly status: number
  readonly text: string
}

async function send(url: string, type: string, body: string | Buffer): Promise<Refusal> {
  const headers = { 'content-type': type, soapaction: '""' }
  const response = await fetch(url, {
    method: 'POST',
    headers,
    body: typeof body === 'string' ? body : new Uint8Array(body),
  })
  return { status: response.status, text: await response.text() }
}

/** The frame that answers a message. */
async function overWebSocket(socket: WebSocket): Promise<unknown> {
  const frames: Readonly<Record<string, unknown>>[] = []
  socket.on('message', (data: Buffer) => frames.push(JSON.parse(data.toString())))
  socket.send(JSON.stringify({ t: 'send', n: 1, id: randomUUIDv7(), message: { text: 'lost' } }))
  return until(() => frames.find(({ t }) => t === 'nak'))
}

async function greeted({ base }: GatewayProcess): Promise<WebSocket> {
  const socket = new WebSocket(`${base.replace('http', 'ws')}/v1/ws`, ['dragoman.1', 'bearer.ann'])
  await once(socket, 'open')
  const id = randomUUIDv7()
  const welcomed = once(socket, 'message')
  socket.send(JSON.stringify({ t: 'hello', v: 1, device: id, boot: id, first: 1, epoch: '', offset: 0 }))
  await welcomed
  return socket
}

test(
  'refused in each protocol with its own words for "later"; the cache and safe calls go on; nothing is kept in memory',
  { timeout: 180_000 },
  async () => {
    await using redis = await RedisServer.start()
    await using bot = await startBot((asked) => {
      if (JSON.stringify(asked.event).includes('empty it')) redis.cli('FLUSHALL')
      return { body: { text: 'yes' } }
    })
    await using business = await startBusiness(Math.random)
    await using gateway = await startGateway({
      yaml: yaml({ redis: redis.url, bot: bot.url, business: business.url }),
    })
    const { base } = gateway
    const request = (type: string, n: string, key?: string) =>
      post<{ code?: string }>(`${base}/v1/requests/${type}`, { n }, key === undefined ? {} : { key })
    expect((await request('Look', '1')).status).toBe(200)
    const socket = await greeted(gateway)
    await redis.end('SIGKILL')
    const ready = await until(async () => {
      const response = await fetch(`${base}/readyz`)
      return response.status === 503 ? response : undefined
    })
    expect(await ready.text()).toContain('store')

    const message = JSON.stringify({ sender: { id: 'ann' }, text: 'lost' })
    const mutation = JSON.stringify({
      query: 'mutation { sendMessage(sender: {id: "ann"}, text: "lost", externalId: "g1") { id } }',
    })
    const { query, body, headers } = sealedPush(textXml('lost', { id: '1' }))
    const refusals = {
      rest: await send(`${base}/v1/messages`, 'application/json', message),
      soap: await send(`${base}/crm`, 'text/xml', envelope),
      xml: await send(`${base}/erp`, 'text/xml', ticket),
      graphql: await send(`${base}/graphql`, 'application/json', mutation),
      wechat: await send(
        `${base}/wechat?${query}`,
        headers?.['content-type'] ?? 'text/xml',
        Buffer.from(body),
      ),
      socket: await overWebSocket(socket),
    }
    expect(refusals).toEqual({
      rest: { status: 503, text: expect.stringContaining('STORE_UNAVAILABLE') },
      soap: {
        status: 500,
        text: expect.stringMatching(/faultcode>s:Server<[\s\S]*the store cannot be used/u),
      },
      xml: { status: 503, text: expect.stringContaining('STORE_UNAVAILABLE') },
      graphql: { status: 200, text: expect.stringContaining('STORE_UNAVAILABLE') },
      wechat: { status: 503, text: expect.any(String) },
      socket: expect.objectContaining({ code: 'STORE_UNAVAILABLE', retry: true }),
    })
    expect(await request('Look', '1')).toMatchObject({ status: 200 })
    expect(await request('Ask', '1')).toMatchObject({ status: 200 })
    // A write is claimed before it is made: the business system has not heard of it.
    expect(await request('Order', '1', 'o1')).toMatchObject({
      status: 503,
      body: { code: 'STORE_UNAVAILABLE' },
    })
    expect(business.done.size).toBe(0)

    await redis.begin()
    await until(async () => ((await fetch(`${base}/readyz`)).status === 200 ? true : undefined))
    expect(redis.cli('--scan', '--pattern', '*:log:*')).not.toContain('web:ann')
    expect(bot.asked).toHaveLength(0)
    socket.terminate()

    // Emptied while the bot is asked: who waits gets its answer, and the log says that it is stored nowhere.
    expect(await say(base, 'empty it', { key: 'e1', waitSeconds: 10 })).toMatchObject({
      status: 200,
      body: { reply: { parts: [{ text: 'yes' }] } },
    })
    await until(() => gateway.log().includes('the store lost what was at work') || undefined)

    // A call is claimed anew: a repeat of its key gets the answer, and it is not made again.
    const talk = () => post(`${base}/v1/requests/Talk`, { text: 'empty it' }, { key: 't1' })
    await until(async () => ((await talk()).status === 200 ? true : undefined))
    const { length } = bot.asked
    expect((await talk()).status).toBe(200)
    expect(bot.asked).toHaveLength(length)
  },
)
