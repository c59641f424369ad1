// How many leases are asked for at once, and what is not asked for while nothing answers.
import { expect, test, vi } from 'vitest'
import { askInTurns, newLease } from '../../../../core/lanes/lease.ts'

const leases = Array.from({ length: 256 }, (_, number) => newLease(`partition/${number}`))

test('leases are asked for some at a time, all of them, also where some of a group fail', async () => {
  let asking = 0
  let most = 0
  const asked: string[] = []
  const outcome = await askInTurns(leases, async ({ name }) => {
    asked.push(name)
    most = Math.max(most, ++asking)
    await Promise.resolve()
    asking--
    return name.endsWith('7') ? `${name} is away` : undefined
  })
  expect(asked).toEqual(leases.map(({ name }) => name))
  expect(most).toBeLessThanOrEqual(32)
  expect(outcome).toEqual({ failed: 25, reason: 'partition/7 is away' })
})

test('where nothing answers a few find that out for all', async () => {
  let asked = 0
  const outcome = await askInTurns(leases, async () => {
    asked++
    return 'it does not answer'
  })
  expect(asked).toBeLessThanOrEqual(32)
  expect(outcome).toEqual({ failed: 256, reason: 'it does not answer' })
  expect(await askInTurns([], async () => 'never asked')).toEqual({ failed: 0, reason: undefined })
})

test('a store that is slow to answer does not keep the rest waiting: each turn begins 50 ms after the one before', async () => {
  vi.useFakeTimers()
  try {
    const begun = performance.now()
    const asked: number[] = []
    const outcome = askInTurns(leases, async () => {
      asked.push(performance.now() - begun)
      await new Promise((answer) => setTimeout(answer, 500))
      return undefined
    })
    // The first find out for the rest whether anything answers.
    await vi.advanceTimersByTimeAsync(499)
    expect(asked).toHaveLength(32)
    await vi.advanceTimersByTimeAsync(1000)
    expect(await outcome).toEqual({ failed: 0, reason: undefined })
    expect(asked).toHaveLength(256)
    expect(Math.max(...asked)).toBeLessThanOrEqual(500 + 7 * 50)
  } finally {
    vi.useRealTimers()
  }
})
