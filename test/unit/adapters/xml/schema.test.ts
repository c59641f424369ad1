// Schemas: components by name, over several documents, and what is wrong with a schema said by name.
import { expect, test } from 'vitest'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { compileSchemas, derivesFrom, sample } from '../../../../adapters/xml/schema.ts'
import type { ComplexType, ResolveSchema, SchemaDocument } from '../../../../adapters/xml/schema.ts'
import {
  cpuMs,
  declared,
  read,
  refusal,
  required,
  roundTrip,
  schema,
  schemasOfWsdl,
  schemaText,
  sequence,
  written,
} from './support.ts'

const t = (local: string): { uri: string; local: string } => ({ uri: 'urn:t', local })
const xs = (local: string): { uri: string; local: string } => ({
  uri: 'http://www.w3.org/2001/XMLSchema',
  local,
})

function complex(type: unknown): ComplexType {
  return type as ComplexType // the fixtures of this file declare it so; members are checked by what is expected of them
}

test('the schemas of a WSDL compile: elements, types, forms, occurrence, nillable', () => {
  const schemas = schemasOfWsdl('orders.wsdl')
  const create = required(schemas.element({ uri: 'urn:example:orders:v1', local: 'CreateOrder' }))
  expect(create.type).toMatchObject({
    kind: 'complex',
    particle: {
      kind: 'sequence',
      items: [
        { kind: 'element', min: 1, max: 1, decl: { name: { uri: 'urn:example:orders:v1', local: 'order' } } },
      ],
    },
  })
  const company = required(schemas.type({ uri: 'urn:example:common:v1', local: 'Company' }))
  const party = required(schemas.type({ uri: 'urn:example:common:v1', local: 'Party' }))
  expect([derivesFrom(company, party), derivesFrom(party, company)]).toEqual([true, false])
  expect(derivesFrom(party, required(schemas.type(xs('anyType'))))).toBe(true)
  expect(schemas.typesNamed('Company')).toEqual([company])
  expect(schemas.elements.length).toBeGreaterThan(15)
  expect(schemas.declare({ uri: '', local: 'count' }, xs('int')).type).toMatchObject({ builtin: 'int' })
  expect(refusal(() => schemas.declare({ uri: '', local: 'x' }, t('Nope')))).toBe(
    'DECODE_FAILED schema: type {urn:t}Nope is not defined (element "x")',
  )
})

test('forms: by the document, by the declaration; references and attributes (XSD 1 §3.3.2, §3.2.2)', () => {
  const schemas = compileSchemas([
    readXmlText(
      schemaText(
        `<xs:element name="e"><xs:complexType><xs:sequence>
          <xs:element name="a" type="xs:string"/><xs:element name="b" type="xs:string" form="unqualified"/><xs:element ref="t:g"/>
        </xs:sequence><xs:attribute name="x"/><xs:attribute name="y" form="qualified"/><xs:attribute ref="xml:lang"/></xs:complexType></xs:element>
        <xs:element name="g" type="xs:int"/>`,
      ),
    ),
  ])
  const type = complex(schemas.element(t('e'))?.type)
  const names =
    type.particle?.kind === 'sequence'
      ? type.particle.items.map((item) => (item.kind === 'element' ? item.decl.name : undefined))
      : []
  expect(names).toEqual([t('a'), { uri: '', local: 'b' }, t('g')])
  expect(type.attributes.map(({ name }) => name)).toEqual([
    { uri: '', local: 'x' },
    t('y'),
    { uri: 'http://www.w3.org/XML/1998/namespace', local: 'lang' },
  ])
})

test('extension puts the base first, restriction replaces its content, attributes are inherited or prohibited (XSD 1 §3.4.2)', () => {
  const schemas = schema(`
    <xs:complexType name="B"><xs:sequence><xs:element name="a" type="xs:string"/></xs:sequence><xs:attribute name="x"/><xs:attribute name="y"/></xs:complexType>
    <xs:complexType name="E"><xs:complexContent><xs:extension base="t:B"><xs:sequence><xs:element name="b" type="xs:string"/></xs:sequence><xs:attribute name="z"/></xs:extension></xs:complexContent></xs:complexType>
    <xs:complexType name="R"><xs:complexContent><xs:restriction base="t:B"><xs:sequence><xs:element name="a" type="xs:token"/></xs:sequence><xs:attribute name="x" use="prohibited"/></xs:restriction></xs:complexContent></xs:complexType>
    <xs:element name="e" type="t:E"/><xs:element name="r" type="t:R"/>`)
  const e = required(schemas.element(t('e')))
  expect(read('<e x="1" z="3"><a>A</a><b>B</b></e>', e)).toEqual({ '@x': '1', '@z': '3', a: 'A', b: 'B' })
  expect(written({ b: 'B', a: 'A', '@y': '2' }, e)).toBe('<e y="2"><a>A</a><b>B</b></e>')
  const r = required(schemas.element(t('r')))
  expect(complex(r.type).attributes.map(({ name }) => name.local)).toEqual(['y'])
  expect(refusal(() => read('<e x="1"><a>A</a></e>', r))).toContain(
    'e/@x: is not an attribute the schema has here',
  )
})

