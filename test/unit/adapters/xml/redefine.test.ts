// xs:redefine (XSD 1 §4.2.2): a document taken in with some of its components put in place of themselves.
import { describe, expect, test } from 'vitest'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { compileSchemas } from '../../../../adapters/xml/schema.ts'
import type { XmlSchemas } from '../../../../adapters/xml/schema.ts'
import { read, refusal, required, roundTrip, schemaText } from './support.ts'

const base = `
  <xs:element name="e" type="t:Person"/>
  <xs:complexType name="Person"><xs:sequence><xs:element name="name" type="t:Name"/><xs:group ref="t:Extra"/></xs:sequence><xs:attributeGroup ref="t:Marks"/></xs:complexType>
  <xs:simpleType name="Name"><xs:restriction base="xs:string"><xs:maxLength value="10"/></xs:restriction></xs:simpleType>
  <xs:group name="Extra"><xs:sequence><xs:element name="phone" type="xs:string" minOccurs="0"/></xs:sequence></xs:group>
  <xs:attributeGroup name="Marks"><xs:attribute name="id" type="xs:int"/></xs:attributeGroup>
  <xs:complexType name="Clerk"><xs:complexContent><xs:extension base="t:Person"><xs:sequence><xs:element name="desk" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>`

/** The schema of `main`, among documents it may name. */
function schemas(main: string, documents: Readonly<Record<string, string>> = {}): XmlSchemas {
  const all = new Map(Object.entries({ 'base.xsd': schemaText(base), ...documents }))
  return compileSchemas([{ schema: readXmlText(schemaText(main)), location: 'main.xsd' }], {
    resolve: ({ location }) => {
      const text = all.get(location)
      return text === undefined ? undefined : { schema: readXmlText(text), location }
    },
  })
}

const redefine = (inner: string, location = 'base.xsd'): string =>
  `<xs:redefine schemaLocation="${location}">${inner}</xs:redefine>`
const person = redefine(
  '<xs:complexType name="Person"><xs:complexContent><xs:extension base="t:Person"><xs:sequence><xs:element name="email" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>',
)

const elementOf = (all: XmlSchemas) => required(all.element({ uri: 'urn:t', local: 'e' }))

describe('a redefinition', () => {
  test('of nothing is an include', () => {
    expect(read('<name>Ann</name>', elementOf(schemas(redefine(''))))).toEqual({ name: 'Ann' })
  })

  test('of a complex type extends it everywhere, in what derives from it too', () => {
    const all = schemas(person)
    const decl = elementOf(all)
    const value = { name: 'Ann', phone: '1', email: 'a@b' }
    expect(read('<name>Ann</name><phone>1</phone><email>a@b</email>', decl)).toEqual(value)
    expect(roundTrip(value, decl)).toEqual(value)
    expect(refusal(() => roundTrip({ name: 'Ann' }, decl))).toContain('e/email: is missing')
    const clerk = { '@type': 'Clerk', name: 'Ann', email: 'a@b', desk: 7 }
    expect(roundTrip(clerk, decl)).toEqual(clerk)
    expect(all.types.map(({ name }) => name?.local ?? '').toSorted()).toEqual(['Clerk', 'Name', 'Person'])
  })

  test('of a simple type narrows it', () => {
    const decl = elementOf(
      schemas(
        redefine(
          '<xs:simpleType name="Name"><xs:restriction base="t:Name"><xs:minLength value="2"/></xs:restriction></xs:simpleType>',
        ),
      ),
    )
    expect(read('<name>Ann</name>', decl)).toEqual({ name: 'Ann' })
    expect(refusal(() => read('<name>A</name>', decl))).toContain('at least 2 is needed')
    expect(refusal(() => read('<name>Annannannanna</name>', decl))).toContain('10 is the most')
  })

  test('of groups holds them, or less than them (§4.2.2, 6 and 7)', () => {
    const more = elementOf(
      schemas(
        redefine(
          '<xs:group name="Extra"><xs:sequence><xs:group ref="t:Extra"/><xs:element name="fax" type="xs:string"/></xs:sequence></xs:group><xs:attributeGroup name="Marks"><xs:attributeGroup ref="t:Marks"/><xs:attribute name="tag"/></xs:attributeGroup>',
        ),
      ),
    )
    expect(read('<e id="1" tag="x"><name>Ann</name><phone>1</phone><fax>2</fax></e>', more)).toEqual({
      '@id': 1,
      '@tag': 'x',
      name: 'Ann',
      phone: '1',
      fax: '2',
    })
    const less = elementOf(schemas(redefine('<xs:group name="Extra"><xs:sequence/></xs:group>')))
    expect(refusal(() => read('<name>Ann</name><phone>1</phone>', less))).toContain(
      'e/phone: is not an element',
    )
  })

  test('of a redefinition adds to it', () => {
    const middle = schemaText(person)
    const top = redefine(
      '<xs:complexType name="Person"><xs:complexContent><xs:extension base="t:Person"><xs:sequence><xs:element name="city" type="xs:string"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>',
      'middle.xsd',
    )
    const decl = elementOf(schemas(top, { 'middle.xsd': middle }))
    const value = { name: 'Ann', email: 'a@b', city: 'Bern' }
    expect(read('<name>Ann</name><email>a@b</email><city>Bern</city>', decl)).toEqual(value)
  })

  test('means its own name in its own space of names alone', () => {
    const both = redefine(
      '<xs:complexType name="Marks"><xs:complexContent><xs:extension base="t:Marks"><xs:attributeGroup ref="t:Marks"/></xs:extension></xs:complexContent></xs:complexType>',
      'marks.xsd',
    )
    const marks = schemaText(
      '<xs:element name="e" type="t:Marks"/><xs:complexType name="Marks"><xs:sequence><xs:element name="a" type="xs:int"/></xs:sequence></xs:complexType><xs:attributeGroup name="Marks"><xs:attribute name="b"/></xs:attributeGroup>',
    )
    expect(read('<e b="2"><a>1</a></e>', elementOf(schemas(both, { 'marks.xsd': marks })))).toEqual({
      '@b': '2',
      a: 1,
    })
  })

  test.each([
    [
      'what is not there',
      redefine('<xs:simpleType name="Nobody"><xs:restriction base="t:Nobody"/></xs:simpleType>'),
      'simpleType "Nobody" is redefined, but the document has no such thing',
    ],
    ['an element', redefine('<xs:element name="e"/>'), 'xs:redefine cannot hold element "e"'],
    ['a document nobody has', redefine('', 'x.xsd'), 'the included document "x.xsd" was not found'],
  ])('of %s is refused by name', (_what, main, problem) => {
    expect(refusal(() => schemas(main))).toContain(problem)
  })
})
