// What a backend or an agent hands back, as the Reply the core goes on with.
import { expect, test } from 'vitest'

import { replyOf } from '../../../core/answers.ts'

test('an answer that is partial says so in its reply; any other word for it is none', () => {
  expect(replyOf({ data: 1, partial: true }, 'backend', 'x')).toEqual({
    data: 1,
    partial: true,
    origin: 'backend',
  })
  for (const partial of [false, 'true', 1, null, undefined])
    expect(replyOf({ data: 1, partial }, 'backend', 'x')).toEqual({ data: 1, origin: 'backend' })
})
