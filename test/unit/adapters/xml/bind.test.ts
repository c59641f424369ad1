// XML and JSON by a schema, both ways.
import * as fc from 'fast-check'
import type { Json } from 'dragoman'
import { expect, test } from 'vitest'
import { fromJson, toJson } from '../../../../adapters/xml/bind.ts'
import { readXml } from '../../../../adapters/xml/read.ts'
import type { ElementDecl } from '../../../../adapters/xml/schema.ts'
import { writeXml } from '../../../../adapters/xml/write.ts'
import {
  bodyOf,
  captured,
  declared,
  firstChild,
  read,
  refusal,
  required,
  roundTrip,
  schema,
  schemasOfWsdl,
  written,
} from './support.ts'

const orders = schemasOfWsdl('orders.wsdl')
const order = (local: string): ElementDecl =>
  required(orders.element({ uri: 'urn:example:orders:v1', local }))

const sequence = (content: string): string =>
  `<xs:complexType><xs:sequence>${content}</xs:sequence></xs:complexType>`

test('a real order: attributes, lists, simple content with an attribute, nil, exact digits', () => {
  const json = toJson(firstChild(bodyOf(captured('soaplite-11/01-CreateOrder.req'))), order('CreateOrder'))
  expect(json).toEqual({
    order: {
      '@channel': 'WEB',
      '@priority': 9,
      customerRef: '000123',
      externalId: '9007199254740993',
      orderDate: '2024-02-29T10:15:30.250Z',
      shipTo: { '@country': 'GB', line: ['1 High St', 'Flat 2'], postcode: 'AB1 2CD' },
      item: [
        {
          '@lineNo': 1,
          '@gift': true,
          sku: 'SKU-1',
          qty: '2',
          price: { '@currency': 'EUR', '#text': '10.50' },
          tag: ['a', 'b'],
        },
        { '@lineNo': 2, sku: '000777', qty: '0.125', price: { '@currency': 'USD', '#text': '8' }, tag: [] },
        { '@lineNo': 3, sku: 'S&<>', qty: '1', price: { '@currency': 'EUR', '#text': '0.10' }, tag: ['x'] },
      ],
      note: null,
      status: 'NEW',
    },
  })
})

test('members come in the order of the schema, whatever order a client sent', () => {
  const decl = declared(
    sequence('<xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:int" maxOccurs="9"/>'),
  )
  expect(JSON.stringify(read('<b>1</b><a>2</a><b>3</b>', decl))).toBe('{"a":2,"b":[1,3]}')
  expect(written({ b: [1, 3], a: 2 }, decl)).toBe('<e><a>2</a><b>1</b><b>3</b></e>')
})

test('every capture of every client and server reads, and what is written of it reads the same', () => {
  for (const client of ['jaxws-11', 'jaxws-12', 'php-11', 'php-12', 'soaplite-11', 'zeep-11', 'zeep-12'])
    for (const name of [
      '01-CreateOrder',
      '03-EchoScalars',
      '06-ListTickets',
      '09-AddComment',
      '12-EchoParty',
    ])
      for (const way of ['req', 'res']) {
        const entry = firstChild(bodyOf(captured(`${client}/${name}.${way}`)))
        const decl = required(orders.element(entry))
        const json = toJson(entry, decl, { missing: 'refuse' })
        expect([client, name, way, roundTrip(json, decl)]).toEqual([client, name, way, json])
      }
})

test('scalars of a real client survive exactly', () => {
  const json = toJson(firstChild(bodyOf(captured('zeep-11/03-EchoScalars.req'))), order('EchoScalars'))
  expect(json).toMatchObject({
    in: {
      longVal: '9007199254740993',
      intVal: -42,
      decVal: '12345678901234567890.123456789',
      moneyVal: '0.10',
      dblVal: 1.5e-10,
      boolVal: true,
      enumVal: 'IN_PROGRESS',
      code: '000123',
      text: 'Ünïcödé <&>"\' 漢字 😀',
      wsText: '  two  spaces\n line2\t ',
      emptyText: '',
    },
  })
})

