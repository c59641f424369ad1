// What `unknown: 'keep'` takes that the schema does not have: answers of systems that grow (DESIGN §16).
import { expect, test } from 'vitest'
import { declared, read, refusal, sequence } from './support.ts'

const keep = { unknown: 'keep' } as const
const anyType = declared('', 'type="xs:anyType"')

test('an open value that is not of the type it says is its text: PHP says xsd:int of every integer', () => {
  const large = '<e xsi:type="xs:int">9007199254740993</e>'
  expect(read(large, anyType, keep)).toBe('9007199254740993')
  expect(refusal(() => read(large, anyType))).toMatch(/^DECODE_FAILED e: .* is not of type int$/)
  expect(read('<e xsi:type="xs:int">7</e>', anyType, keep)).toEqual({ '@type': 'int', '#text': 7 })
  expect(read(`<e><i xsi:type="xs:int">9007199254740993</i></e>`, anyType, keep)).toEqual({
    i: '9007199254740993',
  })
})

test('an open value of a type nobody knows is read without it', () => {
  const document = '<e><i xsi:type="t:New"><a>1</a></i></e>'
  expect(read(document, anyType, keep)).toEqual({ i: { '@type': 'New', a: '1' } })
  expect(refusal(() => read(document, anyType))).toMatch(/is not a known type$/)
})

test('items of an array whose type only the message says are taken in the same way', () => {
  const said = 'xsi:type="soapenc:Array" soapenc:arrayType="xs:int[2]"'
  const document = `<e ${said}><i>1</i><i xsi:type="xs:int">9007199254740993</i></e>`
  expect(read(document, anyType, { ...keep, encoded: '1.1' })).toEqual([1, '9007199254740993'])
  expect(refusal(() => read(document, anyType, { encoded: '1.1' }))).toMatch(/is not of type int$/)
})

test('what the schema declares is held to it all the same', () => {
  const decl = declared(sequence('<xs:element name="a" type="xs:int"/>'))
  expect(refusal(() => read('<a>9007199254740993</a>', decl, keep))).toMatch(/is not of type int$/)
})

test('a value that is declared stays one when it comes with an attribute nobody declared', () => {
  const decl = declared(sequence('<xs:element name="a" type="xs:int"/>'))
  const dropped: string[] = []
  const options = { ...keep, dropped: (path: string) => void dropped.push(path) }
  expect(read('<a id="x1">1</a>', decl, options)).toEqual({ a: 1 })
  expect(dropped).toEqual(['e/a/@id'])
})