test('simple content by extension and by restriction (XSD 1 §3.4.2)', () => {
  const types = `
    <xs:complexType name="Amount"><xs:simpleContent><xs:extension base="xs:decimal"><xs:attribute name="currency" type="xs:string" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
    <xs:complexType name="Small"><xs:simpleContent><xs:restriction base="t:Amount"><xs:maxInclusive value="10"/></xs:restriction></xs:simpleContent></xs:complexType>`
  const decl = declared('type="t:Small"', types)
  expect(read('<e currency="EUR">9.50</e>', decl)).toEqual({ '@currency': 'EUR', '#text': '9.50' })
  expect(refusal(() => read('<e currency="EUR">10.01</e>', decl))).toBe(
    'DECODE_FAILED e: "10.01" is above 10',
  )
  expect(written({ '@currency': 'EUR', '#text': '9.50' }, decl)).toBe('<e currency="EUR">9.50</e>')
  expect(refusal(() => written('9.50', decl))).toBe('ENCODE_FAILED e/@currency: is missing')
})

test('groups and attribute groups are what they hold (XSD 1 §3.7, §3.6)', () => {
  const decl = declared(
    '<xs:complexType><xs:sequence><xs:group ref="t:G" maxOccurs="2"/></xs:sequence><xs:attributeGroup ref="t:A"/></xs:complexType>',
    `<xs:group name="G"><xs:sequence><xs:element name="a" type="xs:int"/><xs:element name="b" type="xs:int" minOccurs="0"/></xs:sequence></xs:group>
     <xs:attributeGroup name="A"><xs:attribute name="x"/><xs:attributeGroup ref="t:B"/></xs:attributeGroup>
     <xs:attributeGroup name="B"><xs:attribute name="y"/><xs:anyAttribute/></xs:attributeGroup>`,
  )
  expect(read('<e x="1" y="2" z="3"><a>1</a><b>2</b><a>3</a></e>', decl)).toEqual({
    '@x': '1',
    '@y': '2',
    '@z': '3',
    a: [1, 3],
    b: [2],
  })
})

test('recursive types, through elements and through derived types', () => {
  const types = `
    <xs:complexType name="Node"><xs:sequence><xs:element name="v" type="xs:int"/><xs:element name="child" type="t:Node" minOccurs="0" maxOccurs="unbounded"/><xs:element name="leaf" type="t:Leaf" minOccurs="0"/></xs:sequence></xs:complexType>
    <xs:complexType name="Leaf"><xs:complexContent><xs:extension base="t:Node"><xs:attribute name="l"/></xs:extension></xs:complexContent></xs:complexType>`
  const decl = declared('type="t:Node"', types)
  const value = { v: 1, child: [{ v: 2, child: [] }], leaf: { '@l': 'x', v: 3, child: [] } }
  expect(read('<e><v>1</v><child><v>2</v></child><leaf l="x"><v>3</v></leaf></e>', decl)).toEqual(value)
  expect(written(value, decl)).toBe('<e><v>1</v><child><v>2</v></child><leaf l="x"><v>3</v></leaf></e>')
})

const document = (text: string, location: string): SchemaDocument => ({ schema: readXmlText(text), location })

