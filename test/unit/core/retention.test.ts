// What the log says of retention.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Log } from '../../../core/api.ts'
import { startRetention } from '../../../core/retention.ts'
import type { Store, TrimResult } from '../../../core/store/store.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('what cannot be removed and is larger than the size is told once, and again when it was not so in between', async () => {
  let answer: TrimResult = { removed: 0, more: false, keptBytes: 200 }
  const store = { partitions: 1, trim: async () => answer } as unknown as Store // retention asks for no more
  const warned: unknown[] = []
  const log: Log = { debug() {}, info() {}, warn: (_text, fields) => void warned.push(fields), error() {} }
  using _ = startRetention({ store, log, ageMs: 1, maxBytes: 100, isOwn: () => true })
  const minutes = (count: number) => vi.advanceTimersByTimeAsync(count * 61_000)
  await minutes(3)
  expect(warned).toEqual([{ keptBytes: 200, maxBytes: 100 }])
  answer = { removed: 0, more: false }
  await minutes(2)
  answer = { removed: 0, more: false, keptBytes: 300 }
  await minutes(2)
  expect(warned).toEqual([
    { keptBytes: 200, maxBytes: 100 },
    { keptBytes: 300, maxBytes: 100 },
  ])
})
