// The short way through plain documents: it answers what saxes answers, or nothing.
import { readdirSync, readFileSync } from 'node:fs'
import * as fc from 'fast-check'
import { GatewayError } from 'dragoman'
import { describe, expect, test } from 'vitest'
import { decodeXml } from '../../../../adapters/xml/charset.ts'
import { quickTree } from '../../../../adapters/xml/quick.ts'
import { readXmlText, saxesTree } from '../../../../adapters/xml/read.ts'
import type { XmlElement } from '../../../../adapters/xml/tree.ts'
import { captured } from './support.ts'
import { writeXmlText } from '../../../../adapters/xml/write.ts'
import { cases } from './suite.ts'

const limits = {
  maxDepth: 200,
  maxAttributes: 256,
  maxNameLength: 1024,
  maxNodes: 500_000,
  maxText: Infinity,
}

/** The tree with everything that can be seen of it, the prefixes in scope and whether they are the parent's too. */
function shown(at: XmlElement, parent?: XmlElement): unknown {
  const { uri, local, prefix, attributes, namespaces } = at
  return {
    name: [uri, local, prefix],
    attributes: attributes.map((one) => [one.uri, one.local, one.value, one.prefix]),
    scope: namespaces === parent?.namespaces ? 'shared' : [...namespaces],
    children: at.children.map((child) => (typeof child === 'string' ? child : shown(child, at))),
  }
}

function bySaxes(text: string): unknown {
  try {
    return shown(saxesTree(text, { processingInstructions: 'ignore' }))
  } catch (error) {
    if (error instanceof GatewayError) return 'refused'
    throw error
  }
}

/** Whether it was answered; fails where saxes has another answer. */
function isQuick(text: string): boolean {
  const tree = quickTree(text, limits)
  if (tree === undefined) return false
  expect(shown(tree)).toEqual(bySaxes(text))
  return true
}

function decoded(bytes: Uint8Array): string | undefined {
  try {
    return decodeXml(bytes).text
  } catch (error) {
    if (error instanceof GatewayError) return undefined
    throw error
  }
}

const corpus = new URL('../../../fixtures/soap/corpus/', import.meta.url)

/** The bodies of all captures, requests and answers. */
function bodies(): string[] {
  return readdirSync(corpus, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.(?:req|res)$/.test(name))
    .map((name) => readFileSync(new URL(name, corpus)))
    .map((bytes) => bytes.subarray(bytes.indexOf('\r\n\r\n') + 4))
    .map((bytes) => decoded(bytes) ?? '')
    .filter((text) => text.includes('<'))
}

test('every document of the W3C suite has the answer of saxes, or none', () => {
  const texts = cases().flatMap(({ bytes }) => decoded(bytes) ?? [])
  expect(texts.length).toBeGreaterThan(2000)
  expect(texts.filter(isQuick).length).toBeGreaterThanOrEqual(10)
})

test('what real clients and servers write is nearly all answered', () => {
  const texts = bodies()
  expect(texts.length).toBeGreaterThan(300)
  expect(texts.filter(isQuick).length / texts.length).toBeGreaterThan(0.9)
})

const runs = Number(process.env['QUICK_RUNS'] ?? 3000)
const pieces = fc.constantFrom(
  '<',
  '>',
  '&',
  ']]>',
  '<!',
  '<?',
  '&#x',
  '&#65;',
  '&#55357;',
  '&lt;',
  '"',
  "'",
  '=',
  '/',
  ':',
  ';',
  ' ',

  'xmlns:a="u"',
  'xmlns=""',
  'xmlns="v"',
  'xmlns:xml="w"',
  'xml:lang="en"',
  'a:b',
  '</',
  '/>',
  '<a>',
  '</a>',

  '\0',
  '\uFEFF',
  '\u{1F600}',
  '\uD83D',
  '\uFFFE',
  '\u0085',
  '\r',
  '\r\n',
  '\n',
  '\t',
  '\u007F',
  '中',
  '-',
  '.',
  '1',

  '<![CDATA[x]]>',
  '<!--c-->',
  '<?p?>',
  '<?xml version="1.0"?>',
  'a="1"',
  'a:a="1"',
  ' xmlns:b="u" b:a="2"',
  '__proto__',
)

/** Fails if any of them is answered otherwise than saxes does. */
function heldBy(texts: fc.Arbitrary<string>): number {
  let answered = 0
  fc.assert(
    fc.property(texts, (text) => void (isQuick(text) && answered++)),
    { numRuns: runs },
  )
  return answered
}

test('captures with pieces cut out and put in have the answer of saxes, or none', () => {
  const source = writeXmlText(captured('soaplite-11/01-CreateOrder.req'))
  const cuts = fc.array(fc.tuple(fc.nat(source.length), fc.nat(3), pieces), { minLength: 1, maxLength: 3 })
  const texts = cuts.map((all) =>
    all.reduce((text, [at, length, piece]) => text.slice(0, at) + piece + text.slice(at + length), source),
  )
  expect(heldBy(texts)).toBeGreaterThan(runs / 100)
})

