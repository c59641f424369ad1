// Faults of rpc/encoded services: their detail is a part with a type, and Axis writes it beside the fault.
import type { Fault, Json } from 'dragoman'
import { describe, expect, test } from 'vitest'
import { readXml } from '../../../../adapters/xml/read.ts'
import { childElements } from '../../../../adapters/xml/tree.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { call, open, wire, xml } from './caller.ts'
import { bodyText, envelope, bytesOf, files, serve, soap11, soap12, wsdl } from './service.ts'

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

/** Of no fault that is declared: with the namespace that nothing here could restore. */
const ofAxis = (text: string): Json => ({ '@xmlns': 'http://xml.apache.org/axis/', '#text': text })

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
        exceptionName: ofAxis('errands.Problem'),
        hostname: ofAxis('vm'),
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
      detail: { exceptionName: ofAxis('errands.Problem') },
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

describe('faults declared with one local name in two namespaces', () => {
  const schema = (uri: string, member: string): string =>
    `<x:schema targetNamespace="${uri}" elementFormDefault="qualified"><x:element name="Problem"><x:complexType><x:sequence>
      <x:element name="${member}" type="x:int"/></x:sequence></x:complexType></x:element><x:element name="Do" type="x:string"/></x:schema>`
  const description = `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:t" xmlns:a="urn:a" xmlns:b="urn:b"
      xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"><types>${schema('urn:a', 'code')}${schema('urn:b', 'line')}</types>
    <message name="In"><part name="p" element="a:Do"/></message>
    <message name="FA"><part name="p" element="a:Problem"/></message><message name="FB"><part name="p" element="b:Problem"/></message>
    <portType name="P"><operation name="Do"><input message="t:In"/><output message="t:In"/><fault name="FA" message="t:FA"/><fault name="FB" message="t:FB"/></operation></portType>
    <binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><operation name="Do"><s:operation soapAction=""/>
      <input><s:body use="literal"/></input><output><s:body use="literal"/></output>
      <fault name="FA"><s:fault name="FA" use="literal"/></fault><fault name="FB"><s:fault name="FB" use="literal"/></fault></operation></binding>
    <service name="S"><port name="P" binding="t:B"><s:address location="http://old.example/"/></port></service></definitions>`
  const config = async () => ({ wsdl: `${await files({ 'f.wsdl': description })}/f.wsdl` })
  const told = async (detail: string): Promise<Json | undefined> => {
    const fault = `<s:Fault><faultcode>s:Server</faultcode><faultstring>no</faultstring><detail>${detail}</detail></s:Fault>`
    await using backend = await open(await config(), { fetch: wire(() => xml(envelope(fault), 500)).fetch })
    return (await call(backend, 'Do', 'x')).fault?.detail
  }
  const written = async (detail: Json): Promise<string> => {
    await using running = await serve({
      config: await config(),
      reply: () => ({ origin: 'backend', fault: { code: 'Server', message: 'no', detail } }),
    })
    const { root } = readXml(bytesOf(await running.post(envelope('<Do xmlns="urn:a">x</Do>'))))
    let entry = root
    for (let below = childElements(root).at(-1); below !== undefined; below = childElements(entry).at(-1)) {
      const isDetail = entry.local === 'detail'
      entry = below
      if (isDetail) break
    }
    return writeXmlText(entry).replace(` xmlns:s="${soap11}"`, '') // in scope there
  }

  test.each<[string, string, Json]>([
    [
      'the first has the local name',
      '<ns1:Problem xmlns:ns1="urn:a"><ns1:code>7</ns1:code></ns1:Problem>',
      { Problem: { code: 7 } },
    ],
    [
      'the other its full name',
      '<ns1:Problem xmlns:ns1="urn:b"><ns1:line>7</ns1:line></ns1:Problem>',
      { '{urn:b}Problem': { line: 7 } },
    ],
    [
      'one that nobody declared is none of them',
      '<ns1:Problem xmlns:ns1="urn:c"><ns1:code>x</ns1:code></ns1:Problem>',
      { '{urn:c}Problem': { code: 'x' } },
    ],
    [
      'one of another name says its namespace',
      '<ns1:Trouble xmlns:ns1="urn:c"><ns1:code>x</ns1:code></ns1:Trouble>',
      { Trouble: { '@xmlns': 'urn:c', code: 'x' } },
    ],
    ['one without a namespace has its name', '<Trouble>x</Trouble>', { Trouble: 'x' }],
  ])('are told apart, there and back: %s', async (_what, detail, json) => {
    expect(await told(detail)).toEqual(json)
    expect(await written(json)).toBe(detail)
  })
})