test.each([
  [
    'V02 a 20-digit id in xs:long',
    '<ticketId>12345678901234567890</ticketId>',
    'GetTicket/ticketId: "12345678901234567890" is not of type long',
  ],
  ['V04 no number', '<ticketId>12abc</ticketId>', 'GetTicket/ticketId: "12abc" is not of type long'],
  ['V06 an empty number', '<ticketId/>', 'GetTicket/ticketId: "" is not of type long'],
  ['V08 0x1', '<ticketId>0x1</ticketId>', 'is not of type long'],
  [
    'A05 the same local name in a foreign namespace',
    '<x:ticketId xmlns:x="urn:evil">999</x:ticketId><ticketId>1</ticketId>',
    'GetTicket/ticketId: is not an element the schema has here (in namespace "urn:evil")',
  ],
  [
    'an element twice',
    '<ticketId>1</ticketId><ticketId>2</ticketId>',
    'GetTicket/ticketId: came more than once',
  ],
  ['text between elements', 'x<ticketId>1</ticketId>', 'GetTicket: text "x" has no place between elements'],
  [
    'elements where text belongs',
    '<ticketId><b/></ticketId>',
    'GetTicket/ticketId: takes text, not elements',
  ],
  [
    'an unknown attribute',
    '<ticketId a="1">1</ticketId>',
    'GetTicket/ticketId/@a: is not an attribute the schema has here',
  ],
  [
    'an unknown element',
    '<bogus/><ticketId>1</ticketId>',
    'GetTicket/bogus: is not an element the schema has here',
  ],
])('refused with the path: %s', (_what, inner, problem) => {
  const entry = readXml(Buffer.from(`<GetTicket xmlns="urn:example:orders:v1">${inner}</GetTicket>`)).root
  expect(refusal(() => toJson(entry, order('GetTicket')))).toContain(
    `DECODE_FAILED ${problem.startsWith('is') ? '' : problem}`,
  )
  expect(refusal(() => toJson(entry, order('GetTicket')))).toContain(problem)
})

test('a path counts among its equals, from 1', () => {
  const decl = declared(
    sequence(
      `<xs:element name="item" maxOccurs="unbounded">${sequence('<xs:element name="qty" type="xs:int"/>')}</xs:element>`,
    ),
  )
  expect(refusal(() => read('<item><qty>1</qty></item><item><qty>x</qty></item>', decl))).toBe(
    'DECODE_FAILED e/item[2]/qty: "x" is not of type int',
  )
  expect(refusal(() => written({ item: [{ qty: 1 }, { qty: 'x' }] }, decl))).toBe(
    'ENCODE_FAILED e/item[2]/qty: "x" is not of type int',
  )
})

const note = declared(sequence('<xs:element name="note" type="xs:string" nillable="true" minOccurs="0"/>'))
test.each([
  ['', {}],
  ['<note xsi:nil="true"/>', { note: null }],
  ['<note/>', { note: '' }],
  ['<note>x</note>', { note: 'x' }],
  ['<note xsi:nil="false"/>', { note: '' }],
])('absent, nil, empty and a value differ both ways (XSD 1 §2.6.2): %s', (inner, json) => {
  expect(read(inner, note)).toEqual(json)
  expect(written(json, note)).toBe(inner === '' ? '<e/>' : `<e>${inner.replace(' xsi:nil="false"', '')}</e>`)
})

test('nil in any form of a boolean and under any prefix; with content it is refused (cvc-elt.3.2.1)', () => {
  const i = 'xmlns:i="http://www.w3.org/2001/XMLSchema-instance"'
  expect(read(`<note ${i} i:nil=" 1 "/>`, note)).toEqual({ note: null })
  expect(refusal(() => read(`<note ${i} i:nil="true">x</note>`, note))).toBe(
    'DECODE_FAILED e/note: is nil and has content',
  )
  expect(refusal(() => read(`<note ${i} i:nil="yes"/>`, note))).toContain('is not a boolean')
})

test('null where the schema has no nil: an optional element is left out, a required one refused', () => {
  const decl = declared(
    sequence('<xs:element name="a" type="xs:int" minOccurs="0"/><xs:element name="b" type="xs:int"/>'),
  )
  expect(written({ a: null, b: 1 }, decl)).toBe('<e><b>1</b></e>')
  expect(refusal(() => written({ b: null }, decl))).toBe('ENCODE_FAILED e/b: is missing')
  expect(refusal(() => written(null, decl))).toBe('ENCODE_FAILED e: is null, the schema does not allow nil')
})

