// SOAP encoding where the schema leaves it open: arrays in xsd:anyType, and items of which only the array says what they are.
import type { Json } from 'dragoman'
import { expect, test } from 'vitest'
import type { ElementDecl } from '../../../../adapters/xml/schema.ts'
import { declared, parties, read, refusal, roundTrip, written } from './support.ts'

const encoded = { encoded: '1.1' } as const
const any = declared('type="xs:anyType"', parties)

const array = (type: string): ElementDecl =>
  declared(
    `<xs:complexType><xs:complexContent><xs:restriction base="soapenc:Array"><xs:attribute ref="soapenc:arrayType" wsdl:arrayType="${type}"/></xs:restriction></xs:complexContent></xs:complexType>`,
    parties,
  )

test('a list at an open place is written as an array (SOAP 1.1 §5.4.2)', () => {
  expect(written(['a', 1], any, encoded)).toBe(
    '<e xsi:type="soapenc:Array" soapenc:arrayType="xsd:anyType[2]"><item xsi:type="xsd:string">a</item><item xsi:type="xsd:int">1</item></e>',
  )
  expect(written([], any, encoded)).toBe('<e xsi:type="soapenc:Array" soapenc:arrayType="xsd:anyType[0]"/>')
  expect(written([1], any, { encoded: '1.2' })).toMatch(
    /^<e xsi:type="(\w+):Array" \1:itemType="xsd:anyType" \1:arraySize="1"><item xsi:type="xsd:int">1<\/item><\/e>$/,
  )
})

test('so is a list in a struct at an open place, of one item and of none', () => {
  expect(written({ k: 'v', l: [1], m: [] }, any, encoded)).toBe(
    '<e><k xsi:type="xsd:string">v</k><l xsi:type="soapenc:Array" soapenc:arrayType="xsd:anyType[1]"><item xsi:type="xsd:int">1</item></l><m xsi:type="soapenc:Array" soapenc:arrayType="xsd:anyType[0]"/></e>',
  )
})

test('what is no SOAP encoding repeats the element', () => {
  expect(written({ l: [1, 2] }, any)).toBe('<e><l>1</l><l>2</l></e>')
})

test.each<[string, Json]>([
  ['a list', [true, 'b', null]],
  ['an empty list', []],
  ['lists in a list', [['a'], []]],
  ['lists in structs in a list', [{ l: [{ m: [] }] }]],
])('%s at an open place comes back as it was', (_what, value) => {
  const said = JSON.parse(
    JSON.stringify(roundTrip(value, any, encoded)).replace(
      /\{"@type":"(?:string|boolean|int)","#text":([^}]*)\}/g,
      '$1',
    ),
  )
  expect(said).toEqual(value)
})

test('a member of a struct is never taken for an element that the schema has somewhere else', () => {
  const schema = declared('type="xs:anyType"', '<xs:element name="code" type="xs:int"/>')
  const part = { ...schema, name: { uri: '', local: 'e' } }
  expect(written({ code: 'x' }, part, encoded)).toBe('<e><code xsi:type="xsd:string">x</code></e>')
})

test('an array of which only arrayType says that it is one is read as such', () => {
  const inner = '<l soapenc:arrayType="xs:long[1]"><i>1</i></l><m soapenc:arrayType="xs:string[0]"/>'
  expect(read(inner, any, encoded)).toEqual({ l: [{ '@type': 'long', '#text': '1' }], m: [] })
})

test('items of a type that only the array says, and JSON does not, say it themselves', () => {
  const long = '<e soapenc:arrayType="xs:long[2]"><i>1</i><i xsi:nil="true"/></e>'
  const value = [{ '@type': 'long', '#text': '1' }, null]
  expect(read(long, array('xs:anyType[]'), encoded)).toEqual(value)
  expect(written(value, array('xs:anyType[]'), encoded)).toContain('<item xsi:type="xsd:long">1</item>')
  const strings = '<e soapenc:arrayType="xs:string[1]"><i xsi:type="xs:string">a</i></e>'
  expect(read(strings, array('xs:anyType[]'), encoded)).toEqual(['a'])
})

test('items without xsi:type are of the derived type that the array says (SOAP 1.1 §5.4.2)', () => {
  const company = '<i><name>a</name><vat>b</vat></i>'
  const wanted = [{ '@type': 'Company', name: 'a', vat: 'b' }]
  const document = `<e soapenc:arrayType="t:Company[1]">${company}</e>`
  expect(read(document, array('t:Party[]'), encoded)).toEqual(wanted)
  expect(read(document, array('xs:anyType[]'), encoded)).toEqual(wanted)
  expect(roundTrip(wanted, array('t:Party[]'), encoded)).toEqual(wanted)
  const typed = '<e soapenc:arrayType="t:Typed[1]"><i type="x"><name>a</name></i></e>'
  expect(read(typed, array('t:Party[]'), encoded)).toEqual([
    { '@xsi:type': 'Typed', '@type': 'x', name: 'a' },
  ])
})

test('an item says better than the array, the schema better than a guess of either', () => {
  const mixed = '<e soapenc:arrayType="t:Company[1]"><i xsi:type="t:Party"><name>a</name></i></e>'
  expect(read(mixed, array('t:Party[]'), encoded)).toEqual([{ name: 'a' }])
  const guessed = '<e soapenc:arrayType="xs:int[1]"><i>1.10</i></e>'
  expect(read(guessed, array('xs:decimal[]'), encoded)).toEqual(['1.10'])
  const struct = mixed.replace('t:Company[1]', 'soapenc:Struct[1]') // PHP says so of objects
  expect(read(struct, array('xs:anyType[]'), encoded)).toEqual([{ '@type': 'Party', name: 'a' }])
  const other = '<e soapenc:arrayType="t:Base[1]"><i><name>a</name></i></e>'
  expect(read(other, array('t:Party[]'), encoded)).toEqual([{ name: 'a' }])
  const broken = '<e soapenc:arrayType="xs:int"><i>1</i></e>'
  expect(refusal(() => read(broken, array('xs:anyType[]'), encoded))).toMatch(/says no type$/)
  expect(read(broken, array('xs:int[]'), encoded)).toEqual([1])
})

test('SOAP 1.2 says the type of items in itemType (Part 2 §3.1.4)', () => {
  const document =
    '<e xmlns:enc="http://www.w3.org/2003/05/soap-encoding" enc:itemType="t:Company" enc:arraySize="1"><i><name>a</name><vat>b</vat></i></e>'
  expect(read(document, array('t:Party[]'), { encoded: '1.2' })).toEqual([
    { '@type': 'Company', name: 'a', vat: 'b' },
  ])
})

test('types of the encoding itself come back at an open place', () => {
  const value = { '@type': 'base64', '#text': 'aGk=' }
  expect(read('<e xsi:type="soapenc:base64">aGk=</e>', any, encoded)).toEqual(value)
  expect(written(value, any, encoded)).toBe('<e xsi:type="soapenc:base64">aGk=</e>')
  expect(written({ '@type': 'base64', a: '1' }, any)).toBe('<e type="base64"><a>1</a></e>')
})
