// The headers of an answer that is here whole are read and changed exactly as fetch's own.
import { inspect } from 'node:util'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { WholeHeaders } from '../../../../core/guard/whole-headers.ts'

const name = fc.constantFrom('content-type', 'x-a', 'set-cookie', 'date', 'x-none', '__proto__', 'X-A')
const value = fc.string({ unit: fc.constantFrom('a', ' ', '\t', ',', 'ä', '1'), maxLength: 6 })
const raw = fc.dictionary(
  fc.constantFrom('content-type', 'x-a', 'set-cookie', 'date'),
  fc.oneof(value, fc.array(value, { maxLength: 3 })),
)
const step = fc.oneof(
  fc.tuple(fc.constantFrom('append' as const, 'set' as const), name, value),
  fc.tuple(fc.constantFrom('delete' as const, 'get' as const, 'has' as const), name),
  fc.tuple(fc.constantFrom('getSetCookie' as const, 'entries' as const, 'keys' as const, 'values' as const)),
)

function own(fields: Readonly<Record<string, string | readonly string[]>>): Headers {
  const headers = new Headers()
  for (const [field, values] of Object.entries(fields))
    for (const each of typeof values === 'string' ? [values] : values) headers.append(field, each)
  return headers
}

function told(headers: Headers, [what, field = '', text = '']: readonly [string, string?, string?]): unknown {
  switch (what) {
    case 'append':
      return headers.append(field, text)
    case 'set':
      return headers.set(field, text)
    case 'delete':
      return headers.delete(field)
    case 'get':
      return headers.get(field)
    case 'has':
      return headers.has(field)
    case 'getSetCookie':
      return headers.getSetCookie()
    case 'keys':
      return [...headers.keys()]
    case 'values':
      return [...headers.values()]
    default:
      return [...headers.entries()]
  }
}

test('whatever is asked and changed, in any order, gives what fetch’s own headers give', () => {
  fc.assert(
    fc.property(raw, fc.array(step, { maxLength: 8 }), (fields, steps) => {
      const headers = new WholeHeaders(fields)
      const real = own(fields)
      for (const each of steps) expect(told(headers, each)).toEqual(told(real, each))
      expect([...headers]).toEqual([...real])
    }),
  )
})

test('they are Headers, and can be made others of', () => {
  const headers = new WholeHeaders({ 'x-a': '1', 'set-cookie': ['a=1', 'b=2'] })
  expect(headers).toBeInstanceOf(Headers)
  expect(new Headers(headers).getSetCookie()).toEqual(['a=1', 'b=2'])
  const seen: unknown[] = []
  headers.forEach((text, field, self) => seen.push([field, text, self === headers]))
  expect(seen).toContainEqual(['x-a', '1', true])
})

test('what every object has is no field', () => {
  expect(new WholeHeaders({}).get('constructor')).toBeNull()
  expect(new WholeHeaders({ 'x-a': '' }).get('x-a')).toBe('')
})

test.each([
  ['a value with a line break', { 'x-a': 'a\r\nb: c' }],
  ['a value beyond Latin-1', { 'x-a': '王' }],
  ['a name with a space', { 'x a': '1' }],
])('%s is refused when they are made', (_what, fields) => {
  expect(() => new WholeHeaders(fields)).toThrow(TypeError)
})

test('they are shown as fetch’s own are', () => {
  const fields = { 'x-a': '1', 'set-cookie': ['a=1', 'b=2'] }
  expect(inspect(new WholeHeaders(fields))).toBe(inspect(own(fields)))
  expect(inspect({ in: { an: { object: new WholeHeaders(fields) } } })).toContain("'x-a': '1'")
})
