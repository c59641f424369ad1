// The lanes' engine against a store made by hand: wakes, leases, the bound of what is in flight, the stop.
import { expect, test, vi } from 'vitest'
import { GatewayError } from '../../../../core/api.ts'
import type { Log } from '../../../../core/api.ts'
import { BYTES_IN_FLIGHT, Lanes } from '../../../../core/lanes/lanes.ts'
import { Hints } from '../../../../core/store/hints.ts'
import type { Store, Take, TakeResult, Work } from '../../../../core/store/store.ts'

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }
const fence = { counter: 1, random: 'r' }

/** Only what lanes ask for; each take is answered by the test. */
function fakeStore(remainingMs = 10_000) {
  const takes: PromiseWithResolvers<TakeResult>[] = []
  const store = {
    partitions: 1,
    partitionOf: () => 0,
    lease: async () => ({ status: 'held', fence, remainingMs }),
    watch: () => new Hints().watch([]),
    take() {
      const taking = Promise.withResolvers<TakeResult>()
      takes.push(taking)
      return taking.promise
    },
  }
  return { takes, store: store as unknown as Store } // lanes use no other operation
}

const nothing: TakeResult = { status: 'taken', work: [], waiting: 0 }
function taken(...ids: string[]): TakeResult {
  const work = ids.map((id) => ({ kind: 'message', id, home: 'h', lane: id, bytes: 0 }) as unknown as Work) // run by the test alone
  return { status: 'taken', work, waiting: 0 }
}

async function turns(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await Promise.resolve()
}

function makeLanes(store: Store, run: (work: Work) => Promise<void>, maxInFlight = 8) {
  let doubts = 0
  const lanes = new Lanes({ store, log, owner: 'me', maxInFlight, run, onDoubt: () => doubts++ })
  return { lanes, doubts: () => doubts }
}

/** Each step runs until the test ends it. */
function holding(store: Store, maxInFlight: number) {
  const ends: PromiseWithResolvers<void>[] = []
  const run = (): Promise<void> => {
    const end = Promise.withResolvers<void>()
    ends.push(end)
    return end.promise
  }
  return { ...makeLanes(store, run, maxInFlight), ends }
}

test.each(Array.from({ length: 12 }, (_, turn) => turn))(
  'a poke is never lost, whichever turn of a take’s end it falls into (%i)',
  async (turn) => {
    const { store, takes } = fakeStore()
    const { lanes } = makeLanes(store, async () => undefined)
    await lanes.start()
    expect(takes).toHaveLength(1)
    takes[0]?.resolve(nothing)
    await turns(turn)
    lanes.poke('h')
    await turns(20)
    expect(takes).toHaveLength(2)
    takes[1]?.resolve(nothing)
    await lanes.stop(0)
  },
)

test('SEMANTICS 20: nothing is begun under a lease that ends within 2 s', async () => {
  const short = fakeStore(1900)
  const { lanes } = makeLanes(short.store, async () => undefined)
  await lanes.start()
  expect(short.takes).toHaveLength(0)
  expect(lanes.hold('h')).toBeUndefined()
  expect(lanes.ownHold('h')).toBeUndefined()
  await expect(lanes.callHold('h')).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE', notExecuted: true })
  await lanes.stop(0)
  const long = fakeStore(2500)
  const { lanes: others } = makeLanes(long.store, async () => undefined)
  await others.start()
  expect(long.takes).toHaveLength(1)
  expect(others.hold('h')?.fence).toEqual(fence)
  long.takes[0]?.resolve(nothing)
  await others.stop(0)
})

test('a lease that ended by the own clock and was nobody else’s goes on under its fence, and what waited is taken', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
  try {
    const { store, takes } = fakeStore(8000)
    const lease = store.lease.bind(store)
    const { lanes } = makeLanes(store, async () => undefined)
    await lanes.start()
    takes[0]?.resolve(nothing)
    store.lease = () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away'))
    await vi.advanceTimersByTimeAsync(7000)
    lanes.poke('h')
    await vi.advanceTimersByTimeAsync(100)
    expect(takes).toHaveLength(1)
    store.lease = lease
    await vi.advanceTimersByTimeAsync(2500)
    expect(takes).toHaveLength(2)
    takes[1]?.resolve(nothing)
    await lanes.stop(0)
  } finally {
    vi.useRealTimers()
  }
})

