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
