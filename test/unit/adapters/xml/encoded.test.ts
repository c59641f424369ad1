// SOAP encoding: arrays, references, types said (SOAP 1.1 §5, SOAP 1.2 Part 2 §3).
import type { Json } from 'dragoman'
import { expect, test } from 'vitest'
import { fromJson, resolveReferences, toJson } from '../../../../adapters/xml/bind.ts'
import type { ReferenceOptions } from '../../../../adapters/xml/bind.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import type { ElementDecl } from '../../../../adapters/xml/schema.ts'
import { attribute, childElements, textOf } from '../../../../adapters/xml/tree.ts'
import type { XmlElement } from '../../../../adapters/xml/tree.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import {
  cpuMs,
  bodyOf,
  captured,
  declared,
  firstChild,
  read,
  refusal,
  roundTrip,
  schemasOfWsdl,
  written,
} from './support.ts'

const legacy = schemasOfWsdl('legacy-rpcenc.wsdl')
const encoded = { encoded: '1.1' } as const
const part = (name: string, local: string): ElementDecl =>
  legacy.declare({ uri: '', local: name }, { uri: 'urn:example:legacy:types', local })

/** The first part of the first call in a capture. */
function partOf(file: string, options?: ReferenceOptions): XmlElement {
  return firstChild(firstChild(bodyOf(resolveReferences(captured(file), options))))
}

const ticket = {
  id: '9007199254740993',
  title: 'T&1',
  owner: { login: 'ann', phone: '0044 20' },
  watcher: { login: 'ann', phone: '0044 20' },
  tags: ['x'],
  open: true,
}

test.each([
  ['Perl SOAP::Lite, independent elements', 'soaplite-enc/08-echoTicket.req', '2024-02-29T10:15:30Z'],
  ['PHP, the first one holds the id', 'php-enc/08-echoTicket.req', '2024-02-29T10:15:30Z'],
  ['Python zeep, no references and no types', 'zeep-enc/08-echoTicket.req', '2024-02-29T10:15:30+00:00'],
])('a ticket from %s reads the same', (_client, file, due) => {
  expect(toJson(partOf(file), part('ticket', 'Ticket'), encoded)).toEqual({ ...ticket, due })
})

test('nil inside, an array of structs, exact decimals', () => {
  expect(toJson(partOf('soaplite-enc/09-echoTicket.req'), part('ticket', 'Ticket'), encoded)).toMatchObject({
    watcher: null,
  })
  expect(
    toJson(partOf('php-enc/06-listTickets.res'), part('tickets', 'ArrayOfTicket'), encoded),
  ).toMatchObject([{ id: '1' }, { id: '2', tags: ['x', 'y'] }])
  expect(
    toJson(partOf('soaplite-enc/07-sumAmounts.req'), part('amounts', 'ArrayOfDecimal'), encoded),
  ).toEqual(['0.1', '0.2', '99999999999999.99'])
})

test('a literal service bears what Perl says of encoding', () => {
  const literal = schemasOfWsdl('legacy-rpclit.wsdl').declare(
    { uri: '', local: 'ticket' },
    { uri: 'urn:example:legacy:types', local: 'Ticket' },
  )
  expect(toJson(partOf('soaplite-lit/08-echoTicket.req', { use: 'literal' }), literal)).toMatchObject({
    tags: { item: ['x'] },
    open: true,
  })
})

test('what is written says its types, never refers, and reads the same', () => {
  const decl = part('ticket', 'Ticket')
  const value = { ...ticket, due: '2024-02-29T10:15:30Z', watcher: null }
  const text = writeXmlText(fromJson(value, decl.name, decl, encoded))
  expect(text).toContain(
    '<tags xsi:type="t1:ArrayOfString" soapenc:arrayType="xsd:string[1]"><item xsi:type="xsd:string">x</item></tags>',
  )
  expect(text).toContain('<watcher xsi:type="t1:Person" xsi:nil="true"/>')
  expect(text).toContain('<id xsi:type="xsd:long">9007199254740993</id>')
  expect(text).not.toMatch(/href|multiRef/)
  expect(roundTrip(value, decl, encoded)).toEqual(value)
})