test('small documents put together by chance have the answer of saxes, or none', () => {
  const name = fc.constantFrom(
    'a',
    'b',
    'a:b',
    'b:a',
    'xml:a',
    'xmlns',
    'xmlns:a',
    'a:',
    ':a',
    'a.-1',
    '1a',
    '_',
    'é',
  )
  const value = fc.oneof(
    fc.constantFrom('', 'u', 'v', ' u', 'u&amp;v', 'a\tb', 'http://www.w3.org/2000/xmlns/'),
    pieces,
  )
  const space = fc.constantFrom(' ', '', '\n', '  ')
  const attribute = fc
    .tuple(space, name, fc.constantFrom('=', ' = '), fc.constantFrom('"', "'"), value)
    .map(([before, key, equals, quote, text]) => `${before}${key}${equals}${quote}${text}${quote}`)
  const { root } = fc.letrec<{ root: string; node: string; element: string }>((tie) => ({
    node: fc.oneof({ maxDepth: 4 }, pieces, fc.constantFrom('t', ' ', '&gt;', '&#x4e2d;'), tie('element')),
    element: fc
      .tuple(
        name,
        fc.array(attribute, { maxLength: 3 }),
        fc.array(tie('node'), { maxLength: 3 }),
        fc.nat(30),
        space,
      )
      .map(([tag, attributes, children, odds, gap]) => {
        const open = `<${tag}${attributes.join('')}${gap}`
        if (children.length === 0 && odds % 2 === 0) return `${open}/>`
        return `${open}>${children.join('')}</${odds === 7 ? 'z' : tag}${gap}>`
      }),
    root: fc
      .tuple(
        fc.constantFrom('', '<?xml version="1.0"?>', ' ', '\r\n', '</a>', '</a></a>'),
        tie('element'),
        fc.constantFrom('', ' ', 'x', '\n'),
      )
      .map((all) => all.join('')),
  }))
  expect(heldBy(root)).toBeGreaterThan(runs / 50)
})

describe('left to saxes, and read or refused as ever', () => {
  test.each([
    ['CDATA', '<a><![CDATA[x]]></a>'],
    ['a comment', '<a><!--c--></a>'],
    ['a processing instruction', '<a><?p?></a>'],
    ['a DOCTYPE', '<!DOCTYPE a><a/>'],
    ['an entity nobody declared', '<a>&nbsp;</a>'],
    ['a reference to half a surrogate pair', '<a>&#xd83d;</a>'],
    ['a control character', '<a>\u0001</a>'],
    ['half a surrogate pair', '<a>\ud83d</a>'],
    ['a tab in a value', '<a b="1\t2"/>'],
    ['a name beyond ASCII', '<é/>'],
    ['two attributes of one name', '<a b="1" b="2"/>'],
    ['two attributes of one expanded name', '<a xmlns:p="u" xmlns:q="u" p:b="1" q:b="2"/>'],
    ['a prefix nobody declared', '<p:a/>'],
    ['a prefix that is taken back', '<p:a xmlns:p=""/>'],
    ['the prefix of XML for another name', '<a xmlns:xml="u"/>'],
    ['another prefix for the name of XML', '<a xmlns:p="http://www.w3.org/XML/1998/namespace"/>'],
    ['an element with the prefix xmlns', '<xmlns:a/>'],
    ['attributes without a space between', '<a b="1"c="2"/>'],
    ['an end tag of another name', '<a></b>'],
    ['an end tag of a longer name', '<a></ab>'],
    ['an element that is left open', '<a><b></a>'],
    ['two roots', '<a/><b/>'],
    ['text behind the root', '<a/>x'],
    ['"]]>" in text', '<a>]]></a>'],
    ['XML 1.1', '<?xml version="1.1"?><a/>'],
    ['nothing', ''],
    ['an open tag at the end', '<a'],
  ])('%s', (_what, text) => {
    expect(quickTree(text, limits)).toBeUndefined()
  })

  // Its table is used again: what an end tag would end must not be the element of the document before.
  test.each([
    [' <a/>', '</a><b>'],
    [' <a/>', '</a></a><x>hello<y/></x><z><w>'],
    ['<a/>', '<//><b>'],
    [
      '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="u"/>',
      `${' '.repeat(37)}</soap:Envelope><b>`,
    ],
  ])('after %s an end tag in front: %s', (before, text) => {
    expect(quickTree(before, limits)).toBeDefined()
    expect(quickTree(text, limits)).toBeUndefined()
    expect(() => readXmlText(text)).toThrow(/closing tag|must begin|name/u)
  })

  test.each([
    ['depth', { maxDepth: 1 }, 'more than 1 elements inside each other'],
    ['elements', { maxNodes: 1 }, 'more than 1 elements'],
    ['attributes', { maxAttributes: 1 }, 'more than 1 attributes'],
    ['the length of a name', { maxNameLength: 2 }, 'a name of more than 2 characters'],
    ['the length of a value', { maxText: 3 }, 'a value of more than 3 characters'],
  ])('what is beyond the limit of %s', (_what, limit, problem) => {
    const text = '<a b="1234" c="5"><ddd>xy</ddd></a>'
    expect(quickTree(text, { ...limits, ...limit })).toBeUndefined()
    expect(() => readXmlText(text, limit)).toThrow(problem)
  })
})

test('line ends are line feeds, unless they were referred to (XML 1.0 §2.11)', () => {
  const text = '<a>\r\n1\r2&#13;\n</a>'
  expect(isQuick(text)).toBe(true)
  expect(readXmlText(text).children).toEqual(['\n1\n2\r\n'])
})
