import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { Json } from 'dragoman'

import { charsetOf } from '../../../../plugins/_examples/copybook/charset.ts'
import { recordOf } from '../../../../plugins/_examples/copybook/record.ts'
import type { RecordCodec } from '../../../../plugins/_examples/copybook/record.ts'

const cp037 = charsetOf('cp037')
const ebcdic = (text: string): Uint8Array => cp037.encode(text)
function book(text: string, views = {}, names: 'copybook' | 'camel' = 'copybook'): RecordCodec {
  return recordOf(text, { charset: cp037, overpunch: 'digits', names, views })
}

const claims = book(`
01 POLICY.
   05 POLICY-NO  PIC 9(6).
   05 CLAIM-COUNT PIC 99.
   05 CLAIM OCCURS 1 TO 3 DEPENDING ON CLAIM-COUNT.
      10 CLAIM-NO PIC 9(4).
      10 PAID PIC S9(3)V99 COMP-3 OCCURS 2.
`)

test('OCCURS DEPENDING ON: as many as the count says, as long as they make it', () => {
  const data = {
    'POLICY-NO': '000777',
    CLAIM: [{ 'CLAIM-NO': 1, PAID: ['1.10', -2] }, { 'CLAIM-NO': '0002' }],
  }
  const bytes = claims.encode(data)
  expect(claims.minBytes).toBe(18)
  expect(claims.maxBytes).toBe(38)
  expect(bytes).toHaveLength(28)
  expect(claims.decode(bytes)).toEqual({
    'POLICY-NO': '000777',
    'CLAIM-COUNT': '02',
    CLAIM: [
      { 'CLAIM-NO': '0001', PAID: ['1.10', '-2.00'] },
      { 'CLAIM-NO': '0002', PAID: ['0.00', '0.00'] },
    ],
  })
})

test.each<[Json, RegExp]>([
  [{ CLAIM: [] }, /CLAIM has 0 rows: 1 to 3/],
  [{ CLAIM: [{}, {}, {}, {}] }, /CLAIM has 4 rows/],
  [{ 'CLAIM-COUNT': 3, CLAIM: [{}] }, /CLAIM-COUNT is 3, and there are 1 rows/],
  [{ CLAIM: [{ PAID: [1, 2, 3] }] }, /PAID has 3 rows: 0 to 2/],
  [{ CLAIM: {} }, /CLAIM is a table: a list was expected/],
  [{ CLAIM: ['x'] }, /CLAIM is a group: an object was expected, not "x"/],
  [{ POLICY: 1 }, /POLICY has no POLICY: it has POLICY-NO, CLAIM-COUNT, CLAIM/],
  [{ CLAIM: [{ 'CLAIM-NO': 'x' }] }, /CLAIM-NO \(byte 9\): "x" is no decimal number/],
  [{ constructor: 1, CLAIM: [{}] }, /has no constructor/],
])('%j is refused: nothing is cut, dropped or guessed', (data, why) => {
  expect(() => claims.encode(data)).toThrow(why)
})

test.each([
  ['000777', /the record has 6 bytes, its copybook 18 to 38/],
  [`00077700${' '.repeat(10)}`, /CLAIM-COUNT says there are 0 of CLAIM: 1 to 3/],
  [`00077799${' '.repeat(30)}`, /says there are 99 of CLAIM/],
  [`00077703${' '.repeat(20)}`, /the record has 28 bytes and ends before CLAIM-NO does, at 32/],
  [`000777  ${' '.repeat(10)}`, /says there are NaN/],
  [
    `00077x01${' '.repeat(10)}`,
    /POLICY-NO \(byte 1\): it has something else than digits: the bytes are f0f0f0f7f7a7/,
  ],
])('the record %j is refused, with the field and its bytes', (text, why) => {
  expect(() => claims.decode(ebcdic(text))).toThrow(why)
})

const views = { MOTOR: { field: 'KIND', is: ['MO'] }, HOUSE: { field: 'KIND', is: ['HO', 'FL'] } }
const kinds = book(
  `
01 R.
   05 ROW OCCURS 3.
      10 KIND PIC XX.
      10 MOTOR.
         15 PLATE PIC X(4).
      10 HOUSE REDEFINES MOTOR.
         15 AREA PIC 9(3).
      10 FILLER PIC X.
`,
  views,
)

test('REDEFINES: the view whose condition holds, in each row of a table by the row itself', () => {
  const data = {
    ROW: [{ KIND: 'MO', MOTOR: { PLATE: 'B-1' } }, { KIND: 'FL', HOUSE: { AREA: '120' } }, { KIND: 'XX' }],
  }
  const bytes = kinds.encode(data)
  expect(cp037.decode(bytes)).toBe('MOB-1  FL120  XX     ')
  expect(kinds.decode(bytes)).toEqual(data)
})

