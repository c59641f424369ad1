// DESIGN §6, §7: a business system that fails in every way: its callers still get an answer, the others notice nothing, and it heals.
import { expect, test } from 'vitest'
import { until } from '../support/gateway.ts'
import type { Mode } from './business.ts'
import { isFull, seeded, slownessFrom } from './random.ts'
import { between, pause, percentile, startWorld } from './world.ts'

const BEFORE_MS = isFull ? 10_000 : 1500
const FAULT_MS = isFull ? 30_000 : 2000
/** In two seconds the slowest of a hundred answers is the machine's doing: there the median is looked at, and the 99 % in the full run. */
const SHARE = isFull ? 0.99 : 0.5
const NOISE_MS = isFull ? 10 : 50
/** A gateway that gets no processor for so much of the time says nothing about itself by its latencies. */
const MOST_STARVED = 0.2
const NOISE_KB = 24_000

const faults: readonly Mode[] = ['refuses', 'black hole', 'drips', 'cuts', 'gzip bomb', 'half fails']

test(
  'each way to fail: answered from what is known, others as before, nothing lost or done twice, well again within 5 s',
  { timeout: faults.length * (BEFORE_MS + FAULT_MS + 60_000) },
  async () => {
    const random = seeded('backend faults')
    await using world = await startWorld(random)
    {
      // Every answer is known, the code is warm, and the heap has found its size.
      await using _ = world.load({ looks: 150, asks: 150 })
      await pause(isFull ? 15_000 : 4000)
    }
    for (const fault of faults) {
      await using load = world.load()
      const begun = performance.now()
      await pause(BEFORE_MS)
      const memoryBefore = await world.memory()
      await world.sick.become(fault)
      const broken = performance.now()
      const waited = await world.waitedForCpu()
      await pause(FAULT_MS)
      const mended = performance.now()
      const starved = ((await world.waitedForCpu()) - waited) / (mended - broken)
      const slowSince = slownessFrom(world.gateway.pid)
      await world.sick.become('well')
      await until(
        () =>
          world.looks.some(({ at, status, isStale }) => at > mended && status === 200 && !isStale)
            ? true
            : undefined,
        60_000,
      )
      const wellAgain = await until(async () => {
        const recent = between(world.looks, performance.now() - 300, Infinity)
        return recent.length > 5 && recent.every(({ isStale }) => !isStale)
          ? performance.now() - mended
          : undefined
      }, 60_000)
      const slow = slowSince()
      const looks = between(world.looks, broken, mended).filter(({ at, ms }) => at + ms < mended)
      const before = percentile(between(world.asks, begun, broken), SHARE)
      const during = percentile(between(world.asks, broken, mended), SHARE)
      const most = memoryBefore * 1.2 + NOISE_KB
      const memoryAfter = await settled(() => world.memory(), most)
      await load[Symbol.asyncDispose]()
      const stale = looks.filter(({ isStale }) => isStale).length
      console.log(
        `${fault}: ${looks.length} answers (${stale} stale), others p${SHARE * 100} ${before.toFixed(1)} → ${during.toFixed(1)} ms, no processor for ${(starved * 100).toFixed(0)} %, ` +
          `well after ${wellAgain.toFixed(0)} ms (machine × ${slow.toFixed(1)}), memory ${memoryBefore} → ${memoryAfter} kB`,
      )
      expect(looks.filter(({ status }) => status !== 200).length / looks.length, fault).toBeLessThanOrEqual(
        0.001,
      )
      if (fault !== 'half fails') expect(stale, `${fault}: all are marked`).toBe(looks.length)
      if (starved < MOST_STARVED)
        expect(during, `${fault}: others`).toBeLessThanOrEqual(Math.max(before * 1.1, before + NOISE_MS))
      expect(wellAgain, `${fault}: well again`).toBeLessThanOrEqual(5000 * slow)
      expect(memoryAfter, `${fault}: memory`).toBeLessThanOrEqual(most)
    }
    await world.nothingLost()
  },
)

/** What is garbage by now may wait for the collector: it is looked at again for some seconds. */
async function settled(measure: () => Promise<number>, most: number): Promise<number> {
  const end = performance.now() + 10_000
  for (;;) {
    const now = await measure()
    if (now <= most || performance.now() > end) return now
    await pause(200)
  }
}
