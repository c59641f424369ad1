// What operators hear of the changes, and that they learn of what they cannot hear any more.
import { expect, test } from 'vitest'
import { createOperatorEvents } from '../../../../core/operators/events.ts'

const FIRST_LIFE = Date.parse('2026-01-02T03:04:05.678Z')

function life(bornAt: number, changes: number) {
  const events = createOperatorEvents(() => bornAt)
  for (let n = 0; n < changes; n += 1) events.add('breaker', { n })
  return events
}

test('each change once, in order, a page after the other', () => {
  const events = life(FIRST_LIFE, 5)
  const seen: unknown[] = []
  let after = 0
  for (let page = 0; page < 4; page += 1) {
    const found = events.after(after, 2)
    expect(found.missed).toBe(false)
    seen.push(...found.events.map(({ data }) => data['n']))
    after = found.next
  }
  expect(seen).toEqual([0, 1, 2, 3, 4])
  expect(events.after(after, 2)).toEqual({ events: [], next: after, missed: false })
  expect(life(FIRST_LIFE, 0).after(0, 10)).toEqual({ events: [], next: 0, missed: false })
})

test('beyond a thousand who comes late is told that he missed some', () => {
  const events = life(FIRST_LIFE, 2500)
  const all = events.after(0, 5000)
  expect([all.events.length, all.events[0]?.data, all.missed]).toEqual([1000, { n: 1500 }, true])
  expect(events.after(all.next - 1000, 5000)).toMatchObject({ missed: false })
  expect(events.after(all.next - 1001, 5000)).toMatchObject({ missed: true })
})

test.each([
  ['has told less', 60_000, 1],
  ['has told more', 60_000, 50],
  ['has a clock that was set back', -60_000, 50],
])('a number of an earlier life is noticed where the new one %s', (_what, laterMs, changes) => {
  const { next: after } = life(FIRST_LIFE, 5).after(0, 100)
  const events = life(FIRST_LIFE + laterMs, changes)
  const found = events.after(after, 100)
  expect([found.events.length, found.missed]).toEqual([changes, true])
  expect(events.after(found.next, 100)).toEqual({ events: [], next: found.next, missed: false })
})

test('that an earlier life was missed is told once, also before anything has changed', () => {
  const { next: after } = life(FIRST_LIFE, 5).after(0, 100)
  const events = life(FIRST_LIFE + 60_000, 0)
  const found = events.after(after, 100)
  expect(found).toMatchObject({ events: [], missed: true })
  events.add('reload', { generation: 2 })
  expect(events.after(found.next, 100)).toMatchObject({ events: [{ type: 'reload' }], missed: false })
})

test('who asks several processes in turn with the number of the last answer gets nothing twice', () => {
  let now = FIRST_LIFE
  const [one, other] = [0, 1].map(() => {
    now += 10
    return createOperatorEvents(() => now)
  })
  const seen: unknown[] = []
  const missed: boolean[] = []
  let after = 0
  for (let turn = 0; turn < 6; turn += 1) {
    now += 1000
    const asked = turn % 2 === 0 ? one : other
    asked?.add('breaker', { turn })
    const found = asked?.after(after, 100)
    seen.push(...(found?.events ?? []).map(({ data }) => data['turn']))
    missed.push(found?.missed ?? true)
    after = found?.next ?? 0
  }
  expect(seen).toEqual([0, 1, 2, 3, 4, 5])
  expect(missed).not.toContain(true)
})

test('what is new has a greater number than what was told before a restart, and the restart is told once', () => {
  const before = life(FIRST_LIFE, 3).after(0, 100)
  let now = FIRST_LIFE + 60_000
  const events = createOperatorEvents(() => now)
  expect(events.after(before.next, 100)).toEqual({ events: [], next: now, missed: true })
  now += 5000
  events.add('reload', { generation: 2 })
  const found = events.after(FIRST_LIFE + 60_000, 100)
  expect(found).toMatchObject({ events: [{ n: now }], next: now, missed: false })
})
