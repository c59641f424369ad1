import fc from 'fast-check'
import { expect, test } from 'vitest'

import { charsetOf } from '../../../../plugins/_examples/copybook/charset.ts'
import { numberCodec, textCodec } from '../../../../plugins/_examples/copybook/fields.ts'
import type { Codec, Sign, Usage } from '../../../../plugins/_examples/copybook/fields.ts'
import { parsePicture } from '../../../../plugins/_examples/copybook/picture.ts'
import { stopwatch } from '../../../support/processor.ts'

interface Options {
  readonly usage?: Usage
  readonly charset?: 'cp037' | 'iso-8859-1'
  readonly sign?: Sign
  readonly overpunch?: 'digits' | 'letters'
}

const trailing: Sign = { isLeading: false, isSeparate: false }

function field(
  pic: string,
  { usage = 'display', charset = 'cp037', sign = trailing, overpunch = 'digits' }: Options = {},
): Codec {
  const picture = parsePicture(pic)
  const machine = { charset: charsetOf(charset), overpunch }
  return picture.kind === 'text'
    ? textCodec(picture, false, machine)
    : numberCodec(picture, usage, { ...machine, sign })
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
const bytes = (text: string): Uint8Array => Buffer.from(text, 'hex')

// The bytes as IBM's Enterprise COBOL Language Reference and GnuCOBOL show them.
test.each<[string, Options, string, string]>([
  ['S9(5)', { usage: 'packed' }, '-12345', '12345d'],
  ['S9(5)', { usage: 'packed' }, '12345', '12345c'],
  ['9(5)', { usage: 'packed' }, '00042', '00042f'],
  ['S9(7)V99', { usage: 'packed' }, '-1234.50', '000123450d'],
  ['S9(4)', { usage: 'packed' }, '7', '00007c'],
  ['S999', {}, '-123', 'f1f2d3'],
  ['S999', {}, '123', 'f1f2c3'],
  ['9(4)', {}, '0777', 'f0f7f7f7'],
  ['S9(3)V99', {}, '-1.10', 'f0f0f1f1d0'],
  ['S999', { charset: 'iso-8859-1' }, '-123', '313273'],
  ['S999', { charset: 'iso-8859-1' }, '123', '313233'],
  ['S999', { charset: 'iso-8859-1', overpunch: 'letters' }, '-120', '31327d'],
  ['S999', { charset: 'iso-8859-1', overpunch: 'letters' }, '123', '313243'],
  ['S999', { sign: { isLeading: true, isSeparate: false } }, '-123', 'd1f2f3'],
  ['S999', { sign: { isLeading: true, isSeparate: true } }, '-123', '60f1f2f3'],
  ['S999', { sign: { isLeading: false, isSeparate: true } }, '123', 'f1f2f34e'],
  ['S9(9)V99', { usage: 'binary' }, '-1.50', 'ffffffffffffff6a'],
  ['S9(18)', { usage: 'binary' }, '-999999999999999999', 'f21f494c589c0001'],
  ['9(18)', { usage: 'native' }, '18446744073709551615', 'ffffffffffffffff'],
  ['9(3)PP', {}, '12300', 'f1f2f3'],
  ['VPP99', {}, '0.0012', 'f1f2'],
  ['S9(31)', { usage: 'packed' }, '-9007199254740993123456789012345', '9007199254740993123456789012345d'],
])('PIC %s %j holds %s as %s', (pic, options, value, stored) => {
  const codec = field(pic, options)
  expect(hex(codec.encode(value))).toBe(stored)
  expect(codec.decode(bytes(stored))).toBe(value)
})

test.each<[string, number, string]>([
  ['S9(4)', -3, 'fffd'],
  ['9(4)', 1600, '0640'],
  ['S9(9)', 123_456_789, '075bcd15'],
])('a binary integer of up to 32 bits is a number: PIC %s COMP, %d', (pic, value, stored) => {
  const codec = field(pic, { usage: 'binary' })
  expect(hex(codec.encode(value))).toBe(stored)
  expect(codec.decode(bytes(stored))).toBe(value)
})

test.each<[string, Options, string, RegExp]>([
  ['S9(5)', { usage: 'packed' }, '1234ad', /no packed decimal/],
  ['S9(5)', { usage: 'packed' }, '123456', /no packed decimal: the bytes are 123456/],
  ['S9(4)', { usage: 'packed' }, '12345c', /more digits/],
  ['9(5)', { usage: 'packed' }, '12345d', /has no sign/],
  ['999', {}, 'f1c2f3', /something else than digits/],
  ['S999', {}, 'f1f240', /no digit with a sign/],
  ['S999', { charset: 'iso-8859-1' }, '31325a', /no digit with a sign/],
  ['S999', { sign: { isLeading: true, isSeparate: true } }, '40f1f2f3', /neither \+ nor -/],
])('PIC %s %j does not read %s: never a wrong number', (pic, options, stored, why) => {
  expect(() => field(pic, options).decode(bytes(stored))).toThrow(why)
})

test.each<[string, string | number | boolean, RegExp]>([
  ['9(3)', '1000', /more digits than the field's 3/],
  ['9(3)V9', '1.25', /more places/],
  ['9(3)', '-1', /has no sign/],
  ['9(3)', '1e2', /no decimal number/],
  ['9(3)', '0x10', /no decimal number/],
  ['9(3)', true, /no decimal number/],
  ['9(18)', 2 ** 60, /beyond what a JSON number holds/],
  ['9(3)PP', '12345', /more places/],
  ['X(3)', 'abcd', /needs 4 bytes, the field has 3/],
  ['X(3)', true, /no text/],
])('PIC %s refuses %j', (pic, value, why) => {
  expect(() => field(pic).encode(value)).toThrow(why)
})

test('a field nobody has filled is null, no number: spaces and low-values', () => {
  expect(field('S9(3)').decode(bytes('404040'))).toBeNull()
  expect(field('S9(5)V99', { usage: 'packed' }).decode(bytes('00000000'))).toBeNull()
  expect(field('X(3)').decode(bytes('000000'))).toBe('')
  expect(field('X(4)').decode(bytes('81400000'))).toBe('a')
  expect(hex(field('S9(3)').encode(null))).toBe('f0f0c0')
  expect(hex(field('X(3)').encode(undefined))).toBe('404040')
})

test('a long field full of spaces but for its last byte costs no more than its bytes', () => {
  const codec = field('X(1000000)')
  const all = new Uint8Array(1_000_000).fill(0x40)
  all[999_999] = 0x81
  const watch = stopwatch()
  expect(codec.decode(all)).toHaveLength(1_000_000)
  expect(watch()).toBeLessThan(5000)
})

const usages = fc.constantFrom<Usage>('display', 'packed', 'binary')
const signs = fc.record({ isLeading: fc.boolean(), isSeparate: fc.boolean() })

test('whatever fits a picture comes back as it was, in every usage, sign and charset', () => {
  fc.assert(
    fc.property(
      fc.record({
        usage: usages,
        sign: signs,
        charset: fc.constantFrom('cp037', 'iso-8859-1'),
        overpunch: fc.constantFrom('digits', 'letters'),
      }),
      fc.integer({ min: 1, max: 9 }),
      fc.integer({ min: 1, max: 9 }),
      fc.bigInt({ min: -(10n ** 18n) + 1n, max: 10n ** 18n - 1n }),
      (options, whole, places, any) => {
        const unscaled = any % 10n ** BigInt(whole + places)
        const digits = String(unscaled < 0n ? -unscaled : unscaled).padStart(places + 1, '0')
        const text = `${unscaled < 0n ? '-' : ''}${digits.slice(0, -places)}.${digits.slice(-places)}`
        const codec = field(`S9(${whole})V9(${places})`, options)
        const stored = codec.encode(text)
        expect(stored).toHaveLength(codec.bytes)
        expect(codec.decode(stored)).toBe(text)
      },
    ),
    { numRuns: 500 },
  )
})

test('any bytes are a value that is written back as the same value, or refused', () => {
  fc.assert(
    fc.property(usages, signs, fc.uint8Array({ minLength: 8, maxLength: 8 }), (usage, sign, all) => {
      const codec = field(usage === 'packed' ? 'S9(13)V99' : usage === 'binary' ? 'S9(18)' : 'S9(7)V9', {
        usage: usage === 'binary' ? 'native' : usage,
        sign: { ...sign, isSeparate: false },
      })
      let value: string | number | null
      try {
        value = codec.decode(all)
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
        return
      }
      if (value !== null) expect(codec.decode(codec.encode(value))).toBe(value)
    }),
    { numRuns: 500 },
  )
})
