// Bodies as WeChat really sends them: control characters, raw `]]>`, broken UTF-8, ids of 64 bits.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { listIn, readDocument, textIn } from '../../../../adapters/wechat/document.ts'
import { readFlat } from '../../../../adapters/wechat/flat.ts'
import { tidyCdata } from '../../../../adapters/wechat/tidy.ts'
import { stopwatch } from '../../../support/processor.ts'

const read = (text: string) => readDocument(Buffer.from(text, 'utf8')).fields

test('blanks belong to the value inside CDATA and in bare text, and are layout around a section', () => {
  expect(read('<xml><a><![CDATA[  007 ]]></a><b>  007 </b><c>\n <![CDATA[x y]]> \n</c></xml>')).toEqual({
    a: '  007 ',
    b: '  007 ',
    c: 'x y',
  })
  // What looks like layout inside a section is text.
  expect(read('<xml><a><![CDATA[> <![CDATA[ </]]></a></xml>')).toEqual({ a: '> <![CDATA[ </' })
})

test('control characters stay what they are, wherever they stand', () => {
  expect(read('<xml><a><![CDATA[ \u001dc\u0000]]></a><b>\u0008</b></xml>')).toEqual({
    a: ' \u001dc\u0000',
    b: '\u0008',
  })
  expect(read('{"a":"x\u001dy\n","b":"\\u001d"}')).toEqual({ a: 'x\u001dy\n', b: '\u001d' })
  // Where the text uses the place they are put aside in, they are shown as lost instead of taken for others.
  expect(read('<xml><a>\u001d\u{10FF1D}</a></xml>')).toEqual({ a: '\uFFFD\u{10FF1D}' })
})

test('a `]]>` split over two sections is joined, a raw one stays in the text (DESIGN §16 "WeChat")', () => {
  expect(read('<xml><a><![CDATA[x]]]]><![CDATA[>y]]></a></xml>')).toEqual({ a: 'x]]>y' })
  expect(read('<xml><a><![CDATA[x]]>y]]></a><b><![CDATA[1]]></b></xml>')).toEqual({ a: 'x]]>y', b: '1' })
  expect(read('<xml><a><![CDATA[]]>]]></a></xml>')).toEqual({ a: ']]>' })
})

test('what a customer makes look like an element of its own stays in his text (DESIGN §16 "WeChat")', () => {
  const names = '<FromUserName><![CDATA[ann]]></FromUserName><MsgType><![CDATA[text]]></MsgType>'
  for (const said of [
    'hello ]]></Content><Content><![CDATA[evil',
    'a ]]></b> b',
    'a ]]></Content> b',
    'a ]]> b ]]></Content>\n<Content><![CDATA[ c ]]> d \u0001',
    'x]]></Content><Event>subscribe</Event><FromUserName>bob</FromUserName><Content><![CDATA[y',
    'x]]></Content><MsgId>7</MsgId><Content>y<b/></Content><Content><![CDATA[]]></Content><Content><![CDATA[z',
  ])
    expect(read(`<xml>${names}<Content><![CDATA[${said}]]></Content><MsgId>1</MsgId></xml>`)).toEqual({
      FromUserName: 'ann',
      MsgType: 'text',
      Content: said,
      MsgId: '1',
    })
  const [title, description] = ['a]]></Title><Title><![CDATA[b', 'c]]></Title><Description><![CDATA[d']
  const link = `<Title><![CDATA[${title}]]></Title><Description><![CDATA[${description}]]></Description>`
  expect(read(`<xml>${link}</xml>`)).toEqual({ Title: title, Description: description })
  // What the platform itself repeats is a list, in whatever form.
  expect(read('<xml><Id><![CDATA[1]]></Id><Id><![CDATA[2]]></Id></xml>')).toEqual({ Id: ['1', '2'] })
})

test('bytes that are no UTF-8 become U+FFFD, and the rest is heard (DESIGN §16 "WeChat")', () => {
  const bytes = Buffer.concat([
    Buffer.from('<xml><a><![CDATA[x'),
    Buffer.from([0xff, 0xc3]),
    Buffer.from('y]]></a></xml>'),
  ])
  expect(readDocument(bytes).fields).toEqual({ a: 'x\uFFFD\uFFFDy' })
})

test('a byte order mark, blanks before the root and emoji beyond the first plane', () => {
  expect(read('\uFEFF\n <xml><a>🙂👨‍👩‍👧</a></xml>')).toEqual({ a: '🙂👨‍👩‍👧' })
  expect(read('\uFEFF {"a":"🙂"}')).toEqual({ a: '🙂' })
  expect(read('{"a":"\\ud83d"}')).toEqual({ a: '\uFFFD' })
})

test('ids and large numbers are the text they were, others stay numbers where they are exact', () => {
  expect(
    read(
      '{"MsgId":6054768590064713728,"AgentID":218,"CreateTime":1409659813,"big":9007199254740993,"d":1.10,"e":1.5}',
    ),
  ).toEqual({
    MsgId: '6054768590064713728',
    AgentID: '218',
    CreateTime: 1409659813,
    big: '9007199254740993',
    d: '1.10',
    e: 1.5,
  })
  expect(read('<xml><MsgId>6054768590064713728</MsgId><a>007</a></xml>')).toEqual({
    MsgId: '6054768590064713728',
    a: '007',
  })
})

test('names of prototypes are data', () => {
  const { fields } = readDocument(Buffer.from('{"__proto__":{"x":1},"constructor":"c"}'))
  expect(Object.getOwnPropertyNames(fields)).toEqual(['__proto__', 'constructor'])
  expect(textIn(read('<xml><constructor>c</constructor></xml>'), 'constructor')).toBe('c')
  expect(textIn(read('<xml><a/></xml>'), 'toString')).toBeUndefined()
})

