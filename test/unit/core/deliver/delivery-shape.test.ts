// SEMANTICS 6: what a channel's `send` hands back, and what of it is none.
import { expect, test } from 'vitest'
import { deliveryOf } from '../../../../core/deliver/delivery-shape.ts'

test('a delivery is taken with its own members alone', () => {
  expect(deliveryOf({ status: 'sent', id: 7 }, 'x')).toEqual({ status: 'sent' })
  expect(deliveryOf({ status: 'refused', retry: true, afterMs: 5, now: 1 }, 'x')).toEqual({
    status: 'refused',
    retry: true,
    afterMs: 5,
  })
  expect(deliveryOf({ status: 'unknown', reason: 'cut off' }, 'x')).toEqual({
    status: 'unknown',
    reason: 'cut off',
  })
  expect(deliveryOf({ status: 'absent', keepMs: 5 }, 'x')).toEqual({ status: 'absent', keepMs: 5 })
})

test.each<[unknown, string]>([
  [{ status: 'ok' }, `channel "x" returned { status: 'ok' } from send: write { status: "sent" }`],
  [true, 'channel "x" returned true from send'],
  [undefined, 'channel "x" returned undefined from send'],
  [null, 'channel "x" returned null from send'],
  [{ status: 'refused' }, 'write { status: "refused", retry: true }, or false'],
  [{ status: 'refused', retry: true, afterMs: '5s' }, 'afterMs is a number'],
  [{ status: 'unknown', keepMs: NaN }, 'keepMs is a number'],
  [{ status: 'absent' }, 'write { status: "absent", keepMs: 60000 }'],
])('%j is none, and is told how to write it', (value, problem) => {
  expect(() => deliveryOf(value, 'x')).toThrow(
    expect.objectContaining({
      code: 'CHANNEL_GONE',
      notExecuted: false,
      message: expect.stringContaining(problem),
    }),
  )
})
