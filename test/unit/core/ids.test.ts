import { expect, test } from 'vitest'
import { timeOf } from '../../../core/ids.ts'

test.each([
  ['2016-12-31T23:59:60Z', '2016-12-31T23:59:59Z'],
  ['2016-12-31T15:59:60.25-08:00', '2016-12-31T23:59:59.25Z'],
  ['2026-01-31t09:00:00z', '2026-01-31T09:00:00Z'],
])('%s is reckoned as %s (RFC 3339 §5.7)', (given, reckoned) => {
  expect(timeOf(given)).toBe(new Date(reckoned).getTime())
})
