import { describe, expect, test } from 'vitest'
import { bodyText, envelope, files, normal, serve, type Running } from './service.ts'

/** Two services in one WSDL: a bare document port, an rpc port, and operations that share a body or have none. */
const mixed = `<w:definitions xmlns:w="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:s12="http://schemas.xmlsoap.org/wsdl/soap12/"
    xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:m" targetNamespace="urn:m">
  <w:types><x:schema targetNamespace="urn:m">
    <x:element name="Number" type="x:string"/><x:element name="Answer" type="x:string"/>
    <x:element name="Empty"><x:complexType/></x:element>
  </x:schema></w:types>
  <w:message name="Number"><w:part name="p" element="t:Number"/></w:message>
  <w:message name="Answer"><w:part name="p" element="t:Answer"/></w:message>
  <w:message name="Nothing"/>
  <w:message name="Add"><w:part name="a" type="x:int"/><w:part name="b" type="x:int"/></w:message>
  <w:message name="Sum"><w:part name="return" type="x:int"/></w:message>
  <w:message name="Bad"><w:part name="p" type="x:string"/></w:message>
  <w:portType name="Bare">
    <w:operation name="Look"><w:input message="t:Number"/><w:output message="t:Answer"/></w:operation>
    <w:operation name="Touch"><w:input message="t:Number"/><w:output message="t:Answer"/></w:operation>
    <w:operation name="Ping"><w:input message="t:Nothing"/><w:output message="t:Answer"/></w:operation>
    <w:operation name="Odd"><w:input message="t:Bad"/></w:operation>
  </w:portType>
  <w:portType name="Rpc"><w:operation name="Add"><w:input message="t:Add"/><w:output message="t:Sum"/></w:operation></w:portType>
  <w:binding name="Bare" type="t:Bare"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>
    <w:operation name="Look"><s:operation soapAction="urn:look"/><w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation>
    <w:operation name="Touch"><s:operation soapAction="urn:touch"/><w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation>
    <w:operation name="Ping"><s:operation soapAction="urn:ping"/><w:input><s:body use="literal"/></w:input><w:output><s:body use="literal"/></w:output></w:operation>
    <w:operation name="Odd"><s:operation soapAction="urn:odd"/><w:input><s:body use="literal"/></w:input></w:operation>
  </w:binding>
  <w:binding name="Rpc" type="t:Rpc"><s12:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>
    <w:operation name="Add"><s12:operation soapAction="urn:add"/><w:input><s12:body use="literal" namespace="urn:rpc"/></w:input><w:output><s12:body use="literal" namespace="urn:rpc"/></w:output></w:operation>
  </w:binding>
  <w:service name="One"><w:port name="Bare" binding="t:Bare"><s:address location="http://old/1"/></w:port></w:service>
  <w:service name="Two"><w:port name="Rpc" binding="t:Rpc"><s12:address location="http://old/2"/></w:port></w:service>
</w:definitions>`

const reply = () => ({ origin: 'backend' as const, data: 'seen' })

async function open(
  config: object = {},
  answer: () => { origin: 'backend'; data: string | object } | undefined = reply,
): Promise<Running> {
  const folder = await files({ 'mixed.wsdl': mixed })
  return serve({
    config: { wsdl: `${folder}/mixed.wsdl`, ...config },
    reply: answer as () => ReturnType<typeof reply> | undefined,
  }) // data of any shape, as backends send it
}

const number = '<t:Number xmlns:t="urn:m">007</t:Number>'

describe('several ports in one WSDL', () => {
  test('are served on one path: bare documents and rpc, each in its own form', async () => {
    await using running = await open()
    const bare = await running.post(envelope(number), { soapaction: '"urn:look"' })
    expect(normal(bare)).toContain('<ns1:Answer>seen</ns1:Answer>')
    await using rpc = await open({}, () => ({ origin: 'backend', data: { return: 5 } }))
    const sum = await rpc.post(envelope('<r:Add xmlns:r="urn:rpc"><a>2</a><b>3</b></r:Add>'))
    expect(normal(sum)).toContain('<ns1:AddResponse><return>5</return></ns1:AddResponse>')
    expect([...running.host.drafts, ...rpc.host.drafts].map(({ type, data }) => [type, data])).toEqual([
      ['Look', '007'],
      ['Add', { a: 2, b: 3 }],
    ])
  })

  test('can be cut to one', async () => {
    await using running = await open({ service: 'Two' })
    expect((await running.post(envelope(number), { soapaction: '"urn:look"' })).status).toBe(500)
    expect((await running.post(envelope('<r:Add xmlns:r="urn:rpc"><a>2</a><b>3</b></r:Add>'))).status).toBe(
      500,
    ) // its answer is no number
    expect(running.host.drafts.map(({ type }) => type)).toEqual(['Add'])
  })
})

describe('operations with one body', () => {
  test('are told apart by the action', async () => {
    await using running = await open()
    await running.post(envelope(number), { soapaction: '"urn:touch"' })
    expect(running.host.drafts.map(({ type }) => type)).toEqual(['Touch'])
  })

  test('and no action are refused: guessing might run the wrong one', async () => {
    await using running = await open()
    const response = await running.post(envelope(number))
    expect([response.status, running.host.drafts]).toEqual([500, []])
    expect(bodyText(response)).toContain('Look, Touch')
  })
})

test('an empty Body is the operation whose message has no part', async () => {
  await using running = await open()
  expect((await running.post(envelope(''))).status).toBe(200)
  expect(running.host.drafts).toMatchObject([{ type: 'Ping', data: {} }])
})

test('rpc parts that are missing in an answer are our fault (WS-I BP 1.1 R2211)', async () => {
  await using running = await open({}, () => ({ origin: 'backend', data: {} }))
  const response = await running.post(envelope('<r:Add xmlns:r="urn:rpc"><a>2</a><b>3</b></r:Add>'))
  expect([response.status, bodyText(response)]).toEqual([500, expect.stringContaining('s:Server')])
})

test('a request without a reply was queued: 202 with what is known', async () => {
  await using running = await open({}, () => undefined)
  const response = await running.post(envelope(number), { soapaction: '"urn:look"' })
  expect([response.status, response.carries]).toEqual([202, undefined])
  expect(normal(response)).toContain('<ns1:Answer>m1</ns1:Answer>')
})

test('without a WSDL a schema gives types and lists', async () => {
  const schema = `<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:o" elementFormDefault="qualified">
    <x:element name="Get"><x:complexType><x:sequence><x:element name="count" type="x:int"/><x:element name="line" type="x:string" maxOccurs="9"/></x:sequence></x:complexType></x:element>
    <x:element name="GetResponse"><x:complexType><x:sequence><x:element name="line" type="x:decimal" minOccurs="0" maxOccurs="9"/></x:sequence></x:complexType></x:element></x:schema>`
  const folder = await files({ 'o.xsd': schema })
  await using running = await serve({
    config: { wsdl: undefined, schema: `${folder}/o.xsd` },
    operations: { Get: { kind: 'request' } },
    reply: () => ({ origin: 'backend', data: { line: ['1.10'] } }),
  })
  const response = await running.post(envelope('<Get xmlns="urn:o"><count>3</count><line>a</line></Get>'))
  expect(running.host.drafts).toMatchObject([{ data: { count: 3, line: ['a'] } }])
  expect(normal(response)).toContain('<ns1:GetResponse><ns1:line>1.10</ns1:line></ns1:GetResponse>')
  const wrong = await running.post(envelope('<Get xmlns="urn:o"><count>x</count><line>a</line></Get>'))
  expect(wrong.status).toBe(500)
})
