import fc from 'fast-check'
import jsonata from 'jsonata'
import { expect, test } from 'vitest'
import { compileExpression, expressionProblem, readsMessage } from '../../../../adapters/data/expression.ts'

const SOURCES = [
  'id',
  'a.b',
  'topic[1]',
  'topic[-1]',
  'topic[1.7]',
  'a[0].b',
  'a.b[9]',
  '`a b`',
  'id[]',
  'a[b]',
  'id & 1',
  "'a/' & id",
  "'shop/' & topic[1] & '/' & a.b & ''",
  'id & b',
  "(id & 'x') & 'y'",
  "id & $uppercase('x')",
  '$.id',
]

test('a path of members and places, and such texts joined, give what JSONata gives, whatever it meets', async () => {
  const name = fc.constantFrom('id', 'a', 'b', 'topic', 'a b', '__proto__', 'constructor')
  const value = fc.letrec((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.string(),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
      fc.constant(null),
      fc.array(tie('value'), { maxLength: 3 }),
      fc.array(fc.tuple(name, tie('value')), { maxLength: 3 }).map((members) => Object.fromEntries(members)),
    ),
  })).value
  const compiled = SOURCES.map((source) => [source, compileExpression(source)] as const)
  await fc.assert(
    fc.asyncProperty(value, async (input) => {
      for (const [source, expression] of compiled)
        expect(await settled(expression(input)), source).toEqual(
          await settled(jsonata(source).evaluate(input, {})),
        )
    }),
    { numRuns: 300 },
  )
})

async function settled(result: Promise<unknown>): Promise<unknown> {
  try {
    // JSONata's lists carry members of their own.
    return { value: JSON.stringify(await result) }
  } catch {
    return 'failed'
  }
}

test.each([
  ['topic[1]', { topic: ['shop', '7', 'alarm'] }, '7'],
  ['topic[-1]', { topic: ['shop', '7', 'alarm'] }, 'alarm'],
  ['customer.id', { customer: { id: '007' } }, '007'],
  ['constructor', {}, undefined],
  ['toString', { toString: 'data' }, 'data'],
  ["'shop/' & topic[1] & '/display'", { topic: ['shop', '7', 'say'] }, 'shop/7/display'],
  ["'shop/' & no & '/' & n", { n: 7 }, 'shop//7'],
])('%s of %j is %j', async (source, input, value) => {
  expect(await compileExpression(source)(input)).toBe(value)
})

test('a regular expression takes time linear in the text, and one that cannot is a problem', async () => {
  const text = `${'a'.repeat(10_000)}!`
  expect(await compileExpression('$contains(text, /^(a+)+$/)')({ text })).toBe(false)
  expect(expressionProblem('$contains(text, /^(a+)+$/)')).toBeUndefined()
  expect(expressionProblem('$contains(text, /(a)\\1/)')).toContain('"\\1" refers back')
})

test('settings read the message by its name, or may by an expression that is made at run time', () => {
  expect(readsMessage({ query: { no: 'orderNo', all: '$string($)' } }, undefined)).toBe(false)
  expect(readsMessage({ query: { no: '$message.parts[0].text' } })).toBe(true)
  expect(readsMessage({}, { headers: { 'x-who': "$eval('$mess' & 'age.id')" } })).toBe(true)
  expect(
    readsMessage({ body: '$messages', who: '$message.sender.id & $message.metadata.`soap:Tenant`' }),
  ).toBe(false)
  expect(readsMessage({ who: '[$message.sender.id, $message]' })).toBe(true)
  expect(readsMessage({ who: '$message.sender.%.parts[0].text' })).toBe(true)
  expect(readsMessage({ share: 'a % b' })).toBe(false)
})
