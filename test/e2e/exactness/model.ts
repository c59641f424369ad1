// The documents that cross the gateway: values most systems damage, drawn at random and by name.
import fc from 'fast-check'

export type Value = string | number | boolean | null | readonly Value[] | { readonly [name: string]: Value }
export type Doc = { readonly [name: string]: Value }

/** Of which type what stands below a document is. `text`: nobody gives anything a type. */
export type Kind = 'Echo' | 'EchoText'

/** Lists, and what is no text, by the path of names. */
export const lists: ReadonlySet<string> = new Set(['doc/item', 'doc/item/tag'])
export const integers: ReadonlySet<string> = new Set(['doc/count', 'doc/item/qty', 'doc/item/@line'])
export const booleans: ReadonlySet<string> = new Set(['doc/active'])

/** The values the requirement names, and their relatives. */
export const named = [
  '007',
  '1e5',
  '+8613812345678',
  '12345678901234567890',
  '18446744073709551615',
  '9007199254740993',
  '1.10',
  '-0',
  '0x10',
  'NaN',
  'true',
  'null',
  '  spaces  ',
  ' ',
  '',
  'a\tb\nc',
  'a\r\nb\rc',
  '<![CDATA[no section]]>',
  ']]>',
  '<a href="x">&amp;\'</a>',
  '&#x4e2d;',
  '中',
  '王小明 <&>',
  '😀𠀋\u{10FFFD}',
  'e\u0301 \u00E9 \u200B \u2028 \u0085 \uFEFF',
  '__proto__',
  'constructor',
  '{"a":1}',
  '<?xml version="1.0"?>',
] as const

/** Characters of XML 1.0 §2.2, without the private ones that charsets do not agree about. */
const XML_TEXT = /^[\t\n\r\u{20}-\u{D7FF}\u{F900}-\u{FFFD}\u{10000}-\u{10FFFF}]*$/u

function isXmlText(text: string): boolean {
  return XML_TEXT.test(text)
}

const anyText = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom<string>(...named) },
  { weight: 2, arbitrary: fc.string({ unit: 'binary', maxLength: 24 }).filter(isXmlText) },
  { weight: 1, arbitrary: fc.stringMatching(/^[\t\n\r <>&'"\]]{0,8}$/) },
)
const int = fc.integer({ min: -2147483648, max: 2147483647 })
const unsignedLong = fc.bigInt({ min: 0n, max: 18446744073709551615n }).map(String)
const decimal = fc.stringMatching(/^-?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,12}$/)
const moment = fc.constantFrom(
  '2024-02-29T10:15:30.250Z',
  '2024-01-31T00:00:00+08:00',
  '1999-12-31T23:59:59.999999',
)

/** Mixed content: text and elements in turn, as a reader of any kind must see them. */
const mixed = fc
  .array(
    fc.tuple(fc.constantFrom('b', 'i'), anyText, fc.string({ unit: 'grapheme', minLength: 1, maxLength: 6 })),
    {
      minLength: 1,
      maxLength: 3,
    },
  )
  .map((pieces) => ({
    '#mixed': pieces.flatMap(([name, inner, after]) => [{ [name]: inner }, `.${after}`]),
  }))
  .filter((remark) => remark['#mixed'].every((piece) => typeof piece !== 'string' || isXmlText(piece)))

/** One document. Absent, null, empty and filled are four things; none, one and many items three. */
export function docOf(kind: Kind): fc.Arbitrary<Doc> {
  const typed = kind === 'Echo'
  const integer: fc.Arbitrary<Value> = typed ? int : anyText
  const item = fc
    .record(
      { '@line': integer, sku: anyText, qty: integer, tag: fc.array(anyText, { maxLength: 3 }) },
      {
        requiredKeys: ['sku', 'qty', 'tag'],
      },
    )
    .map((value): Value => ({ ...value }))
  return fc
    .record(
      {
        '@ref': anyText,
        text: anyText,
        id: typed ? unsignedLong : anyText,
        amount: typed ? decimal : anyText,
        count: integer,
        active: typed ? fc.boolean() : anyText,
        when: typed ? moment : anyText,
        note: fc.oneof(anyText, fc.constant(null)),
        item: fc.array(item, { maxLength: 3 }),
        remark: fc.oneof(
          anyText.filter((text) => text !== ''),
          mixed,
        ),
      },
      { requiredKeys: ['text', 'id', 'amount', 'count', 'active', 'item'] },
    )
    .map((value): Doc => ({ ...value }))
}

/** Every named value at once, as text of its own. */
export function namedDoc(kind: Kind): Doc {
  const typed = kind === 'Echo'
  return {
    '@ref': ' 007 & "quoted" ',
    text: named.join('|'),
    id: '18446744073709551615',
    amount: '1.10',
    count: typed ? 5 : '5',
    active: typed ? true : 'true',
    note: '',
    item: named.map((sku, index) => ({
      '@line': typed ? index : String(index),
      sku,
      qty: typed ? 0 : '1e5',
      tag: [sku],
    })),
    remark: { '#mixed': ['see ', { b: '007' }, ' and ', { i: '' }, { b: '  ' }, ' 王小明 <&>'] },
  }
}

/** How a sender writes what could be written in several ways. */
export interface Style {
  readonly text: 'plain' | 'cdata' | 'references'
  readonly charset: 'utf-8' | 'gb18030'
  readonly version: '1.1' | '1.2'
}
export const style: fc.Arbitrary<Style> = fc.record({
  text: fc.constantFrom('plain', 'cdata', 'references'),
  charset: fc.constantFrom('utf-8', 'gb18030'),
  version: fc.constantFrom('1.1', '1.2'),
})
export const plainStyle: Style = { text: 'plain', charset: 'utf-8', version: '1.1' }
