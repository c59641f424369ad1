// What a SOAP backend sends as header blocks a business system may believe: who may say it, over each way in (DESIGN §3, §11).
import { createServer } from 'node:http'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { openHouse } from '../support/house.ts'
import type { House } from '../support/house.ts'

const ORDERS = 'urn:example:orders:v1'
const SOAP = 'http://schemas.xmlsoap.org/soap/envelope/'
const CEO = '{"user":"ceo","token":"t"}'
const metadata = { 'soap:AuthHeader': CEO }
const ann = { authorization: 'Bearer ann' }
const wsdl = new URL('../fixtures/soap/wsdl/orders.wsdl', import.meta.url).pathname
const envelope = (body: string, header = ''): string =>
  `<s:Envelope xmlns:s="${SOAP}" xmlns:o="${ORDERS}"><s:Header>${header}</s:Header><s:Body>${body}</s:Body></s:Envelope>`

let calls: string[] = []
const system = createServer((request, response) => void answer(request, response))

async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
  calls.push(await text(request))
  response.setHeader('content-type', 'text/xml; charset=utf-8')
  response.end(envelope('<o:WhoAmIResponse><o:user>x</o:user></o:WhoAmIResponse>'))
}

let house: House
beforeAll(async () => {
  await new Promise<void>((listening) => system.listen(0, '127.0.0.1', listening))
  const { port } = system.address() as AddressInfo // it listens on TCP
  house = await openHouse({
    yaml: `
channels:
  web: { adapter: rest }
  app: { adapter: graphql, path: /graphql }
  crm: { adapter: soap, path: /crm, wsdl: ${wsdl} }
backends:
  orders: { adapter: soap, wsdl: ${wsdl}, endpoint: "http://127.0.0.1:${port}/" }
routes: [{ when: "type = 'WhoAmI'", backend: orders, params: "{}" }]
`,
  })
})
afterAll(async () => {
  await house[Symbol.asyncDispose]()
  system.close()
})
beforeEach(() => {
  calls = []
})

type Headers = Readonly<Record<string, string>>

async function post(path: string, body: unknown, headers: Headers = {}) {
  const type = typeof body === 'string' ? 'text/xml' : 'application/json'
  const response = await fetch(`${house.base}${path}`, {
    method: 'POST',
    headers: { 'content-type': type, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: response.status, said: await response.text() }
}

const rest = (headers?: Headers) =>
  post('/v1/messages', { sender: { id: 'ann' }, type: 'WhoAmI', text: 'x', data: {}, metadata }, headers)
const graphql = (headers?: Headers) =>
  post(
    '/graphql',
    {
      query:
        'mutation($metadata: JSON) { sendMessage(sender: { id: "ann" }, type: "WhoAmI", text: "x", metadata: $metadata) { id } }',
      variables: { metadata },
    },
    headers,
  )
const soap = (headers?: Headers) =>
  post(
    '/crm',
    envelope('<o:WhoAmI/>', '<o:AuthHeader><o:user>ceo</o:user><o:token>t</o:token></o:AuthHeader>'),
    headers,
  )
const link = (headers: Headers) =>
  post(
    '/v1/link',
    {
      frames: [
        { t: 'hello', v: 1, device: 'phone', boot: 'boot-1', first: 1, epoch: '', offset: 0 },
        {
          t: 'send',
          n: 1,
          id: '0190b6f0-0000-7000-8000-000000000001',
          message: { type: 'WhoAmI', text: 'x', metadata },
        },
      ],
    },
    headers,
  )

test.each([
  ['REST', rest, 403],
  ['GraphQL', graphql, 200],
  ['a link frame', link, 200],
  ['SOAP', soap, 500],
])(
  'with a token of a customer %s says no word of a program: FORBIDDEN, and nothing is called',
  async (_way, ask, status) => {
    const told = await ask(ann)
    expect(told.status).toBe(status)
    expect(told.said).toMatch(/metadata .{1,2}soap:AuthHeader.{1,2} is for programs/u)
    expect(calls).toEqual([])
  },
)

test.each([
  ['REST', rest],
  ['GraphQL', graphql],
  ['SOAP', soap],
])('a program says it over %s, and the business system gets the block', async (_way, ask) => {
  expect((await ask()).said).not.toContain('is for programs')
  await expect.poll(() => calls.length).toBe(1)
  expect(calls[0]).toContain('>ceo</')
})
