// Values of simple types: lexical forms, facets, and what they are as JSON (XSD 1.0 Part 2).
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compareDecimals, countDigits, exactNumber, plainDecimal } from '../../../../adapters/xml/decimal.ts'
import { isLexical } from '../../../../adapters/xml/lexical.ts'
import { sample } from '../../../../adapters/xml/schema.ts'
import { declared, read, refusal, written } from './support.ts'

test.each([
  ['boolean', 'true false 1 0', 'TRUE yes 2 '],
  ['decimal', '1 1.10 -0.5 +5 .5 5. 12345678901234567890.123456789', '1e5 . + abc 1,0 0x1 INF'],
  ['integer', '0 -1 +1 007 123456789012345678901234567890', '1.0 1. 1e0 0x1 --1'],
  [
    'long',
    '9223372036854775807 -9223372036854775808 +1 0000000001',
    '9223372036854775808 12345678901234567890 12abc',
  ],
  ['int', '2147483647 -2147483648', '2147483648 -2147483649'],
  ['short', '32767 -32768', '32768'],
  ['byte', '127 -128', '128'],
  ['unsignedLong', '18446744073709551615 0 -0', '18446744073709551616 -1'],
  ['unsignedInt', '4294967295', '4294967296'],
  ['unsignedShort', '65535', '65536'],
  ['unsignedByte', '255', '256'],
  ['positiveInteger', '1', '0'],
  ['nonPositiveInteger', '0 -5', '1'],
  ['negativeInteger', '-1', '0'],
  ['double', '1.5 1e5 -1E-10 INF -INF NaN .5 1.', 'inf Infinity nan 1e 1e5.0 0x1'],
  [
    'dateTime',
    '2024-02-29T10:15:30.250Z 2024-02-29T24:00:00 -0001-01-01T00:00:00 12024-01-01T00:00:00+14:00',
    '2024-13-45T99:00:00 2023-02-29T00:00:00 2024-01-01T24:00:01 2024-01-01 0000-01-01T00:00:00 2024-01-01T00:00:00+14:01 24-01-01T00:00:00 2024-01-01T00:00:60Z 02024-01-01T00:00:00',
  ],
  ['date', '2024-02-29 2000-02-29Z 2024-01-31+08:00', '1900-02-29 2024-04-31 2024-1-1 2024-02-29T00:00:00'],
  ['time', '23:59:59.999 24:00:00 00:00:00-05:00', '24:00:01 12:60:00 1:00:00'],
  ['gYear', '2024 -2024 2024Z', '24 0000'],
  ['gYearMonth', '2024-12', '2024-13 2024'],
  ['gMonth', '--12 --12-- --01Z', '--13 12'],
  ['gDay', '---31', '---32 31'],
  ['gMonthDay', '--02-29', '--02-30 --2-29'],
  ['duration', 'P1Y2M3DT4H5M6.7S -P1D PT0S P1Y', 'P PT P1YT P-1D 1D P1S'],
  ['hexBinary', '0aF9', '0 0g'],
  ['base64Binary', 'AAAA AA== AAA= ', 'AAA A=== AAB== AAAA= AB== AAB='],
  ['language', 'en zh-Hans-CN', 'e_n abcdefghi'],
  ['NCName', 'a _b é 订单', '1a a:b -a'],
  ['Name', 'a:b :x', '1a'],
  ['NMTOKEN', '1a -x', 'a/b'],
  ['QName', 'a a:b', 'a:b:c :b a:'],
])('%s has these lexical forms (XSD 1.0 Part 2 §3)', (builtin, legal, illegal) => {
  const forms = (text: string): string[] => text.split(' ').filter((form) => form !== '')
  expect(forms(legal).filter((form) => !isLexical(builtin, form))).toEqual([])
  expect(forms(illegal).filter((form) => isLexical(builtin, form))).toEqual([])
  expect(isLexical(builtin, '')).toBe(builtin.endsWith('Binary'))
})

