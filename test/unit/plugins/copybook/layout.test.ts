import { expect, test } from 'vitest'

import { charsetOf } from '../../../../plugins/_examples/copybook/charset.ts'
import { recordOf } from '../../../../plugins/_examples/copybook/record.ts'
import type { RecordCodec } from '../../../../plugins/_examples/copybook/record.ts'

function book(text: string, views = {}): RecordCodec {
  return recordOf(text, { charset: charsetOf('cp037'), overpunch: 'digits', names: 'copybook', views })
}

test('fixed form: sequence numbers, comment lines and what stands beyond column 72 are no code', () => {
  const fixed = [
    '000100* A COMMENT. WITH A FULL STOP',
    `000200 01  REC.${' '.repeat(58)}PROG0001`,
    '000300     05  A          PIC X(3).',
    '',
    '000400/',
    '000500     05  B          PIC 9(2) VALUE 12.',
  ].join('\r\n')
  expect(book(fixed).decode(charsetOf('cp037').encode('abc42'))).toEqual({ A: 'abc', B: '42' })
})

test('free form: comments, any case, commas, clauses over several lines, literals with full stops', () => {
  const free = `
* a comment
01 rec.
  05 a pic x(3) value 'a. b'. *> the first
  05 b, picture is s9(3)v9
     usage is comp-3, value is -1.5.
  05 c pic 9 occurs 2 times
     ascending key is c indexed by i, j.
  66 d renames a thru b.
  88 e value 'x' 'y' thru 'z'.`
  const record = book(free)
  expect(record.maxBytes).toBe(8)
  expect(record.decode(Buffer.from('81828301234df1f2', 'hex'))).toEqual({
    A: 'abc',
    B: '-123.4',
    C: ['1', '2'],
  })
})

test.each([
  ['01 R. 05 A PIC X(3)', /line 1: "05 A PIC X\(3\)" does not end with a full stop/],
  ['01 R.\n 05 A PIC Q.', /line 2: PIC Q: "Q" is no picture/],
  ['01 R.\n 05 A.', /line 2: A has neither PIC nor items/],
  ['01 R.\n 05 A PIC X.\n  10 B PIC X.', /line 3: A has a PIC and cannot have items/],
  ['01 R.\n 05 A PIC X COMP-3.', /line 2: PIC X is text/],
  ['01 R.\n 05 A COMP-1.', /line 2: COMP-1 is not read here/],
  ['01 R.\n 05 A PIC 9 SYNC.', /line 2: SYNC is not read here/],
  ['01 R.\n 05 A PIC N(4).', /national/],
  ['01 R.\n 05 A PIC 9(5) OCUURS 3.', /line 2: "OCUURS" is no clause/],
  ['01 R.\n 05 A PIC X OCCURS 0.', /1 to 10000/],
  ['01 R.\n 05 A PIC X OCCURS 10001.', /1 to 10000/],
  ['01 R.\n 05 A PIC X OCCURS 1 TO 3.', /needs DEPENDING ON/],
  ['01 R.\n 05 A PIC X OCCURS 1 TO 3 DEPENDING ON N.', /no field N before it/],
  ['01 R.\n 05 A PIC X.\n 05 B REDEFINES C PIC X.', /C does not stand right before/],
  ['01 R.\n 05 A PIC X.\n01 S.\n 05 B PIC X.', /line 3: a second record begins/],
  [
    '01 R.\n 05 N PIC 9.\n 05 A PIC X.\n 05 T REDEFINES A OCCURS 1 TO 3 DEPENDING ON N PIC X.',
    /shares its bytes with nothing/,
  ],
  ['01 R.\n 05 A PIC X.\n 05 FILLER.\n 10 A PIC X.', /two items of one group are named A/],
  ['05 A PIC X.\n EXEC SQL INCLUDE X END-EXEC.', /line 2: "EXEC SQL INCLUDE" does not begin with a level/],
  ['01 R.\n 05 A PIC 9(39).', /more than 38 digits/],
  ['01 R.\n 05 A PIC 9(19) COMP.', /at most 18 digits/],
  ['01 R.\n 05 A PIC X(1048577).', /longer than 1048576 bytes/],
  ['01 R.\n 05 T OCCURS 10000.\n 10 A PIC X(200).', /T is longer than 1048576 bytes/],
  ['01 R.\n 05 T OCCURS 1000.\n 10 U OCCURS 1000.\n 15 A PIC X.', /more than 100000 values/],
  ['01 R.\n 05 A PIC 9 SIGN IS MIDDLE.', /SIGN: "MIDDLE" is neither LEADING nor TRAILING/],
  ['01 R.\n 05 A PIC 9 BLANK WHEN SPACE.', /BLANK WHEN ZERO was expected/],
  ['01 R.\n 05 A PIC X OCCURS MANY.', /OCCURS: "MANY" is no count/],
  ['01 R.\n 05 A! PIC X.', /the item: "A!" is no name/],
  ['01 R.\n 05 A JUSTIFIED RIGHT.', /JUSTIFIED needs a PIC/],
  ['01 R.\n 05 A PIC.', /PIC has no picture behind it/],
  ['01 R.\n 05 A PIC 9V9V9.', /is no number/],
  ['01 R.\n 05 A PIC X(0).', /0 times/],
  ['01 R.\n 05 A PIC X9Z.', /mixes text/],
  ['01 R OCCURS 3.\n 05 A PIC X.', /neither OCCURS nor REDEFINES/],
  ["01 R.\n 05 A PIC X VALUE 'a.", /line 2: .* cannot be read/],
  ['', /it has no items/],
])('%j is refused, with its line', (text, why) => {
  expect(() => book(text)).toThrow(why)
})

