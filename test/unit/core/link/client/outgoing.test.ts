import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { outgoingOf } from '../../../../../core/link/client/outgoing.ts'

const message = (data: unknown): object => ({ type: 't', text: 'x', data })

class Order {
  readonly number = '000777'
}

test.each([
  [message(new Blob(['abc'])), 'data is no JSON: of Blob'],
  [message({ orders: [1, { of: new Map([['a', 1]]) }] }), 'data.orders[1].of is no JSON: of Map'],
  [message({ of: [new Uint8Array([1, 2])] }), 'data.of[0] is no JSON: of Uint8Array'],
  [message({ one: new Order() }), 'data.one is no JSON: of Order'],
  [message(runInNewContext('new Map()')), 'data is no JSON: of Map'],
  [message({ x: Number.NaN }), 'data.x is no JSON: NaN'],
  [message([-Infinity]), 'data[0] is no JSON: -Infinity'],
  [message(10n), 'data is no JSON: a bigint'],
  [message({ x: () => 1 }), 'data.x is no JSON: a function'],
  [message([1, undefined]), 'data[1] is no JSON: undefined'],
  [new Map([['text', 'x']]), 'the message is no JSON: of Map'],
  [message({ of: Buffer.from('hello') }), 'data.of is no JSON: of Buffer'],
  [Buffer.from('hello'), 'the message is no JSON: of Buffer'],
  [message([new Date(Number.NaN)]), 'data[0] is no JSON: of Date, whose toJSON gives null'],
  [
    message({ x: Object.create(Object.create(Object.create(null))) }),
    'data.x is no JSON: of an unknown class',
  ],
  [new Date(0), 'a message is a text or an object, not Date'],
])('what JSON would change or empty without a word is refused with its place: %o', (given, why) => {
  expect(() => outgoingOf(given)).toThrow(new TypeError(why))
})

test('plain data passes, of another realm too, and what says itself how it is written', () => {
  const twice = { a: 1 }
  const data = {
    none: undefined,
    from: new Date(0),
    bare: Object.assign(Object.create(null), { a: null }),
    framed: runInNewContext('({ a: [{ b: true }] })'),
    twice: [twice, twice],
  }
  expect(outgoingOf(message(data))).toStrictEqual(
    message({
      from: '1970-01-01T00:00:00.000Z',
      bare: { a: null },
      framed: { a: [{ b: true }] },
      twice: [{ a: 1 }, { a: 1 }],
    }),
  )
})
