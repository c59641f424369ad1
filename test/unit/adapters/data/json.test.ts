import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { parseJson, parseJsonText } from '../../../../adapters/data/json.ts'

test.each([
  ['9007199254740993', '9007199254740993'],
  ['-9007199254740993', '-9007199254740993'],
  ['9007199254740992', '9007199254740992'], // representable, but beyond what counts one by one
  ['9007199254740991', 9007199254740991],
  ['12345678901234567890', '12345678901234567890'],
  ['1.10', '1.10'],
  ['1.0', '1.0'],
  ['1.1', 1.1],
  ['1e5', '1e5'],
  ['1E400', '1E400'],
  ['-0', '-0'],
  ['0.1000000000000000055511151231257827', '0.1000000000000000055511151231257827'],
  ['0', 0],
  ['-42', -42],
])('the number %s crosses unchanged, as text where a double would change it (DESIGN §3)', (source, value) => {
  expect(parseJsonText(`{"n":${source},"list":[${source}]}`)).toStrictEqual({ n: value, list: [value] })
})

test('a number written back is the number that came, whatever it was', () => {
  const lexical = fc.stringMatching(/^-?(0|[1-9]\d{0,25})(\.\d{1,25})?([eE][+-]?\d{1,3})?$/)
  fc.assert(
    fc.property(lexical, (source) => {
      expect(`${parseJsonText(source) as string | number}`).toBe(source)
    }),
  )
})

test('digits in texts change nothing of the numbers beside them, nor the numbers of the texts (DESIGN §3)', () => {
  const said = fc.string({
    unit: fc.constantFrom('"', '\\\\', '1', '.', '1.10', '-0', '9007199254740993', '[', '王'),
  })
  const lexical = fc.constantFrom('1.10', '1e5', '-0', '12345678901234567890', '7', '0.5')
  fc.assert(
    fc.property(said, lexical, said, (name, number, text) => {
      const source = `{${JSON.stringify(`${name}:`)}:[${JSON.stringify(text)},${number}],${JSON.stringify(name)}:${JSON.stringify(text)}}`
      const value = number === '7' || number === '0.5' ? Number(number) : number
      expect(parseJsonText(source)).toStrictEqual({ [`${name}:`]: [text, value], [name]: text })
    }),
  )
})

test('what JSON.parse reads is read the same, but for numbers', () => {
  const withoutNumbers = fc.letrec((tie) => ({
    value: fc.oneof(
      fc.string({ unit: 'grapheme' }),
      fc.boolean(),
      fc.constant(null),
      fc.integer(),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(fc.string(), tie('value'), { maxKeys: 4 }),
    ),
  })).value
  fc.assert(
    fc.property(withoutNumbers, (value) => {
      const text = JSON.stringify(value)
      expect(JSON.stringify(parseJson(Buffer.from(text)))).toBe(text)
    }),
  )
})

test('__proto__ and constructor are members like any other', () => {
  for (const text of [
    '{"__proto__":{"admin":true},"constructor":1}',
    '{"__proto__":{"n":1.10},"constructor":1}',
  ]) {
    const value = parseJsonText(text) as object
    expect(Object.keys(value)).toStrictEqual(['__proto__', 'constructor'])
    expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  }
  expect(({} as Record<string, unknown>)['admin']).toBeUndefined()
})

test.each([
  ['lists', '['.repeat(65) + ']'.repeat(65)],
  ['objects', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`],
  ['a hundred thousand lists that never close', '['.repeat(100_000)],
  ['numbers to keep under a deep nest', `${'['.repeat(50_000)}1.10${']'.repeat(50_000)}`],
])('nesting beyond 64 levels is refused before it is parsed: %s', (_, text) => {
  expect(() => parseJsonText(text)).toThrow(/nested deeper than 64/)
})

test('brackets inside texts are no nesting, and 64 levels are taken', () => {
  const text = JSON.stringify({ text: `${'['.repeat(500)}"\\` })
  expect(parseJsonText(text)).toStrictEqual(JSON.parse(text))
  expect(() => parseJsonText('['.repeat(64) + ']'.repeat(64))).not.toThrow()
  expect(() => parseJsonText(`[${'[],'.repeat(500)}[]]`)).not.toThrow()
})

test('bytes that are not UTF-8 are refused, never replaced (RFC 8259 §8.1)', () => {
  expect(() => parseJson(Buffer.from([0x22, 0xcd, 0xf5, 0x22]))).toThrow(/not valid UTF-8/) // 王 in GBK
  expect(() => parseJson(Buffer.from([0x22, 0xed, 0xa0, 0x80, 0x22]))).toThrow(/not valid UTF-8/) // an encoded surrogate
  expect(parseJson(Buffer.from('\uFEFF"王小明"'))).toBe('王小明')
})

test('half a surrogate pair, which no protocol behind could carry, is refused', () => {
  expect(() => parseJsonText(String.raw`{"a":"\ud83d"}`)).toThrow(/half a surrogate pair/)
  expect(() => parseJsonText(String.raw`{"\udc00":1}`)).toThrow(/half a surrogate pair/)
  expect(parseJsonText(String.raw`"\ud83d\ude00"`)).toBe('😀')
})
