// Derived types, substitution, choices, wildcards, mixed content: XML and JSON where a schema leaves a choice.
import type { Json } from 'dragoman'
import { expect, test } from 'vitest'
import { fromJson } from '../../../../adapters/xml/bind.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { compileSchemas } from '../../../../adapters/xml/schema.ts'
import { writeXml } from '../../../../adapters/xml/write.ts'
import {
  declared,
  parties,
  read,
  refusal,
  required,
  roundTrip,
  schema,
  schemaText,
  sequence,
  written,
} from './support.ts'

test('xsi:type is @type, its local name, only where it is not the declared type (XSD 1 §2.6.1)', () => {
  const decl = declared(sequence('<xs:element name="p" type="t:Party"/>'), parties)
  expect(read('<p xsi:type="t:Company"><name>A</name><vat>1</vat></p>', decl)).toEqual({
    p: { '@type': 'Company', name: 'A', vat: '1' },
  })
  expect(read('<p xsi:type=" t:Party "><name>A</name></p>', decl)).toEqual({ p: { name: 'A' } })
  const value = { p: { '@type': 'Company', name: 'A', vat: '1' } }
  expect(written(value, decl)).toBe('<e><p xsi:type="t1:Company"><name>A</name><vat>1</vat></p></e>')
  expect(roundTrip(value, decl)).toEqual(value)
  expect(written({ p: { '@type': 'Party', name: 'A' } }, decl)).toBe('<e><p><name>A</name></p></e>')
})

test('types of one local name in two namespaces are told apart', () => {
  const base = '<xs:complexType name="P"><xs:sequence/></xs:complexType><xs:element name="e" type="t:P"/>'
  const other = `<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns:t="urn:t" targetNamespace="urn:o"><xs:import namespace="urn:t"/>
    <xs:complexType name="P"><xs:complexContent><xs:extension base="t:P"><xs:attribute name="x"/></xs:extension></xs:complexContent></xs:complexType></xs:schema>`
  const schemas = compileSchemas([readXmlText(schemaText(base)), readXmlText(other)])
  const decl = required(schemas.element({ uri: 'urn:t', local: 'e' }))
  const value = { '@type': '{urn:o}P', '@x': '1' }
  expect(read('<e xmlns:o="urn:o" xsi:type="o:P" x="1"/>', decl)).toEqual(value)
  expect(roundTrip(value, decl)).toEqual(value)
})

test('a type with an attribute called type keeps both apart', () => {
  const decl = declared(sequence('<xs:element name="p" type="t:Party"/>'), parties)
  const value = { p: { '@xsi:type': 'Typed', '@type': 'x', name: 'A' } }
  expect(read('<p xsi:type="t:Typed" type="x"><name>A</name></p>', decl)).toEqual(value)
  expect(roundTrip(value, decl)).toEqual(value)
})

test.each([
  ['V13 an unknown type', '<p xsi:type="t:Nope"><name>A</name></p>', 'xsi:type "t:Nope" is not a known type'],
  ['an undeclared prefix', '<p xsi:type="q:Party"/>', 'xsi:type "q:Party" is not a name in scope'],
  [
    'a type not derived from the declared one',
    '<p xsi:type="t:Derived"/>',
    'xsi:type "t:Derived" is not derived from "Party"',
  ],
])('xsi:type refused (cvc-elt.4): %s', (_what, inner, problem) => {
  const decl = declared(sequence('<xs:element name="p" type="t:Party"/>'), parties)
  expect(refusal(() => read(inner, decl))).toBe(`DECODE_FAILED e/p: ${problem}`)
})

test('abstract types need a type said, abstract elements one that stands for them (XSD 1 §3.4.1, §3.3.1)', () => {
  const decl = declared(sequence('<xs:element name="p" type="t:Base"/>'), parties)
  expect(refusal(() => read('<p/>', decl))).toBe(
    'DECODE_FAILED e/p: type "Base" is abstract, xsi:type has to say which',
  )
  expect(roundTrip({ p: { '@type': 'Derived', '@d': '1' } }, decl)).toEqual({
    p: { '@type': 'Derived', '@d': '1' },
  })
  expect(refusal(() => written({ p: {} }, decl))).toBe(
    'ENCODE_FAILED e/p: type "Base" is abstract, @type has to say which',
  )
  expect(refusal(() => written({ p: { '@type': 'Party' } }, decl))).toContain(
    'is not a type derived from "Base"',
  )
})

