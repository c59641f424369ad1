// What stands where a schema says xs:any, xs:anyType or xs:anyAttribute keeps its names, there and back.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { fromJson, toJson } from '../../../../adapters/xml/bind.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import type { ElementDecl } from '../../../../adapters/xml/schema.ts'
import { attribute, childElements, element as made, resolveQName } from '../../../../adapters/xml/tree.ts'
import type { XmlElement, XmlNode } from '../../../../adapters/xml/tree.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { declared, read, refusal, required, roundTrip, sequence, xml } from './support.ts'

const open = declared(
  sequence('<xs:element name="v" type="xs:anyType"/>'),
  '<xs:element name="g" type="xs:int"/>',
)
const wild = declared(sequence('<xs:any processContents="lax" minOccurs="0" maxOccurs="unbounded"/>'))

/** Every name of a tree, attributes in their order by name: all that must not change. */
function namesOf(element: XmlElement): unknown {
  const attributes = element.attributes
    .map(({ uri, local, value }) => `{${uri}}${local}=${value.replace(/^xs:/, 'xsd:')}`)
    .toSorted()
  const children = element.children.map((child) => (typeof child === 'string' ? child : namesOf(child)))
  return [`{${element.uri}}${element.local}`, attributes, children]
}

function returned(inner: string, decl: ElementDecl): XmlElement {
  const value = toJson(xml(inner), decl)
  return readXmlText(writeXmlText(fromJson(value, decl.name, decl)))
}

test('under xs:anyType an element says its namespace where it is not that of its parent', () => {
  const inner = '<v><q:x xmlns:q="urn:q"><q:y>1</q:y><z xmlns="">2</z></q:x><w/></v>'
  const value = { v: { x: { '@xmlns': 'urn:q', y: '1', z: { '@xmlns': '', '#text': '2' } }, w: '' } }
  expect(read(inner, open)).toEqual(value)
  expect(roundTrip(value, open)).toEqual(value)
})

test('a name of the schema says nothing there, one that is like it does', () => {
  expect(read('<v><g>5</g></v>', open)).toEqual({ v: { g: 5 } })
  expect(read('<v><g xmlns="">5</g></v>', open)).toEqual({ v: { g: { '@xmlns': '', '#text': '5' } } })
})

test.each([
  ['two of one name', '<q:x xmlns:q="urn:q">1</q:x><r:x xmlns:r="urn:r">2</r:x>'],
  ['of a type', '<x xmlns="" xsi:type="xs:int">7</x>'],
  ['nil', '<x xmlns="urn:q" xsi:nil="true" a="1"/>'],
  ['in mixed content', 'a<x xmlns="urn:q"/>b<x/>'],
])('elements under xs:anyType come back with their names: %s', (_what, inner) => {
  const document = `<e><v>${inner}</v></e>`
  expect(namesOf(returned(document, open))).toEqual(namesOf(xml(document)))
})

test('attributes there keep their namespaces', () => {
  const inner = '<v xml:lang="zh"><x xmlns:l="urn:l" l:href="a" href="b" c="d"/></v>'
  const value = {
    v: {
      '@{http://www.w3.org/XML/1998/namespace}lang': 'zh',
      x: { '@{urn:l}href': 'a', '@href': 'b', '@c': 'd' },
    },
  }
  expect(read(inner, open)).toEqual(value)
  expect(namesOf(returned(inner, open))).toEqual(namesOf(xml(inner)))
})

test('so do those that xs:anyAttribute lets in, and none that the schema declares', () => {
  const decl = declared(
    '<xs:complexType><xs:sequence/><xs:attribute name="a"/><xs:attribute ref="xml:lang"/><xs:anyAttribute processContents="lax"/></xs:complexType>',
  )
  const document = '<e a="1" xml:lang="zh" xmlns:o="urn:o" o:flag="2" o:a="3" b="4"/>'
  const value = { '@a': '1', '@lang': 'zh', '@{urn:o}flag': '2', '@{urn:o}a': '3', '@b': '4' }
  expect(read(document, decl)).toEqual(value)
  expect(namesOf(returned(document, decl))).toEqual(namesOf(xml(document)))
})

test('a DataSet of ASMX comes back whole', () => {
  const dataset = `<d:diffgram xmlns:d="urn:schemas-microsoft-com:xml-diffgram-v1" xmlns:m="urn:schemas-microsoft-com:xml-msdata">
    <NewDataSet xmlns=""><Row d:id="Row1" m:rowOrder="0"><ID>007</ID></Row><Row d:id="Row2" m:rowOrder="1"><ID>008</ID></Row></NewDataSet></d:diffgram>`
  const [diffgram] = childElements(returned(dataset, wild))
  const [set] = childElements(required(diffgram))
  const [, row] = childElements(required(set))
  expect([diffgram?.uri, set?.uri]).toEqual(['urn:schemas-microsoft-com:xml-diffgram-v1', ''])
  expect(attribute(required(row), 'id', 'urn:schemas-microsoft-com:xml-diffgram-v1')).toBe('Row2')
  expect(attribute(required(row), 'rowOrder', 'urn:schemas-microsoft-com:xml-msdata')).toBe('1')
})