test('attributes of a nil element stay', () => {
  const decl = declared(
    sequence(
      `<xs:element name="n" nillable="true"><xs:complexType><xs:simpleContent><xs:extension base="xs:int"><xs:attribute name="why"/><xs:attribute name="d" default="1"/></xs:extension></xs:simpleContent></xs:complexType></xs:element>`,
    ),
  )
  const json = { n: { '@why': 'lost', '#text': null } }
  expect(read('<n why="lost" xsi:nil="true"/>', decl)).toEqual(json)
  expect(written(json, decl)).toBe('<e><n why="lost" xsi:nil="true"/></e>')
})

test('lists come from the schema: none, one and many are arrays; one value alone is taken for a list', () => {
  const decl = declared(sequence('<xs:element name="i" type="xs:int" minOccurs="0" maxOccurs="unbounded"/>'))
  expect([read('', decl), read('<i>1</i>', decl), read('<i>1</i><i>2</i>', decl)]).toEqual([
    { i: [] },
    { i: [1] },
    { i: [1, 2] },
  ])
  expect([
    written({}, decl),
    written({ i: [] }, decl),
    written({ i: 1 }, decl),
    written({ i: [1, 2] }, decl),
  ]).toEqual(['<e/>', '<e/>', '<e><i>1</i></e>', '<e><i>1</i><i>2</i></e>'])
  expect(written([1, 2], decl)).toBe('<e><i>1</i><i>2</i></e>') // a type that only wraps a list
  const single = declared(sequence('<xs:element name="i" type="xs:int"/>'))
  expect(refusal(() => written({ i: [1] }, single))).toBe(
    'ENCODE_FAILED e/i: takes one value, not a list of 1',
  )
})

test('no more than the schema allows, in and out', () => {
  const decl = declared(
    sequence(
      '<xs:element name="i" type="xs:int" maxOccurs="2"/><xs:element name="j" type="xs:int" minOccurs="0"/>',
    ),
  )
  expect(refusal(() => read('<i>1</i><i>2</i><i>3</i>', decl))).toBe(
    'DECODE_FAILED e/i: came more often than the schema allows',
  )
  expect(refusal(() => written({ i: [1, 2, 3] }, decl))).toBe(
    'ENCODE_FAILED e/i: has 3 values, more than the schema has room for',
  )
})

test('attribute defaults are there inwards, fixed values hold, required ones are refused or borne (XSD 1 §3.2.1)', () => {
  const decl = declared(
    '<xs:complexType><xs:attribute name="d" type="xs:int" default="5"/><xs:attribute name="f" fixed="x"/><xs:attribute name="r" type="xs:int" use="required"/></xs:complexType>',
  )
  expect(read('<e r="1"/>', decl)).toEqual({ '@d': 5, '@f': 'x', '@r': 1 })
  expect(read('<e d="7" f="x" r="1"/>', decl)).toEqual({ '@d': 7, '@f': 'x', '@r': 1 })
  expect(refusal(() => read('<e f="y" r="1"/>', decl))).toBe(
    'DECODE_FAILED e/@f: "y" is not the fixed value "x"',
  )
  expect(refusal(() => read('<e r="x"/>', decl))).toBe('DECODE_FAILED e/@r: "x" is not of type int')
  expect(read('<e/>', decl)).toEqual({ '@d': 5, '@f': 'x' })
  expect(refusal(() => read('<e/>', decl, { missing: 'refuse' }))).toBe('DECODE_FAILED e/@r: is missing')
  expect(written({ '@r': 1 }, decl)).toBe('<e r="1"/>')
  expect(refusal(() => written({}, decl))).toBe('ENCODE_FAILED e/@r: is missing')
  expect(written({}, decl, { missing: 'keep' })).toBe('<e/>')
  expect(refusal(() => written({ '@r': 1, '@f': 'y' }, decl))).toContain('is not the fixed value')
})

test('an empty element has its default or fixed value (XSD 1 §3.3.1)', () => {
  const decl = declared(
    sequence(
      '<xs:element name="a" type="xs:int" default="7" minOccurs="0"/><xs:element name="b" type="xs:string" fixed="k" minOccurs="0"/>',
    ),
  )
  expect(read('<a/><b/>', decl)).toEqual({ a: 7, b: 'k' })
  expect(read('', decl)).toEqual({})
  expect(refusal(() => read('<b>x</b>', decl))).toBe('DECODE_FAILED e/b: "x" is not the fixed value "k"')
})

