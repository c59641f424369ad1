// SEMANTICS 15: a flight that nobody runs is found and put back, whenever the take that began it failed.
import { afterEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import { noLog } from '../../../../core/map/stand-ins.ts'
import type { Hold } from '../../../../core/lanes/lease.ts'
import { createReconcile } from '../../../../core/lanes/reconcile.ts'
import type { Settle, Store, WorkRow } from '../../../../core/store/store.ts'

afterEach(() => {
  vi.useRealTimers()
})

function flight(id: string): WorkRow {
  const standing = { state: 'flight', attempt: 1, dueMs: 0, attempts: [] } as const
  return { row: 'work', kind: 'message', id, home: 'web/ann', lane: id, ...standing }
}

/** Messages in flight that nobody runs; `settled` are those that were put back. */
function world(open: readonly WorkRow[]) {
  const settled: Settle[] = []
  const trouble = { isPressed: false, isAway: false }
  const warned: string[] = []
  const store = {
    health: () => ({ writable: !trouble.isPressed }),
    find: async () => open.filter(({ id }) => !settled.some((settle) => settle.id === id)),
    settle: async (settle: Settle) => {
      if (trouble.isAway) throw new GatewayError('STORE_UNAVAILABLE', 'it is away', { notExecuted: true })
      settled.push(settle)
      return { status: 'settled' }
    },
  } as unknown as Store // what a reconcile asks of it
  const lease = { isHeld: true, isKnown: true }
  const hold: Hold = { fence: { counter: 1, random: 'r' }, isLive: true, [Symbol.dispose]() {} }
  const reconcile = createReconcile({
    store,
    log: { ...noLog, warn: (message) => warned.push(message) },
    stopped: new AbortController().signal,
    dedupeMs: 1000,
    isRunning: () => false,
    hold: () => (lease.isHeld ? hold : undefined),
    isKnown: () => lease.isKnown,
    poke: () => undefined,
  })
  const putBack = (): unknown => settled.map(({ id, outcome }) => [id, outcome])
  return { reconcile, lease, putBack, trouble, warned }
}

test('a take that fails while an earlier failure is looked into is looked into as well', async () => {
  vi.useFakeTimers()
  const open = [flight('first')]
  const { reconcile, putBack } = world(open)
  reconcile.doubtTake()
  await vi.advanceTimersByTimeAsync(900) // between the two looks of the first scan
  open.push(flight('second'))
  reconcile.doubtTake()
  await vi.advanceTimersByTimeAsync(5000)
  expect(putBack()).toEqual([
    ['first', 'retry'],
    ['second', 'retry'],
  ])
})

test('a store that is back before the lease is renewed: what is in doubt waits for it, because the fence may go on', async () => {
  vi.useFakeTimers()
  const { reconcile, lease, putBack } = world([flight('taken')])
  Object.assign(lease, { isHeld: false, isKnown: false })
  reconcile.doubt('message', 'accepted', 'web/ann')
  reconcile.doubtTake()
  await vi.advanceTimersByTimeAsync(5000)
  expect(putBack()).toEqual([])
  Object.assign(lease, { isHeld: true, isKnown: true })
  await vi.advanceTimersByTimeAsync(5000)
  expect(putBack()).toEqual([
    ['accepted', 'retry'],
    ['taken', 'retry'],
  ])
})

test('a lease that lapses during the looks: what was passed over is looked at again', async () => {
  vi.useFakeTimers()
  const { reconcile, lease, putBack } = world([flight('taken')])
  reconcile.doubtTake()
  await vi.advanceTimersByTimeAsync(900)
  Object.assign(lease, { isHeld: false, isKnown: false })
  await vi.advanceTimersByTimeAsync(3000)
  Object.assign(lease, { isHeld: true, isKnown: true })
  await vi.advanceTimersByTimeAsync(5000)
  expect(putBack()).toEqual([['taken', 'retry']])
})

test('what is in doubt in a partition of another instance is for that one to end', async () => {
  vi.useFakeTimers()
  const { reconcile, lease, putBack } = world([])
  lease.isHeld = false
  reconcile.doubt('message', 'accepted', 'web/ann')
  await vi.advanceTimersByTimeAsync(5000)
  lease.isHeld = true
  await vi.advanceTimersByTimeAsync(5000)
  expect(putBack()).toEqual([])
})

test('a store that takes nothing new, in its reserve or full: what was lost is put back all the same, because that drains it (SEMANTICS 42)', async () => {
  vi.useFakeTimers()
  const { reconcile, putBack, trouble } = world([flight('taken')])
  trouble.isPressed = true
  reconcile.doubt('message', 'accepted', 'web/ann')
  reconcile.doubtTake()
  await vi.advanceTimersByTimeAsync(5000)
  expect(putBack()).toEqual([
    ['accepted', 'retry'],
    ['taken', 'retry'],
  ])
})

test('a store that is away: it is tried again until it is back, and said once', async () => {
  vi.useFakeTimers()
  const { reconcile, putBack, trouble, warned } = world([flight('taken')])
  trouble.isAway = true
  reconcile.doubt('message', 'accepted', 'web/ann')
  reconcile.doubtTake()
  await vi.advanceTimersByTimeAsync(20_000)
  expect(putBack()).toEqual([])
  expect(warned).toEqual(['work in doubt waits for the store'])
  trouble.isAway = false
  await vi.advanceTimersByTimeAsync(5000)
  expect(putBack()).toEqual([
    ['accepted', 'retry'],
    ['taken', 'retry'],
  ])
})
