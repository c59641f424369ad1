// JSONata's regular expressions: matched in linear time, and as RegExp matches them.
import fc from 'fast-check'
import jsonata from 'jsonata'
import { expect, test, vi } from 'vitest'
import { compileExpression } from '../../../core/expression.ts'
import { linear, unmatchable } from '../../../core/regular-expressions.ts'

const hostile = `${'a'.repeat(100_000)}!`

test.each(['/^(a+)+$/', '/(a|aa)+$/', '/^(a|a?)+$/', '/(.*)*x/', '/^([a-z]+)*$/i'])(
  '%s and a text that makes RegExp try every way end at once',
  async (regex) => {
    const begun = performance.now()
    expect(await compileExpression(`$contains(text, ${regex})`)({ text: hostile })).toBe(false)
    expect(performance.now() - begun).toBeLessThan(2000)
  },
)

test('an expression in $eval is matched in linear time too', async () => {
  const source = "$eval('$contains(text, /^(a+)+$/)', $)"
  expect(await compileExpression(source)({ text: `${'a'.repeat(40)}!` })).toBe(false)
})

test('many matches that each look at the rest of a long text are given up, with a reason', async () => {
  const found = compileExpression('$count($match(text, /a[^c]*c|a/))')
  await expect(found({ text: 'a'.repeat(40_000) })).rejects.toThrow(
    '/a[^c]*c|a/g takes too long for a text of 40000 characters',
  )
})

test('a single match that takes too long is given up, with a reason', async () => {
  const begun = performance.now()
  const found = compileExpression('$contains(text, /(a{0,999}b)+c/i)')
  await expect(found({ text: 'a'.repeat(150_000) })).rejects.toThrow(
    '/(a{0,999}b)+c/gi takes too long for a text of 150000 characters',
  )
  expect(performance.now() - begun).toBeLessThan(3000)
})

test('a large expression finds in a long text what RegExp finds', () => {
  const pattern = /\p{L}{1,500}(!)|(😀)/giu
  const text = `${'hello world '.repeat(3000)}hello!x😀`
  const engine = new linear.RegexEngine(new RegExp(String.raw`\p{L}{1,500}(!)|(😀)`, 'gi'))
  expect(allOf(engine, text)).toEqual(allOf(pattern, text))
})

test('an expression in a variable has its time for each text anew', () => {
  const clock = vi.spyOn(performance, 'now')
  let nowMs = 0
  clock.mockImplementation(() => (nowMs += 300))
  try {
    const engine = new linear.RegexEngine(/b/g)
    for (let n = 0; n < 5; n++) expect(allOf(engine, 'ab')).toEqual([['b', 1]])
  } finally {
    clock.mockRestore()
  }
})

const texts = [
  '',
  'a',
  'aab\nab\r\nB',
  'Order 007, order 42',
  '订单007 好\u3000的',
  '\u00a0x\ufeffy\u2028z',
  'a.b-c_d[e]f/g\\h',
  'k\u0001\b\t\v^]p',
]

test.each([
  ['a+', ''],
  ['^a', 'm'],
  ['^a.*b$', ''],
  ['.', ''],
  ['\\s', ''],
  ['\\S+', ''],
  ['[\\s,]+', ''],
  ['[^\\S]', ''],
  ['[^\\s]+', ''],
  ['[\\w-.]+', ''],
  ['[\\s-z]', ''],
  ['[a-\\d]', ''],
  ['[a-c-e]', ''],
  ['(a)|(b)', ''],
  ['(a+)(b)?', ''],
  ['(?:order|ORDER) (?<no>\\d+)', 'i'],
  ['\\border\\b', 'i'],
  ['\\u8ba2\\u5355', ''],
  ['[\\u4e00-\\u9fff]+', ''],
  ['\\x61\\.', ''],
  ['\\cA|\\0', ''],
  ['[\\b]', ''],
  ['[^]', ''],
  ['[]|a', ''],
  ['[[:a]', ''],
  ['\\/|\\-|\\_|\\好', ''],
  ['\\a|\\z|\\A|\\Q', ''],
  ['a{2}|a{1,3}b', ''],
  ['a{,2}|x{', ''],
  ['\\^|\\]|\\\\', ''],
  ['a*?b', ''],
  ['\\D+\\d', ''],
  ['(?i:B)', ''],
])('/%s/%s finds what RegExp finds', (source, flags) => {
  const pattern = new RegExp(source, `${flags}g`)
  for (const text of texts) expect(allOf(new linear.RegexEngine(pattern), text)).toEqual(allOf(pattern, text))
})

