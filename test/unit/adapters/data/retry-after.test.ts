// Retry-After, both forms (RFC 9110 §10.2.3).
import { expect, test } from 'vitest'
import { retryAfterMs } from '../../../../adapters/data/retry-after.ts'

test('Retry-After is seconds or a date (RFC 9110 §10.2.3)', () => {
  const now = Date.parse('2026-01-31T09:00:00Z')
  expect(retryAfterMs('120', now)).toBe(120_000)
  expect(retryAfterMs('Sat, 31 Jan 2026 09:00:30 GMT', now)).toBe(30_000)
  expect(retryAfterMs('Sat, 31 Jan 2026 08:00:00 GMT', now)).toBe(0)
  expect(retryAfterMs('soon', now)).toBeUndefined()
  expect(retryAfterMs(null, now)).toBeUndefined()
})
