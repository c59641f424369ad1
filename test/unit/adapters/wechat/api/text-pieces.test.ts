// Long texts in pieces: joined they are the text again, none is too long, no character is torn.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cutAfter, longestStart, textPieces } from '../../../../../adapters/wechat/api/text-pieces.ts'

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

test('a Chinese text is cut behind a sentence, or a comma, and not in the middle of a word', () => {
  expect(textPieces('您的订单已经发货。预计明天送达，请注意查收', 50)).toEqual([
    '您的订单已经发货。',
    '预计明天送达，请注意查收',
  ])
  expect(textPieces('他说：“您的订单已经发货。”预计明天送达', 50)).toEqual([
    '他说：“您的订单已经发货。”',
    '预计明天送达',
  ])
  expect(textPieces('您的订单已经发货，预计明天送达', 40)).toEqual(['您的订单已经发货，', '预计明天送达'])
})

test('a text goes in as few pieces as it would without a look at its sentences', () => {
  const words = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 40 }), fc.constantFrom('。', '，', '\n', '\n\n', ' ', 'a', '👨‍👩‍👧')),
    { minLength: 1, maxLength: 40 },
  )
  fc.assert(
    fc.property(words, fc.integer({ min: 40, max: 400 }), (all, maxBytes) => {
      const text = all.map(([count, mark]) => `${'订'.repeat(count)}${mark}`).join('')
      let fewest = 0
      for (let rest = text; rest !== ''; fewest += 1) rest = rest.slice(longestStart(rest, maxBytes).length)
      expect(textPieces(text, maxBytes)).toHaveLength(fewest)
    }),
  )
})

test('where the pieces have room to spare, each is cut behind a sentence or a comma', () => {
  const sentence = `${Array<string>(5).fill('甲方应当在收到乙方书面通知之日起十五个工作日内').join('，')}。`
  for (const piece of textPieces(sentence.repeat(25), 2000)) expect(piece).toMatch(/[。，]$/u)
})

test('an address, or a link, of at most the limit stands in one piece', () => {
  const address = fc
    .tuple(fc.constantFrom('http', 'https'), fc.stringMatching(/^[\w/?=&%.:-]{0,20}$/u))
    .map(([scheme, rest]) => `${scheme}://${rest}`)
  const link = fc
    .tuple(address, fc.constantFrom('查 看', 'order 7', ''))
    .map(([to, label]) => `<a href="${to}">${label}</a>`)
  const words = fc
    .array(fc.constantFrom('订', '单', '👨‍👩‍👧', '。', '，', ' 7 ', '\n', '<', '>'), {
      minLength: 1,
      maxLength: 12,
    })
    .map((all) => `见${all.join('')}：`)
  const said = fc.array(fc.tuple(words, fc.oneof(address, link)), { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(said, fc.integer({ min: 64, max: 120 }), (all, maxBytes) => {
      const pieces = textPieces(all.flat().join(''), maxBytes)
      expect(pieces.join('')).toBe(all.flat().join(''))
      let cut = 0
      const cuts = pieces.map((piece) => (cut += piece.length))
      let at = 0
      for (const [before, whole] of all) {
        const from = at + before.length
        at = from + whole.length
        expect(cuts.filter((each) => each > from && each < at)).toEqual([])
      }
    }),
    { numRuns: 1000 },
  )
})

test('what runs on behind an address in Chinese letters does not cost the next one its end', () => {
  const text = `https://a.example/1${'订'.repeat(30)}https://a.example/2`
  expect(textPieces(text, 120)).toEqual([`https://a.example/1${'订'.repeat(30)}`, 'https://a.example/2'])
})

test('an address longer than the limit is cut where it must be', () => {
  const pieces = textPieces(`见 https://a.example/${'x'.repeat(100)}`, 50)
  expect(pieces.map((piece) => piece.length)).toEqual([2, 50, 50, 18])
})

test.each([
  ['see https://a.example/pay?id=712345 now', 30, 'see …'],
  ['see https://a.example/pay?id=712345 now or never', 40, 'see https://a.example/pay?id=712345 n…'],
  ['请看 https://a.example/订单/712345，谢谢您的耐心等待', 33, '请看 …'],
  ['请看 https://a.example/7，谢谢您的耐心等待', 40, '请看 https://a.example/7，谢谢…'],
  ['https://a.example/a/long/address', 20, ''],
  ['see http://a.example/a/long/address', 10, 'see …'],
  ['看<a href="https://a.example/7">订单</a>', 38, '看…'],
])('what is cut holds an address whole or not at all: %s', (text, maxBytes, cut) => {
  expect(cutAfter(text, maxBytes)).toBe(cut)
})
