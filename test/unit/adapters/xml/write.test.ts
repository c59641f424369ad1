// The writer, and that the reader is its inverse.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { readXml, readXmlText } from '../../../../adapters/xml/read.ts'
import { attributeOf, childElements, element, resolveQName } from '../../../../adapters/xml/tree.ts'
import type { XmlElement, XmlNode } from '../../../../adapters/xml/tree.ts'
import { writeXml, writeXmlText } from '../../../../adapters/xml/write.ts'
import { cpuMs } from './support.ts'

/** What two documents must agree on: expanded names, values, text; not prefixes. */
function essence(node: XmlElement): unknown {
  return {
    name: [node.uri, node.local],
    attributes: node.attributes.map(({ uri, local, value }) => [uri, local, value]),
    children: node.children.map((child) => (typeof child === 'string' ? child : essence(child))),
  }
}

const isCharacter = (text: string): boolean =>
  !/[\0-\x08\x0B\x0C\x0E-\x1F\uFFFE\uFFFF]|\p{Surrogate}/u.test(text)
const uris = fc.constantFrom('', 'urn:a', 'urn:b', 'http://x/?a&b="<>\'', '订:单', '__proto__')
const asciiNames = fc.constantFrom(
  'a',
  'b',
  'item',
  'Order',
  '__proto__',
  'constructor',
  '_1.2-3',
  'xmlns2',
  'ns1',
)
const wideNames = fc.oneof(asciiNames, fc.constantFrom('订单', 'é', '\u{20000}x'))
const texts = fc.oneof(
  fc.string({ unit: 'binary' }).filter(isCharacter),
  fc.constantFrom(
    ']]>',
    ' \r\n\t ',
    '&amp;#65;',
    '<!--',
    '订单 10€',
    '\u{1F600}',
    '\u0085\u2028',
    '"\'',
    '\uFEFF',
  ),
)

function trees(names: fc.Arbitrary<string>): fc.Arbitrary<XmlElement> {
  const { tree } = fc.letrec<{ tree: XmlElement; child: XmlNode }>((tie) => ({
    tree: fc
      .tuple(
        uris,
        names,
        fc.uniqueArray(fc.tuple(uris, names, texts), {
          maxLength: 4,
          selector: ([uri, local]) => `${uri} ${local}`,
        }),
        fc.array(tie('child'), { maxLength: 4, depthIdentifier: 'tree' }),
      )
      .map(([uri, local, attributes, children]) =>
        element(
          uri,
          local,
          attributes
            .filter(([, name]) => name !== 'xmlns')
            .map(([of, name, value]) => attributeOf(name, value, of)),
          merged(children),
        ),
      ),
    child: fc.oneof({ depthIdentifier: 'tree', maxDepth: 5 }, texts, tie('tree')),
  }))
  return tree
}

/** The reader knows no empty text and no two texts side by side. */
function merged(children: readonly XmlNode[]): XmlNode[] {
  const out: XmlNode[] = []
  for (const child of children) {
    const last = out.at(-1)
    if (typeof child === 'string' && typeof last === 'string') out[out.length - 1] = last + child
    else if (child !== '') out.push(child)
  }
  return out
}

const unicode = ['utf-8', 'utf-16', 'utf-16be', 'gb18030']
const narrow = ['gbk', 'gb2312', 'big5', 'iso-8859-1', 'windows-1252', 'us-ascii', 'shift_jis']

test.each([...unicode, ...narrow])('what is written in %s is read back as the same tree', (charset) => {
  const names = unicode.includes(charset) ? wideNames : asciiNames
  const preferred = [
    new Map<string, string>(),
    new Map([['urn:a', '']]),
    new Map([
      ['urn:b', ''],
      ['urn:a', 'ns1'],
    ]),
  ]
  fc.assert(
    fc.property(trees(names), fc.constantFrom(...preferred), (tree, prefixes) => {
      const read = readXml(writeXml(tree, { charset, prefixes }))
      expect(essence(read.root)).toEqual(essence(tree))
      // Written again from what was read, with its scopes: still the same.
      expect(essence(readXml(writeXml(read.root, { charset })).root)).toEqual(essence(tree))
    }),
    { numRuns: 150 },
  )
})

