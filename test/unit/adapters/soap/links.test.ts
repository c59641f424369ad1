// href and id as a document of its own has them: links between its parts, which are no references of SOAP encoding.
import type { Json } from 'dragoman'
import { describe, expect, test } from 'vitest'
import { call, open, wire, xml } from './caller.ts'
import { bodyText, envelope, files, serve } from './service.ts'

const ns = 'urn:example:book'
const folder = await files({
  'book.wsdl': `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:b="${ns}" xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="${ns}">
  <types><x:schema targetNamespace="${ns}" elementFormDefault="qualified">
    <x:complexType name="Link"><x:attribute name="href" type="x:string"/><x:attribute name="rel" type="x:string"/></x:complexType>
    <x:complexType name="Section"><x:sequence><x:element name="title" type="x:string"/><x:element name="link" type="b:Link" minOccurs="0" maxOccurs="unbounded"/></x:sequence><x:attribute name="id" type="x:string"/></x:complexType>
    <x:complexType name="Book"><x:sequence><x:element name="section" type="b:Section" maxOccurs="unbounded"/><x:any namespace="##other" processContents="lax" minOccurs="0"/></x:sequence></x:complexType>
    <x:element name="Put" type="b:Book"/><x:element name="PutResponse" type="b:Book"/>
  </x:schema></types>
  <message name="in"><part name="p" element="b:Put"/></message><message name="out"><part name="p" element="b:PutResponse"/></message>
  <portType name="p"><operation name="Put"><input message="b:in"/><output message="b:out"/></operation></portType>
  <binding name="b" type="b:p"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><operation name="Put"><s:operation soapAction=""/><input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation></binding>
  <service name="s"><port name="p" binding="b:b"><s:address location="http://x.example/ws"/></port></service>
</definitions>`,
})
const description = `${folder}/book.wsdl`

/** An object that occurs twice, in literal use: PHP 8.2's SoapServer (SOAP 1.1 and 1.2), gSOAP with SOAP_XML_GRAPH, SOAP::Lite's multirefinplace(1). */
const party = '<x:element name="name" type="x:string"/>'
const people = await files({
  'deal.wsdl': `<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/" xmlns:b="${ns}" xmlns:x="http://www.w3.org/2001/XMLSchema" targetNamespace="${ns}">
  <types><x:schema targetNamespace="${ns}" elementFormDefault="qualified">
    <x:complexType name="Party"><x:sequence>${party}<x:element name="partner" type="b:Party" minOccurs="0"/></x:sequence><x:attribute name="id" type="x:string"/></x:complexType>
    <x:complexType name="Kind"><x:sequence>${party}</x:sequence><x:attribute name="kind" type="x:string"/></x:complexType>
    <x:complexType name="Deal"><x:sequence><x:element name="buyer" type="b:Party"/><x:element name="payer" type="b:Party"/><x:element name="k1" type="b:Kind" minOccurs="0"/><x:element name="k2" type="b:Kind" minOccurs="0"/></x:sequence></x:complexType>
    <x:element name="Put" type="b:Deal"/><x:element name="PutResponse" type="b:Deal"/>
  </x:schema></types>
  <message name="in"><part name="p" element="b:Put"/></message><message name="out"><part name="p" element="b:PutResponse"/></message>
  <message name="rin"><part name="deal" type="b:Deal"/></message><message name="rout"><part name="deal" type="b:Deal"/></message>
  <portType name="p"><operation name="Put"><input message="b:in"/><output message="b:out"/></operation><operation name="Rpc"><input message="b:rin"/><output message="b:rout"/></operation></portType>
  <binding name="b" type="b:p"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/><operation name="Put"><s:operation soapAction=""/><input><s:body use="literal"/></input><output><s:body use="literal"/></output></operation><operation name="Rpc"><s:operation soapAction="" style="rpc"/><input><s:body use="literal" namespace="${ns}"/></input><output><s:body use="literal" namespace="${ns}"/></output></operation></binding>
  <service name="s"><port name="p" binding="b:b"><s:address location="http://x.example/ws"/></port></service>
</definitions>`,
})
const deal = `${people}/deal.wsdl`
const ann = { name: 'Ann' }

const book = (name: string, inner: string, beside = ''): string =>
  envelope(`<b:${name} xmlns:b="${ns}" xmlns="${ns}">${inner}</b:${name}>${beside}`)

async function answered(inner: string, beside?: string): Promise<Json> {
  const reply = book('PutResponse', inner, beside)
  const { fetch } = wire(() => xml(reply))
  await using backend = await open({ wsdl: description }, { fetch })
  return (await call(backend, 'Put', { section: [{ title: 'A' }] })).data ?? null
}

async function asked(inner: string, beside?: string): Promise<unknown> {
  await using running = await serve({
    config: { wsdl: description },
    reply: () => ({ origin: 'backend', data: { section: [{ title: 'done' }] } }),
  })
  const response = await running.post(book('Put', inner, beside))
  return response.status === 200 ? running.host.drafts[0]?.data : bodyText(response)
}

