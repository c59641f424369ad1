// How many leases are asked for at once, and what is not asked for while nothing answers.
import { expect, test } from 'vitest'
import { askInTurns, newLease } from '../../../core/lease.ts'

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