test('a character the charset does not have becomes a numeric reference (XML 1.0 §4.1)', () => {
  const tree = element('', 'a', [attributeOf('b', 'é中')], ['中\u{1F600}é'])
  const bytes = writeXml(tree, { charset: 'iso-8859-1', declaration: false })
  expect(Buffer.from(bytes).toString('latin1')).toBe('<a b="é&#x4E2D;">&#x4E2D;&#x1F600;é</a>')
  expect(essence(readXml(bytes, { charset: 'latin1' }).root)).toEqual(essence(tree))
})

test('what not every reader of a charset knows is a reference in text, and its own bytes in a name (XML 1.0 §4.1)', () => {
  const tree = element('', '髙', [attributeOf('備考', '똠①')], ['Café 똠 ①'])
  const bytes = writeXml(tree, { charset: 'shift_jis', declaration: false })
  expect(
    Buffer.from(bytes)
      .toString('latin1')
      .replaceAll(/[^\0-\x7F]./g, '_'),
  ).toBe('<_ __="&#xB620;&#x2460;">Caf&#xE9; &#xB620; &#x2460;</_>')
  expect(essence(readXml(bytes, { charset: 'shift_jis' }).root)).toEqual(essence(tree))
})

test.each([
  ['a name the charset does not have', element('', '订单'), { charset: 'iso-8859-1' }],
  [
    'a prefix the charset does not have',
    element('urn:a', 'a'),
    { charset: 'gbk', prefixes: new Map([['urn:a', 'é\u{20000}']]) },
  ],
  ['a charset nobody knows', element('', 'a'), { charset: 'utf-7' }],
  ['a name with a space', element('', 'a b'), {}],
  ['a name with a colon', element('', 'a:b'), {}],
  ['an empty name', element('', ''), {}],
  ['markup as a name', element('', 'a><script'), {}],
  ['an attribute name with "="', element('', 'a', [attributeOf('x="1" y', '')]), {}],
  ['one attribute twice', element('', 'a', [attributeOf('b', '1'), attributeOf('b', '2')]), {}],
  ['a namespace declaration as an attribute', element('', 'a', [attributeOf('xmlns', 'urn:x')]), {}],
  [
    'a prefix declaration as an attribute',
    element('', 'a', [attributeOf('p', 'urn:x', 'http://www.w3.org/2000/xmlns/')]),
    {},
  ],
  ['the namespace of declarations', element('http://www.w3.org/2000/xmlns/', 'a'), {}],
  ['a namespace of white space', element(' urn:a', 'a'), {}],
  ['a prefix that is none', element('urn:a', 'a'), { prefixes: new Map([['urn:a', 'x y']]) }],
  ['U+0000', element('', 'a', [], ['\0']), {}],
  ['U+000B in a value', element('', 'a', [attributeOf('b', '\v')]), {}],
  ['a lone surrogate', element('', 'a', [], ['\uD83D']), {}],
  ['U+FFFF', element('', 'a', [], ['\uFFFF']), {}],
  ['more levels than the reader takes', nested(201), {}],
  [
    'more attributes than the reader takes',
    element(
      '',
      'a',
      Array.from({ length: 257 }, (_, i) => attributeOf(`b${i}`, '')),
    ),
    {},
  ],
  ['a name longer than the reader takes', element('', 'a'.repeat(1025)), {}],
])('refused with ENCODE_FAILED: %s', (_what, tree, options) => {
  expect(() => writeXml(tree, options)).toThrow(expect.objectContaining({ code: 'ENCODE_FAILED' }))
})

function nested(depth: number): XmlElement {
  let tree = element('', 'a')
  for (let level = 1; level < depth; level++) tree = element('', 'a', [], [tree])
  return tree
}

test('the deepest tree that is written is read', () => {
  expect(essence(readXml(writeXml(nested(200))).root)).toEqual(essence(nested(200)))
})

