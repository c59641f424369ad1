// What a clone would empty or cannot take is told with its place, before it is cloned.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Json } from '../../../../core/api.ts'
import { foreignness, refuseForeign } from '../../../../core/components/foreign.ts'
import { freezePlain } from '../../../../core/json.ts'
import { packError, refuseUnfit } from '../../../../core/plugins/wire.ts'

class Money {
  readonly #cents = 7
  get cents(): number {
    return this.#cents
  }
}

/** Rows of a database driver, and records that a mapper makes. */
class Row {
  readonly id: number
  constructor(id: number) {
    this.id = id
  }
}
class Order extends Row {
  readonly lines = [new Row(2)]
}

test.each([
  [
    { data: { total: new Money() } },
    'data.total is an object of the class Money, which is not plain data: call',
  ],
  [{ data: [{ a: 1 }, { b: Promise.resolve() }] }, 'data[1].b is a Promise: await it'],
  [{ data: { u: new URL('http://a') } }, 'data.u is a URL: write String(…)'],
  [{ data: { r: new Response('x') } }, 'data.r is a Response: write what it says'],
  [{ data: { 'x-h': new Headers() } }, 'data["x-h"] is of the class Headers: write Object.fromEntries(…)'],
  [{ f: () => 1 }, 'f is a function, which is not plain data: call it'],
  [{ s: Symbol('x') }, 's is a symbol, which is not plain data: write a text'],
  [new Money(), 'it is an object of the class Money'],
  [Object.assign(new Row(1), { total: new Money() }), 'total is an object of the class Money'],
])('%o is refused with what it is, where, and what to do', (value, problem) => {
  expect(() => refuseForeign(value, 'it')).toThrow(TypeError)
  expect(() => refuseForeign(value, 'it')).toThrow(problem)
  expect(() => refuseUnfit([1, value], { limitBytes: 1000, isData: true })).toThrow(
    problem.replace(/^it /u, 'what it hands over '),
  )
  expect(() => refuseUnfit([1, value], { limitBytes: 1000, isData: false })).not.toThrow()
})

test('plain data passes, of any realm and without a prototype, and so does what is looked at again as what it was', () => {
  const whole = [
    { a: [null, undefined, 1, 'x', true], b: Object.assign(Object.create(null), { c: 1 }) },
    new Date(),
    new Uint8Array(1),
    new Map(),
    new Error('x'),
    5n,
    new Order(1), // nothing of it stays behind
  ]
  expect(whole.map(foreignness)).toEqual(whole.map(() => undefined))
  expect(() => refuseForeign(whole, 'it')).not.toThrow()
  expect(() => refuseUnfit(whole, { limitBytes: 1000, isData: true })).not.toThrow()
})

test('what a record holds counts as what an object holds does', () => {
  const large = Object.assign(new Row(1), { text: 'a'.repeat(2000) })
  expect(() => refuseUnfit([large], { limitBytes: 1000, isData: true })).toThrow('is larger than')
})

test('what leads back to itself, or is shared by much, is looked at once', () => {
  const cart: { lines: object[] } = { lines: [] }
  cart.lines = [{ cart }, { cart }, { cart }]
  const shared = Array.from({ length: 60 }).reduce<object>((below) => ({ left: below, right: below }), {})
  expect(() => refuseForeign([cart, shared], 'it')).not.toThrow()
  const packed = packError(new GatewayError('BACKEND_FAILED', 'x', { detail: cart as unknown as Json }))
  expect(packed.options).not.toHaveProperty('detail')
})

test.each([
  [{ data: [{ total: 5n }] }, 'it holds a bigint, which is not plain data, at data[0].total'],
  [{ data: { m: new Map() } }, 'it holds an object of the class Map, which is not plain data, at data.m'],
  [{ parts: [{ text: '\ud800' }] }, 'it holds half a surrogate pair, at parts[0].text'],
  [{ 'a b': Number.NaN }, 'it holds NaN, which is not a JSON number, at ["a b"]'],
  [new Map(), 'it holds an object of the class Map, which is not plain data'],
])('what is no plain data is refused with its place: %o', (value, problem) => {
  expect(() => freezePlain(value, 'it')).toThrow(new GatewayError('DECODE_FAILED', problem))
})

test('a place that is long is cut', () => {
  const long = 'x'.repeat(1000)
  expect(() => freezePlain({ [long]: 5n }, 'it')).toThrow(/, at x{120}…$/u)
})
