// SEMANTICS 15: a flight that nobody runs is found and put back, whenever the take that began it failed.
import { afterEach, expect, test, vi } from 'vitest'
import { noLog } from '../../../core/map/stand-ins.ts'
import { createReconcile } from '../../../core/reconcile.ts'
import type { Settle, Store, WorkRow } from '../../../core/store/store.ts'
import { testMessage } from '../../../core/testing.ts'

afterEach(() => {
  vi.useRealTimers()
})

function flight(id: string): WorkRow {
  return { row: 'work', kind: 'message', id, lane: id, state: 'flight', attempt: 1, dueMs: 0, attempts: [] }
}

test('a take that fails while an earlier failure is looked into is looked into as well', async () => {
  vi.useFakeTimers()
  const open: WorkRow[] = [flight('first')]
  const settled: Settle[] = []
  const store = {
    health: () => ({ writable: true }),
    find: async (query: { by: string; id?: string; conversation?: string }) => {
      if (query.by === 'open') return open.filter(({ id }) => !settled.some((settle) => settle.id === id))
      if (query.by === 'id') return [{ row: 'message', message: { ...testMessage(), id: query.id } }]
      return [{ row: 'conversation', home: 'web/ann' }]
    },
    settle: async (settle: Settle) => {
      settled.push(settle)
      return { status: 'settled' }
    },
  } as unknown as Store // what a reconcile asks of it
  const reconcile = createReconcile({
    store,
    log: noLog,
    stopped: new AbortController().signal,
    dedupeMs: 1000,
    isRunning: () => false,
    hold: () => ({ fence: { counter: 1, random: 'r' }, [Symbol.dispose]() {} }),
    poke: () => undefined,
  })
  reconcile.doubtTake()
  await vi.advanceTimersByTimeAsync(900) // between the two looks of the first scan
  open.push(flight('second'))
  reconcile.doubtTake()
  await vi.advanceTimersByTimeAsync(5000)
  expect(settled.map(({ id, outcome }) => [id, outcome])).toEqual([
    ['first', 'retry'],
    ['second', 'retry'],
  ])
})
