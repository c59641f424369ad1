// What a signature refers to, in envelopes as large as a gateway takes.
import { expect, test } from 'vitest'
import { elementById } from '../../../../adapters/soap/wsse.ts'
import { readXmlText } from '../../../../adapters/xml/read.ts'

test('one with an id is found beside very many others, and two are none', () => {
  const others = '<a/>'.repeat(150_000)
  const root = readXmlText(`<e>${others}<b Id="x"/>${others}<c Id="y"/><c Id="y"/></e>`)
  expect(elementById(root, 'x')).toMatchObject({ local: 'b' })
  expect(() => elementById(root, 'y')).toThrow('2 elements have the id "y"')
  expect(() => elementById(root, 'z')).toThrow('0 elements have the id "z"')
})