test('null needs no type: a nil element may be of an abstract type, as .NET and JAXB write the nulls of a list', () => {
  const decl = declared(
    sequence('<xs:element name="p" type="t:Base" nillable="true" minOccurs="0" maxOccurs="unbounded"/>'),
    parties,
  )
  const value = { p: [{ '@type': 'Derived', '@d': '1' }, null] }
  expect(read('<p xsi:type="t:Derived" d="1"/><p xsi:nil="true"/>', decl)).toEqual(value)
  expect(written(value, decl)).toBe('<e><p xsi:type="t1:Derived" d="1"/><p xsi:nil="true"/></e>')
  expect(refusal(() => read('<p/>', decl))).toContain('type "Base" is abstract')
  const shape = declared(
    sequence('<xs:element ref="t:shape"/>'),
    `${parties}<xs:element name="shape" abstract="true" nillable="true" type="t:Derived"/>`,
  )
  expect(refusal(() => read('<shape xsi:nil="true"/>', shape))).toContain('element "shape" is abstract')
  expect(refusal(() => written({ shape: null }, shape))).toContain('element "shape" is abstract')
})

test('substitution groups: members by the name that came, order kept where it tells (XSD 1 §3.3.2)', () => {
  const decl = declared(
    sequence(
      '<xs:element ref="t:shape" minOccurs="0" maxOccurs="unbounded"/><xs:element name="end" type="xs:int" minOccurs="0"/>',
    ),
    `<xs:element name="shape" abstract="true" type="t:Shape"/><xs:element name="circle" substitutionGroup="t:shape" type="t:Circle"/>
     <xs:element name="dot" substitutionGroup="t:circle"/><xs:element name="square" substitutionGroup="t:shape"/>
     <xs:complexType name="Shape"><xs:attribute name="id" type="xs:int"/></xs:complexType>
     <xs:complexType name="Circle"><xs:complexContent><xs:extension base="t:Shape"><xs:attribute name="r" type="xs:int"/></xs:extension></xs:complexContent></xs:complexType>`,
  )
  const inOrder = { circle: [{ '@id': 1, '@r': 2 }], dot: [{ '@r': 3 }], end: 9 }
  expect(read('<circle id="1" r="2"/><dot r="3"/><end>9</end>', decl)).toEqual(inOrder)
  expect(roundTrip(inOrder, decl)).toEqual(inOrder)
  const mixedUp = read('<dot r="1"/><square id="2"/><circle r="3"/><square id="4"/>', decl)
  expect(mixedUp).toEqual({
    circle: [{ '@r': 3 }],
    dot: [{ '@r': 1 }],
    square: [{ '@id': 2 }, { '@id': 4 }],
    '#order': ['dot', 'square', 'circle', 'square'],
  })
  expect(written(mixedUp, decl)).toBe('<e><dot r="1"/><square id="2"/><circle r="3"/><square id="4"/></e>')
  expect(refusal(() => read('<shape/>', decl))).toContain('is abstract')
  expect(refusal(() => written({ shape: [{}] }, decl))).toContain('is abstract')
})

test('choices, repeated groups and their order', () => {
  const decl = declared(
    '<xs:complexType><xs:choice maxOccurs="unbounded"><xs:element name="a" type="xs:int"/><xs:sequence><xs:element name="b" type="xs:int"/><xs:element name="c" type="xs:int" minOccurs="0"/></xs:sequence></xs:choice></xs:complexType>',
  )
  expect(read('<a>1</a><b>2</b><c>3</c>', decl)).toEqual({ a: [1], b: [2], c: [3] })
  const value = read('<b>1</b><a>2</a><b>3</b><c>4</c>', decl)
  expect(value).toEqual({ a: [2], b: [1, 3], c: [4], '#order': ['b', 'a', 'b', 'c'] })
  expect(written(value, decl)).toBe('<e><b>1</b><a>2</a><b>3</b><c>4</c></e>')
  expect(written({ a: [1, 2], b: [3, 4], c: [5] }, decl)).toBe(
    '<e><a>1</a><a>2</a><b>3</b><c>5</c><b>4</b></e>',
  )
  expect(refusal(() => written({ a: [1], '#order': ['a', 'a'] }, decl))).toContain('e/#order')
  const rounds = declared(
    '<xs:complexType><xs:sequence maxOccurs="2"><xs:element name="k" type="xs:string"/><xs:element name="v" type="xs:string"/></xs:sequence></xs:complexType>',
  )
  expect(written({ k: ['a', 'b'], v: ['1', '2'] }, rounds)).toBe('<e><k>a</k><v>1</v><k>b</k><v>2</v></e>')
  expect(read('<k>a</k><v>1</v><k>b</k><v>2</v>', rounds)).toEqual({ k: ['a', 'b'], v: ['1', '2'] })
  expect(refusal(() => written({ k: ['a', 'b', 'c'], v: ['1', '2', '3'] }, rounds))).toContain(
    'more than the schema has room for',
  )
})

test('all, in any order (XSD 1 §3.8)', () => {
  const decl = declared(
    '<xs:complexType><xs:all><xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:int" minOccurs="0"/></xs:all></xs:complexType>',
  )
  expect(read('<b>2</b><a>1</a>', decl)).toEqual({ a: 1, b: 2 })
  expect(written({ b: 2, a: 1 }, decl)).toBe('<e><a>1</a><b>2</b></e>')
})

