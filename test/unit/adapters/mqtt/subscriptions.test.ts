import fc from 'fast-check'
import { expect, test, vi } from 'vitest'

import { Subscriptions } from '../../../../adapters/mqtt/subscriptions.ts'
import { matches } from '../../../../adapters/mqtt/topics.ts'

const level = fc.constantFrom('a', 'b', '', '$a', '__proto__')
const topics = fc.array(level, { minLength: 1, maxLength: 4 }).map((levels) => levels.join('/'))
const filters = fc
  .tuple(fc.array(fc.oneof(level, fc.constant('+')), { maxLength: 4 }), fc.boolean())
  .map(([levels, isOpen]) => [...levels, ...(isOpen || levels.length === 0 ? ['#'] : [])].join('/'))
const qos = fc.constantFrom(0 as const, 1 as const)

test('a topic finds who subscribes to it, with the highest QoS of his filters, or that of the topic itself [MQTT-3.3.5-1]', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), filters, qos), { maxLength: 24 }),
      fc.array(fc.nat(23)),
      topics,
      (subscribed, gone, topic) => {
        const index = new Subscriptions<number>()
        const held = new Map<number, Map<string, 0 | 1>>()
        for (const [who, filter, served] of subscribed) {
          index.set(filter, who, served)
          held.set(who, (held.get(who) ?? new Map()).set(filter, served))
        }
        for (const n of gone) {
          const [who = 0, filter = ''] = subscribed[n] ?? []
          index.delete(filter, who)
          held.get(who)?.delete(filter)
        }
        const expected = [...held].flatMap(([who, own]) => {
          const matching = [...own].filter(([filter]) => matches(filter, topic)).map(([, served]) => served)
          const [first] = matching
          if (first === undefined) return []
          return [[who, own.get(topic) ?? Math.max(...matching)] as const]
        })
        expect(new Map(index.of(topic))).toEqual(new Map(expected))
      },
    ),
    { numRuns: 500 },
  )
})

/** How often a map is looked into, or gone through, while `work` is done. */
function looksOf(work: () => void): number {
  const looking = ['get', 'has', 'forEach', 'keys', 'values', 'entries', Symbol.iterator] as const
  const spies = looking.map((name) => vi.spyOn(Map.prototype, name))
  try {
    work()
    return spies.reduce((all, { mock }) => all + mock.calls.length, 0)
  } finally {
    for (const spy of spies) spy.mockRestore()
  }
}

test('a reply takes as many looks among 10,000 devices as among ten, whichever way they subscribe', () => {
  const looks = [10, 10_000].map((devices) => {
    const index = new Subscriptions<string>()
    for (let n = 0; n < devices; n += 1) {
      index.set(`shop/${n}/display`, `exact ${n}`, 1)
      index.set(`shop/${n}/more/#`, `open ${n}`, 1)
      index.set(`+/${n}/+/x`, `wide ${n}`, 1)
    }
    return ['shop/7/display', 'shop/7/more/x', 'nobody/at/all'].map((topic) =>
      looksOf(() => void index.of(topic)),
    )
  })
  expect(looks[1]).toEqual(looks[0])
  expect(Math.max(...(looks[0] ?? []))).toBeLessThan(30)
})

test('who has left leaves nothing behind', () => {
  const index = new Subscriptions<string>()
  const all = ['a/b', 'a/+/c', 'a/#', '#', '+/b']
  for (const filter of all) index.set(filter, 'one', 1)
  for (const filter of all) index.delete(filter, 'one')
  const empty = new Subscriptions<string>()
  empty.set('#', 'one', 1)
  empty.delete('#', 'one')
  expect(looksOf(() => void index.of('a/b'))).toBe(looksOf(() => void empty.of('a/b')))
  index.delete('never/+', 'one')
  index.delete('never', 'one')
})
