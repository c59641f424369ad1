// XML and JSON without a schema: strings, and what the options say.
import * as fc from 'fast-check'
import type { Json } from 'dragoman'
import { expect, test } from 'vitest'
import { fromJson, toJson } from '../../../../adapters/xml/bind.ts'
import type { BindOptions } from '../../../../adapters/xml/bind.ts'
import { readXml, readXmlText } from '../../../../adapters/xml/read.ts'
import { writeXml, writeXmlText } from '../../../../adapters/xml/write.ts'
import { read, refusal, roundTrip, written } from './support.ts'

const json = (text: string, options?: BindOptions): Json => toJson(readXmlText(text), undefined, options)

test('a wide space or a byte order mark is text, not white space (XML 1.0 §2.3 [3])', () => {
  const value = toJson(readXmlText('<a>\u3000<b/>\u00A0\n</a>'), undefined)
  expect(value).toEqual({ '#mixed': ['\u3000', { b: '' }, '\u00A0\n'] })
  expect(toJson(readXmlText('<a>\n <b/>\t\r\n</a>'), undefined)).toEqual({ b: '' })
})

test('text is a string, exactly as it came', () => {
  for (const text of [
    '007',
    '1e5',
    '+8613800000000',
    '12345678901234567890',
    '1.10',
    '  spaces  ',
    'true',
    'null',
    '',
  ])
    expect(json(`<a>${text}</a>`)).toBe(text)
  expect(json('<a><![CDATA[<b>&amp;]]>&#x4e2d;</a>')).toBe('<b>&amp;中')
  expect(json('<a>\n</a>')).toBe('\n')
})

test('elements, attributes, text beside them; namespaces are dropped', () => {
  expect(json('<o:a xmlns:o="urn:o" id="1" o:x="2"><o:b>3</o:b><c d="4">5</c><e/></o:a>')).toEqual({
    '@id': '1',
    '@x': '2',
    b: '3',
    c: { '@d': '4', '#text': '5' },
    e: '',
  })
  expect(json('<a x="1"/>')).toEqual({ '@x': '1' })
  expect(json('<a x="1"> </a>')).toEqual({ '@x': '1', '#text': ' ' })
  expect(json('<a>\n  <b>1</b>\n</a>')).toEqual({ b: '1' })
  expect(json('<a>text<b>1</b></a>')).toEqual({ '#text': 'text', b: '1' })
  expect(json('<a x="1" xmlns:p="u" p:x="2"/>')).toEqual({ '@x': '1', '@{u}x': '2' })
})

test('one item is itself, many are a list; options make it a list however many came', () => {
  expect(json('<Order><item>1</item></Order>')).toEqual({ item: '1' })
  expect(json('<Order><item>1</item><x/><item>2</item></Order>')).toEqual({ item: ['1', '2'], x: '' })
  const options = { lists: ['Order/item', 'Order/item/tag'] }
  expect(json('<Order><item><tag>a</tag></item></Order>', options)).toEqual({ item: [{ tag: ['a'] }] })
  expect(json('<Order><n>1</n></Order>', options)).toEqual({ n: '1', item: [] })
  expect(json('<Order/>', options)).toEqual({ item: [] })
  expect(json('<Order> </Order>', options)).toEqual({ item: [] })
})

test('types by path, for elements and attributes, in and out', () => {
  const options = {
    types: {
      'Order/count': 'int',
      'Order/@id': 'xs:long',
      'Order/item/price': 'xsd:decimal',
      'Order/ok': 'boolean',
    },
  }
  expect(
    json(
      '<Order id="007"><count> 5 </count><item><price>1.10</price></item><ok>1</ok><n>9</n></Order>',
      options,
    ),
  ).toEqual({ '@id': '007', count: 5, item: { price: '1.10' }, ok: true, n: '9' })
  expect(refusal(() => json('<Order><count>x</count></Order>', options))).toBe(
    'DECODE_FAILED Order/count: "x" is not of type int',
  )
  expect(refusal(() => json('<Order id="x"/>', options))).toBe(
    'DECODE_FAILED Order/@id: "x" is not of type long',
  )
  const out = (value: Json): string =>
    writeXmlText(fromJson(value, { uri: '', local: 'Order' }, undefined, options))
  expect(out({ '@id': '7', count: 5 })).toBe('<Order id="7"><count>5</count></Order>')
  expect(refusal(() => out({ count: 'x' }))).toBe('ENCODE_FAILED Order/count: "x" is not of type int')
  expect(refusal(() => json('<Order/>', { types: { Order: 'nope' } }))).toBe(
    'DECODE_FAILED types: "nope" of Order is not a simple type of XSD',
  )
})

test('nil is null, absent is absent, empty is empty (XSD 1 §2.6.2)', () => {
  expect(read('<n xsi:nil="true"/><m/>', undefined)).toEqual({ n: null, m: '' })
  expect(written({ n: null, m: '' }, undefined)).toBe('<e><n xsi:nil="true"/><m/></e>')
  expect(read('<n xsi:nil="1" a="x"/>', undefined)).toEqual({ n: { '@a': 'x', '#text': null } })
  expect(roundTrip({ n: { '@a': 'x', '#text': null } }, undefined)).toEqual({
    n: { '@a': 'x', '#text': null },
  })
})

