import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Json } from 'dragoman'

import { fieldIn, fieldOut } from '../../../../plugins/_examples/sap-rfc/fields.ts'
import type { FieldType } from '../../../../plugins/_examples/sap-rfc/fields.ts'

const soap = { dates: 'dashed', minus: 'before' } as const
const idoc = { dates: 'plain', minus: 'behind' } as const
const vbeln: FieldType = { alpha: 10, strip: false }
const bare: FieldType = { alpha: 10, strip: true }

test.each<[FieldType, string, Json]>([
  ['text', '000777', '000777'],
  ['text', ' 1.10 ', ' 1.10 '],
  [vbeln, '0000000777', '0000000777'],
  [bare, '0000000777', '777'],
  [bare, '0000000000', '0'],
  [bare, 'A000000777', 'A000000777'],
  [{ numc: 6 }, '000010', '000010'],
  ['date', '00000000', null],
  ['date', '0000-00-00', null],
  ['date', '        ', null],
  ['date', '', null],
  ['date', '20240229', '2024-02-29'],
  ['date', '2024-02-29', '2024-02-29'],
  ['date', '99991231', '9999-12-31'],
  ['date', 'UNKNOWN', 'UNKNOWN'],
  ['time', '000000', '00:00:00'],
  ['time', '235959', '23:59:59'],
  ['time', '      ', null],
  ['decimal', '      12.50-', '-12.50'],
  ['decimal', '-12.50', '-12.50'],
  ['decimal', '9007199254740993.10', '9007199254740993.10'],
  ['decimal', '0001.10 ', '1.10'],
  ['decimal', '.50', '0.50'],
  ['decimal', '0.00-', '0.00'],
  ['decimal', '', null],
  ['decimal', '1.234,50', '1.234,50'],
  ['int', '42-', -42],
  ['int', '9007199254740993', '9007199254740993'],
  ['flag', 'X', true],
  ['flag', '', false],
  ['flag', ' ', false],
  ['flag', '-', '-'],
])('%j reads %j as %j', (type, text, value) => {
  expect(fieldIn(text, type)).toBe(value)
})

test.each<[FieldType, Json, string, string]>([
  ['text', '000777', '000777', '000777'],
  ['text', null, '', ''],
  ['text', true, 'X', 'X'],
  ['text', 1.5, '1.5', '1.5'],
  [vbeln, '777', '0000000777', '0000000777'],
  [vbeln, 777, '0000000777', '0000000777'],
  [vbeln, '00000000000777', '0000000777', '0000000777'],
  [vbeln, 'MAT-1', 'MAT-1', 'MAT-1'],
  [vbeln, '', '', ''],
  [{ numc: 6 }, 10, '000010', '000010'],
  [{ numc: 6 }, null, '000000', '000000'],
  ['date', null, '0000-00-00', '00000000'],
  ['date', '', '0000-00-00', '00000000'],
  ['date', '2024-02-29', '2024-02-29', '20240229'],
  ['date', '20240229', '2024-02-29', '20240229'],
  ['date', '9999-12-31', '9999-12-31', '99991231'],
  ['time', '23:59:00', '23:59:00', '235900'],
  ['time', null, '00:00:00', '000000'],
  ['decimal', '-1.10', '-1.10', '1.10-'],
  ['decimal', 1.5, '1.5', '1.5'],
  ['decimal', null, '0', '0'],
  ['int', -3, '-3', '3-'],
  ['flag', true, 'X', 'X'],
  ['flag', false, '', ''],
])('%j writes %j as %j, in an IDoc as %j', (type, value, text, plain) => {
  expect(fieldOut(value, type, soap)).toBe(text)
  expect(fieldOut(value, type, idoc)).toBe(plain)
})

test.each<[FieldType, Json, RegExp]>([
  [vbeln, '12345678901', /longer than its 10/],
  [{ numc: 6 }, 'A', /other characters than digits/],
  [{ numc: 6 }, '1234567', /longer than its 6/],
  ['date', '2023-02-29', /no date/],
  ['date', '29.02.2024', /no date/],
  ['time', '24:00:00', /no time/],
  ['decimal', '1e5', /no decimal number/],
  ['decimal', '1,5', /no decimal number/],
  ['decimal', true, /no decimal number/],
  ['int', '1.0', /no whole number/],
  ['flag', 'yes', /no flag/],
  ['text', 2 ** 60, /not exact/],
  ['text', 1e-7, /not exact/],
  ['text', {}, /no single value/],
])('%j refuses %j', (type, value, why) => {
  expect(() => fieldOut(value, type, soap)).toThrow(why)
})

test('what is written is read as the same value, in both styles', () => {
  const digits = fc.bigInt({ min: -(10n ** 25n), max: 10n ** 25n }).map(String)
  const decimal = fc.tuple(digits, fc.stringMatching(/^\d{1,5}$/)).map(([whole, fraction]) => {
    const text = `${whole}.${fraction}`
    return /[1-9]/.test(text) ? text : text.replace('-', '')
  })
  const day = fc.date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
  const cases: fc.Arbitrary<readonly [FieldType, Json]> = fc.oneof(
    decimal.map((value) => ['decimal', value] as const),
    fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 }).map((value) => ['int', value] as const),
    fc.option(day.map((each) => each.toISOString().slice(0, 10))).map((value) => ['date', value] as const),
    day.map((each) => ['time', each.toISOString().slice(11, 19)] as const),
    fc.boolean().map((value) => ['flag', value] as const),
    fc.stringMatching(/^\d{10}$/).map((value) => [vbeln, value] as const),
  )
  fc.assert(
    fc.property(cases, fc.constantFrom(soap, idoc), ([type, value], style) => {
      expect(fieldIn(fieldOut(value, type, style), type)).toBe(value)
    }),
    { numRuns: 500 },
  )
})