test('a list is a list of one, too', () => {
  expect(listIn(read('<xml><a>1</a></xml>'), 'a')).toEqual(['1'])
  expect(listIn(read('<xml><a>1</a><a>2</a></xml>'), 'a')).toEqual(['1', '2'])
  expect(listIn(read('<xml/>'.replace('/>', '><b/></xml>')), 'a')).toEqual([])
})

test.each([
  ['nothing', ''],
  ['a text', 'hello'],
  ['a list', '[1]'],
  ['an open element', '<xml><a>'],
  ['a DOCTYPE', '<!DOCTYPE xml [<!ENTITY a "b">]><xml><a>&a;</a></xml>'],
  ['a section without an end', '<xml><a><![CDATA[x</a></xml>'],
  ['an XML text', '<xml>x</xml>'],
  ['broken JSON', '{"a":'],
  ['deep JSON', `{"a":${'['.repeat(40)}${']'.repeat(40)}}`],
  ['deep XML', `<xml>${'<a>'.repeat(40)}${'</a>'.repeat(40)}</xml>`],
])('%s is refused with a message that tells nothing of it', (_what, text) => {
  expect(() => read(text)).toThrow(/^(?!.*ENTITY)/u)
})

test('JSON that never ends, or holds too much, is refused in time in proportion to it', () => {
  const MB = 1_000_000
  const hostile = [
    `{"a":"${'x'.repeat(MB)}`,
    `{"a":"${'\\"'.repeat(MB / 2)}`,
    `{${'[]'.repeat(40)}"${'\\"'.repeat(MB / 2)}`,
    `{"a":${'"'.repeat(MB + 1)}`,
    `{"a":${'['.repeat(MB)}`,
    `{"a":["x"${',"x"'.repeat(MB / 4)}]}`,
    `{"a":"${'\\'.repeat(MB)}`,
    `{"a":"${'\u0001'.repeat(MB)}`,
  ]
  const watch = stopwatch()
  for (const text of hostile) expect(() => read(text), text.slice(0, 20)).toThrow('JSON')
  expect(watch()).toBeLessThan(4000)
  expect(read('{"a":"\u0001\\"\n,[","b":[1]}')).toEqual({ a: '\u0001"\n,[', b: [1] })
})

test('a customer’s brackets are no depth', () => {
  expect(read(`{"a":"${'['.repeat(500)}"}`)).toEqual({ a: '['.repeat(500) })
})

test('whatever a customer types in a section comes out as he typed it, split or not', () => {
  const typed = fc
    .string({ unit: 'binary', maxLength: 60 })
    .map((text) => text.replaceAll(/[\r\uFFFE\uFFFF]/gu, ''))
  const hostile = fc.array(
    fc.constantFrom(']]>', '<![CDATA[', ']]', '>', '<', '&', '</', ' ', 'x', '\u0001', '🙂'),
  )
  fc.assert(
    fc.property(
      fc.oneof(
        typed,
        hostile.map((pieces) => pieces.join('')),
      ),
      (text) => {
        const split = text.replaceAll(']]>', ']]]]><![CDATA[>')
        expect(read(`<xml><a><![CDATA[${split}]]></a><b>1</b></xml>`)).toEqual({ a: text, b: '1' })
      },
    ),
    { numRuns: 300 },
  )
})

test('tidying takes time in proportion to the text, however it is made', () => {
  const watch = stopwatch()
  tidyCdata('<![CDATA[x]]>y'.repeat(60_000), true)
  tidyCdata(`<a>${' '.repeat(500_000)}<![CDATA[x]]>`, true)
  tidyCdata(`<![CDATA[${']]>'.repeat(200_000)}`, true)
  expect(watch()).toBeLessThan(2000)
})

test('what the quick reader takes it reads as the whole one does, and it takes what the platform sends', () => {
  const name = fc.constantFrom('a', 'Encrypt', 'toString', 'constructor', 'b1_x', 'xml')
  const hostile =
    '<![CDATA[|]]>|]]|>|<|&|&amp;|</a>|<a>|\n|\r\n|\t|\u0001|\u0085|\u2028|\uFFFE|<!---->|<a/>'.split('|')
  const usual = (...pieces: readonly string[]) =>
    fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...pieces) }, fc.constantFrom(...hostile))
  const value = fc.array(usual('x', '007', 'x y', '🙂'), { maxLength: 4 })
  const blank = usual('', '\n', '  ')
  const field = fc
    .tuple(name, value, fc.boolean(), blank)
    .map(([tag, pieces, isCdata, between]) =>
      isCdata
        ? `<${tag}><![CDATA[${pieces.join('')}]]></${tag}>${between}`
        : `<${tag}>${pieces.join('')}</${tag}>${between}`,
    )
  let quick = 0
  fc.assert(
    fc.property(fc.array(field, { minLength: 1, maxLength: 4 }), blank, (all, behind) => {
      const text = `<xml>${behind}${all.join('')}</xml>${behind}`
      const fields = readFlat(text)
      if (fields === undefined) return
      quick += 1
      // The same with something in front that the quick reader leaves alone.
      expect(fields).toEqual(read(`<?xml version="1.0"?>${text}`))
    }),
    { numRuns: 3000 },
  )
  expect(quick).toBeGreaterThan(300)
  expect(readFlat('<xml>\n<a><![CDATA[]]></a>\n <b>1 2</b>\n</xml>\n')).toEqual({ a: '', b: '1 2' })
  expect(readFlat('<xml><a>1</a><a>2</a></xml>')).toBeUndefined()
  expect(readFlat('<xml><a>1</a></xml><xml/>')).toBeUndefined()
  expect(readFlat('<xml></xml>')).toBeUndefined()
})
