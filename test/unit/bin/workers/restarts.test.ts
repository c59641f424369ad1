// When a worker is started again.
import { expect, test } from 'vitest'
import { Restarts } from '../../../../bin/workers/restarts.ts'

test('the pause doubles from 100 ms to 5 s, and begins anew for who has lived for a minute', () => {
  let now = 0
  const restarts = new Restarts(() => now)
  const pauses = Array.from({ length: 8 }, () => {
    now += 1000
    return restarts.died({ wasReady: true }).pauseMs
  })
  expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 5000, 5000])
  now += 60_000
  expect(restarts.died({ wasReady: true }).pauseMs).toBe(100)
})

test('five deaths in a minute without having been ready once are hopeless; one life in between is hope', () => {
  let now = 0
  const restarts = new Restarts(() => now)
  const dies = (wasReady: boolean): boolean => {
    now += 1000
    return restarts.died({ wasReady }).isHopeless
  }
  expect([1, 2, 3, 4].map(() => dies(false))).toEqual([false, false, false, false])
  expect(dies(true)).toBe(false)
  expect([1, 2, 3, 4, 5].map(() => dies(false))).toEqual([false, false, false, false, true])
})

test('five deaths over more than a minute are no reason to give up', () => {
  let now = 0
  const restarts = new Restarts(() => now)
  const all = Array.from({ length: 20 }, () => {
    now += 15_001
    return restarts.died({ wasReady: false }).isHopeless
  })
  expect(all).not.toContain(true)
})