test('what is put together of common pieces finds what RegExp finds', () => {
  const atom = fc.constantFrom(
    'a',
    'b',
    '.',
    '\\d',
    '\\w',
    '\\s',
    '[ab]',
    '[^a]',
    '(a)',
    '(a|b)',
    '(?:ab)',
    '\\b',
    '^',
    '$',
  )
  const pattern = fc
    .array(fc.tuple(atom, fc.constantFrom('', '', '?', '+', '*?', '{1,2}')), { minLength: 1, maxLength: 5 })
    .map((pieces) => pieces.map(([one, times]) => (/^(?:\\b|\^|\$)$/.test(one) ? one : one + times)).join(''))
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '1', ' ', '\n'), maxLength: 12 })
  fc.assert(
    fc.property(pattern, fc.constantFrom('', 'i', 'm'), text, (source, flags, given) => {
      const native = new RegExp(source, `${flags}g`)
      expect(allOf(new linear.RegexEngine(native), given)).toEqual(allOf(native, given))
    }),
    { numRuns: 2000 },
  )
})

test('a character beyond the basic plane is one character', () => {
  const one = (source: string, text: string): unknown =>
    allOf(new linear.RegexEngine(new RegExp(source, 'g')), text)
  expect(one('^.$', '😀')).toEqual([['😀', 0]])
  expect(one('[😀😁]', 'x😁')).toEqual([['😁', 1]])
  expect(one('\\ud83d\\ude00', '😀')).toEqual([['😀', 0]])
  expect(one('\\p{Han}+', 'x订单')).toEqual([['订单', 1]])
})

test('with m a line ends at \\n only, so that one of \\r\\n is found with \\r?$', () => {
  const ends = (source: string): unknown =>
    allOf(new linear.RegexEngine(new RegExp(source, 'gm')), 'a\r\na\n')
  expect(ends('a$')).toEqual([['a', 3]])
  expect(ends('a\\r?$')).toEqual([
    ['a\r', 0],
    ['a', 3],
  ])
})

test.each([
  ['/(?=a)b/', '"(?=" looks around'],
  ['/a(?!b)/', '"(?!" looks around'],
  ['/(?<=a)b/', '"(?<=" looks around'],
  ['/(?<!a)b/', '"(?<!" looks around'],
  ['/(a)\\1/', '"\\1" refers back'],
  ['/(?<n>a)\\k<n>/', '"\\k" refers back'],
  ['/a{2000}/', 'invalid repeat count'],
  ['/(a{100}){20}/', 'counts within one another may make 1,000 at most'],
  ['/\\u{1F600}/', '"\\u" is not followed'],
  ['/[\\ud800-\\udfff]/', 'half of a character'],
])('%s is no expression for it, and it says why', (regex, why) => {
  const tree = jsonata(`a.b[$contains(c, ${regex})]`).ast()
  expect(unmatchable(tree)?.message).toContain(why)
  expect(() => new linear.RegexEngine(new RegExp(regex.slice(1, -1), 'g'))).toThrow(why)
})

test('the others are', () => {
  expect(unmatchable(jsonata('a ~> /x+/i and $match(b, /(y)/m)').ast())).toBeUndefined()
})

test.each([
  ["$match('a1b22', /[a-z](\\d+)/).groups", ['1', '22']],
  ["$replace('a1b22', /([a-z])(\\d+)/, '$2$1')", '1a22b'],
  ["$split('a, b;c', /[,;]\\s*/)", ['a', 'b', 'c']],
  ["$match('xay', /a(b)?/)[0].index", 1],
  ["('订单 007' ~> /\\d{3}/).match", '007'],
])('%s is %j', async (source, value) => {
  expect(await compileExpression(source)({})).toEqual(value)
})

/** As jsonata walks them, to the first empty match. */
function allOf(engine: RegExp, text: string): unknown[] {
  const found: unknown[] = []
  engine.lastIndex = 0
  for (let match = engine.exec(text); match !== null; match = engine.exec(text)) {
    found.push([...match, match.index])
    if (match[0] === '') break
  }
  return found
}