test('imports and includes over several documents, cycles, and a chameleon in two namespaces (XSD 1 §4.2)', () => {
  const xmlns = 'xmlns:xs="http://www.w3.org/2001/XMLSchema"'
  const files = new Map([
    ['http://h/a/main.xsd', schemaText('<xs:include schemaLocation="part.xsd"/><xs:import namespace="urn:o" schemaLocation="../other.xsd"/><xs:element name="e" type="t:Part"/>', 'xmlns:o="urn:o"')],
    ['http://h/a/part.xsd', schemaText('<xs:include schemaLocation="main.xsd"/><xs:include schemaLocation="../chameleon.xsd"/><xs:complexType name="Part"><xs:sequence><xs:element ref="o:other"/><xs:element ref="t:shared"/></xs:sequence></xs:complexType>', 'xmlns:o="urn:o"')],
    ['http://h/other.xsd', `<xs:schema ${xmlns} xmlns:o="urn:o" targetNamespace="urn:o" elementFormDefault="qualified"><xs:import namespace="urn:t" schemaLocation="a/main.xsd"/><xs:include schemaLocation="chameleon.xsd"/><xs:element name="other" type="o:Shared"/></xs:schema>`],
    ['http://h/chameleon.xsd', `<xs:schema ${xmlns} elementFormDefault="qualified"><xs:element name="shared" type="Shared"/><xs:complexType name="Shared"><xs:sequence><xs:element name="id" type="Id"/></xs:sequence></xs:complexType><xs:simpleType name="Id"><xs:restriction base="xs:int"/></xs:simpleType></xs:schema>`],
  ]) // prettier-ignore
  const asked: string[] = []
  const resolve: ResolveSchema = ({ location, base }) => {
    const url = new URL(location, base).href
    asked.push(url)
    return document(required(files.get(url)), url) // parsed anew each time: only the location tells that it is known
  }
  const schemas = compileSchemas(
    [document(required(files.get('http://h/a/main.xsd')), 'http://h/a/main.xsd')],
    { resolve },
  )
  const decl = required(schemas.element(t('e')))
  const text = '<e><other xmlns="urn:o"><id>1</id></other><shared><id>2</id></shared></e>'
  expect(read(text, decl)).toEqual({ other: { id: 1 }, shared: { id: 2 } })
  expect(schemas.type({ uri: 'urn:o', local: 'Shared' })).toBeDefined()
  expect(schemas.type({ uri: '', local: 'Shared' })).toBeUndefined()
  expect(asked.length).toBeLessThan(12)
})

test('an import without a location finds another document of the caller, SOAP encoding is known anyway', () => {
  const one = readXmlText(
    schemaText('<xs:import namespace="urn:o"/><xs:element name="e" type="o:T"/>', 'xmlns:o="urn:o"'),
  )
  const two = readXmlText(
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:o"><xs:import namespace="http://schemas.xmlsoap.org/soap/encoding/" schemaLocation="http://nowhere/"/><xs:simpleType name="T"><xs:restriction base="xs:int"/></xs:simpleType></xs:schema>',
  )
  expect(compileSchemas([one, two]).element(t('e'))?.type).toMatchObject({ builtin: 'int' })
})

test('a component that comes twice counts once', () => {
  const text = schemaText('<xs:element name="e" type="xs:int"/>')
  expect(compileSchemas([readXmlText(text), readXmlText(text)]).elements).toHaveLength(1)
})

test.each([
  [
    'an unknown type',
    '<xs:element name="e" type="t:Nope"/>',
    'type {urn:t}Nope is not defined (element "e")',
  ],
  ['an unknown prefix', '<xs:element name="e" type="q:Nope"/>', '"q:Nope" is not a name in scope'],
  [
    'an unknown element',
    '<xs:complexType name="T"><xs:sequence><xs:element ref="t:nope"/></xs:sequence></xs:complexType>',
    'element {urn:t}nope is not defined',
  ],
  [
    'an unknown group',
    '<xs:complexType name="T"><xs:group ref="t:g"/></xs:complexType>',
    'group "g" is not defined',
  ],
  [
    'an unknown attribute',
    '<xs:complexType name="T"><xs:attribute ref="t:a"/></xs:complexType>',
    'attribute {urn:t}a is not defined',
  ],
  [
    'an unknown attribute group',
    '<xs:complexType name="T"><xs:attributeGroup ref="t:a"/></xs:complexType>',
    'attribute group "a" is not defined',
  ],
  ['an unknown head', '<xs:element name="e" substitutionGroup="t:h"/>', 'element {urn:t}h is not defined'],
  [
    'a type that derives from itself',
    '<xs:complexType name="T"><xs:complexContent><xs:extension base="t:T"/></xs:complexContent></xs:complexType>',
    'type "T" derives from itself',
  ],
  [
    'a simple type in a circle',
    '<xs:simpleType name="A"><xs:restriction base="t:B"/></xs:simpleType><xs:simpleType name="B"><xs:restriction base="t:A"/></xs:simpleType>',
    'derives from itself',
  ],
  [
    'a group that holds itself',
    '<xs:group name="G"><xs:sequence><xs:group ref="t:G"/></xs:sequence></xs:group><xs:complexType name="T"><xs:group ref="t:G"/></xs:complexType>',
    'group "G" holds itself',
  ],
  [
    'a count that is none',
    '<xs:complexType name="T"><xs:sequence maxOccurs="many"/></xs:complexType>',
    'maxOccurs "many" of sequence is not a count',
  ],
  [
    'more at least than at most',
    '<xs:complexType name="T"><xs:sequence minOccurs="2"/></xs:complexType>',
    'maxOccurs of sequence is below its minOccurs',
  ],
  [
    'an include nobody has',
    '<xs:include schemaLocation="x.xsd"/>',
    'the included document "x.xsd" was not found',
  ],
  ['XSD 1.1', '<xs:override schemaLocation="x.xsd"/>', 'xs:override is XSD 1.1'],
  [
    'a simple type with complex content',
    '<xs:complexType name="T"><xs:complexContent><xs:extension base="xs:int"/></xs:complexContent></xs:complexType>',
    'complex content, its base is simple',
  ],
  [
    'a length that is none',
    '<xs:simpleType name="T"><xs:restriction base="xs:string"><xs:length value="x"/></xs:restriction></xs:simpleType>',
    'length "x" is not a number',
  ],
])('wrong schema, refused by name: %s', (_what, content, problem) => {
  expect(refusal(() => schema(content))).toContain('DECODE_FAILED schema: ')
  expect(refusal(() => schema(content))).toContain(problem)
})

