// Admission: who begins, who waits, who is refused, and the count that adds up.
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Priority } from '../../../../core/api.ts'
import { admissionOf, priorities } from './admission-loop.ts'

const normal = { priority: 'normal', sheds: true } as const

/** Fills the turn, so that whoever comes next waits. */
function full(options: Parameters<typeof admissionOf>[0] = {}) {
  const world = admissionOf(options)
  for (let n = 0; n < 64; n += 1) expect(world.admission.enter(normal)).toBeUndefined()
  return world
}

test('as much begins at once as fits into a turn; the rest begins in the turns after it, and all wait for nothing when it is calm', async () => {
  const { loop, admission } = full()
  const next = admission.enter(normal)
  expect(next).toBeInstanceOf(Promise)
  loop.work(5)
  loop.turn()
  await next
  loop.rest(100)
  loop.turn()
  expect(admission.enter(normal)).toBeUndefined()
})

test('turns that are too long halve what begins in one, and it grows again; it never falls to nothing', () => {
  const { loop, admission } = full()
  loop.work(100)
  loop.turn()
  expect(admission.perTurn).toBe(32)
  for (let n = 0; n < 10; n += 1) {
    void admission.enter(normal)
    loop.work(100)
    loop.turn()
  }
  expect(admission.perTurn).toBe(4)
  for (let n = 0; n < 20; n += 1) {
    for (let begun = 0; begun < 200; begun += 1) void admission.enter(normal)?.catch(() => undefined)
    loop.work(1)
    loop.turn()
  }
  expect(admission.perTurn).toBeGreaterThan(100)
})

test('each priority has its share of a turn whoever else waits: 40, 30, 20, 10 %', async () => {
  const { loop, admission } = full({ waitMs: 60_000 })
  const begun: Priority[] = []
  for (const priority of priorities.toReversed())
    for (let n = 0; n < 200; n += 1)
      void admission.enter({ priority, sheds: true })?.then(() => begun.push(priority))
  loop.work(5)
  loop.turn()
  await Promise.resolve()
  const of = (priority: Priority): number => begun.filter((each) => each === priority).length
  const all = begun.length
  expect(all).toBeGreaterThanOrEqual(64)
  expect(Math.abs(of('low') / all - 0.1)).toBeLessThan(0.03)
  expect(Math.abs(of('normal') / all - 0.2)).toBeLessThan(0.03)
  expect(Math.abs(of('high') / all - 0.3)).toBeLessThan(0.03)
  expect(of('urgent') / all).toBeGreaterThanOrEqual(0.39)
})

test('what a priority does not use goes to the highest who wait', async () => {
  const { loop, admission } = full({ waitMs: 60_000 })
  const begun: Priority[] = []
  for (const priority of ['low', 'normal'] as const)
    for (let n = 0; n < 200; n += 1)
      void admission.enter({ priority, sheds: true })?.then(() => begun.push(priority))
  loop.work(5)
  loop.turn()
  await Promise.resolve()
  expect(begun.filter((each) => each === 'low').length / begun.length).toBeLessThan(0.15)
})

test('an urgent one begins at once while others wait, as long as its share lasts', () => {
  const { loop, admission } = full({ waitMs: 60_000 })
  for (let n = 0; n < 500; n += 1) void admission.enter(normal)
  loop.work(5)
  loop.turn()
  for (let n = 0; n < 20; n += 1) expect(admission.enter({ priority: 'urgent', sheds: true })).toBeUndefined()
})

