// Partitions among instances (DESIGN §13, SEMANTICS 20): shared out, taken over, given back; against one store made by hand.
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import fc from 'fast-check'
import type { Json, Log } from '../../../core/api.ts'
import { PartitionLeases } from '../../../core/lanes/partition-leases.ts'
import type { Member } from '../../../core/lanes/roster.ts'
import { shareOf, surplusOf } from '../../../core/lanes/shares.ts'
import { leaseHints, valueHints } from '../../../core/store/hint-names.ts'
import { Hints } from '../../../core/store/hints.ts'
import type { Lease, LeaseResult, Store, ValueOp, ValueResult } from '../../../core/store/store.ts'

const log: Log = { debug() {}, info() {}, warn() {}, error() {} }
const PARTITIONS = 32

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** Leases and values of one store, as each instance sees them; a frozen one reaches nothing. */
function common(partitions = PARTITIONS) {
  const leases = new Map<string, { owner: string; counter: number; until: number }>()
  const values = new Map<string, { value: Json; version: number }>()
  const hints: Hints[] = []
  let counter = 0
  const tell = (names: readonly string[]): void => {
    for (const name of names) for (const one of hints) one.hint(name)
  }
  const holders = (): Map<string, number> => {
    const found = new Map<string, number>()
    for (const [name, { owner, until }] of leases)
      if (/^partition\/\d+$/u.test(name) && until > performance.now())
        found.set(owner, (found.get(owner) ?? 0) + 1)
    return found
  }
  function view(): { store: Store; freeze: () => void } {
    const own = new Hints()
    hints.push(own)
    let isFrozen = false
    const asked = async (): Promise<void> => {
      if (isFrozen) await new Promise(() => undefined)
    }
    const store = {
      partitions,
      watch: (names: readonly string[]) => own.watch(names),
      async lease(lease: Lease): Promise<LeaseResult> {
        await asked()
        const { name, owner, ttlMs, release } = lease
        if (release !== true) await of.slow
        const now = performance.now()
        const known = leases.get(name)
        if (known !== undefined && known.owner !== owner && known.until > now)
          return { status: 'busy', remainingMs: known.until - now }
        if (release === true) {
          leases.delete(name)
          tell(leaseHints(lease))
          return { status: 'released' }
        }
        const held = known?.owner === owner ? known : { owner, counter: ++counter, until: 0 }
        held.until = now + ttlMs
        leases.set(name, held)
        return { status: 'held', fence: { counter: held.counter, random: 'r' }, remainingMs: ttlMs }
      },
      async value(op: ValueOp): Promise<ValueResult> {
        await asked()
        const known = values.get(op.key)
        const state = known === undefined ? {} : { ...known }
        if (op.put === undefined) return { status: 'ok', ...state }
        if (op.expect !== undefined && op.expect !== (known?.version ?? 'absent'))
          return { status: 'conflict', ...state }
        const fresh = { value: op.put, version: (known?.version ?? 0) + 1 }
        values.set(op.key, fresh)
        tell(valueHints(op, true))
        return { status: 'ok', ...fresh }
      },
    }
    return { store: store as unknown as Store, freeze: () => (isFrozen = true) } // leases ask for nothing else
  }
  const of = { holders, leases, view, slow: Promise.resolve() }
  return of
}

async function begin(of: ReturnType<typeof common>, owner: string) {
  const { store, freeze } = of.view()
  const seen: number[] = []
  const leases = new PartitionLeases({ store, owner, log, onWork: (partition) => void seen.push(partition) })
  await leases.start()
  return { leases, freeze, seen }
}

const sorted = (holders: Map<string, number>): readonly number[] =>
  [...holders.values()].toSorted((a, b) => a - b)

test('who comes gets his share from the others, and all is held all the time', async () => {
  const of = common()
  const a = await begin(of, 'a')
  expect(a.leases.held).toBe(PARTITIONS)
  const b = await begin(of, 'b')
  await vi.advanceTimersByTimeAsync(6000)
  expect(sorted(of.holders())).toEqual([16, 16])
  const c = await begin(of, 'c')
  await vi.advanceTimersByTimeAsync(10_000)
  expect(sorted(of.holders())).toEqual([10, 11, 11])
  // New holders look for work that waits.
  expect(new Set(b.seen).size).toBeGreaterThanOrEqual(10)
  for (const one of [a, b, c]) await one.leases.stop()
})

test('who stops gives his back at once, but for what is in use; that with its last user', async () => {
  const of = common()
  const a = await begin(of, 'a')
  const b = await begin(of, 'b')
  await vi.advanceTimersByTimeAsync(6000)
  const [name = ''] = [...of.leases].find(([, { owner }]) => owner === 'a') ?? []
  const mine = Number(name.slice('partition/'.length))
  const use = a.leases.occupy(mine)
  await a.leases.stop()
  await vi.advanceTimersByTimeAsync(200)
  expect([...of.holders()]).toEqual(expect.arrayContaining([['b', PARTITIONS - 1]]))
  expect(of.leases.get(`partition/${mine}`)?.owner).toBe('a')
  expect(a.leases.hold(mine)).toBeUndefined()
  // A step that outlasts a lease is nobody's orphan.
  await vi.advanceTimersByTimeAsync(20_000)
  expect(of.leases.get(`partition/${mine}`)?.owner).toBe('a')
  use[Symbol.dispose]()
  await vi.advanceTimersByTimeAsync(200)
  expect([...of.holders()]).toEqual([['b', PARTITIONS]])
  await b.leases.stop()
})

