// Rate limits: whom a rule is about, who counts together, and the count that adds up.
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createRateLimits } from '../../../../core/guard/rate-limits.ts'
import type { Calling, RateLimits, RateRule, SharedCounter } from '../../../../core/guard/rate-limits.ts'
import { counting } from './limit-counting.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

const rule: RateRule = { by: 'caller', calls: 2, perMs: 1000, dryRun: false }
const ann: Calling = { channel: 'web', pushes: false, operation: 'GetOrder', caller: 'customer/ann' }

function limits(
  rules: Readonly<Record<string, RateRule>>,
  before?: { readonly of?: RateLimits; readonly shared?: SharedCounter | undefined },
) {
  const counts = new Map<string, ReturnType<typeof counting>>()
  const countOf = (name: string): ReturnType<typeof counting> => {
    const count = counting()
    counts.set(name, count)
    return count
  }
  const of = createRateLimits(rules, { countOf, shared: before?.shared }, before?.of)
  const ask = async (calling: Partial<Calling> = {}): Promise<string> => {
    try {
      await of.check({ ...ann, ...calling })
      return 'ok'
    } catch (error) {
      return error instanceof Error && 'code' in error ? String(error.code) : String(error)
    }
  }
  return { of, ask, count: (name: string) => counts.get(name)?.sums() }
}

test('each caller has his own calls, and new ones when the time is over', async () => {
  const { of, ask, count } = limits({ each: rule })
  expect([await ask(), await ask(), await ask()]).toEqual(['ok', 'ok', 'RATE_LIMITED'])
  expect(await ask({ caller: 'customer/bob' })).toBe('ok')
  await vi.advanceTimersByTimeAsync(400)
  await expect(of.check(ann)).rejects.toMatchObject({
    message: 'limit "each": 2 calls in 1 s are allowed to each caller',
    status: 429,
    retryAfterMs: 600,
    notExecuted: true,
  })
  await vi.advanceTimersByTimeAsync(600)
  expect(await ask()).toBe('ok')
  expect(count('each')).toEqual({ offered: 6, accepted: 4, refused: 2, failed: 0, wouldRefuse: 0 })
})

test('a rule is about its channel and its operation, together or each caller for himself', async () => {
  const { ask } = limits({
    orders: { ...rule, operation: 'GetOrder', by: 'all', calls: 1 },
    crm: { ...rule, channel: 'crm', calls: 1 },
  })
  expect(await ask({ caller: 'a' })).toBe('ok')
  expect(await ask({ caller: 'b' })).toBe('RATE_LIMITED')
  expect(await ask({ operation: 'Other' })).toBe('ok')
  expect(await ask({ operation: 'Other', channel: 'crm' })).toBe('ok')
  expect(await ask({ operation: 'Other', channel: 'crm' })).toBe('RATE_LIMITED')
})

test('a channel whose platform cannot be told to come again is limited only by a rule that names it', async () => {
  const { ask } = limits({ everyone: { ...rule, calls: 1 } })
  expect([await ask({ pushes: true }), await ask({ pushes: true })]).toEqual(['ok', 'ok'])
  const named = limits({ everyone: { ...rule, channel: 'web', calls: 1 } })
  expect([await named.ask({ pushes: true }), await named.ask({ pushes: true })]).toEqual([
    'ok',
    'RATE_LIMITED',
  ])
})

test('a dry run refuses nothing and counts what it would have', async () => {
  const { ask, count } = limits({ each: { ...rule, dryRun: true } })
  for (let n = 0; n < 5; n += 1) expect(await ask()).toBe('ok')
  expect(count('each')).toEqual({ offered: 5, accepted: 5, refused: 0, failed: 0, wouldRefuse: 3 })
})

test('a reload gives nobody a new start where the rule is about the same, and everybody one where it is not', async () => {
  const before = limits({ each: rule, other: rule })
  for (let n = 0; n < 2; n += 1) await before.ask()
  const same = limits({ each: rule }, before)
  for (let n = 0; n < 5; n += 1) expect(await same.ask()).toBe('RATE_LIMITED')
  // What was refused does not count: a limit that is raised helps at once.
  const more = limits({ each: { ...rule, calls: 3 } }, same)
  expect([await more.ask(), await more.ask()]).toEqual(['ok', 'RATE_LIMITED'])
  const fewer = limits({ each: rule }, more)
  expect([await fewer.ask(), await fewer.ask({ caller: 'customer/bob' })]).toEqual(['RATE_LIMITED', 'ok'])
  const dry = limits({ each: { ...rule, dryRun: true } }, fewer)
  for (let n = 1; n <= 3; n += 1)
    expect([await dry.ask(), dry.count('each')]).toMatchObject(['ok', { wouldRefuse: n }])
  // What a dry run let through counts as well.
  const strict = limits({ each: { ...rule, calls: 7 } }, dry)
  expect([await strict.ask(), await strict.ask()]).toEqual(['ok', 'RATE_LIMITED'])
  for (const other of [
    { operation: 'GetOrder' },
    { channel: 'web' },
    { perMs: 2000 },
    { by: 'all' },
  ] as const)
    expect(await limits({ each: { ...rule, ...other } }, strict).ask()).toBe('ok')
})

