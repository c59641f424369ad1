import fc from 'fast-check'
import { expect, test } from 'vitest'

import { charsetOf } from '../../../../plugins/_examples/copybook/charset.ts'
import { fitted, framed, framesOf } from '../../../../plugins/_examples/copybook/frames.ts'
import type { Framing, FramingOptions } from '../../../../plugins/_examples/copybook/frames.ts'
import { stopwatch } from '../../../support/processor.ts'

const options = (framing: Framing, maxBytes = 100, ebcdic = false): FramingOptions => ({
  framing,
  charset: charsetOf(ebcdic ? 'cp037' : 'iso-8859-1'),
  maxBytes,
})

test.each<[Framing, boolean, string]>([
  [{ by: 'prefix', bytes: 2, countsItself: false }, false, '0003616263'],
  [{ by: 'prefix', bytes: 4, countsItself: true }, false, '00000007616263'],
  [{ by: 'digits', digits: 4, countsItself: false }, false, '30303033616263'],
  [{ by: 'digits', digits: 4, countsItself: true }, true, 'f0f0f0f7616263'],
  [{ by: 'rdw' }, true, '00070000616263'],
  [{ by: 'lines' }, false, '6162630a'],
  [{ by: 'lines' }, true, '61626315'],
  [{ by: 'fixed', length: 5 }, false, '6162632020'],
])('%j puts a record on the line as %s', (framing, ebcdic, hex) => {
  expect(Buffer.from(framed(Buffer.from('abc'), options(framing, 100, ebcdic))).toString('hex')).toBe(hex)
})

const framings = fc.constantFrom<Framing>(
  { by: 'prefix', bytes: 2, countsItself: false },
  { by: 'prefix', bytes: 4, countsItself: true },
  { by: 'digits', digits: 5, countsItself: true },
  { by: 'rdw' },
)

test('however the bytes are cut, the same records come out, with their places', () => {
  fc.assert(
    fc.property(
      framings,
      fc.array(fc.uint8Array({ maxLength: 100 }), { maxLength: 20 }),
      fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 20 }),
      (framing, records, cuts) => {
        const own = options(framing)
        const whole = Buffer.concat(records.map((record) => framed(record, own)))
        const frames = framesOf(own)
        const out: { offset: number; record: Uint8Array }[] = []
        for (let at = 0, turn = 0; at < whole.byteLength; turn += 1) {
          const end = at + (cuts[turn % cuts.length] ?? 1)
          frames.put(whole.subarray(at, end))
          at = end
          for (let frame = frames.next(); frame !== undefined; frame = frames.next()) out.push(frame)
        }
        expect(out.map(({ record }) => record)).toEqual(records)
        for (const { offset, record } of out)
          expect(framed(record, own)).toEqual(
            Buffer.from(whole.subarray(offset, offset + framed(record, own).byteLength)),
          )
        expect(frames.pending).toBe(0)
        expect(frames.last()).toBeUndefined()
      },
    ),
  )
})

test.each<[Framing, string, RegExp]>([
  [{ by: 'prefix', bytes: 4, countsItself: false }, 'ffffffff', /4294967295 bytes: 0 to 100/],
  [{ by: 'prefix', bytes: 2, countsItself: true }, '0001', /-1 bytes/],
  [
    { by: 'digits', digits: 4, countsItself: false },
    '31324142',
    /begins with its length in 4 digits, not 31324142/,
  ],
  [{ by: 'rdw' }, '00070100', /segments are not read/],
  [{ by: 'lines' }, '61'.repeat(102), /longer than 100/],
])('%j refuses %s before it collects anything', (framing, hex, why) => {
  const frames = framesOf(options(framing))
  frames.put(Buffer.from(hex, 'hex'))
  expect(() => frames.next()).toThrow(why)
})

test('lines: a last one without its end, both ends of lines, and the spaces programs leave out', () => {
  const own = options({ by: 'lines' })
  const frames = framesOf(own)
  frames.put(Buffer.from('abc\r\n\nde'))
  expect(Buffer.from(frames.next()?.record ?? '').toString()).toBe('abc')
  expect(frames.next()?.record).toHaveLength(0)
  expect(frames.next()).toBeUndefined()
  const last = frames.last()
  expect(last?.offset).toBe(6)
  const line = fitted(last?.record ?? new Uint8Array(), { maxBytes: 4 }, own)
  expect(Buffer.from(line).toString()).toBe('de  ')
  expect(() => framed(Buffer.from('a\nb'), own)).toThrow(/ends a line/)
})

test('half a record at the end of a file is said, not swallowed', () => {
  const frames = framesOf(options({ by: 'fixed', length: 4 }))
  frames.put(Buffer.from('abcdef'))
  expect(frames.next()?.record).toHaveLength(4)
  expect(frames.next()).toBeUndefined()
  expect(() => frames.last()).toThrow(/2 bytes are left over/)
})

test('a record that is longer than its length field can say is refused', () => {
  expect(() =>
    framed(new Uint8Array(100), options({ by: 'digits', digits: 2, countsItself: false }, 1000)),
  ).toThrow(/ends at 99/)
  expect(() => framed(new Uint8Array(9), options({ by: 'fixed', length: 8 }))).toThrow(/9 bytes, a frame 8/)
})

test('a record of many small pieces costs no more than its bytes', () => {
  const own = options({ by: 'prefix', bytes: 4, countsItself: false }, 300_000)
  const whole = framed(new Uint8Array(300_000), own)
  const frames = framesOf(own)
  const watch = stopwatch()
  for (let at = 0; at < whole.byteLength; at += 1) {
    frames.put(whole.subarray(at, at + 1))
    if (at % 1000 === 0) expect(frames.next()).toBeUndefined()
  }
  expect(frames.next()?.record).toHaveLength(300_000)
  expect(watch()).toBeLessThan(20_000)
})
