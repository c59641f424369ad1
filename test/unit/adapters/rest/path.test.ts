import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { compilePath } from '../../../../adapters/rest/path.ts'

test('parameters become segments, percent-encoded', () => {
  const { render, names } = compilePath('http://h/api/', '/orders/{orderNo}/lines/{line}.json')
  expect([...names]).toStrictEqual(['orderNo', 'line'])
  expect(render('GetOrder', { orderNo: 'A/7 王?#%', line: 3 })).toBe(
    'http://h/api/orders/A%2F7%20%E7%8E%8B%3F%23%25/lines/3.json',
  )
})

test('{operation} is the operation’s name, never a parameter', () => {
  const { render, names } = compilePath('http://h', '/rpc/{operation}')
  expect(names.size).toBe(0)
  expect(render('Get/Order', { operation: 'other' })).toBe('http://h/rpc/Get%2FOrder')
})

test.each<[string, Readonly<Record<string, string | boolean | null | object>>]>([
  ['missing', {}],
  ['null', { id: null }],
  ['empty', { id: '' }],
  ['a dot', { id: '.' }],
  ['two dots', { id: '..' }],
  ['an object', { id: { a: 1 } }],
  ['a list', { id: [1] }],
  ['half a surrogate pair', { id: '\ud83d' }],
  ['an inherited member', Object.create({ id: 'x' }) as object as Record<string, string>],
])('a parameter that is %s is refused: it would reach another address', (_, params) => {
  const { render } = compilePath('http://h/api', '/orders/{id}')
  expect(() => render('GetOrder', params as Record<string, string>)).toThrow(/parameter "id"/)
})

test('two parameters cannot make two dots together', () => {
  const { render } = compilePath('http://h', '/{a}{b}/x')
  expect(() => render('X', { a: '.', b: '.' })).toThrow(/leave its place/)
  expect(render('X', { a: '.', b: 'a' })).toBe('http://h/.a/x')
})

test('no value leaves its segment, its path or its host (WHATWG URL §4.4)', () => {
  const { render } = compilePath('http://orders.example/api', '/orders/{id}/lines')
  const hostile = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      '../../admin',
      '//evil',
      '..%2f',
      '%2e%2e',
      '@evil',
      '\\..\\',
      'a\u0000b',
      '\r\nHost: evil',
      '.%00.',
    ),
  )
  fc.assert(
    fc.property(hostile, (id) => {
      let address: string
      try {
        address = render('GetOrder', { id })
      } catch {
        return id === '' || id === '.' || id === '..' || !id.isWellFormed()
      }
      const { origin, pathname, search, hash } = new URL(address)
      const segments = pathname.split('/')
      expect([origin, search, hash, segments.length]).toStrictEqual(['http://orders.example', '', '', 5])
      expect([segments[1], segments[2], segments[4]]).toStrictEqual(['api', 'orders', 'lines'])
      return decodeURIComponent(segments[3] ?? '') === id
    }),
  )
})
