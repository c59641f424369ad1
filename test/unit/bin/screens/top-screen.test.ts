// The screen of `dragoman top`.
import { expect, test } from 'vitest'
import { screenOf } from '../../../../bin/screens/top-screen.ts'
import type { OperationReading, Reading } from '../../../../bin/screens/top-screen.ts'

const reading = (at: string, more: Partial<Reading> = {}): Reading => ({
  at,
  generation: 2,
  intake: {},
  refused: {},
  limits: {},
  writes: {},
  operations: [],
  waiting: 0,
  deadLetters: 0,
  ...more,
})
const operation = (name: string, more: Partial<OperationReading> = {}): OperationReading => ({
  name,
  calls: {},
  answers: {},
  retries: {},
  breaker: null,
  ...more,
})
const begin = '2030-01-01T00:00:00.000Z'
const later = '2030-01-01T00:00:02.000Z'
const open = { state: 'OPEN', reason: 'it is down', openedAt: begin, retryAfterMs: 4_200 }

test('rates are per second between two readings; refused calls are no calls', () => {
  const calls = { ok: 10, BACKEND_FAILED: 4, BREAKER_OPEN: 6 }
  const before = reading(begin, {
    intake: { offered: 5 },
    operations: [operation('erp.Look', { calls: { ok: 2 } })],
  })
  const now = reading(later, {
    intake: { offered: 45 },
    refused: { body: 3, host: 0 },
    writes: { queued: 5, halted: 2 },
    limits: { 'rate/each': 8, 'admission/low': 0 },
    waiting: 7,
    operations: [operation('erp.Look', { calls, answers: { call: 3, fresh: 2, stale: 4 } })],
  })
  const text = screenOf(before, now).join('\n')
  expect(text).toContain('waiting 7')
  expect(text).toContain('offered 20 ')
  expect(text).toContain('refused at the edge/s   body 1.5\n')
  expect(text).toContain('writes queued/s 2.5   queues halted since the start 2\n')
  expect(text).toContain('refused by limits/s   rate/each 4.0\n')
  expect(text.split('\n').at(-1)?.split(/ +/u)).toEqual(['erp.Look', '-', '6.0', '2.0', '3.0', '3.0', '2.0'])
})

test('what is broken stands first with its reason, what flows most next, and the screen is never longer than the terminal', () => {
  const operations = [
    operation('a.Idle'),
    operation('b.Busy', { calls: { ok: 100 } }),
    operation('c.Down', { breaker: open }),
  ]
  const screen = screenOf(reading(begin), reading(later, { operations }))
  const order = screen.slice(7).map((line) => line.split(' ')[0])
  expect(order).toEqual(['c.Down', 'b.Busy', 'a.Idle'])
  expect(screen[7]).toMatch(/OPEN 5s .* it is down$/u)
  expect(screenOf(reading(begin), reading(later, { operations }), 8)).toHaveLength(8)
})

test('counters that went back count from zero: the gateway was restarted', () => {
  const before = reading(begin, { operations: [operation('a.Look', { calls: { ok: 1_000 } })] })
  const now = reading(later, { operations: [operation('a.Look', { calls: { ok: 20 } })] })
  expect(screenOf(before, now).at(-1)).toMatch(/^a\.Look +- +10 /u)
})

test('a reason cannot move the cursor of the terminal', () => {
  const breaker = { ...open, reason: '\u001b[2J\u009b31mred\r\n' }
  const now = reading(later, { operations: [operation('a.Look', { breaker })] })
  expect(screenOf(reading(begin), now).join('')).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/u)
})
