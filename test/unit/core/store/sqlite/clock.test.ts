// SEMANTICS 25: the store clock.
import { expect, test } from 'vitest'
import { StoreClock } from '../../../../../core/store/sqlite/clock.ts'

const DAY = 24 * 3_600_000
const WALL = Date.UTC(2026, 0, 2)

test('a new store begins at the wall clock and follows monotonic time alone', () => {
  const clock = new StoreClock(undefined, { wall: WALL, monotonic: 1000.7 })
  expect(clock.now).toBe(WALL)
  clock.advance({ wall: WALL + 3 * 365 * DAY, monotonic: 1500.2 })
  expect(clock.now).toBe(WALL + 500)
  clock.advance({ wall: WALL - DAY, monotonic: 1500.9 })
  expect(clock.now).toBe(WALL + 500)
})

test('fractions of milliseconds are not lost over many small steps', () => {
  const clock = new StoreClock(undefined, { wall: WALL, monotonic: 0 })
  for (let step = 1; step <= 1000; step++) clock.advance({ wall: WALL, monotonic: step * 0.7 })
  expect(clock.now).toBe(WALL + 700)
})

test('it never goes back, also if monotonic time seems to', () => {
  const clock = new StoreClock(undefined, { wall: WALL, monotonic: 100 })
  clock.advance({ wall: WALL, monotonic: 50 })
  expect(clock.now).toBe(WALL)
  clock.advance({ wall: WALL, monotonic: 110 })
  expect(clock.now).toBe(WALL + 10)
})

test('a stop counts by the wall clock, at most a day; the rest is held until it is confirmed', () => {
  const saved = { storeMs: WALL, wallMs: WALL }
  const start = (passed: number, confirmJump = false) =>
    new StoreClock(saved, { wall: WALL + passed, monotonic: 0 }, { confirmJump })
  expect([start(3000).now, start(3000).heldMs]).toEqual([WALL + 3000, 0])
  expect([start(-3000).now, start(-3000).heldMs]).toEqual([WALL, 0])
  expect([start(3 * DAY).now, start(3 * DAY).heldMs]).toEqual([WALL + DAY, 2 * DAY])
  expect([start(3 * DAY, true).now, start(3 * DAY, true).heldMs]).toEqual([WALL + 3 * DAY, 0])
  // Whoever confirms has read of it at an earlier start, which has written the wall clock of then.
  const later = (confirmJump: boolean) =>
    new StoreClock(
      { storeMs: WALL + DAY, wallMs: WALL + 3 * DAY },
      { wall: WALL + 3 * DAY, monotonic: 0 },
      { confirmJump },
    )
  expect([later(false).now, later(false).heldMs]).toEqual([WALL + DAY, 2 * DAY])
  expect([later(true).now, later(true).heldMs]).toEqual([WALL + 3 * DAY, 0])
  // It never goes back.
  const ahead = { storeMs: WALL + DAY, wallMs: WALL }
  expect(new StoreClock(ahead, { wall: WALL, monotonic: 0 }, { confirmJump: true }).now).toBe(WALL + DAY)
})