test('an array is a list, or an object with one list in it; empty is empty', () => {
  const decl = part('tags', 'ArrayOfString')
  const out = (value: Json): string =>
    writeXmlText(fromJson(value, decl.name, decl, encoded)).replace(/ xmlns(?::\w+)?="[^"]*"/g, '')
  expect(out({ item: ['a', null] })).toBe(
    '<tags xsi:type="t1:ArrayOfString" soapenc:arrayType="xsd:string[2]"><item xsi:type="xsd:string">a</item><item xsi:type="xsd:string" xsi:nil="true"/></tags>',
  )
  expect(
    [out([]), out({}), out('')].every((text) => text.endsWith('soapenc:arrayType="xsd:string[0]"/>')),
  ).toBe(true)
  expect(refusal(() => out({ a: ['x'], b: ['y'] }))).toBe(
    'ENCODE_FAILED tags: takes a list, or an object with a list as its one member',
  )
  expect(refusal(() => out(['a', { b: 1 }]))).toContain('ENCODE_FAILED tags/item[2]')
})

test('SOAP 1.2 says item type and size apart (Part 2 §3.1.4, §3.1.6)', () => {
  const decl = part('tags', 'ArrayOfString')
  const text = writeXmlText(fromJson(['a'], decl.name, decl, { encoded: '1.2' }))
  expect(text).toMatch(/\w+:itemType="xsd:string" \w+:arraySize="1"/)
  expect(roundTrip(['a'], decl, { encoded: '1.2' })).toEqual(['a'])
})

const array = (type: string): ElementDecl =>
  declared(
    `<xs:complexType><xs:complexContent><xs:restriction base="soapenc:Array"><xs:attribute ref="soapenc:arrayType" wsdl:arrayType="${type}"/></xs:restriction></xs:complexContent></xs:complexType>`,
  )

test('arrays of arrays nest, whether the wire says their type or not (SOAP 1.1 §5.4.2)', () => {
  const decl = array('xs:int[][]')
  expect(
    read('<row soapenc:arrayType="xs:int[2]"><i>1</i><i>2</i></row><row><i>3</i></row>', decl, encoded),
  ).toEqual([[1, 2], [3]])
  expect(written([[1, 2], [3]], decl, encoded)).toBe(
    '<e xsi:type="soapenc:Array" soapenc:arrayType="xsd:int[][2]"><item xsi:type="soapenc:Array" soapenc:arrayType="xsd:int[2]"><item xsi:type="xsd:int">1</item><item xsi:type="xsd:int">2</item></item><item xsi:type="soapenc:Array" soapenc:arrayType="xsd:int[1]"><item xsi:type="xsd:int">3</item></item></e>',
  )
  expect(roundTrip([[1, 2], []], decl, encoded)).toEqual([[1, 2], []])
})

test('arrays of anything take the type the wire says, and say what each item is', () => {
  const decl = array('xs:anyType[]')
  expect(read('<e soapenc:arrayType="xs:int[2]"><i>1</i><i>2</i></e>', decl, encoded)).toEqual([1, 2])
  expect(
    read('<e><i xsi:type="xs:long">1</i><i xsi:type="xs:string">b</i><i>c</i></e>', decl, encoded),
  ).toEqual([{ '@type': 'long', '#text': '1' }, { '@type': 'string', '#text': 'b' }, 'c'])
  expect(written(['a', 1, true, 2.5], decl, encoded)).toContain(
    '<item xsi:type="xsd:string">a</item><item xsi:type="xsd:int">1</item><item xsi:type="xsd:boolean">true</item><item xsi:type="xsd:double">2.5</item>',
  )
})

test.each([
  ['sparse', '<e><i soapenc:position="[1]">1</i></e>', 'sparse arrays'],
  ['partial', '<e soapenc:offset="[2]"><i>1</i></e>', 'partial arrays'],
  ['of two dimensions', '<e soapenc:arrayType="xs:int[2,1]"><i>1</i><i>2</i></e>', 'several dimensions'],
  ['with text', '<e>x<i>1</i></e>', 'text between its items'],
])('an array that is %s is refused by name', (_what, document, problem) => {
  expect(refusal(() => read(document, array('xs:int[]'), encoded))).toMatch(
    new RegExp(`^DECODE_FAILED e.*: .*${problem}`),
  )
})

test('in encoded structs members are known by their local names (SOAP 1.1 §5.1)', () => {
  const decl = declared(
    '<xs:complexType><xs:sequence><xs:element name="a" type="xs:int"/></xs:sequence></xs:complexType>',
  )
  expect(read('<a xmlns="">1</a>', decl, encoded)).toEqual({ a: 1 })
  expect(read('<a xmlns="">1</a>', decl, { unknown: 'keep' })).toEqual({ '{}a': '1' })
})