test('what is no schema, and an include of another namespace, are refused', () => {
  expect(refusal(() => compileSchemas([readXmlText('<a/>')]))).toContain('"a" in "" is not an xs:schema')
  const other = readXmlText(
    '<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" targetNamespace="urn:o"/>',
  )
  const including = readXmlText(schemaText('<xs:include schemaLocation="o.xsd"/>'))
  expect(
    refusal(() => compileSchemas([including], { resolve: () => ({ schema: other, location: 'o.xsd' }) })),
  ).toContain('o.xsd of urn:o cannot be included into urn:t')
})

test('groups that double at each of 40 steps are refused, not expanded', () => {
  const groups = Array.from(
    { length: 40 },
    (_, i) =>
      `<xs:group name="G${i}"><xs:sequence><xs:group ref="t:G${i + 1}"/><xs:group ref="t:G${i + 1}"/></xs:sequence></xs:group>`,
  )
  const last = '<xs:group name="G40"><xs:sequence><xs:element name="a"/></xs:sequence></xs:group>'
  const began = cpuMs()
  expect(
    refusal(() =>
      declared('<xs:complexType><xs:group ref="t:G0"/></xs:complexType>', groups.join('') + last),
    ),
  ).toContain('it expands to more than 500000 parts')
  expect(cpuMs() - began).toBeLessThan(3000)
})

test('names that mean something to JavaScript are names', () => {
  const decl = declared(
    '<xs:complexType><xs:sequence><xs:element name="__proto__" type="t:constructor"/><xs:element name="toString" type="xs:int" minOccurs="0"/></xs:sequence><xs:attribute name="__proto__" type="xs:int"/></xs:complexType>',
    '<xs:simpleType name="constructor"><xs:restriction base="xs:int"/></xs:simpleType>',
  )
  const value = read('<e __proto__="1"><__proto__>2</__proto__></e>', decl)
  expect(JSON.stringify(value)).toBe('{"@__proto__":1,"__proto__":2}')
  expect(written(JSON.parse('{"@__proto__":1,"__proto__":2}'), decl)).toBe(
    '<e __proto__="1"><__proto__>2</__proto__></e>',
  )
  expect(Object.keys(Object.prototype)).toEqual([])
})

test('samples are valid by their schema, for every element of the fixtures', () => {
  for (const file of ['orders.wsdl', 'legacy-rpcenc.wsdl', 'legacy-rpclit.wsdl'])
    for (const decl of schemasOfWsdl(file).elements)
      expect([file, decl.name.local, refusal(() => written(sample(decl), decl))]).toEqual([
        file,
        decl.name.local,
        'accepted',
      ])
})

