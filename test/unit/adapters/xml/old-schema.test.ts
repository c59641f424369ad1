// The XML Schema of 1999 and of October 2000: what stacks of those years say of types and nil, and schemas written in it.
import { expect, test } from 'vitest'
import { toJson } from '../../../../adapters/xml/bind.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { compileSchemas } from '../../../../adapters/xml/schema.ts'
import type { ElementDecl, XmlSchemas } from '../../../../adapters/xml/schema.ts'
import type { XmlElement } from '../../../../adapters/xml/tree.ts'
import { declared, parties, refusal, required, sequence } from './support.ts'

const encoded = { encoded: '1.1' } as const
const olds = ['http://www.w3.org/1999/XMLSchema', 'http://www.w3.org/2000/10/XMLSchema']

const told = (old: string, inner: string): XmlElement =>
  readXmlText(
    inner.replace(
      /^<e/,
      `<e xmlns:xsd="${old}" xmlns:xsi="${old}-instance" xmlns:E="http://schemas.xmlsoap.org/soap/encoding/" xmlns:t="urn:t"`,
    ),
  )

const of = (content: string): ElementDecl => declared(`type="${content}"`, parties)

test.each(olds)('xsi:type and xsi:null of %s are those of 2001', (old) => {
  expect(toJson(told(old, '<e xsi:type="xsd:string">000777</e>'), of('xs:string'), encoded)).toBe('000777')
  expect(toJson(told(old, '<e xsi:null="1"/>'), of('xs:string'), encoded)).toBeNull()
  expect(toJson(told(old, '<e xsi:type="xsd:int" xsi:null="true"/>'), of('xs:anyType'), encoded)).toBeNull()
  expect(toJson(told(old, '<e xsi:null="0">1</e>'), of('xs:int'))).toBe(1)
  expect(
    toJson(told(old, '<e xsi:type="t:Company"><name>a</name><vat>b</vat></e>'), of('t:Party'), encoded),
  ).toEqual({ '@type': 'Company', name: 'a', vat: 'b' })
})

test.each(olds)('types of %s at an open place are known by their names of 2001', (old) => {
  const any = of('xs:anyType')
  expect(toJson(told(old, '<e xsi:type="xsd:int">7</e>'), any, encoded)).toEqual({
    '@type': 'int',
    '#text': 7,
  })
  expect(toJson(told(old, '<e xsi:type="xsd:timeInstant">2024-01-01T00:00:00Z</e>'), any, encoded)).toEqual({
    '@type': 'dateTime',
    '#text': '2024-01-01T00:00:00Z',
  })
  expect(toJson(told(old, '<e xsi:type="xsd:ur-type"><a>1</a></e>'), any, encoded)).toEqual({ a: '1' })
  const list = '<e xsi:type="E:Array" E:arrayType="xsd:ur-type[1]"><i xsi:type="xsd:boolean">1</i></e>'
  expect(toJson(told(old, list), any, encoded)).toEqual([{ '@type': 'boolean', '#text': true }])
})

test.each(olds)('without a schema %s says as little as that of 2001', (old) => {
  const document = '<e><a xsi:type="xsd:int">007</a><b xsi:null="1"/></e>'
  expect(toJson(told(old, document), undefined)).toEqual({ a: '007', b: null })
})

const compiled = (old: string, content: string): XmlSchemas =>
  compileSchemas([
    readXmlText(
      `<xsd:schema xmlns:xsd="${old}" xmlns:t="urn:t" targetNamespace="urn:t" elementFormDefault="qualified">${content}</xsd:schema>`,
    ),
  ])

test.each(olds)('a schema written in %s as one writes it today is taken for one of 2001', (old) => {
  const content = sequence(
    '<xs:element name="a" type="xs:timeInstant"/><xs:element name="b" type="xs:int" maxOccurs="unbounded"/>',
  ).replaceAll('xs:', 'xsd:')
  const schemas = compiled(old, `<xsd:element name="e">${content}</xsd:element>`)
  const document = '<e xmlns="urn:t"><a>2024-01-01T00:00:00Z</a><b>1</b></e>'
  const decl = required(schemas.element({ uri: 'urn:t', local: 'e' }))
  expect(toJson(readXmlText(document), decl)).toEqual({ a: '2024-01-01T00:00:00Z', b: [1] })
})

test.each([
  '<xsd:complexType name="R"><xsd:element name="a" type="xsd:int"/></xsd:complexType>',
  '<xsd:complexType name="R" base="t:P" derivedBy="extension"/>',
  '<xsd:simpleType name="R" base="xsd:string"/>',
  '<xsd:simpleType name="R" source="xsd:string"/>',
])('what only the schema of 1999 could say is refused by name: %s', (content) => {
  expect(refusal(() => compiled('http://www.w3.org/1999/XMLSchema', content))).toMatch(
    /^DECODE_FAILED schema: (?:complex|simple)Type "R" is written as XML Schema had it in 1999, which is not supported/,
  )
})
