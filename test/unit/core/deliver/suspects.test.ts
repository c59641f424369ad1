// Suspects against a store made by hand: whose turn it is, what is noted before a call, who is given up.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Json, Log } from '../../../../core/api.ts'
import type { Settle, Store, ValueOp, Work } from '../../../../core/store/store.ts'
import { isLost, Suspects } from '../../../../core/deliver/suspects.ts'

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }
const fence = { counter: 1, random: 'r' }
const lost = {
  attempt: 1,
  target: '',
  startedAt: '2026-01-01T00:00:00Z',
  durationMs: 0,
  failure: { code: 'OUTCOME_UNKNOWN', message: 'begun, and its owner was gone before it ended' },
}

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function work(id: string, { deaths = 2 } = {}): Work {
  const attempts = Array.from({ length: deaths }, () => lost)
  const poison = deaths > 2
  const one = { poison, kind: 'message', id, home: `web/${id}`, lane: id, attempt: deaths + 1, attempts }
  return one as unknown as Work // the step alone looks at the rest
}

function setUp(kept: Readonly<Record<string, Json>> = {}) {
  const values = new Map<string, Json>(Object.entries(kept))
  const settled: Settle[] = []
  const poked: string[] = []
  const steps = new Map<string, { readonly work: Work; readonly end: () => void }>()
  const held = { counter: fence.counter }
  const stopping = new AbortController()
  const store = {
    async value({ key, put, delete: drop }: ValueOp) {
      if (put !== undefined) values.set(key, put)
      if (drop === true) values.delete(key)
      const value = values.get(key)
      return { status: 'ok', ...(value !== undefined && { value, version: 1 }) }
    },
    async settle(settle: Settle) {
      settled.push(settle)
      return { status: 'settled', sequences: [], offsets: [], waiting: 1 }
    },
  }
  const suspects = new Suspects({
    store: store as unknown as Store, // they use no other operation
    log,
    lanes: {
      ownHold: () => ({ fence: { ...held, random: 'r' }, isLive: true, [Symbol.dispose]() {} }),
      poke: (home) => void poked.push(home),
    },
    stopped: stopping.signal,
    step(begun) {
      const { promise, resolve } = Promise.withResolvers<void>()
      steps.set(begun.id, { work: begun, end: resolve })
      return promise
    },
  })
  return { suspects, values, settled, poked, steps, held, store, stop: () => stopping.abort() }
}

const passed = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms)

test('SEMANTICS 16: what was begun once and did not end is begun at once, with whatever else there is', () => {
  const { suspects, steps, values } = setUp()
  for (const id of ['a', 'b', 'c']) void suspects.run(work(id, { deaths: 1 }), fence)
  expect([...steps.keys()]).toEqual(['a', 'b', 'c'])
  expect(values.size).toBe(0)
})

test('SEMANTICS 16: what was begun twice is begun one by one, noted before; who was tried before comes last', async () => {
  const { suspects, steps, values } = setUp({ 'suspect/message/a': 1 })
  const ended = ['a', 'b', 'c'].map((id) => suspects.run(work(id), fence))
  await passed(200)
  expect(steps.size).toBe(0)
  await passed(50)
  expect([...steps.keys()]).toEqual(['b'])
  expect(Object.fromEntries(values)).toEqual({ 'suspect/message/a': 1, 'suspect/message/b': 1 })
  steps.get('b')?.end()
  await passed(0)
  steps.get('c')?.end()
  await passed(0)
  expect([...steps.keys()]).toEqual(['b', 'c', 'a'])
  expect(Object.fromEntries(values)).toEqual({ 'suspect/message/a': 2 })
  steps.get('a')?.end()
  await Promise.all(ended)
  expect(values.size).toBe(0)
})

test('SEMANTICS 2: a call that was cut off and waits its turn when the process ends is not let go: the next life finds it', async () => {
  const { suspects, settled, steps, stop } = setUp()
  const waits = (['claim', 'message'] as const).map((kind) => suspects.run({ ...work(kind), kind }, fence))
  stop()
  await passed(1000)
  await Promise.all(waits)
  expect(steps.size).toBe(0)
  expect(settled.map(({ kind }) => kind)).toEqual(['message'])
})

test('one that takes long does not stop the others: after a while they are begun beside it, which counts against nobody', async () => {
  const { suspects, steps, values } = setUp()
  for (const id of ['slow', 'b', 'c']) void suspects.run(work(id), fence)
  await passed(250)
  await passed(2000)
  expect([...steps.keys()]).toEqual(['slow', 'b'])
  steps.get('b')?.end()
  await passed(0)
  expect([...steps.keys()]).toEqual(['slow', 'b', 'c'])
  expect([...values.keys()]).toEqual(['suspect/message/slow'])
})

test('SEMANTICS 16, 19: of many several have a turn together: in two minutes all are begun, and a death counts a share', async () => {
  const kept = Object.fromEntries(Array.from({ length: 8 }, (_, n) => [`suspect/message/${n}`, 1 / 8]))
  const { suspects, steps, values } = setUp(kept)
  for (let n = 0; n < 512; n++) void suspects.run(work(String(n)), fence)
  await passed(250)
  // Those that were in flight at a death with seven others come last.
  expect([...steps.keys()]).toEqual(Array.from({ length: 8 }, (_, n) => String(n + 8)))
  for (const id of steps.keys()) expect(values.get(`suspect/message/${id}`)).toBe(1 / 8)
  for (const id of [...steps.keys()].slice(1)) steps.get(id)?.end()
  await passed(1999)
  expect(steps.size).toBe(8) // one of them still has its turn
  await passed(1)
  expect(steps.size).toBe(16)
  await passed(124_000)
  expect(steps.size).toBe(512)
  expect([...steps.keys()].slice(-8).map(Number)).toEqual(Array.from({ length: 8 }, (_, n) => n))
})