test('a result that is described as ASMX describes a DataSet: a schema, and anything', () => {
  const decl = declared(sequence('<xs:element ref="xs:schema"/><xs:any/>'))
  const inner = `<xs:schema id="D"><xs:element name="D" type="xs:string"/></xs:schema><q:diffgram xmlns:q="urn:q"/>`
  expect(read(inner, decl)).toEqual({
    schema: {
      '@xmlns:xs': 'http://www.w3.org/2001/XMLSchema',
      '@id': 'D',
      element: { '@name': 'D', '@type': 'xs:string' },
    },
    diffgram: { '@xmlns': 'urn:q', '#text': '' },
  })
  const [schema] = childElements(returned(inner, decl))
  expect(resolveQName(required(schema), 'xs:string')?.uri).toBe(required(schema).uri)
})

test('names in a schema that a DataSet brings mean what they meant', () => {
  const brought = `<s:schema id="D" xmlns:s="http://www.w3.org/2001/XMLSchema" xmlns:m="urn:m" xmlns:unused="urn:u">
    <s:element name="D"><s:complexType><s:sequence><s:element name="i" type="s:int" m:ReadOnly="true"/></s:sequence></s:complexType>
    <s:unique name="u"><s:selector xpath=".//m:Row"/></s:unique></s:element></s:schema>`
  expect(read(brought, wild)).toMatchObject({
    schema: {
      '@xmlns': 'http://www.w3.org/2001/XMLSchema',
      '@xmlns:s': 'http://www.w3.org/2001/XMLSchema',
      '@xmlns:m': 'urn:m',
      '@id': 'D',
    },
  })
  expect(JSON.stringify(read(brought, wild))).not.toContain('unused')
  expect(refusal(() => roundTrip({ schema: { '@xmlns:xmlns': 'urn:x' } }, wild))).toMatch(
    /^ENCODE_FAILED e\/schema\/@xmlns:xmlns: is not a prefix with its namespace/,
  )
  const [schema] = childElements(returned(brought, wild))
  expect(resolveQName(required(schema), 's:int')?.uri).toBe('http://www.w3.org/2001/XMLSchema')
  expect(required(schema).namespaces.get('m')).toBe('urn:m')
})

test('an element under a wildcard whose name the schema has too keeps the namespaces inside of it', () => {
  const decl = declared(
    sequence('<xs:element name="a" type="xs:int"/><xs:any namespace="##other" processContents="lax"/>'),
  )
  const inner = '<e><a>1</a><a xmlns="urn:q"><b xmlns="">2</b><c/></a></e>'
  expect(read(inner, decl)).toEqual({ a: 1, '{urn:q}a': { b: { '@xmlns': '', '#text': '2' }, c: '' } })
  expect(namesOf(returned(inner, decl))).toEqual(namesOf(xml(inner)))
})

test('in SOAP encoding accessors at an open place have local names alone (SOAP 1.1 §5.1)', () => {
  expect(read('<v><x xmlns="">1</x></v>', open, { encoded: '1.1' })).toEqual({ v: { x: '1' } })
})

const attributes = fc.uniqueArray(
  fc.record({
    uri: fc.constantFrom('', 'urn:l', 'urn:q'),
    local: fc.constantFrom('x', 'y'),
    value: fc.constantFrom('', '1'),
  }),
  { selector: ({ uri, local }) => `${uri} ${local}`, maxLength: 3 },
)
const names = { uri: fc.constantFrom('', 'urn:t', 'urn:q'), local: fc.constantFrom('a', 'b', 'item') }
const { tree } = fc.letrec<{ tree: XmlElement; inside: readonly XmlNode[] }>((tie) => ({
  tree: fc
    .record({ ...names, attributes, children: tie('inside') })
    .map(({ uri, local, attributes: said, children }) => made(uri, local, said, children)),
  inside: fc.oneof({ maxDepth: 3 }, fc.constantFrom([], ['text']), fc.array(tie('tree'), { maxLength: 3 })),
}))

/** Which of several names comes first an open place does not keep. */
function unordered(node: XmlNode): unknown {
  if (typeof node === 'string') return node
  const said = node.attributes.map(({ uri, local, value }) => `{${uri}}${local}=${value}`).toSorted()
  const children = node.children.map((child) => JSON.stringify(unordered(child))).toSorted()
  return [`{${node.uri}}${node.local}`, said, children]
}

test.each([
  ['xs:anyType', declared('type="xs:anyType"', '<xs:element name="b" type="xs:anyType"/>')],
  ['xs:any', wild],
])('whatever stands under %s comes back with the same names', (_where, decl) => {
  fc.assert(
    fc.property(fc.array(tree, { maxLength: 3 }), (children) => {
      const given = made('urn:t', 'e', [], children)
      const value = toJson(readXmlText(writeXmlText(given)), decl)
      const back = readXmlText(writeXmlText(fromJson(value, decl.name, decl)))
      expect(unordered(back)).toEqual(unordered(given))
    }),
    { numRuns: 300 },
  )
})