test('who stands still loses his within 10 s, and begins nothing when he is back', async () => {
  const of = common()
  const a = await begin(of, 'a')
  const b = await begin(of, 'b')
  await vi.advanceTimersByTimeAsync(6000)
  expect(sorted(of.holders())).toEqual([16, 16])
  a.freeze()
  await vi.advanceTimersByTimeAsync(10_000)
  expect([...of.holders()]).toEqual([['b', PARTITIONS]])
  for (let n = 0; n < PARTITIONS; n++) expect(a.leases.hold(n)).toBeUndefined()
  await b.leases.stop()
})

test('what is in use is not given away before it ends, and nothing new begins in it', async () => {
  const of = common()
  const a = await begin(of, 'a')
  const uses = Array.from({ length: PARTITIONS }, (_, n) => a.leases.occupy(n))
  const b = await begin(of, 'b')
  await vi.advanceTimersByTimeAsync(500)
  expect([...of.holders()]).toEqual([['a', PARTITIONS]])
  const open = (): readonly number[] =>
    [...uses.keys()].filter((n) => {
      using hold = a.leases.hold(n)
      return hold !== undefined
    })
  expect(open()).toHaveLength(16)
  // Not for long: a step that takes its time does not stop the other lanes of its partition.
  const served = new Set<number>()
  for (let n = 0; n < 20; n++) {
    await vi.advanceTimersByTimeAsync(500)
    expect(open().length).toBeGreaterThanOrEqual(16)
    for (const one of open()) served.add(one)
  }
  expect(served.size).toBe(PARTITIONS)
  for (const use of uses) use[Symbol.dispose]()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(sorted(of.holders())).toEqual([16, 16])
  for (const one of [a, b]) await one.leases.stop()
})

test('what is let go while others are asked for first is not taken back', async () => {
  const of = common(64)
  const a = await begin(of, 'a')
  const uses = Array.from({ length: 64 }, (_, n) => a.leases.occupy(n))
  const first = Array.from({ length: 32 }, (_, n) => a.leases.occupy(n))
  const b = await begin(of, 'b')
  await vi.advanceTimersByTimeAsync(1)
  const isOpen = (n: number): boolean => {
    using hold = a.leases.hold(n)
    return hold !== undefined
  }
  expect([isOpen(0), isOpen(40)]).toEqual([true, false])
  b.freeze()
  const answered = Promise.withResolvers<void>()
  of.slow = answered.promise
  await vi.advanceTimersByTimeAsync(2000)
  uses[40]?.[Symbol.dispose]()
  await vi.advanceTimersByTimeAsync(1)
  expect(of.leases.has('partition/40')).toBe(false)
  const before = of.leases.get('partition/41')?.until ?? Infinity
  answered.resolve()
  await vi.advanceTimersByTimeAsync(100)
  expect(of.leases.get('partition/41')?.until).toBeGreaterThan(before)
  expect(of.leases.has('partition/40')).toBe(false)
  await a.leases.stop()
  for (const use of [...uses.toSpliced(40, 1), ...first]) use[Symbol.dispose]()
})

test('a call is claimed under the partition’s lease by its holder, under one of his own by anybody else', async () => {
  const of = common()
  const a = await begin(of, 'a')
  const own = await a.leases.forCall(3)
  expect(own.fence.counter).toBe(of.leases.get('partition/3')?.counter)
  const b = await begin(of, 'b')
  const calls = await b.leases.forCall(3)
  expect(calls.fence.counter).toBe(of.leases.get('partition/3/calls/b')?.counter)
  await vi.advanceTimersByTimeAsync(40_000)
  expect(of.leases.get('partition/3/calls/b')?.until).toBeGreaterThan(performance.now())
  calls[Symbol.dispose]()
  own[Symbol.dispose]()
  await vi.advanceTimersByTimeAsync(40_000)
  expect(of.leases.has('partition/3/calls/b')).toBe(false)
  for (const one of [a, b]) await one.leases.stop()
})

test('shares are whole and even; nobody lets go more than he has too much, or than somebody alive wants', () => {
  const members = fc.uniqueArray(
    fc.record({ instance: fc.string({ minLength: 1 }), held: fc.nat(256), isFresh: fc.boolean() }),
    {
      minLength: 1,
      maxLength: 20,
      selector: ({ instance }) => instance,
    },
  )
  fc.assert(
    fc.property(members, (all: readonly Member[]) => {
      const shares = all.map(({ instance }) => shareOf(instance, all, 256))
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(256)
      expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1)
      for (const member of all) {
        const surplus = surplusOf(member, all, 256)
        expect(surplus).toBeLessThanOrEqual(Math.max(0, member.held - shareOf(member.instance, all, 256)))
        const isWanted = all.some(
          (one) =>
            one.isFresh && one.instance !== member.instance && one.held < shareOf(one.instance, all, 256),
        )
        if (!isWanted) expect(surplus).toBe(0)
      }
    }),
  )
})
