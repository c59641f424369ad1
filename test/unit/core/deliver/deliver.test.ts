// SEMANTICS 19: how long the head of a lane is tried.
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { deliver, Step } from '../../../../core/deliver/deliver.ts'
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

/** What a system says that wants to be left alone for so long. */
const throttled = (seconds: number, code: 'AGENT_FAILED' | 'BACKEND_FAILED' = 'AGENT_FAILED') =>
  new GatewayError(code, 'busy', {
    detail: { status: 429 },
    retryAfterMs: seconds * 1000,
    notExecuted: true,
  })

test('a system is asked again no sooner than it says (Retry-After, RFC 9110 §10.2.3), and not at all where that is beyond the hold', () => {
  expect(step(0).againIn(throttled(20))).toBe(20_000)
  expect(step(20_000, 20_000).againIn(throttled(30))).toBe(30_000)
  expect(step(20_000, 20_000).againIn(throttled(40))).toBeUndefined()
  expect(step(0).againIn(throttled(86_400))).toBeUndefined()
  // Not for a call that would be cut off before an answer can be there.
  const slow = step(0)
  slow.ms(10_000)
  expect(slow.againIn(throttled(55))).toBe(55_000)
  expect(slow.againIn(throttled(56))).toBeUndefined()
  // The breaker is ours: nobody is bothered where it is asked sooner.
  expect(step(0).againIn(new GatewayError('BREAKER_OPEN', 'open', { retryAfterMs: 120_000 }))).toBe(15_000)
})

test('a queued write waits for as long as its system asks, and no longer at once than `lanes.hold`', async () => {
  const after = async (thrown: GatewayError): Promise<number | undefined> => {
    const operation = {
      safe: false,
      timeoutMs: 1000,
      queue: { onPoison: 'halt' },
      protect: (_options: unknown, call: () => Promise<unknown>) => call(),
    }
    const backend = {
      id: 'erp',
      backend: { call: () => Promise.reject(thrown) },
      operation: () => operation,
    }
    const route = { target: { kind: 'backend', backend: 'erp' }, operation: () => 'W', params: () => ({}) }
    const context = {
      router: { route: async () => route },
      components: { backend: () => backend },
      holdMs: 60_000,
      attempts: 3,
      now: NOW,
      isAwaited: () => false,
    } as unknown as DeliverContext // what a queued write needs
    const message = { id: 'm1', type: 'W' }
    const work = { kind: 'message', lane: 'queue:erp:1', message, heldMs: 0, attempts: [], attempt: 1 }
    return (await deliver(work as unknown as Work, context)).delayMs // nor more of it
  }
  const [soon, late, tomorrow] = await Promise.all(
    [2, 20, 86_400].map((seconds) => after(throttled(seconds, 'BACKEND_FAILED'))),
  )
  expect(soon).toBeGreaterThanOrEqual(2000)
  expect(late).toBeGreaterThanOrEqual(20_000)
  expect(late).toBeLessThan(24_000)
  expect(tomorrow).toBeGreaterThanOrEqual(60_000)
  expect(tomorrow).toBeLessThan(64_000)
  const open = new GatewayError('BREAKER_OPEN', 'open', { retryAfterMs: 20_000, notExecuted: true })
  expect(await after(open)).toBeLessThanOrEqual(3000)
})
