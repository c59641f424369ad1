// QNames as values: expanded names in JSON, prefixes in XML (XSD 1.0 Part 2 §3.2.18).
import { expect, test } from 'vitest'
import { fromJson, toJson } from '../../../../adapters/xml/bind.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'
import { sample } from '../../../../adapters/xml/schema.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { declared, read, refusal, roundTrip, written } from './support.ts'

test('a QName is its expanded name in JSON, and gets a prefix again', () => {
  const decl = declared('type="xs:QName"')
  expect(read('t:x', decl)).toBe('{urn:t}x')
  expect(read('<e xmlns:q="urn:q"> q:x </e>', decl)).toBe('{urn:q}x')
  expect(written('{urn:q}x', decl)).toBe('<e>q1:x</e>')
  expect(refusal(() => read('p:x', decl))).toBe('DECODE_FAILED e: the prefix of "p:x" is not declared')
  expect(refusal(() => written('p:x', decl))).toContain('{uri}name is needed')
})

const codes = `
  <xs:simpleType name="Code"><xs:restriction base="xs:QName"><xs:enumeration value="t:x"/><xs:enumeration xmlns:o="urn:o" value="o:y"/><xs:enumeration xmlns="urn:d" value=" z "/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Codes"><xs:list itemType="t:Code"/></xs:simpleType>
  <xs:simpleType name="Two"><xs:restriction base="t:Names"><xs:length value="2"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Names"><xs:list itemType="xs:QName"/></xs:simpleType>
  <xs:simpleType name="Pair"><xs:restriction base="t:Names"><xs:enumeration value="t:x t:y"/></xs:restriction></xs:simpleType>
  <xs:simpleType name="Either"><xs:union memberTypes="xs:int t:Names"/></xs:simpleType>`

test.each([
  ['t:Code', 't:x', '{urn:t}x'],
  ['t:Code', 'a:y', '{urn:o}y'],
  ['t:Code', 'd:z', '{urn:d}z'],
  ['t:Codes', 't:x  a:y', '{urn:t}x {urn:o}y'],
  ['t:Two', 'a:p a:q', '{urn:o}p {urn:o}q'],
  ['t:Pair', 't:x t:y', '{urn:t}x {urn:t}y'],
  ['t:Either', 'a:p', '{urn:o}p'],
  ['t:Either', '17', '17'],
  ['t:Either', 'a:p t:x', '{urn:o}p {urn:t}x'],
])('a QName of %s is its expanded name too: %s is %s', (type, text, value) => {
  const content = `<xs:complexType><xs:sequence><xs:element name="v" type="${type}"/></xs:sequence><xs:attribute name="v" type="${type}"/></xs:complexType>`
  const decl = declared(content, codes)
  const json = value === '17' ? 17 : value
  const both = { '@v': json, v: json }
  expect(read(`<e xmlns:a="urn:o" xmlns:d="urn:d" v="${text}"><v>${text}</v></e>`, decl)).toEqual(both)
  expect(roundTrip({ '@v': value, v: value }, decl)).toEqual(both)
  if (type !== 't:Code' && type !== 't:Either')
    expect(roundTrip({ v: value.split(' ') }, decl)).toEqual({ v: json })
})

test.each([
  ['t:Code', 't:x', '"{urn:evil}x" is not one of {urn:t}x, {urn:o}y, {urn:d}z'],
  ['t:Codes', 't:x', 'has an item that is not one of {urn:t}x'],
  ['t:Pair', 't:x t:y', '"{urn:evil}x {urn:evil}y" is not one of {urn:t}x {urn:t}y'],
  ['t:Code', '{urn:t}x', '"{urn:t}x" is not of type QName'],
  ['t:Names', 't:x {urn:t}x', '"{urn:t}x" is not of type QName'],
  ['t:Names', 't:x p:x', 'the prefix of "p:x" is not declared'],
  ['t:Either', '{urn:t}x', '"{urn:t}x" is not one of Either'],
])('what is no %s by the namespaces of its document is refused: %s', (type, text, problem) => {
  const decl = declared(`type="${type}"`, codes)
  const document = readXmlText(`<e xmlns="urn:t" xmlns:t="urn:evil">${text}</e>`)
  expect(refusal(() => toJson(document, decl))).toContain(problem)
})

test('a QName that is a default or fixed means what it means in the schema, and is compared as a name', () => {
  const decl = declared(
    `<xs:complexType><xs:sequence><xs:element name="f" type="xs:QName" fixed="t:f"/></xs:sequence>
      <xs:attribute xmlns:o="urn:o" name="d" type="xs:QName" default="o:d"/><xs:attribute name="r" type="xs:QName" fixed="t:r" use="required"/></xs:complexType>`,
  )
  const value = { '@d': '{urn:o}d', '@r': '{urn:t}r', f: '{urn:t}f' }
  const document = (text: string) => readXmlText(`<e xmlns="urn:t" ${text}</e>`)
  expect(toJson(document('xmlns:x="urn:t" r="x:r"><f>x:f</f>'), decl)).toEqual(value)
  expect(toJson(document('xmlns:t="urn:evil" xmlns:x="urn:t" r="x:r"><f/>'), decl)).toEqual(value)
  expect(roundTrip({ f: '{urn:t}f' }, decl)).toEqual(value)
  expect(refusal(() => toJson(document('xmlns:t="urn:evil" r="t:r"><f/>'), decl))).toContain(
    '"{urn:evil}r" is not the fixed value "{urn:t}r"',
  )
  expect(sample(decl)).toEqual(value)
})

test('a QName without a namespace has none where a default namespace is written (Namespaces §6.2)', () => {
  const decl = declared('type="t:Names"', codes)
  const tree = fromJson('x {urn:o}y {urn:t}z', decl.name, decl)
  const text = writeXmlText(tree, { prefixes: new Map([['urn:t', '']]) })
  expect(toJson(readXmlText(text), decl)).toBe('x {urn:o}y {urn:t}z')
})

test('an attribute beside nil keeps what its prefix means', () => {
  const decl = declared(
    '<xs:complexType><xs:sequence><xs:element name="n" nillable="true" type="t:N"/></xs:sequence></xs:complexType>',
    '<xs:complexType name="N"><xs:attribute name="q" type="xs:QName"/></xs:complexType>',
  )
  const value = { n: { '@q': '{urn:o}a', '#text': null } }
  expect(roundTrip(value, decl)).toEqual(value)
})

test('a pattern of a union holds for what is no QName of it: of one it would speak of the prefix', () => {
  const decl = declared(
    'type="t:Short"',
    `<xs:simpleType name="Any"><xs:union memberTypes="xs:int xs:QName xs:string"/></xs:simpleType>
     <xs:simpleType name="Short"><xs:restriction base="t:Any"><xs:pattern value="[0-9]{3}"/></xs:restriction></xs:simpleType>`,
  )
  expect(read('123', decl)).toBe(123)
  expect(read('t:x', decl)).toBe('{urn:t}x')
  for (const text of ['12', 'abc d']) expect(refusal(() => read(text, decl))).toContain('pattern')
})