test('who would wait longer than his priority may is refused without waiting for that; who has waited so long, then', async () => {
  const { loop, admission, sums } = full({ waitMs: 100 })
  // 6.4 begin in a millisecond by now: beyond 640 it takes longer than 100 ms.
  const ends: string[] = []
  const refused: unknown[] = []
  for (let n = 0; n < 2000; n += 1) {
    try {
      void admission.enter(normal)?.then(
        () => ends.push('begun'),
        () => ends.push('late'),
      )
    } catch (error) {
      refused.push(error)
    }
  }
  expect(refused.length).toBe(50)
  expect(refused[0]).toMatchObject({ code: 'OVERLOADED', status: 503, notExecuted: true })
  const times = new Set(refused.map((error) => (error instanceof GatewayError ? error.retryAfterMs : 0)))
  expect(times).toEqual(new Set([1000, 2000, 3000]))
  for (let n = 0; n < 25; n += 1) {
    loop.work(150)
    loop.turn()
  }
  await new Promise(setImmediate)
  expect(ends).toHaveLength(1950)
  expect(ends.every((end) => end === 'late')).toBe(true)
  expect(admission.waiting).toBe(0)
  const { offered, accepted, refused: all, failed } = sums('normal')
  expect(offered).toBe(accepted + all + failed)
})

test('what cannot be told to come again is never refused', async () => {
  const { loop, admission, sums } = full({ waitMs: 10 })
  let begun = 0
  for (let n = 0; n < 3000; n += 1)
    void admission.enter({ priority: 'normal', sheds: false })?.then(() => (begun += 1))
  for (let n = 0; n < 1000 && admission.waiting > 0; n += 1) {
    loop.work(50)
    loop.turn()
  }
  await new Promise(setImmediate)
  expect(begun).toBe(3000)
  expect(sums('normal').refused).toBe(0)
})

test('who goes while he waits is counted as failed, with his own reason', async () => {
  const { admission, sums } = full()
  const gone = new AbortController()
  const waiting = admission.enter({ ...normal, signal: gone.signal })
  gone.abort()
  await expect(waiting).rejects.toMatchObject({ name: 'AbortError' })
  expect(admission.waiting).toBe(0)
  expect(sums('normal')).toMatchObject({ offered: 65, accepted: 64, failed: 1 })
})

test('answers that come all at once go on turn by turn, the highest first; the urgent at once', async () => {
  const { loop, admission } = admissionOf()
  const order: string[] = []
  const goOn = (priority: Priority): void => {
    const turn = admission.goOn(priority)
    if (turn === undefined) order.push(`${priority} at once`)
    else void turn.then(() => order.push(priority))
  }
  for (let n = 0; n < 64; n += 1) goOn('normal')
  expect(order).toEqual(Array.from({ length: 64 }, () => 'normal at once'))
  for (let n = 0; n < 100; n += 1) goOn('low')
  for (let n = 0; n < 100; n += 1) goOn('high')
  goOn('urgent')
  expect(order.splice(64)).toEqual(['urgent at once'])
  loop.work(5)
  loop.turn()
  await Promise.resolve()
  expect(new Set(order.splice(64))).toEqual(new Set(['high']))
  for (let n = 0; n < 10; n += 1) {
    loop.work(5)
    loop.turn()
    await Promise.resolve()
  }
  const rest = order.splice(64)
  expect(rest.slice(0, rest.indexOf('low'))).not.toContain('low')
  expect(rest.filter((each) => each === 'low')).toHaveLength(100)
})

test('while answers go on, each priority still begins its share', async () => {
  const { loop, admission } = full({ waitMs: 60_000 })
  let begun = 0
  void admission.enter(normal)?.then(() => (begun += 1))
  for (let n = 0; n < 1000; n += 1) void admission.goOn('normal')
  loop.work(5)
  loop.turn()
  await Promise.resolve()
  expect(begun).toBe(1)
})

test('a dry run lets everybody in and counts who would have been refused', () => {
  const { loop, admission, sums } = admissionOf({ dryRun: true, waitMs: 10 })
  for (let turn = 0; turn < 50; turn += 1) {
    for (let n = 0; n < 200; n += 1) expect(admission.enter(normal)).toBeUndefined()
    loop.work(40)
    loop.turn()
  }
  const { offered, accepted, refused, wouldRefuse } = sums('normal')
  expect([offered, accepted, refused]).toEqual([10_000, 10_000, 0])
  expect(wouldRefuse).toBeGreaterThan(5000)
})

