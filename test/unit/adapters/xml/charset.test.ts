// Charsets: what decides, exact decoding, honest encoding.
import iconv from 'iconv-lite'
import { GatewayError } from 'dragoman'
import { expect, test } from 'vitest'
import {
  canonicalCharset,
  charsetLabel,
  decodeText,
  decodeXml,
  encodeExtended,
  encodeText,
} from '../../../../adapters/xml/charset.ts'

const utf8 = (text: string): Uint8Array => Buffer.from(text, 'utf8')
const latin1 = (text: string): Uint8Array => Buffer.from(text, 'latin1')

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof GatewayError) return `${error.code} ${error.message}`
    throw error
  }
  return 'accepted'
}

test('without anything said a document is UTF-8 (RFC 7303 §3.2, XML 1.0 §4.3.3)', () => {
  expect(decodeXml(utf8('<a>中</a>'))).toEqual({ text: '<a>中</a>', charset: 'utf-8' })
})

test('a byte order mark decides before the charset parameter, and is not part of the text (RFC 7303 §3.2)', () => {
  const bytes = Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), utf8('<a>é</a>')])
  expect(decodeXml(bytes, 'iso-8859-1')).toEqual({ text: '<a>é</a>', charset: 'utf-8' })
  const wide = Buffer.concat([Buffer.from([0xff, 0xfe]), Buffer.from('<a>é</a>', 'utf16le')])
  expect(decodeXml(wide, 'utf-8')).toEqual({ text: '<a>é</a>', charset: 'utf-16le' })
})

test('the charset parameter beats the declaration (RFC 7303 §3.2), also the utf-16 that .NET leaves in a UTF-8 body', () => {
  const text = '<?xml version="1.0" encoding="utf-16"?><a>é</a>'
  expect(decodeXml(utf8(text), 'UTF-8')).toEqual({ text, charset: 'utf-8' })
  const gbk = iconv.encode('<?xml version="1.0" encoding="UTF-8"?><a>订单</a>', 'gbk')
  expect(decodeXml(gbk, 'GBK').text).toContain('订单')
})

test('the declaration decides where nothing else does', () => {
  for (const charset of ['GBK', 'gb2312', 'GB18030', 'Big5']) {
    const text = `<?xml version='1.0' encoding = '${charset}' ?><a>中文</a>`
    expect(decodeXml(iconv.encode(text, charset))).toEqual({ text, charset: charset.toLowerCase() })
  }
})

test('UTF-16 without a mark is known by its first character (XML 1.0 appendix F.1) and by RFC 2781 §4.3', () => {
  const le = Buffer.from('<a>中</a>', 'utf16le')
  expect(decodeXml(le)).toEqual({ text: '<a>中</a>', charset: 'utf-16le' })
  const be = Buffer.from(le).swap16()
  expect(decodeXml(be)).toEqual({ text: '<a>中</a>', charset: 'utf-16be' })
  expect(decodeXml(be, 'utf-16').charset).toBe('utf-16be')
  expect(decodeXml(le, 'utf-16').charset).toBe('utf-16le')
})

test('a declaration that lies is refused where nobody outside said better (XML 1.0 §4.3.3)', () => {
  expect(codeOf(() => decodeXml(utf8('<?xml version="1.0" encoding="UTF-16"?><a/>')))).toContain('UTF-16')
  const marked = Buffer.concat([
    Buffer.from([0xef, 0xbb, 0xbf]),
    utf8('<?xml version="1.0" encoding="GBK"?><a/>'),
  ])
  expect(codeOf(() => decodeXml(marked))).toBe('DECODE_FAILED xml 1:0: it declares "GBK" but is in utf-8')
  const wide = Buffer.from('<?xml version="1.0" encoding="UTF-8"?><a/>', 'utf16le')
  expect(codeOf(() => decodeXml(wide))).toBe('DECODE_FAILED xml 1:0: it declares "UTF-8" but is in utf-16le')
})

test('bytes that are not in their charset are refused, never replaced (XML 1.0 §4.3.3)', () => {
  const bad: readonly (readonly [string, readonly number[]])[] = [
    ['utf-8', [0xc0, 0x80]],
    ['utf-8', [0xed, 0xa0, 0x80]],
    ['utf-8', [0xe4, 0xb8]],
    ['utf-8', [0xf4, 0x90, 0x80, 0x80]],
    ['utf-16le', [0x00, 0xd8]],
    ['utf-16be', [0x61]],
    ['gbk', [0x81]],
    ['gbk', [0x81, 0x3c]],
    ['gb18030', [0xff]],
    ['big5', [0x81, 0x20]],
    ['euc-kr', [0x81, 0x20]],
    ['euc-kr', [0xb0]],
    ['shift_jis', [0x81]],
    ['us-ascii', [0xe9]],
    ['iso-8859-3', [0xa5]],
    ['windows-1252', [0x81]],
  ]
  for (const [charset, bytes] of bad)
    expect([charset, codeOf(() => decodeText(Uint8Array.from(bytes), charset))]).toEqual([
      charset,
      expect.stringContaining('DECODE_FAILED'),
    ])
})

test('charsets that are unknown or unsafe are refused by name', () => {
  for (const charset of [
    'utf-7',
    'utf-32',
    'hz-gb-2312',
    'iso-2022-jp',
    'iso-8859-12',
    'ebcdic',
    '__proto__',
  ])
    expect(codeOf(() => decodeXml(utf8('<a/>'), charset))).toBe(
      `DECODE_FAILED xml 1:0: charset "${charset}" is not one this gateway reads`,
    )
  expect(codeOf(() => decodeXml(Buffer.from([0xff, 0xfe, 0, 0, 0x3c, 0, 0, 0])))).toContain('utf-32')
  expect(codeOf(() => decodeXml(Buffer.from([0x4c, 0x6f, 0xa7, 0x94])))).toContain('EBCDIC')
})

