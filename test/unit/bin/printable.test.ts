// What strangers wrote, on an operator's terminal.
import { expect, test } from 'vitest'
import { table } from '../../../bin/admin-client.ts'
import { asJson, inLine, inLines } from '../../../bin/printable.ts'

const NASTY = 'a\u001B]0;title\u0007b\u009B2Jc\u2028d\u202Ee\u2066f\u007Fg\nh\ti\r\nj\rk 中文'

test('within a line nothing is left that a terminal obeys or that ends it', () => {
  expect(inLine(NASTY)).toBe('a ]0;title b 2Jc d e f g h i j k 中文')
  expect(table([['ID'], [NASTY]]).split('\n')).toHaveLength(2)
  expect(table([['x\u202Ey']])).toBe('x y')
})

test('text of several lines keeps its line ends and tabs, and shows the rest', () => {
  expect(inLines(NASTY)).toBe(
    String.raw`a\u001b]0;title\u0007b\u009b2Jc\u2028d\u202ee\u2066f\u007fg` +
      '\nh\ti\r\nj' +
      String.raw`\u000dk 中文`,
  )
})

test('JSON is the same value to whoever parses it', () => {
  const value = { [NASTY]: [NASTY, 1, null] }
  expect(JSON.parse(asJson(value))).toEqual(value)
  expect(asJson(value)).not.toMatch(/[\u007F-\u009F\u2028\u202E]/u)
})
