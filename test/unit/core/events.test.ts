// What operators hear of the changes, and that they learn of what they cannot hear any more.
import { expect, test } from 'vitest'
import { createOperatorEvents } from '../../../core/events.ts'

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