test('ISO-8859-1 is itself, not windows-1252 as in TextDecoder; ISO-8859-9 and -11 likewise', () => {
  for (const charset of ['iso-8859-1', 'iso-8859-9', 'iso-8859-11'])
    expect(decodeText(Uint8Array.of(0x85), charset)).toBe('\u0085')
  expect(decodeText(Uint8Array.of(0x80), 'windows-1252')).toBe('€')
  expect(decodeText(Uint8Array.of(0xa4), 'iso-8859-15')).toBe('€')
})

test('whatever a charset encodes, it decodes to the same: every character of the basic plane and some beyond', () => {
  const fixed =
    'utf-8 utf-16le utf-16be us-ascii gbk gb2312 gb18030 big5 shift_jis euc-jp euc-kr windows-874 koi8-r koi8-u'
  const isoParts = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 16]
  const charsets = [
    ...fixed.split(' '),
    ...isoParts.map((part) => `iso-8859-${part}`),
    ...Array.from({ length: 9 }, (_, page) => `windows-125${page}`),
  ]
  for (const charset of charsets) {
    let carried = 0
    const wrong: string[] = []
    for (let code = 0; code <= 0x20fff; code += code < 0x3000 ? 1 : 37) {
      if (code >= 0xd800 && code < 0xe000) continue
      const character = String.fromCodePoint(code)
      const bytes = encodeText(character, charset)
      if (bytes === undefined) continue
      carried++
      if (decodeText(bytes, charset) !== character) wrong.push(`${charset} U+${code.toString(16)}`)
    }
    expect(wrong).toEqual([])
    expect(carried).toBeGreaterThanOrEqual(128)
  }
})

test('GB 2312 stays within its own two-byte range, so that a strict reader of it can follow', () => {
  expect(encodeText('中', 'gb2312')).toEqual(Buffer.from([0xd6, 0xd0]))
  expect(encodeText('鎔', 'gb2312')).toBeUndefined() // only in GBK
  expect(encodeText('鎔', 'gbk')).toBeDefined()
  expect(encodeText('€', 'gb2312')).toBeUndefined()
})

test.each([
  ['big5', '中一─龘', '嗰€␀①ぁ'],
  ['euc-kr', '가힝①', '똠갂'],
  ['shift_jis', '漢ｱ≒熙', '①髙ⅰ纊'],
  ['euc-jp', '漢ｱ≒～丂', '①ⅰ'],
  ['gbk', '中鎔ⅰ兀', '€ǹ⺁〾\uE000'],
  ['gb2312', '中①', 'ⅰ︵ɑ鎔'],
])('in %s is written what its standard has, not what vendors put under the name', (charset, own, others) => {
  const written = (text: string): string[] =>
    Array.from(text).filter((character) => encodeText(character, charset) !== undefined)
  expect([written(own).join(''), written(others).join('')]).toEqual([own, ''])
})

test('what vendors have added is written for who cannot say it otherwise, and under the vendor’s own name', () => {
  const written = [
    ['big5', '嗰'],
    ['euc-kr', '똠'],
    ['shift_jis', '①髙'],
    ['gbk', '€'],
  ].map(([charset = '', text = '']) => Buffer.from(encodeExtended(text, charset) ?? []).toString('hex'))
  expect(written).toEqual(['9df5', '8c63', '8740fbfc', '80'])
  const named = ['Big5-HKSCS', 'cp949', 'windows-31j', 'CP932', 'cp950'].map(canonicalCharset)
  expect(named).toEqual(['big5-hkscs', 'cp949', 'windows-31j', 'cp932', 'cp950'])
  const texts = ['嗰', '똠', '①髙', '①髙', '€']
  for (const [at, charset = ''] of named.entries()) {
    const bytes = encodeText(texts[at] ?? '', charset)
    expect(bytes && decodeText(bytes, charset)).toBe(texts[at])
  }
  expect(encodeText('\u0080', 'windows-31j')).toBeUndefined()
})

test('a character that EUC-JP has twice goes as it comes, in two bytes', () => {
  const bytes = Buffer.from([0x41, 0xa1, 0xc1, 0xa4, 0xa2, 0xa1, 0xc1])
  expect(encodeText(decodeText(bytes, 'euc-jp'), 'euc-jp')).toEqual(bytes)
})

test('a lone surrogate is in no charset', () => {
  for (const charset of ['utf-8', 'utf-16le', 'utf-16be', 'gb18030', 'gbk', 'iso-8859-1'])
    expect(encodeText('a\uD800b', charset)).toBeUndefined()
})

test('names of charsets are found however they are written', () => {
  expect(['UTF8', 'Latin1', 'ISO8859-1', 'cp1252', 'x-cp1250', 'GB_2312-80', 'csnope', 'Shift-JIS', ''].map(canonicalCharset)).toEqual([
    'utf-8', 'iso-8859-1', 'iso-8859-1', 'windows-1252', 'windows-1250', 'gb2312', undefined, 'shift_jis', undefined,
  ]) // prettier-ignore
  expect(charsetLabel('utf-16be')).toBe('utf-16')
  expect(decodeText(latin1('\xfe\xff\0a'), 'utf-16')).toBe('a')
})