test('JSON has booleans, integers to 32 bits and doubles that are exact; everything else is its lexical form', () => {
  const json = (type: string, text: string): unknown => read(text, declared(`type="xs:${type}"`))
  expect(json('boolean', ' 1 ')).toBe(true)
  expect(json('int', '-42')).toBe(-42)
  expect(json('unsignedInt', '4294967295')).toBe(4294967295)
  expect(json('short', '+007')).toBe(7)
  expect(json('double', '1.5e-10')).toBe(1.5e-10)
  expect(json('double', '0.1')).toBe(0.1)
  expect(json('double', '123456789012345678901')).toBe('123456789012345678901')
  expect(json('double', '0.1000000000000000055511151231257827')).toBe('0.1000000000000000055511151231257827')
  expect(['INF', '-INF', 'NaN', '-0', '1e400'].map((text) => json('double', text))).toEqual([
    'INF',
    '-INF',
    'NaN',
    '-0',
    '1e400',
  ])
  expect(json('long', '9007199254740993')).toBe('9007199254740993')
  expect(json('long', '\n  0000000001 \t')).toBe('0000000001')
  expect(json('decimal', '1.10')).toBe('1.10')
  expect(json('integer', '12345678901234567890')).toBe('12345678901234567890')
  expect(json('unsignedLong', '1')).toBe('1')
  expect(json('dateTime', '2024-02-29T23:59:59.123+05:30')).toBe('2024-02-29T23:59:59.123+05:30')
})

test('white space is kept, replaced or collapsed by the type (XSD 1.0 Part 2 §4.3.6)', () => {
  const json = (type: string, text: string): unknown => read(text, declared(`type="xs:${type}"`))
  expect(json('string', '  two  spaces\n line2\t ')).toBe('  two  spaces\n line2\t ')
  expect(json('normalizedString', ' a\n\tb ')).toBe(' a  b ')
  expect(json('token', ' a \n b ')).toBe('a b')
  expect(json('token', 'plain')).toBe('plain')
  expect(json('string', '')).toBe('')
})

const restricted = (base: string, facets: string): string =>
  `<xs:simpleType><xs:restriction base="${base}">${facets}</xs:restriction></xs:simpleType>`

test.each([
  [
    'enumeration',
    restricted('xs:string', '<xs:enumeration value="NEW"/><xs:enumeration value="OLD"/>'),
    ['NEW'],
    ['new', 'BOGUS', ' NEW'],
  ],
  [
    'enumeration of numbers, by value',
    restricted('xs:decimal', '<xs:enumeration value="1.0"/>'),
    ['1', '1.00'],
    ['2'],
  ],
  ['pattern', restricted('xs:string', '<xs:pattern value="[A-Z]{2}\\d+"/>'), ['AB1'], ['A1', 'AB', 'xAB1']],
  [
    'patterns of one step are alternatives',
    restricted('xs:string', '<xs:pattern value="a+"/><xs:pattern value="b+"/>'),
    ['aa', 'b'],
    ['ab'],
  ],
  ['length in characters', restricted('xs:string', '<xs:length value="2"/>'), ['ab', '😀中'], ['a', 'abc']],
  [
    'minLength and maxLength',
    restricted('xs:string', '<xs:minLength value="1"/><xs:maxLength value="2"/>'),
    ['a'],
    ['', 'abc'],
  ],
  ['length of octets', restricted('xs:base64Binary', '<xs:length value="4"/>'), ['dGV4dA=='], ['dGV4']],
  ['length of hex octets', restricted('xs:hexBinary', '<xs:maxLength value="1"/>'), ['ff'], ['ffff']],
  [
    'bounds beyond any double',
    restricted('xs:integer', '<xs:minInclusive value="9007199254740993"/>'),
    ['9007199254740993'],
    ['9007199254740992'],
  ],
  [
    'exclusive bounds',
    restricted('xs:decimal', '<xs:minExclusive value="0"/><xs:maxExclusive value="1"/>'),
    ['0.1'],
    ['0', '1.0', '-1'],
  ],
  [
    'bounds of doubles',
    restricted('xs:double', '<xs:maxInclusive value="1e2"/>'),
    ['100', '-INF'],
    ['100.5', 'INF'],
  ],
  [
    'bounds of moments',
    restricted('xs:dateTime', '<xs:minInclusive value="2024-01-01T00:00:00Z"/>'),
    ['2024-01-01T01:00:00+01:00'],
    ['2024-01-01T00:59:59+01:00'],
  ],
  [
    'digits',
    restricted('xs:decimal', '<xs:totalDigits value="3"/><xs:fractionDigits value="2"/>'),
    ['1.23', '001.500'],
    ['12.34', '0.123'],
  ],
  [
    'white space before the other facets',
    restricted('xs:string', '<xs:whiteSpace value="collapse"/><xs:maxLength value="3"/>'),
    [' a b '],
    ['abcd'],
  ],
])('facet %s', (_name, type, legal, illegal) => {
  const decl = declared(type)
  for (const value of legal) {
    expect([value, refusal(() => read(value, decl))]).toEqual([value, 'accepted'])
    expect([value, refusal(() => written(value, decl))]).toEqual([value, 'accepted'])
  }
  for (const value of illegal) {
    expect([value, refusal(() => read(value, decl))]).toEqual([
      value,
      expect.stringMatching(/^DECODE_FAILED e: /),
    ])
    expect([value, refusal(() => written(value, decl))]).toEqual([
      value,
      expect.stringMatching(/^ENCODE_FAILED e: /),
    ])
  }
})

