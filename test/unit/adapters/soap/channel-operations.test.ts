import { readFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import { GatewayError } from 'dragoman'
import { ask, bodyText, envelope, files, getTicket, normal, serve, wsdl } from './service.ts'

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

  test.each([
    ['a message', 'message', undefined, 200],
    ['a message with an answer', 'message', 'we are on it', 200],
    ['an event', 'event', undefined, 200],
    ['a queued request', 'request', undefined, 202],
  ] as const)(
    '%s that was stored is acknowledged, though the response requires what nobody knows',
    async (_what, kind, text, status) => {
      await using running = await serve({
        config: { wsdl: `${await files({ 'crm.wsdl': strictCrm })}/crm.wsdl` },
        operations: { SubmitTicket: { kind }, File: { kind } },
        reply: () =>
          text === undefined ? undefined : { origin: 'agent', parts: [{ kind: 'text' as const, text }] },
      })
      const body = '<m:SubmitTicket xmlns:m="urn:crm"><m:description>help</m:description></m:SubmitTicket>'
      const response = await running.post(envelope(body))
      expect(response.status).toBe(status)
      expect(normal(response)).toContain('<ns1:SubmitTicketResponse><ns1:id>m1</ns1:id></ns1:')
      const rpc = await running.post(envelope('<m:File xmlns:m="urn:rpc"><what>help</what></m:File>'))
      expect(rpc.status).toBe(status)
      expect(normal(rpc)).toContain('<ns1:FileResponse><id>m2</id></ns1:FileResponse>')
    },
  )

  test('what an acknowledgement does not know is nil where the response requires it and takes nil', async () => {
    const nillable = strictCrm.replace('name="resultCode" type="x:int"', '$& nillable="true"')
    await using running = await serve({
      config: { wsdl: `${await files({ 'crm.wsdl': nillable })}/crm.wsdl` },
      operations: { SubmitTicket: { kind: 'message' } },
      reply: () => undefined,
    })
    const body = '<m:SubmitTicket xmlns:m="urn:crm"><m:description>help</m:description></m:SubmitTicket>'
    expect(bodyText(await running.post(envelope(body)))).toMatch(
      /<ns1:id>m1<\/ns1:id><ns1:resultCode [^>]*:nil="(?:true|1)"\/>/u,
    )
  })

  test('a request whose answer lacks what the response requires is still our fault', async () => {
    await using running = await serve({
      config: { wsdl: `${await files({ 'crm.wsdl': strictCrm })}/crm.wsdl` },
      reply: () => ({ origin: 'backend', data: { id: 'T1' } }),
    })
    const body = '<m:SubmitTicket xmlns:m="urn:crm"><m:description>help</m:description></m:SubmitTicket>'
    expect((await running.post(envelope(body))).status).toBe(500)
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

describe('a name that the WSDL does not have', () => {
  const operations = {
    GetTicket: { kind: 'request' as const },
    getTickets: { kind: 'request' as const },
    Sing: { kind: 'event' as const },
  }

  test('is no start, and each is told with what was probably meant', async () => {
    await expect(serve({ operations })).rejects.toMatchObject({
      code: 'DECODE_FAILED',
      message:
        'the WSDL has no operation "getTickets" (did you mean "GetTicket"?); the WSDL has no operation "Sing"',
    })
  })

  test('does not end what is right where the system was down at the start', async () => {
    const text = await readFile(wsdl('orders'))
    let isDown = true
    const scope = {
      fetch: async () => {
        if (isDown) throw new GatewayError('BACKEND_FAILED', 'nobody is there')
        return new Response(text)
      },
    }
    await using running = await serve({
      config: { wsdl: 'http://orders/?wsdl', imports: [] },
      operations,
      scope,
    })
    isDown = false
    await expect
      .poll(() => ask(running, envelope(getTicket())), { timeout: 5000 })
      .toMatchObject({ status: 200 })
  })

  test.each([
    ['a WSDL of a URL', 'http://orders/?wsdl'],
    ['a file that imports from a URL', 'over.wsdl'],
  ])('is a warning in %s, which `check` cannot read: what is right is served', async (_what, location) => {
    const folder = await files({
      'over.wsdl': `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/"><import location="http://orders/?wsdl"/></definitions>`,
    })
    const text = await readFile(wsdl('orders'))
    const warnings: string[] = []
    await using running = await serve({
      config: { wsdl: location.replace(/^over/u, `${folder}/over`), imports: ['orders'] },
      operations,
      scope: { fetch: async () => new Response(text) },
      warn: (message) => warnings.push(message),
    })
    expect(warnings).toContain(
      'the WSDL has no operation "getTickets" (did you mean "GetTicket"?); the WSDL has no operation "Sing"',
    )
    expect(await ask(running, envelope(getTicket()))).toMatchObject({ status: 200 })
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

/** Its responses require a result code, which no acceptance has. */
const strictCrm = crm
  .replace('<x:element name="sequence" type="x:int"/>', '<x:element name="resultCode" type="x:int"/>')
  .replace(/<x:element name="status".*\n?.*minOccurs="0"\/>/u, '')
  .replace(
    '<portType',
    '<message name="FileIn"><part name="what" type="x:string" xmlns:x="http://www.w3.org/2001/XMLSchema"/></message><message name="FileOut" xmlns:x="http://www.w3.org/2001/XMLSchema"><part name="code" type="x:int"/><part name="id" type="x:string"/></message><portType',
  )
  .replace(
    '</operation></portType>',
    '</operation><operation name="File"><input message="t:FileIn"/><output message="t:FileOut"/></operation></portType>',
  )
  .replace(
    '</operation></binding>',
    '</operation><operation name="File"><s:operation soapAction="" style="rpc"/><input><s:body use="literal" namespace="urn:rpc"/></input><output><s:body use="literal" namespace="urn:rpc"/></output></operation></binding>',
  )
