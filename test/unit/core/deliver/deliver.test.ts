// SEMANTICS 19: how long the head of a lane is tried.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { Step } from '../../../../core/deliver/deliver.ts'
import type { DeliverContext } from '../../../../core/deliver/deliver.ts'
import type { Work } from '../../../../core/store/store.ts'

const NOW = Date.parse('2026-01-01T00:02:00Z')

/** A head of a lane that may hold it for a minute, and has stood there for so long. */
function step(heldMs: number, firstAttemptAgoMs?: number): Step {
  const startedAt = new Date(NOW - (firstAttemptAgoMs ?? 0)).toISOString()
  const attempts = firstAttemptAgoMs === undefined ? [] : [{ startedAt, failure: { code: 'AGENT_FAILED' } }]
  const work = { heldMs, attempts, poison: false } as unknown as Work // what is asked of it
  return new Step(work, { holdMs: 60_000, attempts: 3, now: NOW } as unknown as DeliverContext) // nor more of this
}
const failure = new GatewayError('AGENT_FAILED', 'away', { retryAfterMs: 500 })

test('what was waited before the first attempt takes nothing from a head’s calls and attempts', () => {
  expect(step(59_900).againIn(failure)).toBe(500)
  expect(step(59_900).ms(10_000)).toBeGreaterThan(9000)
  expect(step(119_000, 1000).againIn(failure)).toBe(500)
  expect(step(60_000, 59_900).againIn(failure)).toBeUndefined()
  expect(step(60_000, 55_000).ms(10_000)).toBeLessThanOrEqual(5000)
})

test('an attempt that asked an agent and then the fallback is one of those that are made', () => {
  const startedAt = new Date(NOW).toISOString()
  const two = [1, 1].map((attempt) => ({ attempt, startedAt, failure: { code: 'AGENT_FAILED' } }))
  const work = { heldMs: 0, attempts: two, poison: false } as unknown as Work // what is asked of it
  const context = { holdMs: 60_000, attempts: 3, now: NOW } as unknown as DeliverContext // nor more of this
  expect(new Step(work, context).againIn(failure)).toBe(500)
})
