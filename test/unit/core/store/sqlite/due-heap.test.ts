// The heap gives moments in their order and skips what is no longer valid.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DueHeap } from '../../../../../core/store/sqlite/due-heap.ts'

test('what is pushed in any order comes out in order of time', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100 })), (moments) => {
      const heap = new DueHeap<{ timed: number | undefined }>()
      for (const due of moments) heap.push({ due, lane: { timed: due } })
      const out: number[] = []
      for (let first = heap.first(); first !== undefined; first = heap.first()) {
        out.push(first.due)
        heap.pop()
      }
      expect(out).toEqual(moments.toSorted((a, b) => a - b))
      expect(heap.pop()).toBeUndefined()
    }),
  )
})

test('entries that are no longer valid do not pile up', () => {
  const heap = new DueHeap<{ timed: number | undefined }>()
  const kept = { timed: 3 as number | undefined }
  heap.push({ due: 3, lane: kept })
  for (let n = 0; n < 100_000; n++) {
    const lane = { timed: (1_000_000 - n) as number | undefined }
    heap.push({ due: 1_000_000 - n, lane })
    lane.timed = undefined
  }
  expect(heap.size).toBeLessThan(5000)
  expect(heap.first()?.lane).toBe(kept)
})

test('an entry whose lane has moved on is skipped', () => {
  const heap = new DueHeap<{ timed: number | undefined }>()
  const moved = { timed: 5 as number | undefined }
  heap.push({ due: 5, lane: moved })
  heap.push({ due: 9, lane: { timed: 9 } })
  moved.timed = 7
  heap.push({ due: 7, lane: moved })
  expect(heap.first()?.due).toBe(7)
  moved.timed = undefined
  expect(heap.first()?.due).toBe(9)
})