test('types a client guessed do not matter where the schema says better', () => {
  const decl = declared(
    '<xs:complexType><xs:sequence><xs:element name="a" type="xs:string"/><xs:element name="b" type="xs:decimal"/></xs:sequence></xs:complexType>',
  )
  expect(read('<a xsi:type="xs:int">007</a><b xsi:type="xs:float">1.10</b>', decl, encoded)).toEqual({
    a: '007',
    b: '1.10',
  })
})

test('what has no value may be left out, and ids nobody refers to say nothing (SOAP 1.1 §5.1)', () => {
  const decl = part('ticket', 'Ticket')
  // What may be nil is said to be: there are readers (zeep) that wait for it.
  expect(writeXmlText(fromJson({ id: '1' }, decl.name, decl, encoded))).toMatch(
    /<id xsi:type="xsd:long">1<\/id><owner xsi:type="t1:Person" xsi:nil="true"\/><watcher xsi:type="t1:Person" xsi:nil="true"\/><\/ticket>$/,
  )
  const person = part('p', 'Person')
  expect(toJson(readXmlText('<p id="i1"><login id="i2">ann</login></p>'), person, encoded)).toEqual({
    login: 'ann',
  })
  expect(refusal(() => toJson(readXmlText('<p id="i1"/>'), person))).toContain('p/@id: is not an attribute')
})

// ─── References ──────────────────────────────────────────────────────────────────────────────────────────────────────

const body = (inner: string): XmlElement =>
  readXmlText(
    `<s:Body xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" xmlns:e="http://www.w3.org/2003/05/soap-encoding">${inner}</s:Body>`,
  )

test('a target takes the place of each reference, keeps the name of the accessor, and leaves the body', () => {
  const resolved = resolveReferences(
    body('<op><a href="#1"/><b href="#1"/></op><multiRef id="1" x="y"><c>1</c></multiRef><other/>'),
  )
  const [op, other] = childElements(resolved)
  expect(childElements(resolved)).toHaveLength(2)
  expect(other?.local).toBe('other')
  const [a, b] = op === undefined ? [] : childElements(op)
  expect([a?.local, b?.local]).toEqual(['a', 'b'])
  expect(a?.attributes.map(({ local }) => local)).toEqual(['x'])
  expect(a?.children).toBe(b?.children) // shared, not copied
})

test('references of SOAP 1.2, chains of references, an id on the first use', () => {
  const resolved = resolveReferences(
    body(
      '<op><a e:ref="1"/><b href="#2"/><c id="3">x</c><d href="#3"/></op><m e:id="1">one</m><m id="2" href="#1"/>',
    ),
  )
  expect(
    childElements(firstChild(resolved)).map((child) => [child.local, textOf(child), child.attributes.length]),
  ).toEqual([
    ['a', 'one', 0],
    ['b', 'one', 0],
    ['c', 'x', 0],
    ['d', 'x', 0],
  ])
})

test('references of SOAP 1.2 as PHP writes them, with a "#" that no IDREF has (SOAP 1.2 Part 2 §3.1.5.2)', () => {
  const root = body('<op><a e:id="ref1">x</a><b e:ref="#ref1"/></op>')
  const [op] = childElements(resolveReferences(root))
  expect(op === undefined ? [] : childElements(op).map(textOf)).toEqual(['x', 'x'])
})

test('a tree without references is itself', () => {
  const root = body('<op><a href="http://x/#1" id="1"/><a href="cid:x"/></op>')
  expect(resolveReferences(root)).toBe(root)
})

test.each([
  ['nobody', '<op><a href="#9"/></op>', 'there is no element with the id "9"'],
  ['itself', '<op><a id="1" href="#1"/></op>', 'leads back to itself'],
  [
    'a circle',
    '<op><a href="#1"/></op><m id="1"><b href="#2"/></m><m id="2"><c href="#1"/></m>',
    'leads back to itself',
  ],
  ['what it stands in', '<op id="1"><a href="#1"/></op>', 'leads back to itself'],
  ['two', '<op><a href="#1"/></op><m id="1"/><m id="1"/>', 'stands on two elements'],
  [
    'something besides its content',
    '<op><a href="#1">x</a></op><m id="1"/>',
    'is a reference and has content',
  ],
  ['__proto__', '<op><a href="#__proto__"/></op>', 'there is no element with the id "__proto__"'],
])('refused: a reference to %s', (_what, inner, problem) => {
  expect(refusal(() => resolveReferences(body(inner)))).toMatch(/^DECODE_FAILED /)
  expect(refusal(() => resolveReferences(body(inner)))).toContain(problem)
})