describe.each([
  ['an answer', answered],
  ['a request', asked],
])('in %s in literal use', (_what, read) => {
  test('a link to a part beside it is what was written, and so is the part', async () => {
    const two =
      '<section id="a"><title>A</title><link rel="next" href="#b"/><link href="#b"/></section><section id="b"><title>B</title></section>'
    expect(await read(two)).toEqual({
      section: [
        { '@id': 'a', title: 'A', link: [{ '@href': '#b', '@rel': 'next' }, { '@href': '#b' }] },
        { '@id': 'b', title: 'B', link: [] },
      ],
    })
  })

  test('a link to the part it stands in is no circle', async () => {
    expect(await read('<section id="a"><title>A</title><link rel="self" href="#a"/></section>')).toEqual({
      section: [{ '@id': 'a', title: 'A', link: [{ '@href': '#a', '@rel': 'self' }] }],
    })
  })

  test('a link where anything may stand is data', async () => {
    const page =
      '<div xmlns="http://www.w3.org/1999/xhtml"><h1 id="top">T</h1><a href="#top"/><a href="#top">T</a></div>'
    expect(await read(`<section><title>A</title></section>${page}`)).toMatchObject({
      div: {
        h1: { '@id': 'top', '#text': 'T' },
        a: [{ '@href': '#top' }, { '@href': '#top', '#text': 'T' }],
      },
    })
  })

  test('what Axis writes beside the call, and PHP for the second use of an object, is put in place', async () => {
    const axis = await read(
      '<section href="#id0"/>',
      '<multiRef id="id0"><title xmlns="urn:example:book">M</title></multiRef>',
    )
    expect(axis).toEqual({ section: [{ title: 'M', link: [] }] })
    expect(await read('<section id="ref1"><title>P</title></section><section href="#ref1"/>')).toEqual({
      section: [
        { title: 'P', link: [] },
        { title: 'P', link: [] },
      ],
    })
  })
})

async function dealAnswered(
  inner: string,
  options: { readonly rpc?: boolean; readonly bodyAttributes?: string } = {},
): Promise<Json> {
  const name = options.rpc === true ? 'Rpc' : 'Put'
  const reply = book(`${name}Response`, inner).replace(
    /<(\w+):Body>/,
    `<$1:Body ${options.bodyAttributes ?? ''}>`,
  )
  const { fetch } = wire(() => xml(reply))
  await using backend = await open({ wsdl: deal }, { fetch })
  const params = { buyer: ann, payer: ann }
  return (await call(backend, name, options.rpc === true ? { deal: params } : params)).data ?? null
}

test.each([
  ['PHP', 'C-17', 'C-17'],
  ['PHP where the object has no id', 'ref1', undefined],
  ['gSOAP', '_1', undefined],
  ['SOAP::Lite', 'ref-93934479190688', undefined],
])(
  'an object that %s writes once stands in both places, with the id that is its own',
  async (_who, id, own) => {
    const inner = `<buyer id="${id}"><name>Ann</name></buyer><payer href="#${id}"/><k1 kind="x" id="ref2"><name>Ki</name></k1><k2 href="#ref2"/>`
    const person = own === undefined ? ann : { '@id': own, ...ann }
    const kind = { '@kind': 'x', name: 'Ki' }
    const data = { buyer: person, payer: person, k1: kind, k2: kind }
    expect(await dealAnswered(inner)).toEqual(data)
    expect(
      await dealAnswered(
        `<deal xmlns="">${inner.replaceAll(/<(buyer|payer|k1|k2)/g, `<$1 xmlns="${ns}"`)}</deal>`,
        { rpc: true },
      ),
    ).toEqual({ deal: data })
  },
)

test('what PHP SoapClient sends twice arrives twice', async () => {
  await using running = await serve({
    config: { wsdl: deal },
    reply: () => ({ origin: 'backend', data: { buyer: ann, payer: ann } }),
  })
  const response = await running.post(
    book('Put', '<buyer id="C-17"><name>Ann</name></buyer><payer href="#C-17"/>'),
  )
  expect(bodyText(response)).not.toContain('Fault')
  const person = { '@id': 'C-17', ...ann }
  expect(running.host.drafts[0]?.data).toEqual({ buyer: person, payer: person })
})

test('what an envelope says of its encoding is no data beside a reference', async () => {
  const style =
    'xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" e:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"'
  const inner = (beside: string): string =>
    `<buyer id="_1"><name>Ann</name></buyer><payer ${beside} href="#_1"/>`
  expect(await dealAnswered(inner(''), { bodyAttributes: style })).toEqual({ buyer: ann, payer: ann })
  expect(await dealAnswered(inner(style))).toEqual({ buyer: ann, payer: ann })
})

test('a circle of references is refused, not half an answer', async () => {
  const failed = dealAnswered(
    '<buyer id="ref1"><name>Ann</name><partner href="#ref1"/></buyer><payer href="#ref1"/>',
  )
  await expect(failed).rejects.toThrow('leads back to itself')
  const axis = answered(
    '<section href="#id0"/>',
    '<multiRef id="id0" href="#id1"/><multiRef id="id1" href="#id0"/>',
  )
  await expect(axis).rejects.toThrow('leads back to itself')
})
