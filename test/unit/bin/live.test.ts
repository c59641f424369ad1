// The room of a screen that is drawn again and again.
import { expect, test } from 'vitest'
import { everyMsOf, roomOf } from '../../../bin/live.ts'

test('a terminal has its size, one that does not know it the usual one, and a file takes all', () => {
  expect(roomOf({ isTTY: true, rows: 50, columns: 132 })).toEqual({ rows: 50, columns: 132 })
  expect(roomOf({ isTTY: true, rows: 0, columns: 0 })).toEqual({ rows: 24, columns: 80 })
  expect(roomOf({})).toEqual({ rows: Infinity, columns: Infinity })
})

test('--every is a duration of a tenth of a second to an hour: a timer of 30 days would fire at once', () => {
  expect(['100ms', '1s', '1h', '60m'].map(everyMsOf)).toEqual([100, 1000, 3_600_000, 3_600_000])
  for (const every of ['61m', '30d']) expect(() => everyMsOf(every)).toThrow('1h at most')
  for (const every of ['99ms', '0s', 'x']) expect(() => everyMsOf(every)).toThrow('is no duration')
})
