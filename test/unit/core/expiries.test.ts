import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Expiries } from '../../../core/expiries.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('each ends once, within a second of its time', () => {
  const ended: string[] = []
  const expiries = new Expiries<string>((thing) => ended.push(thing))
  expiries.set('late', Date.now() + 3500)
  expiries.set('soon', Date.now() + 1500)
  vi.advanceTimersByTime(1400)
  expect(ended).toEqual([])
  vi.advanceTimersByTime(1100)
  expect(ended).toEqual(['soon'])
  vi.advanceTimersByTime(60_000)
  expect(ended).toEqual(['soon', 'late'])
})

test('what is set again ends at the new time, or never; what is deleted does not end', () => {
  const ended: string[] = []
  const expiries = new Expiries<string>((thing) => ended.push(thing))
  for (const thing of ['longer', 'for ever', 'gone']) expiries.set(thing, Date.now() + 1000)
  expiries.set('longer', Date.now() + 5000)
  expiries.set('for ever', undefined)
  expiries.delete('gone')
  vi.advanceTimersByTime(4000)
  expect(ended).toEqual([])
  vi.advanceTimersByTime(60_000)
  expect(ended).toEqual(['longer'])
})

test('an end years away is no end now: a timer would overflow', () => {
  const ended: string[] = []
  const expiries = new Expiries<string>((thing) => ended.push(thing))
  expiries.set('years', Date.now() + 2 ** 40)
  expiries.set('endless', Infinity)
  vi.advanceTimersByTime(5000)
  expect(ended).toEqual([])
})

test('nobody looks while there is nothing to end', () => {
  const expiries = new Expiries<string>(() => undefined)
  expect(vi.getTimerCount()).toBe(0)
  expiries.set('one', Date.now() + 1000)
  expiries.set('two', Date.now() + 1000)
  expect(vi.getTimerCount()).toBe(1)
  expiries.delete('one')
  vi.advanceTimersByTime(2000)
  expect([expiries.size, vi.getTimerCount()]).toEqual([0, 0])
})
