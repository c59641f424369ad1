// The bulkhead: places, who waits, and the count that adds up (TRAPS opossum: capacity).
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createBulkhead } from '../../../../core/guard/bulkhead.ts'
import type { Bulkhead, Place } from '../../../../core/guard/bulkhead.ts'
import { counting } from './limit-counting.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const bulkhead = (maxCalls: number, dryRun = false): { of: Bulkhead; count: ReturnType<typeof counting> } => {
  const count = counting()
  return { of: createBulkhead({ maxCalls, dryRun }, count), count }
}
const atOnce = { what: 'backend "erp"', waitMs: 0 }

test('the call beyond the last place is refused at once, with words and a time to come again', async () => {
  const { of, count } = bulkhead(2)
  await of.enter(atOnce)
  using _second = await of.enter(atOnce)
  await expect(of.enter(atOnce)).rejects.toMatchObject({
    code: 'OVERLOADED',
    message: 'backend "erp": 2 calls are under way already',
    notExecuted: true,
    retryAfterMs: 1000,
  })
  expect(of.running).toBe(2)
  expect(count.sums()).toEqual({ offered: 3, accepted: 2, refused: 1, failed: 0, wouldRefuse: 0 })
})

test('a place is held until the call has really ended, whoever stopped waiting for it (TRAPS opossum: 2 became 18)', async () => {
  const { of } = bulkhead(1)
  const work = Promise.withResolvers<string>()
  let held: Promise<string>
  {
    using place = await of.enter(atOnce)
    held = place.hold(() => work.promise)
  }
  await expect(of.enter(atOnce)).rejects.toMatchObject({ code: 'OVERLOADED' })
  work.resolve('late')
  expect(await held).toBe('late')
  expect(of.running).toBe(0)
})

test('a place without a call, and one whose call throws, is given back once', async () => {
  const { of } = bulkhead(1)
  const unused = await of.enter(atOnce)
  unused[Symbol.dispose]()
  unused[Symbol.dispose]()
  expect(of.running).toBe(0)
  const place = await of.enter(atOnce)
  await expect(place.hold(() => Promise.reject(new Error('broke')))).rejects.toThrow('broke')
  place[Symbol.dispose]()
  expect(of.running).toBe(0)
})

test('who may wait gets the next place in turn, or is refused when his time is over, or goes', async () => {
  const { of, count } = bulkhead(1)
  const first = await of.enter(atOnce)
  const order: string[] = []
  const gone = new AbortController()
  const wait = (name: string, waitMs: number, signal?: AbortSignal): Promise<Place | undefined> =>
    Promise.resolve(of.enter({ ...atOnce, waitMs, signal })).then(
      (place) => {
        order.push(name)
        return place
      },
      (error: unknown) => {
        order.push(`${name}: ${error instanceof Error ? error.name : String(error)}`)
        return undefined
      },
    )
  const short = wait('short', 100)
  const leaving = wait('leaving', 1000, gone.signal)
  const patient = wait('patient', 1000)
  expect(of.waiting).toBe(3)
  await vi.advanceTimersByTimeAsync(100)
  gone.abort()
  await Promise.all([short, leaving])
  first[Symbol.dispose]()
  expect(await patient).toBeDefined()
  expect(order).toEqual(['short: GatewayError', 'leaving: AbortError', 'patient'])
  expect(of.waiting).toBe(0)
  expect(count.sums()).toEqual({ offered: 4, accepted: 2, refused: 1, failed: 1, wouldRefuse: 0 })
})

test('a dry run refuses nothing and counts what it would have', async () => {
  const { of, count } = bulkhead(1, true)
  for (let n = 0; n < 5; n += 1) await of.enter(atOnce)
  expect(count.sums()).toEqual({ offered: 5, accepted: 5, refused: 0, failed: 0, wouldRefuse: 4 })
})

test('never more than its places run, and offered = accepted + refused + failed + waiting, in any order of events', async () => {
  const step = fc.record({
    do: fc.constantFrom('enter', 'wait', 'end', 'leave', 'pass'),
    at: fc.nat({ max: 20 }),
  })
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 4 }),
      fc.array(step, { maxLength: 60 }),
      async (places, steps) => {
        const { of, count } = bulkhead(places)
        const held: Place[] = []
        const leaving: AbortController[] = []
        const keep = (place: Place): void => void held.push(place)
        for (const { do: what, at } of steps) {
          const gone = new AbortController()
          if (what === 'enter') void Promise.resolve(of.enter(atOnce)).then(keep, () => undefined)
          if (what === 'wait') {
            leaving.push(gone)
            void Promise.resolve(of.enter({ ...atOnce, waitMs: 50 + at, signal: gone.signal })).then(
              keep,
              () => undefined,
            )
          }
          if (what === 'end') held.shift()?.[Symbol.dispose]()
          if (what === 'leave') leaving[at % leaving.length]?.abort()
          await vi.advanceTimersByTimeAsync(what === 'pass' ? at * 5 : 0)
          const { offered, accepted, refused, failed } = count.sums()
          expect(of.running).toBeLessThanOrEqual(places)
          expect(offered).toBe(accepted + refused + failed + of.waiting)
          if (of.waiting > 0) expect(of.running).toBe(places)
        }
      },
    ),
    { numRuns: 200 },
  )
})
