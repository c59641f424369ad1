// A schema inside a document, as a DataSet brings it: names in its values mean what they meant, there and back.
import { expect, test } from 'vitest'
import { fromJson, toJson } from '../../../../adapters/xml/bind.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { attribute, childElements, resolveQName } from '../../../../adapters/xml/tree.ts'
import type { XmlElement } from '../../../../adapters/xml/tree.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { cpuMs, declared, read, refusal, sequence, xml } from './support.ts'

const xsd = 'http://www.w3.org/2001/XMLSchema'
const wild = declared(sequence('<xs:any processContents="lax" minOccurs="0" maxOccurs="unbounded"/>'))

/** Of each element with a `type`, in the order of the document: its name, and which type that is. */
function typesIn(at: XmlElement): string[] {
  const said = attribute(at, 'type')
  const name = said === undefined ? undefined : resolveQName(at, said)
  const here = said === undefined ? [] : [`${attribute(at, 'name')}: {${name?.uri}}${name?.local}`]
  return [...here, ...childElements(at).flatMap(typesIn)]
}

/** The same after it was JSON, in a document whose default namespace is another one. */
function typesAfter(inner: string): string[] {
  const tree = fromJson(toJson(xml(inner), wild), wild.name, wild)
  return typesIn(readXmlText(writeXmlText(tree, { prefixes: new Map([['urn:t', '']]) })))
}

test.each([
  [
    'a prefix declared where it is used, as .NET does',
    `<s:schema xmlns:s="${xsd}"><s:element xmlns:q1="urn:q" name="x" type="q1:Foo"/><s:element name="y" type="s:int"/></s:schema>`,
    ['x: {urn:q}Foo', `y: {${xsd}}int`],
  ],
  [
    'one prefix of several meanings, inside each other',
    `<s:schema xmlns:s="${xsd}" xmlns:q="urn:1"><s:element name="a" type="q:A"><s:element xmlns:q="urn:2" name="b" type="q:B"><s:element name="c" type="q:C"/><s:element xmlns:q="urn:1" name="d" type="q:D"/></s:element></s:element></s:schema>`,
    ['a: {urn:1}A', 'b: {urn:2}B', 'c: {urn:2}C', 'd: {urn:1}D'],
  ],
  [
    'the default namespace, of typed DataSets that of their types',
    `<s:schema xmlns:s="${xsd}" xmlns="urn:d"><s:element name="x" type="Foo"/><s:element xmlns="urn:e" name="y" type="Bar"/></s:schema>`,
    ['x: {urn:d}Foo', 'y: {urn:e}Bar'],
  ],
  [
    'no default namespace',
    `<s:schema xmlns:s="${xsd}" xmlns=""><s:element name="x" type="Foo"/></s:schema>`,
    ['x: {}Foo'],
  ],
  [
    'XSD itself as the default namespace',
    `<schema xmlns="${xsd}"><element name="x" type="string"/></schema>`,
    [`x: {${xsd}}string`],
  ],
  [
    'a prefix that is not ASCII',
    `<s:schema xmlns:s="${xsd}" xmlns:订单="urn:o"><s:element name="x" type="订单:Foo"/></s:schema>`,
    ['x: {urn:o}Foo'],
  ],
  [
    'a schema in a schema',
    `<s:schema xmlns:s="${xsd}"><s:schema xmlns:q="urn:q"><s:element name="x" type="q:Foo"/></s:schema></s:schema>`,
    ['x: {urn:q}Foo'],
  ],
])('types in a schema inside a document mean what they meant: %s', (_what, inner, types) => {
  expect(typesIn(xml(inner))).toEqual(types)
  expect(typesAfter(inner)).toEqual(types)
})

test('a prefix stands where it is declared for the schema, or at the one element that means something else', () => {
  const inner = `<s:schema xmlns:s="${xsd}" xmlns="urn:d"><s:element xmlns:q1="urn:q" name="x" type="q1:Foo"/><s:element name="y" type="Bar"/></s:schema>`
  const value = {
    schema: {
      '@xmlns': xsd,
      '@xmlns:': 'urn:d',
      element: [
        { '@xmlns:q1': 'urn:q', '@name': 'x', '@type': 'q1:Foo' },
        { '@name': 'y', '@type': 'Bar' },
      ],
    },
  }
  expect(read(inner, wild)).toEqual(value)
})

test('the attribute type of an element of a schema is no xsi:type, whatever type it names', () => {
  const decl = declared(
    sequence('<xs:any processContents="lax"/>'),
    '<xs:complexType name="Known"><xs:sequence/></xs:complexType>',
  )
  const value = { schema: { '@xmlns': xsd, element: { '@name': 'x', '@type': 'Known' } } }
  const out = fromJson(value, decl.name, decl)
  expect(childElements(out).flatMap((schema) => childElements(schema))[0]?.attributes).toEqual([
    { uri: '', local: 'name', value: 'x' },
    { uri: '', local: 'type', value: 'Known' },
  ])
})

test.each([
  ['@xmlns:', 'http://www.w3.org/2000/xmlns/'],
  ['@xmlns:q', ''],
])('a prefix is refused that XML cannot declare: %s for "%s"', (key, uri) => {
  expect(refusal(() => writeXmlText(fromJson({ schema: { [key]: uri } }, wild.name, wild)))).toContain(
    `ENCODE_FAILED no prefix can stand for namespace "${uri}"`,
  )
})

test.each([
  ['of 150,000 elements', `<x:schema>${'<a/>'.repeat(150_000)}</x:schema>`],
  [
    'with 150,000 elements inside 90 schemas',
    '<x:schema>'.repeat(90) + '<a t="x:y"/>'.repeat(150_000) + '</x:schema>'.repeat(90),
  ],
  [
    'with a value of 400,000 characters',
    `<x:schema a="${'y'.repeat(400_000)}" b="${'z:'.repeat(200_000)}"/>`,
  ],
])('a schema %s costs its size, no more', (_what, inner) => {
  const document = readXmlText(`<r xmlns:x="${xsd}">${inner}</r>`)
  const began = cpuMs()
  toJson(document, wild)
  expect(cpuMs() - began).toBeLessThan(2000)
})
