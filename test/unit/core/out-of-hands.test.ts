import { expect, test } from 'vitest'
import { NAME } from '../../../config/values.ts'
import { isOutOfHands } from '../../../core/deliver/deliver.ts'
import type { Work } from '../../../core/store/store.ts'

const had = (agent?: string): boolean => isOutOfHands({ agent } as Partial<Work> as Work) // all that is looked at

test.each(['helper', 'Bot-7', 'a', '7_x', `a${'b'.repeat(62)}`])(
  'SEMANTICS 7: "%s" may be an agent of a config, and is a bot’s',
  (agent) => {
    expect([NAME.test(agent), had(agent)]).toStrictEqual([true, false])
  },
)

test.each(['person/7', 'a b', '-x', '王', `a${'b'.repeat(63)}`])(
  'SEMANTICS 7: "%s" is no name of a config: a person has the conversation',
  (agent) => {
    expect([NAME.test(agent), had(agent)]).toStrictEqual([false, true])
  },
)

test('a conversation that nobody has is in nobody’s hands', () => {
  expect(had()).toBe(false)
})
