// JSONata is compiled when the file is read.
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { expressionFault, readPredicate, templateFault } from '../../../config/expressions.ts'

test('an expression that does not compile is reported at the token that is in the way', () => {
  expect(expressionFault("kind = 'request' and $count(data.items) > 1")).toBeUndefined()
  expect(expressionFault('a b')).toEqual({
    message: 'not a JSONata expression: syntax error: "b"',
    offset: 2,
  })
  expect(expressionFault('a =')).toMatchObject({ offset: 3 })
  expect(expressionFault('')).toMatchObject({ offset: 0 })
  expect(expressionFault('('.repeat(100_000))).toEqual({ message: 'nested too deeply', offset: 0 })
})

test('a template is checked in each of its expressions, and every {{ has its }}', () => {
  expect(templateFault('Order {{data.orderNo}} of {{ $now() }}.')).toBeUndefined()
  expect(templateFault('no expression } }} {')).toBeUndefined()
  expect(templateFault('a {{b}} {{ c d }}')).toMatchObject({ offset: 13 })
  expect(templateFault('a {{b}} {{ c')).toEqual({ message: '{{ without }}', offset: 8 })
  expect(templateFault('{{}}')).toMatchObject({ offset: 2 })
})

test('any text is either an expression or has a fault inside it', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('{', '}', 'a', '$', '(', "'", '/', '\\') })),
      (text) => {
        for (const fault of [expressionFault(text), templateFault(text)]) {
          if (fault === undefined) continue
          expect(fault.offset).toBeGreaterThanOrEqual(0)
          expect(fault.offset).toBeLessThanOrEqual(text.length)
        }
      },
    ),
  )
})

test('a predicate says which kind it takes, where that is certain', () => {
  expect(readPredicate("type = 'x' and kind = 'event'").kind).toBe('event')
  expect(readPredicate("'event' = kind").kind).toBe('event')
  expect(readPredicate("kind = 'event' or type = 'x'").kind).toBeUndefined()
  expect(readPredicate("kind != 'event'").kind).toBeUndefined()
  expect(readPredicate("data.kind = 'event'").kind).toBeUndefined()
  expect(readPredicate('kind = ').kind).toBeUndefined()
  expect(readPredicate('true').always).toBe(true)
  expect(readPredicate("'true'").always).toBe(false)
})

test('the kinds a predicate compares with are found where they stand', () => {
  expect(readPredicate("kind = 'a' or (kind != 'b' and 'c' = kind)").kinds).toMatchObject([
    { name: 'a', offset: 8 },
  ])
  expect(readPredicate("kind = 'a' or kind != 'b'").kinds).toEqual([
    { name: 'a', offset: 8 },
    { name: 'b', offset: 23 },
  ])
})