test('wildcards take what their namespaces admit, typed where a global declaration is known (XSD 1 §3.10)', () => {
  const decl = declared(
    sequence(
      '<xs:element name="a" type="xs:int"/><xs:any namespace="##other" processContents="lax" minOccurs="0" maxOccurs="unbounded"/>',
    ),
  )
  // By its name alone it would be written without its namespace; what is inside of it has the same one, if it does not say so.
  const foreign = { a: 1, x: { '@xmlns': 'urn:x', y: '2', z: { '@xmlns': '', '#text': '3' } } }
  expect(read('<a>1</a><x xmlns="urn:x"><y>2</y><z xmlns="">3</z></x>', decl)).toEqual(foreign)
  expect(roundTrip(foreign, decl)).toEqual(foreign)
  expect(refusal(() => read('<a>1</a><x/>', decl))).toContain('e/x: is not an element the schema has here')
  const any = declared(sequence('<xs:any/>'), '<xs:element name="g" type="xs:int"/>')
  expect(read('<g>5</g>', any)).toEqual({ g: 5 })
  expect(roundTrip({ g: 5 }, any)).toEqual({ g: 5 })
  expect(roundTrip({ '{urn:x}g': 'no int' }, any)).toEqual({ g: { '@xmlns': 'urn:x', '#text': 'no int' } })
  expect(roundTrip({ g: { '@xmlns': 'urn:x', '#text': '7' } }, any)).toEqual({
    g: { '@xmlns': 'urn:x', '#text': '7' },
  })
  expect(refusal(() => read('<g>x</g>', any))).toBe('DECODE_FAILED e/g: "x" is not of type int')
  expect(written({ a: 1, '{urn:x}x': { y: '2' } }, decl)).toBe(
    '<e><a>1</a><ns1:x><ns1:y>2</ns1:y></ns1:x></e>',
  )
})

test('anyType holds anything; what xsi:type says is kept and typed', () => {
  const decl = declared(sequence('<xs:element name="v" type="xs:anyType"/>'), parties)
  const says = (inner: string): Json => read(inner, decl)
  expect(says('<v>007</v>')).toEqual({ v: '007' })
  expect(says('<v><a>1</a><a>2</a></v>')).toEqual({ v: { a: ['1', '2'] } })
  expect(says('<v xsi:type="xs:int">7</v>')).toEqual({ v: { '@type': 'int', '#text': 7 } })
  expect(says('<v xsi:type="t:Party"><name>A</name></v>')).toEqual({ v: { '@type': 'Party', name: 'A' } })
  for (const inner of [
    '<v>007</v>',
    '<v xsi:type="xs:long">7</v>',
    '<v xsi:type="t:Party"><name>A</name></v>',
  ])
    expect(roundTrip(says(inner), decl)).toEqual(says(inner))
  expect(written({ v: [1, 2] }, decl)).toBe('<e><v><item>1</item><item>2</item></v></e>')
})

test('mixed content keeps its order in #mixed (XSD 1 §3.4.1)', () => {
  const decl = declared(
    '<xs:complexType mixed="true"><xs:sequence><xs:element name="b" type="xs:int" minOccurs="0" maxOccurs="unbounded"/></xs:sequence><xs:attribute name="x"/></xs:complexType>',
  )
  const value = { '@x': '1', '#mixed': ['a ', { b: 1 }, ' ', { b: 2 }, 'c'] }
  expect(read('<e x="1">a <b>1</b> <b>2</b>c</e>', decl)).toEqual(value)
  expect(written(value, decl)).toBe('<e x="1">a <b>1</b> <b>2</b>c</e>')
  expect(read('<e>just text</e>', decl)).toBe('just text')
  expect(written('just text', decl)).toBe('<e>just text</e>')
  expect(written({ '#text': 'first', b: [1] }, decl)).toBe('<e>first<b>1</b></e>')
  const plain = declared(sequence('<xs:element name="b" type="xs:int" minOccurs="0"/>'))
  expect(refusal(() => written({ '#mixed': ['a'] }, plain))).toContain('no text between elements')
  expect(refusal(() => written({ '#text': 'a' }, plain))).toContain('text has no place here')
})

test('two members of one local name are told apart by their namespace', () => {
  const schemas = schema(
    '<xs:element name="e"><xs:complexType><xs:sequence><xs:element name="id" type="xs:int"/><xs:element name="id" type="xs:int" form="unqualified"/></xs:sequence></xs:complexType></xs:element>',
  )
  const decl = required(schemas.element({ uri: 'urn:t', local: 'e' }))
  // The second has no namespace, so its full name is its local name: it is written as {}id.
  expect(read('<id>1</id><id xmlns="">2</id>', decl)).toEqual({ id: 1, '{}id': 2 })
  expect(written({ id: 1, '{}id': 2 }, decl)).toBe('<e><id>1</id><id>2</id></e>')
})