test('samples meet facets, follow recursion to its end, and name a type where one is abstract', () => {
  const decl = declared(
    '<xs:complexType><xs:sequence><xs:element name="code" type="t:Code"/><xs:element name="n" type="t:N"/><xs:element name="l" type="t:L"/><xs:element name="shape" type="t:Shape"/><xs:element name="again" type="t:Again" minOccurs="0"/></xs:sequence></xs:complexType>',
    `<xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:pattern value="[A-Z]{2}-\\d{3}"/></xs:restriction></xs:simpleType>
     <xs:simpleType name="N"><xs:restriction base="xs:int"><xs:minInclusive value="100"/></xs:restriction></xs:simpleType>
     <xs:simpleType name="L"><xs:restriction base="xs:string"><xs:minLength value="7"/></xs:restriction></xs:simpleType>
     <xs:complexType name="Shape" abstract="true"><xs:sequence/></xs:complexType>
     <xs:complexType name="Circle"><xs:complexContent><xs:extension base="t:Shape"><xs:attribute name="r" type="xs:int"/></xs:extension></xs:complexContent></xs:complexType>
     <xs:complexType name="Again"><xs:sequence><xs:element name="again" type="t:Again" minOccurs="0"/></xs:sequence></xs:complexType>`,
  )
  const value = sample(decl)
  expect(value).toMatchObject({
    code: 'AA-111',
    n: 100,
    l: 'xxxxxxx',
    shape: { '@type': 'Circle', '@r': 1 },
    again: {},
  })
  expect(roundTrip(value, decl)).toEqual(value)
})

const restricted = (base: string, facets: string) =>
  `><xs:simpleType><xs:restriction base="${base}">${facets}</xs:restriction></xs:simpleType></xs:element>`

test.each([
  ['twelve items', 'type="xs:string" minOccurs="12" maxOccurs="12"/>'],
  ['octets in hex of one length', restricted('xs:hexBinary', '<xs:length value="16"/>')],
  ['octets in base64 of one length', restricted('xs:base64Binary', '<xs:length value="20"/>')],
  [
    'a list of one length',
    '><xs:simpleType><xs:restriction><xs:simpleType><xs:list itemType="xs:int"/></xs:simpleType><xs:length value="3"/></xs:restriction></xs:simpleType></xs:element>',
  ],
  ['a pattern and a length', restricted('xs:string', '<xs:pattern value="[A-Z]+"/><xs:length value="10"/>')],
  [
    'a pattern and a least length',
    restricted('xs:string', '<xs:pattern value="[0-9]*-?[A-Z]{2,}"/><xs:minLength value="7"/>'),
  ],
  [
    'decimals between two neighbours',
    restricted('xs:decimal', '<xs:minExclusive value="5"/><xs:maxExclusive value="6"/>'),
  ],
  ['integers below 0', restricted('xs:int', '<xs:maxExclusive value="0"/>')],
  ['doubles below -3', restricted('xs:double', '<xs:maxExclusive value="-3"/>')],
  ['dates before one', restricted('xs:date', '<xs:maxExclusive value="2000-01-01"/>')],
  ['dates after one', restricted('xs:date', '<xs:minExclusive value="2030-12-31"/>')],
  ['times of day after one', restricted('xs:time', '<xs:minExclusive value="18:00:00"/>')],
  ['moments before one', restricted('xs:dateTime', '<xs:maxExclusive value="2000-01-01T00:00:00+08:00"/>')],
  ['times of a pattern', restricted('xs:time', '<xs:pattern value="[0-9]{2}:[0-9]{2}:00"/>')],
  ['durations of a pattern', restricted('xs:duration', '<xs:pattern value="PT[0-9]+M"/>')],
  [
    'a choice that is itself in its first branch',
    'type="t:Term"/>',
    '<xs:complexType name="Term"><xs:choice><xs:element name="not" type="t:Term"/><xs:element name="word" type="xs:string"/></xs:choice></xs:complexType>',
  ],
  [
    'an element twice',
    'type="xs:string"/><xs:element name="b" type="xs:string"/><xs:element name="a" type="xs:string"/>',
  ],
])('a sample has %s', (_what, content, others = '') => {
  const decl = declared(sequence(`<xs:element name="a" ${content}`), others)
  expect(refusal(() => written(sample(decl), decl))).toBe('accepted')
})

test('a sample is small whatever a schema wants at least', () => {
  const item = (name: string, type: string) =>
    `<xs:complexType name="${name}"><xs:sequence><xs:element name="x" type="${type}" minOccurs="1000" maxOccurs="1000"/></xs:sequence></xs:complexType>`
  const decl = declared('type="t:A"', item('A', 't:B') + item('B', 't:C') + item('C', 'xs:string'))
  expect(JSON.stringify(sample(decl)).length).toBeLessThan(10_000)
})
