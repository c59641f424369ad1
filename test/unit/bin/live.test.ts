// The room of a screen that is drawn again and again.
import { expect, test } from 'vitest'
import { roomOf } from '../../../bin/live.ts'

test('a terminal has its size, one that does not know it the usual one, and a file takes all', () => {
  expect(roomOf({ isTTY: true, rows: 50, columns: 132 })).toEqual({ rows: 50, columns: 132 })
  expect(roomOf({ isTTY: true, rows: 0, columns: 0 })).toEqual({ rows: 24, columns: 80 })
  expect(roomOf({})).toEqual({ rows: Infinity, columns: Infinity })
})
