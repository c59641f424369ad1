import fc from 'fast-check'
import { expect, test } from 'vitest'

import { covers, filterOf, filterProblem, matches, topicProblem } from '../../../../adapters/mqtt/topics.ts'

test.each([
  ['sport/tennis/+', 'sport/tennis/player1', true],
  ['sport/tennis/+', 'sport/tennis/player1/ranking', false],
  ['sport/+', 'sport', false],
  ['sport/+', 'sport/', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1', true],
  ['sport/tennis/player1/#', 'sport/tennis/player1/score/wimbledon', true],
  ['#', 'sport', true],
  ['#', '$SYS/x', false],
  ['+/monitor/Clients', '$SYS/monitor/Clients', false],
  ['$SYS/#', '$SYS/x', true],
  ['+/+', '/finance', true],
  ['/+', '/finance', true],
  ['+', '/finance', false],
  ['ACCOUNTS', 'Accounts', false],
])('the filter %s matches %s: %s (MQTT 3.1.1 §4.7)', (filter, topic, expected) => {
  expect(matches(filter, topic)).toBe(expected)
})

const level = fc.constantFrom('a', 'b', '', '+')
const filters = fc
  .tuple(fc.array(level, { minLength: 1, maxLength: 4 }), fc.boolean())
  .map(([levels, open]) => [...levels, ...(open ? ['#'] : [])].join('/'))
const topics = fc
  .array(fc.constantFrom('a', 'b', 'c', ''), { minLength: 1, maxLength: 5 })
  .map((levels) => levels.join('/'))

test('what lies within a filter matches nothing that the filter does not', () => {
  fc.assert(
    fc.property(filters, filters, topics, (outer, inner, topic) => {
      if (covers(outer, inner) && matches(inner, topic)) expect(matches(outer, topic)).toBe(true)
    }),
    { numRuns: 2000 },
  )
})

test.each(['a/#/b', 'a#', 'a+/b', '', 'a\u0000b', 'x/'.repeat(40), 'a'.repeat(2000), '\uD800'])(
  'the filter %j is refused (§4.7.1)',
  (filter) => {
    expect(filterProblem(filter)).toBeTypeOf('string')
  },
)

test('a topic to publish to holds no wildcard (§3.3.2)', () => {
  expect(topicProblem('a/+')).toBeTypeOf('string')
  expect(topicProblem('a/b')).toBeUndefined()
})

test('a template stands for all it can become', () => {
  expect(filterOf('svc/{shop}/reply/x{correlation}')).toBe('svc/+/reply/+')
})
