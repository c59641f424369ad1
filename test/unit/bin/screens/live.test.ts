// The room of a screen that is drawn again and again.
import { expect, onTestFinished, test, vi } from 'vitest'
import { everyMsOf, roomOf, show } from '../../../../bin/screens/live.ts'

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

test('a line is cut where the terminal ends: one that is wider would begin another', () => {
  const { isTTY, columns, rows } = process.stdout
  const written = vi.spyOn(process.stdout, 'write').mockReturnValue(true)
  onTestFinished(() => {
    written.mockRestore()
    Object.assign(process.stdout, { isTTY, columns, rows })
  })
  Object.assign(process.stdout, { isTTY: true, columns: 10, rows: 24 })
  show(['订单在哪里订单在哪里', 'abcdefghijkl'])
  expect(written.mock.lastCall?.[0]).toBe('\u001B[H订单在哪里\u001B[K\nabcdefghij\u001B[K\u001B[J')
})