test('signs of groups and fields, said in every way', () => {
  const signs = book(
    '01 R.\n 05 G SIGN IS LEADING SEPARATE CHARACTER.\n 10 A PIC S9.\n 10 B PIC S9 TRAILING.\n 05 C PIC S9 SIGN TRAILING SEPARATE.\n 05 D PIC S9 LEADING.',
  )
  const bytes = Buffer.from('60f1d1f260d3', 'hex')
  expect(signs.decode(bytes)).toEqual({ G: { A: '-1', B: '-1' }, C: '-2', D: '-3' })
  expect(signs.encode(signs.decode(bytes))).toEqual(new Uint8Array(bytes))
})

test('marks of changes in columns 1 to 6, stars that stand one column off, and an end-of-file mark are no code', () => {
  const marked = [
    '       *** A COMMENT ***',
    '       01  REC.',
    'V5         05  A          PIC X(2).',
    'CR0042     05  B          PIC 9.',
    '\u001A',
  ].join('\n')
  expect(book(marked).decode(charsetOf('cp037').encode('ab1'))).toEqual({ A: 'ab', B: '1' })
})

test('the form can be said where lines would fit both', () => {
  const both = `       01  REC.\n${'           05  A'.padEnd(70)} PIC X(3).`
  const options = { charset: charsetOf('cp037'), overpunch: 'digits', names: 'copybook' } as const
  expect(() => recordOf(both, options)).toThrow(/line 2/)
  expect(recordOf(both, { ...options, form: 'free' }).maxBytes).toBe(3)
})

test('views that name nothing are mistakes', () => {
  const text = '01 R.\n 05 K PIC X.\n 05 A PIC XX.\n 05 B REDEFINES A PIC 99.'
  expect(() => book(text, { X: { field: 'K', is: ['1'] } })).toThrow(/views: X/)
  expect(() => book(text, { B: { field: 'KIND', is: ['1'] } })).toThrow(/no field KIND/)
})

test('columns 8 to 72 alone are read: what was pushed beyond is missed where it is missing', () => {
  const text = `       01  REC.\n${'           05  A-FIELD'.padEnd(66)}PIC X(3).`
  expect(() => book(text)).toThrow(/line 2/)
})
