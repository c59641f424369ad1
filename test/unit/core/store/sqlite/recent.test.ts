// The cache of homes and conversations: what was used last is there, and there is never more than its limit.
import { expect, test } from 'vitest'
import { Recent } from '../../../../../core/store/sqlite/recent.ts'

test('the last half of the limit is there, whatever came before', () => {
  const recent = new Recent<number>(8)
  for (let n = 0; n < 100; n++) {
    recent.set(`k${n}`, n)
    for (let back = 0; back < Math.min(4, n + 1); back++) expect(recent.get(`k${n - back}`)).toBe(n - back)
  }
})

test('never more than the limit is kept', () => {
  const recent = new Recent<number>(8)
  for (let n = 0; n < 100; n++) recent.set(`k${n}`, n)
  const kept = Array.from({ length: 100 }, (_, n) => recent.get(`k${n}`)).filter(
    (value) => value !== undefined,
  )
  expect(kept.length).toBeLessThanOrEqual(8)
})

test('what is asked for again and again stays', () => {
  const recent = new Recent<string>(8)
  recent.set('often', 'here')
  for (let n = 0; n < 100; n++) {
    recent.set(`k${n}`, 'once')
    expect(recent.get('often')).toBe('here')
  }
})

test('a value that is set again is the new one, and nothing is left after clear', () => {
  const recent = new Recent<number>(8)
  recent.set('k', 1)
  for (let n = 0; n < 4; n++) recent.set(`k${n}`, n)
  recent.set('k', 2)
  expect(recent.get('k')).toBe(2)
  recent.clear()
  expect(recent.get('k')).toBeUndefined()
})
