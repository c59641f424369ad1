// The attempts of a row that is retried for days.
import { expect, test } from 'vitest'
import { ATTEMPTS_KEPT } from '../../../../../core/store/figures.ts'
import { withAttempt } from '../../../../../core/store/sqlite/work.ts'

test('attempts are kept in order, the last ones of very many', () => {
  let attempts: string | null = null
  expect(withAttempt(attempts, null)).toBeNull()
  for (let attempt = 1; attempt <= 500; attempt++)
    attempts = withAttempt(attempts, JSON.stringify({ attempt, target: 'agent "x,]"', durationMs: 1 }))
  const kept = JSON.parse(attempts ?? '[]') as readonly { readonly attempt: number }[] // made of these above
  expect(kept.at(-1)?.attempt).toBe(500)
  expect(kept.length).toBeGreaterThanOrEqual(ATTEMPTS_KEPT)
  expect(kept.length).toBeLessThan(100)
  expect(kept.map((one) => one.attempt)).toEqual(kept.map((_, n) => 500 - kept.length + 1 + n))
})