test('SEMANTICS 20: what a take brings after the lease has ended is not begun; it is looked into', async () => {
  vi.useFakeTimers({ toFake: ['performance', 'setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
  try {
    const { store, takes } = fakeStore(8000)
    const begun: string[] = []
    const { lanes, doubts } = makeLanes(store, async ({ id }) => void begun.push(id))
    await lanes.start()
    expect(lanes.isKnown).toBe(true)
    store.lease = () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away'))
    await vi.advanceTimersByTimeAsync(7000)
    takes[0]?.resolve(taken('late'))
    await vi.advanceTimersByTimeAsync(100)
    expect(begun).toEqual([])
    expect(doubts()).toBe(1)
    expect(lanes.isKnown).toBe(false)
    await lanes.stop(0)
  } finally {
    vi.useRealTimers()
  }
})

test('partitions are taken from side by side: none waits for the answer to another one’s take', async () => {
  const { store, takes } = fakeStore()
  Object.assign(store, { partitions: 4, partitionOf: Number })
  const value: Store['value'] = async () => ({ status: 'ok', version: 1 })
  Object.assign(store, { value })
  const { lanes } = makeLanes(store, async () => undefined, 512)
  await lanes.start()
  expect(takes).toHaveLength(4)
  for (const take of takes) take.resolve(nothing)
  expect(await lanes.stop(1000)).toBe(0)
})

test('no more is taken than may be in flight; what ends makes room', async () => {
  const { store, takes } = fakeStore()
  const { lanes, ends } = holding(store, 2)
  await lanes.start()
  takes[0]?.resolve(taken('a', 'b'))
  await turns(20)
  lanes.poke('h')
  await turns(20)
  expect(lanes.inFlight).toBe(2)
  expect(lanes.isRunning('message', 'a')).toBe(true)
  expect(lanes.hold('h')).toBeUndefined()
  expect(takes).toHaveLength(1)
  ends[0]?.resolve()
  await turns(20)
  expect(lanes.isRunning('message', 'a')).toBe(false)
  expect(takes).toHaveLength(2)
  takes[1]?.resolve(nothing)
  ends[1]?.resolve()
  expect(await lanes.stop(1000)).toBe(0)
})

test('beyond the bytes that may be in flight nothing that waits is taken; what comes in begins', async () => {
  const { store, takes } = fakeStore()
  const { lanes, ends } = holding(store, 512)
  const large = (id: string, bytes: number, rest: Partial<TakeResult> = {}): TakeResult => ({
    status: 'taken',
    // Run by the test alone.
    work: [{ kind: 'message', id, home: 'h', lane: id, bytes } as unknown as Work],
    waiting: 1,
    ...rest,
  })
  await lanes.start()
  takes[0]?.resolve(large('a', BYTES_IN_FLIGHT / 2, { nextDueMs: 0 }))
  await turns(20)
  expect(takes).toHaveLength(2)
  takes[1]?.resolve(large('b', BYTES_IN_FLIGHT, { nextDueMs: 0 }))
  await turns(20)
  lanes.poke('h')
  await turns(20)
  expect([lanes.inFlight, takes.length]).toStrictEqual([2, 2])
  expect(lanes.hold('h')).toBeDefined()
  ends[1]?.resolve()
  await turns(20)
  expect(takes).toHaveLength(3)
  takes[2]?.resolve(nothing)
  ends[0]?.resolve()
  expect(await lanes.stop(1000)).toBe(0)
})

test('however many partitions have work, and however little of it fits at once, all of it is taken, in about as many takes', async () => {
  const partitions = 256
  const waiting = new Set(Array.from({ length: partitions }, (_, number) => number))
  let takes = 0
  let open = 0
  let most = 0
  const store = {
    partitions,
    partitionOf: Number,
    lease: async () => ({ status: 'held', fence, remainingMs: 10_000 }),
    watch: () => new Hints().watch([]),
    async take({ partition }: Take): Promise<TakeResult> {
      takes += 1
      open += 1
      most = Math.max(most, open)
      await new Promise(setImmediate) // those of one turn end together
      open -= 1
      if (!waiting.delete(partition)) return nothing
      const work = {
        kind: 'message',
        id: `m${partition}`,
        home: String(partition),
        lane: 'l',
        bytes: BYTES_IN_FLIGHT / 3,
      }
      return { status: 'taken', work: [work as unknown as Work], waiting: 0 } // run by the test alone
    },
  } as unknown as Store // lanes use no other operation
  let ran = 0
  const { lanes } = makeLanes(
    store,
    async () => {
      await new Promise(setImmediate)
      ran += 1
    },
    512,
  )
  await lanes.start()
  await vi.waitFor(() => expect(ran).toBe(partitions), 10_000)
  expect(await lanes.stop(1000)).toBe(0)
  expect(takes).toBeLessThan(3 * partitions)
  expect(most).toBeLessThanOrEqual(512 / 32)
})

test('open work without its message is told as an error', async () => {
  const { store, takes } = fakeStore()
  const errors: unknown[] = []
  const lanes = new Lanes({
    store,
    log: { ...log, error: (...said) => errors.push(said) },
    owner: 'me',
    maxInFlight: 8,
    run: async () => undefined,
    onDoubt() {},
  })
  await lanes.start()
  takes[0]?.resolve({ ...nothing, lost: [{ kind: 'push', id: 'p' }] })
  await turns(20)
  expect(errors).toEqual([['open work without its message was given up', { kind: 'push', id: 'p' }]])
  await lanes.stop(0)
})

test('a stop runs what a take under way brings, and takes nothing after it', async () => {
  const { store, takes } = fakeStore()
  const seen: string[] = []
  const { lanes } = makeLanes(store, async ({ id }) => void seen.push(id))
  await lanes.start()
  const stopped = lanes.stop(5000)
  takes[0]?.resolve(taken('a'))
  expect(await stopped).toBe(0)
  expect(seen).toEqual(['a'])
  lanes.poke('h')
  await turns(20)
  expect(takes).toHaveLength(1)
  expect(lanes.hold('h')).toBeUndefined()
})

test('a take that failed leaves a doubt, and is tried again', async () => {
  const { store, takes } = fakeStore()
  const { lanes, doubts } = makeLanes(store, async () => undefined)
  await lanes.start()
  takes[0]?.reject(new GatewayError('STORE_UNAVAILABLE', 'no disk'))
  await turns(20)
  expect(doubts()).toBe(1)
  lanes.poke('h')
  await turns(20)
  expect(takes).toHaveLength(2)
  takes[1]?.resolve(nothing)
  await lanes.stop(0)
})

test('of several partitions no more is taken together than may be in flight, and none is forgotten', async () => {
  const takes: { readonly partition: number; readonly max: number; answer: (result: TakeResult) => void }[] =
    []
  const store = {
    partitions: 3,
    partitionOf: (home: string) => Number(home),
    lease: async () => ({ status: 'held', fence, remainingMs: 10_000 }),
    watch: () => new Hints().watch([]),
    value: async () => ({ status: 'ok' }),
    take({ partition, max }: { readonly partition: number; readonly max: number }) {
      const taking = Promise.withResolvers<TakeResult>()
      takes.push({ partition, max, answer: taking.resolve })
      return taking.promise
    },
  } as unknown as Store // lanes use no other operation
  const { lanes, ends } = holding(store, 2)
  await lanes.start()
  expect(takes).toMatchObject([{ partition: 0, max: 2 }])
  // It brings less than it might: the room that is left is the next one's.
  takes[0]?.answer({
    ...nothing,
    work: [{ kind: 'message', id: 'a', home: '0', lane: 'a' } as unknown as Work],
  })
  await turns(20)
  expect(takes.slice(1)).toMatchObject([{ partition: 1, max: 1 }])
  takes[1]?.answer({
    ...nothing,
    work: [{ kind: 'message', id: 'b', home: '1', lane: 'b' } as unknown as Work],
  })
  await turns(20)
  expect(takes).toHaveLength(2)
  expect(lanes.inFlight).toBe(2)
  ends[0]?.resolve()
  await turns(20)
  const third = takes[2]
  expect(third).toMatchObject({ max: 1 })
  third?.answer(nothing)
  await turns(20)
  expect(new Set(takes.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2]))
  for (const take of takes.slice(3)) take.answer(nothing)
  ends[1]?.resolve()
  expect(await lanes.stop(1000)).toBe(0)
})

test('leases that cannot be renewed are one line in the log, not one for each partition', async () => {
  const said: unknown[] = []
  const store = {
    partitions: 256,
    partitionOf: () => 0,
    lease: () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away')),
    watch: () => new Hints().watch([]),
    value: () => Promise.reject(new GatewayError('STORE_UNAVAILABLE', 'away')),
  } as unknown as Store // lanes ask for nothing else before they hold a lease
  const lanes = new Lanes({
    store,
    log: { ...log, warn: (message, fields) => void said.push([message, fields]) },
    owner: 'me',
    maxInFlight: 1,
    run: async () => undefined,
    onDoubt: () => undefined,
  })
  await lanes.start()
  expect(said).toEqual([['partition leases could not be renewed', { partitions: 256, error: 'away' }]])
  await lanes.stop(0)
})
