// Words for what is wrong.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  ConfigError,
  editDistance,
  formatPath,
  formatProblem,
  lowered,
  nearest,
  prefixOf,
} from '../../../config/problems.ts'

test('a problem is one line that editors and terminals turn into a link', () => {
  const problem = { file: 'a.yaml', line: 3, column: 5, message: 'it is wrong', path: 'http' }
  expect(formatProblem(problem)).toBe('a.yaml:3:5: it is wrong')
  expect(new ConfigError([problem, { ...problem, line: 4 }]).message).toBe(
    'a.yaml:3:5: it is wrong\na.yaml:4:5: it is wrong',
  )
})

test('a path reads like code, a route is counted from 1', () => {
  expect(formatPath(['backends', 'a-b', 'operations', 'x.y', 0])).toBe('backends.a-b.operations["x.y"][0]')
  expect(prefixOf(['routes', 2, 'agent'])).toBe('route 3: agent: ')
  expect(prefixOf(['routes', 2])).toBe('route 3: ')
  expect(prefixOf([])).toBe('')
})

test("a library's sentence begins small, a word in capitals does not", () => {
  expect(lowered('Invalid input')).toBe('invalid input')
  expect(lowered('A key')).toBe('a key')
  expect(lowered('GET and HEAD have no body: use query')).toBe('GET and HEAD have no body: use query')
  expect(lowered('')).toBe('')
})

test('the nearest word is few edits away or begins alike', () => {
  expect(nearest('recieve', ['receive', 'send'])).toBe('receive')
  expect(nearest('timout', ['timeout', 'tls'])).toBe('timeout')
  expect(nearest('crm', ['crm-desk', 'orders'])).toBe('crm-desk')
  expect(nearest('PATH', ['path'])).toBe('path')
  expect(nearest('redis', ['routes', 'http', 'data'])).toBeUndefined()
  expect(nearest('x'.repeat(100_000), ['x', 'y'.repeat(100_000)])).toBeUndefined()
})

test('the edit distance is a distance: zero only for equals, the same both ways, at most the longer word', () => {
  const word = fc.string({ maxLength: 12, unit: fc.constantFrom('a', 'b', 'c') })
  fc.assert(
    fc.property(word, word, (a, b) => {
      const distance = editDistance(a, b)
      expect(distance === 0).toBe(a === b)
      expect(editDistance(b, a)).toBe(distance)
      expect(distance).toBeLessThanOrEqual(Math.max(a.length, b.length))
      expect(distance).toBeGreaterThanOrEqual(Math.abs(a.length - b.length))
    }),
  )
  expect(editDistance('kitten', 'sitting')).toBe(3)
  expect(editDistance('ab', 'ba')).toBe(1)
})