test('UTF-16 begins with a byte order mark and says so (XML 1.0 §4.3.3)', () => {
  const bytes = writeXml(element('', 'a', [], ['中']), { charset: 'utf-16be' })
  expect([...bytes.subarray(0, 4)]).toEqual([0xfe, 0xff, 0, 0x3c])
  expect(readXml(bytes).charset).toBe('utf-16be')
  expect(readXml(writeXml(element('', 'a'), { charset: 'UTF-16' })).charset).toBe('utf-16le')
})

test('each namespace is declared once, on the root, with the prefix asked for', () => {
  const tree = element(
    'urn:a',
    'a',
    [],
    [element('urn:b', 'b', [attributeOf('c', '1', 'urn:a')]), element('urn:b', 'd'), element('', 'e')],
  )
  expect(
    writeXmlText(tree, { prefixes: new Map([['urn:a', 's']]), extraNamespaces: new Map([['xsd', 'urn:x']]) }),
  ).toBe('<s:a xmlns:xsd="urn:x" xmlns:s="urn:a" xmlns:ns1="urn:b"><ns1:b s:c="1"/><ns1:d/><e/></s:a>')
  expect(writeXmlText(tree, { prefixes: new Map([['urn:a', '']]) })).toBe(
    '<a xmlns:ns1="urn:b" xmlns:ns2="urn:a" xmlns="urn:a"><ns1:b ns2:c="1"/><ns1:d/><e xmlns=""/></a>',
  )
})

test('QNames in values keep their meaning, also where one prefix shifts and the default namespace changes (Namespaces §6.1, §6.2)', () => {
  const source =
    '<a xmlns="urn:d" xmlns:p="urn:1" t="p:x"><b t="x"/><p:c xmlns:p="urn:2" t="p:x"><d xmlns="" t="x"/><p:e t="p:y"/></p:c><b t="p:z"/></a>'
  const meanings = (node: XmlElement): unknown[] => [
    ...node.attributes.map(({ value }) => resolveQName(node, value)),
    ...node.children.flatMap((child) => (typeof child === 'string' ? [] : meanings(child))),
  ]
  const read = readXmlText(source)
  const again = readXmlText(writeXmlText(read))
  expect(essence(again)).toEqual(essence(read))
  expect(meanings(again)).toEqual(meanings(read))
  expect(meanings(read)).toEqual([
    { uri: 'urn:1', local: 'x' },
    { uri: 'urn:d', local: 'x' },
    { uri: 'urn:2', local: 'x' },
    { uri: '', local: 'x' },
    { uri: 'urn:2', local: 'y' },
    { uri: 'urn:1', local: 'z' },
  ])
  // A part of it in another document still means the same.
  const moved = childElements(read).slice(1, 2)
  const wrapped = readXmlText(writeXmlText(element('urn:w', 'w', [], moved)))
  expect(meanings(wrapped)).toEqual([
    { uri: 'urn:2', local: 'x' },
    { uri: '', local: 'x' },
    { uri: 'urn:2', local: 'y' },
  ])
})

test('prefixes of made elements are declared once on the root', () => {
  const typed = { ...element('', 'b', [attributeOf('t', 'x:T')]), namespaces: new Map([['x', 'urn:x']]) }
  expect(writeXmlText(element('', 'a', [], [typed, typed]))).toBe(
    '<a xmlns:x="urn:x"><b t="x:T"/><b t="x:T"/></a>',
  )
})

test('a tree read with thousands of prefixes in thousands of scopes is refused, not multiplied', () => {
  const declarations = (level: number): string =>
    Array.from({ length: 100 }, (_, i) => `xmlns:p${level}x${i}="u${i}"`).join(' ')
  const open = Array.from({ length: 50 }, (_, level) => `<a ${declarations(level)}>`).join('')
  const { root } = readXml(
    Buffer.from(`${open}${'<b xmlns:q="1"/><b xmlns:q="2"/>'.repeat(2000)}${'</a>'.repeat(50)}`),
  )
  const began = cpuMs()
  expect(() => writeXml(root)).toThrow('the xml declares too many prefixes in too many places')
  expect(cpuMs() - began).toBeLessThan(3000)
})