test.each<[Json, RegExp]>([
  [{ ROW: [{ KIND: 'MO', HOUSE: { AREA: 1 } }] }, /HOUSE is given, and KIND says that it is not there/],
  [{ ROW: [{ KIND: 'MO', HOUSE: {}, MOTOR: {} }] }, /MOTOR and HOUSE share their bytes/],
])('REDEFINES: %j is refused', (data, why) => {
  expect(() => kinds.encode(data)).toThrow(why)
})

test('REDEFINES without conditions: the first is read, any one may be written', () => {
  const plain = book(
    '01 R.\n 05 DAY PIC 9(8).\n 05 PARTS REDEFINES DAY.\n 10 YEAR PIC 9(4).\n 10 MONTH PIC 99.\n 10 D PIC 99.',
  )
  expect(plain.decode(ebcdic('20240229'))).toEqual({ DAY: '20240229' })
  expect(plain.decode(plain.encode({ PARTS: { YEAR: '2024', MONTH: 2, D: 29 } }))).toEqual({
    DAY: '20240229',
  })
})

test('what follows a table of varying length moves, and a table in a table has its own count in each row', () => {
  const sliding = book(
    `
01 R.
   05 N PIC 9.
   05 T OCCURS 0 TO 3 DEPENDING ON N.
      10 M PIC 9.
      10 U PIC X(2) OCCURS 1 TO 2 DEPENDING ON M.
   05 K PIC X.
   05 A PIC 99.
   05 B REDEFINES A PIC XX.
`,
    { B: { field: 'K', is: ['B'] } },
  )
  expect([sliding.minBytes, sliding.maxBytes]).toEqual([4, 19])
  const data = {
    N: '2',
    T: [
      { M: '2', U: ['ab', 'cd'] },
      { M: '1', U: ['ef'] },
    ],
    K: 'A',
    A: '07',
  }
  expect(cp037.decode(sliding.encode(data))).toBe('22abcd1efA07')
  expect(sliding.decode(ebcdic('22abcd1efA07'))).toEqual(data)
  expect(sliding.decode(ebcdic('0Bxy'))).toEqual({ N: '0', T: [], K: 'B', B: 'xy' })
  expect(() => sliding.has('K')).toThrow(/its place is not known/)
  expect(() => sliding.decode(ebcdic('3'.padEnd(12, '1')))).toThrow(/ends before/)
})

test('a view may be longer than the first, and a record as short as the view that holds', () => {
  const segments = book(
    '01 R.\n 05 K PIC X.\n 05 SHORT.\n 10 A PIC X(2).\n 05 LONG REDEFINES SHORT.\n 10 B PIC X(5).',
    {
      SHORT: { field: 'K', is: ['S'] },
      LONG: { field: 'K', is: ['L'] },
    },
  )
  expect([segments.minBytes, segments.maxBytes]).toEqual([3, 6])
  expect(segments.decode(ebcdic('Sab'))).toEqual({ K: 'S', SHORT: { A: 'ab' } })
  expect(segments.decode(ebcdic('Labcde'))).toEqual({ K: 'L', LONG: { B: 'abcde' } })
  expect(() => segments.decode(ebcdic('Lab'))).toThrow(/has 3 bytes and ends before B does, at 6/)
  expect(cp037.decode(segments.encode({ K: 'S', SHORT: { A: 'ab' } }))).toBe('Sab   ')
})

test('a name that comes again gets a number, and rows without a name are FILLER', () => {
  const again = book('01 R.\n 05 A PIC X.\n 05 A PIC X.\n 05 OCCURS 2.\n 10 B PIC X.\n 05 A PIC X.')
  const data = { A: '1', 'A-2': '2', FILLER: [{ B: 'x' }, { B: 'y' }], 'A-3': '3' }
  expect(again.decode(ebcdic('12xy3'))).toEqual(data)
  expect(cp037.decode(again.encode(data))).toBe('12xy3')
})

