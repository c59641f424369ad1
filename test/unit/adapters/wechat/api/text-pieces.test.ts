// Long texts in pieces: joined they are the text again, none is too long, no character is torn.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cutAfter, textPieces } from '../../../../../adapters/wechat/api/text-pieces.ts'

test('any text is its pieces, each within the limit and well formed', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme', maxLength: 300 }),
      fc.integer({ min: 8, max: 120 }),
      (text, maxBytes) => {
        const pieces = textPieces(text, maxBytes)
        expect(pieces.join('')).toBe(text)
        for (const piece of pieces) {
          expect(Buffer.byteLength(piece)).toBeLessThanOrEqual(maxBytes)
          expect(piece.isWellFormed()).toBe(true)
        }
      },
    ),
  )
})

test('it is cut between paragraphs, lines and words rather than inside them', () => {
  expect(textPieces('one two three four', 14)).toEqual(['one two three ', 'four'])
  expect(textPieces('first line\nsecond line', 16)).toEqual(['first line\n', 'second line'])
  expect(textPieces('', 10)).toEqual([''])
  const family = '👨‍👩‍👧'
  expect(textPieces(`${family}${family}`, 20)).toEqual([family, family])
})

test.each([
  ['see https://a.example/pay?id=712345 now', 30, 'see …'],
  ['see https://a.example/pay?id=712345 now or never', 40, 'see https://a.example/pay?id=712345 n…'],
  ['请看 https://a.example/订单/712345，谢谢您的耐心等待', 33, '请看 …'],
  ['请看 https://a.example/7，谢谢您的耐心等待', 40, '请看 https://a.example/7，谢谢…'],
  ['https://a.example/a/long/address', 20, ''],
])('what is cut holds an address whole or not at all: %s', (text, maxBytes, cut) => {
  expect(cutAfter(text, maxBytes)).toBe(cut)
})
