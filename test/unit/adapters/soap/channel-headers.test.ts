import { describe, expect, test } from 'vitest'
import { ask, bodyText, envelope, getTicket, orders, serve, soap11, soap12, action } from './service.ts'

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

  test("carry the caller's trace, HTTP's first, which is nothing of the business (W3C Trace Context §3.2)", async () => {
    await using running = await serve()
    const [inBlock, inHttp] = ['a', 'b'].map((digit) => `00-${digit.repeat(32)}-${digit.repeat(16)}-01`)
    const header = `<t:traceparent xmlns:t="urn:t"> ${inBlock} </t:traceparent><t:tracestate xmlns:t="urn:t">x=1</t:tracestate>`
    const text = envelope(getTicket(), { header })
    await ask(running, text)
    await ask(running, text, { traceparent: `${inHttp}` })
    await ask(
      running,
      envelope(getTicket(), { header: `<t:traceparent xmlns:t="urn:t">${'0'.repeat(200)}</t:traceparent>` }),
    )
    expect(running.host.drafts.map(({ metadata }) => metadata)).toEqual([
      { traceparent: inBlock },
      { traceparent: inHttp },
      {},
    ])
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

  test('a HEAD is a GET to the channel, so that its Content-Length is the same (RFC 9110 §8.6)', async () => {
    await using running = await serve()
    const show = (method: string) => running.handle({ method, query: 'wsdl', origin: 'http://a' })
    expect(await show('HEAD')).toEqual(await show('GET'))
  })

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

test('an href of the Body brings nothing in from the Header, which a signature over the Body does not cover', async () => {
  await using running = await serve()
  const body = `<m:GetTicket xmlns:m="${orders}"><m:ticketId href="#x"/></m:GetTicket>`
  const asked = await ask(running, envelope(body, { header: '<x:Any xmlns:x="urn:x" id="x">666</x:Any>' }))
  expect(asked).toMatchObject({ status: 500, drafts: [] }) // an empty id, and an attribute nobody declared
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