test.each([
  ['one process', undefined],
  ['several instances', fixedCounter],
])(
  'a window is as long however the clock is set: no longer when it is set back, no shorter when it is set forward (SEMANTICS 25; %s)',
  async (_which, sharedBy) => {
    const { of, ask } = limits({ each: { ...rule, calls: 1, perMs: 30_000 } }, { shared: sharedBy?.() })
    const start = Date.now()
    expect([await ask(), await ask()]).toEqual(['ok', 'RATE_LIMITED'])
    for (const byMs of [-3_600_000, 7_200_000]) {
      vi.setSystemTime(start + byMs)
      await vi.advanceTimersByTimeAsync(10_000)
      await expect(of.check(ann)).rejects.toMatchObject({ code: 'RATE_LIMITED' })
    }
    await expect(of.check(ann)).rejects.toMatchObject({ retryAfterMs: 10_000 })
    vi.setSystemTime(start - 3_600_000)
    await vi.advanceTimersByTimeAsync(10_000)
    expect([await ask(), await ask()]).toEqual(['ok', 'RATE_LIMITED'])
  },
)

test('names from callers are data, and of their keys so many are kept and no more: beyond that new ones share', async () => {
  const { ask } = limits({ each: { ...rule, calls: 1, perMs: 60_000 } })
  for (const caller of ['__proto__', 'constructor', '']) {
    expect(await ask({ caller })).toBe('ok')
    expect(await ask({ caller })).toBe('RATE_LIMITED')
  }
  for (let n = 0; n < 50_000; n += 1) await ask({ caller: `c${n}` })
  let passed = 0
  for (let n = 0; n < 5_000; n += 1) if ((await ask({ caller: `late${n}` })) === 'ok') passed += 1
  expect(passed).toBeLessThanOrEqual(1024)
  expect(await ask({ caller: 'c1' })).toBe('RATE_LIMITED')
  await vi.advanceTimersByTimeAsync(60_000)
  expect(await ask({ caller: 'late1' })).toBe('ok')
  expect(await ask({ caller: 'c1' })).toBe('ok')
})

test('offered = accepted + refused + failed, and never more than allowed in a window, over any traffic', async () => {
  const step = fc.record({ caller: fc.constantFrom('a', 'b', 'c'), passMs: fc.nat({ max: 600 }) })
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 80 }), async (steps) => {
      const { ask, count } = limits({ each: rule })
      const passed: { caller: string; at: number }[] = []
      for (const { caller, passMs } of steps) {
        if ((await ask({ caller })) === 'ok') passed.push({ caller, at: Date.now() })
        await vi.advanceTimersByTimeAsync(passMs)
      }
      const { offered, accepted, refused, failed } = count('each') ?? counting().sums()
      expect([offered, accepted]).toEqual([steps.length, passed.length])
      expect(offered).toBe(accepted + refused + failed)
      // Windows are fixed: in any 1 s at most what two of them allow.
      for (const { caller, at } of passed)
        expect(
          passed.filter((each) => each.caller === caller && each.at >= at && each.at < at + 1000).length,
        ).toBeLessThanOrEqual(4)
    }),
    { numRuns: 100 },
  )
})

/** What several instances count in. */
function counter(): SharedCounter & { isDown: boolean } {
  const counts = new Map<string, { count: number; until: number }>()
  const shared = {
    isDown: false,
    async add(key: string, by: number, ms: number): Promise<readonly [number, number]> {
      if (shared.isDown) throw new Error('away')
      const known = counts.get(key)
      const one =
        known !== undefined && known.until > Date.now() ? known : { count: 0, until: Date.now() + ms }
      one.count += by
      counts.set(key, one)
      return [one.count, one.until - Date.now()]
    },
  }
  return shared
}

/** Of a server whose clock nobody sets. */
function fixedCounter(): SharedCounter {
  let [count, until] = [0, 0]
  return {
    async add(_key, by, ms) {
      if (until <= performance.now()) [count, until] = [0, performance.now() + ms]
      count += by
      return [count, until - performance.now()]
    },
  }
}

test('several instances count together, and each for itself while nobody can be asked', async () => {
  vi.useFakeTimers()
  try {
    const shared = counter()
    const [here, there] = [limits({ each: rule }, { shared }), limits({ each: rule }, { shared })]
    expect([await here.ask(), await there.ask(), await here.ask(), await there.ask()]).toEqual([
      'ok',
      'ok',
      'RATE_LIMITED',
      'RATE_LIMITED',
    ])
    expect(await there.ask({ caller: 'customer/bob' })).toBe('ok')
    await vi.advanceTimersByTimeAsync(1001)
    shared.isDown = true
    expect([await here.ask(), await there.ask()]).toEqual(['ok', 'ok'])
    expect([await here.ask(), await here.ask()]).toEqual(['ok', 'RATE_LIMITED'])
  } finally {
    vi.useRealTimers()
  }
})
