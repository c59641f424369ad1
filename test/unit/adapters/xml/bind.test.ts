// XML and JSON by a schema, both ways.
import { expect, test } from 'vitest'
import { toJson } from '../../../../adapters/xml/bind.ts'
import { readXml } from '../../../../adapters/xml/read.ts'
import type { ElementDecl } from '../../../../adapters/xml/schema.ts'
import {
  bodyOf,
  captured,
  declared,
  firstChild,
  read,
  refusal,
  required,
  roundTrip,
  schemasOfWsdl,
  sequence,
  written,
} from './support.ts'

const orders = schemasOfWsdl('orders.wsdl')
const order = (local: string): ElementDecl =>
  required(orders.element({ uri: 'urn:example:orders:v1', local }))

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

const tns = 'xmlns:m="urn:example:orders:v1"'
test.each([
  [
    'A02 CDATA and comments',
    `<m:GetTicket ${tns}><!-- x --><m:ticketId><![CDATA[1]]></m:ticketId></m:GetTicket>`,
    '1',
  ],
  [
    'A03 unusual prefixes, a default namespace',
    '<z:GetTicket xmlns:z="urn:example:orders:v1"><ticketId xmlns="urn:example:orders:v1">1</ticketId></z:GetTicket>',
    '1',
  ],
  [
    'A04 a prefix that shifts',
    `<s:b xmlns:s="urn:s"><s:GetTicket xmlns:s="urn:example:orders:v1"><s:ticketId>1</s:ticketId></s:GetTicket></s:b>`,
    '1',
  ],
  [
    'V01 leading zeros',
    `<m:GetTicket ${tns}><m:ticketId>0000000001</m:ticketId></m:GetTicket>`,
    '0000000001',
  ],
  [
    'V03 the largest long',
    `<m:GetTicket ${tns}><m:ticketId>9223372036854775807</m:ticketId></m:GetTicket>`,
    '9223372036854775807',
  ],
  ['V05 white space around', `<m:GetTicket ${tns}><m:ticketId>\n  1 \t</m:ticketId></m:GetTicket>`, '1'],
  ['V07 a plus', `<m:GetTicket ${tns}><m:ticketId>+1</m:ticketId></m:GetTicket>`, '+1'],
])('a message as it should be: %s', (_what, document, ticketId) => {
  const { root } = readXml(Buffer.from(document))
  expect(toJson(root.local === 'GetTicket' ? root : firstChild(root), order('GetTicket'))).toEqual({
    ticketId,
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

test('an attribute that a simple element has no place for is told, or refused', () => {
  const decl = declared(
    sequence('<xs:element name="s" type="xs:string"/><xs:element name="n" type="xs:int" nillable="true"/>'),
  )
  const dropped: string[] = []
  const value = { s: { '@type': 'string', '@lang': 'x', '#text': 'y' }, n: { '@id': '1', '#text': null } }
  expect(written(value, decl, { dropped: (path) => void dropped.push(path) })).toBe(
    '<e><s>y</s><n xsi:nil="true"/></e>',
  )
  expect(dropped).toEqual(['e/s/@lang', 'e/n/@id'])
  expect(refusal(() => written({ s: { '@lang': 'x' }, n: 1 }, decl, { unknown: 'refuse' }))).toBe(
    'ENCODE_FAILED e/s/@lang: is not in the schema',
  )
})

test('characters xml cannot carry are refused with the path', () => {
  expect(refusal(() => written({ note: 'a\u0001' }, note))).toBe(
    'ENCODE_FAILED e/note: "a\\u0001" holds U+0001, which xml cannot carry',
  )
  expect(refusal(() => written({ note: '\uD83D' }, note))).toContain('e/note: "\\ud83d" holds U+D83D')
  expect(refusal(() => written({ note: '\uFFFE' }, undefined))).toContain('e/note')
})