test('the kind of a record may stand in its views themselves', () => {
  const records = book(
    '01 R.\n 05 HEAD.\n 10 K PIC X.\n 10 DAY PIC 9(4).\n 05 LINE REDEFINES HEAD.\n 10 LK PIC X.\n 10 TEXT PIC X(6).\n 05 REST PIC X.',
    {
      HEAD: { field: 'K', is: ['H'] },
      LINE: { field: 'K', is: ['L'] },
    },
  )
  expect(records.decode(ebcdic('H0229  r'))).toEqual({ HEAD: { K: 'H', DAY: '0229' }, REST: 'r' })
  expect(records.decode(ebcdic('Labcdefr'))).toEqual({ LINE: { LK: 'L', TEXT: 'abcdef' }, REST: 'r' })
  for (const data of [
    { HEAD: { K: 'H', DAY: '0229' }, REST: 'r' },
    { LINE: { LK: 'L', TEXT: 'abcdef' }, REST: 'r' },
  ])
    expect(records.decode(records.encode(data))).toEqual(data)
  expect(() => records.encode({ LINE: { LK: 'H' } })).toThrow(
    /LINE is given, and K says that it is not there/,
  )
})

test('a condition on a field that this row does not have is said as such', () => {
  const rows = book('01 R.\n 05 T OCCURS 2.\n 10 A.\n 15 K PIC X.\n 10 B REDEFINES A PIC X.', {
    B: { field: 'K', is: ['x'] },
  })
  expect(() => rows.decode(ebcdic('xy'))).toThrow(/K is asked for, and is not in this record/)
})

test('a group without a name is a bracket: its items belong to the group around it', () => {
  const text =
    '01 R.\n 05 DAY PIC 9(8).\n 05 FILLER REDEFINES DAY.\n 10 YEAR PIC 9(4).\n 10 REST PIC 9(4).\n 05 FILLER.\n 10 A PIC X.'
  const bracketed = book(text)
  expect(bracketed.decode(ebcdic('20240229a'))).toEqual({ DAY: '20240229', A: 'a' })
  expect(bracketed.decode(bracketed.encode({ YEAR: 2024, REST: '0229', A: 'b' }))).toEqual({
    DAY: '20240229',
    A: 'b',
  })
})

test('names: as the copybook has them, or in camel case; one that is special to JavaScript is data', () => {
  const camel = book('01 R.\n 05 POLICY-NO PIC 9.\n 05 CONSTRUCTOR PIC X.\n 05 A-1-B PIC X.', {}, 'camel')
  const decoded = camel.decode(ebcdic('1xy'))
  expect(decoded).toEqual({ policyNo: '1', constructor: 'x', a1B: 'y' })
  expect(camel.encode(decoded)).toEqual(ebcdic('1xy'))
})

test('JUSTIFIED, BLANK WHEN ZERO, edited numbers and GROUP USAGE', () => {
  const text =
    '01 R.\n 05 A PIC X(5) JUSTIFIED RIGHT.\n 05 B PIC ZZ9.99- BLANK WHEN ZERO.\n 05 G COMP-3.\n 10 C PIC S9(3).\n 10 D PIC 9.'
  const record = book(text)
  expect(record.maxBytes).toBe(5 + 7 + 2 + 1)
  const data = { A: 'ab', B: '  1.50-', G: { C: '-5', D: '7' } }
  expect(record.decode(record.encode(data))).toEqual(data)
  expect(cp037.decode(record.encode(data)).slice(0, 12)).toBe('   ab  1.50-')
})

test('what is encoded is decoded to the same data, and encoded again to the same bytes', () => {
  const digits = (length: number): fc.Arbitrary<string> =>
    fc.nat({ max: 10 ** length - 1 }).map((each) => String(each).padStart(length, '0'))
  const amount = fc.integer({ min: -99_999, max: 99_999 }).map((each) => {
    const text = String(Math.abs(each)).padStart(3, '0')
    return `${each < 0 ? '-' : ''}${text.slice(0, -2)}.${text.slice(-2)}`
  })
  const row = fc.record({ 'CLAIM-NO': digits(4), PAID: fc.array(amount, { minLength: 2, maxLength: 2 }) })
  fc.assert(
    fc.property(digits(6), fc.array(row, { minLength: 1, maxLength: 3 }), (policyNo, rows) => {
      const data = { 'POLICY-NO': policyNo, 'CLAIM-COUNT': String(rows.length).padStart(2, '0'), CLAIM: rows }
      const bytes = claims.encode(data)
      expect(claims.decode(bytes)).toEqual(data)
      expect(claims.encode(claims.decode(bytes))).toEqual(bytes)
    }),
  )
})

test('any bytes are decoded or refused by a RangeError: hostile records end nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 0, maxLength: 60 }), (bytes) => {
      for (const each of [claims, kinds])
        try {
          each.decode(bytes)
        } catch (error) {
          expect(error).toBeInstanceOf(RangeError)
        }
    }),
    { numRuns: 500 },
  )
})