test('facets add up over several steps of restriction', () => {
  const decl = declared(
    'type="t:Short"',
    `<xs:simpleType name="Code"><xs:restriction base="xs:token"><xs:pattern value="[A-Z]*"/></xs:restriction></xs:simpleType>
     <xs:simpleType name="Short"><xs:restriction base="t:Code"><xs:pattern value=".A.*"/><xs:maxLength value="3"/></xs:restriction></xs:simpleType>`,
  )
  expect(['BAC', ' BA '].map((value) => refusal(() => read(value, decl)))).toEqual(['accepted', 'accepted'])
  expect(['Bac', 'BBC', 'BACK'].every((value) => refusal(() => read(value, decl)) !== 'accepted')).toBe(true)
})

test('lists are their text, item by item; outwards an array will do (XSD 1.0 Part 2 §2.5.1.2)', () => {
  const decl = declared('<xs:simpleType><xs:list itemType="xs:int"/></xs:simpleType>')
  expect(read(' 1  2\n3 ', decl)).toBe('1 2 3')
  expect(read('', decl)).toBe('')
  expect(refusal(() => read('1 x', decl))).toBe('DECODE_FAILED e: "1 x" has an item that is not of type int')
  expect(written([1, '2'], decl)).toBe('<e>1 2</e>')
  const limited = declared(
    restricted('t:Ints', '<xs:maxLength value="2"/>'),
    '<xs:simpleType name="Ints"><xs:list itemType="xs:int"/></xs:simpleType>',
  )
  expect(refusal(() => read('1 2 3', limited))).toContain('has length 3, 2 is the most')
  expect(refusal(() => read('', declared('type="xs:NMTOKENS"')))).toContain('at least 1')
})

test('a union takes the first member that fits, and its JSON is that one’s (XSD 1.0 Part 2 §2.5.1.3)', () => {
  const decl = declared(
    `<xs:simpleType><xs:union memberTypes="xs:int xs:boolean"><xs:simpleType><xs:restriction base="xs:string"><xs:enumeration value="none"/></xs:restriction></xs:simpleType></xs:union></xs:simpleType>`,
  )
  expect([' 5 ', 'true', 'none'].map((text) => read(text, decl))).toEqual([5, true, 'none'])
  expect(refusal(() => read('other', decl))).toContain('is not one of the types it may be')
  expect(written(true, decl)).toBe('<e>true</e>')
})

test('in a union a number or boolean that would be written otherwise is its text (DESIGN §3)', () => {
  const decl = declared(
    '<xs:simpleType><xs:union memberTypes="xs:int xs:double xs:boolean xs:string"/></xs:simpleType>',
  )
  const texts = ['007', '+86', '-0', '1.50', '1e3', '7', '-7', '2.5', 'true', 'x']
  const values = texts.map((text) => read(text, decl))
  expect(values).toEqual(['007', '+86', '-0', '1.50', '1e3', 7, -7, 2.5, true, 'x'])
  expect(values.map((value) => written(value, decl))).toEqual(texts.map((text) => `<e>${text}</e>`))
  expect(
    read('1', declared('<xs:simpleType><xs:union memberTypes="xs:boolean xs:string"/></xs:simpleType>')),
  ).toBe('1')
})

test.each([
  ['0|1', '1', '0'],
  ['true|false', 'true', 'false'],
  ['true|0', 'true', '0'],
])('a boolean is written as its pattern %s has it, and samples are such ones', (pattern, yes, no) => {
  const decl = declared(restricted('xs:boolean', `<xs:pattern value="${pattern}"/>`))
  expect([yes, no].map((text) => read(text, decl))).toEqual([true, false])
  expect([written(true, decl), written(false, decl)]).toEqual([`<e>${yes}</e>`, `<e>${no}</e>`])
  expect([`<e>${yes}</e>`, `<e>${no}</e>`]).toContain(written(sample(decl), decl))
})

test('octets lose the lines a client broke them into, and nothing else', () => {
  const decl = declared('type="xs:base64Binary"')
  expect(read('\n  dGV4\n  dA==\n', decl)).toBe('dGV4dA==')
  expect(refusal(() => read('dGV4 dA=', decl))).toContain('is not of type base64Binary')
})

