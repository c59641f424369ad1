import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createLooks } from '../../../../core/link/looks.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('each link looks once in the time without a hint, and not all at the same moment (SEMANTICS 33)', () => {
  const looks = createLooks(30_000)
  const looked = Array.from({ length: 60 }, () => 0)
  for (const [index] of looked.entries())
    looks.enter({ look: () => void (looked[index] = (looked[index] ?? 0) + 1) })
  vi.advanceTimersByTime(1000)
  expect(looked.filter((times) => times > 0)).toHaveLength(2)
  vi.advanceTimersByTime(29_000)
  expect(new Set(looked)).toEqual(new Set([1]))
  looks.stop()
  vi.advanceTimersByTime(60_000)
  expect(new Set(looked)).toEqual(new Set([1]))
})

test('who has left is not asked to look again', () => {
  const looks = createLooks(30_000)
  const looking = { look: vi.fn<() => void>() }
  looks.enter(looking)
  looks.leave(looking)
  vi.advanceTimersByTime(60_000)
  expect(looking.look).not.toHaveBeenCalled()
  looks.stop()
})
