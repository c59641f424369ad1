// Faults of rpc/encoded services: their detail is a part with a type, and Axis writes it beside the fault.
import type { Fault, Json } from 'dragoman'
import { describe, expect, test } from 'vitest'
import { call, open, wire, xml } from './caller.ts'
import { bodyText, envelope, serve, soap11, soap12, wsdl } from './service.ts'

/** Of a server that was captured, here under the names of `errands-rpcenc.wsdl`. */
async function faultIn(text: string): Promise<Fault | undefined> {
  await using backend = await open(
    { wsdl: wsdl('errands-rpcenc'), endpoint: 'http://x.example/ws' },
    { fetch: wire(() => xml(text, 500)).fetch },
  )
  return (await call(backend, 'run', { s: 'X1' })).fault
}

const axis = (problem: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?><soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><soapenv:Body><soapenv:Fault><faultcode>soapenv:Server.generalException</faultcode><faultstring>axis says</faultstring><detail><ns1:problem href="#id0" xmlns:ns1="urn:example:errands"/><ns2:exceptionName xmlns:ns2="http://xml.apache.org/axis/">errands.Problem</ns2:exceptionName><ns4:hostname xmlns:ns4="http://xml.apache.org/axis/">vm</ns4:hostname></detail></soapenv:Fault><multiRef id="id0" soapenc:root="0" soapenv:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/" xsi:type="ns5:Problem" xmlns:soapenc="http://schemas.xmlsoap.org/soap/encoding/" xmlns:ns5="urn:example:errands:types">${problem}</multiRef></soapenv:Body></soapenv:Envelope>`

const php = (detail: string): string =>
  `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:ns1="urn:example:errands:types" xmlns:ns2="urn:example:errands" xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>SOAP-ENV:Server</faultcode><faultstring>it failed</faultstring><detail>${detail}</detail></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>
`

describe('a fault of a business system', () => {
  test('of Axis 1 has the detail it refers to beside itself (SOAP 1.1 §5.4.1)', async () => {
    const problem =
      '<code xsi:type="xsd:string">X1</code><count xsi:type="xsd:int">2</count><hint xsi:type="xsd:string" xsi:nil="true"/>'
    expect(await faultIn(axis(problem))).toEqual({
      code: 'Server.generalException',
      message: 'axis says',
      detail: {
        problem: { code: 'X1', count: 2, hint: null },
        exceptionName: 'errands.Problem',
        hostname: 'vm',
      },
    })
  })

  test('of PHP is read by the type of its part, which names its entry (WSDL 1.1 §3.6)', async () => {
    const problem =
      '<ns2:problem xsi:type="ns1:Problem"><code xsi:type="xsd:string">X1</code><count>2</count><hint xsi:nil="true"/></ns2:problem>'
    expect((await faultIn(php(problem)))?.detail).toEqual({ problem: { code: 'X1', count: 2, hint: null } })
    expect((await faultIn(php('<problem><code>X1</code><count>2</count></problem>')))?.detail).toEqual({
      problem: { code: 'X1', count: 2 },
    })
  })

  test('that does not fit its type is told untyped: the fault matters more', async () => {
    expect(await faultIn(php('<ns2:problem><count>two</count></ns2:problem>'))).toEqual({
      code: 'Server',
      message: 'it failed',
      detail: { problem: { count: 'two' } },
    })
  })

  test('whose detail leads back to itself is told without it', async () => {
    expect(await faultIn(axis('<code xsi:type="xsd:string">X1</code><self href="#id0"/>'))).toMatchObject({
      message: 'axis says',
      detail: { exceptionName: 'errands.Problem' },
    })
  })
})

describe('a fault for a caller', () => {
  const ask = async (detail: Json, uri: string): Promise<string> => {
    await using running = await serve({
      config: { wsdl: wsdl('errands-rpcenc') },
      reply: () => ({ origin: 'backend', fault: { code: 'Server', message: 'it failed', detail } }),
    })
    const body = '<m:run xmlns:m="urn:example:errands"><s>X1</s></m:run>'
    return bodyText(await running.post(envelope(body, { uri })))
  }
  const members = (attributes: string): string =>
    `<ns1:problem xsi:type="t1:Problem" ${attributes}><code xsi:type="xsd:string">X1</code><count xsi:type="xsd:int">2</count><hint xsi:type="xsd:string" xsi:nil="true"/></ns1:problem>`

  test.each([
    ['1.1', soap11, 'http://schemas.xmlsoap.org/soap/encoding/'],
    ['1.2', soap12, 'http://www.w3.org/2003/05/soap-encoding'],
  ])(
    'says its type, by which a generated client finds its exception (SOAP %s)',
    async (_version, uri, style) => {
      const text = await ask({ problem: { code: 'X1', count: 2, hint: null } }, uri)
      expect(text).toContain(members(`s:encodingStyle="${style}"`))
      expect(text).toContain('xmlns:ns1="urn:example:errands"')
      expect(text).toContain('xmlns:t1="urn:example:errands:types"')
    },
  )

  test('whose detail does not fit its type has it as text', async () => {
    expect(await ask({ problem: { count: 'two' } }, soap11)).toContain(
      '<d:detail>{"problem":{"count":"two"}}</d:detail>',
    )
  })
})