test('numbers of JSON are written as the type wants them, those that have lost digits are refused', () => {
  const out = (type: string, value: number | boolean | string): string =>
    written(value, declared(`type="xs:${type}"`))
  expect(out('decimal', 1e-7)).toBe('<e>0.0000001</e>')
  expect(out('decimal', -1.5e-7)).toBe('<e>-0.00000015</e>')
  expect(out('double', 1e21)).toBe('<e>1e+21</e>')
  expect(out('long', 123)).toBe('<e>123</e>')
  expect(out('string', 5)).toBe('<e>5</e>')
  expect(out('string', true)).toBe('<e>true</e>')
  expect(out('decimal', '1.10')).toBe('<e>1.10</e>')
  for (const type of ['long', 'decimal', 'string'])
    expect(refusal(() => out(type, 2 ** 53 + 2))).toBe(
      'ENCODE_FAILED e: 9007199254740994 is a number that has lost digits, send it as a string',
    )
  expect(refusal(() => out('int', 1.5))).toBe('ENCODE_FAILED e: "1.5" is not of type int')
  expect(refusal(() => out('int', true))).toBe('ENCODE_FAILED e: "true" is not of type int')
  expect(refusal(() => out('int', 2147483648))).toContain('is not of type int')
})

const decimals = fc
  .tuple(fc.constantFrom('', '-', '+'), fc.stringMatching(/^\d{1,25}$/), fc.stringMatching(/^\d{0,10}$/))
  .map(([sign, whole, fraction]) => `${sign}${whole}${fraction === '' ? '' : `.${fraction}`}`)

function scaled(text: string): bigint {
  const [whole = '', fraction = ''] = text.replace(/^[+-]/, '').split('.')
  const value = BigInt(whole + fraction.padEnd(10, '0'))
  return text.startsWith('-') ? -value : value
}

test('decimals of any length compare as exact numbers do', () => {
  fc.assert(
    fc.property(decimals, decimals, (a, b) => {
      const [x, y] = [scaled(a), scaled(b)]
      expect(Math.sign(compareDecimals(a, b))).toBe(x < y ? -1 : x > y ? 1 : 0)
    }),
  )
  expect(countDigits('-00120.4500')).toEqual({ total: 5, fraction: 2 })
  expect(countDigits('1000')).toEqual({ total: 4, fraction: 0 })
  expect(countDigits('0.001')).toEqual({ total: 3, fraction: 3 })
})

test('a double becomes a JSON number only if that says the same, and is written back as the same', () => {
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
      const text = String(number)
      expect(exactNumber(text)).toBe(Object.is(number, -0) ? 0 : number)
      expect(Number(plainDecimal(number))).toBe(number === 0 ? 0 : number)
      expect(plainDecimal(number)).not.toContain('e')
    }),
  )
})

test.each([
  ['decimal', '1e3', '1000'],
  ['decimal', '1.0E-7', '0.00000010'],
  ['decimal', '-1.50e1', '-15.0'],
  ['decimal', '12345678901234567890.5e+2', '1234567890123456789050'],
  ['decimal', '0.5e3', '500'],
  ['decimal', '1.10', '1.10'],
  ['decimal', '0e0', '0'],
  ['int', '5.0', '5'],
  ['int', '-0.0', '-0'],
  ['long', '1e3', '1000'],
  ['long', '1.5E1', '15'],
  ['unsignedByte', '25.50e1', '255'],
  ['integer', '9007199254740993.00', '9007199254740993'],
  ['integer', '007', '007'],
])(
  'a number of JSON that a double would change is written as %s wants it: %s (RFC 8259 §6)',
  (type, number, text) => {
    const decl = declared(`type="xs:${type}"`)
    expect(written(number, decl)).toBe(`<e>${text}</e>`)
    expect(
      written(
        [number, '1'],
        declared('type="t:L"', `<xs:simpleType name="L"><xs:list itemType="xs:${type}"/></xs:simpleType>`),
      ),
    ).toBe(`<e>${text} 1</e>`)
  },
)

test.each([
  ['int', '5.5'],
  ['int', '1e-1'],
  ['long', '1e19'],
  ['decimal', '1e999999'],
  ['decimal', '-1e-999999999999'],
  ['decimal', '01e3'],
  ['decimal', '.5e1'],
  ['decimal', '1e'],
])('what is no %s even so is refused: %s', (type, number) => {
  const problem = refusal(() => written(number, declared(`type="xs:${type}"`)))
  expect(problem).toMatch(new RegExp(`^ENCODE_FAILED e: ".{2,40}" is not of type ${type}$`, 'u'))
})

test('text is never taken for a number', () => {
  for (const type of ['string', 'token', 'anySimpleType', 'double'])
    expect(written('1e3', declared(`type="xs:${type}"`))).toBe('<e>1e3</e>')
})
