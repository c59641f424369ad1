// SEMANTICS 25: nothing follows a wall clock that is set, forward or back; a stop counts for a day at most.
import { expect, test } from 'vitest'
import type { StoreFactory } from '../store.ts'
import { World, accept, answering, dedupe, expectStatus, pushTo, working } from './world.ts'

const HOUR = 3_600_000
const YEARS_3 = 3 * 365 * 24 * HOUR
const shifts = [
  ['an hour forward', HOUR],
  ['an hour back', -HOUR],
  ['three years forward', YEARS_3],
] as const

export function clockSuite(factory: StoreFactory): void {
  test.each(shifts)(
    'set %s while it runs, durations, leases, claims and retention stay',
    async (_name, shift) => {
      await using world = await World.make(factory)
      await world.begin('a', { ...dedupe('key'), waitMs: 4500 })
      await world.settle(answering('a', pushTo('a')))
      await world.store.value({ key: 'k', put: 1, ttlMs: 60_000 })
      world.harness.shiftWall(shift)
      expect(await world.take()).toMatchObject({ work: [], nextDueMs: 5000 })
      expect(await world.store.value({ key: 'k' })).toMatchObject({ value: 1 })
      expect(await world.store.accept(working('b', dedupe('key')))).toMatchObject({ status: 'duplicate' })
      await world.store.trim({ partition: 0, olderThanMs: HOUR / 2, maxBytes: 1e12, budgetMs: 1000 })
      expect(await world.log()).toHaveLength(2)
      world.advance(5000)
      expect(await world.takeWork()).toMatchObject([{ id: 'a-push' }])
    },
  )

  test('the wall time of a stop counts', async () => {
    await using world = await World.make(factory)
    await world.accept(working('a', { work: { lane: 'l', priority: 1, limit: 9, delayMs: 2 * HOUR } }))
    await world.close()
    world.advance(HOUR)
    await world.openAgain()
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: HOUR })
  })

  test('a wall clock set back over a stop counts as no time', async () => {
    await using world = await World.make(factory)
    await world.accept(working('a', { work: { lane: 'l', priority: 1, limit: 9, delayMs: HOUR } }))
    await world.close()
    world.harness.shiftWall(-HOUR)
    await world.openAgain()
    expect(await world.take()).toMatchObject({ work: [], nextDueMs: HOUR })
  })

  test('three years over a stop count as a day, so that nothing is swept that should not be', async () => {
    await using world = await World.make(factory)
    await world.accept(accept('a', dedupe('key')))
    await world.store.value({ key: 'k', put: 1, ttlMs: 48 * HOUR })
    await world.close()
    world.harness.shiftWall(YEARS_3)
    await world.openAgain()
    await world.store.trim({ partition: 0, olderThanMs: 30 * HOUR, maxBytes: 1e12, budgetMs: 1000 })
    expect(await world.log()).toHaveLength(1)
    expect(await world.store.value({ key: 'k' })).toMatchObject({ value: 1 })
    expect(await world.store.accept(accept('b', dedupe('key')))).toMatchObject({ status: 'duplicate' })
    world.advance(24 * HOUR)
    expect(expectStatus(await world.store.value({ key: 'k' }), 'ok')).toEqual({ status: 'ok' })
  })
}
