import { expect, test } from 'vitest'

import { answerHeaders } from '../../../../adapters/data/answer-headers.ts'
import { compileExpression } from '../../../../adapters/data/expression.ts'

test.each([
  [
    ['sid=1; Path=/', 'lang=de'],
    ['sid=1; Path=/', 'lang=de'],
  ],
  [['sid=1; Path=/'], 'sid=1; Path=/'],
])(
  'of the cookies %j $headers has %j, and the same expression finds one (RFC 6265 §3)',
  async (cookies, shown) => {
    const headers = new Headers([
      ['X-Left', '1'],
      ['x-left', '2'],
      ...cookies.map((each): [string, string] => ['Set-Cookie', each]),
    ])
    const seen = answerHeaders(headers)
    expect(seen).toStrictEqual({ 'x-left': '1, 2', 'set-cookie': shown })
    for (const source of ['$headers."set-cookie"[$contains("sid=")]', '$headers."set-cookie"[0]'])
      expect(await compileExpression(source)({}, { headers: seen })).toBe('sid=1; Path=/')
  },
)

test('an answer without a cookie has none', () => {
  expect(answerHeaders(new Headers({ Age: '7' }))).toStrictEqual({ age: '7' })
})
