import { describe, expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import { testChannel } from 'dragoman/testing'
import adapter from '../../../../adapters/soap/index.ts'
import {
  action,
  ask,
  bodyText,
  envelope,
  files,
  fixtureText,
  getTicket,
  orders,
  serve,
  soap11,
  soap12,
  wsdl,
} from './service.ts'

testChannel('soap', {
  adapter,
  config: adapter.channel === undefined ? {} : { path: '/orders', wsdl: wsdl('orders') },
  request: {
    path: '/orders',
    headers: { 'content-type': 'text/xml; charset=utf-8' },
    body: new TextEncoder().encode(envelope(getTicket())),
  },
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
})

describe('dispatch', () => {
  test.each([
    ['missing', {}],
    ['empty', { soapaction: '""' }],
    ['unquoted', { soapaction: `${orders}/GetTicket` }],
    ['unknown', { soapaction: '"urn:nope"' }],
    ['right', action('GetTicket')],
  ])('is by the body with a SOAPAction that is %s (WS-I BP 1.1 R1127, R1109)', async (_what, headers) => {
    await using running = await serve()
    const { status, text, drafts } = await ask(running, envelope(getTicket()), headers)
    expect([status, drafts]).toEqual([200, ['GetTicket']])
    expect(text).toContain('9007199254740991')
  })

  test('never runs what only the action names: a Client fault', async () => {
    await using running = await serve()
    const { status, text, drafts } = await ask(running, envelope(getTicket()), action('NotifyShipment'))
    expect([status, drafts]).toEqual([500, []])
    expect(text).toContain('s:Client')
  })

  test.each([
    ['an unknown element', `<m:DropTables xmlns:m="${orders}"/>`],
    [
      'the right name in a wrong namespace (R2712)',
      '<m:GetTicket xmlns:m="urn:other"><m:ticketId>1</m:ticketId></m:GetTicket>',
    ],
    ['a name without a namespace', '<GetTicket/>'],
    ['nothing', ''],
    ['__proto__', `<__proto__ xmlns="${orders}"/>`],
  ])('refuses %s as Client', async (_what, body) => {
    await using running = await serve()
    const { status, text, drafts } = await ask(running, envelope(body), action('GetTicket'))
    expect([status, drafts]).toEqual([500, []])
    expect(text).toMatch(/<faultcode>s:Client</u)
    expect(text).not.toMatch(/\.ts|node_modules|\n\s+at /u)
  })

  test('takes a wrapper with xsi:nil for one without arguments, as SOAP::Lite sends it', async () => {
    await using running = await serve()
    const space = 'http://www.w3.org/2001/XMLSchema-instance'
    const nil = `<m:WhoAmI xmlns:m="${orders}" xmlns:i="${space}" i:nil="true"/>`
    const old = nil
      .replace(space, 'http://www.w3.org/1999/XMLSchema-instance')
      .replace('nil="true"', 'null="1"')
    expect(await ask(running, envelope(nil))).toMatchObject({ status: 200, drafts: ['WhoAmI'] })
    const both = { status: 200, drafts: ['WhoAmI', 'WhoAmI'] }
    expect(await ask(running, envelope(old))).toMatchObject(both)
    expect(running.host.drafts.map(({ data }) => data)).toEqual([{}, {}])
  })
})

describe('HTTP before the envelope (DESIGN §16)', () => {
  test.each(['GET', 'PUT', 'DELETE', 'OPTIONS'])(
    '%s is 405 with Allow and one text line (R1132, R1114)',
    async (method) => {
      await using running = await serve()
      const response = await running.handle({ method })
      expect([response.status, response.headers?.['allow']]).toEqual([405, 'POST'])
      expect(response.headers?.['content-type']).toMatch(/^text\/plain/u)
      expect(bodyText(response).trim().split('\n')).toHaveLength(1)
    },
  )

  test('of a page of another site is 403, also without a media type, which no browser asks leave for', async () => {
    await using running = await serve()
    const body = new TextEncoder().encode(envelope(getTicket()))
    const asked = (headers: Record<string, string>) => running.handle({ method: 'POST', headers, body })
    for (const origin of ['http://evil.example', 'null']) expect((await asked({ origin })).status).toBe(403)
    const refused = await asked({ 'sec-fetch-site': 'cross-site', 'content-type': 'text/xml' })
    expect(refused.status).toBe(403)
    expect(bodyText(refused)).toBe('a page of another site may not ask for operations here\n')
    expect(running.host.drafts).toEqual([])
    expect((await asked({})).status).toBe(200)
    expect((await asked({ origin: 'http://127.0.0.1:8080' })).status).toBe(200)
  })

  test('another media type is 415 (R1115), case does not matter', async () => {
    await using running = await serve()
    expect((await running.post(envelope(getTicket()), { 'content-type': 'application/json' })).status).toBe(
      415,
    )
    expect(
      (await running.post(envelope(getTicket()), { 'content-type': 'TEXT/XML;CHARSET="UTF-8"' })).status,
    ).toBe(200)
  })

  test('a path below ours is not ours', async () => {
    await using running = await serve()
    expect(
      (await running.handle({ path: '/orders/x', body: new TextEncoder().encode(envelope(getTicket())) }))
        .status,
    ).toBe(404)
  })
})

describe('what cannot be read is a fault of the version the request seems to have', () => {
  test.each([
    'hello=world',
    envelope(getTicket()).slice(0, -20),
    `${envelope(getTicket())}x`,
    '',
    `<!DOCTYPE a>${envelope(getTicket())}`,
  ])('%s', async (body) => {
    await using running = await serve()
    const first = await ask(running, body)
    expect(first.status).toBe(500)
    expect(first.text).toMatch(new RegExp(`${soap11}.*<faultcode>s:Client<`, 'su'))
    const second = await ask(running, body, { 'content-type': 'application/soap+xml' })
    expect(second.status).toBe(400)
    expect(second.text).toMatch(new RegExp(`${soap12}.*<s:Value>s:Sender<`, 'su'))
    expect(running.host.drafts).toEqual([])
  })

  test('a version we do not know is a VersionMismatch with 500, in 1.2 with Upgrade (Part 1 §5.4.7)', async () => {
    await using running = await serve()
    const body = envelope(getTicket(), { uri: 'http://www.w3.org/2099/soap' })
    expect(await ask(running, body)).toMatchObject({
      status: 500,
      text: expect.stringContaining('s:VersionMismatch'),
    })
    const second = await ask(running, body, { 'content-type': 'application/soap+xml' })
    expect(second.status).toBe(500)
    expect(second.text).toMatch(/Upgrade>.*SupportedEnvelope qname="e\d:Envelope"/su)
  })
})

describe('the version of a request', () => {
  test.each([
    ['1.1', soap11, 'text/xml', 'text/xml; charset=utf-8'],
    ['1.2', soap12, 'application/soap+xml', 'application/soap+xml; charset=utf-8'],
    ['1.2 under the media type of 1.1', soap12, 'text/xml', 'application/soap+xml; charset=utf-8'],
  ])(
    '%s is the version of the answer, with its own Content-Type and a length',
    async (_what, uri, type, wanted) => {
      await using running = await serve()
      const response = await running.post(envelope(getTicket(), { uri }), { 'content-type': type })
      expect(response.status).toBe(200)
      expect(response.headers).toMatchObject({
        'content-type': wanted,
        'content-length': String(bodyText(response).length),
      })
      expect(bodyText(response)).toContain(`="${uri}"`)
    },
  )

  test('decides how a declared fault looks, typed in both', async () => {
    await using running = await serve()
    const detail = `<ns1:TicketNotFound><ns1:code>404</ns1:code><ns1:ticketId>7</ns1:ticketId><ns1:hint>no such ticket</ns1:hint></ns1:TicketNotFound>`
    const first = await ask(running, envelope(getTicket('7')))
    expect(first.status).toBe(500)
    expect(first.text).toContain(
      `<faultcode>s:Server</faultcode><faultstring>Ticket not found</faultstring><detail>${detail}</detail>`,
    )
    const second = await ask(running, envelope(getTicket('7'), { uri: soap12 }))
    expect(second.status).toBe(500)
    expect(second.text).toContain(`<s:Detail>${detail}</s:Detail>`)
  })
})

describe('values', () => {
  test.each(['12abc', '', '0x1', '12345678901234567890'])(
    'that the schema refuses (%s as xsd:long) are a Client fault, never another number',
    async (id) => {
      await using running = await serve()
      const { status, text, drafts } = await ask(running, envelope(getTicket(id)))
      expect([status, drafts]).toEqual([500, []])
      expect(text).toContain('s:Client')
    },
  )

  test('beyond 2^53 stay what they are', async () => {
    await using running = await serve()
    const { text } = await ask(running, envelope(getTicket('9223372036854775807')))
    expect(text).toContain('<ns1:ticketId>9223372036854775807</ns1:ticketId>')
  })

  test('of an answer that do not fit are our fault, not the caller’s', async () => {
    await using running = await serve({ reply: () => ({ origin: 'backend', data: { ticket: 'x' } }) })
    const { status, text } = await ask(running, envelope(getTicket()))
    expect(status).toBe(500)
    expect(text).toContain('s:Server')
  })
})

describe('one-way', () => {
  const body = `<m:NotifyShipment xmlns:m="${orders}"><m:orderId>1</m:orderId><m:carrier>DHL</m:carrier></m:NotifyShipment>`

  test('is stored as an event and answered 202 without a body (WS-I BP 1.1 R2714)', async () => {
    await using running = await serve()
    const response = await running.post(envelope(body))
    expect([response.status, response.body]).toEqual([202, undefined])
    expect(running.host.drafts).toMatchObject([
      { kind: 'event', type: 'NotifyShipment', data: { orderId: '1', carrier: 'DHL' } },
    ])
  })

  test('that could not be stored is not accepted', async () => {
    await using running = await serve()
    running.host.answer(new GatewayError('STORE_UNAVAILABLE', 'the store is away', { retryAfterMs: 1500 }))
    const response = await running.post(envelope(body))
    expect([response.status, response.headers?.['retry-after']]).toEqual([500, '2'])
    expect(bodyText(response)).toContain('s:Server')
  })
})

test('a WSDL of a URL that is not there keeps no channel from starting: 503 until it is (DESIGN §16 "SOAP")', async () => {
  const text = await fixtureText('wsdl/orders.wsdl')
  let up = false
  let now = 0
  const fetch: typeof globalThis.fetch = async () => {
    if (up) return new Response(text, { headers: { 'content-type': 'text/xml' } })
    throw new GatewayError('BACKEND_FAILED', 'cannot connect', { notExecuted: true })
  }
  await using running = await serve({
    config: { wsdl: 'http://orders.example/orders?wsdl' },
    scope: { fetch, now: () => now },
  })
  const body = envelope(getTicket())
  for (const refused of [await running.post(body), await running.handle({ method: 'GET', query: 'wsdl' })])
    expect(refused).toMatchObject({ status: 503, headers: { 'retry-after': '1' } })
  expect(running.host.drafts).toEqual([])
  up = true
  now += 2000
  expect((await running.post(body)).status).toBe(200)
  expect((await running.handle({ method: 'GET', query: 'wsdl' })).status).toBe(200)
  await expect(serve({ config: { wsdl: '/no/such.wsdl' } })).rejects.toThrow(/no\/such\.wsdl/u)
})

describe('the command to try a channel', () => {
  test('is there whatever the schema has: what it wants and cannot be made up is left out', async () => {
    const text = (await fixtureText('wsdl/orders.wsdl')).replace(
      '<xsd:element name="ticketId" type="xsd:long"/>',
      '<xsd:element name="ticketId" minOccurs="300" maxOccurs="300" type="xsd:long"/>',
    )
    const folder = await files({ 'many.wsdl': text })
    await using running = await serve({
      config: { wsdl: `${folder}/many.wsdl` },
      operations: { GetTicket: { kind: 'request' } },
    })
    expect(running.channel.hint?.('http://127.0.0.1')).toContain('<ns1:ticketId>1</ns1:ticketId>')
  })

  test('says which example of the config does not fit', async () => {
    const operations = { GetTicket: { kind: 'request', example: { b: 1 } } } as const
    await using running = await serve({ operations })
    expect(() => running.channel.hint?.('http://127.0.0.1')).toThrow(
      'operations.GetTicket.example: GetTicket/ticketId: is missing',
    )
  })
})