test('refusals take a tenth of the time: fifty at once, then one a millisecond, oldest first, and all at once again when the flood is over', async () => {
  const { loop, admission, sums } = full({ waitMs: 1 })
  const refused: number[] = []
  const enter = (number: number): void => {
    const late = (): void => void refused.push(number)
    try {
      void admission.enter(normal)?.catch(late)
    } catch {
      late()
    }
  }
  for (let n = 0; n < 300; n += 1) enter(n)
  const inTheirTurn = refused.length
  expect(inTheirTurn).toBeLessThanOrEqual(50)
  for (let n = 0; n < 20; n += 1) {
    loop.work(10)
    loop.turn()
    await Promise.resolve()
  }
  expect(Math.abs(refused.length - inTheirTurn - 200)).toBeLessThan(15)
  expect(refused).toEqual(refused.toSorted((a, b) => a - b))
  loop.rest(1000)
  loop.turn()
  await Promise.resolve()
  expect(admission.waiting).toBe(0)
  const { offered, accepted, refused: all } = sums('normal')
  expect([offered, accepted, all]).toEqual([364, 64, 300])
})

test('while refusals alone wait the processor rests, and whoever comes then is let in at once', async () => {
  const { loop, admission } = full({ waitMs: 1 })
  for (let n = 0; n < 300; n += 1)
    try {
      void admission.enter(normal)?.catch(() => undefined)
    } catch {
      continue // one of the first fifty
    }
  for (let n = 0; n < 5; n += 1) {
    loop.work(2)
    loop.turn()
  }
  const before = admission.waiting
  expect(before).toBeGreaterThan(100)
  expect(loop.isSpinning).toBe(false)
  loop.rest(20)
  loop.turn()
  expect(admission.waiting).toBeLessThanOrEqual(before - 20)
  expect(loop.isSpinning).toBe(false)
  expect(admission.enter(normal)).toBeUndefined()
})

test('nobody waits longer for a refusal than three seconds, and who goes meanwhile is counted as failed', async () => {
  const { loop, admission, sums } = full({ waitMs: 1 })
  const gone = new AbortController()
  const ends: unknown[] = []
  for (let n = 0; n < 10_000; n += 1)
    try {
      void admission.enter({ ...normal, signal: gone.signal })?.catch((error: unknown) => ends.push(error))
      admission.enter(normal)?.catch((error: unknown) => ends.push(error))
    } catch {
      continue // one of the first fifty
    }
  gone.abort(new Error('gone'))
  expect(sums('normal').failed).toBeGreaterThan(9000)
  for (let n = 0; n < 310; n += 1) {
    loop.work(10)
    loop.turn()
  }
  await new Promise(setImmediate)
  expect(admission.waiting).toBe(0)
  expect(ends.filter((error) => error instanceof GatewayError).length).toBeGreaterThan(9000)
})

test('offered = accepted + refused + failed + waiting for every priority, in any order of events', async () => {
  const step = fc.record({
    do: fc.constantFrom('enter', 'enter', 'enter', 'leave', 'turn'),
    priority: fc.constantFrom(...priorities),
    many: fc.nat({ max: 100 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.boolean(), async (steps, dryRun) => {
      const { loop, admission, sums } = admissionOf({ waitMs: 30, dryRun })
      const leaving: AbortController[] = []
      for (const { do: what, priority, many } of steps) {
        if (what === 'leave') leaving[many % leaving.length]?.abort()
        if (what === 'turn') {
          loop.work(many)
          loop.turn()
        }
        const entering = what === 'enter' ? many : 0
        for (let n = 0; n < entering; n += 1) {
          const gone = new AbortController()
          leaving.push(gone)
          const entry = { priority, sheds: n % 3 > 0, signal: gone.signal }
          try {
            void admission.enter(entry)?.catch(() => undefined)
          } catch (error) {
            expect(error).toMatchObject({ code: 'OVERLOADED' })
          }
        }
        await Promise.resolve()
        const all = priorities.map(sums)
        const total = (of: 'offered' | 'accepted' | 'refused' | 'failed'): number =>
          all.reduce((sum, each) => sum + each[of], 0)
        expect(total('offered')).toBe(
          total('accepted') + total('refused') + total('failed') + admission.waiting,
        )
      }
    }),
    { numRuns: 60 },
  )
})