test('missing required elements: borne inwards, refused outwards, or as the caller says', () => {
  const decl = declared(
    sequence(
      '<xs:element name="a" type="xs:int"/><xs:choice><xs:element name="b" type="xs:int"/><xs:element name="c" type="xs:int"/></xs:choice>',
    ),
  )
  expect(read('<b>1</b>', decl)).toEqual({ b: 1 })
  expect(refusal(() => read('<b>1</b>', decl, { missing: 'refuse' }))).toBe('DECODE_FAILED e/a: is missing')
  expect(refusal(() => read('<a>1</a>', decl, { missing: 'refuse' }))).toBe(
    'DECODE_FAILED e/b or c: is missing',
  )
  expect(refusal(() => written({ b: 1 }, decl))).toBe('ENCODE_FAILED e/a: is missing')
  expect(written({ b: 1 }, decl, { missing: 'keep' })).toBe('<e><b>1</b></e>')
})

test('unknown elements and attributes: refused, kept beside what is declared, or dropped and told', () => {
  const decl = declared(sequence('<xs:element name="a" type="xs:int"/>'))
  const document = '<e u="1"><a>1</a><x:a xmlns:x="urn:x">2</x:a><b><c>3</c></b><b/></e>'
  expect(read(document, decl, { unknown: 'keep' })).toEqual({
    '@u': '1',
    a: 1,
    '{urn:x}a': '2',
    b: [{ c: '3' }, ''],
  })
  const dropped: string[] = []
  const options = { unknown: 'drop', dropped: (path: string) => void dropped.push(path) } as const
  expect(read(document, decl, options)).toEqual({ a: 1 })
  expect(dropped).toEqual(['e/@u', 'e/a', 'e/b', 'e/b'])
})

test('outwards members nobody declared are left out and told, or refused', () => {
  const decl = declared(sequence('<xs:element name="a" type="xs:int"/>'))
  const dropped: string[] = []
  expect(written({ a: 1, b: 2, '@c': 3 }, decl, { dropped: (path) => void dropped.push(path) })).toBe(
    '<e><a>1</a></e>',
  )
  expect(dropped.toSorted()).toEqual(['e/@c', 'e/b'])
  expect(refusal(() => written({ a: 1, b: 2 }, decl, { unknown: 'refuse' }))).toBe(
    'ENCODE_FAILED e/b: is not in the schema',
  )
})

const parties = `
  <xs:complexType name="Party"><xs:sequence><xs:element name="name" type="xs:string"/></xs:sequence></xs:complexType>
  <xs:complexType name="Company"><xs:complexContent><xs:extension base="t:Party"><xs:sequence><xs:element name="vat" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Typed"><xs:complexContent><xs:extension base="t:Party"><xs:attribute name="type"/></xs:extension></xs:complexContent></xs:complexType>
  <xs:complexType name="Base" abstract="true"><xs:sequence/></xs:complexType>
  <xs:complexType name="Derived"><xs:complexContent><xs:extension base="t:Base"><xs:attribute name="d"/></xs:extension></xs:complexContent></xs:complexType>`

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
  expect(read('<a>1</a><x xmlns="urn:x"><y>2</y></x>', decl)).toEqual({ a: 1, x: { y: '2' } })
  expect(refusal(() => read('<a>1</a><x/>', decl))).toContain('e/x: is not an element the schema has here')
  const any = declared(sequence('<xs:any/>'), '<xs:element name="g" type="xs:int"/>')
  expect(read('<g>5</g>', any)).toEqual({ g: 5 })
  expect(roundTrip({ g: 5 }, any)).toEqual({ g: 5 })
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

// ─── The inverse, for whatever a schema allows ───────────────────────────────────────────────────────────────────────

