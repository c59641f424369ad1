// Patterns of XSD 1.0 Part 2 appendix F.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { compilePattern } from '../../../../adapters/xml/schema-pattern.ts'
import { cpuMs } from './support.ts'

const matches = (pattern: string, value: string): boolean | undefined =>
  compilePattern(pattern)?.matches(value)

test.each([
  ['a whole value, not a part of it', 'b', ['b'], ['abc', '', 'bb']],
  ['quantifiers', 'ab?c*d+e{2}f{1,2}g{2,}', ['adeefgg', 'abccddeeffggg'], ['adefgg', 'adeefg', 'adeefffgg']],
  ['branches and groups', '(a|b(c|d))*|x', ['', 'abcabd', 'x'], ['bc x', 'b']],
  ['the dot is no line end', '.{2}', ['ab', '中😀'], ['a\n', '\ra']],
  ['ranges, negation, subtraction (F.1 [17])', '[a-z-[aeiou]]+[^0-9]', ['xyz!', 'bA'], ['abc!', 'b1', 'a']],
  ['a hyphen at either end of a class', '[-a][b-]', ['-b', 'a-'], ['bb', 'aa']],
  ['single escapes (F.1.1 [24])', '\\.\\*\\\\\\n\\t\\-\\[\\^\\|', ['.*\\\n\t-[^|'], ['x*\\\n\t-[^|']],
  ['\\d of every script, \\D', '\\d\\D', ['1a', '٣x'], ['a1', '12']],
  ['\\w without punctuation, \\W', '\\w+\\W', ['a中1!', 'x '], ['a', '!!']],
  ['\\s and \\S', '\\s\\S', [' a', '\tb'], ['ab', '  ', '\u00A0a']],
  ['name characters \\i \\c', '\\i\\c*', ['a-1', ':x', '订单'], ['1a', '-a']],
  ['categories (F.1.1 [27])', '\\p{Lu}\\p{Nd}\\P{L}', ['A1-', 'Ä1.'], ['a1-', 'A1b']],
  [
    'blocks (F.1.1 [36])',
    '\\p{IsBasicLatin}\\p{IsCJKUnifiedIdeographs}\\P{IsCyrillic}',
    ['a中a'],
    ['中中a', 'a中ж'],
  ],
  ['classes inside classes', '[\\d\\-x]+', ['1-x'], ['a']],
  ['"^" and "$" at the ends as anchors, which many schemas mean', '^[0-9]{2}$', ['12', '^12$'], ['123']],
  ['"$" elsewhere is itself', 'a$b', ['a$b'], ['ab']],
  ['an e-mail address', '[^@\\s]+@[^@\\s.]+(\\.[^@\\s.]+)+', ['a.b@c.de'], ['a@b', 'a@@b.c']],
])('%s', (_what, pattern, yes, no) => {
  expect(yes.filter((value) => matches(pattern, value) !== true)).toEqual([])
  expect(no.filter((value) => matches(pattern, value) !== false)).toEqual([])
})

test.each([
  '(',
  ')',
  '[',
  '[]',
  'a{2,1}',
  'a{x}',
  '*a',
  '\\q',
  '\\p{Foo}',
  '\\p{IsKlingon}',
  '[b-a]',
  'a{9999}{9}',
  '[a-[b]',
])('outside the grammar, or too large: %s is not enforced', (pattern) => {
  expect(compilePattern(pattern)).toBeUndefined()
})

test('work is linear in the value where a backtracking engine takes for ever', () => {
  const began = cpuMs()
  const value = 'a'.repeat(20_000)
  for (const pattern of ['(a+)+b', '(a|a)*b', '(a*)*b', '(\\w+\\s?)+!', 'a{0,50}a{0,50}b'])
    expect(matches(pattern, value)).toBe(false)
  expect(cpuMs() - began).toBeLessThan(2000)
})

test('the example of a pattern matches it', () => {
  for (const pattern of [
    '[A-Z]{3}-\\d{4}',
    '(\\d{3}-)?\\d{4}',
    '\\p{Lu}\\p{Ll}+',
    '[^a-z]+',
    '订单\\d',
    '.{3}',
    '^\\d+$',
  ])
    expect(matches(pattern, compilePattern(pattern)?.example() ?? '')).toBe(true)
})

test('agrees with RegExp on what both can say', () => {
  const atoms = fc.constantFrom('a', 'b', '[ab]', '[^a]', '(a|b)', '((ab)?)', '.', '\\d')
  const pieces = fc
    .tuple(atoms, fc.constantFrom('', '?', '*', '+', '{2}', '{0,2}', '{1,}'))
    .map(([atom, many]) => atom + many)
  const patterns = fc.array(pieces, { minLength: 1, maxLength: 5 }).map((parts) => parts.join(''))
  fc.assert(
    fc.property(patterns, fc.stringMatching(/^[ab1]{0,8}$/), (pattern, value) => {
      expect(matches(pattern, value)).toBe(new RegExp(`^(?:${pattern})$`, 'u').test(value))
    }),
    { numRuns: 500 },
  )
})
