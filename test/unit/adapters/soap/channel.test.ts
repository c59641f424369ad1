import { gzipSync } from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import { testChannel } from 'dragoman/testing'
import adapter from '../../../../adapters/soap/index.ts'
import {
  bodyText,
  envelope,
  files,
  getTicket,
  normal,
  orders,
  serve,
  soap11,
  soap12,
  wsdl,
  type Running,
} from './service.ts'

const action = (name: string): Record<string, string> => ({ soapaction: `"${orders}/${name}"` })

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

async function ask(running: Running, body: string, headers: Record<string, string> = {}) {
  const response = await running.post(body, headers)
  return {
    status: response.status,
    text: bodyText(response),
    drafts: running.host.drafts.map(({ type }) => type),
  }
}

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
    const nil = `<m:WhoAmI xmlns:m="${orders}" xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>`
    expect(await ask(running, envelope(nil))).toMatchObject({ status: 200, drafts: ['WhoAmI'] })
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

  test('another media type is 415 (R1115), case does not matter', async () => {
    await using running = await serve()
    expect((await running.post(envelope(getTicket()), { 'content-type': 'application/json' })).status).toBe(
      415,
    )
    expect(
      (await running.post(envelope(getTicket()), { 'content-type': 'TEXT/XML;CHARSET="UTF-8"' })).status,
    ).toBe(200)
  })

  test('gzip is read, its bomb is 413, other codings are 415, a broken one is 400', async () => {
    await using running = await serve()
    const post = async (body: Uint8Array, coding: string): Promise<number> =>
      (await running.post(body, { 'content-encoding': coding })).status
    expect(await post(gzipSync(envelope(getTicket())), 'gzip')).toBe(200)
    expect(await post(gzipSync(Buffer.alloc(3_000_000)), 'gzip')).toBe(413)
    expect(await post(gzipSync(envelope(getTicket())), 'zstd')).toBe(415)
    expect(await post(gzipSync(envelope(getTicket())).subarray(0, 30), 'gzip')).toBe(400)
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

describe('headers', () => {
  const block = (attributes: string, uri = soap11) =>
    envelope(getTicket(), { uri, header: `<x:Tx xmlns:x="urn:x" ${attributes}>5</x:Tx>` })

  test('that must be understood and are not stop everything', async () => {
    await using running = await serve()
    expect(await ask(running, block('s:mustUnderstand="1"'))).toMatchObject({
      status: 500,
      drafts: [],
      text: expect.stringContaining('s:MustUnderstand'),
    })
    const second = await ask(running, block('s:mustUnderstand="true"', soap12))
    expect(second).toMatchObject({ status: 500, drafts: [] })
    expect(second.text).toMatch(/NotUnderstood qname="q:Tx"/u)
    expect(second.text).toContain('xmlns:q="urn:x"')
  })

  test('for another actor, or named in understand, do not', async () => {
    await using running = await serve({ config: { understand: ['{urn:x}*'] } })
    expect((await ask(running, block('s:mustUnderstand="1" s:actor="urn:other"'))).status).toBe(200)
    expect((await ask(running, block('s:mustUnderstand="1"'))).status).toBe(200)
    expect(running.host.drafts.map(({ metadata }) => metadata)).toEqual([{}, { 'soap:Tx': '"5"' }])
  })

  test('become metadata by their schema, and answers have the blocks their binding declares', async () => {
    await using running = await serve()
    const header = `<m:AuthHeader xmlns:m="${orders}" s:mustUnderstand="1"><m:user>alice</m:user><m:token>t0k</m:token></m:AuthHeader>`
    const { text } = await ask(running, envelope(`<m:WhoAmI xmlns:m="${orders}"/>`, { header }))
    expect(running.host.drafts[0]?.metadata).toEqual({ 'soap:AuthHeader': '{"user":"alice","token":"t0k"}' })
    expect(text).toContain(
      '<s:Header><ns1:SessionHeader><ns1:sessionId>S-000042</ns1:sessionId></ns1:SessionHeader></s:Header>',
    )
    expect(text).toContain('<ns1:user>alice</ns1:user>')
  })

  test('mark an answer that is stale, in the envelope and in HTTP', async () => {
    const asOf = '2026-01-01T00:00:00.000Z'
    await using running = await serve({
      scope: { now: () => Date.parse(asOf) + 90_000 },
      reply: () => ({ origin: 'cache', stale: true, asOf, data: { user: 'x' } }),
    })
    const response = await running.post(envelope(`<m:WhoAmI xmlns:m="${orders}"/>`))
    expect(bodyText(response)).toContain(`<d:Stale asOf="${asOf}"/>`)
    expect(response.headers).toMatchObject({ age: '90', 'cache-status': 'dragoman; hit; detail=stale' })
  })
})

describe('WS-Addressing', () => {
  const wsa = 'http://www.w3.org/2005/08/addressing'
  const addressed = (inner: string, uri = wsa) =>
    envelope(getTicket(), {
      header: inner.replaceAll('<w:', `<w:`).replaceAll(/<w:(\w+)/gu, `<w:$1 xmlns:w="${uri}"`),
    })
  const id = 'urn:uuid:f3c5603f-dd09-4f21-b666-0dbf9ab05413'

  test.each([wsa, 'http://schemas.xmlsoap.org/ws/2004/08/addressing'])(
    'of %s: the MessageID is the id of the message, the answer relates to it',
    async (uri) => {
      await using running = await serve()
      const header = `<w:Action s:mustUnderstand="1">${orders}/GetTicket</w:Action><w:MessageID>${id}</w:MessageID><w:To s:mustUnderstand="1">http://x/</w:To>`
      const { status, text } = await ask(running, addressed(header, uri))
      expect(status).toBe(200)
      expect(running.host.drafts[0]).toMatchObject({ externalId: id, metadata: {} })
      expect(text).toMatch(
        new RegExp(`Action>urn:example:orders:v1:OrderPortType:GetTicketResponse<.*RelatesTo>${id}<`, 'u'),
      )
      expect(text).toContain(`="${uri}"`)
    },
  )

  test('with another address for the answer is refused, and nobody is dialled (SOAP Binding §5.1)', async () => {
    let dialled = 0
    const fetch = (): Promise<Response> => Promise.reject(new Error(String(++dialled)))
    await using running = await serve({ scope: { fetch } })
    for (const name of ['ReplyTo', 'FaultTo']) {
      const { status, text } = await ask(
        running,
        addressed(`<w:${name}><w:Address>http://169.254.169.254/</w:Address></w:${name}>`),
      )
      expect(status).toBe(500)
      expect(text).toMatch(/s:Client.*not anonymous/u)
    }
    const fine = await ask(
      running,
      addressed(`<w:ReplyTo><w:Address>${wsa}/anonymous</w:Address></w:ReplyTo>`),
    )
    expect([fine.status, dialled]).toEqual([200, 0])
  })

  test('with an Action of another operation is refused', async () => {
    await using running = await serve()
    expect(await ask(running, addressed(`<w:Action>${orders}/CreateOrder</w:Action>`))).toMatchObject({
      status: 500,
      drafts: [],
    })
  })
})

describe('the description', () => {
  test.each(['wsdl', 'WSDL', 'wsdl=orders.wsdl'])(
    'is at ?%s with our address in every port',
    async (query) => {
      await using running = await serve()
      const response = await running.handle({ method: 'GET', query, origin: 'https://desk.example.com' })
      expect([response.status, response.headers?.['content-type']]).toEqual([200, 'text/xml; charset=utf-8'])
      const text = bodyText(response)
      expect(text.match(/location="https:\/\/desk\.example\.com\/orders"/gu)).toHaveLength(2)
      expect(text).not.toContain('__ENDPOINT__')
    },
  )

  test('has nothing else to show', async () => {
    await using running = await serve()
    expect((await running.handle({ method: 'GET', query: 'xsd=../../etc/passwd' })).status).toBe(404)
  })

  test('gives a command to paste that works', async () => {
    await using running = await serve({
      operations: { GetTicket: { kind: 'request', example: { ticketId: '1' } } },
    })
    const command = running.channel.hint?.('http://127.0.0.1:8080') ?? ''
    expect(command).toContain(`'http://127.0.0.1:8080/orders'`)
    expect(command).toContain(`'SOAPAction: "${orders}/GetTicket"'`)
    const body = /-d '(.*)'$/su.exec(command)?.[1] ?? ''
    expect((await running.post(body, action('GetTicket'))).status).toBe(200)
  })

  test('gives one by the schema where no example is configured', async () => {
    await using running = await serve()
    const body = /-d '(.*)'$/su.exec(running.channel.hint?.('http://x') ?? '')?.[1] ?? ''
    expect((await running.post(body)).status).toBe(200)
    expect(running.host.drafts).toMatchObject([{ type: 'CreateOrder' }])
  })
})

describe('charsets and text', () => {
  test('a caller in GBK is answered in GBK, one in UTF-16 in UTF-8, the parameter before the declaration (RFC 7303)', async () => {
    await using running = await serve({ reply: () => ({ origin: 'backend', data: { user: '中文' } }) })
    const body = envelope(`<m:WhoAmI xmlns:m="${orders}"/>`)
    const gbk = await running.post(`<?xml version="1.0" encoding="GBK"?>${body}`, {
      'content-type': 'text/xml',
    })
    expect(gbk.headers?.['content-type']).toBe('text/xml; charset=gbk')
    expect(
      new TextDecoder('gbk').decode(gbk.body instanceof Uint8Array ? gbk.body : new Uint8Array()),
    ).toContain('中文')
    const wide = await running.post(Buffer.from(`\uFEFF${body}`, 'utf16le'), {
      'content-type': 'text/xml; charset=utf-16',
    })
    expect(wide.headers?.['content-type']).toBe('text/xml; charset=utf-8')
  })

  test('references to surrogates are joined (Axis 1), unless the config refuses them', async () => {
    const body = envelope(
      `<m:AddComment xmlns:m="${orders}"><m:ticketId>1</m:ticketId><m:comment>&#xd83d;&#xde00;</m:comment></m:AddComment>`,
    )
    await using tolerant = await serve()
    await ask(tolerant, body)
    expect(tolerant.host.drafts).toMatchObject([{ data: { comment: '😀' } }])
    await using strict = await serve({ config: { tolerateSurrogateRefs: false } })
    expect((await ask(strict, body)).status).toBe(500)
  })
})

describe('operations of the config', () => {
  test('make a message of a request; the response is filled from its reply, or from what is known', async () => {
    const folder = await files({ 'crm.wsdl': crm })
    const operations = { SubmitTicket: { kind: 'message' as const } }
    const body = envelope(
      '<m:SubmitTicket xmlns:m="urn:crm"><m:description>help</m:description></m:SubmitTicket>',
    )
    await using running = await serve({
      config: { wsdl: `${folder}/crm.wsdl`, waitMs: 50 },
      operations,
      reply: () => undefined,
    })
    const response = await running.post(body)
    expect(response.status).toBe(200)
    expect(normal(response)).toContain(
      '<ns1:id>m1</ns1:id><ns1:sequence>1</ns1:sequence><ns1:status>accepted</ns1:status>',
    )
    expect(running.host.drafts).toMatchObject([
      { kind: 'message', type: 'SubmitTicket', data: { description: 'help' } },
    ])
    await using answered = await serve({
      config: { wsdl: `${folder}/crm.wsdl` },
      operations,
      reply: () => ({ origin: 'agent', parts: [{ kind: 'text', text: 'we are on it' }] }),
    })
    const second = await answered.post(body)
    expect(normal(second)).toContain('<ns1:status>answered</ns1:status><ns1:text>we are on it</ns1:text>')
    expect(second.carries).toBe('m1')
  })

  test('are all there is: another operation of the WSDL is refused', async () => {
    await using running = await serve({ operations: { WhoAmI: { kind: 'request' } } })
    expect(await ask(running, envelope(getTicket()))).toMatchObject({
      status: 500,
      drafts: [],
      text: expect.stringContaining('not offered'),
    })
  })
})

describe('without a WSDL', () => {
  const operations = { GetOrder: { kind: 'request' as const }, Say: { kind: 'message' as const } }
  const open = { wsdl: undefined, lists: ['GetOrder/line'], types: { 'GetOrder/count': 'int' } }

  test('any body of an operation is taken, typed and listed by the config', async () => {
    await using running = await serve({
      config: open,
      operations,
      reply: () => ({ origin: 'backend', data: { state: 'open', no: '007' } }),
    })
    const body = envelope(
      '<o:GetOrder xmlns:o="urn:o"><o:no>007</o:no><o:count>3</o:count><o:line>a</o:line></o:GetOrder>',
    )
    const response = await running.post(body)
    expect(running.host.drafts).toMatchObject([
      { type: 'GetOrder', data: { no: '007', count: 3, line: ['a'] } },
    ])
    expect(normal(response)).toContain(
      '<ns1:GetOrderResponse><ns1:state>open</ns1:state><ns1:no>007</ns1:no></ns1:GetOrderResponse>',
    )
  })

  test('members of the answer are unqualified where those of the request were', async () => {
    await using running = await serve({
      config: open,
      operations,
      reply: () => ({ origin: 'backend', data: { state: 'open' } }),
    })
    const response = await running.post(envelope('<o:GetOrder xmlns:o="urn:o"><no>7</no></o:GetOrder>'))
    expect(normal(response)).toMatch(/GetOrderResponse><state>open<\/state>/u)
  })

  test('a message is acknowledged with its id', async () => {
    await using running = await serve({ config: open, operations, reply: () => undefined })
    expect(
      normal(await running.post(envelope('<o:Say xmlns:o="urn:o"><o:text>hi</o:text></o:Say>'))),
    ).toContain('<ns1:id>m1</ns1:id>')
  })

  test('nothing is served without operations', async () => {
    await expect(serve({ config: { wsdl: undefined } })).rejects.toThrow(/operations must say/u)
  })
})

const crm = `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:crm" targetNamespace="urn:crm">
  <types><x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:crm" elementFormDefault="qualified">
    <x:element name="SubmitTicket"><x:complexType><x:sequence><x:element name="description" type="x:string"/></x:sequence></x:complexType></x:element>
    <x:element name="SubmitTicketResponse"><x:complexType><x:sequence><x:element name="id" type="x:string"/><x:element name="sequence" type="x:int"/>
      <x:element name="status" type="x:string"/><x:element name="text" type="x:string" minOccurs="0"/></x:sequence></x:complexType></x:element>
  </x:schema></types>
  <message name="In"><part name="p" element="t:SubmitTicket"/></message><message name="Out"><part name="p" element="t:SubmitTicketResponse"/></message>
  <portType name="P"><operation name="SubmitTicket"><input message="t:In"/><output message="t:Out"/></operation></portType>
  <binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <operation name="SubmitTicket"><s:operation soapAction=""/><input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation></binding>
  <service name="S"><port name="P" binding="t:B"><s:address location="http://old/"/></port></service>
</definitions>`