test('what is no object where one is needed is refused, an empty string is an empty element', () => {
  const decl = declared(sequence('<xs:element name="a" type="xs:int" minOccurs="0"/>'))
  expect(written('', decl)).toBe('<e/>')
  expect(refusal(() => written('x', decl))).toBe('ENCODE_FAILED e: takes an object, not "\\"x\\""')
  expect(refusal(() => written([{}], decl))).toBe('ENCODE_FAILED e: takes one value, not a list of 1')
  expect(refusal(() => written({ a: { b: 1 } }, decl))).toContain('ENCODE_FAILED e/a')
})

test('JSON as deep as the reader allows, and not deeper', () => {
  const decl = declared(
    sequence('<xs:element name="e" type="t:N" minOccurs="0"/>'),
    '<xs:complexType name="N"><xs:sequence><xs:element name="e" type="t:N" minOccurs="0"/></xs:sequence></xs:complexType>',
  )
  const deep = (levels: number): Json => (levels === 1 ? {} : { e: deep(levels - 1) })
  expect(refusal(() => writeXml(fromJson(deep(200), decl.name, decl)))).toBe('accepted')
  expect(refusal(() => fromJson(deep(201), decl.name, decl))).toContain('more than 200 levels')
  expect(refusal(() => fromJson(deep(5000), { uri: '', local: 'e' }, undefined))).toContain(
    'more than 200 levels',
  )
})

test('a date as ISO 8601 also has it, which is XML-RPC’s, is written as XSD has it (XSD 1.0 Part 2 §3.2.7)', () => {
  const decl = declared(sequence('<xs:element name="at" type="xs:dateTime"/>'))
  expect(written({ at: '20240102T03:04:05' }, decl)).toBe('<e><at>2024-01-02T03:04:05</at></e>')
  expect(written({ at: '20240102T03:04:05.5Z' }, decl)).toBe('<e><at>2024-01-02T03:04:05.5Z</at></e>')
  expect(written({ at: '2024-01-02T03:04:05' }, decl)).toBe('<e><at>2024-01-02T03:04:05</at></e>')
  for (const at of ['20241302T03:04:05', '20240102T0304', '20240102'])
    expect(refusal(() => written({ at }, decl))).toContain('is not of type dateTime')
  const text = declared(sequence('<xs:element name="at" type="xs:string"/>'))
  expect(written({ at: '20240102T03:04:05' }, text)).toBe('<e><at>20240102T03:04:05</at></e>')
})

test.each([
  ['type="xs:boolean" fixed="1"', 'true', true],
  ['type="xs:decimal" fixed="1.0"', '1.00', '1.00'],
  ['type="xs:double" fixed="1e2"', '100', 100],
  ['type="xs:hexBinary" fixed="0a"', '0A', '0A'],
  [
    'type="xs:dateTime" fixed="2024-01-01T00:00:00Z"',
    '2024-01-01T08:00:00+08:00',
    '2024-01-01T08:00:00+08:00',
  ],
  ['type="t:L" fixed="1 2"', '01  +2', '01 +2'],
  ['type="t:U" fixed="1"', '1.0', '1.0'],
])(
  'what is fixed is a value, not a text: %s takes %s (XSD 1 §3.3.4 cvc-elt.5.2.2.2.2, cvc-au)',
  (type, text, value) => {
    const types = `<xs:simpleType name="L"><xs:list itemType="xs:int"/></xs:simpleType>
    <xs:simpleType name="U"><xs:union memberTypes="xs:decimal xs:string"/></xs:simpleType>`
    const inside = declared(sequence(`<xs:element name="v" ${type}/>`), types)
    expect(read(`<v>${text}</v>`, inside)).toEqual({ v: value })
    expect(roundTrip({ v: text }, inside)).toEqual({ v: value })
    const beside = declared(`<xs:complexType><xs:attribute name="v" ${type}/></xs:complexType>`, types)
    expect(read(`<e v="${text}"/>`, beside)).toEqual({ '@v': value })
    expect(roundTrip({ '@v': text }, beside)).toEqual({ '@v': value })
    expect(refusal(() => read('<v>7</v>', inside))).toContain('DECODE_FAILED')
  },
)

test('what is fixed as a text is that text', () => {
  const decl = declared(sequence('<xs:element name="v" type="xs:string" fixed="1.0"/>'))
  expect(refusal(() => read('<v>1</v>', decl))).toContain('is not the fixed value "1.0"')
  expect(refusal(() => written({ v: '1' }, decl))).toContain('is not the fixed value "1.0"')
})
