import fc from 'fast-check'
import { expect, test } from 'vitest'

import { Away } from '../../../../adapters/mqtt/away.ts'
import { matches } from '../../../../adapters/mqtt/topics.ts'

const level = fc.constantFrom('a', 'b', '', '__proto__')
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen ? ['#'] : [])].join('/'))

test('a filter finds the replies to the topics it matches, and no others (MQTT 3.1.1 §4.7)', () => {
  fc.assert(
    fc.property(
      fc.array(topics, { maxLength: 20 }),
      fc.array(fc.nat(19)),
      filters,
      (waiting, gone, filter) => {
        const away = new Away()
        waiting.forEach((topic, n) => away.wait(`k${n}`, topic))
        for (const n of gone) away.forget(`k${n}`)
        const expected = waiting.flatMap((topic, n) =>
          matches(filter, topic) && !gone.includes(n) ? [`k${n}`] : [],
        )
        expect([...away.waitingFor(filter)].toSorted()).toEqual(expected.toSorted())
      },
    ),
  )
})

test('a reply that waits on a second topic waits there alone', () => {
  const away = new Away()
  away.wait('k', 'a/b')
  away.wait('k', 'a/c')
  expect([away.waitingFor('a/b'), away.waitingFor('a/c')]).toEqual([[], ['k']])
})

test('the oldest are forgotten beyond 100,000, and what was acknowledged elsewhere is known as long as it waits', () => {
  const away = new Away()
  for (let n = 0; n <= 100_000; n += 1) away.wait(`k${n}`, `shop/${n}/display`)
  expect(away.waitingFor('shop/0/display')).toEqual([])
  expect(away.waitingFor('shop/1/display')).toEqual(['k1'])
  expect([away.acknowledged('k0'), away.acknowledged('k1')]).toEqual([false, true])
  expect(away.isAcknowledged('k1')).toBe(true)
  away.forget('k1')
  expect(away.isAcknowledged('k1')).toBe(false)
})
