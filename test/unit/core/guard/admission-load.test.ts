// Open-loop load on a single thread in virtual time: what still gets done at 3 and at 10 times its capacity.
import { expect, test } from 'vitest'
import type { Priority } from '../../../../core/api.ts'
import { admissionOf, CAPACITY, openLoop, percentile } from './admission-loop.ts'
import type { Load, Outcome } from './admission-loop.ts'

const MS = 4000
const WARM_MS = 3000

async function loaded(loads: readonly Load[]): Promise<(priority: Priority) => Outcome> {
  const outcomes = await openLoop(admissionOf({ waitMs: 100 }), loads, {
    ms: WARM_MS + MS,
    warmMs: WARM_MS,
  })
  return (priority) => {
    const outcome = outcomes.get(priority)
    if (outcome === undefined) throw new Error(`nobody was ${priority}`)
    return outcome
  }
}
const load = (times: number, priority: Priority = 'normal', connections = 1000): Load => ({
  priority,
  rate: times * CAPACITY,
  connections,
})
const goodput = ({ inTime }: Outcome): number => inTime / MS / (CAPACITY / 1000)

test('below its capacity nobody is refused, and hardly anybody waits', async () => {
  const { offered, served, latencies } = (await loaded([load(0.5)]))('normal')
  expect(served).toBe(offered)
  expect(percentile(latencies, 0.99)).toBeLessThan(5)
})

test.each([
  { times: 3, connections: 1000, least: 0.9 },
  { times: 10, connections: 1000, least: 0.8 },
  { times: 10, connections: 4000, least: 0.8 },
])(
  'at $times × capacity over $connections connections goodput is at least $least of its peak',
  async (given) => {
    const peak = goodput((await loaded([load(1)]))('normal'))
    expect(peak).toBeGreaterThan(0.9)
    const { times, connections, least } = given
    const outcome = (await loaded([load(times, 'normal', connections)]))('normal')
    expect(goodput(outcome) / peak).toBeGreaterThan(least)
  },
)

test('at 10 × capacity 99.9 % of the urgent are served, a turn or two later at most', async () => {
  const of = await loaded([load(10), load(0.1, 'urgent', 200)])
  const { offered, served, latencies } = of('urgent')
  expect(served / offered).toBeGreaterThanOrEqual(0.999)
  expect(percentile(latencies, 0.99)).toBeLessThan(25)
})

test('the low still get their tenth, and the high are before the normal', async () => {
  const of = await loaded([load(3, 'high'), load(3, 'normal'), load(3, 'low')])
  expect(goodput(of('low'))).toBeGreaterThan(0.06)
  expect(goodput(of('normal'))).toBeGreaterThan(0.12)
  expect(goodput(of('high'))).toBeGreaterThan(2 * goodput(of('normal')))
})

test('after a storm 99 % are served again within seconds', async () => {
  const world = admissionOf({ waitMs: 100 })
  await openLoop(world, [load(10, 'normal', 4000)], { ms: 5000 })
  const calm = await openLoop(world, [load(0.5)], { ms: 5000, warmMs: 2000 })
  const { offered = 0, served = 0 } = calm.get('normal') ?? {}
  expect(served / offered).toBeGreaterThanOrEqual(0.99)
})
