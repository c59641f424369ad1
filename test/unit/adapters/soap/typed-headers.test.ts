// Header blocks of rpc/encoded services: declared by a part with a type, not by an element of the schema (WSDL 1.1 §3.7).
import { describe, expect, test } from 'vitest'
import { call, open, wire, xml } from './caller.ts'
import { ask, bodyText, envelope, files, serve, wsdl } from './service.ts'

const errands = { wsdl: wsdl('errands-rpcenc') }
const encodingStyle = 's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'

/** What PHP 8.2's SoapClient sends. */
const request = `<?xml version="1.0" encoding="UTF-8"?>
<SOAP-ENV:Envelope xmlns:SOAP-ENV="http://schemas.xmlsoap.org/soap/envelope/" xmlns:ns1="urn:example:errands" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:SOAP-ENC="http://schemas.xmlsoap.org/soap/encoding/" SOAP-ENV:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><SOAP-ENV:Header><ns1:Session xsi:type="xsd:string" SOAP-ENV:mustUnderstand="1">S-000777</ns1:Session></SOAP-ENV:Header><SOAP-ENV:Body><ns1:run><s xsi:type="xsd:string">x</s></ns1:run></SOAP-ENV:Body></SOAP-ENV:Envelope>
`
const answer = (header: string): string =>
  `<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:n="urn:example:errands"><s:Header>${header}</s:Header><s:Body><n:runResponse><return>x</return></n:runResponse></s:Body></s:Envelope>`

test('a caller’s block is understood and becomes metadata by its type', async () => {
  await using running = await serve({ config: errands, reply: () => ({ origin: 'backend', data: {} }) })
  expect((await ask(running, request)).status).toBe(200)
  expect(running.host.drafts[0]?.metadata).toEqual({ 'soap:Session': '"S-000777"' })
  const unknown = request.replaceAll('ns1:Session', 'ns1:Sessions')
  expect((await ask(running, unknown)).text).toContain('s:MustUnderstand')
})

test('metadata reaches a business system as the block its binding declares, with its type', async () => {
  const { fetch, sent } = wire(() => xml(answer('')))
  await using backend = await open({ ...errands, endpoint: 'http://x.example/ws' }, { fetch })
  await call(backend, 'run', { s: 'x' }, { 'soap:Session': '"S-000777"', 'soap:Other': '"secret"' })
  expect(sent[0]?.text).toContain(
    `<s:Header><ns1:Session xsi:type="xsd:string" ${encodingStyle}>S-000777</ns1:Session></s:Header>`,
  )
  expect(sent[0]?.text).toContain('xmlns:ns1="urn:example:errands"')
})

test('the block of an answer is understood and read by its type', async () => {
  const block = '<n:Quota s:mustUnderstand="1"><left>5</left><unit>call</unit></n:Quota>'
  const { fetch } = wire(() => xml(answer(block)))
  await using backend = await open({ ...errands, endpoint: 'http://x.example/ws' }, { fetch })
  await expect(call(backend, 'run', { s: 'x' })).resolves.toEqual({
    data: { return: 'x' },
    metadata: { 'soap:Quota': '{"left":5,"unit":"call"}' },
  })
})

test('an answer to a caller has it, with its type', async () => {
  await using running = await serve({
    config: errands,
    reply: () => ({ origin: 'backend', data: { return: 'x' }, metadata: { 'soap:Quota': '{"left":5}' } }),
  })
  expect(bodyText(await running.post(request))).toContain(
    `<s:Header><ns1:Quota xsi:type="t1:Quota" ${encodingStyle}><left xsi:type="xsd:int">5</left></ns1:Quota></s:Header>`,
  )
})

describe('blocks declared with one local name in two namespaces', () => {
  const schema = (uri: string, content: string): string =>
    `<x:schema targetNamespace="${uri}" elementFormDefault="qualified"><x:element name="Ctx" ${content}</x:schema>`
  const struct = `><x:complexType><x:sequence><x:element name="u" type="x:string"/></x:sequence></x:complexType></x:element>`
  const headers = `<s:header message="t:H1" part="h" use="literal"/><s:header message="t:H2" part="h" use="literal"/><s:body use="literal"/>`
  const description = `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:t="urn:t" xmlns:a="urn:a" xmlns:b="urn:b"
      xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:t"><types>${schema('urn:a', 'type="x:string"/>')}${schema('urn:b', struct)}
      <x:schema targetNamespace="urn:t"><x:element name="Op" type="x:string"/></x:schema></types>
    <message name="In"><part name="p" element="t:Op"/></message><message name="H1"><part name="h" element="a:Ctx"/></message><message name="H2"><part name="h" element="b:Ctx"/></message>
    <portType name="P"><operation name="Op"><input message="t:In"/><output message="t:In"/></operation></portType>
    <binding name="B" type="t:P"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><operation name="Op"><s:operation soapAction=""/>
      <input>${headers}</input><output>${headers}</output></operation></binding>
    <service name="S"><port name="P" binding="t:B"><s:address location="http://old.example/"/></port></service></definitions>`
  const config = async () => ({ wsdl: `${await files({ 'h.wsdl': description })}/h.wsdl` })
  const body = '<Op xmlns="urn:t">x</Op>'
  const header =
    '<Ctx xmlns="urn:a">one</Ctx><Ctx xmlns="urn:b"><u>two</u></Ctx><Ctx xmlns="urn:c">three</Ctx>'
  const metadata = {
    'soap:Ctx': '"one"',
    'soap:{urn:b}Ctx': '{"u":"two"}',
    'soap:{urn:c}Ctx': '"three"',
  }
  const blocks = ['<ns1:Ctx>one</ns1:Ctx>', '<ns2:Ctx><ns2:u>two</ns2:u></ns2:Ctx>']

  test('are told apart for a caller: the second by its full name, and so is one that nobody declared', async () => {
    await using running = await serve({
      config: await config(),
      reply: () => ({ origin: 'backend', data: 'x', metadata }),
    })
    const text = bodyText(await running.post(envelope(body, { header })))
    expect(running.host.drafts[0]?.metadata).toEqual(metadata)
    for (const block of blocks) expect(text).toContain(block)
    expect(text).not.toContain('three')
  })

  test('are told apart for a business system, which gets those its binding declares', async () => {
    const { fetch, sent } = wire(() => xml(envelope(body, { header })))
    await using backend = await open(await config(), { fetch })
    expect((await call(backend, 'Op', 'x', metadata)).metadata).toEqual(metadata)
    for (const block of blocks) expect(sent[0]?.text).toContain(block)
    expect(sent[0]?.text).not.toContain('three')
  })
})
