// WSDLs in which one name means several operations: none of them may be run for another.
import { describe, expect, test } from 'vitest'
import { loadDocuments } from '../../../../adapters/soap/documents.ts'
import { readWsdl } from '../../../../adapters/soap/wsdl.ts'
import { call, open, wire, xml } from './caller.ts'
import { bodyText, envelope, files, serve } from './service.ts'

const head = `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:soap="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:s12="http://schemas.xmlsoap.org/wsdl/soap12/"
  xmlns:t="urn:s" xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:a="urn:a" xmlns:b="urn:b" targetNamespace="urn:s">`

const getElement = (uri: string): string =>
  `<xsd:schema targetNamespace="${uri}" elementFormDefault="qualified"><xsd:element name="Get" type="xsd:string"/><xsd:element name="Got" type="xsd:string"/></xsd:schema>`
const getPart = (prefix: string): string =>
  `<message name="${prefix}In"><part name="p" element="${prefix}:Get"/></message><message name="${prefix}Out"><part name="p" element="${prefix}:Got"/></message>
   <portType name="P${prefix}"><operation name="Get"><input message="t:${prefix}In"/><output message="t:${prefix}Out"/></operation></portType>`
const getBinding = (prefix: string, soap = 'soap'): string =>
  `<binding name="${soap}${prefix}" type="t:P${prefix}"><${soap}:binding transport="http://schemas.xmlsoap.org/soap/http"/>
   <operation name="Get"><${soap}:operation soapAction="urn:Get"/><input><${soap}:body use="literal"/></input><output><${soap}:body use="literal"/></output></operation></binding>`
const port = (name: string, binding: string, soap = 'soap'): string =>
  `<port name="${name}" binding="t:${binding}"><${soap}:address location="http://old.example/${name}"/></port>`

/** Get of {urn:a} and Get of {urn:b}, around these services. */
const two = (services: string): string =>
  `${head}<types>${getElement('urn:a')}${getElement('urn:b')}</types>${getPart('a')}${getPart('b')}
   ${getBinding('a')}${getBinding('a', 's12')}${getBinding('b')}${services}</definitions>`
const inServices = two(
  `<service name="Sa">${port('pa', 'soapa')}</service><service name="Sb">${port('pb', 'soapb')}</service>`,
)
const inPorts = two(`<service name="S">${port('pa', 'soapa')}${port('pb', 'soapb')}</service>`)
const inVersions = two(`<service name="S">${port('pa', 'soapa')}${port('pa12', 's12a', 's12')}</service>`)

/** Refund(id) and Refund(id, max) of one port type; `named`: the binding says which is which. */
const overloaded = (named: boolean): string => {
  const bound = (name: string): string =>
    `<operation name="Refund"><soap:operation soapAction="urn:${name}"/><input${named ? ` name="${name}"` : ''}><soap:body use="literal" namespace="urn:o"/></input><output><soap:body use="literal" namespace="urn:o"/></output></operation>`
  return `${head}<message name="one"><part name="id" type="xsd:string"/></message><message name="two"><part name="id" type="xsd:string"/><part name="max" type="xsd:int"/></message>
    <message name="done"><part name="return" type="xsd:string"/></message>
    <portType name="P"><operation name="Refund"><input name="r1" message="t:one"/><output message="t:done"/></operation><operation name="Refund"><input name="r2" message="t:two"/><output message="t:done"/></operation></portType>
    <binding name="B" type="t:P"><soap:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>${bound('r1')}${bound('r2')}</binding>
    <service name="S">${port('p', 'B')}</service></definitions>`
}

async function file(text: string): Promise<string> {
  return `${await files({ 's.wsdl': text })}/s.wsdl`
}

const got = (uri: string): Response => xml(envelope(`<Got xmlns="${uri}">x</Got>`))
const get = (uri: string): string => envelope(`<Get xmlns="${uri}">7</Get>`)
const refund = envelope('<o:Refund xmlns:o="urn:o"><id>7</id><max>5</max></o:Refund>')
const reply = () => ({ origin: 'backend' as const, data: 'x' })

describe('a name of several operations', () => {
  test.each([
    [
      'of two services',
      inServices,
      'Get',
      'operation "Get" stands in the services Sa and Sb: name one as `service`',
    ],
    ['of two ports', inPorts, 'Get', 'operation "Get" stands in the ports pa and pb: name one as `port`'],
    [
      'overloaded',
      overloaded(true),
      'Refund',
      'operation "Refund" stands several times in port "p", and its overloads cannot be told apart',
    ],
    [
      'overloaded without names',
      overloaded(false),
      'Refund',
      'operation "Refund" stands several times in port "p", and its overloads cannot be told apart',
    ],
  ])('%s is not called: it might be the wrong one', async (_what, text, operation, why) => {
    const { fetch, sent } = wire(() => got('urn:a'))
    const wsdl = await file(text)
    await using backend = await open({ wsdl }, { fetch })
    await expect(call(backend, operation, { id: '7', max: 5 })).rejects.toMatchObject({
      code: 'NO_ROUTE',
      cause: { message: why },
    })
    expect(sent).toEqual([])
    expect(readWsdl(await loadDocuments(wsdl, { fetch, imports: [] })).left).toEqual([why]) // told at the start
  })

  test.each([
    ['of two services', inServices, get('urn:b'), '"urn:Get"'],
    ['of two ports', inPorts, get('urn:a'), '"urn:Get"'],
    ['overloaded', overloaded(true), refund, '"urn:r2"'],
  ])('%s is not taken from a caller either', async (_what, text, body, soapaction) => {
    await using running = await serve({ config: { wsdl: await file(text) }, reply })
    const response = await running.post(body, { soapaction })
    expect([response.status, running.host.drafts]).toEqual([500, []])
    expect(bodyText(response)).toContain('is not offered here: several operations have this name')
  })
})

test('naming the service or the port tells which operation is meant', async () => {
  for (const config of [
    { wsdl: await file(inServices), service: 'Sb' },
    { wsdl: await file(inPorts), port: 'pb' },
  ]) {
    const { fetch, sent } = wire(() => got('urn:b'))
    await using backend = await open(config, { fetch })
    await expect(call(backend, 'Get', '7')).resolves.toEqual({ data: 'x' })
    expect(sent[0]).toMatchObject({ url: 'http://old.example/pb', text: expect.stringContaining('"urn:b"') })
    await using running = await serve({ config, reply })
    expect((await running.post(get('urn:b'))).status).toBe(200)
    expect((await running.post(get('urn:a'))).status).toBe(500)
  }
})

test('an operation of one port type in SOAP 1.1 and 1.2 is one operation', async () => {
  const wsdl = await file(inVersions)
  const { fetch, sent } = wire(() => got('urn:a'))
  await using backend = await open({ wsdl }, { fetch })
  await expect(call(backend, 'Get', '7')).resolves.toEqual({ data: 'x' })
  expect(sent).toHaveLength(1)
  await using running = await serve({ config: { wsdl }, reply })
  expect((await running.post(get('urn:a'))).status).toBe(200)
})
