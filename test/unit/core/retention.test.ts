// What the log says of retention.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../core/api.ts'
import type { Log } from '../../../core/api.ts'
import { startRetention } from '../../../core/retention.ts'
import type { Caller } from '../../../core/store/redis/caller.ts'
import { Trimming } from '../../../core/store/redis/trimming.ts'
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

test('a Redis that is away is asked for each partition’s size once a sweep, and nothing more', async () => {
  const partitions = 256
  let calls = 0
  const caller: Pick<Caller, 'run'> = {
    async run() {
      calls++
      throw new GatewayError('STORE_UNAVAILABLE', 'away', { notExecuted: true })
    },
  }
  const trimming = new Trimming(caller)
  const store = {
    partitions,
    trim: (request) => trimming.trim(request, partitions),
    health: () => ({ writable: false, reason: 'away' }),
  } as Pick<Store, 'partitions' | 'trim' | 'health'> as Store // retention asks for no more
  const warned: unknown[] = []
  const log: Log = { debug() {}, info() {}, warn: (_text, fields) => void warned.push(fields), error() {} }
  using _ = startRetention({ store, log, ageMs: 1, maxBytes: 100, isOwn: () => true })
  await vi.advanceTimersByTimeAsync(1000)
  expect(calls).toBe(partitions)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(calls).toBe(2 * partitions)
  expect(warned).toEqual(Array.from({ length: 2 }, () => ({ error: 'away', partitions: 1 })))
})

test('a Redis of which one partition cannot be asked for its size is asked for all once a round', async () => {
  let calls = 0
  const caller: Pick<Caller, 'run'> = {
    async run(_name, partition) {
      calls++
      if (partition === 1) throw new GatewayError('INTERNAL', 'broken')
      return 0
    },
  }
  const trimming = new Trimming(caller)
  for (const partition of [0, 1, 2])
    await expect(
      trimming.trim({ partition, olderThanMs: 1, maxBytes: 1, budgetMs: 1 }, 3),
    ).rejects.toMatchObject({ message: 'broken' })
  expect(calls).toBe(3)
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
