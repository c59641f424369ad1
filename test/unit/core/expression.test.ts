import fc from 'fast-check'
import jsonata from 'jsonata'
import { expect, test } from 'vitest'
import { compileExpression, compileTemplate } from '../../../core/expression.ts'

const message = {
  kind: 'request',
  type: 'GetOrder',
  sender: { id: 'ann', tier: 'vip' },
  data: { orderNo: '007', lines: [{ sku: 'a' }, { sku: 'b' }], none: null, zero: 0, empty: '' },
}

test.each([
  ["kind = 'request' and type = 'GetOrder'", true],
  ["kind = 'event' or sender.tier = 'vip'", true],
  ["sender.tier != 'vip'", false],
  ["nothing != 'x'", false],
  ["nothing = 'x'", false],
  ['data.orderNo', '007'],
  ["'order.shipped'", 'order.shipped'],
  ['data.lines.sku', ['a', 'b']],
  ['data.lines[sku="b"].sku', 'b'],
  ['data.none', null],
  ['__proto__', undefined],
  ['constructor', undefined],
])('%s is %j', async (source, value) => {
  expect(await compileExpression(source)(message)).toEqual(value)
})

test('the short way gives what JSONata gives, for any data', async () => {
  const scalar = fc.oneof(
    fc.constantFrom('a', 'b', '', 'x'),
    fc.integer({ min: -2, max: 2 }),
    fc.boolean(),
    fc.constant(null),
  )
  const value = fc.oneof(
    scalar,
    fc.array(scalar, { maxLength: 3 }),
    fc.record({ b: scalar }, { requiredKeys: [] }),
  )
  const data = fc.record({ a: value, b: value }, { requiredKeys: [] })
  const operand = fc.constantFrom('a', 'b', 'a.b', "'a'", "'x'", '1', 'true', 'null')
  const comparison = fc.tuple(operand, fc.constantFrom('=', '!='), operand).map((parts) => parts.join(' '))
  const source = fc.oneof(
    operand,
    comparison,
    fc.tuple(comparison, fc.constantFrom('and', 'or'), comparison).map((parts) => parts.join(' ')),
  )
  await fc.assert(
    fc.asyncProperty(source, data, async (text, input) => {
      const expected: unknown = await jsonata(text).evaluate(input)
      expect(await compileExpression(text)(input)).toEqual(Array.isArray(expected) ? [...expected] : expected)
    }),
    { numRuns: 500 },
  )
})

test('what JSONata makes is plain data that survives structuredClone', async () => {
  const result = await compileExpression('{"skus": data.lines.sku, "n": $count(data.lines)}')(message)
  expect(structuredClone(result)).toEqual({ skus: ['a', 'b'], n: 2 })
})

test('a mistake is named with the expression it stands in', () => {
  expect(() => compileExpression("kind = 'a")).toThrow(/"kind = 'a": .*terminat/u)
})

test('a template fills in values, and leaves out what is missing', async () => {
  const text = compileTemplate('Order {{data.orderNo}}{{data.missing}}: {{ data.zero }} {{data.lines[0]}}')
  expect(await text(message)).toBe('Order 007: 0 {"sku":"a"}')
})
