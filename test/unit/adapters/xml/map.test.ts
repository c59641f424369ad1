// apachesoap:Map, which PHP writes for every associative array and Java for every HashMap, where the schema says nothing.
import { expect, test } from 'vitest'
import { toJson } from '../../../../adapters/xml/bind.ts'
import { APACHE_NS, XSD_NS } from '../../../../adapters/xml/names.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { compileSchemas } from '../../../../adapters/xml/schema.ts'
import { declared, read, roundTrip, written, xml } from './support.ts'

const encoded = { encoded: '1.1' } as const
const any = declared('type="xs:anyType"')
const soap = 'xmlns:m="http://xml.apache.org/xml-soap"'
const string = (text: string) => ({ '@type': 'string', '#text': text })
const pair = (key: string, value: string): string =>
  `<item><key xsi:type="xs:string">${key}</key><value ${value}</value></item>`

test('a Map is an object whose members are its keys', () => {
  const map = `<e ${soap} xsi:type="m:Map">${pair('k', 'xsi:type="xs:string">v')}${pair('一 2', 'xsi:type="xs:int">7')}</e>`
  const value = { '@type': 'Map', k: string('v'), '一 2': { '@type': 'int', '#text': 7 } }
  expect(read(map, any, encoded)).toEqual(value)
  expect(roundTrip(value, any, encoded)).toEqual(value)
  expect(read(`<e ${soap} xsi:type="m:Map"/>`, any, encoded)).toEqual({ '@type': 'Map' })
})

test('an object that says it is a Map is written as one', () => {
  expect(written({ '@type': 'Map', k: 'v', n: null, l: [1] }, any, encoded)).toBe(
    '<e xsi:type="apachesoap:Map"><item><key xsi:type="xsd:string">k</key><value xsi:type="xsd:string">v</value></item>' +
      '<item><key xsi:type="xsd:string">n</key><value xsi:nil="true"/></item>' +
      '<item><key xsi:type="xsd:string">l</key><value xsi:type="soapenc:Array" soapenc:arrayType="xsd:anyType[1]"><item xsi:type="xsd:int">1</item></value></item></e>',
  )
  expect(written({ '@type': 'Map' }, any, encoded)).toBe('<e xsi:type="apachesoap:Map"/>')
})

test('Maps hold Maps', () => {
  const value = { '@type': 'Map', a: { '@type': 'Map', b: string('c') }, __proto__x: string('d') }
  expect(roundTrip(value, any, encoded)).toEqual(value)
})

test.each([
  ['that is no string', '<item><key xsi:type="xs:int">3</key><value xsi:type="xs:int">1</value></item>'],
  ['that would be an attribute', pair('@type', 'xsi:type="xs:string">v')],
  ['twice', pair('a', 'xsi:nil="true">') + pair('a', 'xsi:nil="true">')],
  [
    'that looks like the pairs of a Map',
    pair('item', 'soapenc:arrayType="xs:anyType[1]"><i><key xsi:type="xs:string">a</key></i>'),
  ],
])('a Map with a key %s stays the pairs it is', (_what, items) => {
  const value = read(`<e ${soap} xsi:type="m:Map">${items}</e>`, any, encoded)
  const pairs = expect.arrayContaining([
    { key: expect.anything(), value: expect.toBeOneOf([expect.anything(), null]) },
  ])
  expect(value).toEqual({ '@type': 'Map', item: pairs })
  expect(roundTrip(value, any, encoded)).toEqual(value)
})

test('a Map called so by its namespace where the schema has another of that name', () => {
  const other = `<xs:complexType name="Map"><xs:sequence><xs:element name="a" type="xs:string"/></xs:sequence></xs:complexType>`
  const decl = declared('type="xs:anyType"', other)
  const value = { '@type': `{${APACHE_NS}}Map`, k: string('v') }
  const map = `<e ${soap} xsi:type="m:Map">${pair('k', 'xsi:type="xs:string">v')}</e>`
  expect(read(map, decl, encoded)).toEqual(value)
  expect(roundTrip(value, decl, encoded)).toEqual(value)
})

test('a Vector of Java is a list', () => {
  const vector = `<e ${soap} xsi:type="m:Vector"><item xsi:type="xs:string">a</item><item xsi:nil="true"/></e>`
  expect(read(vector, any, encoded)).toEqual([string('a'), null])
})

test('where a schema declares Map itself, as that of Axis does, it is what that says', () => {
  const axis = compileSchemas([
    readXmlText(
      `<x:schema xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:m="${APACHE_NS}" targetNamespace="${APACHE_NS}">
        <x:complexType name="mapItem"><x:sequence><x:element name="key" nillable="true" type="x:anyType"/><x:element name="value" nillable="true" type="x:anyType"/></x:sequence></x:complexType>
        <x:complexType name="Map"><x:sequence><x:element name="item" type="m:mapItem" minOccurs="0" maxOccurs="unbounded"/></x:sequence></x:complexType>
      </x:schema>`,
    ),
  ])
  const decl = axis.declare({ uri: '', local: 'e' }, { uri: XSD_NS, local: 'anyType' })
  const value = { '@type': 'Map', item: [{ key: string('k'), value: string('v') }] }
  const map = `<e ${soap} xsi:type="m:Map">${pair('k', 'xsi:type="xs:string">v')}</e>`
  expect(toJson(xml(map), decl, encoded)).toEqual(value)
  expect(roundTrip(value, decl, encoded)).toEqual(value)
})
