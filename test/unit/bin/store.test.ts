// One gateway at a time on a Redis: the lease of the gateway, waited for as long as a dead one could hold it, renewed, lost.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { holdAlone } from '../../../bin/store.ts'
import { GatewayError } from '../../../core/api.ts'
import type { Lease, LeaseResult, Store } from '../../../core/store/store.ts'

const held: LeaseResult = { status: 'held', fence: { counter: 1, random: 'x' }, remainingMs: 10_000 }
const busy: LeaseResult = { status: 'busy', remainingMs: 5000 }

/** Only what is asked of it. */
function storeThat(lease: (asked: Lease) => Promise<LeaseResult>): Store {
  return { lease } as unknown as Store // nothing else is called
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('waits for a lease that runs out, and keeps it renewed under one name', async () => {
  const asked: Lease[] = []
  const store = storeThat((lease) => {
    asked.push(lease)
    return Promise.resolve(asked.length < 5 ? busy : held)
  })
  const lost = vi.fn<() => void>()
  const holding = holdAlone(store, lost)
  await vi.advanceTimersByTimeAsync(2000)
  const renewal = await holding
  expect(asked).toHaveLength(5)
  await vi.advanceTimersByTimeAsync(9000)
  expect(asked).toHaveLength(8)
  expect(new Set(asked.map(({ name, owner }) => `${name} ${owner}`)).size).toBe(1)
  renewal[Symbol.dispose]()
  await vi.advanceTimersByTimeAsync(9000)
  expect(asked).toHaveLength(8)
  expect(lost).not.toHaveBeenCalled()
})

test('beside one that lives it is refused after 12 s, in words', async () => {
  const holding = holdAlone(
    storeThat(() => Promise.resolve(busy)),
    () => undefined,
  )
  const [ended] = await Promise.allSettled([holding, vi.advanceTimersByTimeAsync(12_500)])
  expect(ended).toMatchObject({
    status: 'rejected',
    reason: {
      code: 'STORE_UNAVAILABLE',
      message: 'another gateway uses this Redis: stop it, or use another database',
    },
  })
})

test('a Redis that is away is no loss; another holder is, and is told once', async () => {
  const answers: (() => Promise<LeaseResult>)[] = [
    () => Promise.resolve(held),
    () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away')),
    () => Promise.resolve(held),
    () => Promise.resolve(busy),
  ]
  const lost = vi.fn<() => void>()
  await holdAlone(
    storeThat(() => answers.shift()?.() ?? Promise.resolve(busy)),
    lost,
  )
  await vi.advanceTimersByTimeAsync(6000)
  expect(lost).not.toHaveBeenCalled()
  await vi.advanceTimersByTimeAsync(9000)
  expect(lost).toHaveBeenCalledTimes(1)
})
