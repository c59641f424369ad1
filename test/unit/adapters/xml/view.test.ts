// The tree over a table of places: the same elements whoever asks, in documents of any size, and nothing left of the one before.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { interned } from '../../../../adapters/xml/interned.ts'
import { quickTree } from '../../../../adapters/xml/quick.ts'
import { saxesTree } from '../../../../adapters/xml/read.ts'
import { attributeOf, childElements, withParts } from '../../../../adapters/xml/tree.ts'
import type { XmlElement } from '../../../../adapters/xml/tree.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'

const limits = {
  maxDepth: 200,
  maxAttributes: 256,
  maxNameLength: 1024,
  maxNodes: 500_000,
  maxText: Infinity,
}

function read(text: string): XmlElement {
  const tree = quickTree(text, limits)
  if (tree === undefined) throw new Error('it was left to saxes')
  return tree
}

test('children and attributes are made once: whoever asks gets the same elements', () => {
  const root = read('<a b="1" c="2"><d/>text<d e="3"/></a>')
  expect(root.children).toBe(root.children)
  expect(root.attributes).toBe(root.attributes)
  expect(childElements(root)[1]).toBe(childElements(root)[1])
})

test('an element with other parts keeps all it was read with', () => {
  const root = read('<p:a xmlns:p="u" b="1">text<d/></p:a>')
  const other = withParts(root, { attributes: [attributeOf('c', '2')] })
  expect(other).toMatchObject({ uri: 'u', local: 'a', prefix: 'p', attributes: [{ local: 'c', value: '2' }] })
  expect(other.children).toBe(root.children)
  expect(other.namespaces).toBe(root.namespaces)
  expect(withParts(root, { prefix: 'q' }).prefix).toBe('q')
})

test('documents beyond the room that is kept are read like small ones, and leave nothing behind', () => {
  const item = (at: number): string =>
    `<p:item n="${at}" p:m='&lt;${at}'>王 &amp; ${at}<b>${at}</b> </p:item>`
  for (const count of [1, 400, 2, 3000, 1]) {
    const text = `<a xmlns:p="u">${Array.from({ length: count }, (_, at) => item(at)).join('\r\n')}</a>`
    expect(writeXmlText(read(text))).toBe(writeXmlText(saxesTree(text)))
  }
})

test('the end of a document is its end, whatever a longer one had there', () => {
  const whole = '<a bcd="e">fgh<i/></a>'
  for (let length = 0; length < whole.length; length++) {
    read(whole)
    expect(quickTree(whole.slice(0, length), limits)).toBeUndefined()
  }
})

test('a name is itself, however many fall into one place', () => {
  const character = fc.constantFrom('a', 'b', 'B', 'C', '1', '2', '中', 'é')
  const name = fc.array(character, { maxLength: 140 }).map((all) => all.join(''))
  fc.assert(
    fc.property(fc.array(name, { maxLength: 20 }), (names) => {
      for (const one of [...names, ...names]) expect(interned(one)).toBe(one)
    }),
  )
  // 31 × "a" + "B" is 31 × "b" + "#": these share their place, always
  for (const one of ['aB', 'b#', 'aB', 'b#']) expect(interned(one)).toBe(one)
})
