// What strangers wrote, on an operator's terminal.
import { expect, onTestFinished, test, vi } from 'vitest'
import { table } from '../../../bin/running/admin-client.ts'
import { fail } from '../../../bin/fail.ts'
import { showGone } from '../../../bin/screens/live.ts'
import { asJson, fit, inLine, inLines, widthOf } from '../../../bin/printable.ts'
import { ConfigError } from '../../../config/load.ts'
import { GatewayError } from '../../../core/api.ts'

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

test('why a command failed keeps its lines, and nothing of it is obeyed', () => {
  const said = vi.spyOn(console, 'error').mockReturnValue()
  onTestFinished(() => {
    said.mockRestore()
    process.exitCode = undefined
  })
  const problem = { file: 'gateway.yaml', line: 1, column: 1, message: NASTY, path: '' }
  const foreign = Object.assign(new Error(NASTY), { code: 'EACCES' })
  for (const error of [new GatewayError('INTERNAL', NASTY), new ConfigError([problem]), foreign]) {
    fail(error)
    expect(said.mock.lastCall).toEqual([expect.stringContaining(inLines(NASTY))])
  }
})

test('a screen whose gateway is gone says why in one line', async () => {
  const said = vi.spyOn(console, 'log').mockReturnValue()
  onTestFinished(() => said.mockRestore())
  const admin = async (): Promise<unknown> => undefined
  await showGone(new GatewayError('INTERNAL', NASTY), admin, { data: '/no/such/folder' })
  expect(said.mock.lastCall).toEqual([expect.stringContaining(`${inLine(NASTY)}\n`)])
})

test.each([
  ['abc', 3],
  ['订单', 4],
  ['订a单', 5],
  ['😀', 2],
  ['👩‍👩‍👧', 2],
  ['❤️', 2],
  ['🇨🇭', 2],
  ['e\u0301', 1],
  ['한', 2],
  ['\u1112\u1161\u11AB', 2],
  ['\u200B', 0],
  ['ｱ', 1],
  ['ｶﾞｲｼｬ', 5],
  ['กำ', 2],
  ['น้ำ', 2],
  ['कि', 2],
  ['क्षि', 3],
  ['கொ', 2],
  ['…', 1],
  ['', 0],
])('%j takes %i columns of a terminal (UAX #11)', (text, columns) => {
  expect(widthOf(text)).toBe(columns)
})

test('what has no room is left out by whole characters', () => {
  expect(fit('订单在哪里', 5)).toBe('订单')
  expect(fit('ab😀', 3)).toBe('ab')
  expect(fit('e\u0301x', 1)).toBe('e\u0301')
  expect(fit('订单', Infinity)).toBe('订单')
})

test('the columns of a table stand below one another, whatever is written in them', () => {
  const lines = table([
    ['NAME', 'WHY'],
    ['王小明', 'x'],
    ['ann', 'x'],
  ]).split('\n')
  expect(lines).toEqual(['NAME    WHY', '王小明  x', 'ann     x'])
})

test('a table may have more lines than a function has arguments', () => {
  const rows = Array.from({ length: 200_000 }, (_, index) => [String(index), 'x'])
  expect(table(rows).split('\n')).toHaveLength(200_000)
})