test('SEMANTICS 16: few that are left of many are tried one by one', async () => {
  const { suspects, steps, values } = setUp({ 'suspect/message/a': 1 / 18, 'suspect/message/b': 1 / 18 })
  for (const id of ['a', 'b']) void suspects.run(work(id, { deaths: 4 }), fence)
  await passed(250)
  expect([...steps.keys()]).toEqual(['a'])
  expect(steps.get('a')?.work.poison).toBe(false)
  expect(values.get('suspect/message/a')).toBe(1 + 1 / 18)
})

test('SEMANTICS 16: one that was put back and comes again is no company of its own', async () => {
  const { suspects, steps, settled, store } = setUp()
  vi.spyOn(store, 'value').mockRejectedValueOnce(new GatewayError('STORE_UNAVAILABLE', 'away'))
  await suspects.run(work('a', { deaths: 3 }), fence)
  expect(settled).toMatchObject([{ id: 'a', outcome: 'retry' }])
  void suspects.run(work('a', { deaths: 3 }), fence)
  await passed(250)
  expect(steps.get('a')?.work.poison).toBe(true)
})

test.each([
  { name: 'without company the count of three decides', kept: 0, others: 0, isPoison: true },
  { name: 'in company that count says nothing', kept: 0, others: 1, isPoison: false },
  { name: 'in company one death alone is no proof', kept: 1, others: 1, isPoison: false },
  { name: 'the last one of a company is not without', kept: 1, others: 0, isPoison: false },
  { name: 'who died alone twice is given up, in company too', kept: 2, others: 1, isPoison: true },
])('SEMANTICS 16: $name', async ({ kept, others, isPoison }) => {
  const { suspects, steps, values } = setUp(kept === 0 ? {} : { 'suspect/message/a': kept })
  void suspects.run(work('a', { deaths: 3 }), fence)
  if (others > 0) void suspects.run(work('b', { deaths: 3 }), fence)
  await passed(250)
  if (kept > 0) steps.get('b')?.end()
  await passed(0)
  expect(steps.get('a')?.work.poison).toBe(isPoison)
  if (isPoison) expect(values.get('suspect/message/a') ?? 0).toBe(kept)
})

test.each([
  { name: 'who is given up is routed once more, which is noted before', noted: {}, isUnroutable: undefined },
  { name: 'who died at that is not', noted: { 'given-up/message/a': true }, isUnroutable: true },
])('SEMANTICS 16: $name', async ({ noted, isUnroutable }) => {
  const { suspects, steps, values } = setUp({ 'suspect/message/a': 2, ...noted })
  const ended = suspects.run(work('a', { deaths: 4 }), fence)
  await passed(250)
  expect(steps.get('a')?.work.isUnroutable).toBe(isUnroutable)
  expect(values.get('given-up/message/a')).toBe(true)
  steps.get('a')?.end()
  await ended
  expect(values.size).toBe(0)
})

test('SEMANTICS 20: whose lease went to another while it waited is not begun; what was not begun is let go', async () => {
  const { suspects, steps, settled, poked, held } = setUp()
  const ended = suspects.run(work('a'), fence)
  held.counter = 2
  await passed(250)
  await ended
  expect(steps.size).toBe(0)
  expect(settled).toMatchObject([{ id: 'a', attempt: 3, fence, outcome: 'retry', replies: [], pushes: [] }])
  expect(poked).toEqual(['web/a'])
})

test('SEMANTICS 16: who still waits for his turn at a stop is let go, and who comes after it: it is no death of theirs', async () => {
  const { suspects, steps, settled, stop } = setUp()
  const first = suspects.run(work('a'), fence)
  const second = suspects.run(work('b'), fence)
  await passed(250)
  expect([...steps.keys()]).toEqual(['a'])
  stop()
  await second
  await suspects.run(work('late'), fence)
  expect(settled).toMatchObject([
    { id: 'b', outcome: 'retry', replies: [], pushes: [] },
    { id: 'late', outcome: 'retry' },
  ])
  steps.get('a')?.end()
  await first
  expect([...steps.keys()]).toEqual(['a'])
  expect(vi.getTimerCount()).toBe(0)
})

test('what cannot be noted is not begun, and the next one has its turn', async () => {
  const { suspects, steps, settled, store } = setUp()
  const value = vi.spyOn(store, 'value')
  value.mockImplementationOnce(async () => ({ status: 'ok' }))
  value.mockImplementationOnce(async () => ({ status: 'ok' }))
  value.mockRejectedValueOnce(new GatewayError('STORE_UNAVAILABLE', 'away'))
  void suspects.run(work('a'), fence)
  void suspects.run(work('b'), fence)
  await passed(250)
  expect(settled.map(({ id }) => id)).toEqual(['a'])
  expect([...steps.keys()]).toEqual(['b'])
})

test('only what the store itself noted is lost: a call that ended in doubt is not', () => {
  expect(isLost(lost)).toBe(true)
  expect(isLost({ ...lost, target: 'backend orders.Pay' })).toBe(false)
  expect(isLost({ ...lost, failure: { code: 'AGENT_FAILED', message: 'no' } })).toBe(false)
})
