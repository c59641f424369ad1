// What the log says of retention.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import type { Log } from '../../../core/api.ts'
import { startRetention } from '../../../core/retention.ts'
import type { Store, TrimResult } from '../../../core/store/store.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

test('a partition that cannot be trimmed does not keep the others from it, and is told with its reason', async () => {
  const trimmed: number[] = []
  const trim: Store['trim'] = async ({ partition }) => {
    if (partition === 1 || partition === 2) throw new GatewayError('INTERNAL', `broken ${partition}`)
    trimmed.push(partition)
    return { removed: 0, more: false }
  }
  const store = { partitions: 5, trim } as unknown as Store // retention asks for no more
  const warned: unknown[] = []
  const log: Log = { debug() {}, info() {}, warn: (_text, fields) => void warned.push(fields), error() {} }
  using _ = startRetention({ store, log, ageMs: 1, maxBytes: 100, isOwn: () => true })
  await vi.advanceTimersByTimeAsync(1000)
  expect(trimmed).toEqual([0, 3, 4])
  expect(warned).toEqual([{ error: 'broken 1', partitions: 2 }])
})

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