test('a reference may say the text of its target again, as PHP writes it', () => {
  const root = body('<op><a id="ref1" c="EUR">1.10</a><b href="#ref1">1.10</b><c href="#ref1">2</c></op>')
  const [, b, c] = childElements(firstChild(resolveReferences(root, { use: 'literal' })))
  expect([b?.attributes.map(({ local }) => local), b?.children]).toEqual([['c'], ['1.10']])
  expect(c?.attributes.map(({ local }) => local)).toEqual(['href'])
})

test('in a literal body an href may be data', () => {
  const root = body('<op><a href="#9"/><b href="#1">text</b><c href="#1"/></op><m id="1">one</m>')
  const [a, b, c] = childElements(firstChild(resolveReferences(root, { use: 'literal' })))
  expect([a?.attributes.length, b?.children, c?.children]).toEqual([1, ['text'], ['one']])
})

test('in a literal body a circle is data where it may be, and refused where it can only be references', () => {
  const root = body('<op><b id="ref1"><c href="#ref1"/></b></op><m id="2" href="#2"/>')
  const [b] = childElements(firstChild(resolveReferences(root, { use: 'literal' })))
  expect(b && attribute(firstChild(b), 'href')).toBe('#ref1')
  const circle = body('<op><a href="#1"/></op><m id="1"><self href="#1"/></m>')
  expect(refusal(() => resolveReferences(circle, { use: 'literal' }))).toContain('leads back to itself')
})

test.each(['literal', 'encoded'] as const)(
  'in %s an object of PHP has its own id beside the one of SOAP 1.2 (Part 2 §3.1.5.1)',
  (use) => {
    const root = body('<op><buyer id="C-17" e:id="ref1">Ann</buyer><payer e:ref="#ref1"/></op>')
    const people = childElements(firstChild(resolveReferences(root, { use })))
    expect(
      people.map((one) => [textOf(one), one.attributes.map(({ local, value }) => `${local} ${value}`)]),
    ).toEqual([
      ['Ann', ['id C-17']],
      ['Ann', ['id C-17']],
    ])
  },
)

test('ids called __proto__ and constructor are ids', () => {
  const resolved = resolveReferences(
    body(
      '<op><a href="#__proto__"/><b href="#constructor"/></op><m id="__proto__">1</m><m id="constructor">2</m>',
    ),
  )
  expect(childElements(firstChild(resolved)).map(textOf)).toEqual(['1', '2'])
  expect(Object.keys(Object.prototype)).toEqual([])
})

test('references that double at each of 60 steps, and chains of thousands, are refused at once', () => {
  const began = cpuMs()
  const doubling = Array.from(
    { length: 60 },
    (_, i) => `<m id="${i}"><a href="#${i + 1}"/><b href="#${i + 1}"/></m>`,
  ).join('')
  expect(
    refusal(() => resolveReferences(body(`<op><a href="#0"/></op>${doubling}<m id="60">x</m>`))),
  ).toContain('references make more than 500000 elements')
  const chain = Array.from({ length: 5000 }, (_, i) => `<m id="${i}"><a href="#${i + 1}"/></m>`).join('')
  expect(
    refusal(() => resolveReferences(body(`<op><a href="#0"/></op>${chain}<m id="5000">x</m>`))),
  ).toContain('references go deeper than 200 elements')
  expect(cpuMs() - began).toBeLessThan(2000)
})

test('a long text that is shared is not repeated a thousand times', () => {
  const shared = `<op>${'<a href="#t"/>'.repeat(1000)}</op><m id="t">${'x'.repeat(100_000)}</m>`
  expect(refusal(() => resolveReferences(body(shared)))).toContain(
    'references make more than 16777216 characters',
  )
  const value = `<op>${'<a href="#t"/>'.repeat(1000)}</op><m id="t"><v w="${'x'.repeat(100_000)}"/></m>`
  expect(refusal(() => resolveReferences(body(value)))).toContain('references make more than')
})

test('as many references as a large answer has take time in proportion', () => {
  const many = (count: number): XmlElement =>
    body(
      `<op>${Array.from({ length: count }, (_, i) => `<a href="#${i}"/>`).join('')}</op>${Array.from({ length: count }, (_, i) => `<m id="${i}"><v>1</v></m>`).join('')}`,
    )
  const resolved = resolveReferences(many(20_000))
  expect(childElements(firstChild(resolved))).toHaveLength(20_000)
})