test('mixed content keeps its order only where it has one to keep', () => {
  expect(json('<a>x<b/>y</a>')).toEqual({ '#mixed': ['x', { b: '' }, 'y'] })
  expect(json('<a> <b/>y</a>')).toEqual({ '#mixed': [' ', { b: '' }, 'y'] })
  expect(written({ '@k': 1, '#mixed': ['x', { b: '' }, 'y', { b: { c: 1 } }] }, undefined)).toBe(
    '<e k="1">x<b/>y<b><c>1</c></b></e>',
  )
  expect(refusal(() => written({ '#mixed': 'x' }, undefined))).toContain('e/#mixed: has to be an array')
})

test('what a SOAP client says of XSD types is no news, its arrays are lists, other types are @type', () => {
  expect(read('<n xsi:type="xs:int">007</n>', undefined)).toEqual({ n: '007' })
  expect(read('<n xsi:type="t:Party"><a>1</a></n>', undefined)).toEqual({ n: { '@type': 'Party', a: '1' } })
  expect(read('<n xsi:type="t:Party" type="x"/>', undefined)).toEqual({
    n: { '@type': 'x', '@xsi:type': 'Party' },
  })
  expect(read('<n soapenc:arrayType="xs:int[1]"><item xsi:type="xs:int">1</item></n>', undefined)).toEqual({
    n: ['1'],
  })
  expect(read('<n xsi:type="soapenc:Array"/>', undefined)).toEqual({ n: [] })
})

test('JSON of any shape becomes elements; what is no name or has lost digits is refused with its path', () => {
  expect(written({ a: [1, true, null, 'x'], b: { c: [] }, d: 1.5 }, undefined)).toBe(
    '<e><a>1</a><a>true</a><a xsi:nil="true"/><a>x</a><b/><d>1.5</d></e>',
  )
  expect(written([[1, 2], [3]], undefined)).toBe(
    '<e><item><item>1</item><item>2</item></item><item><item>3</item></item></e>',
  )
  expect(refusal(() => written({ a: { 'first name': 1 } }, undefined))).toBe(
    'ENCODE_FAILED e/a/first name: is not a name an element can have',
  )
  expect(refusal(() => written({ a: { '#text': {} } }, undefined))).toBe(
    'ENCODE_FAILED e/a: text cannot be an object or a list',
  )
  expect(refusal(() => written({ a: 2 ** 60 }, undefined))).toContain(
    'e/a: 1152921504606847000 is a number that has lost digits',
  )
})

test('children are in the namespace of their parent, or in another by option', () => {
  const out = (options?: BindOptions): string =>
    writeXmlText(
      fromJson({ b: '1', '{urn:y}c': { d: '2' } }, { uri: 'urn:x', local: 'a' }, undefined, options),
    )
  expect(out()).toBe(
    '<ns1:a xmlns:ns1="urn:x" xmlns:ns2="urn:y"><ns1:b>1</ns1:b><ns2:c><ns2:d>2</ns2:d></ns2:c></ns1:a>',
  )
  expect(out({ childNamespace: '' })).toBe(
    '<ns1:a xmlns:ns1="urn:x" xmlns:ns2="urn:y"><b>1</b><ns2:c><d>2</d></ns2:c></ns1:a>',
  )
})

test('names that mean something to JavaScript stay members', () => {
  const value = json(
    '<a><__proto__><polluted>1</polluted></__proto__><constructor>2</constructor><hasOwnProperty/></a>',
  )
  expect(JSON.stringify(value)).toBe('{"__proto__":{"polluted":"1"},"constructor":"2","hasOwnProperty":""}')
  expect(roundTrip(value, undefined)).toEqual(value)
  expect(({} as { polluted?: string }).polluted).toBeUndefined()
  expect(json('<a __proto__="1"/>')).toEqual(JSON.parse('{"@__proto__":"1"}'))
})

const names = fc.constantFrom('a', 'b', 'item', '订单', '__proto__', 'constructor')
const texts = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 10 }),
  fc.constantFrom('007', '1e5', '+86', '12345678901234567890', '1.10', '  x  ', ']]>', '', '\r\n'),
)
/** What toJson makes: a list has two or more, an object something in it, text beside elements something to say. */
const { value } = fc.letrec<{ value: Json; object: Json; list: Json }>((tie) => ({
  value: fc.oneof({ maxDepth: 4, depthSize: 'small' }, texts, fc.constant(null), tie('object')),
  list: fc.array(tie('value'), { minLength: 2, maxLength: 3 }),
  object: fc
    .tuple(
      fc.dictionary(
        names.map((name) => `@${name}`),
        texts,
        { maxKeys: 2 },
      ),
      fc.dictionary(names, fc.oneof(tie('value'), tie('list')), { minKeys: 1, maxKeys: 3 }),
    )
    .map(([attributes, members]) =>
      Object.fromEntries([...Object.entries(attributes), ...Object.entries(members)]),
    ),
}))

test.each(['utf-8', 'utf-16', 'gb18030'])('what is written of JSON in %s reads as that JSON', (charset) => {
  fc.assert(
    fc.property(value, (wanted) => {
      const bytes = writeXml(fromJson(wanted, { uri: 'urn:x', local: 'root' }, undefined), { charset })
      expect(toJson(readXml(bytes).root, undefined)).toEqual(wanted)
    }),
    { numRuns: 200 },
  )
})