const all = declared(
  `<xs:complexType><xs:sequence>
    <xs:element name="text" type="xs:string"/><xs:element name="token" type="xs:token" minOccurs="0"/>
    <xs:element name="flag" type="xs:boolean"/><xs:element name="int" type="xs:int"/><xs:element name="long" type="xs:long" nillable="true"/>
    <xs:element name="double" type="xs:double"/><xs:element name="decimal" type="xs:decimal" minOccurs="0" maxOccurs="unbounded"/>
    <xs:element name="amount" type="t:Amount" minOccurs="0"/><xs:element name="party" type="t:Party" minOccurs="0" maxOccurs="3"/>
    <xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="x" type="xs:string"/><xs:element name="y" type="xs:int"/></xs:choice>
    <xs:element name="any" type="xs:anyType" minOccurs="0"/><xs:element name="again" type="t:Again" minOccurs="0"/>
  </xs:sequence><xs:attribute name="id" type="xs:unsignedLong"/></xs:complexType>`,
  `${parties}
   <xs:complexType name="Amount"><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="cur" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
   <xs:complexType name="Again"><xs:sequence><xs:element name="again" type="t:Again" nillable="true" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>`,
)

const character = fc
  .string({ unit: 'binary', maxLength: 20 })
  .filter((text) => !/[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]|\p{Surrogate}/u.test(text)) // oxlint-disable-line no-control-regex
const exact = fc.constantFrom(
  '007',
  '1e5',
  '+8613800000000',
  '12345678901234567890',
  '1.10',
  '  spaces  ',
  ']]>',
  '&#x4e2d;',
  '',
)
const text = fc.oneof(character, exact)
const decimal = fc
  .tuple(fc.bigInt(), fc.stringMatching(/^\d{0,8}$/))
  .map(([whole, part]) => (part === '' ? String(whole) : `${whole}.${part}`))
const double = fc.oneof(
  fc
    .double({ noNaN: true, noDefaultInfinity: true })
    .map((number) => (Object.is(number, -0) ? '-0' : number)),
  fc.constantFrom('INF', '-INF', 'NaN'),
)
const party = fc.oneof(
  fc.record({ name: text }),
  fc.record({ '@type': fc.constant('Company'), name: text, vat: text }),
  fc.record({ '@xsi:type': fc.constant('Typed'), '@type': text, name: text }),
)
const { again } = fc.letrec<{ again: Json }>((tie) => ({
  again: fc.record({
    again: fc.array(fc.oneof({ maxDepth: 3, depthSize: 'small' }, fc.constant(null), tie('again')), {
      maxLength: 3,
    }),
  }),
}))
const values = fc.record(
  {
    '@id': fc.bigInt({ min: 0n, max: 18446744073709551615n }).map(String),
    text,
    token: text.map((value) =>
      value
        .replace(/[\t\n\r ]+/g, ' ')
        .trim()
        .replace(/^[\t\n\r ]+|[\t\n\r ]+$/g, ''),
    ),
    flag: fc.boolean(),
    int: fc.integer(),
    long: fc.option(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
    double,
    decimal: fc.array(decimal, { maxLength: 3 }),
    amount: fc.record({ '@cur': text, '#text': decimal }),
    party: fc.array(party, { maxLength: 3 }),
    x: fc.array(text, { maxLength: 3 }),
    y: fc.array(fc.integer(), { maxLength: 3 }),
    any: text,
    again,
  },
  { requiredKeys: ['text', 'flag', 'int', 'long', 'double', 'decimal', 'party', 'x', 'y'] },
)

test.each(['utf-8', 'utf-16', 'gb18030', 'gbk', 'big5', 'iso-8859-1'])(
  'what is written of a value in %s reads as that value',
  (charset) => {
    fc.assert(
      fc.property(values, (value: Json) => {
        const bytes = writeXml(fromJson(value, all.name, all), { charset })
        expect(toJson(readXml(bytes).root, all)).toEqual(value)
      }),
      { numRuns: 60 },
    )
  },
)

test('the order of repeated choices survives any mixture', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom('x', 'y'), { maxLength: 8 }), (names) => {
      const inner = names.map((name, i) => `<${name}>${i}</${name}>`).join('')
      const decl = declared(
        '<xs:complexType><xs:choice minOccurs="0" maxOccurs="unbounded"><xs:element name="x" type="xs:string"/><xs:element name="y" type="xs:int"/></xs:choice></xs:complexType>',
      )
      expect(written(read(inner, decl), decl)).toBe(inner === '' ? '<e/>' : `<e>${inner}</e>`)
    }),
  )
})
