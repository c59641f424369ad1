// Keys of homes and conversations: nothing is lost in them, and one customer's lie side by side.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { keyOf, keysOf, nameOf } from '../../../../../core/store/sqlite/place-key.ts'

const name = fc.string({ unit: fc.constantFrom('a', 'b', ':', '/', ' ', '\u0020', '王', '-') })

test('a key is its name again, and no two names share one', () => {
  fc.assert(
    fc.property(name, name, (one, other) => {
      expect(nameOf(keyOf(one))).toBe(one)
      expect(keyOf(one) === keyOf(other)).toBe(one === other)
    }),
  )
})

test('a customer’s home and usual conversation lie in his range, nobody else’s do', () => {
  fc.assert(
    fc.property(name, name, (customer, other) => {
      const [above, below] = keysOf(customer)
      const isWithin = (key: string): boolean => key > above && key < below
      expect(isWithin(keyOf(`web:${customer}`))).toBe(true)
      expect(isWithin(keyOf(`web/${customer}`))).toBe(true)
      if (other !== customer) expect(isWithin(keyOf(`web:${other}`))).toBe(false)
    }),
  )
})
